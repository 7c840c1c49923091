//! A root directory of its own (`mount_namespaces(7)`): the system's programs and libraries and the directory that a worker
//! process was given, all read-only, its own processes, and a little room for files of its own, which are in memory and go with
//! it. Nothing else is there to be found.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::{fs::StatVfsMountFlags, io::Errno};

use super::{
    available,
    files::{DEVICES, SYSTEM},
    plan::Plan,
    steps::{Argument, Call, Part, Slot, Step, call},
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

/// What is around a process keeps it from mounting, as some containers do, or shows parts of `/proc` only, and then the
/// kernel shows no other one; or nothing can be put into the place of this root, as in a `chroot`.
const REFUSED: &[Errno] = &[Errno::PERM, Errno::ACCESS, Errno::INVAL, Errno::NOENT, Errno::EXIST];

/// Moves a process to a new root, in the new mount namespace that it is in. `own_processes` tells whether it is in a new
/// namespace of processes, too.
pub(super) fn steps(plan: &Plan, own_processes: bool) -> Vec<Step> {
    let before = std::env::current_dir().unwrap_or_else(|_gone| "/".into());
    // One that is all there is was given to nobody.
    let is_to_be_shown = |path: &&Path| path.parent().is_some() && !SYSTEM.iter().any(|shown| path.starts_with(shown));
    let start = Some(&*before).filter(|path| plan.directory && path.parent().is_some());
    let given = start.filter(is_to_be_shown).filter(|_| available::moves_mounts());
    let mut steps = put_together(plan, given, own_processes);
    once(&mut steps);
    steps.extend(move_there().map(|step| step.lacking(Some(REFUSED))));
    // The root is this process's now, whatever else fails.
    steps.push(Step::new("leave the old root", call!(SYS_umount2, ".", libc::MNT_DETACH)));
    let start = start.unwrap_or(Path::new(WRITABLE[2]));
    steps.push(go(Path::new("/")));
    steps.extend([Path::new(WRITABLE[2]), start].map(|place| go(place).ignoring(None)));
    let of_root = |step: Step| Step { needs: [&[Part::Namespaces, Part::Root], &*step.needs].concat(), ..step };
    // Errors say that it was not mounted, or that nobody but root may be there.
    let undone = [Step::new("leave the new root", call!(SYS_umount2, BASE, libc::MNT_DETACH)), go(&before)];
    let undone = undone.map(|step| step.ignoring(None).needing(&[Part::Namespaces]).unless(&[Part::Root]));
    // It is of the machine's tree, and not read-only: nobody is to find it.
    let close = Step::new("let go of the directory", call!(SYS_close, Slot::Directory)).ignoring(None);
    let close = given.map(|_| close.needing(&[Part::Namespaces]));
    steps.into_iter().map(of_root).chain(undone).chain(close).collect()
}

/// Several of what is shown are in one directory, which is made once.
fn once(steps: &mut Vec<Step>) {
    let mut made: Vec<Call> = Vec::new();
    steps.retain(|step| {
        let is_new = !made.contains(&step.call);
        if step.call.name == "mkdirat" {
            made.push(step.call.clone());
        }
        is_new
    });
}

fn put_together(plan: &Plan, given: Option<&Path>, own_processes: bool) -> Vec<Step> {
    // Nothing of what follows is to be seen outside.
    let part = mount("part from other mounts", "none", "/", "", (libc::MS_PRIVATE | libc::MS_REC, ""));
    let mut steps = vec![part];
    steps.extend(given.map(|_| take_directory()));
    // No room at all would mean as much as there is.
    let room = plan.scratch.max(FILE);
    let options = format!("mode=755,size={room},nr_inodes={}", room / FILE + FILES);
    steps.push(mount("mount a root", "tmpfs", BASE, "tmpfs", (libc::MS_NOSUID | libc::MS_NODEV, &options)));
    steps.extend(show_processes(own_processes));
    SYSTEM.iter().for_each(|path| steps.extend(show(Path::new(path))));
    steps.extend(make_room());
    DEVICES.iter().filter(|path| Path::new(path).exists()).for_each(|path| steps.extend(show_device(path)));
    let mut steps: Vec<_> = steps.into_iter().map(|step| step.lacking(Some(REFUSED))).collect();
    steps.extend(given.into_iter().flat_map(show_directory));
    steps
}

/// The directory that a process was started in, with what is mounted there then: its path may be below what is about to be
/// covered.
fn take_directory() -> Step {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE.cast_unsigned();
    let take = Step::new("take the directory", call!(SYS_open_tree, libc::AT_FDCWD, ".", flags));
    take.keep(Slot::Directory).needing(&[Part::Directory]).lacking(None)
}

fn show_directory(path: &Path) -> Vec<Step> {
    const WHAT: &str = "show the directory";
    let place = below(path);
    let mut above: Vec<_> = place.ancestors().take_while(|above| *above != Path::new(BASE)).collect();
    above.reverse();
    let to = [Argument::from(libc::AT_FDCWD), (&*place).into(), libc::MOVE_MOUNT_F_EMPTY_PATH.into()];
    let [at, to, flags] = to;
    let moved = Step::new(WHAT, call!(SYS_move_mount, Slot::Directory, "", at, to, flags));
    let shown = above.into_iter().map(|above| directory(WHAT, above)).chain([moved]);
    // Without it, or with one that can be written to, the root is worth less than none.
    let of_both = |step: Step| step.needing(&[Part::Directory, Part::Root]).lacking(Some(REFUSED));
    shown.chain(make_read_only(WHAT, path, &place)).map(of_both).collect()
}

fn show_processes(own: bool) -> [Step; 2] {
    const WHAT: &str = "show processes";
    let place = below("/proc");
    let shown = if own {
        mount(WHAT, "proc", &place, "proc", (libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC, ""))
    } else {
        mount(WHAT, "/proc", &place, "", (libc::MS_BIND | libc::MS_REC, ""))
    };
    [directory(WHAT, &place), shown]
}

/// Shows a file, a directory or a link of the system where it is. What is not there is not there either.
fn show(path: &Path) -> Vec<Step> {
    const WHAT: &str = "show the system";
    let place = below(path);
    let Ok(found) = fs::symlink_metadata(path) else { return Vec::new() };
    let parent = path.parent().filter(|parent| parent.parent().is_some());
    let mut steps: Vec<_> = parent.into_iter().map(|parent| directory(WHAT, &below(parent))).collect();
    if found.is_symlink() {
        steps.extend(fs::read_link(path).ok().map(|to| link(WHAT, &to, &place)));
        return steps;
    }
    steps.push(if found.is_dir() { directory(WHAT, &place) } else { file(WHAT, &place) });
    // What is mounted below it comes along, for what it covers is nobody's to uncover.
    steps.push(mount(WHAT, path, &place, "", (libc::MS_BIND | libc::MS_REC, "")));
    steps.extend(make_read_only(WHAT, path, &place));
    steps
}

fn show_device(path: &str) -> [Step; 2] {
    const WHAT: &str = "show devices";
    let place = below(path);
    [file(WHAT, &place), mount(WHAT, path, &place, "", (libc::MS_BIND, ""))]
}

fn make_room() -> impl Iterator<Item = Step> {
    const WHAT: &str = "make room for files";
    let rooms = WRITABLE.iter().chain(&["/dev/shm"]).map(|path| directory(WHAT, &below(path)));
    rooms.chain(LINKS.iter().map(|(to, path)| link(WHAT, Path::new(to), &below(path))))
}

/// Makes what is shown from `path` at `place` read-only, with all that is mounted below.
fn make_read_only(what: &'static str, path: &Path, place: &Path) -> Vec<Step> {
    /// `MOUNT_ATTR_RDONLY`, `MOUNT_ATTR_NOSUID` and `MOUNT_ATTR_NODEV`.
    const READ_ONLY: u64 = 0x1 | 0x2 | 0x4;
    if available::sets_mounts() {
        // `struct mount_attr`: what is set, what is cleared, who else sees it, and whose it is.
        let attributes = [READ_ONLY, 0, 0, 0].map(u64::to_ne_bytes).concat();
        let length = attributes.len();
        let call =
            call!(SYS_mount_setattr, libc::AT_FDCWD, place, libc::AT_RECURSIVE, Argument::Bytes(attributes), length);
        return vec![Step::new(what, call)];
    }
    // Before Linux 5.12, one after another.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(4).map(Path::new));
    let below_it = mounts.filter(|mounted| *mounted != path && mounted.starts_with(path));
    std::iter::once(path).chain(below_it).map(|mounted| make_one_read_only(what, mounted)).collect()
}

fn make_one_read_only(what: &'static str, mounted: &Path) -> Step {
    let kept = rustix::fs::statvfs(mounted).map_or(StatVfsMountFlags::empty(), |found| found.f_flag);
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
    mount(what, "none", &below(mounted), "", (flags | locked(kept), ""))
}

/// Flags that whoever mounted it has set, and only that one may clear.
fn locked(kept: StatVfsMountFlags) -> libc::c_ulong {
    let flags = [
        (StatVfsMountFlags::NOEXEC, libc::MS_NOEXEC),
        (StatVfsMountFlags::NOATIME, libc::MS_NOATIME),
        (StatVfsMountFlags::NODIRATIME, libc::MS_NODIRATIME),
        (StatVfsMountFlags::RELATIME, libc::MS_RELATIME),
    ];
    flags.into_iter().filter(|(set, _)| kept.contains(*set)).fold(0, |all, (_, flag)| all | flag)
}

/// The old root is laid over the new one for a moment, so that no directory is needed for it.
fn move_there() -> [Step; 2] {
    [go(Path::new(BASE)), Step::new("move to a root", call!(SYS_pivot_root, ".", "."))]
}

fn mount<'a>(
    what: &'static str,
    from: impl Into<Argument>,
    to: impl Into<Argument>,
    kind: &'a str,
    (flags, options): (libc::c_ulong, &'a str),
) -> Step {
    Step::new(what, call!(SYS_mount, from, to, kind, flags, options))
}

fn directory(what: &'static str, path: &Path) -> Step {
    Step::new(what, call!(SYS_mkdirat, libc::AT_FDCWD, path, 0o755))
}

fn file(what: &'static str, path: &Path) -> Step {
    Step::new(what, call!(SYS_mknodat, libc::AT_FDCWD, path, libc::S_IFREG | 0o644, 0))
}

fn link(what: &'static str, to: &Path, path: &Path) -> Step {
    Step::new(what, call!(SYS_symlinkat, to, libc::AT_FDCWD, path))
}

fn go(path: &Path) -> Step {
    Step::new("enter a directory", call!(SYS_chdir, path))
}

fn below(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    Path::new(BASE).join(path.strip_prefix("/").unwrap_or(path))
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
