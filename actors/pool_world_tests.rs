//! What the outside of a ledger sees, in plain lists: it follows the effects, and checks each when it comes and the whole
//! after every event.

use std::collections::{BTreeMap, BTreeSet};

use super::{Op, POOLS, TENANTS};
use crate::pool::tests::*;

/// What the outside knows of a slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pool: Option<Arc<str>>,
    /// Whether its pool has another template since.
    outdated: bool,
    ready: bool,
    stopped: bool,
    gone: bool,
    holder: Option<Arc<str>>,
}

impl Seen {
    fn unused_in(&self, pool: &Arc<str>) -> bool {
        self.pool.as_ref() == Some(pool) && self.holder.is_none() && !self.stopped
    }
}

pub(super) struct World {
    pub(super) ledger: Ledger,
    capacity: Capacity,
    pools: BTreeMap<Arc<str>, PoolSettings>,
    pub(super) slots: BTreeMap<SlotId, Seen>,
    waiting: Vec<(Ticket, LeaseRequest)>,
    answered: BTreeSet<Ticket>,
    names: BTreeMap<Arc<str>, SlotId>,
    /// The slot that this event returned.
    returned: Option<SlotId>,
    now: Instant,
    draining: bool,
}

impl World {
    pub(super) fn new(capacity: Capacity, settings: [PoolSettings; 2]) -> Self {
        let mut world = Self {
            ledger: Ledger::new(capacity),
            capacity,
            pools: BTreeMap::new(),
            slots: BTreeMap::new(),
            waiting: Vec::new(),
            answered: BTreeSet::new(),
            names: BTreeMap::new(),
            returned: None,
            now: Instant::now(),
            draining: false,
        };
        for (name, settings) in POOLS.into_iter().zip(settings) {
            let mut effects = Vec::new();
            world.pools.insert(name.into(), settings);
            world.ledger.set_pool(name.into(), settings, &mut effects);
            world.take(effects);
        }
        world
    }

    pub(super) fn apply(&mut self, op: Op) {
        let mut effects = Vec::new();
        self.returned = None;
        match op {
            Op::Request { pool, tenant, patience } => self.request(pool, tenant, patience, &mut effects),
            Op::Cancel(choice) => {
                if let Some((ticket, _)) = pick(&self.waiting, choice).cloned() {
                    self.waiting.retain(|waiting| waiting.0 != ticket);
                    assert!(self.ledger.cancel(ticket, &mut effects));
                }
            }
            Op::Checkout { name, tenant } => self.checkout(&format!("worker {name}"), TENANTS[tenant].into()),
            Op::Ready(choice) => {
                if let Some(id) = self.choose(choice, |slot| !slot.gone) {
                    self.change(id, |slot| slot.ready = true);
                    self.ledger.slot_ready(id, &mut effects);
                }
            }
            Op::Returned(choice) => {
                if let Some(id) = self.choose(choice, |slot| slot.pool.is_some() && slot.holder.is_some()) {
                    self.return_lease(id);
                    self.ledger.returned(id, &mut effects);
                }
            }
            Op::Gone(choice) => {
                if let Some(id) = self.choose(choice, |slot| !slot.gone) {
                    self.lose(id);
                    self.ledger.slot_gone(id, &mut effects);
                }
            }
            Op::Stray(id) => self.stray(SlotId(id)),
            Op::Tick(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.ledger.tick(self.now, &mut effects);
            }
            Op::Redefine { pool, min_spare, max, renew } => self.redefine(POOLS[pool].into(), (min_spare, max), renew),
            Op::Resize(workers) => {
                self.capacity.workers = workers;
                self.ledger.set_capacity(self.capacity, &mut effects);
            }
            Op::Drain => {
                self.draining = true;
                self.ledger.drain(&mut effects);
            }
        }
        self.take(effects);
        self.check();
    }

    fn redefine(&mut self, name: Arc<str>, (min_spare, max): (usize, usize), renew: bool) {
        let mut effects = Vec::new();
        if renew {
            let theirs = self.slots.values_mut().filter(|slot| slot.pool.as_ref() == Some(&name));
            theirs.for_each(|slot| slot.outdated = true);
            self.ledger.renew_pool(&name, &mut effects);
            self.take(std::mem::take(&mut effects));
        }
        let settings = PoolSettings { min_spare, max, ..self.pools[&name] };
        self.pools.insert(name.clone(), settings);
        self.ledger.set_pool(name, settings, &mut effects);
        self.take(effects);
    }

    fn stray(&mut self, id: SlotId) {
        let mut effects = Vec::new();
        if !self.slots.contains_key(&id) {
            self.ledger.slot_ready(id, &mut effects);
            self.ledger.slot_gone(id, &mut effects);
        }
        if self.slots.get(&id).is_none_or(|slot| slot.pool.is_none() || slot.holder.is_none()) {
            self.ledger.returned(id, &mut effects);
        }
        assert_eq!(effects, []);
    }

    fn request(&mut self, pool: usize, tenant: usize, patience: u64, effects: &mut Vec<Effect>) {
        let deadline = self.now + Duration::from_secs(patience);
        let request = LeaseRequest { pool: POOLS[pool].into(), tenant: TENANTS[tenant].into(), deadline };
        let ticket = self.ledger.request_lease(request.clone(), self.now, effects);
        assert!(self.waiting.iter().all(|waiting| waiting.0 < ticket), "tickets go up");
        self.waiting.push((ticket, request));
    }

    fn checkout(&mut self, name: &str, tenant: Arc<str>) {
        let name: Arc<str> = name.into();
        let (full, used) = (self.slots.len() >= self.capacity.workers, self.used_by(&tenant));
        match self.ledger.checkout(&name, &tenant) {
            Ok((id, false)) => assert_eq!(self.names.get(&name), Some(&id)),
            Ok((id, true)) => {
                assert!(!full && used < self.capacity.per_tenant && !self.draining);
                assert!(self.names.insert(name, id).is_none());
                assert!(self.slots.insert(id, Seen { holder: Some(tenant), ..Seen::default() }).is_none());
            }
            Err(Refusal::Draining) => assert!(self.draining),
            Err(Refusal::WorkersLimit { .. }) => assert!(full),
            Err(Refusal::TenantLimit { .. }) => assert!(used >= self.capacity.per_tenant),
            Err(
                reason @ (Refusal::Busy { .. }
                | Refusal::Deadline { .. }
                | Refusal::Memory { .. }
                | Refusal::UnknownPool),
            ) => {
                panic!("{reason:?}")
            }
        }
    }

    fn return_lease(&mut self, id: SlotId) {
        if self.slots[&id].gone {
            self.slots.remove(&id);
        } else {
            let keep = self.pools[&self.slots[&id].pool.clone().unwrap()].on_return == OnReturn::Keep;
            self.change(id, |slot| (slot.holder, slot.ready) = (None, keep));
            self.returned = Some(id);
        }
    }

    fn lose(&mut self, id: SlotId) {
        let slot = &self.slots[&id];
        if slot.pool.is_some() && slot.holder.is_some() {
            self.change(id, |slot| slot.gone = true);
        } else {
            self.slots.remove(&id);
            self.names.retain(|_, named| *named != id);
        }
    }

    /// Follows the effects, and checks that each was allowed at its time.
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Start { slot, pool } => self.started(slot, pool),
                Grant { ticket, slot } => self.granted(ticket, slot),
                Refuse { ticket, reason } => self.refused(ticket, reason),
                Clean { slot, how } => {
                    assert_eq!(self.returned.take(), Some(slot));
                    assert_eq!(how, self.pools[&self.slots[&slot].pool.clone().unwrap()].on_return);
                    assert_ne!(how, OnReturn::Keep);
                }
                Stop { slot } => self.stopped(slot),
                Evict { slot } => panic!("{slot:?} goes without a budget"),
            }
        }
    }

    fn started(&mut self, id: SlotId, pool: Arc<str>) {
        assert!(!self.draining);
        assert!(self.slots.len() < self.capacity.workers);
        assert!(self.count(|slot| slot.pool.as_ref() == Some(&pool)) < self.pools[&pool].max);
        let wanted = self.callers(&pool) + self.pools[&pool].min_spare;
        assert!(self.coming(&pool) < wanted, "one more than `{pool}` needs");
        let seen = Seen { pool: Some(pool), ..Seen::default() };
        assert!(self.slots.insert(id, seen).is_none());
    }

    fn stopped(&mut self, id: SlotId) {
        let slot = &self.slots[&id];
        assert!(!slot.stopped && !slot.gone, "stopped twice, or after its end");
        assert!(self.draining || slot.holder.is_none(), "whoever has a lease keeps it");
        let excess = |pool: &Arc<str>| self.live(|slot| slot.pool.as_ref() == Some(pool)) > self.pools[pool].max;
        let too_many = slot.pool.as_ref().is_some_and(excess) || self.live(|_| true) > self.capacity.workers;
        if !self.draining && !slot.outdated && !too_many {
            let pool = slot.pool.clone().unwrap();
            assert!(self.spare(&pool) > self.pools[&pool].min_spare, "what a pool is to have to spare is left to it");
            assert!(self.slots.len() >= self.capacity.workers && !self.eligible().is_empty(), "for somebody who waits");
        }
        self.change(id, |slot| slot.stopped = true);
    }

    fn granted(&mut self, ticket: Ticket, id: SlotId) {
        assert!(!self.draining);
        assert!(self.answered.insert(ticket), "answered twice");
        let place = self.waiting.iter().position(|waiting| waiting.0 == ticket).expect("it waits");
        let pool = &self.waiting[place].1.pool;
        let rivals = self.waiting.iter().filter(|(_, other)| other.pool == *pool && self.may_have(other));
        let first = rivals.min_by_key(|(ticket, other)| (self.has_of(pool, &other.tenant), *ticket));
        assert_eq!(first, Some(&self.waiting[place]), "the one of its pool whose tenant has the fewest");
        let (_, request) = self.waiting.remove(place);
        let slot = &self.slots[&id];
        assert!(slot.ready && !slot.gone && !slot.stopped && slot.holder.is_none(), "free: {slot:?}");
        assert!(!slot.outdated, "nobody gets one of an old template");
        assert_eq!(slot.pool.as_ref(), Some(&request.pool));
        self.change(id, |slot| slot.holder = Some(request.tenant));
    }

    fn refused(&mut self, ticket: Ticket, reason: Refusal) {
        assert!(self.answered.insert(ticket), "answered twice");
        let place = self.waiting.iter().position(|waiting| waiting.0 == ticket).expect("it waits");
        match reason {
            Refusal::Deadline { .. } => assert!(self.waiting[place].1.deadline <= self.now),
            Refusal::Busy { limit } => assert!(self.waiting.len() > limit && limit == self.capacity.waiting),
            Refusal::Draining => assert!(self.draining),
            Refusal::WorkersLimit { .. }
            | Refusal::TenantLimit { .. }
            | Refusal::Memory { .. }
            | Refusal::UnknownPool => panic!("{reason:?}"),
        }
        self.waiting.remove(place);
    }

    /// What must hold between events.
    fn check(&self) {
        assert!(self.waiting.len() <= self.capacity.waiting);
        assert!(TENANTS.into_iter().all(|tenant| self.used_by(tenant) <= self.capacity.per_tenant));
        for (pool, settings) in &self.pools {
            assert!(TENANTS.into_iter().all(|tenant| self.has_of(pool, tenant) <= settings.per_tenant));
        }
        assert_eq!(self.ledger.next_deadline(), self.waiting.iter().map(|(_, request)| request.deadline).min());
        assert!(self.waiting.iter().all(|(_, request)| request.deadline > self.now));
        assert_eq!(self.ledger.slots.len(), self.slots.len());
        assert_eq!(self.ledger.waiting.len(), self.waiting.len());
        assert!(self.ledger.tenants.len() <= self.slots.len());
        let idle = |slot: &Seen| slot.pool.is_some() && slot.holder.is_none() && !slot.stopped;
        assert!(self.live(|_| true) <= self.capacity.workers || self.count(idle) == 0, "more than there may be");
        assert!(!self.slots.values().any(|slot| idle(slot) && slot.outdated), "one of an old template");
        if self.draining {
            assert!(self.waiting.is_empty());
            assert!(self.slots.values().all(|slot| slot.stopped || slot.gone));
        } else {
            self.pools.iter().for_each(|(name, settings)| self.check_pool(name, settings));
        }
    }

    /// Nobody waits beside a free worker, and nothing is missing for which there is room or could be made.
    fn check_pool(&self, name: &Arc<str>, settings: &PoolSettings) {
        let spare = self.spare(name);
        let allowed = self.waiting.iter().find(|(_, request)| request.pool == *name && self.may_have(request));
        assert!(spare == 0 || allowed.is_none(), "{allowed:?} waits though {spare} are free");
        if self.count(|slot| slot.pool.as_ref() == Some(name)) >= settings.max {
            return;
        }
        let (callers, coming) = (self.callers(name), self.coming(name));
        if self.slots.len() < self.capacity.workers {
            assert!(coming >= callers + settings.min_spare, "`{name}` lacks workers, and there is room");
        } else if coming < callers && !self.slots.values().any(|slot| slot.stopped) {
            let surplus = self.pools.iter().any(|(other, settings)| self.spare(other) > settings.min_spare);
            assert!(!surplus, "`{name}` lacks workers, and nobody makes room");
        }
    }

    /// The pools of those who could each have a worker if there were enough: one after another the one whose tenant would
    /// have the fewest of its pool.
    fn eligible(&self) -> Vec<Arc<str>> {
        let mut waiting: Vec<&(Ticket, LeaseRequest)> = self.waiting.iter().collect();
        let mut served: Vec<&LeaseRequest> = Vec::new();
        let mut eligible = Vec::new();
        while !waiting.is_empty() {
            let has = |request: &LeaseRequest| {
                let ahead =
                    served.iter().filter(|other| (&other.pool, &other.tenant) == (&request.pool, &request.tenant));
                self.has_of(&request.pool, &request.tenant) + ahead.count()
            };
            let next = (0..waiting.len()).min_by_key(|&at| (has(&waiting[at].1), waiting[at].0)).unwrap();
            let request = &waiting[next].1;
            let within = eligible.iter().filter(|other: &&&LeaseRequest| other.tenant == request.tenant).count();
            let share = self.pools[&request.pool].per_tenant;
            if has(request) < share && self.used_by(&request.tenant) + within < self.capacity.per_tenant {
                eligible.push(request);
            }
            served.push(request);
            waiting.remove(next);
        }
        eligible.into_iter().map(|request| Arc::clone(&request.pool)).collect()
    }

    /// Whether a caller's tenant may have one more, in total and of the pool.
    fn may_have(&self, request: &LeaseRequest) -> bool {
        let LeaseRequest { pool, tenant, .. } = request;
        self.used_by(tenant) < self.capacity.per_tenant && self.has_of(pool, tenant) < self.pools[pool].per_tenant
    }

    fn has_of(&self, pool: &Arc<str>, tenant: &str) -> usize {
        self.count(|slot| slot.pool.as_ref() == Some(pool) && slot.holder.as_deref() == Some(tenant))
    }

    /// How many callers a pool is to have a worker for.
    fn callers(&self, pool: &Arc<str>) -> usize {
        self.eligible().into_iter().filter(|other| other == pool).count()
    }

    /// How many workers a pool has, or will have, for the next callers.
    fn coming(&self, pool: &Arc<str>) -> usize {
        self.count(|slot| slot.unused_in(pool))
    }

    fn spare(&self, pool: &Arc<str>) -> usize {
        self.count(|slot| slot.unused_in(pool) && slot.ready)
    }

    fn count(&self, which: impl Fn(&Seen) -> bool) -> usize {
        self.slots.values().filter(|slot| which(slot)).count()
    }

    /// How many there are that are not about to be gone.
    fn live(&self, which: impl Fn(&Seen) -> bool) -> usize {
        self.count(|slot| !slot.stopped && which(slot))
    }

    fn used_by(&self, tenant: &str) -> usize {
        self.count(|slot| slot.holder.as_deref() == Some(tenant))
    }

    fn choose(&self, choice: usize, which: impl Fn(&Seen) -> bool) -> Option<SlotId> {
        let ids: Vec<SlotId> = self.slots.iter().filter(|(_, slot)| which(slot)).map(|(&id, _)| id).collect();
        pick(&ids, choice).copied()
    }

    fn change(&mut self, id: SlotId, change: impl FnOnce(&mut Seen)) {
        change(self.slots.get_mut(&id).unwrap());
    }
}

fn pick<T>(from: &[T], choice: usize) -> Option<&T> {
    from.get(choice.checked_rem(from.len())?)
}
