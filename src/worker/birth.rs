//! The forks between a launcher and a worker process.
//!
//! ```text
//! guard ── opener ──┬── init      the first process of the namespace: collects orphans, and ends everything with itself
//!          (exits)  └── worker    runs code; the guard's child from the moment when the opener has left
//! ```
//!
//! Whoever makes a namespace of processes stays outside of it, and its guard must stay who it is: so there is an opener in
//! between, which confines itself as far as that must be done outside, bears two processes, tells the guard who they are, and
//! leaves both to it. Without a namespace, what would be the opener is the worker process.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
    process::{DumpableBehavior, Pid, Signal, WaitOptions},
};

use super::{guard, launcher::Failure};

/// What became of the launcher.
pub(super) enum Side {
    Guard(Born),
    Inside(Cords),
}

/// The processes that a guard watches over.
pub(super) struct Born {
    pub(super) worker: Pid,
    /// The first process of their namespace, where there is one. It ends when this is dropped, or its holder ends.
    pub(super) init: Option<(Pid, PipeWriter)>,
}

/// What ties those inside to their guard.
pub(super) struct Cords {
    /// Who was born is told here.
    report: PipeWriter,
    /// Closes when the guard ends.
    life: PipeReader,
}

/// Forks. The guard's side returns when it is known whom it guards.
pub(super) fn bear() -> Result<Side, Failure> {
    let pipe = || io::pipe().map_err(|error| Failure::at("make a pipe")(errno(&error)));
    let ((told, report), (life, hold)) = (pipe()?, pipe()?);
    match fork()? {
        None => Ok(Side::Inside(Cords { report, life })),
        Some(child) => {
            drop((report, life));
            Ok(Side::Guard(hear(child, told, hold)))
        }
    }
}

/// Waits until the child has said whom it bore. One that says nothing is the worker process, or was to be.
fn hear(child: Pid, mut told: PipeReader, hold: PipeWriter) -> Born {
    let mut pids = [0; 8];
    if told.read_exact(&mut pids).is_err() {
        return Born { worker: child, init: None };
    }
    let pid = |at: usize| pids[at..at + 4].try_into().ok().map(i32::from_ne_bytes).and_then(Pid::from_raw);
    let (Some(worker), Some(init)) = (pid(0), pid(4)) else { return Born { worker: child, init: None } };
    // With its end, those that it bore are the guard's children.
    let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
    Born { worker, init: Some((init, hold)) }
}

impl Cords {
    /// Goes on as the worker process within the namespace that this process has made and is not in.
    pub(super) fn go_inside(self) -> Result<(), Failure> {
        let Self { mut report, life } = self;
        let Some(init) = fork()? else {
            drop(report);
            be_init(&life)
        };
        drop(life);
        let forked = fork().inspect_err(|_| {
            // Nobody else would.
            let _ = rustix::process::kill_process(init, Signal::KILL);
        });
        let Some(worker) = forked? else { return Ok(()) };
        let pids = [worker, init].map(|pid| pid.as_raw_nonzero().get().to_ne_bytes()).concat();
        // A guard that is gone has closed the cord of both.
        drop(report.write_all(&pids));
        leave()
    }
}

/// Keeps a namespace for as long as its guard lives. Holds nothing, and runs nobody's code.
fn be_init(life: &PipeReader) -> ! {
    let _ = rustix::thread::set_name(c"oast-init");
    let _ = rustix::stdio::dup2_stdin(life.as_fd());
    super::launcher::close_from(1);
    // Whoever is of the same user could otherwise look into it.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let endings = guard::endings_of_children();
    while !has_ended(endings.as_ref()) {
        // Waited for, so that the processor time of orphans is in somebody's account.
        while matches!(rustix::process::wait(WaitOptions::NOHANG), Ok(Some(_))) {}
    }
    leave()
}

/// Waits until orphans have ended, or the guard has. Standard input is what closes then.
fn has_ended(endings: Option<&OwnedFd>) -> bool {
    let life = rustix::stdio::stdin();
    let mut watched = vec![PollFd::new(&life, PollFlags::IN)];
    watched.extend(endings.map(|endings| PollFd::new(endings, PollFlags::IN)));
    let has_ended = match rustix::event::poll(&mut watched, None) {
        Ok(_) => !watched[0].revents().is_empty(),
        Err(Errno::INTR) => false,
        // Whoever cannot wait must not stay.
        Err(_) => true,
    };
    if let Some(endings) = endings {
        // Forgets all that came: what comes meanwhile is told anew.
        let _ = rustix::io::read(endings, &mut [0; 1024]);
    }
    has_ended
}

/// Ends this process, and leaves what it holds in memory alone: that is the other's as well.
fn leave() -> ! {
    #[expect(unsafe_code, reason = "nothing is to be run at the end")]
    // SAFETY: it does not return, and touches nothing.
    unsafe {
        libc::_exit(0)
    }
}

/// Forks. `None` is the child.
fn fork() -> Result<Option<Pid>, Failure> {
    #[expect(
        unsafe_code,
        reason = "the guard must be the parent of the worker process, and exec would cost a millisecond"
    )]
    // SAFETY: the process is single-threaded, so the child may do whatever the parent may.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Failure::at("fork")(errno(&io::Error::last_os_error())));
    }
    Ok(Pid::from_raw(pid))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
