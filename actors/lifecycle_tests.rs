//! What a worker's life promises, whatever happens in whatever order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use proptest::prelude::*;

use super::*;
use crate::{EvalOptions, ExitStatus, LastBegun, fake::profile};

/// What may happen. Evaluations are named by how many are alive before them.
#[derive(Clone, Debug)]
enum Step {
    Submit { caller: usize, queue_time: bool },
    Ready,
    Answer(usize),
    Suspend(usize),
    Interrupt(usize),
    Exit { begun: usize, signal: bool },
    Stop { finish: bool },
    Recycle(bool),
    Evict,
    Clean,
    Cleaned,
    Reset,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize, any::<bool>()).prop_map(|(caller, queue_time)| Step::Submit { caller, queue_time }),
        4 => Just(Step::Ready),
        6 => (0..4_usize).prop_map(Step::Answer),
        1 => (0..4_usize).prop_map(Step::Suspend),
        1 => (0..6_usize).prop_map(Step::Interrupt),
        2 => (0..5_usize, any::<bool>()).prop_map(|(begun, signal)| Step::Exit { begun, signal }),
        1 => any::<bool>().prop_map(|finish| Step::Stop { finish }),
        1 => any::<bool>().prop_map(Step::Recycle),
        1 => Just(Step::Evict),
        1 => Just(Step::Clean),
        1 => Just(Step::Cleaned),
        1 => Just(Step::Reset),
        3 => (1..8_000_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

/// A worker, its process and its callers as the world sees them.
struct World {
    lifecycle: Lifecycle,
    now: Instant,
    /// What was submitted and has not ended, with its caller.
    alive: BTreeMap<EvalId, usize>,
    /// What the process has, in order.
    process: Option<Vec<EvalId>>,
    cleaning: bool,
    /// The epoch on whose state each caller builds.
    seen: [u64; 3],
    submitted_in: BTreeMap<EvalId, u64>,
    next: u64,
    ended: BTreeSet<EvalId>,
    /// What was submitted to be tried again.
    options: BTreeMap<EvalId, EvalOptions>,
    /// How often a process said that each had begun, and ended.
    begun: BTreeMap<EvalId, u32>,
}

impl World {
    fn new(profile: Profile) -> Self {
        let now = Instant::now();
        Self {
            lifecycle: Lifecycle::new("w".into(), &profile, 0, now),
            now,
            alive: BTreeMap::new(),
            process: None,
            cleaning: false,
            seen: [0; 3],
            submitted_in: BTreeMap::new(),
            next: 0,
            ended: BTreeSet::new(),
            options: BTreeMap::new(),
            begun: BTreeMap::new(),
        }
    }

    fn on(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.lifecycle.on(event, self.now, &mut effects);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Launch { epoch } => {
                assert!(self.process.is_none(), "two processes at once");
                assert_eq!(epoch, self.lifecycle.epoch);
                self.process = Some(Vec::new());
                self.cleaning = false;
            }
            Effect::Send(id) => {
                assert!(matches!(self.lifecycle.state, State::Running(_)), "sent to a process that does not serve");
                assert!(!self.cleaning, "sent to a process that is being cleaned");
                assert!(self.alive.contains_key(&id), "sent although it has ended");
                if self.lifecycle.profile.state == StatePolicy::Kept {
                    assert_eq!(self.submitted_in[&id], self.lifecycle.epoch, "runs against lost state");
                }
                let (begun, options) = (self.begun.get(&id).copied().unwrap_or(0), self.options[&id]);
                let again = options.idempotent && begun <= options.retries;
                assert!(begun == 0 || again, "sent again after it may have run: {begun} {options:?}");
                self.process.as_mut().unwrap().push(id);
            }
            Effect::Deliver(id, _) => {
                let caller = self.end(id);
                self.seen[caller] = self.lifecycle.epoch;
            }
            Effect::Refuse(id, refusal) => {
                let caller = self.end(id);
                if let NotStarted::Restarted { .. } = refusal {
                    self.seen[caller] = 0;
                }
            }
            Effect::Retry(id, _) => assert!(self.alive.contains_key(&id) && self.options[&id].idempotent),
            Effect::Lose(id, _) | Effect::Quarantine { id, .. } => {
                let caller = self.end(id);
                self.seen[caller] = 0;
            }
            Effect::Clean => self.cleaning = true,
            Effect::Stop(_) => assert!(self.process.is_some(), "stopped although there is no process"),
            Effect::Interrupt(_) | Effect::Sample | Effect::Warn(_, _) | Effect::Note(_) => {}
        }
    }

    fn end(&mut self, id: EvalId) -> usize {
        assert!(self.ended.insert(id), "ended twice");
        self.alive.remove(&id).expect("ended although it was not submitted")
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Submit { caller, queue_time } => self.submit(caller, queue_time),
            Step::Ready if self.process.is_some() => self.on(ready()),
            Step::Answer(at) => {
                let Some(id) = self.process.as_mut().filter(|has| at < has.len()).map(|has| has.remove(at)) else {
                    return;
                };
                self.on(Event::Replied(id));
            }
            Step::Suspend(at) => {
                if let Some(id) = self.process.as_ref().and_then(|has| has.get(at)).copied() {
                    self.on(Event::Suspended(id));
                }
            }
            Step::Interrupt(at) => {
                let id = self.alive.keys().nth(at).copied();
                self.on(Event::Interrupt(id));
            }
            Step::Exit { begun, signal } => self.exit(begun, signal),
            Step::Stop { finish } => {
                let finish_by = finish.then(|| self.now + Duration::from_secs(3));
                self.on(Event::Stop { why: Asked::Stop, finish_by });
            }
            Step::Recycle(lease) => self.on(Event::Recycle(if lease { Asked::Lease } else { Asked::Restart })),
            Step::Evict => {
                let busy = !self.lifecycle.line.is_empty();
                let phase = std::mem::discriminant(&self.lifecycle.state);
                self.on(Event::Evict);
                assert!(!busy || phase == std::mem::discriminant(&self.lifecycle.state), "it has something to do");
            }
            Step::Clean => self.on(Event::Clean),
            Step::Cleaned if self.cleaning => {
                self.cleaning = false;
                self.on(Event::Cleaned);
            }
            Step::Reset => self.on(Event::Reset),
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                self.tick();
            }
            Step::Ready | Step::Cleaned => {}
        }
    }

    fn submit(&mut self, caller: usize, queue_time: bool) {
        self.next += 1;
        let id = EvalId(self.next);
        let start_by = queue_time.then(|| self.now + Duration::from_secs(1));
        let wall_time = Some(Duration::from_secs(2));
        self.alive.insert(id, caller);
        self.submitted_in.insert(id, self.lifecycle.serving_epoch());
        // Three of its four callers want it tried again, and every other of those may.
        let options =
            EvalOptions { retries: self.next as u32 % 4, idempotent: self.next & 4 > 0, ..EvalOptions::default() };
        self.options.insert(id, options);
        let retries = Retries::new(&options);
        let submission = Submission { id, wall_time, since: self.now, start_by, built_on: 0, retries };
        self.on(Event::Submit { submission, seen: self.seen[caller] });
    }

    fn exit(&mut self, begun: usize, signal: bool) {
        let Some(has) = self.process.take() else { return };
        let last_begun = match begun {
            0 => LastBegun::Unknown,
            1 => LastBegun::Nothing,
            _ => has.get(begun - 2).map_or(LastBegun::Unknown, |id| LastBegun::Was(*id)),
        };
        let status = if signal { ExitStatus::Signal(11) } else { ExitStatus::Code(0) };
        self.cleaning = false;
        let until = match last_begun {
            LastBegun::Unknown => has.len(),
            LastBegun::Nothing => 0,
            LastBegun::Was(id) => has.iter().position(|has| *has == id).map_or(0, |at| at + 1),
        };
        has[..until].iter().for_each(|id| *self.begun.entry(*id).or_default() += 1);
        let exit = Exit { status: Some(status), last_begun, ..Exit::default() };
        self.on(Event::Exited(Exited { exit, dice: 0.5, at: SystemTime::now() }));
    }

    /// Ticks until nothing is due any more.
    fn tick(&mut self) {
        for _ in 0..100 {
            match self.lifecycle.wake {
                Some(wake) if wake <= self.now => self.on(Event::Tick),
                _ => return,
            }
        }
        panic!("deadlines that have passed are due for ever: {:?}", self.lifecycle);
    }

    /// The process does what it is told, time passes, and everything ends.
    fn run_out(&mut self) {
        for _ in 0..500 {
            if self.alive.is_empty() {
                return;
            }
            match (&self.lifecycle.state, &self.process) {
                (State::Stopping(_), Some(_)) => self.exit(0, false),
                (State::Starting { .. }, Some(_)) => self.on(ready()),
                (_, Some(_)) if self.cleaning => self.step(&Step::Cleaned),
                (_, Some(has)) if !has.is_empty() => self.step(&Step::Answer(0)),
                _ => self.step(&Step::Wait(100)),
            }
        }
        panic!("evaluations that never end: {:?} {:?}", self.alive, self.lifecycle);
    }
}

fn ready() -> Event {
    Event::Ready { capabilities: capabilities(), dice: 0.5 }
}

fn capabilities() -> Capabilities {
    Capabilities { resets: true, ahead: 2, ..Capabilities::default() }
}

proptest! {
    #[test]
    fn every_evaluation_ends_once_and_none_runs_against_lost_state(
        steps in steps(),
        kept in any::<bool>(),
        policy in prop_oneof![
            Just(oast_config::RestartPolicy::Permanent),
            Just(oast_config::RestartPolicy::Transient),
            Just(oast_config::RestartPolicy::Temporary),
        ],
        evaluations in proptest::option::of(1..4_u64),
    ) {
        let mut profile = profile();
        profile.state = if kept { StatePolicy::Kept } else { StatePolicy::None };
        profile.restart.policy = policy;
        profile.limits.evaluations = evaluations;
        profile.limits.idle = Some(Duration::from_secs(6));
        profile.limits.grace = Duration::from_secs(1);
        let mut world = World::new(profile);
        for step in &steps {
            world.step(step);
        }
        world.run_out();
    }
}

fn world() -> World {
    let mut world = World::new(profile());
    world.submit(0, false);
    world.on(ready());
    world
}

#[test]
fn a_process_that_never_served_had_no_state_to_lose() {
    let mut world = World::new(profile());
    world.submit(0, false);
    // Its caller submitted this while the first process was being started, and it arrives when the next one is.
    let meant_for = world.lifecycle.serving_epoch();
    world.exit(1, false);
    assert_ne!(meant_for, world.lifecycle.serving_epoch());
    assert_eq!(world.lifecycle.refusal(meant_for), None);
    world.submit(0, false);
    world.now += Duration::from_secs(1);
    world.tick();
    world.on(ready());
    let served = world.lifecycle.serving_epoch();
    world.exit(1, true);
    assert!(matches!(world.lifecycle.refusal(served), Some(NotStarted::Restarted { .. })));
}

#[test]
fn limits_of_what_is_being_ended_are_not_enforced_again() {
    let mut world = world();
    world.on(Event::Interrupt(None));
    world.now += Duration::from_secs(6);
    let mut notes = 0;
    for _ in 0..3 {
        let mut effects = Vec::new();
        world.lifecycle.on(Event::Tick, world.now, &mut effects);
        notes += effects.iter().filter(|effect| matches!(effect, Effect::Note(Transition::LimitHit(_)))).count();
    }
    assert_eq!(notes, 1);
    assert!(world.lifecycle.wake.is_some_and(|wake| wake > world.now));
}

#[test]
fn a_drain_survives_the_end_of_a_process_and_ends_in_a_stop() {
    let mut profile = profile();
    profile.state = StatePolicy::None;
    profile.limits.evaluations = Some(1);
    let mut world = World::new(profile);
    for _ in 0..3 {
        world.submit(0, false);
    }
    world.on(ready());
    world.on(Event::Stop { why: Asked::Stop, finish_by: Some(world.now + Duration::from_secs(100)) });
    world.run_out();
    assert_eq!(world.lifecycle.epoch, 3);
    world.exit(0, false);
    assert!(matches!(world.lifecycle.state, State::Stopped));
}

#[test]
fn a_stray_sign_of_cleanness_is_not_believed() {
    let mut world = world();
    let mut effects = Vec::new();
    world.lifecycle.on(Event::Cleaned, world.now, &mut effects);
    assert_eq!(effects, []);
}

#[test]
fn a_submission_for_the_next_process_is_not_refused_when_the_one_before_ends() {
    let mut world = world();
    world.on(Event::Recycle(Asked::Restart));
    world.submit(1, false);
    world.exit(0, false);
    assert_eq!(world.alive.len(), 1);
    world.on(ready());
    assert_eq!(world.process.as_ref().map(Vec::len), Some(1));
}

#[test]
fn no_more_is_sent_than_the_runtime_takes_ahead_of_the_running_one() {
    let mut world = world();
    for _ in 0..5 {
        world.submit(0, false);
    }
    assert_eq!(world.process.as_ref().map(Vec::len), Some(3));
}

#[test]
fn a_process_that_has_grown_is_replaced_when_it_is_seen_idle_and_not_before() {
    let mut profile = profile();
    profile.limits.growth = Some(ByteSize::mib(10));
    let mut world = World::new(profile);
    let sampled = |mib| Event::Sampled { memory: ByteSize::mib(mib), cpu: Duration::ZERO };
    world.submit(0, false);
    world.on(ready());
    world.on(sampled(5));
    world.on(sampled(50));
    assert!(matches!(world.lifecycle.state, State::Running(_)), "it is busy");
    let mut effects = Vec::new();
    world.lifecycle.on(Event::Replied(EvalId(1)), world.now, &mut effects);
    assert_eq!(effects, [Effect::Deliver(EvalId(1), None), Effect::Sample]);
    world.on(sampled(15));
    assert!(matches!(world.lifecycle.state, State::Running(_)), "it was garbage");
    world.on(sampled(16));
    assert!(matches!(&world.lifecycle.state, State::Stopping(stop) if stop.cause == Cause::Asked(Asked::Growth)));
    world.exit(0, false);
    assert!(matches!(world.lifecycle.state, State::Starting { .. }));
}

#[test]
fn how_long_a_process_is_kept_is_decided_at_its_start() {
    let mut profile = profile();
    profile.state = StatePolicy::None;
    profile.limits.evaluations = Some(10);
    let mut world = World::new(profile);
    for _ in 0..12 {
        world.submit(0, false);
    }
    world.on(Event::Ready { capabilities: capabilities(), dice: 1.0 });
    for _ in 0..9 {
        world.step(&Step::Answer(0));
    }
    assert!(matches!(&world.lifecycle.state, State::Stopping(stop) if stop.cause == Cause::Asked(Asked::Evaluations)));
}
