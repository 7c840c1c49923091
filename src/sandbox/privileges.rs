//! What a process may do beyond what any program may: who it is, and its capabilities (`capabilities(7)`).

use rustix::{
    io::Errno,
    process::{DumpableBehavior, Gid, Uid},
    thread::{CapabilitySet, CapabilitySets},
};

use super::plan::{Failed, at};

/// `nobody`, who owns nothing. The kernel's own overflow id, which every system has.
const NOBODY: u32 = 65534;

/// Becomes `nobody`, where it is root.
pub(super) fn stop_being_root() -> Result<(), Failed> {
    if !rustix::process::geteuid().is_root() || !may_become_another() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let become_nobody = || {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
        // Whoever changes who it is loses its own entries in `/proc`, which the namespace's maps are written to.
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
    };
    become_nobody().map_err(at("become nobody"))
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

/// Gives up all capabilities, also those that a program could bring along.
pub(super) fn drop_capabilities() -> Result<(), Failed> {
    let drop_all = || {
        for number in 0..u64::BITS {
            let Some(capability) = CapabilitySet::from_bits(1 << number) else { continue };
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // One that this kernel does not know, or that this process was never allowed to remove: then it has none.
                Ok(()) | Err(Errno::PERM) => {}
                Err(Errno::INVAL) => break,
                Err(error) => return Err(error),
            }
        }
        let none = CapabilitySet::empty();
        rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
    };
    drop_all().map_err(at("drop capabilities"))
}
