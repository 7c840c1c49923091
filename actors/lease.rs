//! The words between the registry and its accounts: what callers ask for, and what is to be done. The accounts themselves
//! are in [`pool`](crate::pool).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oast_config::{ByteSize, OnReturn};

/// The place of one supervised worker. Ids are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId(pub(crate) u64);

/// A caller that wants a lease. Tickets go up in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// How much there may be of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Workers in total.
    pub workers: usize,
    /// Leases and named workers of one tenant.
    pub per_tenant: usize,
    /// Callers that wait for a lease.
    pub waiting: usize,
    /// Memory of all worker processes together; `None` is unlimited.
    pub memory: Option<ByteSize>,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { workers: 256, per_tenant: 256, waiting: 1024, memory: None }
    }
}

/// How many workers a pool has, and what becomes of a returned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolSettings {
    /// How many are kept beyond those that are leased or waited for.
    pub(crate) min_spare: usize,
    /// How many there may be, leased ones included.
    pub(crate) max: usize,
    /// How many leases of it one tenant may have at a time.
    pub(crate) per_tenant: usize,
    /// What happens to a returned one before the next lease.
    pub(crate) on_return: OnReturn,
}

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRequest {
    /// From which pool.
    pub(crate) pool: Arc<str>,
    /// On whose account.
    pub(crate) tenant: Arc<str>,
    /// Until when the caller waits.
    pub(crate) deadline: Instant,
}

/// What the registry does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Starts a worker of a pool. [`Ledger::slot_ready`](crate::pool::Ledger::slot_ready) follows, or [`Ledger::slot_gone`](crate::pool::Ledger::slot_gone).
    Start {
        /// Its place.
        slot: SlotId,
        /// Its pool.
        pool: Arc<str>,
    },
    /// Hands out a worker. [`Ledger::returned`](crate::pool::Ledger::returned) follows.
    Grant {
        /// To whom.
        ticket: Ticket,
        /// Which.
        slot: SlotId,
    },
    /// Tells a caller that there is no worker.
    Refuse {
        /// Which caller.
        ticket: Ticket,
        /// Why.
        reason: Refusal,
    },
    /// Cleans a returned worker. [`Ledger::slot_ready`](crate::pool::Ledger::slot_ready) follows, or [`Ledger::slot_gone`](crate::pool::Ledger::slot_gone).
    Clean {
        /// Which.
        slot: SlotId,
        /// How. Never [`OnReturn::Keep`].
        how: OnReturn,
    },
    /// Ends a worker. [`Ledger::slot_gone`](crate::pool::Ledger::slot_gone) follows.
    Stop {
        /// Which.
        slot: SlotId,
    },
    /// Ends a worker's process for its memory, unless it has something to do. One of a pool ends for good; one of a name has
    /// another process with its next evaluation.
    Evict {
        /// Which.
        slot: SlotId,
    },
}

/// Why a caller gets no worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// None was free in time.
    Deadline {
        /// How long the caller waited.
        waited: Duration,
    },
    /// So many callers wait already.
    Busy {
        /// How many may.
        limit: usize,
    },
    /// There are so many workers already.
    WorkersLimit {
        /// How many there may be.
        limit: usize,
    },
    /// The tenant has so many already.
    TenantLimit {
        /// How many it may have.
        limit: usize,
    },
    /// One more would use more memory than all may.
    Memory {
        /// How much all may use.
        budget: ByteSize,
        /// What they use.
        used: ByteSize,
    },
    /// The registry is shutting down.
    Draining,
    /// There is no pool of that name.
    UnknownPool,
}
