//! What the ledger promises, one by one.

use Effect::{Clean, Evict, Grant, Refuse, Start, Stop};

use std::time::Duration;

use super::*;

#[path = "pool_model_tests.rs"]
mod model;

#[path = "pool_budget_tests.rs"]
mod budget;

const SECOND: Duration = Duration::from_secs(1);
const ROOMY: Capacity = Capacity { workers: 100, per_tenant: 100, waiting: 100, memory: None };

/// A ledger with one pool `js`, and the effects so far.
struct Desk {
    ledger: Ledger,
    effects: Vec<Effect>,
    now: Instant,
}

fn desk(capacity: Capacity, min_spare: usize, max: usize, on_return: OnReturn) -> Desk {
    let mut desk = Desk { ledger: Ledger::new(capacity), effects: Vec::new(), now: Instant::now() };
    desk.ledger.set_pool("js".into(), PoolSettings { min_spare, max, per_tenant: max, on_return }, &mut desk.effects);
    desk
}

impl Desk {
    fn ask(&mut self, tenant: &str) -> Ticket {
        self.ask_pool("js", tenant)
    }

    fn ask_pool(&mut self, pool: &str, tenant: &str) -> Ticket {
        let request = LeaseRequest { pool: pool.into(), tenant: tenant.into(), deadline: self.now + SECOND };
        self.ledger.request_lease(request, self.now, &mut self.effects)
    }

    fn ready(&mut self, slot: u64) {
        self.ledger.slot_ready(SlotId(slot), &mut self.effects);
    }

    fn returned(&mut self, slot: u64) {
        self.ledger.returned(SlotId(slot), &mut self.effects);
    }

    fn gone(&mut self, slot: u64) {
        self.ledger.slot_gone(SlotId(slot), &mut self.effects);
    }

    /// What happened since the last time this was asked.
    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

fn start(slot: u64) -> Effect {
    Start { slot: SlotId(slot), pool: "js".into() }
}

fn grant(ticket: u64, slot: u64) -> Effect {
    Grant { ticket: Ticket(ticket), slot: SlotId(slot) }
}

fn refuse(ticket: u64, reason: Refusal) -> Effect {
    Refuse { ticket: Ticket(ticket), reason }
}

#[test]
fn spare_workers_are_ready_before_anybody_asks() {
    let mut desk = desk(ROOMY, 2, 3, OnReturn::Keep);
    assert_eq!(desk.effects(), [start(1), start(2)]);
    desk.ready(1);
    assert_eq!(desk.ask("a"), Ticket(1));
    assert_eq!(desk.effects(), [grant(1, 1), start(3)]);
}

#[test]
fn callers_are_served_in_order_of_arrival() {
    let mut desk = desk(ROOMY, 0, 1, OnReturn::Keep);
    for _ in 0..3 {
        desk.ask("a");
    }
    desk.ready(1);
    desk.returned(1);
    desk.returned(1);
    assert_eq!(desk.effects(), [start(1), grant(1, 1), grant(2, 1), grant(3, 1)]);
}

#[test]
fn the_tenant_with_the_fewest_leases_is_served_first() {
    let mut desk = desk(ROOMY, 2, 2, OnReturn::Keep);
    desk.ready(1);
    desk.ready(2);
    for tenant in ["a", "a", "a", "b", "c"] {
        desk.ask(tenant);
    }
    desk.effects();
    desk.returned(1);
    desk.returned(1);
    desk.returned(1);
    // `a` has one lease, and then none of its callers comes before those of `b` and `c`; who have as many as each other.
    assert_eq!(desk.effects(), [grant(4, 1), grant(5, 1), grant(3, 1)]);
}

#[test]
fn a_tenant_has_no_more_of_a_pool_than_its_share() {
    let mut desk = desk(ROOMY, 0, 4, OnReturn::Keep);
    let settings = PoolSettings { min_spare: 0, max: 4, per_tenant: 1, on_return: OnReturn::Keep };
    desk.ledger.set_pool("js".into(), settings, &mut desk.effects);
    for tenant in ["a", "a", "b"] {
        desk.ask(tenant);
    }
    assert_eq!(desk.effects(), [start(1), start(2)], "none for whom nobody may have");
    desk.ready(1);
    desk.ready(2);
    assert_eq!(desk.effects(), [grant(1, 1), grant(3, 2)]);
    desk.returned(2);
    assert_eq!(desk.effects(), []);
    desk.returned(1);
    assert_eq!(desk.effects(), [grant(2, 1)]);
}

#[test]
fn a_returned_worker_is_clean_before_the_next_lease() {
    for how in [OnReturn::Recycle, OnReturn::Reset] {
        let mut desk = desk(ROOMY, 0, 1, how);
        desk.ask("a");
        desk.ready(1);
        desk.ask("b");
        desk.returned(1);
        assert_eq!(desk.effects(), [start(1), grant(1, 1), Clean { slot: SlotId(1), how }]);
        desk.ready(1);
        assert_eq!(desk.effects(), [grant(2, 1)]);
    }
}

#[test]
fn a_tenant_at_its_limit_waits_and_holds_up_nobody_else() {
    let mut desk = desk(Capacity { per_tenant: 1, ..ROOMY }, 2, 2, OnReturn::Keep);
    desk.ready(1);
    desk.ready(2);
    for tenant in ["a", "a", "b"] {
        desk.ask(tenant);
    }
    assert_eq!(desk.effects(), [start(1), start(2), grant(1, 1), grant(3, 2)]);
    desk.returned(1);
    assert_eq!(desk.effects(), [grant(2, 1)]);
}

#[test]
fn callers_wait_no_longer_than_their_deadline() {
    let mut desk = desk(ROOMY, 0, 1, OnReturn::Keep);
    desk.ask("a");
    assert_eq!(desk.ledger.next_deadline(), Some(desk.now + SECOND));
    desk.ledger.tick(desk.now + SECOND / 2, &mut desk.effects);
    assert_eq!(desk.effects(), [start(1)]);
    desk.ledger.tick(desk.now + SECOND, &mut desk.effects);
    assert_eq!(desk.effects(), [refuse(1, Refusal::Deadline { waited: SECOND })]);
    assert_eq!(desk.ledger.next_deadline(), None);
}

#[test]
fn callers_are_refused_at_once_when_enough_wait() {
    let mut desk = desk(Capacity { waiting: 1, ..ROOMY }, 0, 1, OnReturn::Keep);
    desk.ask("a");
    desk.ask("b");
    assert_eq!(desk.effects(), [start(1), refuse(2, Refusal::Busy { limit: 1 })]);
    desk.ask_pool("julia", "a");
    assert_eq!(desk.effects(), [refuse(3, Refusal::UnknownPool)]);
}

#[test]
fn no_tenant_has_the_whole_queue() {
    let mut desk = desk(Capacity { waiting: 2, ..ROOMY }, 0, 1, OnReturn::Keep);
    for tenant in ["a", "a", "b", "a"] {
        desk.ask(tenant);
    }
    let busy = Refusal::Busy { limit: 2 };
    assert_eq!(desk.effects(), [start(1), refuse(2, busy), refuse(4, busy)], "the last of whoever has the most");
}

#[test]
fn a_caller_that_left_is_not_served() {
    let mut desk = desk(ROOMY, 0, 1, OnReturn::Keep);
    let ticket = desk.ask("a");
    assert!(desk.ledger.cancel(ticket, &mut desk.effects));
    desk.ready(1);
    assert!(!desk.ledger.cancel(ticket, &mut desk.effects));
    assert_eq!(desk.effects(), [start(1)]);
}

#[test]
fn a_worker_that_is_gone_is_replaced_and_its_lease_counts_until_it_is_returned() {
    let mut desk = desk(ROOMY, 0, 1, OnReturn::Keep);
    desk.ask("a");
    desk.ready(1);
    desk.ask("a");
    desk.gone(1);
    assert_eq!(desk.effects(), [start(1), grant(1, 1)]);
    desk.returned(1);
    assert_eq!(desk.effects(), [start(2)]);
    desk.gone(2);
    assert_eq!(desk.effects(), [start(3)]);
}

#[test]
fn a_name_is_the_same_worker_for_everybody_until_it_is_gone() {
    let mut desk = desk(Capacity { per_tenant: 1, ..ROOMY }, 0, 1, OnReturn::Keep);
    let [main, other, a, b]: [Arc<str>; 4] = ["main", "other", "a", "b"].map(Arc::from);
    assert_eq!(desk.ledger.checkout(&main, &a), Ok((SlotId(1), true)));
    assert_eq!(desk.ledger.checkout(&main, &b), Ok((SlotId(1), false)));
    assert_eq!(desk.ledger.checkout(&other, &a), Err(Refusal::TenantLimit { limit: 1 }));
    desk.gone(1);
    assert_eq!(desk.ledger.checkout(&other, &a), Ok((SlotId(2), true)));
}

#[test]
fn there_are_never_more_workers_than_allowed() {
    let mut desk = desk(Capacity { workers: 2, ..ROOMY }, 1, 9, OnReturn::Keep);
    let [main, other, a]: [Arc<str>; 3] = ["main", "other", "a"].map(Arc::from);
    assert_eq!(desk.ledger.checkout(&main, &a), Ok((SlotId(2), true)));
    assert_eq!(desk.ledger.checkout(&other, &a), Err(Refusal::WorkersLimit { limit: 2 }));
    desk.ask("a");
    desk.ask("b");
    assert_eq!(desk.effects(), [start(1)]);
    desk.gone(2);
    assert_eq!(desk.effects(), [start(3)]);
}

#[test]
fn what_one_pool_no_longer_needs_makes_room_for_another() {
    let mut desk = desk(Capacity { workers: 2, ..ROOMY }, 0, 2, OnReturn::Keep);
    for slot in 1..=2 {
        desk.ask("a");
        desk.ready(slot);
    }
    desk.returned(1);
    desk.returned(2);
    desk.effects();
    let settings = PoolSettings { min_spare: 0, max: 2, per_tenant: 2, on_return: OnReturn::Keep };
    desk.ledger.set_pool("julia".into(), settings, &mut desk.effects);
    desk.ask_pool("julia", "b");
    assert_eq!(desk.effects(), [Stop { slot: SlotId(2) }]);
    desk.ledger.tick(desk.now, &mut desk.effects);
    assert_eq!(desk.effects(), [], "one is enough");
    desk.gone(2);
    assert_eq!(desk.effects(), [Start { slot: SlotId(3), pool: "julia".into() }]);
}

#[test]
fn a_renewed_pool_ends_idle_workers_at_once_and_leased_ones_when_they_are_returned() {
    let mut desk = desk(ROOMY, 2, 3, OnReturn::Keep);
    desk.ready(1);
    desk.ready(2);
    desk.ask("a");
    desk.ask("a");
    desk.returned(2);
    assert_eq!(desk.effects(), [start(1), start(2), grant(1, 1), start(3), grant(2, 2)]);
    desk.ledger.renew_pool(&"js".into(), &mut desk.effects);
    assert_eq!(desk.effects(), [3, 2].map(|slot| Stop { slot: SlotId(slot) }), "there may be no more than three");
    desk.ready(3);
    desk.ask("b");
    assert_eq!(desk.effects(), [], "one that was about to be ready is not handed out");
    desk.gone(3);
    desk.gone(2);
    assert_eq!(desk.effects(), [start(4), start(5)]);
    desk.ready(4);
    desk.returned(1);
    assert_eq!(desk.effects(), [grant(3, 4), Stop { slot: SlotId(1) }]);
}

#[test]
fn a_lower_capacity_ends_what_nobody_has_and_no_lease() {
    let mut desk = desk(ROOMY, 2, 4, OnReturn::Recycle);
    desk.ask("a");
    for slot in 1..=3 {
        desk.ready(slot);
    }
    desk.effects();
    desk.ledger.set_capacity(Capacity { workers: 1, ..ROOMY }, &mut desk.effects);
    assert_eq!(desk.effects(), [3, 2].map(|slot| Stop { slot: SlotId(slot) }));
    desk.ledger.set_capacity(Capacity { workers: 0, ..ROOMY }, &mut desk.effects);
    assert_eq!(desk.effects(), []);
    desk.returned(1);
    assert_eq!(desk.effects(), [Stop { slot: SlotId(1) }], "it is not cleaned for nobody");
}

#[test]
fn draining_refuses_everybody_and_ends_every_worker() {
    let mut desk = desk(ROOMY, 1, 2, OnReturn::Recycle);
    desk.ask("a");
    desk.ready(1);
    desk.ready(2);
    desk.ask("a");
    desk.ask("a");
    desk.effects();
    desk.ledger.drain(&mut desk.effects);
    let stops = [1, 2].map(|slot| Stop { slot: SlotId(slot) });
    assert_eq!(desk.effects(), [vec![refuse(3, Refusal::Draining)], stops.to_vec()].concat());
    desk.ask("a");
    assert_eq!(desk.effects(), [refuse(4, Refusal::Draining)]);
    desk.returned(1);
    desk.gone(1);
    assert!(!desk.ledger.is_drained());
    desk.gone(2);
    assert!(desk.ledger.is_drained());
    assert_eq!(desk.effects(), []);
}
