//! The messages that cross a control channel. Knows no layout: see [`encode`](super::encode) and [`decode`](super::decode).

use std::time::Duration;

use oast_actors::{Capabilities, ChannelMessage, EvalId, ExitStatus, Reply, Request, Stream};
use oast_config::ByteSize;
use serde::{Deserialize, Serialize};

use super::{EncodeError, Outgoing, WireError, body::Body};

/// The numbers of the kinds of frames.
pub(super) mod kind {
    pub(in crate::wire) const EVALUATE: u8 = 1;
    pub(in crate::wire) const INTERRUPT: u8 = 2;
    pub(in crate::wire) const RESET: u8 = 3;
    pub(in crate::wire) const CHANNEL_TO_WORKER: u8 = 4;
    pub(in crate::wire) const SHUTDOWN: u8 = 5;
    pub(in crate::wire) const LAUNCH: u8 = 16;
    pub(in crate::wire) const WARM_UP: u8 = 17;
    pub(in crate::wire) const FORK: u8 = 18;
    pub(in crate::wire) const PROBE: u8 = 19;
    pub(in crate::wire) const RETIRE: u8 = 20;
    pub(in crate::wire) const HELLO: u8 = 32;
    pub(in crate::wire) const SUSPENDED: u8 = 33;
    pub(in crate::wire) const REPLIED: u8 = 34;
    pub(in crate::wire) const PRINTING: u8 = 35;
    pub(in crate::wire) const CHANNEL_FROM_WORKER: u8 = 36;
    pub(in crate::wire) const RESET_DONE: u8 = 37;
    pub(in crate::wire) const BORN: u8 = 48;
    pub(in crate::wire) const ENDED: u8 = 49;
    pub(in crate::wire) const FAILED: u8 = 50;
    pub(in crate::wire) const WARM: u8 = 51;
    pub(in crate::wire) const FORKED: u8 = 52;
    pub(in crate::wire) const PROBED: u8 = 53;
}

/// A set of messages that one end sends and the other takes.
pub(crate) trait Message: Sized {
    /// Appends the message to what waits to be sent.
    ///
    /// # Errors
    /// It is larger than a message may be, or nested too deeply. Nothing was appended.
    fn encode(&self, outgoing: &mut Outgoing) -> Result<(), EncodeError>;

    /// Reads a message from the parts of its frame.
    ///
    /// # Errors
    /// The kind is not one of this set, or the body is malformed.
    fn decode(kind: u8, id: u64, body: &mut Body<'_>) -> Result<Self, WireError>;
}

/// What the host tells a worker process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ToWorker {
    /// Evaluate this.
    Evaluate(EvalId, Request),
    /// End this evaluation, if it has not ended.
    Interrupt(EvalId),
    /// Drop all state.
    Reset,
    /// A channel message.
    Channel(String, ChannelMessage),
    /// Leave when what has begun has ended.
    Shutdown,
}

/// What a worker process tells the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FromWorker {
    /// It is ready.
    Hello(Hello),
    /// An evaluation waits, and others may run.
    Suspended(EvalId),
    /// An evaluation ended.
    Replied(EvalId, Replied),
    /// What is printed from now on belongs to this evaluation.
    Printing {
        /// To which evaluation; `None` when to none.
        id: Option<EvalId>,
        /// On which stream.
        stream: Stream,
        /// From this position on, counted in bytes since the start of the process.
        from: u64,
    },
    /// A channel message.
    Channel(String, ChannelMessage),
    /// The state is dropped.
    ResetDone,
}

/// What the host tells a launcher, which becomes what it is told first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToLauncher {
    /// Become the guard of a worker process.
    Launch(Box<Launch>),
    /// Become a template.
    WarmUp(Box<TemplateSettings>),
    /// Fork a launcher, which has the descriptors that come along as its standard ones.
    Fork,
    /// Try to enter all namespaces, say whether it went well, and leave.
    Probe,
    /// Leave: another template serves, or none is wanted. The groups of its forks are the host's still.
    Retire,
}

/// What a launcher tells the host about the worker process that it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromLauncher {
    /// The worker process exists.
    Born {
        /// Its process id, as the host sees it.
        pid: u32,
        /// That of the first process of its namespace; 0 where it has none of its own.
        init: u32,
    },
    /// The worker process and all that it started is gone.
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The most memory it used.
        peak_memory: ByteSize,
        /// CPU time of it and its children, in whole microseconds.
        cpu: Duration,
        /// How often the kernel ended something in its control group for memory.
        out_of_memory: u64,
    },
    /// The worker process could not be started.
    Failed {
        /// What was being done.
        step: String,
        /// The error that the kernel gave; 0 when it gave none.
        errno: i32,
        /// What went wrong.
        text: String,
    },
    /// The template has made its runtime, and can fork.
    Warm,
    /// The template has forked.
    Forked {
        /// The process id of the launcher, as the host sees it.
        pid: u32,
    },
    /// Whether all namespaces could be entered.
    Probed {
        /// The error that the kernel gave; 0 when they could.
        errno: i32,
    },
}

/// The first message of a worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The runtime's name.
    pub(crate) runtime: String,
    /// What the runtime can do.
    pub(crate) capabilities: Capabilities,
    /// Which program it is.
    pub(crate) build: BuildId,
}

/// The end of an evaluation, with where its output ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Replied {
    /// How it ended.
    pub(crate) reply: Reply,
    /// How many bytes the runtime itself wrote to standard output since the process started.
    pub(crate) stdout_end: u64,
    /// The same for standard error.
    pub(crate) stderr_end: u64,
}

/// Which program a process runs: device, inode, size and modification time of its file, and the version of Oast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct BuildId(pub(crate) [u64; 5]);

/// What a launcher needs to know to become a worker process. The environment is passed natively.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The worker's name.
    pub(crate) worker: String,
    /// Which of the worker's processes this is.
    pub(crate) epoch: u64,
    /// The runtime to run.
    pub(crate) runtime: RuntimeSettings,
    /// The largest message, in bytes.
    pub(crate) message_limit: u64,
    /// Whether the worker process spins for a short time before it blocks.
    pub(crate) low_latency: bool,
    /// What the launcher limits before any code runs.
    pub(crate) limits: ResourceLimits,
    /// What the launcher withholds before any code runs.
    pub(crate) confinement: Confinement,
    /// The control groups that the worker process joins.
    pub(crate) groups: Groups,
}

/// What runs code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RuntimeSettings {
    /// The runtime's name.
    pub(crate) name: String,
    /// The program that the host runs.
    pub(crate) build: BuildId,
    /// Settings of the runtime `javascript`.
    pub(crate) javascript: JavaScript,
    /// What becomes the worker process, where the runtime is another program: it, and its arguments.
    pub(crate) command: Vec<String>,
    /// What a template of such a runtime loads before it forks.
    pub(crate) preload: Vec<String>,
}

/// What a template makes once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TemplateSettings {
    /// What runs code.
    pub(crate) runtime: RuntimeSettings,
    /// What each of its forks is held to.
    pub(crate) limits: ResourceLimits,
    /// What each of its forks does without.
    pub(crate) confinement: Confinement,
    /// The groups that were made for its forks have names that begin like these: what is left of them is to be removed when the
    /// host is gone.
    pub(crate) groups: Groups,
}

/// Directories of control groups. `None` where there is none of the kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Groups {
    /// That which counts memory.
    pub(crate) memory: Option<String>,
    /// That which counts processes.
    pub(crate) processes: Option<String>,
    /// That which limits processor time.
    pub(crate) processor: Option<String>,
    /// That in which all can be ended at once.
    pub(crate) tree: Option<String>,
    /// Whether they are of version 2, and one.
    pub(crate) is_unified: bool,
    /// Whether the host has another use for them when the process is gone.
    pub(crate) is_lent: bool,
}

/// What is withheld from a worker process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// Privileges, and other processes.
    pub(crate) privileges: bool,
    /// Files, but those that every program needs, to read.
    pub(crate) files: bool,
    /// The network.
    pub(crate) network: bool,
    /// System calls that administer the machine or look into other processes.
    pub(crate) system_calls: bool,
    /// Whether the directory that it starts in is among the files that it reads.
    pub(crate) directory: bool,
    /// How many bytes of files of its own it may have, where files are withheld.
    pub(crate) scratch: u64,
    /// More processes and threads than this.
    pub(crate) processes: Option<u64>,
    /// The names of mechanisms without which it is not to start.
    pub(crate) require: Vec<String>,
}

/// Limits that the kernel holds a process to (`setrlimit`). `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ResourceLimits {
    /// `RLIMIT_NOFILE`.
    pub(crate) open_files: Option<u64>,
    /// `RLIMIT_FSIZE`, in bytes.
    pub(crate) file_size: Option<u64>,
    /// `RLIMIT_DATA`, in bytes.
    pub(crate) data: Option<u64>,
    /// `RLIMIT_CORE`, in bytes.
    pub(crate) core: u64,
    /// `RLIMIT_STACK`, in bytes.
    pub(crate) stack: u64,
}

/// Settings of the runtime `javascript`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct JavaScript {
    /// How much memory the engine may use, in bytes. `None` is unlimited.
    pub(crate) memory: Option<u64>,
    /// How much stack the engine may use, in bytes. `None` is the engine's own default.
    pub(crate) stack: Option<u64>,
    /// Whether code may import modules.
    pub(crate) modules: bool,
}
