//! Exclusive use of a pooled worker. What the registry does with one that is returned is in [`pool`](crate::pool).

use std::{fmt, ops::Deref};

use actix::WeakAddr;

use crate::{Asked, Registry, Stop, Worker, checkout::ReturnLease, lease::SlotId};

/// Exclusive use of a pooled worker, until it is dropped. It derefs to its [`Worker`].
///
/// A worker that was used is not handed to the next caller before it is clean, as its profile's
/// [`OnReturn`](oast_config::OnReturn) says. Handles that were cloned from the lease end with it: what they submit is
/// refused with [`NotStarted::LeaseEnded`](crate::NotStarted::LeaseEnded).
pub struct Lease {
    worker: Worker,
    slot: SlotId,
    registry: WeakAddr<Registry>,
}

impl Lease {
    pub(crate) const fn new(worker: Worker, slot: SlotId, registry: WeakAddr<Registry>) -> Self {
        Self { worker, slot, registry }
    }
}

impl Deref for Lease {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.worker
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Self { slot, .. } = *self;
        let returned = self.registry.upgrade().is_some_and(|registry| registry.try_send(ReturnLease { slot }).is_ok());
        if !returned {
            // The registry is gone, and nobody else will end what it left. A supervisor that is gone ended it already.
            drop(self.worker.order(Stop { why: Asked::Kill, finish: None }));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("worker", &self.worker.name()).finish_non_exhaustive()
    }
}
