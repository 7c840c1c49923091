//! The life of one worker: which process serves, what it may do next, who is told what. Pure: it sees events and a
//! time, and answers with effects; the [`supervisor`](crate::supervisor) carries them out. Knows no process, clock or
//! channel. What happens around the end of a process is in [`ending`](crate::ending).

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use oast_config::{ByteSize, Profile, State as StatePolicy};

use crate::{
    Asked, Capabilities, Cause, Clock, EvalId, ExitReport, Force, Interrupter, NotStarted, Warning,
    ending::Ending,
    evaluator::Exit,
    limits::{Activity, CpuWatch, MemoryVerdict, MemoryWatch, all_within_reach},
    line::{Interrupt, Line, Sent, Submission},
    recycling::{GrowthWatch, Term},
    restart::RestartLedger,
    retries::Retries,
};

/// How many exit reports a worker remembers.
pub(crate) const HISTORY: usize = 16;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A process is wanted although nothing is submitted yet.
    Start,
    /// A caller wants something evaluated. `seen` is the epoch whose state it builds on; 0 when it builds on none.
    Submit { submission: Submission, seen: u64 },
    /// A caller wants one evaluation to end; `None` means the running one.
    Interrupt(Option<EvalId>),
    /// The process said hello. `dice` is even in 0..1; it decides the jitter of how long it is kept.
    Ready { capabilities: Capabilities, dice: f64 },
    /// An evaluation waits within the runtime.
    Suspended(EvalId),
    /// The process answered.
    Replied(EvalId),
    /// The process was measured.
    Sampled { memory: ByteSize, cpu: Duration },
    /// The process is gone.
    Exited(Exited),
    /// The process is to end and not to come back. With a deadline, what was submitted may end first.
    Stop { why: Asked, finish_by: Option<Instant> },
    /// The process is to be replaced by a fresh one.
    Recycle(Asked),
    /// The memory of the process is wanted elsewhere: it is to end if it has nothing to do.
    Evict,
    /// The runtime is to drop its state.
    Clean,
    /// The runtime dropped its state.
    Cleaned,
    /// A broken worker may start again.
    Reset,
    /// Time passed.
    Tick,
}

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Exited {
    pub(crate) exit: Exit,
    /// Even in 0..1; it decides the jitter.
    pub(crate) dice: f64,
    pub(crate) at: std::time::SystemTime,
}

/// What to do about it, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Start the process of this epoch.
    Launch { epoch: u64 },
    /// Give this evaluation to the process.
    Send(EvalId),
    /// Ask the process to end this evaluation.
    Interrupt(EvalId),
    /// End the process.
    Stop(Force),
    /// Ask the runtime to drop its state.
    Clean,
    /// Measure the process now.
    Sample,
    /// Hand the process's answer to the caller. Where it says "interrupted", this is why.
    Deliver(EvalId, Option<Interrupter>),
    /// Tell the caller that its evaluation never reached the code.
    Refuse(EvalId, NotStarted),
    /// Tell the caller that its evaluation may have run.
    Lose(EvalId, Arc<ExitReport>),
    /// The evaluation may have run, and is to be sent again.
    Retry(EvalId, Arc<ExitReport>),
    /// Tell the caller that its evaluation ended every process that it was tried in.
    Quarantine { id: EvalId, tries: u32, report: Arc<ExitReport> },
    /// Tell the caller of a limit that is near.
    Warn(EvalId, Warning),
    /// Tell whoever watches.
    Note(Transition),
}

/// A change in a worker's life that others may want to know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Transition {
    /// A worker process is being started.
    Starting,
    /// It said hello.
    Ready,
    /// Its runtime dropped all state, and the worker is as new.
    Cleaned,
    /// It came over its soft memory limit.
    MemoryWarning {
        /// The limit.
        limit: ByteSize,
        /// What was seen.
        seen: ByteSize,
    },
    /// A limit was reached and is enforced: an evaluation is interrupted, or the process ended.
    LimitHit(Cause),
    /// It is being stopped.
    Stopping(Asked),
    /// The process ended.
    Exited(Arc<ExitReport>),
    /// A new process comes after this delay.
    Restarting {
        /// How long.
        after: Duration,
    },
    /// It has no process, and gets one with the next evaluation.
    Dormant,
    /// It failed too often and waits for a reset.
    Broken,
    /// It has no process and gets none any more.
    Stopped,
}

/// Where a worker is in its life.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// No process; the next evaluation starts one.
    Dormant,
    /// No process until then.
    BackingOff { until: Instant },
    /// No process; callers are refused until a reset.
    Broken,
    /// No process; callers are refused.
    Stopped,
    /// The process did not say hello yet.
    Starting { since: Instant },
    /// The process serves.
    Running(Run),
    /// The process was told to end.
    Stopping(Stopping),
}

/// A process that serves.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) since: Instant,
    pub(crate) idle_since: Option<Instant>,
    pub(crate) served: u64,
    pub(crate) term: Term,
    pub(crate) growth: GrowthWatch,
    /// The runtime is dropping its state since then: nothing is sent until it is done.
    pub(crate) cleaning: Option<Instant>,
}

/// A process that was told to end.
#[derive(Clone, Debug)]
pub(crate) struct Stopping {
    pub(crate) cause: Cause,
    pub(crate) stage: Force,
    pub(crate) stage_at: Instant,
    pub(crate) started: Instant,
    /// Whether a stop was asked for, after which there is no restart.
    pub(crate) for_good: bool,
}

/// The life of one worker.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) name: Arc<str>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) state: State,
    pub(crate) epoch: u64,
    /// The last process that said hello: none after it had any state.
    ready_epoch: u64,
    pub(crate) capabilities: Capabilities,
    pub(crate) line: Line,
    pub(crate) history: VecDeque<Arc<ExitReport>>,
    pub(crate) ledger: RestartLedger,
    pub(crate) memory: MemoryWatch,
    pub(crate) cpu: CpuWatch,
    pub(crate) used: ByteSize,
    /// The most that this process was seen to use.
    pub(crate) peak: ByteSize,
    /// The worker stops for good when nothing is left to do, at the latest then.
    pub(crate) drain: Option<(Asked, Instant)>,
    /// When the process is to be measured next; `None` while an answer is awaited.
    pub(crate) sample_due: Option<Instant>,
    /// No deadline is earlier than this. It may lie before the earliest: a wake-up too many does no harm.
    pub(crate) wake: Option<Instant>,
}

impl Lifecycle {
    /// Of a worker that has no process. `epoch` is that of its last one, 0 before the first.
    pub(crate) fn new(name: Arc<str>, profile: &Profile, epoch: u64, now: Instant) -> Self {
        let profile = Arc::new(Profile { limits: all_within_reach(&profile.limits), ..profile.clone() });
        Self {
            name,
            state: State::Dormant,
            epoch,
            ready_epoch: epoch,
            capabilities: Capabilities::default(),
            line: Line::default(),
            history: VecDeque::new(),
            ledger: RestartLedger::new(profile.restart.clone()),
            memory: MemoryWatch::new(&profile.limits, now),
            cpu: CpuWatch::new(&profile.limits),
            used: ByteSize::default(),
            peak: ByteSize::default(),
            drain: None,
            sample_due: None,
            wake: None,
            profile,
        }
    }

    /// Decides what one event leads to. Effects are added in the order in which they are to be carried out.
    pub(crate) fn on(&mut self, event: Event, now: Instant, effects: &mut Vec<Effect>) {
        match event {
            Event::Submit { submission, seen } => self.submit(submission, seen, now, effects),
            Event::Replied(id) => self.replied(id, now, effects),
            Event::Suspended(id) => {
                self.line.suspend(id, now);
                self.running_changed(now);
            }
            Event::Start => self.start(now, effects),
            Event::Interrupt(id) => self.interrupt(id, now, effects),
            Event::Ready { capabilities, dice } => self.ready(capabilities, dice, now, effects),
            Event::Sampled { memory, cpu } => self.sampled(memory, cpu, now, effects),
            Event::Exited(exited) => self.exited(&exited, now, effects),
            Event::Stop { why, finish_by } => self.stop(why, finish_by, now, effects),
            Event::Recycle(why) => self.recycle(why, now, effects),
            Event::Evict => self.evict(now, effects),
            Event::Clean => self.clean(now, effects),
            Event::Cleaned => self.cleaned(now, effects),
            Event::Reset => self.reset(now, effects),
            Event::Tick => self.tick(now, effects),
        }
    }

    /// Which epoch serves the next evaluation.
    pub(crate) const fn serving_epoch(&self) -> u64 {
        match self.state {
            State::Starting { .. } | State::Running(_) => self.epoch,
            State::Dormant | State::BackingOff { .. } | State::Broken | State::Stopped | State::Stopping(_) => {
                self.epoch + 1
            }
        }
    }

    fn submit(&mut self, mut submission: Submission, seen: u64, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(refusal) = self.refusal(seen) {
            return effects.push(Effect::Refuse(submission.id, refusal));
        }
        if let Some(by) = submission.start_by {
            self.wake_by(by);
        }
        // It may build on what those before it leave behind, even if it is its caller's first.
        submission.built_on = self.serving_epoch();
        if self.profile.state == StatePolicy::Kept {
            submission.retries = Retries::default();
        }
        self.line.push(submission);
        match self.state {
            State::Running(_) => self.fill(now, effects),
            State::Dormant => self.launch(now, effects),
            State::Starting { .. } | State::BackingOff { .. } | State::Stopping(_) | State::Broken | State::Stopped => {
            }
        }
    }

    fn refusal(&self, seen: u64) -> Option<NotStarted> {
        let stopped = || NotStarted::Stopped { report: self.history.back().cloned() };
        if self.drain.is_some() {
            return Some(stopped());
        }
        match &self.state {
            State::Broken => {
                return Some(NotStarted::Broken { history: self.history.iter().cloned().collect() });
            }
            State::Stopped => return Some(stopped()),
            State::Stopping(stopping) if stopping.for_good => return Some(stopped()),
            State::Dormant
            | State::BackingOff { .. }
            | State::Starting { .. }
            | State::Running(_)
            | State::Stopping(_) => {}
        }
        let has_state = self.profile.state == StatePolicy::Kept && seen != 0 && seen <= self.ready_epoch;
        let lost = has_state && seen != self.serving_epoch();
        lost.then(|| NotStarted::Restarted { epoch: self.serving_epoch(), report: self.history.back().cloned() })
    }

    /// Sends what may be sent.
    pub(crate) fn fill(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Running(run) = &mut self.state else { return };
        if run.cleaning.is_some() {
            return;
        }
        let left = run.term.evaluations.map_or(u64::MAX, |limit| limit.saturating_sub(run.served));
        let window =
            (self.capabilities.ahead as usize).saturating_add(1).min(usize::try_from(left).unwrap_or(usize::MAX));
        let was_idle = self.line.sent().is_empty();
        while let Some(id) = self.line.send_next(window, now) {
            run.idle_since = None;
            effects.push(Effect::Send(id));
        }
        if was_idle && !self.line.sent().is_empty() {
            self.running_changed(now);
        }
    }

    fn replied(&mut self, id: EvalId, now: Instant, effects: &mut Vec<Effect>) {
        let Some(ended) = self.line.end(id, now) else { return };
        self.cpu.ended(id);
        effects.push(Effect::Deliver(id, ended.interrupt.map(|interrupt| interrupt.reason)));
        if let State::Running(run) = &mut self.state {
            run.served += 1;
        }
        self.fill(now, effects);
        if self.line.sent().is_empty() {
            self.idle(now, effects);
        } else {
            self.running_changed(now);
        }
    }

    /// The process has nothing to do.
    fn idle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Running(run) = &mut self.state else { return };
        run.idle_since = Some(now);
        let used_up = run.term.evaluations.is_some_and(|limit| run.served >= limit);
        let too_old = run.term.lifetime.is_some_and(|limit| now.duration_since(run.since) >= limit);
        let measure = run.growth.asks();
        if let Some((why, _)) = self.drain
            && self.line.is_empty()
        {
            self.begin_stop(Ending::for_good(Cause::Asked(why), Force::Ask), now, effects);
        } else if used_up {
            self.begin_stop(Ending::of(Cause::Asked(Asked::Evaluations), Force::Ask), now, effects);
        } else if too_old {
            self.begin_stop(Ending::of(Cause::Asked(Asked::Lifetime), Force::Ask), now, effects);
        } else {
            effects.extend(measure.then_some(Effect::Sample));
            if let Some(idle) = self.profile.limits.idle {
                self.wake_by(now + idle);
            }
        }
    }

    /// Another evaluation has the runtime's thread: its clocks run from now.
    fn running_changed(&mut self, now: Instant) {
        let Some(running) = self.line.running() else { return };
        if let Some(limit) = running.submission.wall_time {
            self.wake_by(now + limit);
        }
        self.sample_by(now);
    }

    fn start(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match self.state {
            State::Dormant => self.launch(now, effects),
            State::BackingOff { .. }
            | State::Broken
            | State::Stopped
            | State::Starting { .. }
            | State::Running(_)
            | State::Stopping(_) => {}
        }
    }

    pub(crate) fn launch(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.epoch += 1;
        self.state = State::Starting { since: now };
        (self.used, self.peak) = (ByteSize::default(), ByteSize::default());
        self.memory = MemoryWatch::new(&self.profile.limits, now);
        self.cpu = CpuWatch::new(&self.profile.limits);
        self.sample_due = None;
        self.wake_by(now + self.profile.limits.start_time);
        effects.push(Effect::Note(Transition::Starting));
        effects.push(Effect::Launch { epoch: self.epoch });
    }

    fn ready(&mut self, capabilities: Capabilities, dice: f64, now: Instant, effects: &mut Vec<Effect>) {
        let State::Starting { .. } = self.state else { return };
        self.capabilities = capabilities;
        self.ready_epoch = self.epoch;
        let limits = &self.profile.limits;
        let (term, growth) = (Term::new(limits, dice), GrowthWatch::new(limits));
        let run = Run { since: now, idle_since: Some(now), served: 0, term, growth, cleaning: None };
        self.state = State::Running(run);
        effects.push(Effect::Note(Transition::Ready));
        effects.push(Effect::Sample);
        if let Some(lifetime) = term.lifetime {
            self.wake_by(now + lifetime);
        }
        self.fill(now, effects);
        if self.line.sent().is_empty() {
            self.idle(now, effects);
        }
    }

    fn interrupt(&mut self, id: Option<EvalId>, now: Instant, effects: &mut Vec<Effect>) {
        let running = || self.line.running().or(self.line.sent().front()).map(|sent| sent.submission.id);
        let target = id.or_else(running);
        let Some(id) = target else { return };
        if self.line.withdraw(id).is_some() {
            return effects.push(Effect::Refuse(id, NotStarted::Cancelled));
        }
        self.interrupt_sent(id, Interrupter::Caller, now, effects);
    }

    /// Interrupts an evaluation that the process has. A second interrupt adds nothing: the first one escalates.
    fn interrupt_sent(&mut self, id: EvalId, reason: Interrupter, now: Instant, effects: &mut Vec<Effect>) {
        let grace = self.profile.limits.grace;
        let Some(sent) = self.line.find_sent(id) else { return };
        if sent.interrupt.is_none() {
            sent.interrupt = Some(Interrupt { reason, at: now });
            effects.push(Effect::Interrupt(id));
            self.wake_by(now + grace);
        }
    }

    fn sampled(&mut self, memory: ByteSize, cpu: Duration, now: Instant, effects: &mut Vec<Effect>) {
        let State::Running(run) = &mut self.state else { return };
        let outgrown = run.growth.on_sample(memory) && run.idle_since.is_some();
        self.used = memory;
        self.peak = self.peak.max(memory);
        match self.memory.on_sample(memory, now) {
            MemoryVerdict::Fine => {}
            MemoryVerdict::Soft => self.warn_of_memory(memory, effects),
            MemoryVerdict::Hard => {
                let limit = self.profile.limits.memory.unwrap_or_default();
                let cause = Cause::MemoryLimit { limit, seen: memory, by: crate::Enforcer::Sampler };
                return self.enforce(cause, now, effects);
            }
        }
        if outgrown {
            return self.begin_stop(Ending::of(Cause::Asked(Asked::Growth), Force::Ask), now, effects);
        }
        let running = self.line.charged().map(|charged| charged.submission.id);
        if self.cpu.on_sample(running, cpu)
            && let (Some(id), Some(limit)) = (running, self.profile.limits.cpu_time)
        {
            let by = Interrupter::TimeLimit { limit, clock: Clock::Cpu };
            self.interrupt_sent(id, by, now, effects);
        }
        self.sample_by(now);
    }

    fn warn_of_memory(&self, seen: ByteSize, effects: &mut Vec<Effect>) {
        let limit = self.profile.limits.memory_soft.unwrap_or_default();
        effects.push(Effect::Note(Transition::MemoryWarning { limit, seen }));
        let warning = Warning::Memory { limit, seen };
        effects.extend(self.line.sent().iter().map(|sent| Effect::Warn(sent.submission.id, warning.clone())));
    }

    /// Ends the process at once for what it did.
    pub(crate) fn enforce(&mut self, cause: Cause, now: Instant, effects: &mut Vec<Effect>) {
        effects.push(Effect::Note(Transition::LimitHit(cause.clone())));
        self.begin_stop(Ending::of(cause, Force::Kill), now, effects);
    }

    /// Finds when the process is to be measured next, now that it was, or that another evaluation runs.
    fn sample_by(&mut self, now: Instant) {
        let State::Running(run) = &self.state else { return };
        let activity = run.idle_since.map_or(Activity::Busy, |since| Activity::Idle { since });
        let memory = self.memory.next_sample(activity, now);
        let cpu = self.cpu.next_sample(self.line.charged().map(|charged| charged.submission.id));
        if let Some(interval) = memory.into_iter().chain(cpu).min() {
            let at = now + interval;
            self.sample_due = Some(self.sample_due.map_or(at, |due| due.min(at)));
            self.wake_by(at);
        }
    }

    pub(crate) fn wake_by(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    fn clean(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let resets = self.capabilities.resets;
        self.disown(now, effects);
        match &mut self.state {
            State::Running(run) if resets && self.line.is_empty() => {
                run.cleaning = Some(now);
                self.wake_by(now + self.profile.limits.grace);
                effects.push(Effect::Clean);
            }
            State::Running(_) => self.recycle(Asked::Lease, now, effects),
            State::Dormant => effects.push(Effect::Note(Transition::Cleaned)),
            State::BackingOff { .. } | State::Broken | State::Stopped | State::Starting { .. } | State::Stopping(_) => {
            }
        }
    }

    fn cleaned(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Running(run) = &mut self.state else { return };
        if run.cleaning.take().is_none() {
            return;
        }
        effects.push(Effect::Note(Transition::Cleaned));
        self.fill(now, effects);
    }

    /// What a sent evaluation is held to when time has passed.
    pub(crate) fn check_sent(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        // What a process has that is being ended is decided when it is gone.
        let State::Running(_) = self.state else { return };
        let grace = self.profile.limits.grace;
        let late: Vec<(EvalId, Overdue)> =
            self.line.sent().iter().filter_map(|sent| Some((sent.submission.id, overdue(sent, grace, now)?))).collect();
        for (id, overdue) in late {
            match overdue {
                Overdue::Interrupt(reason) => self.interrupt_sent(id, reason, now, effects),
                Overdue::Kill(cause) => {
                    effects.push(Effect::Note(Transition::LimitHit(cause.clone())));
                    return self.begin_stop(Ending::of(cause, Force::Terminate), now, effects);
                }
            }
        }
    }
}

/// What an evaluation's time has run out for.
enum Overdue {
    Interrupt(Interrupter),
    Kill(Cause),
}

fn overdue(sent: &Sent, grace: Duration, now: Instant) -> Option<Overdue> {
    if let Some(interrupt) = sent.interrupt {
        // One that did not begin yet cannot heed its interrupt; the one before it may.
        let began = sent.began()?;
        let ignored = now >= interrupt.at.max(began) + grace;
        return ignored.then(|| Overdue::Kill(ignored_interrupt(interrupt.reason)));
    }
    match (sent.began(), sent.submission.wall_time, sent.submission.start_by) {
        (Some(began), Some(limit), _) if now >= began + limit => {
            let by = Interrupter::TimeLimit { limit, clock: Clock::Wall };
            Some(Overdue::Interrupt(by))
        }
        (None, _, Some(by)) if now >= by => Some(Overdue::Interrupt(Interrupter::Deadline)),
        _ => None,
    }
}

fn ignored_interrupt(reason: Interrupter) -> Cause {
    match reason {
        Interrupter::TimeLimit { limit, clock } => Cause::TimeLimit { limit, clock },
        Interrupter::Caller | Interrupter::Deadline => Cause::IgnoredInterrupt,
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
