//! How code gets to the place that runs it. The one door between a supervisor, which decides, and the world.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use oast_config::{ByteSize, Profile};

use crate::{Capabilities, EvalId, ExitStatus, Raised, Request, Stream, Usage, Value};

/// Starts worker processes, one at a time, and carries evaluations to them.
///
/// All calls come from one thread and must not block. An evaluator answers through [`Events`], never from within a call.
pub trait Evaluator: 'static {
    /// Starts a worker process. [`Event::Ready`] or [`Event::Exited`] follows.
    fn start(&mut self, launch: Launch, events: Events);

    /// Sends one evaluation. [`Event::Replied`] follows, unless the process ends first.
    ///
    /// # Errors
    /// The request has more bytes than a message may have.
    fn evaluate(&mut self, id: EvalId, request: &Request) -> Result<(), TooLarge>;

    /// Offers memory for the bulk bytes of one evaluation's value, before it is sent. An evaluator may make nothing of it.
    fn lend(&mut self, id: EvalId, buffer: Vec<u8>) {
        drop((id, buffer));
    }

    /// Asks the process to end one evaluation, running or not. Naming one that ended already does nothing.
    fn interrupt(&mut self, id: EvalId);

    /// Asks the runtime to drop its state. [`Event::Reset`] follows.
    fn reset(&mut self);

    /// Carries a channel message.
    ///
    /// # Errors
    /// The value has more bytes than a message may have.
    fn channel(&mut self, name: &str, message: ChannelMessage) -> Result<(), TooLarge>;

    /// Ends the process and everything that it started. [`Event::Exited`] follows. Dropping the evaluator kills them too.
    fn stop(&mut self, how: Force);

    /// Asks for one [`Event::Sampled`] soon.
    fn sample(&mut self);
}

/// What a worker process is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The worker's name, for its process title and its logs.
    pub worker: String,
    /// Which of the worker's processes this is.
    pub epoch: u64,
    /// Limits and sandbox.
    pub profile: std::sync::Arc<Profile>,
}

/// How hard a process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is asked to leave when it has ended what it runs.
    Ask,
    /// SIGTERM.
    Terminate,
    /// SIGKILL for it and for everything that it started.
    Kill,
}

/// A request or a channel value that has too many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// How many it has.
    pub size: u64,
    /// How many it may have.
    pub limit: u64,
}

/// One step in the life of a channel, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub enum ChannelMessage {
    /// The channel exists and takes this many values before it is full.
    Open {
        /// How many.
        capacity: u32,
    },
    /// A value.
    Put(Value),
    /// The receiver took this many values: as many more may be put.
    Taken(u32),
    /// No more values come, from either side.
    Close,
}

/// What happened to a worker process.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It said hello.
    Ready {
        /// Its process id; 0 where there is no process.
        pid: u32,
        /// What its runtime can do.
        capabilities: Capabilities,
    },
    /// An evaluation waits, and others may run.
    Suspended(EvalId),
    /// An evaluation ended.
    Replied(EvalId, Reply),
    /// Something was printed; `None` when no evaluation ran.
    Printed {
        /// By which evaluation.
        id: Option<EvalId>,
        /// Where to.
        stream: Stream,
        /// What.
        bytes: Bytes,
    },
    /// A channel message.
    Channel(String, ChannelMessage),
    /// The state is dropped.
    Reset,
    /// What it uses now, with everything that it started.
    Sampled {
        /// Resident memory.
        memory: ByteSize,
        /// CPU time since its start.
        cpu: Duration,
    },
    /// It and everything that it started is gone.
    Exited(Exit),
}

/// How one evaluation ended, as the worker process tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// How it ended.
    pub result: ReplyResult,
    /// The value as the runtime prints it. `None` where the value's own text says the same.
    pub text: Option<String>,
    /// What it used.
    pub usage: Usage,
}

/// How one evaluation ended, as the worker process tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyResult {
    /// With a value.
    Value(Value),
    /// With an error that the code raised.
    Raised(Raised),
    /// It was interrupted.
    Interrupted,
    /// The runtime cannot do what was asked.
    Unsupported,
    /// It was interrupted before it reached the code, and never will.
    Withdrawn,
}

/// The evidence that a worker process left when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its process id; 0 when there never was one.
    pub pid: u32,
    /// What the kernel said.
    pub status: Option<ExitStatus>,
    /// What it did that the protocol does not allow.
    pub violation: Option<String>,
    /// Why it could not be started.
    pub start_failure: Option<String>,
    /// The last evaluation that it began. All later ones never reached the code.
    pub last_begun: LastBegun,
    /// The most memory it used.
    pub peak_memory: ByteSize,
    /// CPU time of it and its children.
    pub cpu: Duration,
    /// The last that it wrote to standard error.
    pub stderr: String,
    /// How often the kernel ended something of it, because all of it together was at its memory limit.
    pub out_of_memory: u64,
}

/// What is known of the last evaluation that a process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastBegun {
    /// It cannot say: everything that was sent may have run.
    #[default]
    Unknown,
    /// It began none.
    Nothing,
    /// This one.
    Was(EvalId),
}

/// Where an evaluator says what happened. It belongs to one epoch and one thread.
#[derive(Clone)]
pub struct Events(Rc<dyn Fn(Event)>);

impl Events {
    /// Says things to `listener`.
    pub fn new(listener: impl Fn(Event) + 'static) -> Self {
        Self(Rc::new(listener))
    }

    /// Says that something happened. Must not be called from within a call of the [`Evaluator`].
    pub fn send(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
