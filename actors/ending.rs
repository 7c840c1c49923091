//! The end of a worker process, and what comes after: who stopped it, what its evaluations are told, whether another
//! one follows. The second half of [`lifecycle`](crate::lifecycle); pure like it.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use oast_config::{RestartPolicy, State as StatePolicy};

use crate::limits::within_reach;
use crate::{
    Asked, Cause, Enforcer, ExitReport, ExitStatus, Force, Interrupter, LastBegun, NotStarted,
    evaluator::Exit,
    lifecycle::{Effect, Exited, HISTORY, Lifecycle, State, Stopping, Transition},
    line::Sent,
    restart::Verdict,
    retries::Fate,
};

/// How a process is to be ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) cause: Cause,
    pub(crate) how: Force,
    /// Whether there is no other process after it.
    pub(crate) for_good: bool,
}

impl Ending {
    /// With another process after it.
    pub(crate) const fn of(cause: Cause, how: Force) -> Self {
        Self { cause, how, for_good: false }
    }

    pub(crate) const fn for_good(cause: Cause, how: Force) -> Self {
        Self { cause, how, for_good: true }
    }
}

impl Lifecycle {
    /// Somebody wants the process to end for good.
    pub(crate) fn stop(&mut self, why: Asked, finish_by: Option<Instant>, now: Instant, effects: &mut Vec<Effect>) {
        let may_finish = match &self.state {
            State::Starting { .. } | State::Running(_) | State::BackingOff { .. } => !self.line.is_empty(),
            State::Stopping(stopping) => !stopping.for_good && !self.line.waiting().is_empty(),
            State::Dormant | State::Broken | State::Stopped => false,
        };
        if let Some(by) = finish_by
            && may_finish
        {
            self.drain = Some((why, by));
            effects.push(Effect::Note(Transition::Stopping(why)));
            return self.wake_by(by);
        }
        let how = match why {
            Asked::Kill => Force::Kill,
            _ if self.line.sent().is_empty() => Force::Ask,
            _ => Force::Terminate,
        };
        match &mut self.state {
            State::Dormant | State::BackingOff { .. } | State::Broken | State::Stopped => self.stopped(effects),
            State::Stopping(stopping) => {
                stopping.for_good = true;
                if how == Force::Kill {
                    self.escalate(Force::Kill, now, effects);
                }
            }
            State::Starting { .. } | State::Running(_) => {
                effects.push(Effect::Note(Transition::Stopping(why)));
                self.begin_stop(Ending::for_good(Cause::Asked(why), how), now, effects);
            }
        }
    }

    /// Somebody wants a fresh process.
    pub(crate) fn recycle(&mut self, why: Asked, now: Instant, effects: &mut Vec<Effect>) {
        if why == Asked::Lease {
            self.disown(now, effects);
        }
        match self.state {
            // Nothing ran in it yet: it is fresh enough for the next lease.
            State::Starting { .. } if why == Asked::Lease => {}
            State::Starting { .. } | State::Running(_) => {
                let how = if why == Asked::Lease { Force::Kill } else { Force::Terminate };
                self.begin_stop(Ending::of(Cause::Asked(why), how), now, effects);
            }
            State::Dormant => effects.push(Effect::Note(Transition::Cleaned)),
            State::BackingOff { .. } | State::Broken | State::Stopped | State::Stopping(_) => {}
        }
    }

    /// The process is to make room, and not to come back before it is needed.
    pub(crate) fn evict(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let State::Running(_) = self.state
            && self.line.is_empty()
        {
            self.begin_stop(Ending::of(Cause::Asked(Asked::Budget), Force::Ask), now, effects);
        }
    }

    /// Takes back what waits, and what the process has not begun: whoever submitted it has no lease any more.
    pub(crate) fn disown(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.line.disown_sent(now);
        let waiting = self.line.take_waiting();
        effects.extend(waiting.into_iter().map(|waiting| Effect::Refuse(waiting.id, NotStarted::Cancelled)));
    }

    /// A broken worker may start again, with a clean record.
    pub(crate) fn reset(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.ledger.reset();
        match self.state {
            State::Broken | State::BackingOff { .. } => {
                self.history.clear();
                self.launch(now, effects);
            }
            State::Dormant | State::Stopped | State::Starting { .. } | State::Running(_) | State::Stopping(_) => {}
        }
    }

    /// Tells the process to end. What it has is decided when it is gone.
    pub(crate) fn begin_stop(&mut self, ending: Ending, now: Instant, effects: &mut Vec<Effect>) {
        let Ending { cause, how, for_good } = ending;
        let started = match &self.state {
            State::Starting { since } => *since,
            State::Running(run) => run.since,
            State::Dormant | State::BackingOff { .. } | State::Broken | State::Stopped | State::Stopping(_) => return,
        };
        let stopping = Stopping { cause, stage: how, stage_at: now, started, for_good };
        self.state = State::Stopping(stopping);
        effects.push(Effect::Stop(how));
        self.wake_by(now + self.profile.limits.grace);
    }

    fn escalate(&mut self, to: Force, now: Instant, effects: &mut Vec<Effect>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        stopping.stage = to;
        stopping.stage_at = now;
        effects.push(Effect::Stop(to));
        self.wake_by(now + self.profile.limits.grace);
    }

    /// The process is gone, with everything that it started.
    pub(crate) fn exited(&mut self, exited: &Exited, now: Instant, effects: &mut Vec<Effect>) {
        let Exited { exit, dice, at } = exited;
        let (started, for_good) = match &self.state {
            State::Starting { since } => (*since, false),
            State::Running(run) => (run.since, false),
            State::Stopping(stopping) => (stopping.started, stopping.for_good),
            State::Dormant | State::BackingOff { .. } | State::Broken | State::Stopped => return,
        };
        let report = Arc::new(self.report(exit, started, *at, now));
        effects.push(Effect::Note(Transition::Exited(report.clone())));
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(report.clone());
        self.tell_sent(exit.last_begun, &report, now, effects);
        if for_good || (self.drain.is_some() && self.line.is_empty()) {
            return self.stopped(effects);
        }
        self.decide_restart(&report, *dice, now, effects);
        self.tell_waiting(&report, effects);
        self.serve_what_is_left(now, effects);
    }

    /// A worker that drains stops when nothing is left. One that its policy leaves without a process gets one if
    /// something is: after the least delay, because a process that leaves before it began anything would come back and
    /// leave for ever.
    fn serve_what_is_left(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match (&self.state, self.line.is_empty(), self.drain) {
            (State::Stopped, _, _) => {}
            (_, true, Some((why, _))) => self.stop(why, None, now, effects),
            (State::Dormant, false, _) => {
                let after = self.profile.restart.backoff_min;
                effects.push(Effect::Note(Transition::Restarting { after }));
                let after = within_reach(after);
                self.state = State::BackingOff { until: now + after };
                self.wake_by(now + after);
            }
            _ => {}
        }
    }

    /// Whose decision, act or failure ended the process: the first of these that is known.
    fn cause(&self, exit: &Exit) -> Cause {
        match &self.state {
            State::Stopping(stopping) => return stopping.cause.clone(),
            State::Starting { .. } => return Cause::Start(start_failure(exit)),
            State::Dormant | State::BackingOff { .. } | State::Broken | State::Stopped | State::Running(_) => {}
        }
        if let Some(violation) = &exit.violation {
            return Cause::Protocol(violation.clone());
        }
        if exit.out_of_memory > 0 {
            let limit = self.profile.limits.memory.unwrap_or_default();
            return Cause::MemoryLimit { limit, seen: exit.peak_memory, by: Enforcer::Kernel };
        }
        match exit.status {
            Some(ExitStatus::Code(code)) => Cause::Exit(code),
            // Programs do not raise these by accident. Who sent them is not known: it is never guessed to be the kernel.
            Some(ExitStatus::Signal(signal @ (SIGHUP | SIGINT | SIGKILL | SIGTERM))) => {
                Cause::KilledFromOutside(signal)
            }
            Some(ExitStatus::Signal(signal)) => Cause::Signal(signal),
            None => Cause::SupervisorLost,
        }
    }

    fn report(&self, exit: &Exit, started: Instant, at: SystemTime, now: Instant) -> ExitReport {
        ExitReport {
            worker: self.name.to_string(),
            epoch: self.epoch,
            pid: exit.pid,
            cause: self.cause(exit),
            status: exit.status,
            // The kernel counts pages in batches: what was seen may be more than what it tells in the end.
            peak_memory: exit.peak_memory.max(self.peak),
            cpu: exit.cpu,
            wall: now.duration_since(started),
            stderr: exit.stderr.clone(),
            at,
        }
    }

    /// What may have begun is lost, or tried again. What cannot have begun waits again, or is told that the state is gone.
    fn tell_sent(&mut self, begun: LastBegun, report: &Arc<ExitReport>, now: Instant, effects: &mut Vec<Effect>) {
        let failed = !matches!(report.cause, Cause::Asked(_));
        let mut back = Vec::new();
        for (sent, fate) in self.line.process_gone(begun, failed) {
            let (id, report) = (sent.submission.id, report.clone());
            match fate {
                Fate::Lost => effects.push(Effect::Lose(id, report)),
                Fate::Quarantined { tries } => effects.push(Effect::Quarantine { id, tries, report }),
                Fate::Again => {
                    effects.push(Effect::Retry(id, report));
                    back.push(sent.submission.wait_again(now));
                }
                Fate::Untouched => match sent.interrupt.and_then(|interrupt| not_begun(interrupt.reason, &sent)) {
                    Some(refusal) => effects.push(Effect::Refuse(id, refusal)),
                    None => back.push(sent.submission),
                },
            }
        }
        if let Some(earliest) = back.iter().filter_map(|submission| submission.start_by).min() {
            self.wake_by(earliest);
        }
        self.line.put_back(back);
    }

    fn decide_restart(&mut self, report: &Arc<ExitReport>, dice: f64, now: Instant, effects: &mut Vec<Effect>) {
        let idle_stop = matches!(report.cause, Cause::Asked(Asked::Idle | Asked::Budget));
        if idle_stop && self.line.is_empty() {
            self.state = State::Dormant;
            return effects.push(Effect::Note(Transition::Dormant));
        }
        let verdict = match report.cause {
            Cause::Asked(_) => Verdict::Restart { after: std::time::Duration::ZERO },
            _ => self.ledger.on_exit(report.cause.kind(), report.wall, now, dice),
        };
        match verdict {
            Verdict::Restart { after } if after.is_zero() => {
                effects.push(Effect::Note(Transition::Restarting { after }));
                self.launch(now, effects);
            }
            Verdict::Restart { after } => {
                effects.push(Effect::Note(Transition::Restarting { after }));
                self.state = State::BackingOff { until: now + after };
                self.wake_by(now + after);
            }
            Verdict::Broken => {
                self.state = State::Broken;
                effects.push(Effect::Note(Transition::Broken));
            }
            // A temporary worker, or one that left in peace, has no process until somebody wants one: unless it was
            // told never to come back, its next caller starts it, and is told if state was lost.
            Verdict::Down if self.profile.restart.policy == RestartPolicy::Temporary => self.stopped(effects),
            Verdict::Down => {
                self.state = State::Dormant;
                effects.push(Effect::Note(Transition::Dormant));
            }
        }
    }

    /// What those that wait are told after an end that was not asked for.
    fn tell_waiting(&mut self, report: &Arc<ExitReport>, effects: &mut Vec<Effect>) {
        let refusal = match self.state {
            State::Broken => NotStarted::Broken { history: self.history.iter().cloned().collect() },
            State::Stopped => NotStarted::Stopped { report: Some(report.clone()) },
            _ if matches!(report.cause, Cause::Start(_)) => NotStarted::StartFailed(report.clone()),
            _ if self.profile.state == StatePolicy::Kept => return self.tell_of_lost_state(report, effects),
            State::Dormant
            | State::BackingOff { .. }
            | State::Starting { .. }
            | State::Running(_)
            | State::Stopping(_) => return,
        };
        let may_try_again = matches!(refusal, NotStarted::StartFailed(_));
        for mut waiting in self.line.take_waiting() {
            if may_try_again && waiting.retries.on_failed_start() {
                self.line.push(waiting);
            } else {
                effects.push(Effect::Refuse(waiting.id, refusal.clone()));
            }
        }
    }

    /// Refuses what waits and may build on the state of a process before the one that serves next.
    fn tell_of_lost_state(&mut self, report: &Arc<ExitReport>, effects: &mut Vec<Effect>) {
        let epoch = self.serving_epoch();
        for waiting in self.line.take_waiting() {
            if waiting.built_on == epoch {
                self.line.push(waiting);
            } else {
                let refusal = NotStarted::Restarted { epoch, report: Some(report.clone()) };
                effects.push(Effect::Refuse(waiting.id, refusal));
            }
        }
    }

    fn stopped(&mut self, effects: &mut Vec<Effect>) {
        self.state = State::Stopped;
        self.drain = None;
        let refusal = NotStarted::Stopped { report: self.history.back().cloned() };
        let waiting = self.line.take_waiting();
        effects.extend(waiting.into_iter().map(|waiting| Effect::Refuse(waiting.id, refusal.clone())));
        effects.push(Effect::Note(Transition::Stopped));
    }

    /// Time passed: holds everything to its deadline, and finds the next one.
    pub(crate) fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.wake = None;
        for late in self.line.take_overdue(now) {
            let waited = now.duration_since(late.since);
            effects.push(Effect::Refuse(late.id, NotStarted::Deadline { waited }));
        }
        self.check_sent(now, effects);
        self.check_state(now, effects);
        if let State::Running(_) = self.state
            && self.sample_due.is_some_and(|due| due <= now)
        {
            self.sample_due = None;
            effects.push(Effect::Sample);
        }
        self.find_wake(now);
    }

    fn check_state(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Some((why, by)) = self.drain
            && now >= by
        {
            self.drain = None;
            return self.stop(why, None, now, effects);
        }
        let limits = &self.profile.limits;
        let past = |since: Instant, limit: Option<std::time::Duration>| limit.is_some_and(|limit| now >= since + limit);
        match &self.state {
            State::BackingOff { until } if now >= *until => self.launch(now, effects),
            State::Starting { since } if past(*since, Some(limits.start_time)) => {
                let cause = Cause::Start(format!("no hello within {:?}", limits.start_time));
                self.begin_stop(Ending::of(cause, Force::Kill), now, effects);
            }
            State::Stopping(stopping) if past(stopping.stage_at, Some(limits.grace)) => {
                let harder = if stopping.stage == Force::Ask { Force::Terminate } else { Force::Kill };
                self.escalate(harder, now, effects);
            }
            State::Running(run) if run.cleaning.is_some_and(|since| past(since, Some(limits.grace))) => {
                self.recycle(Asked::Lease, now, effects);
            }
            State::Running(run) if run.idle_since.is_some_and(|since| past(since, limits.idle)) => {
                self.begin_stop(Ending::of(Cause::Asked(Asked::Idle), Force::Ask), now, effects);
            }
            State::Running(run) if run.idle_since.is_some() && past(run.since, run.term.lifetime) => {
                self.begin_stop(Ending::of(Cause::Asked(Asked::Lifetime), Force::Ask), now, effects);
            }
            State::Dormant
            | State::BackingOff { .. }
            | State::Broken
            | State::Stopped
            | State::Starting { .. }
            | State::Running(_)
            | State::Stopping(_) => {}
        }
    }

    /// Looks through everything that has a deadline.
    fn find_wake(&mut self, now: Instant) {
        let limits = &self.profile.limits;
        let mut deadlines: Vec<Option<Instant>> = self.line.waiting().iter().map(|waiting| waiting.start_by).collect();
        deadlines.push(self.drain.map(|(_, by)| by));
        match &self.state {
            State::BackingOff { until } => deadlines.push(Some(*until)),
            State::Starting { since } => deadlines.push(Some(*since + limits.start_time)),
            State::Stopping(stopping) => deadlines.push(Some(stopping.stage_at + limits.grace)),
            State::Running(run) => {
                deadlines.push(run.cleaning.map(|since| since + limits.grace));
                deadlines.extend(self.line.sent().iter().map(|sent| sent_deadline(sent, limits.grace)));
                deadlines.push(run.idle_since.and_then(|since| Some(since + limits.idle?)));
                // Past its lifetime, a busy process is looked at again when it becomes idle.
                deadlines.push(run.term.lifetime.map(|lifetime| run.since + lifetime).filter(|at| *at > now));
                deadlines.push(self.sample_due);
            }
            State::Dormant | State::Broken | State::Stopped => {}
        }
        self.wake = deadlines.into_iter().flatten().min();
    }
}

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

fn sent_deadline(sent: &Sent, grace: std::time::Duration) -> Option<Instant> {
    match (sent.interrupt, sent.began()) {
        (Some(interrupt), Some(began)) => Some(interrupt.at.max(began) + grace),
        (Some(_), None) => None,
        (None, Some(began)) => Some(began + sent.submission.wall_time?),
        (None, None) => sent.submission.start_by,
    }
}

/// What an evaluation is told that was interrupted before it began. Nothing, when it was for its time limit: its clock ran
/// while the process had other things to do, and in the end it has used none of its time.
fn not_begun(reason: Interrupter, sent: &Sent) -> Option<NotStarted> {
    match reason {
        Interrupter::Caller => Some(NotStarted::Cancelled),
        Interrupter::TimeLimit { .. } => None,
        Interrupter::Deadline => {
            let waited = sent.submission.start_by.map(|by| by.duration_since(sent.submission.since));
            Some(NotStarted::Deadline { waited: waited.unwrap_or_default() })
        }
    }
}

fn start_failure(exit: &Exit) -> String {
    if let Some(failure) = &exit.start_failure {
        return failure.clone();
    }
    if let Some(violation) = &exit.violation {
        return violation.clone();
    }
    match exit.status {
        Some(ExitStatus::Code(code)) => format!("it left with code {code} before its hello"),
        Some(ExitStatus::Signal(signal)) => format!("signal {signal} ended it before its hello"),
        None => "it ended before its hello".to_owned(),
    }
}
