//! The section `sandbox` of a profile: what the launcher puts in place before a worker process runs any code. It says what is
//! wanted, and no mechanism but those that a profile insists on.

use serde::{Deserialize, Serialize};

use crate::{
    ByteSize,
    portion::ShareOfMemory,
    quantity::{Limit, Plain},
};

/// What the launcher puts in place before a worker process runs any code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Names of environment variables that a worker process inherits; all others are removed.
    pub environment: Vec<String>,
    /// Open files (`RLIMIT_NOFILE`).
    #[serde(with = "Limit::<u64>")]
    pub open_files: Option<u64>,
    /// Size of any file it writes (`RLIMIT_FSIZE`).
    #[serde(with = "Limit::<ByteSize>")]
    pub file_size: Option<ByteSize>,
    /// Private writable memory of one process (`RLIMIT_DATA`).
    #[serde(with = "ShareOfMemory")]
    pub data: Option<ByteSize>,
    /// Size of a core dump (`RLIMIT_CORE`).
    pub core: ByteSize,
    /// Size of the main thread's stack (`RLIMIT_STACK`).
    pub stack: ByteSize,
    /// Processes and threads at a time, for the worker process and all that it starts.
    #[serde(with = "Limit::<u64>")]
    pub processes: Option<u64>,
    /// Processor time that it gets at most, in percent of one core, all that it starts together.
    #[serde(with = "Limit::<u64>")]
    pub cpu_quota: Option<u64>,
    /// How much of the cores it gets beside others when they are busy. 100 is what a group gets of which nothing is said.
    #[serde(with = "Plain::<u64>")]
    pub cpu_share: u64,
    /// Whether control groups count its memory and its processes, where they can be made.
    pub control_groups: bool,
    /// What it may do beyond what any program may.
    pub privileges: Privileges,
    /// Which files it reaches.
    pub files: Files,
    /// Room for files of its own, in memory, where the system's are read-only.
    pub scratch: ByteSize,
    /// Which network it reaches.
    pub network: Network,
    /// Which system calls it may make.
    pub system_calls: SystemCalls,
    /// Mechanisms that must be in place: where one is missing, the worker is refused.
    pub require: Vec<Mechanism>,
}

/// What a worker process may do beyond what any program may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Privileges {
    /// Whatever its user may.
    Kept,
    /// Nothing: it has no capability and gets none, is `nobody` where its host is root, and reaches no other process.
    Dropped,
}

/// Which files a worker process reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Files {
    /// All that its user may.
    All,
    /// It reads the system's programs and libraries, and the directory that its spec names. Where it has a root of its own it
    /// finds no others, and writes within [`scratch`](Sandbox::scratch); elsewhere it writes none.
    ReadOnly,
}

/// Which network a worker process reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// That of its host.
    Host,
    /// None, not even that of this machine.
    None,
}

/// Which system calls a worker process may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SystemCalls {
    /// All.
    All,
    /// None that administer the machine, look into other processes, or widen what code can attack in the kernel.
    Filtered,
}

/// Something that a kernel has for holding processes, by the name that `oast doctor` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// A process can be held by a descriptor (`pidfd_open(2)`).
    Pidfd,
    /// A process can adopt the orphans below it (`PR_SET_CHILD_SUBREAPER`).
    Subreaper,
    /// The kernel lists the children of a process.
    Children,
    /// Memory and processes can be counted for all that a process starts (`cgroups(7)`).
    Cgroups,
    /// Files, TCP and signals can be withheld from a process (`landlock(7)`).
    Landlock,
    /// System calls can be filtered (`seccomp(2)`).
    Seccomp,
    /// A process can have namespaces of its own (`user_namespaces(7)`).
    UserNamespaces,
}

impl Sandbox {
    /// The share of processor time of which nothing need be said.
    pub const EVEN_SHARE: u64 = 100;
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pidfd,
        Self::Subreaper,
        Self::Children,
        Self::Cgroups,
        Self::Landlock,
        Self::Seccomp,
        Self::UserNamespaces,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pidfd => "pidfd",
            Self::Subreaper => "subreaper",
            Self::Children => "children",
            Self::Cgroups => "cgroups",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::UserNamespaces => "user-namespaces",
        }
    }
}
