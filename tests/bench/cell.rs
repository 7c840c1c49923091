//! The floor of a clean sandboxed worker process: a small single-threaded process that forks, and makes the same namespaces in the
//! forked process, with system calls and nothing around them.

#![expect(unsafe_code, reason = "a floor is made of system calls")]

use std::{
    fs, io,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    process::{Gid, Pid, Signal, Uid},
    thread::UnshareFlags,
};

/// Where the new root is.
const BASE: &str = "/tmp";
/// `nobody`.
const NOBODY: u32 = 65534;

/// For each byte, forks a process whose first byte is sent back.
pub(crate) fn fork_on_demand(socket: &mut UnixStream) -> io::Result<()> {
    while socket.read(&mut [0])? > 0 {
        match fork()? {
            None => {
                socket.write_all(&[1])?;
                leave()
            }
            Some(pid) => wait(pid),
        }
    }
    Ok(())
}

/// For each byte, forks a process in namespaces of its own but that of the network, with a root of its own, whose first byte is sent
/// back.
pub(crate) fn make_cells_on_demand(socket: &mut UnixStream) -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    while socket.read(&mut [0])? > 0 {
        let opener = fork()?;
        let Some(opener) = opener else {
            enter_namespaces()?;
            if fork()?.is_none() {
                enter_root()?;
                socket.write_all(&[1])?;
                sleep_for_ever();
            }
            leave()
        };
        wait(opener);
        // The other end says that it has seen the byte.
        if socket.read(&mut [0])? == 0 {
            return Ok(());
        }
        let me = rustix::process::getpid().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/self/task/{me}/children"))?;
        for pid in children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            rustix::process::kill_process(pid, Signal::KILL)?;
            wait(pid);
        }
    }
    Ok(())
}

fn enter_namespaces() -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: the flags say nothing of the table of descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

fn enter_root() -> io::Result<()> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    rustix::mount::mount("tmpfs", BASE, "tmpfs", MountFlags::NOSUID, c"size=16m")?;
    fs::create_dir("/tmp/proc")?;
    fs::create_dir("/tmp/usr")?;
    rustix::mount::mount("proc", "/tmp/proc", "proc", MountFlags::NOSUID, None)?;
    rustix::mount::mount_bind_recursive("/usr", "/tmp/usr")?;
    rustix::process::chdir(BASE)?;
    rustix::process::pivot_root(".", ".")?;
    Ok(rustix::mount::unmount(".", UnmountFlags::DETACH)?)
}

/// Forks. `None` is the child.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the process is single-threaded.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(Pid::from_raw(pid)) }
}

pub(crate) fn wait(pid: Pid) {
    // An error says that somebody else has.
    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
}

pub(crate) fn leave() -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

/// Ignores a signal, if that can be.
pub(crate) fn ignore(signal: i32) {
    // SAFETY: it is no handler.
    unsafe {
        libc::signal(signal, libc::SIG_IGN);
    }
}

pub(crate) fn sleep_for_ever() -> ! {
    loop {
        let _ = rustix::thread::nanosleep(&rustix::thread::Timespec { tv_sec: 100, tv_nsec: 0 });
    }
}
