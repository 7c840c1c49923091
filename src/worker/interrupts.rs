//! Which evaluations are to end. Written by whoever hears of an interrupt, read by the runtime in the midst of an
//! evaluation. An interrupt names its evaluation, so one that comes late does nothing.

use std::{
    collections::BTreeSet,
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
    ids: Mutex<BTreeSet<EvalId>>,
}

impl Interrupts {
    pub(crate) fn add(&self, id: EvalId) {
        self.lock().insert(id);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn contains(&self, id: EvalId) -> bool {
        self.any.load(Ordering::Acquire) && self.lock().contains(&id)
    }

    /// The evaluation ended, or never will be known here.
    pub(crate) fn remove(&self, id: EvalId) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut ids = self.lock();
        ids.remove(&id);
        self.any.store(!ids.is_empty(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<EvalId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
