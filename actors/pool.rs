//! Who gets which worker: the registry's pure core. Owns the accounts of slots, leases, tenants and waiting callers; knows
//! no actor, process or clock. Every change ends in [`Ledger::settle`], which compares what should be with what is, so
//! there is nothing to hand on and nothing to lose between two events. Its words are in [`lease`](crate::lease).
//!
//! A *slot* is the place of one supervised worker: of a pool, or of a name. It lasts through restarts: a supervisor that
//! restarts its process, waits before it does, or is broken still has its slot. Only one that ended for good is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use oast_config::OnReturn;

use crate::{
    budget::{Budget, Purpose},
    lease::{Capacity, Effect, LeaseRequest, PoolSettings, Refusal, SlotId, Ticket},
};

#[derive(Debug)]
struct Slot {
    /// `None` for a named worker.
    pool: Option<Arc<str>>,
    /// Which of the pool's templates its worker was made of.
    version: u64,
    state: SlotState,
}

#[derive(Debug)]
enum SlotState {
    /// Not ready: it starts, or is cleaned.
    Starting,
    /// Ready for the next lease.
    Spare,
    /// Whether its process runs or restarts is between its caller and its supervisor.
    Leased { tenant: Arc<str> },
    /// Gone while it was leased. Its caller still holds the lease, so it still counts.
    Lost { tenant: Arc<str> },
    /// Everybody's who knows the name; on the account of the tenant who asked first.
    Named { name: Arc<str>, tenant: Arc<str> },
    /// Told to stop. Its process counts until it is gone.
    Stopping,
}

#[derive(Debug)]
struct Pool {
    settings: PoolSettings,
    /// Which template its workers are made of. It goes up with each new one.
    version: u64,
    /// Slots in any state.
    total: usize,
    /// Slots told to stop that are not gone yet.
    stopping: usize,
    /// Slots that will be spare.
    starting: usize,
    spare: BTreeSet<SlotId>,
    /// Callers that wait.
    waiting: usize,
    /// Those who have leases of it or wait for one.
    tenants: BTreeMap<Arc<str>, Account>,
}

/// What a tenant has of one pool, and wants.
#[derive(Debug, Default)]
struct Account {
    leases: usize,
    /// In order of arrival.
    waiting: BTreeSet<Ticket>,
}

#[derive(Debug)]
struct Waiter {
    request: LeaseRequest,
    since: Instant,
}

/// The accounts. Nothing in it outgrows the [`Capacity`] and the number of pools.
#[derive(Debug)]
pub(crate) struct Ledger {
    capacity: Capacity,
    pools: BTreeMap<Arc<str>, Pool>,
    slots: BTreeMap<SlotId, Slot>,
    names: BTreeMap<Arc<str>, SlotId>,
    /// How many leases and named workers each tenant has, as far as it has any.
    tenants: BTreeMap<Arc<str>, usize>,
    /// In order of arrival.
    waiting: BTreeMap<Ticket, Waiter>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    /// Slots told to stop that are not gone yet.
    stopping: usize,
    budget: Budget,
    last_slot: u64,
    last_ticket: u64,
    draining: bool,
}

impl Ledger {
    /// Without pools, names and slots.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            pools: BTreeMap::new(),
            slots: BTreeMap::new(),
            names: BTreeMap::new(),
            tenants: BTreeMap::new(),
            waiting: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            stopping: 0,
            budget: Budget::new(capacity.memory),
            last_slot: 0,
            last_ticket: 0,
            draining: false,
        }
    }

    /// Adds a pool, or changes the settings of one.
    pub(crate) fn set_pool(&mut self, name: Arc<str>, settings: PoolSettings, effects: &mut Vec<Effect>) {
        self.pools.entry(name).or_insert_with(|| Pool::new(settings)).settings = settings;
        self.settle(effects);
    }

    /// The workers of a pool are made of another template from now on. Those that nobody has end, and leased ones do when
    /// their leases end: nobody gets one of the old template any more.
    pub(crate) fn renew_pool(&mut self, name: &Arc<str>, effects: &mut Vec<Effect>) {
        if let Some(pool) = self.pools.get_mut(name) {
            pool.version += 1;
        }
        for id in self.idle(|slot| slot.pool.as_ref() == Some(name)) {
            self.stop(id, effects);
        }
        self.settle(effects);
    }

    /// Changes how much there may be. Workers beyond it end when nobody has them; callers who wait go on waiting.
    pub(crate) fn set_capacity(&mut self, capacity: Capacity, effects: &mut Vec<Effect>) {
        self.capacity = capacity;
        self.budget.set_limit(capacity.memory);
        self.settle(effects);
    }

    /// Asks for a lease. The answer is a [`Effect::Grant`] or a [`Effect::Refuse`] for this ticket, now or later, unless it
    /// is [cancelled](Self::cancel) before.
    pub(crate) fn request_lease(&mut self, request: LeaseRequest, now: Instant, effects: &mut Vec<Effect>) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        if self.draining {
            effects.push(Effect::Refuse { ticket, reason: Refusal::Draining });
            return ticket;
        }
        let Some(pool) = self.pools.get_mut(&request.pool) else {
            effects.push(Effect::Refuse { ticket, reason: Refusal::UnknownPool });
            return ticket;
        };
        pool.enqueue(&request.tenant, ticket);
        let deadline = request.deadline;
        self.deadlines.insert((deadline, ticket));
        self.waiting.insert(ticket, Waiter { request, since: now });
        self.grant(effects);
        if self.waiting.contains_key(&ticket) {
            let limit = self.capacity.waiting;
            if deadline <= now {
                self.refuse_late(ticket, now, effects);
            } else if self.waiting.len() > limit {
                self.refuse(self.last_of_the_most(ticket), Refusal::Busy { limit }, effects);
            }
        }
        self.refill(effects);
        ticket
    }

    /// The caller no longer waits. `false` says that it was answered already: a granted lease is to be returned.
    pub(crate) fn cancel(&mut self, ticket: Ticket, effects: &mut Vec<Effect>) -> bool {
        let waited = self.forget(ticket).is_some();
        self.settle(effects);
        waited
    }

    /// The slot of a named worker. A new one (`true`) is for the caller to start: it counts from now until it is gone.
    ///
    /// # Errors
    /// The name is new, and there is no room for one more worker.
    pub(crate) fn checkout(&mut self, name: &Arc<str>, tenant: &Arc<str>) -> Result<(SlotId, bool), Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        if let Some(&slot) = self.names.get(name) {
            return Ok((slot, false));
        }
        let Capacity { workers, per_tenant, .. } = self.capacity;
        if self.used_by(tenant) >= per_tenant {
            return Err(Refusal::TenantLimit { limit: per_tenant });
        }
        if self.slots.len() >= workers {
            return Err(Refusal::WorkersLimit { limit: workers });
        }
        if !self.has_memory(Purpose::Caller) {
            self.budget.want();
            return Err(self.no_memory());
        }
        let state = SlotState::Named { name: Arc::clone(name), tenant: Arc::clone(tenant) };
        let slot = self.add_slot(Slot { pool: None, version: 0, state });
        self.names.insert(Arc::clone(name), slot);
        self.charge(tenant);
        self.budget.expect(slot);
        Ok((slot, true))
    }

    /// A worker started or was cleaned. Anything else that makes it ready, such as a restart under a lease, does not matter.
    pub(crate) fn slot_ready(&mut self, id: SlotId, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if matches!(slot.state, SlotState::Starting)
            && let Some(pool) = slot.pool.as_ref().and_then(|name| self.pools.get_mut(name))
        {
            slot.state = SlotState::Spare;
            pool.starting -= 1;
            pool.spare.insert(id);
        }
        self.settle(effects);
    }

    /// A worker that is to be ready, or was, is not: it is broken. It keeps its slot and nobody gets it before it is
    /// ready again or gone.
    pub(crate) fn slot_failed(&mut self, id: SlotId, effects: &mut Vec<Effect>) {
        if let Some(slot) = self.slots.get_mut(&id)
            && matches!(slot.state, SlotState::Spare)
            && let Some(pool) = slot.pool.as_ref().and_then(|name| self.pools.get_mut(name))
        {
            slot.state = SlotState::Starting;
            pool.spare.remove(&id);
            pool.starting += 1;
        }
        self.settle(effects);
    }

    /// A lease ended.
    pub(crate) fn returned(&mut self, id: SlotId, effects: &mut Vec<Effect>) {
        let draining = self.draining;
        let surplus = self.is_surplus(id);
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let tenant = match &slot.state {
            SlotState::Leased { tenant } | SlotState::Lost { tenant } => Arc::clone(tenant),
            SlotState::Starting | SlotState::Spare | SlotState::Named { .. } | SlotState::Stopping => return,
        };
        let Some(pool) = slot.pool.as_ref().and_then(|name| self.pools.get_mut(name)) else {
            return;
        };
        if matches!(slot.state, SlotState::Lost { .. }) {
            pool.total -= 1;
            self.slots.remove(&id);
        } else if draining || surplus {
            slot.state = SlotState::Stopping;
            pool.stopping += 1;
            self.stopping += 1;
            // Where everything drains, it was told to stop when that began.
            effects.extend((!draining).then_some(Effect::Stop { slot: id }));
        } else if pool.settings.on_return == OnReturn::Keep {
            slot.state = SlotState::Spare;
            pool.spare.insert(id);
        } else {
            slot.state = SlotState::Starting;
            pool.starting += 1;
            effects.push(Effect::Clean { slot: id, how: pool.settings.on_return });
        }
        pool.ended(&tenant);
        self.credit(&tenant);
        self.settle(effects);
    }

    /// A worker ended for good: its supervisor is gone as well.
    pub(crate) fn slot_gone(&mut self, id: SlotId, effects: &mut Vec<Effect>) {
        let Some(mut slot) = self.slots.remove(&id) else { return };
        self.budget.forget(id);
        let pool = slot.pool.as_ref().and_then(|name| self.pools.get_mut(name));
        match slot.state {
            SlotState::Leased { tenant } | SlotState::Lost { tenant } => {
                slot.state = SlotState::Lost { tenant };
                self.slots.insert(id, slot);
                return;
            }
            SlotState::Named { name, tenant } => {
                self.names.remove(&name);
                self.credit(&tenant);
            }
            SlotState::Starting | SlotState::Spare | SlotState::Stopping => {
                let stopping = matches!(slot.state, SlotState::Stopping);
                self.stopping -= usize::from(stopping);
                if let Some(pool) = pool {
                    pool.total -= 1;
                    pool.stopping -= usize::from(stopping);
                    pool.spare.remove(&id);
                    pool.starting -= usize::from(matches!(slot.state, SlotState::Starting));
                }
            }
        }
        self.settle(effects);
    }

    /// Refuses the callers whose deadline has come.
    pub(crate) fn tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(&(deadline, ticket)) = self.deadlines.first()
            && deadline <= now
        {
            self.refuse_late(ticket, now, effects);
        }
        self.settle(effects);
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Refuses everybody from now on, and ends all workers, leased or not.
    pub(crate) fn drain(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        while let Some((&ticket, _)) = self.waiting.first_key_value() {
            self.refuse(ticket, Refusal::Draining, effects);
        }
        let ids: Vec<SlotId> = self.slots.keys().copied().collect();
        for id in ids {
            self.stop(id, effects);
        }
    }

    /// Whether no worker is left after [`drain`](Self::drain). Callers may still hold leases on workers that are gone.
    pub(crate) fn is_drained(&self) -> bool {
        self.draining && self.slots.values().all(|slot| matches!(slot.state, SlotState::Lost { .. }))
    }
}

#[path = "pool_settle.rs"]
mod settle;

#[path = "pool_memory.rs"]
mod memory;

#[path = "pool_view.rs"]
mod view;

pub(crate) use memory::Idle;
pub use view::PoolStatus;

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
