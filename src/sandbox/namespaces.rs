//! Views of the machine that a process has for itself alone (`namespaces(7)`). That of users comes with the others: within
//! it, an ordinary user may make them.

use std::fs;

use oast_config::{Files, Network, Privileges};
use rustix::{
    io::Errno,
    thread::{CapabilitySet, UnshareFlags, unshare_unsafe},
};

use super::{
    plan::{Failed, Plan, Taken, at},
    privileges,
};

/// Those that keep a process from others.
const OF_STRANGERS: UnshareFlags =
    UnshareFlags::NEWPID.union(UnshareFlags::NEWIPC).union(UnshareFlags::NEWUTS).union(UnshareFlags::NEWCGROUP);

/// What is made for a plan. That of users stands before all others.
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
    privileges::stop_being_root().map_err(|failed| failed.errno)?;
    match enter(OF_STRANGERS | UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWNET) {
        Ok(Taken::Yes) => Ok(()),
        Ok(Taken::NotHere(errno)) => Err(errno),
        Err(failed) => Err(failed.errno),
    }
}

/// Moves this process, which runs nobody's code, to an empty network, in which its forks are then: to make one takes longer than
/// all other namespaces together. They reach each other there by nothing that a plan without network leaves them. `false` where that
/// cannot be, and each has to have its own.
pub(crate) fn go_offline() -> Result<bool, Failed> {
    let is_root = rustix::process::geteuid().is_root();
    // Root stays root, to become nobody in each fork.
    let users = if is_root { UnshareFlags::empty() } else { UnshareFlags::NEWUSER };
    Ok(enter(UnshareFlags::NEWNET | users)? == Taken::Yes)
}

/// Enters new namespaces, as the user and group that this process has outside.
pub(super) fn enter(flags: UnshareFlags) -> Result<Taken, Failed> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if flags.contains(UnshareFlags::NEWUSER) && user.is_root() && !may_map_root() {
        return Ok(Taken::NotHere(Errno::PERM));
    }
    #[expect(unsafe_code, reason = "rustix takes all flags to be as dangerous as that of descriptors")]
    // SAFETY: the flags say nothing of the table of descriptors.
    let entered = unsafe { unshare_unsafe(flags) };
    match entered {
        Ok(()) => {}
        // Forbidden by a setting, by a filter around this process, or by a limit of how many there may be; or not known.
        Err(errno @ (Errno::PERM | Errno::NOSPC | Errno::USERS | Errno::NOSYS | Errno::INVAL)) => {
            return Ok(Taken::NotHere(errno));
        }
        Err(errno) => return Err(at("enter namespaces")(errno)),
    }
    if !flags.contains(UnshareFlags::NEWUSER) {
        return Ok(Taken::Yes);
    }
    // Without this, an ordinary user may not map its group: it could leave a group that denies it something.
    write("setgroups", "deny")?;
    write("uid_map", &map(user.as_raw()))?;
    write("gid_map", &map(group.as_raw()))?;
    Ok(Taken::Yes)
}

/// Since Linux 5.12, root maps itself only where it may give files capabilities.
fn may_map_root() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|has| has.effective.contains(CapabilitySet::SETFCAP))
}

/// One that is the same inside and outside.
fn map(id: u32) -> String {
    format!("{id} {id} 1")
}

fn write(file: &str, text: &str) -> Result<(), Failed> {
    fs::write(format!("/proc/self/{file}"), text)
        .map_err(|error| at("map users")(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}
