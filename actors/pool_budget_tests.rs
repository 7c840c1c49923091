//! What the ledger promises about memory: one by one, and for whatever happens in whatever order.

use std::collections::BTreeMap;

use oast_config::ByteSize;
use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 100;

fn mib(count: u64) -> ByteSize {
    ByteSize::mib(count)
}

fn tight(min_spare: usize, max: usize) -> Desk {
    desk(Capacity { memory: Some(mib(LIMIT)), ..ROOMY }, min_spare, max, OnReturn::Keep)
}

const fn idle(slot: u64, last_used: u64, keeps_state: bool) -> Idle {
    Idle { slot: SlotId(slot), last_used, keeps_state }
}

const fn evict(slot: u64) -> Effect {
    Evict { slot: SlotId(slot) }
}

impl Desk {
    fn uses(&mut self, slot: u64, memory: u64) {
        self.ledger.uses(SlotId(slot), mib(memory), &mut self.effects);
    }

    fn name(&mut self, name: &str) -> Result<(SlotId, bool), Refusal> {
        self.ledger.checkout(&name.into(), &"a".into())
    }
}

#[test]
fn no_worker_is_started_that_would_pass_the_budget() {
    let mut desk = tight(0, 9);
    desk.ask("a");
    desk.ready(1);
    desk.uses(1, 97);
    desk.effects();
    desk.ask("a");
    assert_eq!(desk.effects(), [], "one more is reckoned with four");
    let refusal = Refusal::Memory { budget: mib(100), used: mib(97) };
    assert_eq!(desk.name("w"), Err(refusal));
    desk.ledger.tick(desk.now + SECOND, &mut desk.effects);
    assert_eq!(desk.effects(), [refuse(2, refusal)]);
    desk.ask("a");
    desk.uses(1, 96);
    assert_eq!(desk.effects(), [start(2)]);
}

#[test]
fn a_start_is_reckoned_with_what_the_others_that_are_ready_use() {
    let mut desk = tight(1, 9);
    desk.ready(1);
    desk.uses(1, 30);
    desk.ask("a");
    assert_eq!(desk.effects(), [start(1), grant(1, 1), start(2)]);
    desk.ready(2);
    desk.uses(2, 30);
    desk.ask("a");
    assert_eq!(desk.effects(), [grant(2, 2), start(3)]);
    desk.ready(3);
    desk.uses(3, 30);
    desk.ask("a");
    assert_eq!(desk.effects(), [grant(3, 3)], "90 are used, and what is to spare leaves a tenth");
}

#[test]
fn idle_workers_go_when_the_budget_is_passed_the_longest_unused_first_and_kept_state_last() {
    let mut desk = tight(3, 3);
    (1..=3).for_each(|slot| desk.ready(slot));
    assert_eq!(["kept", "not kept"].map(|name| desk.name(name).unwrap().0), [SlotId(4), SlotId(5)]);
    (1..=5).for_each(|slot| desk.uses(slot, 20));
    assert!(!desk.ledger.is_over_budget());
    desk.uses(1, 25);
    desk.effects();
    let all = [idle(1, 9, false), idle(2, 7, false), idle(3, 8, false), idle(4, 1, true), idle(5, 2, false)];
    desk.ledger.relieve(&all, &mut desk.effects);
    assert_eq!(desk.effects(), [evict(2)]);
    assert!(!desk.ledger.is_over_budget(), "what is about to go does not count");
    desk.gone(2);
    assert_eq!(desk.effects(), [], "and is not started again at once");
    desk.uses(1, 100);
    desk.ledger.relieve(&all, &mut desk.effects);
    assert_eq!(desk.effects(), [3, 1].map(evict));
    desk.uses(4, 101);
    desk.ledger.relieve(&all, &mut desk.effects);
    assert_eq!(desk.effects(), [5, 4].map(evict));
}

#[test]
fn neither_a_leased_worker_goes_nor_one_that_is_busy() {
    let mut desk = tight(2, 2);
    (1..=2).for_each(|slot| desk.ready(slot));
    desk.ask("a");
    (1..=2).for_each(|slot| desk.uses(slot, 60));
    desk.effects();
    desk.ledger.relieve(&[idle(1, 0, false)], &mut desk.effects);
    assert_eq!(desk.effects(), []);
}

#[test]
fn a_machine_short_of_memory_gets_a_tenth_back_with_each_sign_of_it() {
    let mut desk = desk(ROOMY, 4, 9, OnReturn::Keep);
    (1..=4).for_each(|slot| desk.ready(slot));
    (1..=4).for_each(|slot| desk.uses(slot, 5));
    desk.effects();
    let all: Vec<Idle> = (1..=4).map(|slot| idle(slot, slot, false)).collect();
    for slot in [1, 2] {
        desk.ledger.set_pressure(true, &mut desk.effects);
        desk.ledger.relieve(&all, &mut desk.effects);
        desk.gone(slot);
        assert_eq!(desk.effects(), [evict(slot)]);
    }
    desk.ask("a");
    assert_eq!(desk.effects(), [grant(1, 3)], "none is started to be ready");
    desk.ledger.set_pressure(false, &mut desk.effects);
    assert_eq!(desk.effects(), [5, 6, 7].map(start));
}

/// One event. Numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Event {
    Request,
    Named(u8),
    Ready(usize),
    Returned(usize),
    Gone(usize),
    Busy(usize),
    Uses(usize, u64),
    Pressure(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Request),
        1 => (0..4_u8).prop_map(Event::Named),
        3 => any::<usize>().prop_map(Event::Ready),
        2 => any::<usize>().prop_map(Event::Returned),
        1 => any::<usize>().prop_map(Event::Gone),
        1 => any::<usize>().prop_map(Event::Busy),
        6 => (any::<usize>(), 0..60_u64).prop_map(|(choice, memory)| Event::Uses(choice, memory)),
        1 => any::<bool>().prop_map(Event::Pressure),
    ]
}

/// What the outside knows of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    leased: bool,
    busy: bool,
    told_to_go: bool,
    memory: Option<u64>,
}

struct Outside {
    desk: Desk,
    seen: BTreeMap<SlotId, Seen>,
    pressed: bool,
}

impl Outside {
    fn choose(&self, choice: usize, which: impl Fn(&Seen) -> bool) -> Option<SlotId> {
        let ids: Vec<SlotId> = self.seen.iter().filter(|(_, seen)| which(seen)).map(|(id, _)| *id).collect();
        ids.get(choice.checked_rem(ids.len())?).copied()
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Request => drop(self.desk.ask("a")),
            Event::Named(name) => {
                if let Ok((slot, true)) = self.desk.name(&name.to_string()) {
                    self.seen.insert(slot, Seen::default());
                    self.check_start();
                }
            }
            Event::Ready(choice) => {
                if let Some(SlotId(slot)) = self.choose(choice, |seen| !seen.leased) {
                    self.desk.ready(slot);
                }
            }
            Event::Returned(choice) => {
                if let Some(id) = self.choose(choice, |seen| seen.leased) {
                    (self.seen.get_mut(&id).unwrap().leased, self.seen.get_mut(&id).unwrap().busy) = (false, false);
                    self.desk.returned(id.0);
                }
            }
            Event::Gone(choice) => {
                if let Some(id) = self.choose(choice, |seen| !seen.leased) {
                    self.seen.remove(&id);
                    self.desk.gone(id.0);
                }
            }
            Event::Busy(choice) => {
                let named = |id: &SlotId| self.desk.ledger.is_named(*id);
                if let Some(id) = self.choose(choice, |_| true).filter(|id| named(id) || self.seen[id].leased) {
                    self.seen.get_mut(&id).unwrap().busy ^= true;
                }
            }
            Event::Uses(choice, memory) => {
                if let Some(id) = self.choose(choice, |_| true) {
                    let named = self.desk.ledger.is_named(id);
                    let seen = self.seen.get_mut(&id).unwrap();
                    (seen.memory, seen.told_to_go) = (Some(memory), seen.told_to_go && !named);
                    self.desk.uses(id.0, memory);
                }
            }
            Event::Pressure(high) => {
                self.pressed = high;
                self.desk.ledger.set_pressure(high, &mut self.desk.effects);
            }
        }
        self.follow();
        self.relieve();
    }

    fn follow(&mut self) {
        let mut started = false;
        for effect in self.desk.effects() {
            match effect {
                Start { slot, .. } => {
                    started = true;
                    self.seen.insert(slot, Seen::default());
                }
                Grant { slot, .. } => self.seen.get_mut(&slot).unwrap().leased = true,
                Stop { slot } => self.seen.get_mut(&slot).unwrap().told_to_go = true,
                Evict { slot } => {
                    let seen = self.seen.get_mut(&slot).unwrap();
                    assert!(!seen.busy && !seen.leased && !seen.told_to_go, "{seen:?}");
                    assert!(seen.memory.is_some_and(|memory| memory > 0), "nothing is gained");
                    seen.told_to_go = true;
                }
                Clean { .. } | Refuse { .. } => {}
            }
        }
        if started {
            self.check_start();
        }
    }

    /// A start never brings all over the budget; only what grows does.
    fn check_start(&self) {
        let Refusal::Memory { used, .. } = self.desk.ledger.no_memory() else { unreachable!() };
        assert!(used <= mib(LIMIT), "{used} after a start");
    }

    /// What is measured of those that were not told to go.
    fn staying(&self) -> u64 {
        self.seen.values().filter(|seen| !seen.told_to_go).filter_map(|seen| seen.memory).sum()
    }

    fn relieve(&mut self) {
        let over = self.desk.ledger.is_over_budget();
        let idle = self.seen.iter().filter(|(_, seen)| !seen.busy);
        let idle: Vec<Idle> =
            idle.map(|(id, _)| Idle { slot: *id, last_used: id.0 * 7 % 5, keeps_state: id.0 % 2 == 0 }).collect();
        let (before, target) = (self.seen.clone(), self.desk.ledger.budget.target());
        self.desk.ledger.relieve(&idle, &mut self.desk.effects);
        assert!(over || self.desk.effects.is_empty(), "nobody goes without need");
        let last = self.desk.effects.last().cloned();
        self.follow();
        if let Some(Evict { slot }) = last {
            let gained = before[&slot].memory.unwrap_or(0);
            let without_it = mib(self.staying() + gained).get();
            assert!(target.is_some_and(|target| without_it > target), "one too many went");
        }
        if self.staying() > LIMIT {
            let may_go = |(id, seen): (&SlotId, &Seen)| {
                let free = !seen.busy && !seen.leased && !seen.told_to_go && seen.memory > Some(0);
                free && matches!(self.desk.ledger.slots[id].state, SlotState::Named { .. } | SlotState::Spare)
            };
            assert!(!self.seen.iter().any(may_go), "somebody could have gone");
        }
    }
}

#[test]
fn an_idle_worker_goes_for_a_caller_that_waits_for_its_memory() {
    let mut outside = Outside { desk: tight(1, 6), seen: BTreeMap::new(), pressed: false };
    outside.follow();
    let spare = *outside.seen.keys().next().unwrap();
    outside.desk.ready(spare.0);
    outside.seen.get_mut(&spare).unwrap().memory = Some(LIMIT);
    outside.desk.uses(spare.0, LIMIT);
    outside.relieve();
    assert!(!outside.seen[&spare].told_to_go, "there is no need");
    assert!(outside.desk.ledger.checkout(&"named".into(), &"".into()).is_err(), "there is no room");
    outside.relieve();
    assert!(outside.seen[&spare].told_to_go, "it stays in the way");
}

proptest! {
    #[test]
    fn only_growth_passes_the_budget_and_only_the_idle_pay_for_it(
        spare in 0..4_usize,
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut outside = Outside { desk: tight(spare, 6), seen: BTreeMap::new(), pressed: false };
        outside.follow();
        events.into_iter().for_each(|event| outside.apply(event));
    }
}
