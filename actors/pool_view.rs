//! What the accounts say, for whoever only reads them.

use std::sync::Arc;

use super::{Ledger, SlotState};
use crate::lease::SlotId;

/// A pool in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Workers that are ready for the next lease.
    pub spare: usize,
    /// Workers that start, are cleaned, or are broken.
    pub starting: usize,
    /// Workers that are leased.
    pub leased: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// How many workers it may have.
    pub max: usize,
}

impl Ledger {
    pub(crate) fn pools(&self) -> Vec<PoolStatus> {
        let leased = |name: &Arc<str>| {
            let theirs = self.slots.values().filter(|slot| slot.pool.as_ref() == Some(name));
            theirs.filter(|slot| matches!(slot.state, SlotState::Leased { .. } | SlotState::Lost { .. })).count()
        };
        let status = |(name, pool): (&Arc<str>, &super::Pool)| PoolStatus {
            name: name.clone(),
            spare: pool.spare.len(),
            starting: pool.starting,
            leased: leased(name),
            waiting: pool.waiting,
            max: pool.settings.max,
        };
        self.pools.iter().map(status).collect()
    }

    /// The slot of a named worker.
    pub(crate) fn find(&self, name: &str) -> Option<SlotId> {
        self.names.get(name).copied()
    }

    /// Whether a slot is a pool's and nobody has it.
    pub(crate) fn is_pooled(&self, id: SlotId) -> bool {
        self.slots.get(&id).is_some_and(|slot| matches!(slot.state, SlotState::Starting | SlotState::Spare))
    }

    /// Whether a slot belongs to a pool.
    pub(crate) fn is_pool_slot(&self, id: SlotId, pool: &Arc<str>) -> bool {
        self.slots.get(&id).is_some_and(|slot| slot.pool.as_ref() == Some(pool))
    }

    /// Whether its worker is to become ready.
    pub(crate) fn is_starting(&self, id: SlotId) -> bool {
        self.slots.get(&id).is_some_and(|slot| matches!(slot.state, SlotState::Starting))
    }

    pub(crate) const fn is_draining(&self) -> bool {
        self.draining
    }
}
