//! What the kernel of this machine offers this process now. Only looks; changes nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::PidfdFlags,
};

/// How control groups are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CgroupLayout {
    /// There are none.
    None,
    /// One hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
    /// Controllers in hierarchies of their own, and one without controllers beside them.
    Hybrid,
}

/// The control groups of this process.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    pub(crate) layout: CgroupLayout,
    /// The directory of the group that this process is in, where it is in the hierarchy of version 2.
    pub(crate) own: Option<PathBuf>,
    /// Whether this process may make groups below its own.
    pub(crate) is_writable: bool,
    /// The controllers of its group.
    pub(crate) controllers: Vec<String>,
}

/// The groups that this process is in, where others may be made below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hierarchies {
    /// That which counts memory.
    pub(crate) memory: Option<PathBuf>,
    /// That which counts processes.
    pub(crate) processes: Option<PathBuf>,
    /// That which limits processor time.
    pub(crate) processor: Option<PathBuf>,
    /// That of version 2, with controllers or without.
    pub(crate) tree: Option<PathBuf>,
    /// All of them are one.
    pub(crate) is_unified: bool,
}

/// The groups of this process, in whichever version its controllers are.
pub(crate) fn hierarchies() -> Hierarchies {
    let Cgroups { own, controllers, .. } = cgroups();
    if controllers.iter().any(|controller| controller == "memory") {
        let processor = own.clone().filter(|_| controllers.iter().any(|controller| controller == "cpu"));
        return Hierarchies { memory: own.clone(), processes: own.clone(), processor, tree: own, is_unified: true };
    }
    let (mounts, groups) = (read("/proc/self/mounts"), read("/proc/self/cgroup"));
    let (mounts, groups) = (mounts.unwrap_or_default(), groups.unwrap_or_default());
    let of = |controller| group_of_version_1(&mounts, &groups, controller);
    Hierarchies { memory: of("memory"), processes: of("pids"), processor: of("cpu"), tree: own, is_unified: false }
}

/// The directory of the group that this process is in, as far as one controller of version 1 is concerned.
fn group_of_version_1(mounts: &str, groups: &str, controller: &str) -> Option<PathBuf> {
    let mount = mounted(mounts, "cgroup", controller)?;
    let group = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, group) = rest.split_once(":/")?;
        names.split(',').any(|name| name == controller).then_some(group)
    })?;
    Some(Path::new(mount).join(group))
}

/// The version of Landlock's interface; `None` where the kernel has none, or where it is switched off.
pub(crate) fn landlock_abi() -> Option<u32> {
    /// Asks for the version, rather than for a ruleset.
    const VERSION: u32 = 1;
    // SAFETY: without attributes and with this flag, the call reads no memory and makes nothing.
    #[expect(unsafe_code, reason = "no crate in use here knows this system call")]
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION) };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Whether what is mounted somewhere can be taken and put elsewhere (Linux 5.2).
pub(crate) fn moves_mounts() -> bool {
    is_known(libc::SYS_open_tree)
}

/// Whether what is mounted can be changed with all below (Linux 5.12).
pub(crate) fn sets_mounts() -> bool {
    is_known(libc::SYS_mount_setattr)
}

/// Whether this kernel, and what filters system calls around this process, know one which takes a descriptor first.
fn is_known(number: libc::c_long) -> bool {
    // SAFETY: there is no such descriptor, path or flag, and no memory of that length.
    #[expect(unsafe_code, reason = "the call is there to be refused")]
    let refused = unsafe { libc::syscall(number, -1, std::ptr::null::<libc::c_void>(), -1, 0, 0) };
    refused != -1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

/// Whether a process can be held by a file descriptor.
pub(crate) fn has_pidfd() -> bool {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).is_ok()
}

/// Whether a process can adopt the orphans below it.
pub(crate) fn has_subreaper() -> bool {
    rustix::process::child_subreaper().is_ok()
}

/// Whether the kernel lists the children of a process.
pub(crate) fn lists_children() -> bool {
    let me = rustix::process::getpid().as_raw_nonzero();
    Path::new(&format!("/proc/self/task/{me}/children")).exists()
}

/// Whether system calls can be filtered.
pub(crate) fn has_seccomp() -> bool {
    read("/proc/sys/kernel/seccomp/actions_avail").is_some_and(|actions| actions.contains("kill_process"))
}

/// What forbids this process to make user namespaces; `None` where no setting does.
pub(crate) fn user_namespaces_forbidden_by() -> Option<&'static str> {
    let is = |file: &str, value: &str| read(file).is_some_and(|text| text.trim() == value);
    if !Path::new("/proc/self/ns/user").exists() {
        return Some("the kernel");
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return Some("user.max_user_namespaces");
    }
    // Root too: it is nobody by the time it makes them.
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some("kernel.unprivileged_userns_clone");
    }
    let by_apparmor = is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1");
    by_apparmor.then_some("kernel.apparmor_restrict_unprivileged_userns")
}

/// The control groups of this process.
pub(crate) fn cgroups() -> Cgroups {
    let mounts = read("/proc/self/mounts").unwrap_or_default();
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let unified = mounted(&mounts, "cgroup2", "");
    let layout = match (mounted(&mounts, "cgroup", ""), unified) {
        (None, None) => CgroupLayout::None,
        (Some(_), None) => CgroupLayout::V1,
        (None, Some(_)) => CgroupLayout::V2,
        (Some(_), Some(_)) => CgroupLayout::Hybrid,
    };
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let own = unified.zip(group).map(|(mount, group)| Path::new(mount).join(group));
    let controllers = own.as_ref().and_then(|own| fs::read_to_string(own.join("cgroup.controllers")).ok());
    let controllers: Vec<String> = controllers.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let is_writable = own.as_deref().is_some_and(may_write);
    Cgroups { layout, own, is_writable, controllers }
}

/// Where a file system of this kind with this option is mounted.
fn mounted<'a>(mounts: &'a str, kind: &str, option: &str) -> Option<&'a str> {
    mounts.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [_, place, found, options, ..] if found == kind => {
            (option.is_empty() || options.split(',').any(|set| set == option)).then_some(place)
        }
        _ => None,
    })
}

fn may_write(directory: &Path) -> bool {
    access(directory, Access::WRITE_OK).is_ok()
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(file).ok()
}
