//! Which evaluations are to end. Written by whoever hears of an interrupt, read by the runtime in the midst of an
//! evaluation. An interrupt names its evaluation, so one that comes late does nothing.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use oast_actors::EvalId;

/// The evaluations that are to end and have not ended.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    any: AtomicBool,
    ids: Mutex<Ids>,
}

#[derive(Debug, Default)]
struct Ids {
    to_end: BTreeSet<EvalId>,
    /// Those whose interrupt has come in order, lately: the same interrupt, sent past the order, may come later still.
    past: VecDeque<EvalId>,
}

/// How many interrupts may be under way past the order while they come in order.
const PAST: usize = 64;

impl Interrupts {
    pub(crate) fn add(&self, id: EvalId) {
        let mut ids = self.lock();
        if !ids.past.contains(&id) {
            ids.to_end.insert(id);
            self.any.store(true, Ordering::Release);
        }
    }

    pub(crate) fn contains(&self, id: EvalId) -> bool {
        self.any.load(Ordering::Acquire) && self.lock().to_end.contains(&id)
    }

    /// The evaluation ended, or never will be known here.
    pub(crate) fn remove(&self, id: EvalId) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut ids = self.lock();
        ids.to_end.remove(&id);
        self.any.store(!ids.to_end.is_empty(), Ordering::Release);
    }

    /// Its interrupt came in order, so that the evaluation has ended: none that comes later means anything.
    pub(crate) fn pass(&self, id: EvalId) {
        let mut ids = self.lock();
        ids.past.push_back(id);
        let surplus = ids.past.len().saturating_sub(PAST);
        ids.past.drain(..surplus);
        drop(ids);
        self.remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_that_overtakes_itself_leaves_nothing() {
        let interrupts = Interrupts::default();
        interrupts.pass(EvalId(1));
        interrupts.add(EvalId(1));
        assert!(!interrupts.contains(EvalId(1)));
        interrupts.add(EvalId(2));
        assert!(interrupts.contains(EvalId(2)));
        (3..1000).for_each(|id| interrupts.pass(EvalId(id)));
        assert!(interrupts.contains(EvalId(2)) && interrupts.lock().past.len() == PAST);
    }
}
