//! What a process may do beyond what any program may: who it is, and its capabilities (`capabilities(7)`).

use rustix::{io::Errno, thread::CapabilitySet};

use super::steps::{Argument, Step, call};

/// `nobody`, who owns nothing. The kernel's own overflow id, which every system has.
const NOBODY: u32 = 65534;

/// Who a process is, as whom it enters namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Who {
    /// Who this process is.
    pub(super) fn am_i() -> Self {
        Self { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
    }

    pub(super) const fn is_root(self) -> bool {
        self.user == 0
    }
}

/// Becomes `nobody`, where this process is root.
pub(super) fn stop_being_root() -> (Who, Vec<Step>) {
    let me = Who::am_i();
    if !me.is_root() || !may_become_another() {
        return (me, Vec::new());
    }
    let calls = [
        call!(SYS_setgroups, 0, 0),
        call!(SYS_setresgid, NOBODY, NOBODY, NOBODY),
        call!(SYS_setresuid, NOBODY, NOBODY, NOBODY),
        // Whoever changes who it is loses its own entries in `/proc`, which the namespace's maps are written to.
        call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
    ];
    (Who { user: NOBODY, group: NOBODY }, calls.map(|call| Step::new("become nobody", call)).into())
}

/// Root of a namespace alone, or root in name only, cannot: it is an ordinary user elsewhere, and stays that. Nor does one
/// that could not end the process afterwards.
fn may_become_another() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    let has_them = rustix::thread::capabilities(None).is_ok_and(|has| has.effective.contains(needed));
    let maps = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let knows_nobody = maps.lines().any(|line| {
        let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
        let (first, count) = (numbers.next(), numbers.nth(1));
        first.zip(count).is_some_and(|(first, count)| (first..first + count).contains(&u64::from(NOBODY)))
    });
    has_them && knows_nobody
}

/// Gains none by whatever program is started.
pub(super) fn gain_none() -> Step {
    Step::new("gain no privileges", call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

/// Gives up all capabilities, also those that a program could bring along.
pub(super) fn drop_capabilities() -> impl Iterator<Item = Step> {
    const WHAT: &str = "drop capabilities";
    /// `_LINUX_CAPABILITY_VERSION_3`, for the calling process.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    // The kernel knows those that are numbered from 0 on without a gap. Within a namespace, a process has them all.
    let is_known = |number: &u32| {
        let capability = CapabilitySet::from_bits(1 << number);
        capability.is_some_and(|capability| rustix::thread::capability_is_in_bounding_set(capability).is_ok())
    };
    let drop = |number: u32| {
        // One that this process may not remove from what programs bring is one that it has not.
        Step::new(WHAT, call!(SYS_prctl, libc::PR_CAPBSET_DROP, number, 0, 0, 0)).ignoring(Some(&[Errno::PERM]))
    };
    let header = HEADER.map(u32::to_ne_bytes).concat();
    let none = call!(SYS_capset, Argument::Bytes(header), Argument::Bytes(vec![0; 24]));
    (0..u64::BITS).take_while(is_known).map(drop).chain([Step::new(WHAT, none)])
}
