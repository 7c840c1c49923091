//! Everything that ties the host to one worker process: the control channel, the lifeline to its guard, the output pipes,
//! and the [page](crate::wire::page) of memory that both share. The reading is in [`reader`](super::reader) and
//! [`output`](super::output), the end in [`ending`](super::ending).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::Result,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
    time::{Duration, Instant},
};

use oast_actors::{ChannelMessage, EvalId, Events, Force, Launch, Request};
use oast_config::ByteSize;
use rustix::{
    fs::{MemfdFlags, SealFlags},
    io::Errno,
    net::{AddressFamily, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType},
    pipe::PipeFlags,
    process::{Pid, Signal},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::{UnixStream, unix::pipe::Receiver},
    sync::Notify,
};

use super::{
    ProcessSettings,
    attribution::Attribution,
    ending,
    launch::{self, Theirs},
    output, reader,
    spawner::{self, Launcher, Start},
};
use crate::{
    spin::Spinner,
    wire::{BuildId, Decoder, EncodeError, FromLauncher, FromWorker, Hello, Message, Outgoing, ToWorker, page},
};

/// Everything that ties the host to one worker process.
pub(super) struct Link {
    pub(super) events: Events,
    /// Watched for what comes, and not for room: a socket that is has the kernel wake this thread each time the process
    /// takes a message, once for every evaluation, for nothing.
    pub(super) control: AsyncFd<OwnedFd>,
    pub(super) lifeline: UnixStream,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    /// Read and written as a file: the process could not take it away, but nothing that it does may reach further.
    pub(super) page: OwnedFd,
    pub(super) state: RefCell<State>,
    pub(super) launcher: RefCell<Option<Launcher>>,
    /// The writer has something to do.
    unsent: Notify,
    /// An answer is about to come, and the reader may spin for it.
    pub(super) asked: Notify,
    /// Answers are being taken: what they lead to is sent when all of them are.
    pub(super) in_batch: Cell<bool>,
    /// The program that the process must be; all zeroes where it may be any.
    pub(super) build: BuildId,
    /// Nobody listens any more.
    abandoned: Notify,
    /// Whether a process of this worker was seen to have a namespace of processes.
    pub(super) has_namespace: Rc<Cell<bool>>,
}

/// What changes.
pub(super) struct State {
    outgoing: Outgoing,
    pub(super) decoder: Decoder<FromWorker>,
    /// How many bytes have come on the control channel.
    pub(super) received: u64,
    pub(super) lifeline: Decoder<FromLauncher>,
    /// Messages that were read and not handled yet.
    pub(super) inbox: VecDeque<FromWorker>,
    /// Evaluations that the process has, in the order in which they were sent.
    pub(super) in_flight: VecDeque<EvalId>,
    pub(super) attribution: [Attribution; 2],
    pub(super) stderr_tail: VecDeque<u8>,
    pub(super) spinner: Spinner,
    pub(super) worker: Option<WorkerProcess>,
    pub(super) hello: Option<Hello>,
    /// Its hello was handed on.
    pub(super) is_ready: bool,
    pub(super) ended: Option<ending::Ended>,
    pub(super) violation: Option<String>,
    pub(super) start_failure: Option<String>,
    /// When it was first told to go.
    killed: Option<Instant>,
}

/// The process that the guard bore.
pub(super) struct WorkerProcess {
    pub(super) pid: u32,
    /// The first process of its namespace; 0 where it has none of its own.
    pub(super) init: u32,
    /// Signals go through it: the pid may belong to somebody else once the process is collected. `None` if it was by then.
    pub(super) handle: Option<OwnedFd>,
}

/// How long a guard may take to end what its worker process started.
pub(super) const GUARD_PATIENCE: Duration = Duration::from_secs(2);

/// How long it takes to write again where room cannot be watched for.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// A guard's messages have few bytes.
const LIFELINE_LIMIT: ByteSize = ByteSize::kib(4);

impl Link {
    /// Opens all channels, and begins to start the process at their other ends.
    pub(super) fn open(
        settings: &ProcessSettings,
        launch: &Launch,
        events: Events,
        has_namespace: Rc<Cell<bool>>,
    ) -> Result<Rc<Self>> {
        let (control, their_control) = socket_pair()?;
        let (lifeline, their_lifeline) = socket_pair()?;
        let (stdout, their_stdout) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, their_stderr) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let page = make_page()?;
        for ours in [&control, &lifeline, &stdout, &stderr] {
            rustix::io::ioctl_fionbio(ours, true)?;
        }
        let standard = [their_lifeline, their_stdout, their_stderr];
        let theirs =
            Theirs { standard, control: their_control, page: page.as_fd(), has_namespace: has_namespace.get() };
        let start = launch::send(settings, launch, &lifeline, theirs)?;
        let link = Rc::new(Self {
            events,
            control: watched(control, Interest::READABLE)?,
            lifeline: UnixStream::from_std(lifeline.into())?,
            stdout: Receiver::from_owned_fd(stdout)?,
            stderr: Receiver::from_owned_fd(stderr)?,
            page,
            state: RefCell::new(State::new(launch)),
            launcher: RefCell::new(None),
            unsent: Notify::new(),
            asked: Notify::new(),
            in_batch: Cell::new(false),
            build: settings.runtime.build,
            abandoned: Notify::new(),
            has_namespace,
        });
        drop(actix_rt::spawn(link.clone().live(start)));
        Ok(link)
    }

    /// From the start of the process to its end. Nothing is left of it when this is over, or dropped.
    async fn live(self: Rc<Self>, start: Start) {
        let live = async {
            match spawner::start(start).await {
                Ok(launcher) => drop(self.launcher.replace(Some(launcher))),
                Err(error) => return self.fail_to_start(&error.to_string()),
            }
            tokio::select! {
                () = ending::wait(&self) => {}
                () = reader::read(&self) => {}
                () = self.write_when_unsent() => {}
                () = output::read_stdout(&self) => {}
                () = output::read_stderr(&self) => {}
            }
        };
        tokio::select! {
            () = live => {
                reader::take_rest(&self);
                self.events.send(oast_actors::Event::Exited(ending::exit(&self)));
                // Wakes a thread, which is not to run before those who wait for the end.
                drop(self.launcher.take());
            }
            () = self.abandoned.notified() => {}
        }
    }

    fn fail_to_start(&self, error: &str) {
        self.state.borrow_mut().start_failure = Some(format!("failed to start the program: {error}"));
    }

    /// Sends one evaluation: at once when the process has nothing else, together with others when it is busy anyway.
    pub(super) fn evaluate(&self, id: EvalId, request: &Request) -> std::result::Result<(), EncodeError> {
        let mut state = self.state.borrow_mut();
        state.outgoing.evaluate(id, request)?;
        state.in_flight.push_back(id);
        let alone = state.in_flight.len() == 1;
        drop(state);
        self.send_soon(alone);
        self.asked.notify_one();
        Ok(())
    }

    /// Memory for the bulk bytes of an answer.
    pub(super) fn lend(&self, id: EvalId, buffer: Vec<u8>) {
        self.state.borrow_mut().decoder.lend(id, buffer);
    }

    pub(super) fn interrupt(&self, id: EvalId) {
        let slot = (page::INTERRUPTS + 8 * page::slot(id)) as u64;
        // It cannot fail: the page can neither shrink nor vanish. If it did, the interrupt comes in order, or the grace ends.
        let _ = rustix::io::pwrite(&self.page, &id.0.to_ne_bytes(), slot);
        self.say(&ToWorker::Interrupt(id));
    }

    pub(super) fn reset(&self) {
        self.say(&ToWorker::Reset);
    }

    pub(super) fn channel(&self, name: &str, message: &ChannelMessage) -> std::result::Result<(), EncodeError> {
        self.state.borrow_mut().outgoing.channel_to_worker(name, message)?;
        self.send_soon(false);
        Ok(())
    }

    /// Ends the process, as hard as is asked.
    pub(super) fn stop(&self, how: Force) {
        match how {
            Force::Ask => self.say(&ToWorker::Shutdown),
            Force::Terminate => self.signal(Signal::TERM),
            Force::Kill => self.kill(),
        }
    }

    /// Nobody listens any more: the guard ends everything when it finds the lifeline closed.
    pub(super) fn abandon(&self) {
        self.abandoned.notify_one();
    }

    /// Kills the worker process; its guard ends what it started. Where that was tried long ago, the guard is in the way.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
        self.wake_guard();
        let _ = rustix::net::shutdown(&self.lifeline, rustix::net::Shutdown::Write);
        let since = *self.state.borrow_mut().killed.get_or_insert_with(Instant::now);
        if since.elapsed() >= GUARD_PATIENCE {
            self.kill_group();
        }
    }

    pub(super) fn is_killed(&self) -> bool {
        self.state.borrow().is_killed()
    }

    /// Kills the worker process until it and its guard are gone. Does not return: the end of the guard is heard elsewhere.
    pub(super) async fn keep_killing(&self) {
        loop {
            self.kill();
            actix_rt::time::sleep(GUARD_PATIENCE).await;
        }
    }

    /// The code may have stopped its guard: one that is stopped ends nothing. The pid is safe: it is not collected yet.
    fn wake_guard(&self) {
        let launcher = self.launcher.borrow();
        let guard = launcher.as_ref().and_then(|launcher| i32::try_from(launcher.pid).ok());
        if let Some(guard) = guard.and_then(Pid::from_raw) {
            // An error says that it is gone already.
            let _ = rustix::process::kill_process(guard, Signal::CONT);
        }
    }

    /// Kills the guard and all that is below it.
    pub(super) fn kill_group(&self) {
        if let Some(launcher) = &*self.launcher.borrow() {
            launcher.kill_group();
        }
    }

    fn signal(&self, signal: Signal) {
        let state = self.state.borrow();
        if let Some(handle) = state.worker.as_ref().and_then(|worker| worker.handle.as_ref()) {
            // An error says that it is gone.
            let _ = rustix::process::pidfd_send_signal(handle, signal);
        }
    }

    fn say(&self, message: &ToWorker) {
        // None of these is too large.
        drop(message.encode(&mut self.state.borrow_mut().outgoing));
        self.send_soon(true);
    }

    fn send_soon(&self, now: bool) {
        if self.in_batch.get() {
            return;
        }
        if now {
            self.send();
        } else {
            self.unsent.notify_one();
        }
    }

    /// Writes what the socket takes now. The writer does the rest.
    pub(super) fn send(&self) {
        if !self.write() {
            self.unsent.notify_one();
        }
    }

    async fn write_when_unsent(&self) {
        loop {
            self.unsent.notified().await;
            while !self.write() {
                if self.write_as_there_is_room().await.is_err() {
                    // This program has no descriptor left.
                    actix_rt::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    /// Watches for room as long as something waits for it. A descriptor is watched once only, so that takes another one.
    async fn write_as_there_is_room(&self) -> Result<()> {
        let socket = watched(self.control.get_ref().try_clone()?, Interest::WRITABLE)?;
        loop {
            let mut room = socket.writable().await?;
            if self.write() {
                return Ok(());
            }
            room.clear_ready();
        }
    }

    /// Writes what the socket takes. False when something is left.
    fn write(&self) -> bool {
        let mut state = self.state.borrow_mut();
        write(self.control.as_fd(), &mut state.outgoing).unwrap_or_else(|_| {
            // The process is gone. That is noticed elsewhere, with all that it said before.
            let unsent = state.outgoing.len();
            state.outgoing.advance(unsent);
            true
        })
    }
}

impl State {
    /// Whether it was told to go.
    pub(super) const fn is_killed(&self) -> bool {
        self.killed.is_some()
    }

    fn new(launch: &Launch) -> Self {
        let limit = launch.profile.limits.message;
        Self {
            outgoing: Outgoing::new(limit),
            decoder: Decoder::new(limit),
            received: 0,
            lifeline: Decoder::new(LIFELINE_LIMIT),
            inbox: VecDeque::new(),
            in_flight: VecDeque::new(),
            attribution: Default::default(),
            stderr_tail: VecDeque::new(),
            spinner: Spinner::for_answers(launch.profile.latency),
            worker: None,
            hello: None,
            is_ready: false,
            ended: None,
            violation: None,
            start_failure: None,
            killed: None,
        }
    }
}

/// Writes what the socket takes. False when something is left.
fn write(socket: BorrowedFd<'_>, outgoing: &mut Outgoing) -> std::result::Result<bool, Errno> {
    let written = outgoing.write_with(|slices| {
        rustix::net::sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
    });
    match written {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is waited for has not come: lets the socket tell when it has.
pub(super) fn clear(socket: &UnixStream, interest: Interest) {
    drop(socket.try_io(interest, || Err::<(), _>(std::io::ErrorKind::WouldBlock.into())));
}

/// Waits on a descriptor.
pub(super) fn watched(descriptor: OwnedFd, interest: Interest) -> Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "tokio has no other way to wait for one thing only, or for a pidfd")]
    // SAFETY: the descriptor is owned, and moves into what waits for it.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) }?;
    Ok(watched)
}

pub(super) fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Memory that is shared with the worker process. Nobody can cut it off under the other's feet.
fn make_page() -> Result<OwnedFd> {
    let page = rustix::fs::memfd_create("oast-page", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&page, page::SIZE as u64)?;
    rustix::fs::fcntl_add_seals(&page, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(page)
}
