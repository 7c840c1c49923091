//! The workers of a registry: how they come to be, what is heard of them, how they go. The second half of
//! [`roster`](crate::roster).

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Addr, Handler, Message, WeakRecipient, dev::OneshotSender};
use actix_rt::ArbiterHandle;
use oast_config::{OnReturn, State};
use tracing::{info, warn};

use crate::limits::within_reach;
use crate::{
    Asked, Placement, Reset, Start, Stop, Supervisor, Worker, WorkerSpec,
    intake::Intake,
    lease::{Effect, SlotId},
    messages::{EndLease, Evict},
    observer::{Observed, Observer, Sight},
    pool::Idle,
    roster::Roster,
    supervisor::Parts,
};

/// A supervisor that is lost more often than this within [`LOST_WITHIN`] is not replaced.
const LOST_AT_MOST: usize = 3;
/// See [`LOST_AT_MOST`].
const LOST_WITHIN: Duration = Duration::from_secs(10);

/// A worker of a registry.
pub(crate) struct Member {
    pub(crate) worker: Worker,
    arbiter: ArbiterHandle,
    /// Which supervisor, 1 for the first.
    incarnation: u64,
    /// How many leases ended.
    pub(crate) leases: u64,
    /// It failed too often and is not handed out.
    pub(crate) broken: bool,
    /// When its supervisors were lost; the last few.
    lost: VecDeque<Instant>,
}

impl Member {
    /// Notes that the supervisor is lost. `false` says that this happened too often.
    fn admits_loss(&mut self, now: Instant) -> bool {
        self.lost.retain(|lost| now.saturating_duration_since(*lost) < LOST_WITHIN);
        self.lost.push_back(now);
        self.lost.len() <= LOST_AT_MOST
    }
}

impl Roster {
    pub(crate) fn add_member(&mut self, slot: SlotId, spec: WorkerSpec, placement: Placement) {
        let arbiter = match placement {
            Placement::Here(arbiter) => arbiter,
            Placement::Home => self.home.clone(),
        };
        let intake = Arc::new(Intake::new(&spec.profile.limits, self.counters.clone()));
        let parts = self.parts(spec.clone(), intake.clone(), Observer::new(self.observed(), slot, 1));
        let worker = Worker::new(spec, self.start_supervisor(&arbiter, parts), intake, self.journal.clone());
        let member = Member { worker, arbiter, incarnation: 1, leases: 0, broken: false, lost: VecDeque::new() };
        self.members.insert(slot, member);
    }

    fn parts(&self, spec: WorkerSpec, intake: Arc<Intake>, observer: Observer) -> Parts {
        let (journal, counters) = (self.journal.clone(), self.counters.clone());
        Parts { spec, intake, journal, counters, observer: Some(Arc::new(observer)), leases: 0 }
    }

    fn observed(&self) -> WeakRecipient<Observed> {
        self.address.clone().recipient()
    }

    fn start_supervisor(&self, arbiter: &ArbiterHandle, parts: Parts) -> Addr<Supervisor> {
        Supervisor::start_on(if arbiter.alive() { arbiter } else { &self.home }, parts)
    }

    /// Tells the supervisor of a slot something. If it is gone, the registry hears of that in due course.
    pub(crate) fn order<M>(&self, slot: SlotId, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        Supervisor: Handler<M>,
    {
        if let Some(member) = self.members.get(&slot) {
            drop(member.worker.order(message));
        }
    }

    pub(crate) fn clean(&self, slot: SlotId, how: OnReturn) {
        if let Some(Member { leases, .. }) = self.members.get(&slot) {
            self.order(slot, EndLease { leases: *leases, how });
        }
    }

    pub(crate) fn stop(&self, slot: SlotId) {
        let why = if self.finish.is_some() { Asked::Shutdown } else { Asked::Stop };
        self.order(slot, Stop { why, finish: self.finish });
    }

    /// Ends the process of a worker that has nothing to do, to have its memory.
    pub(crate) fn evict(&self, slot: SlotId) {
        if self.ledger.is_named(slot) {
            self.order(slot, Evict);
        } else {
            self.order(slot, Stop { why: Asked::Budget, finish: None });
        }
    }

    /// The machine is short of memory, or is not any more.
    pub(crate) fn press(&mut self, is_high: bool) {
        self.account(|ledger, effects| ledger.set_pressure(is_high, effects));
    }

    /// Ends idle processes where all use too much.
    pub(crate) fn relieve(&mut self) {
        if !self.ledger.is_over_budget() {
            return;
        }
        let idle = |(slot, member): (&SlotId, &Member)| {
            let (intake, profile) = (member.worker.intake(), &member.worker.spec().profile);
            let idle = Idle { slot: *slot, last_used: intake.last_used(), keeps_state: profile.state == State::Kept };
            intake.is_idle().then_some(idle)
        };
        let idle: Vec<Idle> = self.members.iter().filter_map(idle).collect();
        self.account(|ledger, effects| ledger.relieve(&idle, effects));
    }

    /// A supervisor did something.
    pub(crate) fn observe(&mut self, observed: Observed) {
        let Observed { slot, incarnation, sight } = observed;
        let Some(member) = self.members.get_mut(&slot).filter(|member| member.incarnation == incarnation) else {
            return;
        };
        match sight {
            Sight::Starting => {
                member.broken = false;
                self.ledger.process_starts(slot);
            }
            Sight::Uses(memory) => self.account(|ledger, effects| ledger.uses(slot, memory, effects)),
            // What was ready before it saw the end of its last lease is not clean yet.
            Sight::Clean { leases } if leases != member.leases => {}
            Sight::Clean { .. } => {
                member.broken = false;
                self.account(|ledger, effects| ledger.slot_ready(slot, effects));
            }
            Sight::Broken => self.broke(slot),
            Sight::Stopped => self.gone(slot),
            Sight::Lost => self.lost(slot),
        }
    }

    /// A lease is over.
    pub(crate) fn returned(&mut self, slot: SlotId) {
        let Some(member) = self.members.get_mut(&slot) else {
            return self.account(|ledger, effects| ledger.returned(slot, effects));
        };
        member.leases += 1;
        if member.broken {
            // Its caller's code broke it. The next caller's worker is a new one.
            self.gone_for_good(slot);
        }
        self.account(|ledger, effects| ledger.returned(slot, effects));
        let cleaned = |effect: &Effect| matches!(effect, Effect::Clean { slot: cleaned, .. } if *cleaned == slot);
        if !self.effects.iter().any(cleaned) {
            // Before its next lease, which is granted after this.
            self.clean(slot, OnReturn::Keep);
        }
    }

    /// A broken worker of a pool that nobody has is not handed out. It is replaced after the longest delay of its
    /// profile: whatever breaks workers that nobody used would break the next one as well.
    fn broke(&mut self, slot: SlotId) {
        let Some(member) = self.members.get_mut(&slot) else { return };
        member.broken = true;
        let incarnation = member.incarnation;
        let delay = member.worker.spec().profile.restart.backoff_max;
        self.account(|ledger, effects| ledger.slot_failed(slot, effects));
        if self.ledger.is_pooled(slot) {
            drop(self.at(Instant::now() + delay, move |roster| {
                let member = roster.members.get(&slot);
                let still = member.is_some_and(|member| member.broken && member.incarnation == incarnation);
                if still && roster.ledger.is_pooled(slot) {
                    roster.gone_for_good(slot);
                }
            }));
        }
    }

    /// The supervisor of a slot is gone: it panicked, or its thread ended. Its process ended with it, and its callers
    /// have their answers.
    fn lost(&mut self, slot: SlotId) {
        self.counters.supervisor_panics.add(1);
        let Some(member) = self.members.get_mut(&slot) else { return };
        let name = member.worker.spec().name.clone();
        let replaceable = member.admits_loss(Instant::now());
        if self.ledger.is_draining() {
            return self.gone(slot);
        }
        if replaceable {
            info!(worker = %name, "supervisor is replaced");
            return self.replace(slot);
        }
        warn!(worker = %name, "supervisor was lost too often");
        if self.ledger.is_pooled(slot) {
            self.broke(slot);
        } else {
            self.gone(slot);
        }
    }

    /// Gives the handles of a worker a new supervisor.
    fn replace(&mut self, slot: SlotId) {
        let Some(member) = self.members.get_mut(&slot) else { return };
        member.incarnation += 1;
        let Member { worker, arbiter, incarnation, leases, .. } = &self.members[&slot];
        let observer = Observer::new(self.observed(), slot, *incarnation);
        let parts = Parts { leases: *leases, ..self.parts(worker.spec().clone(), worker.intake().clone(), observer) };
        worker.replace_address(self.start_supervisor(arbiter, parts));
        if self.ledger.is_starting(slot) {
            self.order(slot, Start);
        }
    }

    /// Ends a worker that has no process, and its slot with it.
    fn gone_for_good(&mut self, slot: SlotId) {
        self.order(slot, Stop { why: Asked::Kill, finish: None });
        self.gone(slot);
    }

    /// A worker ended for good. Its name and its slot are free.
    fn gone(&mut self, slot: SlotId) {
        self.members.remove(&slot);
        self.account(|ledger, effects| ledger.slot_gone(slot, effects));
        let (gone, waiting) = std::mem::take(&mut self.forgetting).into_iter().partition(|(of, _)| *of == slot);
        self.forgetting = waiting;
        for (_, sender) in gone {
            // Whoever does not wait any more needs no answer.
            let _ = sender.send(true);
        }
    }

    /// Stops a named worker for good.
    pub(crate) fn forget(&mut self, name: &str, sender: OneshotSender<bool>) {
        match self.ledger.find(name) {
            Some(slot) => {
                self.forgetting.push((slot, sender));
                self.order(slot, Stop { why: Asked::Stop, finish: None });
            }
            // Whoever does not wait any more needs no answer.
            None => {
                let _ = sender.send(false);
            }
        }
    }

    /// Lets a broken worker start again.
    pub(crate) fn reset_worker(&self, name: &str) -> bool {
        let found = self.members.iter().find(|(_, member)| member.worker.name() == name);
        if let Some((slot, _)) = found {
            self.order(*slot, Reset);
        }
        found.is_some()
    }

    /// Answers who waits for the end of all, when it has come or is not waited for any longer.
    pub(crate) fn answer_drain(&mut self, give_up: bool) {
        if give_up || self.ledger.is_drained() {
            for sender in self.draining.drain(..) {
                // Whoever does not wait any more needs no answer.
                let _ = sender.send(self.members.len());
            }
        }
    }

    /// Everything is to stop.
    pub(crate) fn drain(&mut self, finish: Duration) {
        self.finish.get_or_insert(finish);
        self.account(crate::pool::Ledger::drain);
        // Each stage of a stop takes its grace at most: ask, terminate, kill.
        let grace = self.members.values().map(|member| member.worker.spec().profile.limits.grace).max();
        let enough = within_reach(finish) + within_reach(grace.unwrap_or_default()) * 4 + Duration::from_secs(1);
        drop(self.at(Instant::now() + enough, |roster| roster.answer_drain(true)));
    }

    /// Ends every process now.
    pub(crate) fn kill_all(&mut self) {
        for member in self.members.values() {
            drop(member.worker.order(Stop { why: Asked::Kill, finish: None }));
        }
    }
}
