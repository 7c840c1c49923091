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
    if !rustix::process::geteuid().is_root() {
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

/// Gives up all capabilities, also those that a program could bring along.
pub(super) fn drop_capabilities() -> Result<(), Failed> {
    let drop_all = || {
        for number in 0..u64::BITS {
            let Some(capability) = CapabilitySet::from_bits(1 << number) else { continue };
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // One that this kernel does not know, or that this process was never allowed to remove: then it has none.
                Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
                Err(error) => return Err(error),
            }
        }
        let none = CapabilitySet::empty();
        rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
    };
    drop_all().map_err(at("drop capabilities"))
}
