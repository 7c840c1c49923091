//! A root directory of its own (`mount_namespaces(7)`): the system's programs and libraries and the directory that a worker
//! process was given, all read-only, its own processes, and a little room for files of its own, which are in memory and go with
//! it. Nothing else is there to be found.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::symlink},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, StatVfsMountFlags},
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags},
};

use super::{
    files::{DEVICES, SYSTEM},
    plan::{Failed, Plan, Taken, at},
};

/// Where the new root is put together. Every system has it, and nothing that is needed meanwhile is below it.
const BASE: &str = "/tmp";

/// Where files may be written. Code that was given no directory starts in the last of them. Whatever is put beside devices is
/// nobody else's either.
pub(super) const WRITABLE: [&str; 3] = ["/tmp", "/dev", "/scratch"];

/// What programs expect beside the devices.
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// How many bytes there are to each file at least: more files than this are not needed to fill the room.
const FILE: u64 = 4096;
/// How many files there may be where there is no room for any: those that the root itself is made of.
const FILES: u64 = 256;

/// Moves this process to a new root, in the new mount namespace that it is in. `own_processes` tells whether it is in a
/// new namespace of processes, too.
pub(super) fn enter(plan: &Plan, own_processes: bool) -> Result<Taken, Failed> {
    let before = std::env::current_dir().unwrap_or_else(|_gone| "/".into());
    match put_together(plan, own_processes) {
        Ok(()) => Ok(Taken::Yes),
        // What is around this process keeps it from mounting, as some containers do, or shows parts of `/proc` only, and then the
        // kernel shows no other one; or nothing can be put into the place of this root, as in a `chroot`.
        Err(Failed { errno: errno @ (Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::NOENT), .. }) => {
            // Errors say that it was not mounted, or that nobody but root may be there.
            let _ = rustix::mount::unmount(BASE, UnmountFlags::DETACH);
            let _ = rustix::process::chdir(before);
            Ok(Taken::NotHere(errno))
        }
        Err(failed) => Err(failed),
    }
}

fn put_together(plan: &Plan, own_processes: bool) -> Result<(), Failed> {
    // Nothing of what follows is to be seen outside.
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(at("part from other mounts"))?;
    let directory = plan.directory.then(take_directory).flatten();
    // No room at all would mean as much as there is.
    let room = plan.scratch.max(FILE);
    let options = CString::new(format!("mode=755,size={room},nr_inodes={}", room / FILE + FILES)).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", BASE, "tmpfs", flags, &*options).map_err(at("mount a root"))?;
    show_processes(own_processes).map_err(at("show processes"))?;
    SYSTEM.iter().try_for_each(|path| show(Path::new(path))).map_err(failed("show the system"))?;
    make_room().map_err(failed("make room for files"))?;
    DEVICES.iter().try_for_each(|path| show_device(Path::new(path))).map_err(failed("show devices"))?;
    if let Some((path, directory)) = &directory {
        show_directory(path, directory).map_err(failed("show the directory"))?;
    }
    move_there().map_err(at("move to a root"))?;
    let start = directory.as_ref().map_or(Path::new(WRITABLE[2]), |(path, _)| path);
    // The root is this process's now, whatever else fails.
    rustix::process::chdir(start).or_else(|_gone| rustix::process::chdir("/")).map_err(at("enter the directory"))
}

/// The directory that this process was started in, with what is mounted there now: its path may be below what is about to be
/// covered.
fn take_directory() -> Option<(PathBuf, OwnedFd)> {
    let path = std::env::current_dir().ok()?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let taken = rustix::mount::open_tree(CWD, ".", flags).ok()?;
    // One that is all there is was given to nobody.
    path.parent().is_some().then_some((path, taken))
}

fn show_processes(own: bool) -> Result<(), Errno> {
    let place = below("/proc");
    rustix::fs::mkdir(&place, Mode::from_raw_mode(0o755))?;
    if own {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("proc", &place, "proc", flags, None::<&CStr>)
    } else {
        rustix::mount::mount_bind_recursive("/proc", &place)
    }
}

/// Shows a file, a directory or a link of the system where it is. What is not there is not there either.
fn show(path: &Path) -> io::Result<()> {
    let place = below(path);
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if let Some(parent) = path.parent().filter(|parent| parent.parent().is_some()) {
        // It is there when another one is shown in it already.
        let _ = fs::create_dir(below(parent));
    }
    if found.is_symlink() {
        return symlink(fs::read_link(path)?, place);
    }
    if found.is_dir() {
        fs::create_dir(&place)?;
    } else {
        fs::File::create(&place)?;
    }
    show_read_only(path, &place)
}

fn show_device(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let place = below(path);
    fs::File::create(&place)?;
    Ok(rustix::mount::mount_bind(path, &place)?)
}

fn make_room() -> io::Result<()> {
    WRITABLE.iter().chain(&["/dev/shm"]).try_for_each(|path| fs::create_dir(below(path)))?;
    LINKS.iter().try_for_each(|(to, path)| symlink(to, below(path)))
}

fn show_directory(path: &Path, directory: &OwnedFd) -> io::Result<()> {
    if SYSTEM.iter().any(|shown| path.starts_with(shown)) {
        return Ok(());
    }
    let place = below(path);
    fs::create_dir_all(&place)?;
    rustix::mount::move_mount(directory, "", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    make_read_only(&place)
}

/// What is mounted below it comes along, for what it covers is nobody's to uncover.
fn show_read_only(path: &Path, place: &Path) -> io::Result<()> {
    rustix::mount::mount_bind_recursive(path, place)?;
    make_read_only(place)
}

/// With all that is mounted below.
fn make_read_only(place: &Path) -> io::Result<()> {
    match make_all_read_only(place) {
        // Before Linux 5.12, one after another.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {}
        done => return done,
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(4).map(Path::new));
    places.filter(|mounted| mounted.starts_with(place)).try_for_each(make_one_read_only)
}

fn make_all_read_only(place: &Path) -> io::Result<()> {
    /// `struct mount_attr`.
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    const READ_ONLY: u64 = 0x1;
    const NO_SET_USER: u64 = 0x2;
    const NO_DEVICES: u64 = 0x4;
    let place = CString::new(place.as_os_str().as_bytes())?;
    let wanted = Attributes { set: READ_ONLY | NO_SET_USER | NO_DEVICES, clear: 0, propagation: 0, user_namespace: 0 };
    #[expect(unsafe_code, reason = "no crate in use here knows this system call")]
    // SAFETY: the path ends with a zero, the attributes are as long as they are said to be, and both outlive the call.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            place.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<Attributes>(),
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn make_one_read_only(place: &Path) -> io::Result<()> {
    let kept = rustix::fs::statvfs(place)?.f_flag;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | locked(kept);
    Ok(rustix::mount::mount_remount(place, flags, "")?)
}

/// Flags that whoever mounted it has set, and only that one may clear.
fn locked(kept: StatVfsMountFlags) -> MountFlags {
    let flags = [
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    flags.into_iter().filter(|(set, _)| kept.contains(*set)).map(|(_, flag)| flag).collect()
}

/// The old root is laid over the new one for a moment, so that no directory is needed for it.
fn move_there() -> Result<(), Errno> {
    rustix::process::chdir(BASE)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)
}

fn below(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    Path::new(BASE).join(path.strip_prefix("/").unwrap_or(path))
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> Failed {
    move |error| at(step)(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_shown_below_the_new_root() {
        assert_eq!(below("/usr/lib"), Path::new("/tmp/usr/lib"));
        assert_eq!(below("/tmp/work"), Path::new("/tmp/tmp/work"));
    }
}
