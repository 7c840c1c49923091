//! Which evaluations are to end. Written by the host, read by the runtime in the midst of an evaluation. An interrupt names
//! its evaluation, and no other ever has that name: one that comes late does nothing, and need not be taken back.

use std::sync::atomic::{AtomicU64, Ordering};

use oast_actors::EvalId;

use super::page::Page;
use crate::wire::page;

/// The evaluations that are to end.
pub(crate) enum Interrupts {
    /// The host is another process.
    Shared(&'static Page),
    /// The host is this process.
    Own(Box<[AtomicU64; page::SLOTS]>),
}

impl Interrupts {
    /// For a host that is this process.
    pub(crate) fn own() -> Self {
        Self::Own(Box::new([const { AtomicU64::new(0) }; page::SLOTS]))
    }

    /// The host, where it is this process, wants an evaluation to end.
    pub(crate) fn add(&self, id: EvalId) {
        match self {
            Self::Own(slots) => slots[page::slot(id)].store(id.0, Ordering::Relaxed),
            Self::Shared(_) => {}
        }
    }

    /// Whether an evaluation is to end.
    pub(crate) fn contains(&self, id: EvalId) -> bool {
        match self {
            Self::Own(slots) => slots[page::slot(id)].load(Ordering::Relaxed) == id.0,
            Self::Shared(page) => page.is_interrupted(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_names_one_evaluation() {
        let interrupts = Interrupts::own();
        interrupts.add(EvalId(1));
        let same_slot = EvalId(1 + page::SLOTS as u64);
        assert!(interrupts.contains(EvalId(1)) && !interrupts.contains(EvalId(2)) && !interrupts.contains(same_slot));
        interrupts.add(same_slot);
        assert!(interrupts.contains(same_slot));
    }
}
