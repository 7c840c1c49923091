//! What follows from every change of the accounts: who is served, which workers are started, which make room. Reads the
//! counts as they are and remembers nothing of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{Account, Ledger, Pool, Slot, SlotState, Waiter};
use crate::{
    budget::Purpose,
    lease::{Effect, PoolSettings, Refusal, SlotId, Ticket},
};

/// A caller that waits.
struct Caller<'a> {
    /// How many leases of the pool its tenant has once those before it are served. The least comes first.
    rank: usize,
    ticket: Ticket,
    tenant: &'a Arc<str>,
    pool: &'a Arc<str>,
}

impl Ledger {
    /// Serves whom it can, ends what there may not be, then starts what is missing.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.grant(effects);
        self.shrink(effects);
        self.refill(effects);
    }

    /// Ends idle workers of pools where there are more than there may be, which is so after a limit was lowered.
    fn shrink(&mut self, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        let pools: Vec<Arc<str>> =
            self.pools.iter().filter(|(_, pool)| pool.excess() > 0).map(|(name, _)| Arc::clone(name)).collect();
        for name in pools {
            let excess = self.pools.get(&name).map_or(0, Pool::excess);
            for id in self.idle(|slot| slot.pool.as_ref() == Some(&name)).into_iter().take(excess) {
                self.stop(id, effects);
            }
        }
        let excess = self.excess();
        if excess > 0 {
            // First those that their pools need not keep.
            let surplus: Vec<SlotId> = self.surplus().take(excess).collect();
            let others = self.idle(|_| true).into_iter().filter(|id| !surplus.contains(id));
            let ids: Vec<SlotId> = surplus.iter().copied().chain(others).take(excess).collect();
            for id in ids {
                self.stop(id, effects);
            }
        }
    }

    /// How many workers there are beyond what there may be, those left out that are about to be gone.
    fn excess(&self) -> usize {
        (self.slots.len() - self.stopping).saturating_sub(self.capacity.workers)
    }

    /// Whether a worker is to end rather than to be handed out again.
    pub(super) fn is_surplus(&self, id: SlotId) -> bool {
        let Some(slot) = self.slots.get(&id) else { return false };
        let pool = slot.pool.as_ref().and_then(|name| self.pools.get(name));
        self.excess() > 0 || pool.is_some_and(|pool| slot.version != pool.version || pool.excess() > 0)
    }

    /// Workers of pools that nobody has, the latest first.
    pub(super) fn idle(&self, which: impl Fn(&Slot) -> bool) -> Vec<SlotId> {
        let idle = |slot: &Slot| matches!(slot.state, SlotState::Starting | SlotState::Spare);
        self.slots.iter().rev().filter(|(_, slot)| idle(slot) && which(slot)).map(|(id, _)| *id).collect()
    }

    /// Workers that are ready beyond what their pools are to have to spare.
    fn surplus(&self) -> impl Iterator<Item = SlotId> {
        self.pools.values().flat_map(|pool| {
            let count = pool.spare.len().saturating_sub(pool.settings.min_spare);
            pool.spare.iter().rev().take(count).copied()
        })
    }

    /// Hands spare workers to waiting callers: to the tenant with the fewest leases of the pool first, so that one with many
    /// callers does not keep out all others. Callers of tenants with as many are served in order of arrival.
    pub(super) fn grant(&mut self, effects: &mut Vec<Effect>) {
        while let Some((ticket, slot)) = self.next_grant() {
            let Some(waiter) = self.forget(ticket) else { return };
            self.lend(slot, &waiter.request.tenant);
            effects.push(Effect::Grant { ticket, slot });
        }
    }

    /// The next caller of the first pool that has one to spare and somebody who may have it.
    fn next_grant(&self) -> Option<(Ticket, SlotId)> {
        // Nearly every event finds either nobody waiting or nothing to spare. Otherwise tenants are looked through, and
        // never a long queue.
        self.pools.values().filter(|pool| pool.waiting > 0).find_map(|pool| {
            // The lowest, so that what is not needed stays idle and its processes can be ended for it.
            let spare = pool.spare.first()?;
            let may_have = |tenant: &Arc<str>| self.used_by(tenant) < self.capacity.per_tenant;
            pool.next_caller(may_have).map(|ticket| (ticket, *spare))
        })
    }

    fn lend(&mut self, id: SlotId, tenant: &Arc<str>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.state = SlotState::Leased { tenant: Arc::clone(tenant) };
        if let Some(pool) = slot.pool.as_ref().and_then(|name| self.pools.get_mut(name)) {
            pool.spare.remove(&id);
            pool.account(tenant).leases += 1;
        }
        self.charge(tenant);
    }

    /// Starts workers until each pool has one for every caller who may have it and its spare ones beyond. Callers come
    /// first: where room is scarce, what one pool keeps to spare must not cost another's caller its worker.
    pub(super) fn refill(&mut self, effects: &mut Vec<Effect>) {
        let full = self.room() == 0;
        if self.draining
            || !self.pools.values().any(Pool::wants)
            || (full && !self.pools.values().any(Pool::has_surplus))
        {
            return;
        }
        // How many workers of each pool are on their way and not yet meant for anybody.
        let mut coming: BTreeMap<Arc<str>, usize> =
            self.pools.iter().map(|(name, pool)| (Arc::clone(name), pool.starting)).collect();
        let mut without_room = 0;
        for name in self.eligible() {
            match coming.get_mut(&name) {
                Some(count) if *count > 0 => *count -= 1,
                _ => without_room += usize::from(!self.start(&name, Purpose::Caller, effects)),
            }
        }
        for (name, coming) in coming {
            let target = self.pools.get(&name).map_or(0, |pool| pool.settings.min_spare);
            let spare = self.pools.get(&name).map_or(0, |pool| pool.spare.len());
            for _ in spare + coming..target {
                self.start(&name, Purpose::Spare, effects);
            }
        }
        self.make_room(without_room, effects);
    }

    /// The pools of the callers who wait and whose tenants may have one more, in the order in which they would be served.
    fn eligible(&self) -> Vec<Arc<str>> {
        let mut callers: Vec<_> = self.pools.iter().flat_map(|(name, pool)| pool.ranked(name)).collect();
        callers.sort_unstable_by_key(|caller| (caller.rank, caller.ticket));
        let mut used: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        let mut pools = Vec::new();
        for Caller { tenant, pool, .. } in callers {
            let used = used.entry(tenant).or_insert_with(|| self.used_by(tenant));
            if *used < self.capacity.per_tenant {
                *used += 1;
                pools.push(Arc::clone(pool));
            }
        }
        pools
    }

    /// Starts one worker. `false` says that only a limit on all workers is in its way: on their number, or their memory.
    fn start(&mut self, name: &Arc<str>, purpose: Purpose, effects: &mut Vec<Effect>) -> bool {
        let has_room = self.room() > 0 && self.has_memory(purpose);
        let Some(pool) = self.pools.get_mut(name) else {
            return true;
        };
        if pool.total >= pool.settings.max {
            return true;
        }
        if !has_room {
            if purpose == Purpose::Caller {
                self.budget.want();
            }
            return false;
        }
        pool.total += 1;
        pool.starting += 1;
        let version = pool.version;
        let slot = self.add_slot(Slot { pool: Some(Arc::clone(name)), version, state: SlotState::Starting });
        self.budget.expect(slot);
        effects.push(Effect::Start { slot, pool: Arc::clone(name) });
        true
    }

    /// Ends so many workers that nobody needs: pools do not shrink by themselves, and one that was busy once would keep
    /// the room that another's callers wait for.
    fn make_room(&mut self, missing: usize, effects: &mut Vec<Effect>) {
        let ids: Vec<SlotId> = self.surplus().take(missing.saturating_sub(self.stopping)).collect();
        for id in ids {
            self.stop(id, effects);
        }
    }

    /// Tells a worker to stop. A leased or named one stays on its account until it is returned or gone.
    pub(super) fn stop(&mut self, id: SlotId, effects: &mut Vec<Effect>) {
        if self.retire(id) {
            self.budget.leave(id);
            effects.push(Effect::Stop { slot: id });
        }
    }

    /// Notes that a worker is told to stop. `false` says that there is nobody to tell.
    pub(super) fn retire(&mut self, id: SlotId) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        match slot.state {
            SlotState::Lost { .. } | SlotState::Stopping => return false,
            SlotState::Leased { .. } | SlotState::Named { .. } => {}
            SlotState::Starting | SlotState::Spare => {
                let was_starting = matches!(slot.state, SlotState::Starting);
                slot.state = SlotState::Stopping;
                self.stopping += 1;
                if let Some(pool) = slot.pool.as_ref().and_then(|name| self.pools.get_mut(name)) {
                    pool.starting -= usize::from(was_starting);
                    pool.stopping += 1;
                    pool.spare.remove(&id);
                }
            }
        }
        true
    }

    /// Refuses a caller that waited long enough, and names the budget where that was in its way.
    pub(super) fn refuse_late(&mut self, ticket: Ticket, now: Instant, effects: &mut Vec<Effect>) {
        let Some(Waiter { since, request }) = self.waiting.get(&ticket) else { return };
        let waited = now.saturating_duration_since(*since);
        let may_grow = self.pools.get(&request.pool).is_some_and(|pool| pool.total < pool.settings.max);
        let lacks_memory = may_grow && self.room() > 0 && !self.has_memory(Purpose::Caller);
        let reason = if lacks_memory { self.no_memory() } else { Refusal::Deadline { waited } };
        self.refuse(ticket, reason, effects);
    }

    /// Who is refused when too many wait: the last caller of the tenant that has the most waiting, so that one tenant cannot
    /// have the whole queue. It is `newcomer`, unless its own has fewer.
    pub(super) fn last_of_the_most(&self, newcomer: Ticket) -> Ticket {
        let mut waiting: BTreeMap<&Arc<str>, (usize, Ticket)> = BTreeMap::new();
        for (ticket, waiter) in &self.waiting {
            let (count, last) = waiting.entry(&waiter.request.tenant).or_insert((0, *ticket));
            (*count, *last) = (*count + 1, *ticket);
        }
        waiting.into_values().max().map_or(newcomer, |(_, last)| last)
    }

    pub(super) fn refuse(&mut self, ticket: Ticket, reason: Refusal, effects: &mut Vec<Effect>) {
        if self.forget(ticket).is_some() {
            effects.push(Effect::Refuse { ticket, reason });
        }
    }

    /// Takes a caller off the queue. Every answer goes through here, so there is one to each ticket.
    pub(super) fn forget(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiting.remove(&ticket)?;
        self.deadlines.remove(&(waiter.request.deadline, ticket));
        if let Some(pool) = self.pools.get_mut(&waiter.request.pool) {
            pool.dequeue(&waiter.request.tenant, ticket);
        }
        Some(waiter)
    }

    pub(super) fn add_slot(&mut self, slot: Slot) -> SlotId {
        self.last_slot += 1;
        let id = SlotId(self.last_slot);
        self.slots.insert(id, slot);
        id
    }

    pub(super) fn used_by(&self, tenant: &Arc<str>) -> usize {
        self.tenants.get(tenant).copied().unwrap_or(0)
    }

    pub(super) fn charge(&mut self, tenant: &Arc<str>) {
        *self.tenants.entry(Arc::clone(tenant)).or_default() += 1;
    }

    /// Takes one off a tenant's account; an empty account is closed, so that tenants who come and go leave nothing.
    pub(super) fn credit(&mut self, tenant: &Arc<str>) {
        if let Some(used) = self.tenants.get_mut(tenant) {
            *used -= 1;
            if *used == 0 {
                self.tenants.remove(tenant);
            }
        }
    }

    fn room(&self) -> usize {
        self.capacity.workers.saturating_sub(self.slots.len())
    }
}

impl Pool {
    pub(super) fn new(settings: PoolSettings) -> Self {
        Self {
            settings,
            version: 1,
            total: 0,
            stopping: 0,
            starting: 0,
            spare: BTreeSet::new(),
            waiting: 0,
            tenants: BTreeMap::new(),
        }
    }

    fn account(&mut self, tenant: &Arc<str>) -> &mut Account {
        self.tenants.entry(Arc::clone(tenant)).or_default()
    }

    pub(super) fn enqueue(&mut self, tenant: &Arc<str>, ticket: Ticket) {
        self.waiting += 1;
        self.account(tenant).waiting.insert(ticket);
    }

    fn dequeue(&mut self, tenant: &Arc<str>, ticket: Ticket) {
        self.waiting -= 1;
        self.account(tenant).waiting.remove(&ticket);
        self.close_if_empty(tenant);
    }

    /// A lease ended.
    pub(super) fn ended(&mut self, tenant: &Arc<str>) {
        self.account(tenant).leases -= 1;
        self.close_if_empty(tenant);
    }

    /// Tenants who come and go leave nothing.
    fn close_if_empty(&mut self, tenant: &Arc<str>) {
        if self.tenants.get(tenant).is_some_and(|account| account.leases == 0 && account.waiting.is_empty()) {
            self.tenants.remove(tenant);
        }
    }

    /// Who is served next, of those that may have one more.
    fn next_caller(&self, may_have: impl Fn(&Arc<str>) -> bool) -> Option<Ticket> {
        let candidates = self.tenants.iter().filter_map(|(tenant, account)| {
            let first = *account.waiting.first()?;
            let allowed = account.leases < self.settings.per_tenant && may_have(tenant);
            allowed.then_some((account.leases, first))
        });
        candidates.min().map(|(_, ticket)| ticket)
    }

    /// Those who wait and whom their share of this pool lets have one.
    fn ranked<'a>(&'a self, name: &'a Arc<str>) -> impl Iterator<Item = Caller<'a>> {
        self.tenants.iter().flat_map(move |(tenant, account)| {
            let share = self.settings.per_tenant.saturating_sub(account.leases);
            let waiting = account.waiting.iter().take(share).enumerate();
            waiting.map(move |(ahead, &ticket)| Caller { rank: account.leases + ahead, ticket, tenant, pool: name })
        })
    }

    /// Whether it may lack workers.
    fn wants(&self) -> bool {
        let unmet = self.waiting > 0 || self.spare.len() + self.starting < self.settings.min_spare;
        unmet && self.total < self.settings.max
    }

    /// How many workers it has beyond what it may, those left out that are about to be gone.
    fn excess(&self) -> usize {
        (self.total - self.stopping).saturating_sub(self.settings.max)
    }

    fn has_surplus(&self) -> bool {
        self.spare.len() > self.settings.min_spare
    }
}
