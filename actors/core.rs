//! What a supervisor does: it turns messages and what the evaluator says into events for
//! [`lifecycle`](crate::lifecycle), and carries out the effects. It decides nothing itself.
//!
//! It is shared between the actor, the evaluator's [`Events`] and one timer, all on one thread. A panic in any of them
//! ends all: [`Core::enter`] sees to it, and dropping the core ends the process and answers every caller.

#[path = "core_channels.rs"]
mod channels;

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    sync::{Arc, atomic::Ordering},
    time::{Instant, SystemTime},
};

use actix::dev::OneshotSender;
use actix_rt::task::JoinHandle;
use oast_config::{ByteSize, Limits, OnReturn};
use tracing::{Span, debug, error, info_span, warn};

use crate::limits::within_reach;
use crate::{
    Asked, Cause, ChannelMessage, Counters, EvalError, EvalId, Evaluator, Event as EvaluatorEvent, Events, ExitReport,
    Force, Interrupter, Journal, Launch, NotStarted, Outcome, Phase, Reply, ReplyResult, Request, Transition, Warning,
    WorkerSpec, WorkerStatus,
    channel::Endpoint,
    evaluation::Completer,
    intake::Intake,
    lifecycle::{Effect, Event, Exited, Lifecycle, State},
    line::Submission,
    messages::{Submit, Wanted},
    observer::Observer,
    retries::Retries,
    supervisor::Parts,
};

/// What one supervisor owns.
pub(crate) struct Core {
    pub(crate) spec: WorkerSpec,
    lifecycle: Lifecycle,
    evaluator: Box<dyn Evaluator>,
    pending: HashMap<EvalId, Pending, BuildHasherDefault<DefaultHasher>>,
    channels: HashMap<Arc<str>, Endpoint>,
    /// Channel messages from before the process said hello.
    early: Vec<(Arc<str>, ChannelMessage)>,
    effects: Vec<Effect>,
    timer: Option<(Instant, JoinHandle<()>)>,
    /// The epoch whose process is about to be started.
    to_launch: Option<u64>,
    pub(crate) journal: Journal,
    pub(crate) counters: Arc<Counters>,
    dice: RandomState,
    pid: u32,
    /// What happens to the worker process happens within it.
    span: Span,
    intake: Arc<Intake>,
    observer: Option<Arc<Observer>>,
    /// How many leases ended.
    pub(crate) leases: u64,
    /// Who waits for the worker to be stopped for good.
    await_end: Vec<OneshotSender<()>>,
    me: Weak<RefCell<Core>>,
    /// Ends the actor after a panic outside its own handlers.
    on_panic: Rc<dyn Fn()>,
    /// Whether anything in it panicked. What it then knows is not to be trusted.
    collapsed: bool,
}

/// An evaluation that did not end yet.
struct Pending {
    request: Request,
    /// Memory for the value's bulk bytes.
    buffer: Option<Vec<u8>>,
    completer: Completer,
    warnings: Vec<Warning>,
    since: Instant,
}

impl Core {
    pub(crate) fn new(parts: &Parts, on_panic: Rc<dyn Fn()>) -> Rc<RefCell<Self>> {
        let Parts { spec, intake, journal, counters, observer, leases } = parts;
        // Epochs go on where the supervisor before this one was lost, so that its callers are told of it.
        let lifecycle = Lifecycle::new(spec.name.clone(), &spec.profile, intake.epoch(), Instant::now());
        Rc::new_cyclic(|me| {
            RefCell::new(Self {
                evaluator: spec.evaluator.make(),
                spec: spec.clone(),
                lifecycle,
                pending: HashMap::default(),
                channels: HashMap::new(),
                early: Vec::new(),
                effects: Vec::new(),
                timer: None,
                to_launch: None,
                journal: journal.clone(),
                counters: counters.clone(),
                dice: RandomState::new(),
                pid: 0,
                span: Span::none(),
                intake: intake.clone(),
                observer: observer.clone(),
                leases: *leases,
                await_end: Vec::new(),
                me: me.clone(),
                on_panic,
                collapsed: false,
            })
        })
    }

    /// Runs `act` on the core. A panic ends the supervisor, and the panic goes no further.
    ///
    /// What still comes before the supervisor has ended is dropped, which answers its callers.
    pub(crate) fn enter(core: &Rc<RefCell<Self>>, act: impl FnOnce(&mut Self)) {
        if core.borrow().collapsed {
            return;
        }
        let acted = catch_unwind(AssertUnwindSafe(|| act(&mut core.borrow_mut())));
        if acted.is_err() {
            let mut core = core.borrow_mut();
            core.collapsed = true;
            error!(worker = %core.spec.name, epoch = core.lifecycle.epoch, "supervisor panicked, and ends");
            (core.on_panic)();
        }
    }

    pub(crate) fn submit(&mut self, submit: Submit) {
        let Submit { leases, id, seen, wanted, completer } = submit;
        let Wanted { request, options, buffer } = wanted;
        if leases != self.leases {
            self.counters.refused.add(1);
            return completer.complete(Err(NotStarted::LeaseEnded.into()));
        }
        let now = Instant::now();
        let limits: &Limits = &self.spec.profile.limits;
        let submission = Submission {
            id,
            wall_time: options.wall_time.or(limits.wall_time).map(within_reach),
            since: now,
            start_by: options.queue_time.or(limits.queue_time).map(|time| now + within_reach(time)),
            built_on: 0,
            retries: Retries::new(&options),
        };
        self.counters.submitted.add(1);
        debug!(worker = %self.spec.name, tenant = self.spec.tenant.as_deref(), evaluation = %id, "evaluation submitted");
        self.pending.insert(id, Pending { request, buffer, completer, warnings: Vec::new(), since: now });
        self.on(Event::Submit { submission, seen }, now);
    }

    /// Lets the lifecycle decide, and does what it says.
    pub(crate) fn act(&mut self, event: Event) {
        self.on(event, Instant::now());
    }

    fn on(&mut self, event: Event, now: Instant) {
        let _within = self.span.clone().entered();
        let mut effects = std::mem::take(&mut self.effects);
        self.lifecycle.on(event, now, &mut effects);
        self.intake.set_epoch(self.lifecycle.epoch, self.lifecycle.serving_epoch());
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
        self.arm_timer();
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(id) => self.send(id),
            // An answer that came with no reply in hand: the reply is delivered where it arrives.
            Effect::Deliver(_, _) => {}
            Effect::Launch { epoch } => self.launch_soon(epoch),
            Effect::Interrupt(id) => {
                self.counters.interrupts.add(1);
                self.evaluator.interrupt(id);
            }
            Effect::Stop(how) => {
                // What is to be stopped must exist: its end is heard from the evaluator.
                self.launch();
                self.evaluator.stop(how);
            }
            Effect::Clean => self.evaluator.reset(),
            Effect::Sample => self.evaluator.sample(),
            Effect::Refuse(id, refusal) => self.refuse(id, refusal),
            Effect::Lose(id, report) => self.lose(id, report),
            Effect::Retry(id, report) => self.retry(id, report),
            Effect::Quarantine { id, tries, report } => {
                self.counters.quarantined.add(1);
                warn!(worker = %self.spec.name, evaluation = %id, tries, "evaluation is quarantined");
                self.finish(id, Err(EvalError::Quarantined { tries, report }));
            }
            Effect::Warn(id, warning) => {
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.warnings.push(warning);
                }
            }
            Effect::Note(transition) => self.note(transition),
        }
    }

    fn send(&mut self, id: EvalId) {
        let Some(pending) = self.pending.get_mut(&id) else {
            // It was too large for the process before this one, and has its answer.
            return self.later(Event::Replied(id));
        };
        if let Err(too_large) = self.evaluator.evaluate(id, &pending.request) {
            let refusal = NotStarted::TooLarge { size: too_large.size, limit: too_large.limit };
            self.finish(id, Err(refusal.into()));
            self.later(Event::Replied(id));
        } else if let Some(buffer) = pending.buffer.take() {
            self.evaluator.lend(id, buffer);
        }
    }

    /// Lets the lifecycle see an event after the one that it is deciding now.
    fn later(&self, event: Event) {
        self.soon(|core| core.act(event));
    }

    /// Does something once whoever is awake on this thread has had a turn.
    fn soon(&self, act: impl FnOnce(&mut Self) + 'static) {
        let me = self.me.clone();
        drop(actix_rt::spawn(async move {
            if let Some(core) = me.upgrade() {
                Self::enter(&core, act);
            }
        }));
    }

    /// Those who lost something with the process before hear of it first: starting one takes longer than they wait.
    fn launch_soon(&mut self, epoch: u64) {
        self.to_launch = Some(epoch);
        self.soon(Self::launch);
    }

    fn launch(&mut self) {
        let Some(epoch) = self.to_launch.take() else { return };
        let launch = Launch { worker: self.spec.name.to_string(), epoch, profile: self.spec.profile.clone() };
        let me = self.me.clone();
        self.counters.starts.add(1);
        let (worker, tenant) = (&*self.spec.name, self.spec.tenant.as_deref());
        self.span = info_span!("worker_process", worker, tenant, epoch);
        let events = Events::new(move |event| {
            if let Some(core) = me.upgrade() {
                Self::enter(&core, |core| core.hear(epoch, event));
            }
        });
        self.evaluator.start(launch, events);
    }

    /// Something happened to the process of an epoch. Of one that is gone, nothing is believed.
    fn hear(&mut self, epoch: u64, event: EvaluatorEvent) {
        if epoch != self.lifecycle.epoch {
            return;
        }
        match event {
            EvaluatorEvent::Replied(id, reply) => self.replied(id, reply),
            EvaluatorEvent::Suspended(id) => self.act(Event::Suspended(id)),
            EvaluatorEvent::Printed { id, stream, bytes } => {
                self.counters.output_bytes.add(bytes.len() as u64);
                if let Some(pending) = id.and_then(|id| self.pending.get_mut(&id)) {
                    pending.completer.print(stream, bytes);
                } else {
                    self.journal.printed(&self.spec, epoch, stream, bytes);
                }
            }
            EvaluatorEvent::Channel(name, message) => self.channel_heard(&name, message),
            EvaluatorEvent::Ready { pid, capabilities } => {
                self.pid = pid;
                // Before the evaluations that are about to use them.
                for (name, message) in std::mem::take(&mut self.early) {
                    self.channel_send(&name, message);
                }
                let dice = self.roll((epoch, "start"));
                self.act(Event::Ready { capabilities, dice });
            }
            EvaluatorEvent::Reset => {
                // The runtime forgot its ends of them.
                self.close_channels();
                self.act(Event::Cleaned);
            }
            EvaluatorEvent::Sampled { memory, cpu } => {
                self.act(Event::Sampled { memory, cpu });
                if let (State::Running(_), Some(observer)) = (&self.lifecycle.state, &self.observer) {
                    observer.measured(memory);
                }
            }
            EvaluatorEvent::Exited(exit) => {
                self.close_channels();
                let dice = self.roll((epoch, "exit"));
                self.act(Event::Exited(Exited { exit, dice, at: SystemTime::now() }));
            }
        }
    }

    /// The one place where an answer of the process becomes the caller's.
    fn replied(&mut self, id: EvalId, reply: Reply) {
        let now = Instant::now();
        let mut effects = std::mem::take(&mut self.effects);
        self.lifecycle.on(Event::Replied(id), now, &mut effects);
        let mut reply = Some(reply);
        for effect in effects.drain(..) {
            match (effect, reply.take()) {
                (Effect::Deliver(id, by), Some(reply)) => self.deliver(id, by, reply),
                (effect, unused) => {
                    reply = unused;
                    self.carry_out(effect);
                }
            }
        }
        self.effects = effects;
        self.arm_timer();
    }

    fn deliver(&mut self, id: EvalId, by: Option<Interrupter>, reply: Reply) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let epoch = self.lifecycle.epoch;
        let result = match reply.result {
            ReplyResult::Value(value) => Ok(Ok(value)),
            ReplyResult::Raised(raised) => Ok(Err(raised)),
            ReplyResult::Interrupted => Err(self.interrupted(by)),
            ReplyResult::Withdrawn => Err(withdrawn(by, pending.since).into()),
            ReplyResult::Unsupported => Err(NotStarted::Unsupported("do this").into()),
        };
        debug!(worker = %self.spec.name, epoch, evaluation = %id, "evaluation ended");
        let outcome = result.map(|result| Outcome {
            text: text(&result, reply.text),
            result,
            output: Vec::new(),
            output_dropped: pending.completer.output_dropped,
            warnings: pending.warnings,
            usage: reply.usage,
            epoch,
        });
        self.counters.ended.add(1);
        pending.completer.seen.store(epoch, Ordering::Relaxed);
        pending.completer.complete(outcome);
    }

    /// The process says that an evaluation was interrupted; only this side knows why.
    fn interrupted(&mut self, by: Option<Interrupter>) -> EvalError {
        let by = by.unwrap_or(Interrupter::Caller);
        if let Interrupter::TimeLimit { limit, clock } = by {
            self.note(Transition::LimitHit(Cause::TimeLimit { limit, clock }));
        }
        EvalError::Interrupted(by)
    }

    fn finish(&mut self, id: EvalId, result: Result<Outcome, EvalError>) {
        if let Some(pending) = self.pending.remove(&id) {
            self.counters.ended.add(1);
            pending.completer.complete(result);
        }
    }

    fn refuse(&mut self, id: EvalId, refusal: NotStarted) {
        self.counters.refused.add(1);
        self.finish(id, Err(refusal.into()));
    }

    fn lose(&mut self, id: EvalId, report: Arc<ExitReport>) {
        self.counters.lost.add(1);
        self.finish(id, Err(EvalError::Lost(report)));
    }

    /// It may have run already. Whatever it is told in the end, it is never that it did not start.
    fn retry(&mut self, id: EvalId, report: Arc<ExitReport>) {
        self.counters.retried.add(1);
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.completer.lost = Some(report);
        }
    }

    fn note(&mut self, transition: Transition) {
        self.counters.count(&transition);
        if let Some(observer) = &self.observer {
            observer.saw(&transition, self.leases);
        }
        if transition == Transition::Stopped {
            for waiting in self.await_end.drain(..) {
                // Whoever does not wait any more needs no answer.
                let _ = waiting.send(());
            }
        }
        self.journal.note(&self.spec, self.lifecycle.epoch, transition);
    }

    fn roll(&self, what_for: impl Hash) -> f64 {
        use std::hash::BuildHasher;
        let bits = self.dice.hash_one(what_for) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// One timer serves all deadlines. It is set anew only for an earlier one: most deadlines are met long before.
    fn arm_timer(&mut self) {
        let Some(wake) = self.lifecycle.wake else { return };
        if self.timer.as_ref().is_some_and(|(armed, _)| *armed <= wake) {
            return;
        }
        let me = self.me.clone();
        let task = actix_rt::spawn(async move {
            actix_rt::time::sleep_until(wake.into()).await;
            if let Some(core) = me.upgrade() {
                Self::enter(&core, |core| {
                    core.timer = None;
                    core.act(Event::Tick);
                });
            }
        });
        if let Some((_, old)) = self.timer.replace((wake, task)) {
            old.abort();
        }
    }

    /// Answers when the worker is stopped for good.
    pub(crate) fn await_end(&mut self, sender: OneshotSender<()>) {
        if let State::Stopped = self.lifecycle.state {
            // Whoever does not wait any more needs no answer.
            let _ = sender.send(());
        } else {
            self.await_end.push(sender);
        }
    }

    /// Makes the worker as new for its next lease. Handles of the one that ended move nothing from now on.
    pub(crate) fn end_lease(&mut self, leases: u64, how: OnReturn) {
        self.leases = leases;
        let event = match how {
            OnReturn::Recycle => Event::Recycle(Asked::Lease),
            OnReturn::Reset => Event::Clean,
            OnReturn::Keep => return,
        };
        self.early.clear();
        for (name, endpoint) in std::mem::take(&mut self.channels) {
            endpoint.close();
            if let State::Running(_) = self.lifecycle.state {
                self.channel_send(&name, ChannelMessage::Close);
            }
        }
        self.act(event);
    }

    /// Ends the process if it has nothing to do. Otherwise the registry is to look for another one.
    pub(crate) fn evict(&mut self) {
        self.act(Event::Evict);
        if let (State::Running(_), Some(observer)) = (&self.lifecycle.state, &self.observer) {
            observer.uses(self.lifecycle.used);
        }
    }

    pub(crate) fn status(&self) -> WorkerStatus {
        let lifecycle = &self.lifecycle;
        WorkerStatus {
            name: self.spec.name.clone(),
            tenant: self.spec.tenant.clone(),
            phase: Phase::of(&lifecycle.state, !lifecycle.line.sent().is_empty()),
            epoch: lifecycle.epoch,
            pid: if matches!(lifecycle.state, State::Running(_) | State::Stopping(_)) { self.pid } else { 0 },
            waiting: lifecycle.line.waiting().len(),
            running: lifecycle.line.sent().len(),
            memory: lifecycle.used,
            history: lifecycle.history.iter().cloned().collect(),
        }
    }
}

/// The supervisor is gone: its evaluator ends the process as it is dropped, and here every caller gets its answer.
impl Drop for Core {
    fn drop(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
        self.close_channels();
        // This may be the end of an evaluator that panicked. A second panic from here would abort the program.
        let stopped = catch_unwind(AssertUnwindSafe(|| self.evaluator.stop(Force::Kill)));
        if stopped.is_err() {
            error!(worker = %self.spec.name, "evaluator panicked as it was stopped");
        }
        let lost = self.lost();
        self.intake.set_epoch(self.lifecycle.epoch, self.lifecycle.epoch + 1);
        if let State::Starting { .. } | State::Running(_) | State::Stopping(_) = self.lifecycle.state {
            self.note(Transition::Exited(lost.clone()));
        }
        let sent: Vec<EvalId> = self.lifecycle.line.sent().iter().map(|sent| sent.submission.id).collect();
        for id in sent {
            self.lose(id, lost.clone());
        }
    }
}

impl Core {
    /// What is known of a process that ends with its supervisor.
    fn lost(&self) -> Arc<ExitReport> {
        Arc::new(ExitReport {
            worker: self.spec.name.to_string(),
            epoch: self.lifecycle.epoch,
            pid: self.pid,
            cause: Cause::SupervisorLost,
            status: None,
            peak_memory: ByteSize::default(),
            cpu: std::time::Duration::ZERO,
            wall: std::time::Duration::ZERO,
            stderr: String::new(),
            at: SystemTime::now(),
        })
    }
}

fn text(result: &Result<crate::Value, crate::Raised>, text: Option<String>) -> String {
    match (text, result) {
        (Some(text), _) => text,
        (None, Ok(value)) => value.to_string(),
        (None, Err(raised)) => raised.to_string(),
    }
}

/// An evaluation was interrupted before it reached the code.
fn withdrawn(by: Option<Interrupter>, since: Instant) -> NotStarted {
    match by {
        // Its time limit was up because the one before it took so long.
        Some(Interrupter::Deadline | Interrupter::TimeLimit { .. }) => NotStarted::Deadline { waited: since.elapsed() },
        Some(Interrupter::Caller) | None => NotStarted::Cancelled,
    }
}
