//! How workers are asked for: the registry's messages, its settings, and why it may say no. The actor that takes them
//! is in [`registry`](crate::registry).

use std::{sync::Arc, time::Duration};

use actix::Message;
use actix_rt::{Arbiter, ArbiterHandle};
use oast_config::ByteSize;
use thiserror::Error;

use crate::{
    Capacity, Counts, Lease, PoolStatus, Worker, WorkerSpec, WorkerStatus,
    lease::{Refusal, SlotId},
};

/// What a registry is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How much there may be of everything.
    pub capacity: Capacity,
    /// How many events are kept for subscribers that are slow.
    pub events: usize,
    /// How long a caller waits for a lease, unless it says otherwise.
    pub wait: Duration,
    /// How long what was submitted may take when the registry shuts down.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let (wait, drain) = (Duration::from_secs(30), Duration::from_secs(10));
        Self { capacity: Capacity::default(), events: 1024, wait, drain }
    }
}

/// On which thread a worker's supervisor lives. The fewer threads an evaluation crosses, the faster it is.
#[derive(Clone, Debug)]
pub enum Placement {
    /// On this arbiter; when it ends, the worker's process ends, and its supervisor moves to the registry's.
    Here(ArbiterHandle),
    /// On the registry's own.
    Home,
}

impl Placement {
    /// On the arbiter of the thread that asks, if it is one.
    pub fn current() -> Self {
        Arbiter::try_current().filter(ArbiterHandle::alive).map_or(Self::Home, Self::Here)
    }
}

/// Asks for the worker of a name. Everybody who asks gets the same one; the first makes it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Worker, CheckoutError>")]
pub struct Checkout {
    /// What it is made of.
    pub spec: WorkerSpec,
    /// Where its supervisor lives, if it is new.
    pub placement: Placement,
}

impl Checkout {
    /// With the supervisor on this thread, if it is an arbiter's.
    pub fn new(spec: WorkerSpec) -> Self {
        Self { spec, placement: Placement::current() }
    }
}

/// Adds a pool, or changes one. With another template its workers are replaced without anybody noticing: those that nobody
/// has end at once, and leased ones when their leases end.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), CheckoutError>")]
pub struct DefinePool {
    /// Its name.
    pub name: Arc<str>,
    /// What its workers are made of; they have names of their own. The profile says what becomes of a returned one.
    pub template: WorkerSpec,
    /// How many are ready beyond those that are leased or waited for.
    pub min_spare: usize,
    /// How many there may be.
    pub max: usize,
    /// How many leases of it one tenant may have at a time.
    pub per_tenant: usize,
}

/// Asks for a worker of a pool for oneself.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Lease, CheckoutError>")]
pub struct TakeLease {
    /// Which pool.
    pub pool: Arc<str>,
    /// On whose account.
    pub tenant: Option<Arc<str>>,
    /// How long to wait for it; `None` takes the registry's setting. Whoever stops waiting before leaves the queue.
    pub wait: Option<Duration>,
}

/// Asks where all workers are in their lives. Those whose thread does not answer within a second are left out.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Arc<WorkerStatus>>")]
pub struct List;

/// Asks for everything that is known now.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Snapshot")]
pub struct TakeSnapshot;

/// Everything that is known at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What was counted.
    pub counts: Counts,
    /// Where all workers are in their lives, as [`List`] tells it.
    pub workers: Vec<Arc<WorkerStatus>>,
    /// The pools.
    pub pools: Vec<PoolStatus>,
}

/// Refuses everybody from now on, and stops all workers for good. Answers when they are stopped, with how many are not:
/// those whose threads do not answer long after their processes should have ended.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "usize")]
pub struct Drain {
    /// How long what was submitted may take.
    pub finish: Duration,
}

/// Stops the worker of a name for good, so that the name is free. Answers when it is, with whether there was one.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct Forget {
    /// Its name.
    pub name: Arc<str>,
}

/// Lets a broken worker start again: one of a name, or one of a pool. Answers whether there is one of that name.
#[derive(Clone, Debug, Message)]
#[rtype(result = "bool")]
pub struct ResetWorker {
    /// Its name.
    pub name: Arc<str>,
}

/// Changes the settings at run time, all but the number of events. Where there are more workers than there may be then,
/// idle ones of pools end, and leased ones when their leases do; named ones stay.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), CheckoutError>")]
pub struct Reconfigure(pub Settings);

/// The machine is short of memory, or is not any more. While it is, each of these messages ends some of the idle processes,
/// and none is started to be ready.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Pressure(pub bool);

/// A lease is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ReturnLease {
    pub(crate) slot: SlotId,
}

/// Kills everything and ends the registry's own actix system.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Halt;

/// Why a caller gets no worker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckoutError {
    /// There is a worker of that name with another profile.
    #[error("there is a worker `{name}` with another profile")]
    Differs {
        /// The name.
        name: Arc<str>,
    },
    /// A pool's worker has that name.
    #[error("the name `{name}` belongs to a worker of a pool")]
    Taken {
        /// The name.
        name: Arc<str>,
    },
    /// There is no pool of that name.
    #[error("there is no pool `{pool}`")]
    UnknownPool {
        /// The name.
        pool: Arc<str>,
    },
    /// No worker was free in time.
    #[error("no worker of pool `{pool}` was free within {waited:?}")]
    Deadline {
        /// The pool.
        pool: Arc<str>,
        /// How long the caller waited.
        waited: Duration,
    },
    /// No worker was free in time, and at least one failed too often to be handed out.
    #[error("no worker of pool `{pool}` was free within {waited:?}, and {} failed too often", workers.join(", "))]
    Broken {
        /// The pool.
        pool: Arc<str>,
        /// How long the caller waited.
        waited: Duration,
        /// The names of the workers that failed.
        workers: Vec<String>,
    },
    /// As many callers wait as may.
    #[error("{limit} callers wait for a worker already")]
    Busy {
        /// How many may wait.
        limit: usize,
    },
    /// There are as many workers as there may be.
    #[error("there are {limit} workers already")]
    WorkersLimit {
        /// How many there may be.
        limit: usize,
    },
    /// The tenant has as many workers as it may.
    #[error("the tenant has {limit} workers already")]
    TenantLimit {
        /// How many it may have.
        limit: usize,
    },
    /// One more worker would use more memory than all may.
    #[error("the workers use {used:#} of the {budget:#} of memory that they may use in all")]
    MemoryBudget {
        /// How much all may use.
        budget: ByteSize,
        /// What they use, as last measured.
        used: ByteSize,
    },
    /// The registry is shutting down.
    #[error("the registry is shutting down")]
    ShuttingDown,
    /// The registry failed at this request and goes on. The fault is in Oast.
    #[error("the registry failed at this request")]
    Failed,
    /// The registry is gone.
    #[error("the registry is gone")]
    Gone,
}

impl CheckoutError {
    pub(crate) fn new(pool: &Arc<str>, refusal: Refusal) -> Self {
        let pool = pool.clone();
        match refusal {
            Refusal::Deadline { waited } => Self::Deadline { pool, waited },
            Refusal::Busy { limit } => Self::Busy { limit },
            Refusal::WorkersLimit { limit } => Self::WorkersLimit { limit },
            Refusal::TenantLimit { limit } => Self::TenantLimit { limit },
            Refusal::Memory { budget, used } => Self::MemoryBudget { budget, used },
            Refusal::Draining => Self::ShuttingDown,
            Refusal::UnknownPool => Self::UnknownPool { pool },
        }
    }
}

/// A mailbox closes when its actor is gone.
impl From<actix::MailboxError> for CheckoutError {
    fn from(_: actix::MailboxError) -> Self {
        Self::Gone
    }
}
