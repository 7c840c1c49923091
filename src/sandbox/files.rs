//! Landlock: which files a process reaches, whether it reaches TCP, and whether its signals and abstract sockets leave its
//! own domain (`landlock(7)`). A kernel that knows less of it is used for what it knows.

use std::path::{Path, PathBuf};

use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, Scope};
use oast_config::{Files, Network, Privileges};
use rustix::io::Errno;

use super::{
    plan::Plan,
    root,
    steps::{Argument, Slot, Step, call},
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
const LATEST: i32 = VERSION as i32;

/// Where programs and libraries are, with what they need of the system's settings.
pub(crate) const SYSTEM: [&str; 10] = [
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

/// What the steps are for.
const WHAT: &str = "restrict files";

/// How a path is opened that is only to be named.
const NAMED: i32 = libc::O_PATH | libc::O_CLOEXEC;

/// Which files may be reached how.
type Rule = (PathBuf, BitFlags<AccessFs>);

/// Restricts a process for good, as far as this kernel can. Nothing where it can nothing of what is wanted.
pub(super) fn steps(plan: &Plan, view: View) -> Vec<Step> {
    let version = super::available::landlock_abi().and_then(|abi| i32::try_from(abi).ok()).unwrap_or(0);
    let version = ABI::from(version.min(LATEST));
    let files = if plan.files == Files::ReadOnly { AccessFs::from_all(version) } else { BitFlags::EMPTY };
    let network = if plan.network == Network::None { AccessNet::from_all(version).bits() } else { 0 };
    let scope = if plan.privileges == Privileges::Dropped { Scope::from_all(version).bits() } else { 0 };
    let ruleset = [files.bits(), network, scope];
    if ruleset == [0; 3] {
        return Vec::new();
    }
    let rules = match (plan.files, view) {
        (Files::All, _) => Vec::new(),
        (Files::ReadOnly, View::Machine) => for_machine(plan.directory),
        (Files::ReadOnly, View::Own) => for_own_root(plan.scratch),
    };
    let attributes = Argument::Bytes(ruleset.map(u64::to_ne_bytes).concat());
    let create = call!(SYS_landlock_create_ruleset, attributes, size_of_val(&ruleset), 0);
    std::iter::once(Step::new(WHAT, create).keep(Slot::Rules))
        .chain(rules.into_iter().flat_map(|(path, access)| rule(&path, access & files)))
        .chain([
            Step::new(WHAT, call!(SYS_landlock_restrict_self, Slot::Rules, 0)),
            Step::new(WHAT, call!(SYS_close, Slot::Rules)),
        ])
        .collect()
}

/// What cannot be opened now cannot be afterwards either: then there is nothing to allow.
fn rule(path: &Path, access: BitFlags<AccessFs>) -> [Step; 3] {
    /// `LANDLOCK_RULE_PATH_BENEATH`.
    const PATH_BENEATH: i32 = 1;
    let allowed = Argument::Beneath(access.bits(), Slot::File);
    [
        Step::new(WHAT, call!(SYS_openat, libc::AT_FDCWD, path, NAMED)).keep(Slot::File).ignoring(None),
        Step::new(WHAT, call!(SYS_landlock_add_rule, Slot::Rules, PATH_BENEATH, allowed, 0))
            .ignoring(Some(&[Errno::BADF])),
        Step::new(WHAT, call!(SYS_close, Slot::File)).ignoring(None),
    ]
}

/// The root of its own has only what may be read, and what may be written is its own. Devices are files among others there.
fn for_own_root(scratch: u64) -> Vec<Rule> {
    let mut rules: Vec<Rule> = vec![("/".into(), AccessFs::from_read(VERSION))];
    if scratch == 0 {
        rules.extend(devices());
    } else {
        rules.extend(root::WRITABLE.map(|path| (PathBuf::from(path), AccessFs::from_all(VERSION))));
    }
    rules
}

/// A directory that is all there is was given to nobody.
fn for_machine(directory: bool) -> Vec<Rule> {
    let directory = std::env::current_dir().into_iter().filter(move |path| directory && path.parent().is_some());
    let readable = SYSTEM.into_iter().chain(ITSELF).map(PathBuf::from).chain(directory);
    // A file has no entries that could be listed.
    let most = |path: &Path| if path.is_dir() { BitFlags::ALL } else { AccessFs::from_file(VERSION) };
    let rule = |path: PathBuf| (path.clone(), AccessFs::from_read(VERSION) & most(&path));
    readable.map(rule).chain(devices()).collect()
}

fn devices() -> impl Iterator<Item = Rule> {
    let access = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    DEVICES.into_iter().map(move |path| (PathBuf::from(path), access))
}
