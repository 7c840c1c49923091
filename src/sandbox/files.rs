//! Landlock: which files a process reaches, whether it reaches TCP, and whether its signals and abstract sockets leave its
//! own domain (`landlock(7)`). A kernel that knows less of it is used for what it knows.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use oast_config::{Files, Network, Privileges};
use rustix::io::Errno;

use super::{
    plan::{Failed, Plan, Taken},
    root,
};

/// Which files there are at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Those of the machine.
    Machine,
    /// Those of a root of its own.
    Own,
}

/// The version of the interface that this is written for. Later ones have more to withhold.
const VERSION: ABI = ABI::V6;

/// Where programs and libraries are, with what they need of the system's settings.
pub(super) const SYSTEM: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl",
];

/// What a process may know of itself.
const ITSELF: [&str; 2] = ["/proc/self", "/proc/self/exe"];

/// Devices that hold nothing.
pub(super) const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Restricts this process for good.
pub(super) fn restrict(plan: &Plan, view: View) -> Result<Taken, Failed> {
    if super::available::landlock_abi().is_none() {
        return Ok(Taken::NotHere(Errno::OPNOTSUPP));
    }
    let status = ruleset(plan, view).and_then(RulesetCreated::restrict_self).map_err(failed)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(Taken::Yes),
        RulesetStatus::NotEnforced => Ok(Taken::NotHere(Errno::OPNOTSUPP)),
    }
}

fn ruleset(plan: &Plan, view: View) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default();
    if plan.files == Files::ReadOnly {
        ruleset = ruleset.handle_access(AccessFs::from_all(VERSION))?;
    }
    if plan.network == Network::None {
        ruleset = ruleset.handle_access(AccessNet::from_all(VERSION))?;
    }
    if plan.privileges == Privileges::Dropped {
        ruleset = ruleset.scope(Scope::from_all(VERSION))?;
    }
    let created = ruleset.create()?;
    match plan.files {
        Files::All => Ok(created),
        Files::ReadOnly => match view {
            View::Machine => created.add_rules(rules_for_machine(plan.directory)),
            View::Own => created.add_rules(rules_for_own_root(plan.scratch)),
        },
    }
}

/// The root of its own has only what may be read, and what may be written is its own. Devices are files among others there.
fn rules_for_own_root(scratch: u64) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    let readable = std::iter::once((PathBuf::from("/"), AccessFs::from_read(VERSION)));
    let writable = root::WRITABLE.iter().filter(move |_| scratch > 0).map(|path| (path, AccessFs::from_all(VERSION)));
    let devices = (scratch == 0).then(devices).into_iter().flatten();
    let writable = writable.map(|(path, access)| (PathBuf::from(path), access));
    readable.chain(writable).chain(devices).filter_map(|(path, access)| Some(Ok(rule(&path, access)?)))
}

/// What can be opened now. What cannot, cannot be afterwards either. A directory that is all there is was given to nobody.
fn rules_for_machine(directory: bool) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    let directory = std::env::current_dir().into_iter().filter(move |path| directory && path.parent().is_some());
    let readable = SYSTEM.into_iter().chain(ITSELF).map(PathBuf::from).chain(directory);
    let readable = readable.map(|path| (path, AccessFs::from_read(VERSION)));
    readable.chain(devices()).filter_map(|(path, access)| Some(Ok(rule(&path, access)?)))
}

fn devices() -> impl Iterator<Item = (PathBuf, BitFlags<AccessFs>)> {
    let access = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    DEVICES.into_iter().map(move |path| (PathBuf::from(path), access))
}

fn rule(path: &std::path::Path, access: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
    // A file has no entries that could be listed.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
    Some(PathBeneath::new(PathFd::new(path).ok()?, access))
}

fn failed(error: RulesetError) -> Failed {
    // The crate wraps what the kernel said, and says it last.
    let mut source: &(dyn std::error::Error + 'static) = &error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    let errno = source.downcast_ref().and_then(Errno::from_io_error).unwrap_or(Errno::IO);
    Failed { step: "restrict files", errno }
}
