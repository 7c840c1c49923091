//! `vfork(2)` as a call that a compiler can follow: the child runs a function further down the same stack and never comes back
//! from it, while the parent waits. A fork copies what a process knows of its memory, and each side then pays for the first
//! touch of each page; this does neither.

use std::arch::asm;

use rustix::{io::Errno, process::Pid};

/// Runs a function in a child that has this process's memory, and goes on when that child has ended. It is left to be collected.
///
/// The child has descriptors, credentials, limits and signals of its own. What it allocates stays allocated here.
pub(super) fn run<T>(role: extern "C" fn(*mut T) -> !, data: &mut T) -> Result<Pid, Errno> {
    let pid = start(role, data);
    let number = i32::try_from(pid).unwrap_or(-libc::EIO);
    Pid::from_raw(number).filter(|_| number > 0).ok_or_else(|| Errno::from_raw_os_error(-number))
}

#[cfg(target_arch = "x86_64")]
fn start<T>(role: extern "C" fn(*mut T) -> !, data: *mut T) -> libc::c_long {
    let pid;
    #[expect(unsafe_code, reason = "a function that returns twice cannot be written in Rust")]
    // SAFETY: to the parent, this is a call of the function: the child's frames lie below this one, and what it does to
    // memory it does through its argument. The kernel keeps all registers but the ones that are named.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "call rsi",
            "ud2",
            "2:",
            in("rdi") data,
            in("rsi") role,
            inlateout("rax") libc::SYS_vfork => pid,
            out("rcx") _,
            out("r11") _,
        );
    }
    pid
}

#[cfg(target_arch = "aarch64")]
fn start<T>(role: extern "C" fn(*mut T) -> !, data: *mut T) -> libc::c_long {
    let flags = libc::c_long::from(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD);
    let pid;
    #[expect(unsafe_code, reason = "a function that returns twice cannot be written in Rust")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, x9",
            "blr x10",
            "brk 1",
            "2:",
            inlateout("x0") flags => pid,
            in("x1") 0,
            in("x2") 0,
            in("x3") 0,
            in("x4") 0,
            in("x8") libc::SYS_clone,
            in("x9") data,
            in("x10") role,
        );
    }
    pid
}
