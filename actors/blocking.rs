//! The same for code that blocks. A call waits on its own thread, which must not be one that others wait for: where a
//! thread runs an executor, these functions refuse to block it.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use crate::{
    Channel, ChannelError, CheckoutError, Code, DefinePool, EvalOptions, EvalResult, Lease, NotStarted, Request,
    Settings, Snapshot, System, Value, Worker, WorkerSpec, WorkerStatus,
};

/// Waits for a future on this thread.
///
/// It may be called on any thread that may be blocked, those of tokio's `spawn_blocking` included.
///
/// # Panics
/// This thread runs an executor, such as an actix arbiter's: what it waits for might have to run here.
pub fn wait<F: Future>(future: F) -> F::Output {
    match tokio::runtime::Handle::try_current() {
        // It knows whether this thread may be blocked, and panics with its reason where not.
        Ok(handle) => handle.block_on(future),
        Err(_no_executor) => park_until_ready(future),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn park_until_ready<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // Whoever wakes it between the poll and this makes it return at once.
            Poll::Pending => thread::park(),
        }
    }
}

/// A [`Worker`] for code that blocks. Each call waits as [`wait`] does, and panics where that does.
#[derive(Clone, Debug)]
pub struct BlockingWorker(Worker);

impl Worker {
    /// The same for code that blocks. It is another caller.
    pub fn blocking(&self) -> BlockingWorker {
        BlockingWorker(self.clone())
    }
}

impl BlockingWorker {
    /// Evaluates code and brings its value back.
    ///
    /// # Errors
    /// As [`Worker::eval`].
    pub fn eval(&self, code: impl Into<Code>) -> EvalResult {
        wait(self.0.eval(code))
    }

    /// Evaluates code whose value stays in the worker.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub fn run(&self, code: impl Into<Code>) -> EvalResult {
        wait(self.0.run(code))
    }

    /// Evaluates a request with limits of its own.
    ///
    /// # Errors
    /// As [`Worker::submit`].
    pub fn submit(&self, request: Request, options: EvalOptions) -> EvalResult {
        wait(self.0.submit(request, options))
    }

    /// Opens a channel; see [`Worker::channel`].
    ///
    /// # Errors
    /// The supervisor is gone.
    pub fn channel(&self, name: &str, capacity: u32) -> Result<BlockingChannel, NotStarted> {
        self.0.channel(name, capacity).map(BlockingChannel)
    }

    /// Stops the worker for good, and waits until it is gone.
    pub fn stop(&self) {
        wait(self.0.stop());
    }

    /// Stops the worker for good once everything submitted has ended, at the latest after `finish`.
    pub fn drain(&self, finish: Duration) {
        wait(self.0.drain(finish));
    }

    /// Kills the worker's process and stops the worker for good.
    pub fn kill(&self) {
        wait(self.0.kill());
    }

    /// Where the worker is in its life. `None` when its supervisor is gone.
    pub fn status(&self) -> Option<Arc<WorkerStatus>> {
        wait(self.0.status())
    }

    /// What does not block.
    pub const fn worker(&self) -> &Worker {
        &self.0
    }
}

/// A [`Channel`] for code that blocks. Each call waits as [`wait`] does, and panics where that does.
#[derive(Clone, Debug)]
pub struct BlockingChannel(Channel);

impl BlockingChannel {
    /// Puts a value, as soon as there is room.
    ///
    /// # Errors
    /// The channel is closed, or the supervisor gone.
    pub fn put(&self, value: impl Into<Value>) -> Result<(), ChannelError> {
        wait(self.0.put(value))
    }

    /// Takes the oldest value, as soon as there is one.
    ///
    /// # Errors
    /// The channel is closed and empty.
    pub fn take(&self) -> Result<Value, ChannelError> {
        wait(self.0.take())
    }

    /// What does not block.
    pub const fn channel(&self) -> &Channel {
        &self.0
    }
}

/// A [`System`] for code that blocks. Each call waits as [`wait`] does, and panics where that does.
#[derive(Clone, Debug)]
pub struct BlockingSystem(System);

impl BlockingSystem {
    pub(crate) const fn new(system: System) -> Self {
        Self(system)
    }

    /// The worker of a name; see [`System::worker`].
    ///
    /// # Errors
    /// As [`System::worker`].
    pub fn worker(&self, spec: WorkerSpec) -> Result<BlockingWorker, CheckoutError> {
        wait(self.0.worker(spec)).map(BlockingWorker)
    }

    /// Adds a pool, or changes one.
    ///
    /// # Errors
    /// The registry is gone.
    pub fn define_pool(&self, pool: DefinePool) -> Result<(), CheckoutError> {
        wait(self.0.define_pool(pool))
    }

    /// Changes the settings at run time; see [`Reconfigure`](crate::Reconfigure).
    ///
    /// # Errors
    /// The registry is gone.
    pub fn reconfigure(&self, settings: Settings) -> Result<(), CheckoutError> {
        wait(self.0.reconfigure(settings))
    }

    /// A worker of a pool for the caller alone; see [`System::lease`].
    ///
    /// # Errors
    /// As [`System::lease`].
    pub fn lease(&self, pool: &str, tenant: Option<&str>, wait_for: Option<Duration>) -> Result<Lease, CheckoutError> {
        wait(self.0.lease(pool, tenant, wait_for))
    }

    /// Where all workers are in their lives.
    ///
    /// # Errors
    /// The registry is gone.
    pub fn list(&self) -> Result<Vec<Arc<WorkerStatus>>, CheckoutError> {
        wait(self.0.list())
    }

    /// Everything that is known now.
    ///
    /// # Errors
    /// The registry is gone.
    pub fn snapshot(&self) -> Result<Snapshot, CheckoutError> {
        wait(self.0.snapshot())
    }

    /// Ends everything; see [`System::shutdown`].
    pub fn shutdown(self) {
        wait(self.0.shutdown());
    }
}
