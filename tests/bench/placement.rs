//! Which cores the two sides run on. A wake-up across cores costs several times what one on the same core does, and the
//! kernel places freely: a ratio means something only where floor and subject are placed alike.

use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Which cores the two sides run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both on the first.
    OneCore,
    /// Each on one of its own.
    TwoCores,
    /// Wherever the kernel likes.
    Free,
}

impl Placement {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneCore => "one core",
            Self::TwoCores => "two cores",
            Self::Free => "not pinned",
        }
    }

    /// To be called before anything is started: what is to be on one core must find no other.
    pub(crate) fn prepare(self) {
        match self {
            Self::OneCore => place(None, 0),
            Self::TwoCores | Self::Free => {}
        }
    }

    /// Places this thread, when the workers are started: they have seen that there are two cores.
    pub(crate) fn place_here(self) {
        match self {
            Self::OneCore | Self::TwoCores => place(None, 0),
            Self::Free => {}
        }
    }

    /// Places this thread, which is the other side to that of the main thread.
    pub(crate) fn place_opposite_here(self) {
        match self {
            Self::OneCore => place(None, 0),
            Self::TwoCores => place(None, 1),
            Self::Free => {}
        }
    }

    /// Places a process opposite to the main thread.
    pub(crate) fn place_opposite(self, pid: u32) {
        self.place_process(pid, 1);
    }

    /// Places a process beside the main thread.
    pub(crate) fn place_beside(self, pid: u32) {
        self.place_process(pid, 0);
    }

    fn place_process(self, pid: u32, core: usize) {
        match self {
            Self::TwoCores => place(i32::try_from(pid).ok().and_then(Pid::from_raw), core),
            Self::OneCore | Self::Free => {}
        }
    }
}

/// Where the machine has fewer cores, the last one serves.
fn place(pid: Option<Pid>, core: usize) {
    let allowed = allowed();
    let core = allowed[core.min(allowed.len() - 1)];
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(pid, &set).expect("a core that may be used can be chosen");
}

/// The cores that this program may use; asked once, before a placement narrows it.
fn allowed() -> &'static [usize] {
    static ALLOWED: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    ALLOWED.get_or_init(|| {
        let set = sched_getaffinity(None).expect("a thread may ask where it may run");
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    })
}
