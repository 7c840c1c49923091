//! The ends of children as a descriptor that becomes readable (`signalfd(2)`).

use std::os::fd::{AsFd, OwnedFd};

/// Becomes readable when a child ends of whoever reads it: of this process, or of one that has inherited it with what it
/// no longer heeds. `None` where the kernel gives no descriptor that tells: then they are collected at the end.
pub(super) fn of_children() -> Option<OwnedFd> {
    let signals = signals();
    if !set(libc::SIG_BLOCK) {
        return None;
    }
    // SAFETY: the pointer is to signals.
    #[expect(unsafe_code, reason = "rustix knows no signals")]
    let number = unsafe { libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if number < 0 {
        return None;
    }
    // SAFETY: the descriptor is new, and nobody else's.
    #[expect(unsafe_code, reason = "it comes from a system call that rustix does not know")]
    let endings = unsafe { std::os::fd::FromRawFd::from_raw_fd(number) };
    Some(endings)
}

/// Heeds the signal again, as any program expects that this process may become.
pub(super) fn heed() {
    set(libc::SIG_UNBLOCK);
}

/// Forgets all that came: what comes meanwhile is told anew. Says whether anything came.
pub(super) fn forget(endings: impl AsFd) -> bool {
    rustix::io::read(endings, &mut [0; 1024]).is_ok()
}

fn set(how: libc::c_int) -> bool {
    let signals = signals();
    // SAFETY: the pointer is to signals. The process is single-threaded.
    #[expect(unsafe_code, reason = "rustix knows no signals")]
    let failed = unsafe { libc::sigprocmask(how, &raw const signals, std::ptr::null_mut()) };
    failed == 0
}

/// The one that tells of the end of a child.
fn signals() -> libc::sigset_t {
    let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the pointer is to memory of the right type, of which all zeroes is a value.
    #[expect(unsafe_code, reason = "rustix knows no signals")]
    unsafe {
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGCHLD)
    };
    // SAFETY: as above.
    #[expect(unsafe_code, reason = "rustix knows no signals")]
    unsafe {
        signals.assume_init()
    }
}
