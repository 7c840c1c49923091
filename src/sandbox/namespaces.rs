//! Views of the machine that a process has for itself alone (`namespaces(7)`). That of users comes with the others: within
//! it, an ordinary user may make them.

use std::path::Path;

use oast_config::{Files, Network, Privileges};
use rustix::{
    io::Errno,
    thread::{CapabilitySet, UnshareFlags},
};

use super::{
    plan::{Failed, Plan},
    privileges::{self, Who},
    steps::{Lacking, Part, Step, call, carry_out, write},
};

/// Those that keep a process from others.
const OF_STRANGERS: UnshareFlags =
    UnshareFlags::NEWPID.union(UnshareFlags::NEWIPC).union(UnshareFlags::NEWUTS).union(UnshareFlags::NEWCGROUP);

/// Forbidden by a setting, by a filter around this process, or by a limit of how many there may be; or not known.
const REFUSED: &[Errno] = &[Errno::PERM, Errno::NOSPC, Errno::USERS, Errno::NOSYS, Errno::INVAL];

/// What is made for a plan, by whoever carries it out. That of users stands before all others.
pub(super) fn wanted(plan: &Plan) -> UnshareFlags {
    let mut flags = UnshareFlags::empty();
    if plan.privileges == Privileges::Dropped {
        flags |= OF_STRANGERS;
    }
    if plan.files == Files::ReadOnly {
        flags |= UnshareFlags::NEWNS;
    }
    if plan.network == Network::None && !plan.is_offline {
        flags |= UnshareFlags::NEWNET;
    }
    // Root needs none for the others, and would be root of nothing else in it.
    let stays_root = plan.privileges == Privileges::Kept && rustix::process::geteuid().is_root();
    if flags.is_empty() || stays_root { flags } else { flags | UnshareFlags::NEWUSER }
}

/// Enters all that a stranger's process would, to see whether that can be.
pub(crate) fn probe() -> Result<(), Errno> {
    let (who, mut steps) = privileges::stop_being_root();
    let flags = OF_STRANGERS | UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWNET;
    steps.extend(enter(flags, who));
    carry_out(&steps, Lacking::default()).map_or_else(|failed| Err(failed.errno), |_nothing| Ok(()))
}

/// Moves this process, which runs nobody's code, to an empty network, in which its forks are then: to make one takes longer than
/// all other namespaces together. They reach each other there by nothing that a plan without network leaves them. `false` where that
/// cannot be, and each has to have its own.
pub(crate) fn go_offline() -> Result<bool, Failed> {
    let who = Who::am_i();
    // Root stays root, to become nobody in each fork.
    let users = if who.is_root() { UnshareFlags::empty() } else { UnshareFlags::NEWUSER };
    let steps: Vec<_> = where_allowed(enter(UnshareFlags::NEWNET | users, who)).collect();
    Ok(!carry_out(&steps, Lacking::default())?.has(Part::Namespaces))
}

/// Enters new namespaces, as who a process is outside.
pub(super) fn enter(flags: UnshareFlags, who: Who) -> Vec<Step> {
    let mut steps = vec![Step::new("enter namespaces", call!(SYS_unshare, flags.bits()))];
    if flags.contains(UnshareFlags::NEWUSER) {
        let maps = [
            // Without this, an ordinary user may not map its group: it could leave a group that denies it something.
            ("setgroups", "deny".to_owned()),
            ("uid_map", map(who.user)),
            ("gid_map", map(who.group)),
        ];
        let map = |(file, text): (&str, String)| write("map users", &Path::new("/proc/self").join(file), &text);
        steps.extend(maps.into_iter().flat_map(map));
    }
    steps
}

/// Goes on without, where namespaces are refused.
pub(super) fn where_allowed(steps: Vec<Step>) -> impl Iterator<Item = Step> {
    let needing = |step: Step| step.needing(&[Part::Namespaces]);
    steps.into_iter().enumerate().map(
        move |(at, step)| {
            if at == 0 { needing(step).lacking(Some(REFUSED)) } else { needing(step) }
        },
    )
}

/// Whether a process may map its user where it has a namespace of users. Since Linux 5.12, root maps itself only where it may give
/// files capabilities.
pub(super) fn may_map(who: Who) -> bool {
    !who.is_root() || rustix::thread::capabilities(None).is_ok_and(|has| has.effective.contains(CapabilitySet::SETFCAP))
}

/// One that is the same inside and outside.
fn map(id: u32) -> String {
    format!("{id} {id} 1")
}
