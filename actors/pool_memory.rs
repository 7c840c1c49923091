//! What the accounts decide about memory: whether one more process may start, and who goes when all of them use too much.

use super::{Ledger, SlotState};
use crate::{
    budget::Purpose,
    lease::{Effect, Refusal, SlotId},
};
use oast_config::ByteSize;

/// A worker whose process has nothing to do, as far as the registry can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) slot: SlotId,
    /// Goes up with each evaluation of any worker.
    pub(crate) last_used: u64,
    /// Whether its callers would lose state.
    pub(crate) keeps_state: bool,
}

/// The last group to go: its callers would lose something.
const WITH_STATE: u8 = 2;

impl Ledger {
    /// A process of a worker starts.
    pub(crate) fn process_starts(&mut self, slot: SlotId) {
        if self.slots.contains_key(&slot) {
            self.budget.expect(slot);
        }
    }

    /// A worker uses so much memory; nothing when it has no process.
    pub(crate) fn uses(&mut self, slot: SlotId, memory: ByteSize, effects: &mut Vec<Effect>) {
        // One of a name may have had something to do when it was told to go, and says so.
        let staying = self.is_named(slot);
        self.budget.measure(slot, memory.get(), staying);
        if self.budget.is_limited() {
            self.budget.learn(self.expected());
            self.settle(effects);
        }
    }

    /// The machine is short of memory, or is not any more.
    pub(crate) fn set_pressure(&mut self, is_high: bool, effects: &mut Vec<Effect>) {
        self.budget.set_pressed(is_high);
        self.settle(effects);
    }

    /// Whether [`relieve`](Self::relieve) has something to do.
    pub(crate) fn is_over_budget(&self) -> bool {
        !self.draining && self.budget.is_heeded() && self.budget.target().is_some()
    }

    /// Ends the processes of idle workers until little enough is used: of pools first, then those without state, and in each
    /// group the one that was not used for longest. Leased workers stay, and whoever is not in `idle`.
    pub(crate) fn relieve(&mut self, idle: &[Idle], effects: &mut Vec<Effect>) {
        let Some(target) = self.budget.target().filter(|_| !self.draining) else { return };
        let is_spared = self.budget.is_spared();
        self.budget.answer();
        let mut staying = self.budget.staying();
        let mut candidates: Vec<(u8, u64, SlotId)> = idle.iter().filter_map(|idle| self.rank(idle)).collect();
        candidates.retain(|(group, ..)| !is_spared || *group < WITH_STATE);
        candidates.sort_unstable();
        for (.., slot) in candidates {
            if staying <= target {
                return;
            }
            staying = staying.saturating_sub(self.budget.gain(slot).unwrap_or(0));
            self.evict(slot, effects);
        }
    }

    /// In which order a worker goes; `None` when it stays.
    fn rank(&self, idle: &Idle) -> Option<(u8, u64, SlotId)> {
        let Idle { slot, last_used, keeps_state } = *idle;
        self.budget.gain(slot)?;
        let group = match &self.slots.get(&slot)?.state {
            SlotState::Spare => 0,
            SlotState::Named { .. } if keeps_state => WITH_STATE,
            SlotState::Named { .. } => 1,
            SlotState::Starting | SlotState::Leased { .. } | SlotState::Lost { .. } | SlotState::Stopping => {
                return None;
            }
        };
        Some((group, last_used, slot))
    }

    fn evict(&mut self, id: SlotId, effects: &mut Vec<Effect>) {
        self.retire(id);
        self.budget.leave(id);
        effects.push(Effect::Evict { slot: id });
    }

    /// Whether one more process may start.
    pub(super) fn has_memory(&self, purpose: Purpose) -> bool {
        // Nearly everybody has no budget, and needs no median.
        !self.budget.is_heeded() || self.budget.has_room(purpose, self.expected())
    }

    /// What a process that starts is reckoned with.
    fn expected(&self) -> u64 {
        let spare = self.slots.iter().filter(|(_, slot)| matches!(slot.state, SlotState::Spare));
        self.budget.expected(spare.map(|(id, _)| *id))
    }

    /// The refusal that names the budget.
    pub(super) fn no_memory(&self) -> Refusal {
        Refusal::Memory { budget: self.budget.limit(), used: ByteSize(self.budget.used(self.expected())) }
    }

    /// Whether a worker has a name of its own.
    pub(crate) fn is_named(&self, id: SlotId) -> bool {
        self.slots.get(&id).is_some_and(|slot| matches!(slot.state, SlotState::Named { .. }))
    }
}
