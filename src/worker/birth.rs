//! The forks between a launcher and a worker process.
//!
//! ```text
//! guard ── opener ──┬── init      the first process of the namespace: collects orphans, and ends everything with itself
//!          (exits)  └── worker    runs code; the guard's child from the moment when the opener has left
//! ```
//!
//! Whoever makes a namespace of processes stays outside of it, and its guard must stay who it is: so there is an opener in
//! between, which confines itself as far as that must be done outside, bears two processes, and leaves both to the guard.
//! Only the worker process has memory of its own: the guard waits for the opener, and init does with the guard's memory
//! nothing at all. Without a namespace of processes, the guard forks the worker process itself.

use std::{
    io::{self, PipeReader, PipeWriter},
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
    process::{DumpableBehavior, Pid, Signal, WaitOptions},
};

use super::{
    endings,
    launcher::{self, Failure},
    vfork,
};
use crate::sandbox::{
    Failed, errno,
    steps::{Lacking, Part, Steps, carry_out},
};

/// The processes that a guard watches over.
pub(super) struct Born {
    pub(super) worker: Pid,
    /// The first process of their namespace, where there is one. It ends when this is dropped, or its holder ends.
    pub(super) init: Option<(Pid, PipeWriter)>,
}

/// What a process was born with.
pub(super) struct Circumstances {
    pub(super) lacking: Lacking,
    /// Whether it is in a namespace of processes, which its guard holds.
    pub(super) has_init: bool,
}

/// What a worker process does, from what became of the first half on. It does not come back.
pub(super) trait Work: FnOnce(Result<Circumstances, Failed>) {}

impl<W: FnOnce(Result<Circumstances, Failed>)> Work for W {}

/// Carries out the first half of a plan in a process that goes on with `work`, and returns when it is there. Init may have the
/// guard's memory where nobody who ends it ends all who have memory in common with it.
pub(super) fn bear(steps: &Steps, shares_memory: bool, work: impl Work) -> Result<Born, Failure> {
    let outside = |lacking| enter(steps, lacking).map(|lacking| Circumstances { lacking, has_init: false });
    if !steps.has_processes {
        return fork_and(|| work(outside(Lacking::default())));
    }
    let (life, hold) = io::pipe().map_err(|error| Failure::at("make a pipe")(errno(&error)))?;
    let shares_memory = shares_memory && launcher::closes_at_once();
    let cords = Some((life, hold));
    let mut opening = Opening { steps, shares_memory, work: Some(work), cords, told: None };
    let opener = vfork::run(open, &mut opening).map_err(Failure::at("fork"))?;
    // With its end, those that it bore are the guard's children.
    let _ = rustix::process::waitpid(Some(opener), WaitOptions::empty());
    let Opening { work, told, cords, .. } = opening;
    match told.unwrap_or_else(|| Err(Failure::because("enter namespaces", "whoever was to enter them was killed")))? {
        Opened::Born { worker, init } => Ok(Born { worker, init: cords.map(|(_life, hold)| (init, hold)) }),
        Opened::Refused => {
            let refused = Lacking::default().and(Part::Namespaces);
            fork_and(|| work.into_iter().for_each(|work| work(outside(refused))))
        }
    }
}

fn enter(steps: &Steps, lacking: Lacking) -> Result<Lacking, Failed> {
    carry_out(&steps.enter, carry_out(&steps.join, lacking)?)
}

fn fork_and(work: impl FnOnce()) -> Result<Born, Failure> {
    match fork()? {
        Some(worker) => Ok(Born { worker, init: None }),
        None => {
            work();
            leave()
        }
    }
}

/// What an opener does, and what it tells its guard.
struct Opening<'a, W> {
    steps: &'a Steps,
    /// Whether init may have the guard's memory.
    shares_memory: bool,
    work: Option<W>,
    /// A pipe: init has the one end, and finds it closed when the guard is gone, who alone has the other.
    cords: Option<(PipeReader, PipeWriter)>,
    told: Option<Result<Opened, Failure>>,
}

/// What became of an opener.
enum Opened {
    Born {
        worker: Pid,
        init: Pid,
    },
    /// There are no namespaces here, and none is required.
    Refused,
}

/// The opener. It has the guard's memory, which waits.
extern "C" fn open<W: Work>(opening: *mut Opening<'_, W>) -> ! {
    #[expect(unsafe_code, reason = "it comes through the kernel")]
    // SAFETY: the guard has lent it for as long as this process runs, and does nothing meanwhile.
    let opening = unsafe { &mut *opening };
    opening.told = Some(opening.open());
    leave()
}

impl<W: Work> Opening<'_, W> {
    /// Enters the namespaces, and bears those who live there. Does not return in the worker process.
    fn open(&mut self) -> Result<Opened, Failure> {
        let lacking = enter(self.steps, Lacking::default())?;
        if lacking.has(Part::Namespaces) {
            return Ok(Opened::Refused);
        }
        // Whoever is of the same user could otherwise look into init, and with it into the guard.
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        // What is taken out of this here is taken from the guard, for it is the guard's memory.
        let (life, endings) = (self.cords.as_ref().map(|(life, _)| life), endings::of_children());
        let init = Init::new(life, endings.as_ref()).start(self.shares_memory)?;
        endings::heed();
        let forked = fork().inspect_err(|_| {
            // Nobody else would.
            let _ = rustix::process::kill_process(init, Signal::KILL);
        });
        if let Some(worker) = forked? {
            return Ok(Opened::Born { worker, init });
        }
        drop((self.cords.take(), endings));
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
        if let Some(work) = self.work.take() {
            work(Ok(Circumstances { lacking, has_init: true }));
        }
        leave()
    }
}

/// What init is made of. It is never given back: nobody knows when init is gone for good.
struct Init {
    stack: [MaybeUninit<u8>; STACK],
    /// That which closes when the guard ends, and that which tells of the ends of orphans. Both are the opener's.
    life: Option<RawFd>,
    endings: Option<RawFd>,
}

/// Far more than it needs: nothing grows.
const STACK: usize = 16 << 10;

impl Init {
    fn new(life: Option<&PipeReader>, endings: Option<&OwnedFd>) -> &'static mut Self {
        let (life, endings) = (life.map(AsRawFd::as_raw_fd), endings.map(AsRawFd::as_raw_fd));
        Box::leak(Box::new(Self { stack: [MaybeUninit::uninit(); STACK], life, endings }))
    }

    fn start(&'static mut self, shares_memory: bool) -> Result<Pid, Failure> {
        let flags = libc::SIGCHLD | if shares_memory { libc::CLONE_VM } else { 0 };
        let top = self.stack.as_mut_ptr_range().end;
        let top = top.map_addr(|top| top & !0xf).cast();
        #[expect(unsafe_code, reason = "no crate in use here makes such a process")]
        // SAFETY: stack and data are never given back, and the function keeps to what it says.
        let pid = unsafe { libc::clone(keep, top, flags, (&raw mut *self).cast()) };
        Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(|| Failure::at("fork")(errno(&io::Error::last_os_error())))
    }
}

/// Init: keeps a namespace for as long as its guard lives. Runs nobody's code.
///
/// Its memory is the guard's, who uses it at the same time: so it takes none, and calls nothing of the C library's that may
/// fail, for what failed is noted there.
extern "C" fn keep(init: *mut libc::c_void) -> libc::c_int {
    #[expect(unsafe_code, reason = "it comes through the kernel")]
    // SAFETY: it was made for this process, and nobody else has it.
    let init = unsafe { &*init.cast::<Init>() };
    let _ = rustix::thread::set_name(c"oast-init");
    #[expect(unsafe_code, reason = "the owner is in the process that this one is a copy of")]
    // SAFETY: they are open here until they are closed below.
    let [life, endings] = [init.life, init.endings].map(|number| unsafe { Some(BorrowedFd::borrow_raw(number?)) });
    // Without, it ends at once.
    let _ = life.map(rustix::stdio::dup2_stdin);
    let endings = endings.is_some_and(|endings| rustix::stdio::dup2_stdout(endings).is_ok());
    launcher::close_from(if endings { 2 } else { 1 });
    while !has_ended(endings) {
        // Waited for, so that the processor time of orphans is in somebody's account.
        while matches!(rustix::process::wait(WaitOptions::NOHANG), Ok(Some(_))) {}
    }
    0
}

/// Waits until orphans have ended, or the guard has. Standard input is what closes then, and standard output what tells of orphans.
fn has_ended(endings: bool) -> bool {
    let (life, told) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let mut watched = [PollFd::new(&life, PollFlags::IN), PollFd::new(&told, PollFlags::IN)];
    let count = if endings { 2 } else { 1 };
    let has_ended = match rustix::event::poll(&mut watched[..count], None) {
        Ok(_) => !watched[0].revents().is_empty(),
        Err(Errno::INTR) => false,
        // Whoever cannot wait must not stay.
        Err(_) => true,
    };
    if endings {
        endings::forget(told);
    }
    has_ended
}

/// Ends this process, and leaves what it holds in memory alone: that is the other's as well.
pub(super) fn leave() -> ! {
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
