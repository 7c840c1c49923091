//! How the registry hears of its supervisors: everything that changes its accounts, in order, and nothing lost. The
//! [`Journal`](crate::Journal) cannot serve for that, because it leaves out what its readers are too slow for.

use std::sync::atomic::{AtomicU64, Ordering};

use actix::WeakRecipient;
use oast_config::ByteSize;

use crate::{Transition, lease::SlotId};

/// A change of memory by so many bytes is news, however much was used before.
const NEWS: u64 = 4 << 20;

/// The registry's eye on one supervisor. When it is dropped, the supervisor is gone, or never came to be.
#[derive(Debug)]
pub(crate) struct Observer {
    /// Weak, because the registry holds its supervisors, and would otherwise never end.
    registry: WeakRecipient<Observed>,
    slot: SlotId,
    /// Which of the slot's supervisors.
    incarnation: u64,
    /// What was told of its memory last, in bytes.
    told: AtomicU64,
}

/// What a supervisor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, actix::Message)]
#[rtype(result = "()")]
pub(crate) struct Observed {
    pub(crate) slot: SlotId,
    pub(crate) incarnation: u64,
    pub(crate) sight: Sight,
}

/// What can be seen of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It starts a process.
    Starting,
    /// Its worker is as new, after this many leases.
    Clean { leases: u64 },
    /// Its process uses so much memory; nothing when it has none.
    Uses(ByteSize),
    /// It failed too often.
    Broken,
    /// It is stopped for good.
    Stopped,
    /// It is gone.
    Lost,
}

impl Observer {
    pub(crate) const fn new(registry: WeakRecipient<Observed>, slot: SlotId, incarnation: u64) -> Self {
        Self { registry, slot, incarnation, told: AtomicU64::new(0) }
    }

    /// `leases` is how many ended before.
    pub(crate) fn saw(&self, transition: &Transition, leases: u64) {
        match transition {
            Transition::Starting => {
                self.told.store(0, Ordering::Relaxed);
                self.tell(Sight::Starting);
            }
            Transition::Exited(_) => self.uses(ByteSize(0)),
            // Without a process, a worker is as clean as it can be, and its next evaluation starts one.
            Transition::Ready | Transition::Cleaned | Transition::Dormant => self.tell(Sight::Clean { leases }),
            Transition::Broken => self.tell(Sight::Broken),
            Transition::Stopped => self.tell(Sight::Stopped),
            Transition::MemoryWarning { .. }
            | Transition::LimitHit(_)
            | Transition::Stopping(_)
            | Transition::Restarting { .. } => {}
        }
    }

    /// Its process was measured. The registry hears of it when that is news: each message costs it as much as a lease.
    pub(crate) fn measured(&self, memory: ByteSize) {
        let told = self.told.load(Ordering::Relaxed);
        let change = memory.get().abs_diff(told);
        if change > NEWS || change > told / 8 {
            self.uses(memory);
        }
    }

    /// Its process uses so much, whether or not that is news.
    pub(crate) fn uses(&self, memory: ByteSize) {
        self.told.store(memory.get(), Ordering::Relaxed);
        self.tell(Sight::Uses(memory));
    }

    fn tell(&self, sight: Sight) {
        let Self { slot, incarnation, .. } = *self;
        if let Some(registry) = self.registry.upgrade() {
            // The registry's mailbox takes everything. When it is closed, nobody wants to know.
            drop(registry.try_send(Observed { slot, incarnation, sight }));
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.tell(Sight::Lost);
    }
}
