//! The guard: the parent of one worker process. It outlives it, ends everything that it left behind, tells the host how
//! it ended, and ends it when the host is gone. It holds nothing and runs nobody's code.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use oast_actors::ExitStatus;
use oast_config::ByteSize;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions},
};

use super::{birth::Born, endings, launcher::send_all};
use crate::{
    sandbox::{descendants, groups::Groups},
    wire::{FromLauncher, Message, Outgoing},
};

/// A guard's messages have few bytes.
const LIMIT: ByteSize = ByteSize::kib(4);

/// How often to look whether the worker process has ended, where the kernel gives no descriptor that tells.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// How often it is tried to have a process that was just born go first, and how long to wait before the next time.
const VOLUNTEERINGS: u32 = 20;
const A_MOMENT: Duration = Duration::from_micros(200);

/// Watches over one worker process.
pub(super) struct Guard {
    born: Born,
    lifeline: UnixStream,
    groups: Groups,
}

/// What a guard has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The worker process ended.
    Ended,
    /// The host is gone, which closes its end of the lifeline.
    HostGone,
    /// The kernel ends a part of the worker process for its memory, and half of it is worth nothing.
    OutOfMemory,
}

impl Guard {
    pub(super) const fn new(born: Born, lifeline: UnixStream, groups: Groups) -> Self {
        Self { born, lifeline, groups }
    }

    /// Returns when the worker process and everything that it started is gone. `killed_before` is how many the kernel had ended in
    /// its groups before there was one.
    pub(super) fn watch(&self, killed_before: u64) {
        let_go_of_output();
        let number = |pid: Pid| pid.as_raw_nonzero().get().unsigned_abs();
        let Born { worker, init } = &self.born;
        let init = init.as_ref().map_or(0, |(init, _)| number(*init));
        self.tell(&FromLauncher::Born { pid: number(*worker), init });
        let pidfd = rustix::process::pidfd_open(*worker, PidfdFlags::empty()).ok();
        self.volunteer();
        self.rehearse();
        let why = self.wait(pidfd.as_ref());
        if why != Why::Ended {
            // Errors say that it is gone already.
            let _ = rustix::process::kill_process(*worker, Signal::KILL);
        }
        let status = wait_for(*worker);
        self.end_namespace();
        self.groups.end_all();
        descendants::end_all();
        let (peak_memory, cpu) = usage();
        // Read when all is gone, and before the group is.
        let counted = self.groups.counted();
        // The kernel says that memory is out before it chooses whom to end, and counts nobody when this was sooner.
        let killed = counted.killed.saturating_sub(killed_before);
        let out_of_memory = killed.max(u64::from(why == Why::OutOfMemory));
        let peak_memory = counted.peak.filter(|_| out_of_memory > 0).unwrap_or(peak_memory);
        self.tell(&FromLauncher::Ended { status, peak_memory, cpu, out_of_memory });
        // Whose host is gone has nobody to lend them to.
        if !self.groups.is_lent || self.is_alone() {
            self.groups.remove();
        }
    }

    /// Waits for the end of the worker process, or for what is to end it.
    fn wait(&self, worker: Option<&OwnedFd>) -> Why {
        let out_of_memory = self.groups.out_of_memory();
        // In a namespace, its first process collects them.
        let endings = if self.born.init.is_none() { endings::of_children() } else { None };
        loop {
            let mut watched = vec![PollFd::new(&self.lifeline, PollFlags::IN | PollFlags::RDHUP)];
            watched.extend(out_of_memory.as_ref().map(|event| PollFd::new(event, PollFlags::IN)));
            watched.extend(endings.as_ref().map(|endings| PollFd::new(endings, PollFlags::IN)));
            watched.extend(worker.map(|worker| PollFd::new(worker, PollFlags::IN)));
            let timeout = worker.is_none().then_some(&LOOK_AGAIN);
            match rustix::event::poll(&mut watched, timeout) {
                Ok(_) => {
                    let happened = |at: usize| watched.get(at).is_some_and(|fd| !fd.revents().is_empty());
                    let last = watched.len() - 1;
                    let ended = if worker.is_some() { happened(last) } else { has_ended(self.born.worker) };
                    if out_of_memory.is_some() && happened(1) {
                        return Why::OutOfMemory;
                    } else if ended {
                        return Why::Ended;
                    } else if happened(0) {
                        return Why::HostGone;
                    }
                    self.bury(endings.as_ref());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Why::HostGone,
            }
        }
    }

    /// Whether the host is gone. One that only wants the worker process to end closes one direction of the lifeline.
    fn is_alone(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut watched = [PollFd::new(&self.lifeline, PollFlags::empty())];
        let looked = rustix::event::poll(&mut watched, Some(&now));
        looked.is_ok() && watched[0].revents().contains(PollFlags::HUP)
    }

    /// With its first process, the kernel ends all others of a namespace, and lets it go when they are gone.
    fn end_namespace(&self) {
        if let Some((init, _)) = &self.born.init {
            // Errors say that it is gone already.
            let _ = rustix::process::kill_process(*init, Signal::KILL);
            let _ = rustix::process::waitpid(Some(*init), WaitOptions::empty());
        }
    }

    /// Collects the orphans that have ended: each would count as a process for as long as the worker process lives.
    fn bury(&self, endings: Option<&OwnedFd>) {
        if !endings.is_some_and(endings::forget) {
            return;
        }
        for pid in descendants::children(rustix::process::getpid()).into_iter().filter(|pid| *pid != self.born.worker) {
            // An error says that there was none.
            let _ended = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }

    /// Where the whole machine runs out of memory, what can be started anew goes first. It takes a tenth of a millisecond,
    /// which is the guard's to spare, and not the worker process's.
    fn volunteer(&self) {
        let file = format!("/proc/{}/oom_score_adj", self.born.worker.as_raw_nonzero());
        // It is its user's to write to as soon as the process has run at all. Later errors say that it is gone already.
        let is_denied = |_: &u32| {
            let written = std::fs::write(&file, "1000");
            written.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
        };
        (0..VOLUNTEERINGS).take_while(is_denied).for_each(|_| std::thread::sleep(A_MOMENT));
    }

    /// Does without consequence what is done at the end, when somebody waits for it: memory that was touched once since the
    /// fork is at hand then, where the kernel would have to find one page after another.
    fn rehearse(&self) {
        let (peak_memory, cpu) = usage();
        let _not_yet = has_ended(self.born.worker);
        let ended = FromLauncher::Ended { status: ExitStatus::Code(0), peak_memory, cpu, out_of_memory: 0 };
        drop(std::hint::black_box(encoded(&ended)));
    }

    fn tell(&self, message: &FromLauncher) {
        send_all(&self.lifeline, &mut encoded(message));
    }
}

fn encoded(message: &FromLauncher) -> Outgoing {
    let mut outgoing = Outgoing::new(LIMIT);
    // None of these is too large.
    drop(message.encode(&mut outgoing));
    outgoing
}

/// The output pipes are the worker process's: their end must be its end.
fn let_go_of_output() {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty());
    if let Ok(null) = null {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// Whether the worker process has ended. It is left to be collected. One that cannot be waited for is not there any more.
fn has_ended(worker: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(rustix::process::waitid(WaitId::Pid(worker), options), Ok(None) | Err(rustix::io::Errno::INTR))
}

fn wait_for(worker: Pid) -> ExitStatus {
    loop {
        match rustix::process::waitpid(Some(worker), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(code) = status.exit_status() {
                    return ExitStatus::Code(code);
                }
                if let Some(signal) = status.terminating_signal() {
                    return ExitStatus::Signal(signal);
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return ExitStatus::Code(-1),
        }
    }
}

/// The most memory that the worker process or one of its children had, and the CPU time of all of them.
fn usage() -> (ByteSize, Duration) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type, which the kernel fills.
    #[expect(unsafe_code, reason = "rustix has no getrusage")]
    let failed = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    if failed != 0 {
        return (ByteSize::default(), Duration::ZERO);
    }
    // SAFETY: all zeroes is a valid `rusage`, and the kernel has filled it.
    #[expect(unsafe_code, reason = "rustix has no getrusage")]
    let usage = unsafe { usage.assume_init() };
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    (ByteSize::kib(usage.ru_maxrss.unsigned_abs()), cpu)
}

fn time(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "it is no worker process")]
    fn sleeper(time: &str) -> (Child, Born) {
        let child = Command::new("sleep").arg(time).spawn().expect("`sleep` can be started");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("it has a pid");
        (child, Born { worker: pid, init: None })
    }

    #[test]
    fn without_a_descriptor_for_a_process_its_end_is_noticed() {
        let (host, lifeline) = UnixStream::pair().expect("a pair can be made");
        let (mut child, born) = sleeper("0.05");
        assert_eq!(Guard::new(born, lifeline, Groups::default()).wait(None), Why::Ended);
        assert!(matches!(child.try_wait(), Ok(Some(_))), "it had not ended");
        drop(host);
    }

    #[test]
    fn without_a_descriptor_for_a_process_the_end_of_its_host_is_noticed() {
        let (host, lifeline) = UnixStream::pair().expect("a pair can be made");
        let (mut child, born) = sleeper("10");
        drop(host);
        assert_eq!(Guard::new(born, lifeline, Groups::default()).wait(None), Why::HostGone);
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }
}
