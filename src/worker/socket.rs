//! The worker process's end of its control channel. Answers are gathered while more messages are at hand and sent in
//! one write before the loop waits; [`watch`](super::watch) sends them when an evaluation in between takes its time.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use oast_actors::{EvalId, Raised, Reply, ReplyResult, Stream};
use oast_config::ByteSize;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::RecvFlags,
};

use super::main_loop::{Link, Outlet, Received, Wait};
use crate::{
    spin::Spinner,
    wire::{Decoder, FromWorker, Message, Outgoing, Replied, ToWorker},
};

/// How much is gathered before it is sent although more messages are at hand.
const GATHER: usize = 16 << 10;

/// What is said and printed goes out here.
pub(super) struct SocketOutlet {
    control: Arc<OwnedFd>,
    outgoing: Mutex<Outgoing>,
    progress: Progress,
    /// Whether somebody sees to it that what is gathered is sent in time.
    attended: AtomicBool,
    attend: OwnedFd,
}

impl SocketOutlet {
    pub(super) fn new(control: Arc<OwnedFd>, progress: &OwnedFd, limit: ByteSize) -> Result<Self, String> {
        let attend =
            rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
        Ok(Self {
            control,
            outgoing: Mutex::new(Outgoing::new(limit)),
            progress: Progress::map(progress).map_err(|error| error.to_string())?,
            attended: AtomicBool::new(false),
            attend,
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
        let mut outgoing = self.lock();
        let any = !outgoing.is_empty();
        self.send(&mut outgoing);
        any
    }

    /// Nobody sees to it any more.
    pub(super) fn leave(&self) {
        self.attended.store(false, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, outgoing: &mut Outgoing) {
        if outgoing.write_with(|slices| rustix::io::writev(&*self.control, slices)).is_err() {
            // The host is gone: the next read tells.
            outgoing.advance(outgoing.len());
        }
    }
}

impl Outlet for Arc<SocketOutlet> {
    fn say(&self, message: FromWorker) {
        let mut outgoing = self.lock();
        // What is too large to say is replaced by the news that it is.
        if let Err(error) = message.encode(&mut outgoing)
            && let FromWorker::Replied(id, replied) = message
        {
            drop(instead(id, replied, &error.to_string()).encode(&mut outgoing));
        }
        if outgoing.len() >= GATHER {
            self.send(&mut outgoing);
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
        self.progress.begins(id);
        true
    }

    fn will_take_time(&self) {
        if !self.lock().is_empty() && !self.attended.swap(true, Ordering::AcqRel) {
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
    pub(super) fn new(control: Arc<OwnedFd>, outlet: Arc<SocketOutlet>, limit: ByteSize, low_latency: bool) -> Self {
        let spinner = low_latency.then(Spinner::new).flatten();
        Self { control, outlet, decoder: Decoder::new(limit), spinner }
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

/// Where the worker process writes which evaluation it begins. The host reads it when the process is gone, to tell what
/// may have run from what cannot have: a page of memory costs a store, a message would cost a system call.
struct Progress(std::ptr::NonNull<std::sync::atomic::AtomicU64>);

// SAFETY: it is a pointer to an atomic in a shared mapping that is never unmapped.
#[expect(unsafe_code, reason = "a pointer into a shared mapping")]
unsafe impl Send for Progress {}
// SAFETY: as above; atomics may be used by several threads.
#[expect(unsafe_code, reason = "a pointer into a shared mapping")]
unsafe impl Sync for Progress {}

impl Progress {
    fn map(memory: &OwnedFd) -> Result<Self, Errno> {
        use rustix::mm::{MapFlags, ProtFlags};
        // SAFETY: the kernel chooses the address, and the mapping lives as long as the process.
        #[expect(unsafe_code, reason = "shared memory with the host")]
        let page = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), 8, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, memory, 0)
        }?;
        std::ptr::NonNull::new(page.cast()).map(Self).ok_or(Errno::NOMEM)
    }

    fn begins(&self, id: EvalId) {
        // SAFETY: the mapping is aligned, as long as a `u64`, and never unmapped.
        #[expect(unsafe_code, reason = "shared memory with the host")]
        let last = unsafe { self.0.as_ref() };
        last.store(id.0, Ordering::Relaxed);
    }
}
