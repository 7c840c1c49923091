//! What the guard says of the worker process: that it was born, how it ended. When the guard itself ends without a word,
//! everything that it guarded is ended too.

use std::{rc::Rc, time::Duration};

use oast_actors::{EvalId, Event, Exit, ExitStatus, LastBegun};
use oast_config::ByteSize;
use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
    net::RecvFlags,
    process::{Pid, PidfdFlags},
};

use tokio::io::Interest;

use super::link::{Link, WorkerProcess, clear, watched};
use crate::wire::{BuildId, FromLauncher, page};

/// How long a process may live on after it closed its control channel.
const CLOSED_GRACE: Duration = Duration::from_secs(1);

/// How long the kernel may take to end a process that was killed.
const KILLED_GRACE: Duration = Duration::from_secs(1);

/// How long it takes from the end of a small process's channels to its guard's last word.
const END_IS_NEAR: Duration = Duration::from_micros(500);

/// How the worker process ended, as its guard saw it.
pub(super) struct Ended {
    status: ExitStatus,
    peak_memory: ByteSize,
    cpu: Duration,
    out_of_memory: u64,
}

/// Waits until the worker process and everything that it started is gone.
pub(super) async fn wait(link: &Rc<Link>) {
    loop {
        let Ok(()) = link.lifeline.readable().await else { return };
        match link.receive_from_guard() {
            Ok(0) => return link.guard_gone().await,
            Ok(_) => {}
            Err(Errno::AGAIN) => clear(&link.lifeline, Interest::READABLE),
            Err(Errno::INTR) => {}
            Err(_) => return link.guard_gone().await,
        }
        while let Ok(Some(message)) = { link.state.borrow_mut().lifeline.next() } {
            if link.hear_guard(message) {
                return;
            }
        }
    }
}

/// The evidence, when everything is over.
pub(super) fn exit(link: &Link) -> Exit {
    let mut state = link.state.borrow_mut();
    let ended = state.ended.take();
    let (tail, _) = state.stderr_tail.as_slices();
    let mut stderr = String::from_utf8_lossy(tail).into_owned();
    stderr.push_str(&String::from_utf8_lossy(state.stderr_tail.as_slices().1));
    // One that left by itself before its hello has said why, if at all, on standard error.
    let left = matches!(&ended, Some(Ended { status: ExitStatus::Code(_), .. }));
    let complaint = (left && !state.is_ready && state.violation.is_none() && !state.is_killed())
        .then(|| stderr.trim().to_owned())
        .filter(|complaint| !complaint.is_empty());
    Exit {
        pid: state.worker.as_ref().map_or(0, |worker| worker.pid),
        status: ended.as_ref().map(|ended| ended.status),
        violation: state.violation.take(),
        start_failure: state.start_failure.take().or(complaint),
        last_begun: last_begun(link),
        peak_memory: ended.as_ref().map_or(ByteSize::default(), |ended| ended.peak_memory),
        out_of_memory: ended.as_ref().map_or(0, |ended| ended.out_of_memory),
        cpu: ended.map_or(Duration::ZERO, |ended| ended.cpu),
        stderr,
    }
}

fn last_begun(link: &Link) -> LastBegun {
    match link.word(page::BEGUN) {
        Some(0) => LastBegun::Nothing,
        Some(id) => LastBegun::Was(EvalId(id)),
        None => LastBegun::Unknown,
    }
}

impl Link {
    fn receive_from_guard(&self) -> Result<usize, Errno> {
        let mut state = self.state.borrow_mut();
        let space = rustix::buffer::spare_capacity(state.lifeline.space());
        let (received, _) = rustix::net::recv(&self.lifeline, space, RecvFlags::DONTWAIT)?;
        Ok(received)
    }

    /// Whether that was the last word.
    fn hear_guard(&self, message: FromLauncher) -> bool {
        match message {
            FromLauncher::Born { pid, init } => {
                self.born(pid, init);
                false
            }
            FromLauncher::Ended { status, peak_memory, cpu, out_of_memory } => {
                self.state.borrow_mut().ended = Some(Ended { status, peak_memory, cpu, out_of_memory });
                true
            }
            FromLauncher::Failed { step, errno, text } => {
                let failure = failure_text(&step, errno, &text);
                self.state.borrow_mut().start_failure = Some(failure);
                true
            }
            // It is no template.
            FromLauncher::Warm | FromLauncher::Forked { .. } | FromLauncher::Probed { .. } => false,
        }
    }

    /// The guard has not collected the process yet, so that the pid is its own.
    fn born(&self, pid: u32, init: u32) {
        let handle = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        self.has_namespace.set(init != 0);
        self.state.borrow_mut().worker = Some(WorkerProcess { pid, init, handle });
        if self.is_killed() {
            self.kill();
        }
        self.ready_if_known();
    }

    /// It said hello, and its guard said who it is.
    pub(super) fn ready_if_known(&self) {
        let mut state = self.state.borrow_mut();
        let Some(pid) = state.worker.as_ref().map(|worker| worker.pid) else { return };
        let Some(hello) = state.hello.take() else { return };
        if self.build != BuildId::default() && hello.build != self.build {
            state.violation = Some("it is another build of the program than its host".to_owned());
            drop(state);
            return self.kill();
        }
        state.is_ready = true;
        drop(state);
        self.events.send(Event::Ready { pid, capabilities: hello.capabilities });
    }

    /// Nobody watches over the process any more. It is killed, and gone when this returns.
    async fn guard_gone(&self) {
        self.blame_guard();
        self.kill();
        self.kill_group();
        let handle = self.state.borrow().worker.as_ref().and_then(|worker| worker.handle.as_ref()?.try_clone().ok());
        let readable = |handle| watched(handle, Interest::READABLE).ok();
        if let Some(handle) = handle.and_then(readable) {
            // One that the kernel does not let go is not waited for: nobody could do more.
            let _ = actix_rt::time::timeout(KILLED_GRACE, handle.readable()).await;
        }
    }

    /// Where nobody else is known to have ended it.
    fn blame_guard(&self) {
        let mut state = self.state.borrow_mut();
        if state.worker.is_some() && state.violation.is_none() && !state.is_killed() {
            state.violation = Some("its guard is gone".to_owned());
        }
    }

    /// A number on the page.
    pub(super) fn word(&self, offset: usize) -> Option<u64> {
        let mut word = [0; 8];
        let read = rustix::io::pread(&self.page, &mut word, offset as u64);
        (read == Ok(8)).then(|| u64::from_ne_bytes(word))
    }

    /// The process closed its control channel. It is leaving, or it must.
    pub(super) async fn closed(&self) {
        // Whoever has told it to go is not waiting for that.
        if !self.is_killed() {
            self.expect_end().await;
        }
        actix_rt::time::sleep(CLOSED_GRACE).await;
        // One that is dead has done nothing wrong: how it died is the cause, once its guard has ended what it left.
        if !self.is_dead() {
            let mut state = self.state.borrow_mut();
            state.violation.get_or_insert_with(|| "it closed its control channel and lived on".to_owned());
        }
        self.keep_killing().await;
    }

    /// A channel is closed when a process ends, and its guard is about to say how: whoever looks for a moment need not be
    /// woken then.
    async fn expect_end(&self) {
        let mut spell = self.state.borrow().spinner.begin_once(END_IS_NEAR);
        while spell.goes_on() {
            spell.make_way();
            tokio::task::yield_now().await;
        }
    }

    /// Whether the worker process is known to be dead, whatever it started may still live.
    fn is_dead(&self) -> bool {
        let state = self.state.borrow();
        let Some(handle) = state.worker.as_ref().and_then(|worker| worker.handle.as_ref()) else { return false };
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

fn failure_text(step: &str, errno: i32, text: &str) -> String {
    if errno == 0 { format!("failed to {step}: {text}") } else { format!("failed to {step}: {text} (errno {errno})") }
}
