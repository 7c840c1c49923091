//! The face of a running Oast: it hands out workers, and everything ends with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use oast_actors::{
    BlockingWorker, Capacity, CheckoutError, Counters, DefinePool, Lease, Settings, Snapshot, Subscription, System,
    Worker, WorkerStatus, blocking::wait,
};
use oast_config::Config;
use thiserror::Error;

use crate::{Spec, pressure, worker};

/// A running Oast. Clones are the same one. When the last one is dropped, all its worker processes are ended.
///
/// It may be used from any thread, inside of any async runtime or of none; see [`blocking`](Self::blocking) for the face
/// without `await`.
#[derive(Clone, Debug)]
pub struct Oast {
    system: System,
    config: Arc<RwLock<Configured>>,
}

/// The configuration in force, and what follows it.
#[derive(Debug)]
struct Configured {
    config: Arc<Config>,
    /// The pools that are as large as the configuration says.
    pools: BTreeMap<Arc<str>, Spec>,
    pressure: Option<pressure::Watch>,
}

/// Why Oast does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// This program has not called [`init`](crate::init), so that its worker processes would run its `main`.
    #[error("`oast::init()` was not called: call it first in `main`, before any thread is started")]
    NotInitialized,
    /// The operating system gives no thread for the registry.
    #[error("the registry's thread did not start")]
    Thread(#[from] std::io::Error),
}

impl Oast {
    /// Starts the registry, on a thread of its own.
    ///
    /// # Errors
    /// [`init`](crate::init) was not called, or the thread cannot be started.
    pub fn start(config: Config) -> Result<Self, StartError> {
        if !worker::is_initialized() {
            return Err(StartError::NotInitialized);
        }
        let system = System::start(settings(&config))?;
        let pressure = pressure::Watch::start(&config.registry, &system)?;
        let configured = Configured { config: Arc::new(config), pools: BTreeMap::new(), pressure };
        Ok(Self { system, config: Arc::new(RwLock::new(configured)) })
    }

    /// The worker of the spec's name: the same for everybody who asks for it. The first makes it; its process starts with
    /// its first evaluation.
    ///
    /// # Errors
    /// There is a worker of that name with another profile, or there are as many workers as there may be.
    pub async fn worker(&self, spec: Spec) -> Result<Worker, CheckoutError> {
        self.system.worker(self.configured(spec).into_worker_spec()).await
    }

    /// Takes over another configuration while everything runs: capacity, memory, waiting, what a shutdown waits for, and the pools
    /// that were defined with [`pool`](Self::pool). Where fewer workers may be than there are, idle ones end, and leased ones
    /// when their leases do. Profiles are those of each [`Spec`], and how many events are kept is not changed.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn reload(&self, config: &Config) -> Result<(), CheckoutError> {
        let pools = self.configure(|configured| {
            configured.config = Arc::new(config.clone());
            // Without the thread, the budget holds all the same.
            configured.pressure = pressure::Watch::start(&config.registry, &self.system).unwrap_or_default();
            configured.pools.clone()
        });
        self.system.reconfigure(settings(config)).await?;
        for spec in pools.into_values() {
            self.define(spec, config.registry.pool_min, config.registry.pool_max).await?;
        }
        Ok(())
    }

    /// Defines a pool of workers like `spec`, under the spec's name, with as many as the configuration says.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn pool(&self, spec: Spec) -> Result<(), CheckoutError> {
        let config = self.config();
        self.configure(|configured| configured.pools.insert(spec.name().clone(), spec.clone()));
        self.define(spec, config.registry.pool_min, config.registry.pool_max).await
    }

    /// Defines a pool that keeps `min` workers ready beyond those in use, and has at most `max`.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn pool_of(&self, spec: Spec, min: usize, max: usize) -> Result<(), CheckoutError> {
        self.configure(|configured| configured.pools.remove(spec.name()));
        self.define(spec, min, max).await
    }

    async fn define(&self, spec: Spec, min: usize, max: usize) -> Result<(), CheckoutError> {
        let template = self.configured(spec).template_of(&self.config().registry).into_worker_spec();
        let per_tenant = self.config().registry.pool_per_tenant.unwrap_or(max);
        let pool = DefinePool { name: template.name.clone(), template, min_spare: min, max, per_tenant };
        self.system.define_pool(pool).await
    }

    /// A worker of a pool for oneself, until it is dropped. Waits for one as long as the configuration says.
    ///
    /// # Errors
    /// There is no such pool, or no worker was free in time.
    pub async fn lease(&self, pool: &str) -> Result<Lease, CheckoutError> {
        self.lease_for(pool, None, None).await
    }

    /// A worker of a pool on a tenant's account, waiting for at most `wait`.
    ///
    /// # Errors
    /// There is no such pool, or no worker was free in time.
    pub async fn lease_for(
        &self,
        pool: &str,
        tenant: Option<&str>,
        wait: Option<Duration>,
    ) -> Result<Lease, CheckoutError> {
        self.system.lease(pool, tenant, wait).await
    }

    /// Where all workers are in their lives.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn list(&self) -> Result<Vec<Arc<WorkerStatus>>, CheckoutError> {
        self.system.list().await
    }

    /// Everything that is known now.
    ///
    /// # Errors
    /// The registry is gone.
    pub async fn snapshot(&self) -> Result<Snapshot, CheckoutError> {
        self.system.snapshot().await
    }

    /// Follows what happens to all workers.
    pub fn events(&self) -> Subscription {
        self.system.events()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        self.system.counters()
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// The registry and its workers, as actors know them.
    pub const fn system(&self) -> &System {
        &self.system
    }

    /// Refuses everybody from now on, lets what was submitted end, as long as the configuration says, and stops all
    /// workers.
    pub async fn shutdown(self) {
        self.system.shutdown().await;
    }

    /// The same for code that blocks.
    pub fn blocking(&self) -> BlockingOast {
        BlockingOast(self.clone())
    }

    fn configure<T>(&self, change: impl FnOnce(&mut Configured) -> T) -> T {
        change(&mut self.config.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn configured(&self, spec: Spec) -> Spec {
        spec.engine_if_unset(&self.config().javascript).python_if_unset(&self.config().python)
    }
}

fn settings(config: &Config) -> Settings {
    let registry = &config.registry;
    let capacity = Capacity {
        workers: registry.workers,
        per_tenant: registry.workers_per_tenant,
        memory: registry.memory,
        ..Capacity::default()
    };
    Settings { capacity, events: registry.events, wait: registry.wait, drain: registry.drain }
}

/// An [`Oast`] for code that blocks. Each call waits as [`blocking::wait`](wait) does, and panics where that does.
#[derive(Clone, Debug)]
pub struct BlockingOast(Oast);

impl BlockingOast {
    /// The worker of the spec's name; see [`Oast::worker`].
    ///
    /// # Errors
    /// As [`Oast::worker`].
    pub fn worker(&self, spec: Spec) -> Result<BlockingWorker, CheckoutError> {
        Ok(wait(self.0.worker(spec))?.blocking())
    }

    /// Takes over another configuration; see [`Oast::reload`].
    ///
    /// # Errors
    /// As [`Oast::reload`].
    pub fn reload(&self, config: &Config) -> Result<(), CheckoutError> {
        wait(self.0.reload(config))
    }

    /// Defines a pool; see [`Oast::pool`].
    ///
    /// # Errors
    /// As [`Oast::pool`].
    pub fn pool(&self, spec: Spec) -> Result<(), CheckoutError> {
        wait(self.0.pool(spec))
    }

    /// A worker of a pool for oneself; see [`Oast::lease`].
    ///
    /// # Errors
    /// As [`Oast::lease`].
    pub fn lease(&self, pool: &str) -> Result<Lease, CheckoutError> {
        wait(self.0.lease(pool))
    }

    /// Ends everything; see [`Oast::shutdown`].
    pub fn shutdown(self) {
        wait(self.0.shutdown());
    }
}
