//! Control groups (`cgroups(7)`): they count the memory of all that a worker process starts, whatever kind of memory it is,
//! and end all of it at once. The host makes them, the worker process joins them before it does anything else, and its guard
//! reads what they counted.
//!
//! | this machine has | memory and processes | ending all |
//! |---|---|---|
//! | version 2 with controllers | one group | `cgroup.kill` |
//! | version 1, and version 2 without controllers | a group in each hierarchy | `cgroup.kill` in version 2 |
//! | version 1 | a group in each hierarchy | what descends from the guard is looked for |
//! | none that this user may write to | sampling | what descends from the guard is looked for |

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oast_config::ByteSize;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec},
    fs::{Access, access},
};

use super::{
    available::{self, Hierarchies},
    steps::{self, Part, Step},
};

/// How long the kernel may take to end a group.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much memory may be left in groups that are lent again.
const LEFT_AT_MOST: ByteSize = ByteSize::mib(2);

/// In which a quota of processor time is granted again and again, in micro-seconds; the kernel's own.
const CPU_PERIOD: u64 = 100_000;

/// What the groups of one worker process hold it to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) memory: Option<u64>,
    pub(crate) processes: Option<u64>,
    /// In percent of one core.
    pub(crate) cpu_quota: Option<u64>,
    /// Where it is not that of everybody, which is 100.
    pub(crate) cpu_share: Option<u64>,
}

/// The groups of one worker process. They are directories; that one is named here does not mean that it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) memory: Option<PathBuf>,
    pub(crate) processes: Option<PathBuf>,
    /// That which gets so much processor time.
    pub(crate) processor: Option<PathBuf>,
    /// Ends everything in it at once.
    pub(crate) tree: Option<PathBuf>,
    /// All of them are one, in version 2.
    pub(crate) is_unified: bool,
    /// They are lent to a process, and taken back when it is gone: to make them takes longer than all else that a fork does.
    pub(crate) is_lent: bool,
    /// They have been lent before, and are there.
    pub(crate) is_made: bool,
    /// What was counted for those who had them before.
    pub(crate) cpu_before: Duration,
}

/// What a group of memory counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// How often the kernel ended a process of the group, because the group was at its limit.
    pub(crate) killed: u64,
    /// The most memory that the group had.
    pub(crate) peak: Option<ByteSize>,
}

impl Groups {
    /// Names new ones, of those that this machine has and that are of use for the limits.
    pub(crate) fn named(limits: Limits) -> Self {
        Self::beginning(limits, &own_beginning())
    }

    /// The same, to be lent again and again to the forks of a template. The template removes them when the host is gone, by how
    /// their names begin.
    pub(crate) fn to_lend(limits: Limits, template: u64) -> Self {
        let groups = Self::beginning(limits, &format!("{}of-{template}-", own_beginning()));
        // Where there are none, there is nothing to lend.
        let is_lent = groups.all().next().is_some();
        Self { is_lent, ..groups }
    }

    fn beginning(limits: Limits, beginning: &str) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // To find where they can be made may move this process, which nobody then wants.
        if limits == Limits::default() {
            return Self::default();
        }
        let hierarchies = hierarchies();
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("{beginning}{number}");
        let below = |parent: &Option<PathBuf>| parent.as_ref().map(|parent| parent.join(&name));
        Self {
            memory: limits.memory.and_then(|_| below(&hierarchies.memory)),
            processes: limits.processes.and_then(|_| below(&hierarchies.processes)),
            processor: limits.cpu_quota.or(limits.cpu_share).and_then(|_| below(&hierarchies.processor)),
            tree: below(&hierarchies.tree),
            is_unified: hierarchies.is_unified,
            ..Self::default()
        }
    }

    /// Takes them back from a process that is gone; `None` where something of it is left in them.
    pub(crate) fn take_back(mut self) -> Option<Self> {
        // What version 2 counted cannot be forgotten before Linux 6.12.
        if !self.is_lent || self.is_unified || !self.all().all(|group| is_empty(group)) {
            return None;
        }
        if let Some(memory) = &self.memory {
            // Memory that nobody has any more: a little of what was read from files stays, and makes room when it must.
            let left = self.memory_now()?;
            (left <= LEFT_AT_MOST && write(memory, "memory.max_usage_in_bytes", 0).is_ok()).then_some(())?;
        }
        let used = self.cpu().unwrap_or_default();
        self.cpu_before += used;
        self.is_made = true;
        Some(self)
    }

    /// Removes all that begin like these and are empty; again for a while, for what is in some may be about to end.
    pub(crate) fn remove_all_like(&self) {
        let since = Instant::now();
        while self.all().filter(|group| !remove_like(group)).count() > 0 && since.elapsed() < PATIENCE {
            std::thread::sleep(PATIENCE / 100);
        }
    }

    /// Makes them. Where that fails there are none, which whoever joins notices.
    pub(crate) fn make(&self, limits: Limits) {
        if self.is_made && self.all().all(|group| group.exists()) {
            return;
        }
        if self.try_make(limits).is_err() {
            self.remove();
        }
    }

    fn try_make(&self, limits: Limits) -> io::Result<()> {
        self.all().try_for_each(fs::create_dir)?;
        if let (Some(group), Some(limit)) = (&self.memory, limits.memory) {
            self.limit_memory(group, limit)?;
        }
        if let (Some(group), Some(limit)) = (&self.processes, limits.processes) {
            write(group, "pids.max", limit)?;
        }
        match &self.processor {
            Some(group) => self.limit_processor(group, limits),
            None => Ok(()),
        }
    }

    fn limit_processor(&self, group: &Path, limits: Limits) -> io::Result<()> {
        let quota = limits.cpu_quota.map(|percent| percent.saturating_mul(CPU_PERIOD) / 100);
        match (self.is_unified, quota) {
            (true, Some(quota)) => fs::write(group.join("cpu.max"), format!("{quota} {CPU_PERIOD}"))?,
            (false, Some(quota)) => {
                write(group, "cpu.cfs_period_us", CPU_PERIOD)?;
                write(group, "cpu.cfs_quota_us", quota)?;
            }
            (_, None) => {}
        }
        match (self.is_unified, limits.cpu_share) {
            (true, Some(share)) => write(group, "cpu.weight", share),
            // There, what everybody has is 1024.
            (false, Some(share)) => write(group, "cpu.shares", share.saturating_mul(1024) / 100),
            (_, None) => Ok(()),
        }
    }

    fn limit_memory(&self, group: &Path, limit: u64) -> io::Result<()> {
        if self.is_unified {
            // All of it or none: half a worker process is none. Kernels before 4.19 end one process.
            drop(write(group, "memory.oom.group", 1));
            // A machine without swap has no such file.
            drop(write(group, "memory.swap.max", 0));
            return write(group, "memory.max", limit);
        }
        write(group, "memory.limit_in_bytes", limit)?;
        // With swap. Where swap is not counted, there is no such file.
        drop(write(group, "memory.memsw.limit_in_bytes", limit));
        Ok(())
    }

    /// Puts a process, and all that it will start, into them.
    pub(super) fn join(&self) -> impl Iterator<Item = Step> {
        self.all().flat_map(|group| {
            let [open, write, close] = steps::write("join control groups", &group.join("cgroup.procs"), "0");
            let [open, write] = [open, write].map(|step| step.needing(&[Part::ControlGroups]));
            // Also where it could not be joined, for it could be written to by whoever has it.
            [open, write, close.ignoring(None)]
        })
    }

    /// What was counted so far.
    pub(crate) fn counted(&self) -> Counted {
        let Some(group) = &self.memory else { return Counted::default() };
        let (events, peak) = if self.is_unified {
            ("memory.events", "memory.peak")
        } else {
            ("memory.oom_control", "memory.max_usage_in_bytes")
        };
        let events = fs::read_to_string(group.join(events)).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        let peak = fs::read_to_string(group.join(peak)).ok().and_then(|peak| peak.trim().parse().ok());
        Counted { killed: killed.unwrap_or(0), peak: peak.map(ByteSize) }
    }

    /// The memory that is counted now, with what the kernel keeps of files and gives back when it must.
    pub(crate) fn memory_now(&self) -> Option<ByteSize> {
        let file = if self.is_unified { "memory.current" } else { "memory.usage_in_bytes" };
        let used = fs::read_to_string(self.memory.as_ref()?.join(file)).ok()?;
        // Whoever is in there uses something: nobody has joined one where nothing is.
        used.trim().parse().ok().filter(|used| *used > 0).map(ByteSize)
    }

    /// The CPU time of all that is in them and of all that ever was, where the kernel says it. Version 2 does without any
    /// controller.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(self.tree.as_ref()?.join("cpu.stat")).ok()?;
        let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok())?;
        Some(Duration::from_micros(used).saturating_sub(self.cpu_before))
    }

    /// Whether the kernel, when memory is out, ends all that is in them at once, with whoever has memory in common with one of them.
    pub(crate) const fn end_as_one(&self) -> bool {
        self.is_unified && self.memory.is_some()
    }

    /// Becomes readable when memory is out, and the kernel is about to end a process and to leave the others. `None` where it
    /// leaves none.
    pub(crate) fn out_of_memory(&self) -> Option<OwnedFd> {
        let group = self.memory.as_ref().filter(|_| !self.end_as_one())?;
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).ok()?;
        let control = fs::File::open(group.join("memory.oom_control")).ok()?;
        let numbers = [event.as_fd(), control.as_fd()].map(|fd| std::os::fd::AsRawFd::as_raw_fd(&fd).to_string());
        fs::write(group.join("cgroup.event_control"), numbers.join(" ")).ok()?;
        Some(event)
    }

    /// Ends everything that is in them, and waits for nothing.
    pub(crate) fn kill(&self) {
        if let Some(tree) = &self.tree {
            // There may be none, or an older kernel.
            drop(write(tree, "cgroup.kill", 1));
        }
    }

    /// Ends everything that is in them, and waits until it has ended; for a time.
    pub(crate) fn end_all(&self) {
        let Some(tree) = &self.tree else { return };
        let since = Instant::now();
        let Ok(events) = fs::File::open(tree.join("cgroup.events")) else { return };
        while is_populated(tree) && write(tree, "cgroup.kill", 1).is_ok() && since.elapsed() < PATIENCE {
            let mut watched = [PollFd::new(&events, PollFlags::PRI)];
            let soon = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            // An error says that it was interrupted.
            let _ = rustix::event::poll(&mut watched, Some(&soon));
        }
    }

    /// Removes those in which nothing is left, and those that a host within has made below them and left. Whether they are gone:
    /// the kernel may take a moment to let go of what was ended.
    pub(crate) fn remove(&self) -> bool {
        // Each is tried, whatever became of the one before.
        self.all().filter(|group| !remove(group)).count() == 0
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let apart = [&self.processes, &self.processor, &self.tree]
            .into_iter()
            .filter(|_| !self.is_unified || self.memory.is_none());
        let first = self.memory.iter();
        // In version 2 they are one and the same.
        first.chain(apart.flatten().take(if self.is_unified { 1 } else { usize::MAX }))
    }
}

fn write(group: &Path, file: &str, number: u64) -> io::Result<()> {
    fs::write(group.join(file), number.to_string())
}

/// A group has files, which are the kernel's and go with it, and groups below it, which do not.
fn remove(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // An error says that something is left in it, or that it is gone already.
    fs::remove_dir(group).is_ok() || !group.exists()
}

/// Removes the groups beside one whose names begin as its own does. Whether none is left.
fn remove_like(group: &Path) -> bool {
    let (Some(parent), Some(name)) = (group.parent(), group.file_name().and_then(|name| name.to_str())) else {
        return true;
    };
    let Some(beginning) = name.rfind('-').map(|at| &name[..=at]) else { return true };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let alike = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(beginning)));
    alike.filter(|entry| !remove(&entry.path())).count() == 0
}

fn is_empty(group: &Path) -> bool {
    fs::read(group.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty())
}

fn is_populated(tree: &Path) -> bool {
    fs::read_to_string(tree.join("cgroup.events")).is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// Whether groups that hold memory can be made here.
pub(crate) fn can_limit_memory() -> bool {
    hierarchies().memory.is_some()
}

/// Where groups can be made, found once.
fn hierarchies() -> &'static Hierarchies {
    static HIERARCHIES: OnceLock<Hierarchies> = OnceLock::new();
    HIERARCHIES.get_or_init(|| {
        let mut found = available::hierarchies();
        if found.is_unified && !found.memory.as_deref().is_some_and(hand_down) {
            found = Hierarchies::default();
        }
        for parent in [&mut found.memory, &mut found.processes, &mut found.processor, &mut found.tree] {
            parent.take_if(|parent| access(&**parent, Access::WRITE_OK).is_err());
        }
        found
    })
}

/// Lets groups below one have its controllers, in version 2. A group that does has no processes of its own, so this process
/// moves into one below it.
fn hand_down(group: &Path) -> bool {
    // That of the processor may be held back, and is wanted seldom.
    let controllers = || {
        let hand = |names: &str| fs::write(group.join("cgroup.subtree_control"), names).is_ok();
        hand("+memory +pids +cpu") || hand("+memory +pids")
    };
    if controllers() {
        return true;
    }
    let own = group.join(format!("oast-host-{:08x}", own_number()));
    if fs::create_dir(&own).is_ok() && write(&own, "cgroup.procs", 0).is_ok() && controllers() {
        return true;
    }
    // Others have processes there. This one goes back to them.
    drop(write(group, "cgroup.procs", 0));
    drop(fs::remove_dir(own));
    false
}

/// How the names of all groups begin that this process makes for others.
fn own_beginning() -> String {
    format!("oast-{}-{:08x}-", rustix::process::getpid().as_raw_nonzero(), own_number())
}

/// Tells this process from others of the same number, which may be in other namespaces or have been before.
fn own_number() -> u32 {
    static NUMBER: OnceLock<u32> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        let mut bytes = [0; 4];
        // Without it, the number is the same for all.
        let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
        u32::from_ne_bytes(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> (PathBuf, Groups) {
        let path = std::env::temp_dir().join(format!("oast-groups-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let groups = Groups { memory: Some(path.clone()), is_unified: name == "v2", ..Groups::default() };
        (path, groups)
    }

    #[test]
    fn what_both_versions_counted_is_read() {
        let (path, groups) = group("v1");
        fs::write(path.join("memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n").unwrap();
        fs::write(path.join("memory.max_usage_in_bytes"), "4096\n").unwrap();
        fs::write(path.join("memory.usage_in_bytes"), "2048\n").unwrap();
        assert_eq!(groups.counted(), Counted { killed: 3, peak: Some(ByteSize(4096)) });
        assert_eq!(groups.memory_now(), Some(ByteSize(2048)));
        fs::remove_dir_all(path).unwrap();
        let (path, groups) = group("v2");
        fs::write(path.join("memory.events"), "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 1\n").unwrap();
        fs::write(path.join("memory.peak"), "8192\n").unwrap();
        assert_eq!(groups.counted(), Counted { killed: 1, peak: Some(ByteSize(8192)) });
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn the_time_of_all_is_read_where_there_is_a_tree() {
        let (path, groups) = group("tree");
        fs::write(path.join("cpu.stat"), "usage_usec 2500\nuser_usec 1000\n").unwrap();
        assert_eq!(groups.cpu(), None);
        let groups = Groups { tree: Some(path.clone()), ..groups };
        assert_eq!(groups.cpu(), Some(Duration::from_micros(2500)));
        fs::remove_dir_all(path).unwrap();
        assert_eq!(groups.cpu(), None);
    }

    #[test]
    fn each_directory_is_made_and_removed_once() {
        let path = PathBuf::from("/a");
        let unified = Groups {
            memory: Some(path.clone()),
            processes: Some(path.clone()),
            processor: Some(path.clone()),
            tree: Some(path.clone()),
            is_unified: true,
            ..Groups::default()
        };
        assert_eq!(unified.all().count(), 1);
        assert_eq!(Groups { memory: None, ..unified.clone() }.all().count(), 1);
        assert_eq!(Groups { is_unified: false, ..unified }.all().count(), 4);
        assert_eq!(Groups::default().all().count(), 0);
    }

    #[test]
    fn processor_time_is_limited_in_the_words_of_both_versions() {
        let limits = Limits { cpu_quota: Some(150), cpu_share: Some(50), ..Limits::default() };
        for (version, is_unified) in [("cpu v1", false), ("cpu v2", true)] {
            let (path, groups) = group(version);
            let groups = Groups { processor: groups.memory, is_unified, ..Groups::default() };
            groups.limit_processor(&path, limits).unwrap();
            let said = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
            let found = [said("cpu.max"), said("cpu.weight"), said("cpu.cfs_quota_us"), said("cpu.shares")];
            let wanted = if is_unified { ["150000 100000", "50", "", ""] } else { ["", "", "150000", "512"] };
            assert_eq!(found, wanted);
            fs::remove_dir_all(path).unwrap();
        }
    }

    #[test]
    fn without_limits_there_are_no_groups() {
        assert_eq!(Groups::named(Limits::default()).all().count(), 0);
    }
}
