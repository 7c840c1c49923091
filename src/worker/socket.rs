//! The worker process's end of its control channel. Answers are gathered while more messages are at hand and sent in
//! one write before the loop waits. Should the process end before, they are in the memory that it shares with its host.
//! When an evaluation in between takes its time, [`watch`](super::watch) sends them.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use oast_actors::{EvalId, Raised, Reply, ReplyResult, Stream};
use oast_config::{ByteSize, Latency};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::RecvFlags,
};

use super::{
    main_loop::{Link, Outlet, Received, Wait},
    page::{Gathered, Page},
    watch,
};
use crate::{
    spin::Spinner,
    wire::{Decoder, EncodeError, FromWorker, Message, Outgoing, Replied, ToWorker},
};

/// How much is gathered before it is sent although more messages are at hand.
const GATHER: usize = 16 << 10;

/// So often answers are sent before the code runs, until a thread that sends them meanwhile is worth its start.
const OFTEN: u32 = 64;

/// What is said and printed goes out here.
pub(super) struct SocketOutlet {
    control: Arc<OwnedFd>,
    unsent: Mutex<Unsent>,
    page: &'static Page,
    /// How often code was about to run while something was gathered.
    overtaken: AtomicU32,
    /// Whether somebody sees to it that what is gathered is sent in time.
    attended: AtomicBool,
    attend: OwnedFd,
}

/// What was said and not written yet.
struct Unsent {
    outgoing: Outgoing,
    gathered: Gathered,
}

impl SocketOutlet {
    pub(super) fn new(control: Arc<OwnedFd>, page: &'static Page, limit: ByteSize) -> Result<Self, Errno> {
        let unsent = Unsent { outgoing: Outgoing::new(limit), gathered: Gathered::new(page) };
        Ok(Self {
            control,
            unsent: Mutex::new(unsent),
            page,
            overtaken: AtomicU32::new(0),
            attended: AtomicBool::new(false),
            attend: rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?,
        })
    }

    /// Becomes readable when [`attend`](Self::attend) has something to do.
    pub(super) const fn calls(&self) -> &OwnedFd {
        &self.attend
    }

    /// Takes a call.
    pub(super) fn take_call(&self) {
        let _ = rustix::io::read(&self.attend, &mut [0; 8]);
    }

    /// Sends what was gathered. Says whether there was anything.
    pub(super) fn attend(&self) -> bool {
        let mut unsent = self.lock();
        let any = !unsent.outgoing.is_empty();
        self.send(&mut unsent);
        any
    }

    /// Nobody sees to it any more.
    pub(super) fn leave(&self) {
        self.attended.store(false, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, Unsent { outgoing, gathered }: &mut Unsent) {
        let count = outgoing.len();
        if count == 0 {
            return;
        }
        if outgoing.write_with(|slices| rustix::io::writev(&*self.control, slices)).is_err() {
            // The host is gone: the next read tells.
            outgoing.advance(outgoing.len());
        }
        gathered.written(count);
    }
}

impl Unsent {
    /// Appends a message, and says whether it may wait: the host finds it, should the process end before it is written.
    fn append(&mut self, message: &FromWorker) -> Result<bool, EncodeError> {
        let before = self.outgoing.len();
        message.encode(&mut self.outgoing)?;
        let kept = self.outgoing.since(before).is_some_and(|bytes| self.gathered.keep(bytes));
        Ok(kept && self.outgoing.len() < GATHER)
    }
}

impl Outlet for Arc<SocketOutlet> {
    fn say(&self, message: FromWorker) {
        let mut unsent = self.lock();
        let may_wait = unsent.append(&message).or_else(|error| match message {
            // What is too large to say is replaced by the news that it is.
            FromWorker::Replied(id, replied) => unsent.append(&instead(id, replied, &error.to_string())),
            _ => Err(error),
        });
        if !may_wait.unwrap_or(true) {
            self.send(&mut unsent);
        }
    }

    fn flush(&self) {
        self.send(&mut self.lock());
    }

    fn print(&self, _: Option<EvalId>, stream: Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let written = match stream {
                Stream::Stdout => rustix::io::write(rustix::stdio::stdout(), bytes),
                Stream::Stderr => rustix::io::write(rustix::stdio::stderr(), bytes),
            };
            match written {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                // Nobody reads any more.
                Err(_) => return,
            }
        }
    }

    fn begins(&self, id: EvalId) -> bool {
        self.page.begins(id);
        true
    }

    fn will_take_time(&self) {
        if self.lock().outgoing.is_empty() {
            return;
        }
        let overtaken = self.overtaken.load(Ordering::Relaxed);
        if overtaken < OFTEN || (overtaken == OFTEN && watch::start(self.clone()).is_err()) {
            self.overtaken.store((overtaken + 1).min(OFTEN), Ordering::Relaxed);
            return self.flush();
        }
        self.overtaken.store(OFTEN + 1, Ordering::Relaxed);
        if !self.attended.swap(true, Ordering::AcqRel) {
            let _ = rustix::io::write(&self.attend, &1_u64.to_ne_bytes());
        }
    }
}

/// The code ended with a value that cannot be carried: to its caller that is an error of the code.
fn instead(id: EvalId, replied: Replied, why: &str) -> FromWorker {
    let raised = Raised { kind: "ValueError".to_owned(), message: why.to_owned(), traceback: String::new() };
    let reply = Reply { result: ReplyResult::Raised(raised), text: None, ..replied.reply };
    FromWorker::Replied(id, Replied { reply, ..replied })
}

/// Messages come in here.
pub(super) struct SocketLink {
    control: Arc<OwnedFd>,
    outlet: Arc<SocketOutlet>,
    decoder: Decoder<ToWorker>,
    spinner: Option<Spinner>,
}

impl SocketLink {
    pub(super) fn new(control: Arc<OwnedFd>, outlet: Arc<SocketOutlet>, limit: ByteSize, latency: Latency) -> Self {
        Self { control, outlet, decoder: Decoder::new(limit), spinner: Spinner::for_requests(latency) }
    }

    /// Reads what is there, after having waited for it.
    fn read(&mut self, wait: Wait) -> Result<usize, Errno> {
        if let Some(spinner) = &mut self.spinner {
            let (control, space) = (&*self.control, self.decoder.space());
            let received = spinner.spin(|| receive(control, space, RecvFlags::DONTWAIT));
            if let Some(received) = received {
                return received;
            }
        }
        match wait {
            Wait::Forever => receive(&self.control, self.decoder.space(), RecvFlags::empty()),
            Wait::Until(at) => {
                let mut watched = [PollFd::new(&*self.control, PollFlags::IN)];
                rustix::event::poll(&mut watched, Some(&timeout(at)))?;
                receive(&self.control, self.decoder.space(), RecvFlags::DONTWAIT)
            }
        }
    }
}

impl Link for SocketLink {
    fn receive(&mut self, wait: Wait) -> Received {
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => return Received::Message(message),
                Ok(None) => self.outlet.flush(),
                // The host speaks another protocol. There is nothing left to agree on.
                Err(_) => return Received::Gone,
            }
            match self.read(wait) {
                Ok(0) => return Received::Gone,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Received::Nothing,
                Err(_) => return Received::Gone,
            }
        }
    }
}

fn receive(control: &OwnedFd, space: &mut Vec<u8>, flags: RecvFlags) -> Result<usize, Errno> {
    let (received, _) = rustix::net::recv(control, rustix::buffer::spare_capacity(space), flags)?;
    Ok(received)
}

/// Until `at`; rounded up, so that it has come when the wait is over.
fn timeout(at: Instant) -> Timespec {
    let left = at.saturating_duration_since(Instant::now()) + Duration::from_micros(1);
    Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
}
