//! The registry for programs that know nothing of actors: a thread of its own, and a handle that works from any thread
//! and any executor.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use actix::Addr;
use tokio::sync::oneshot;

use crate::{
    BlockingSystem, Checkout, CheckoutError, Counters, DefinePool, Drain, Forget, Journal, Lease, List, Reconfigure,
    Registry, ResetWorker, Settings, Snapshot, Subscription, TakeLease, TakeSnapshot, Worker, WorkerSpec, WorkerStatus,
    checkout::Halt,
};

/// How long the last handle waits for the end of the thread, where it may wait.
const END_WITHIN: Duration = Duration::from_secs(2);

/// A registry on a thread of its own. Clones are handles of the same one.
///
/// When the last handle is dropped, everything ends: worker processes are killed, and handles on workers find their
/// supervisors gone. [`shutdown`](Self::shutdown) lets them finish.
#[derive(Clone, Debug)]
pub struct System {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Addr<Registry>,
    journal: Journal,
    counters: Arc<Counters>,
    /// How long what was submitted may take at the end.
    drain: Mutex<Duration>,
    /// Closes when the thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
    /// The same, for whoever must not block.
    ended_later: Mutex<Option<oneshot::Receiver<()>>>,
}

impl System {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let (journal, counters) = (Journal::new(settings.events), Arc::new(Counters::default()));
        let (started, start) = mpsc::channel();
        let (alive, ended) = mpsc::channel::<()>();
        let (alive_too, ended_later) = oneshot::channel::<()>();
        let parts = (journal.clone(), counters.clone());
        std::thread::Builder::new().name("oast-registry".to_owned()).spawn(move || {
            let runner = actix_rt::System::new();
            let (journal, counters) = parts;
            let registry = runner.block_on(async move { Registry::start_here(settings, journal, counters) });
            // Whoever started this waits for it.
            drop(started.send(registry));
            if let Err(error) = runner.run() {
                tracing::error!(%error, "registry thread failed");
            }
            // All actors are dropped with the runner, and with them their worker processes are gone.
            drop((alive, alive_too));
        })?;
        let registry = start.recv().map_err(io::Error::other)?;
        let (ended, ended_later) = (Mutex::new(ended), Mutex::new(Some(ended_later)));
        let drain = Mutex::new(settings.drain);
        Ok(Self { shared: Arc::new(Shared { registry, journal, counters, drain, ended, ended_later }) })
    }

    /// The worker of a name. Everybody who asks gets the same one; the first makes it. Asked on an actix arbiter, a new
    /// worker's supervisor lives there.
    ///
    /// # Errors
    /// The name is that of a different worker, or there is no room for one more.
    pub async fn worker(&self, spec: WorkerSpec) -> Result<Worker, CheckoutError> {
        self.shared.registry.send(Checkout::new(spec)).await?
    }

    /// Adds a pool, or changes one.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn define_pool(&self, pool: DefinePool) -> Result<(), CheckoutError> {
        self.shared.registry.send(pool).await?
    }

    /// Changes the settings at run time; see [`Reconfigure`].
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn reconfigure(&self, settings: Settings) -> Result<(), CheckoutError> {
        *self.shared.drain.lock().unwrap_or_else(PoisonError::into_inner) = settings.drain;
        self.shared.registry.send(Reconfigure(settings)).await?
    }

    /// A worker of a pool for the caller alone. The tenant with the fewest leases of the pool is served first, and
    /// callers of tenants with as many in the order in which they ask; `wait` is how long this one waits, and `None` takes
    /// the setting.
    ///
    /// # Errors
    /// None is free in time, or the caller may not have one.
    pub async fn lease(
        &self,
        pool: &str,
        tenant: Option<&str>,
        wait: Option<Duration>,
    ) -> Result<Lease, CheckoutError> {
        let take = TakeLease { pool: pool.into(), tenant: tenant.map(Into::into), wait };
        self.shared.registry.send(take).await?
    }

    /// Where all workers are in their lives.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn list(&self) -> Result<Vec<Arc<WorkerStatus>>, CheckoutError> {
        Ok(self.shared.registry.send(List).await?)
    }

    /// Everything that is known now.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn snapshot(&self) -> Result<Snapshot, CheckoutError> {
        Ok(self.shared.registry.send(TakeSnapshot).await?)
    }

    /// Stops the worker of a name for good, so that the name is free. Says whether there was one.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn forget(&self, name: &str) -> Result<bool, CheckoutError> {
        Ok(self.shared.registry.send(Forget { name: name.into() }).await?)
    }

    /// Lets a broken worker start again, one of a name or one of a pool. Says whether there is one of that name.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn reset(&self, name: &str) -> Result<bool, CheckoutError> {
        Ok(self.shared.registry.send(ResetWorker { name: name.into() }).await?)
    }

    /// What happens to all workers from now on; see [`Subscription`].
    pub fn events(&self) -> Subscription {
        self.shared.journal.subscribe()
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The registry as other actors know it.
    pub fn addr(&self) -> Addr<Registry> {
        self.shared.registry.clone()
    }

    /// The same for code that blocks.
    pub fn blocking(&self) -> BlockingSystem {
        BlockingSystem::new(self.clone())
    }

    /// Ends everything, for all handles: nobody gets a worker any more, what was submitted may finish within
    /// [`Settings::drain`], and all workers are stopped. Answers when they are gone, and the thread with them.
    pub async fn shutdown(self) {
        let finish = *self.shared.drain.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the registry is gone already, so are the workers.
        let _ = self.shared.registry.send(Drain { finish }).await;
        self.shared.halt();
        let ended = self.shared.ended_later.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // The sender says nothing: it is dropped when the thread ends.
            drop(ended.await);
        }
    }
}

impl Shared {
    fn halt(&self) {
        // Where the registry is gone, its thread has ended.
        drop(self.registry.try_send(Halt));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.halt();
        // A thread that runs an executor must not be blocked: the end may even wait for it.
        if tokio::runtime::Handle::try_current().is_err() {
            let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
            // Either the thread has ended, or it takes too long to wait for it here.
            let _ = ended.recv_timeout(END_WITHIN);
        }
    }
}
