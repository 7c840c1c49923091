//! The evaluations of one worker, in order: those that wait, and those that its process has. Pure; knows no clock.
//! [`lifecycle`](crate::lifecycle) decides with it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    EvalId, Interrupter, LastBegun,
    retries::{Fate, Had, Retries},
};

/// An evaluation that its supervisor has taken.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) id: EvalId,
    /// How long it may run.
    pub(crate) wall_time: Option<Duration>,
    /// Since when it waits.
    pub(crate) since: Instant,
    /// Until when it may wait.
    pub(crate) start_by: Option<Instant>,
    /// Whether it is sent again when its process ends.
    pub(crate) retries: Retries,
    /// The epoch whose state it may build on. [`Lifecycle`](crate::lifecycle::Lifecycle) fills it in.
    pub(crate) built_on: u64,
}

/// An evaluation that the worker process has.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) submission: Submission,
    pub(crate) phase: Phase,
    pub(crate) interrupt: Option<Interrupt>,
}

/// How far an evaluation is, as far as the supervisor can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Behind another one in the worker process.
    Ahead,
    /// It has the runtime's thread, since then.
    Running(Instant),
    /// It began then, and waits.
    Suspended(Instant),
}

/// An interrupt that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupt {
    pub(crate) reason: Interrupter,
    pub(crate) at: Instant,
}

impl Submission {
    /// It waits again although it began: for as long as it might wait before.
    pub(crate) fn wait_again(self, now: Instant) -> Self {
        let start_by = self.start_by.map(|by| now + by.saturating_duration_since(self.since));
        Self { since: now, start_by, ..self }
    }
}

impl Sent {
    /// Since when it runs or waits within the runtime; `None` when it did not begin.
    pub(crate) const fn began(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ahead => None,
            Phase::Running(at) | Phase::Suspended(at) => Some(at),
        }
    }
}

/// The evaluations of one worker, in order.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<Submission>,
    sent: VecDeque<Sent>,
}

impl Line {
    pub(crate) fn push(&mut self, submission: Submission) {
        self.waiting.push_back(submission);
    }

    pub(crate) fn waiting(&self) -> &VecDeque<Submission> {
        &self.waiting
    }

    pub(crate) fn sent(&self) -> &VecDeque<Sent> {
        &self.sent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Moves the first that waits to the worker process, if it may take one more.
    pub(crate) fn send_next(&mut self, window: usize, now: Instant) -> Option<EvalId> {
        if self.sent.len() >= window {
            return None;
        }
        let submission = self.waiting.pop_front()?;
        let id = submission.id;
        self.sent.push_back(Sent { submission, phase: Phase::Ahead, interrupt: None });
        self.start_next(now);
        Some(id)
    }

    /// Takes an evaluation out that its process has, because it ended.
    pub(crate) fn end(&mut self, id: EvalId, now: Instant) -> Option<Sent> {
        let ended = if self.sent.front().is_some_and(|sent| sent.submission.id == id) {
            self.sent.pop_front()
        } else {
            let at = self.sent.iter().position(|sent| sent.submission.id == id)?;
            self.sent.remove(at)
        };
        self.start_next(now);
        ended
    }

    /// The evaluation gave up the runtime's thread without having ended.
    pub(crate) fn suspend(&mut self, id: EvalId, now: Instant) {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.submission.id == id) {
            sent.phase = Phase::Suspended(sent.began().unwrap_or(now));
        }
        self.start_next(now);
    }

    /// The one that has the runtime's thread.
    pub(crate) fn running(&self) -> Option<&Sent> {
        self.sent.iter().find(|sent| matches!(sent.phase, Phase::Running(_)))
    }

    /// The one that processor time is charged to: the running one, or, since the runtime does not say which of those that
    /// wait it lets go on, the oldest of them.
    pub(crate) fn charged(&self) -> Option<&Sent> {
        self.running().or_else(|| self.sent.front().filter(|sent| sent.began().is_some()))
    }

    pub(crate) fn find_sent(&mut self, id: EvalId) -> Option<&mut Sent> {
        self.sent.iter_mut().find(|sent| sent.submission.id == id)
    }

    /// Takes an evaluation out that waits.
    pub(crate) fn withdraw(&mut self, id: EvalId) -> Option<Submission> {
        let at = self.waiting.iter().position(|waiting| waiting.id == id)?;
        self.waiting.remove(at)
    }

    /// Takes out everything that waits and is past its time.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Vec<Submission> {
        let overdue = |waiting: &Submission| waiting.start_by.is_some_and(|by| by <= now);
        let (late, kept) = std::mem::take(&mut self.waiting).into_iter().partition(overdue);
        self.waiting = kept;
        Vec::from_iter::<VecDeque<Submission>>(late)
    }

    /// Takes out everything that waits.
    pub(crate) fn take_waiting(&mut self) -> VecDeque<Submission> {
        std::mem::take(&mut self.waiting)
    }

    /// Whoever submitted what the worker process has does not want it any more. It is not sent to another one.
    pub(crate) fn disown_sent(&mut self, now: Instant) {
        for sent in &mut self.sent {
            sent.interrupt.get_or_insert(Interrupt { reason: Interrupter::Caller, at: now });
        }
    }

    /// The worker process is gone: tells those that may have begun from those that cannot have. `failed` says that it was not
    /// ended on request.
    ///
    /// A runtime begins evaluations in the order in which they were sent, so whatever comes behind the last that it
    /// began never reached the code. Where that one was answered already, only those that wait within the runtime began.
    pub(crate) fn process_gone(&mut self, last_begun: LastBegun, failed: bool) -> Vec<(Sent, Fate)> {
        let sent = std::mem::take(&mut self.sent);
        let begun_until = match last_begun {
            LastBegun::Unknown => sent.len(),
            LastBegun::Nothing => 0,
            LastBegun::Was(id) => sent.iter().position(|sent| sent.submission.id == id).map_or(0, |at| at + 1),
        };
        let judge = |(at, mut sent): (usize, Sent)| {
            let had = Had {
                begun: at < begun_until || matches!(sent.phase, Phase::Suspended(_)),
                running: matches!(sent.phase, Phase::Running(_)),
                failed: failed && sent.interrupt.is_none(),
            };
            let fate = sent.submission.retries.on_end(had);
            (sent, fate)
        };
        sent.into_iter().enumerate().map(judge).collect()
    }

    /// Puts evaluations back to the front, in their order.
    pub(crate) fn put_back(&mut self, submissions: Vec<Submission>) {
        for submission in submissions.into_iter().rev() {
            self.waiting.push_front(submission);
        }
    }

    /// The first that neither ended nor waits has the thread now, if none had.
    fn start_next(&mut self, now: Instant) {
        for sent in &mut self.sent {
            match sent.phase {
                Phase::Suspended(_) => {}
                Phase::Running(_) => return,
                Phase::Ahead => {
                    sent.phase = Phase::Running(now);
                    return;
                }
            }
        }
    }
}
