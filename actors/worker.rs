//! The handle that a caller holds. It goes straight to the worker's supervisor, from any thread and any runtime.

use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::{Addr, Handler, Message, Recipient};

use tokio::sync::oneshot;

use crate::{
    Asked, Channel, ChannelMessage, Code, EvalId, EvalOptions, Evaluate, Evaluation, Job, Journal, NotStarted, Request,
    WorkerStatus,
    caller::Caller,
    channel::Endpoint,
    evaluation::{EvalResult, Reply, read, unread},
    intake::Intake,
    journal::Subscription,
    messages::{self, AwaitEnd, ByLessee, ChannelSays, GetStatus, Interrupt, OpenChannel, Order, Submit, Wanted},
    spec::WorkerSpec,
    supervisor::{Parts, Supervisor},
};

/// How many events a worker without a registry keeps for those that follow.
const LONE_EVENTS: usize = 64;

/// A handle on a worker. Clones are other callers of the same worker.
///
/// Dropping it does nothing to the worker. If the worker's process is replaced and its state is kept (see
/// [`State`](oast_config::State)), each handle is told once, by [`NotStarted::Restarted`] or by
/// [`EvalError::Lost`](crate::EvalError::Lost), before anything that it submits runs against the new process.
pub struct Worker {
    shared: Arc<Shared>,
    /// The epoch that this caller knows of.
    seen: Arc<AtomicU64>,
    /// How many leases of the worker had ended when this caller got it.
    leases: u64,
}

/// What all handles of one worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) spec: WorkerSpec,
    /// Replaced when a supervisor that panicked is replaced.
    address: RwLock<Addr<Supervisor>>,
    intake: Arc<Intake>,
    journal: Journal,
}

impl Worker {
    pub(crate) fn new(spec: WorkerSpec, address: Addr<Supervisor>, intake: Arc<Intake>, journal: Journal) -> Self {
        let shared = Shared { spec, address: RwLock::new(address), intake, journal };
        Self { shared: Arc::new(shared), seen: Arc::default(), leases: 0 }
    }

    /// The handle of a new lease.
    pub(crate) fn lend(&self, leases: u64) -> Self {
        Self { shared: self.shared.clone(), seen: Arc::default(), leases }
    }

    /// Starts a worker that belongs to no registry, with its supervisor on this thread's arbiter. The worker's process
    /// ends with the arbiter, or when it is stopped.
    ///
    /// # Panics
    /// This thread has no running actix system or arbiter.
    pub fn on_this_arbiter(spec: WorkerSpec) -> Self {
        let (journal, counters) = (Journal::new(LONE_EVENTS), Arc::<crate::Counters>::default());
        let intake = Arc::new(Intake::new(&spec.profile.limits, counters.clone()));
        let parts = Parts {
            spec: spec.clone(),
            intake: intake.clone(),
            journal: journal.clone(),
            counters,
            observer: None,
            leases: 0,
        };
        let address = Supervisor::start_on(&actix_rt::Arbiter::current(), parts);
        Self::new(spec, address, intake, journal)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.spec.name
    }

    /// Evaluates code and brings its value back.
    pub fn eval(&self, code: impl Into<Code>) -> Evaluation {
        self.submit(Request { job: Job::Code(code.into()), fetch: true }, EvalOptions::default())
    }

    /// Evaluates code whose value stays in the worker.
    pub fn run(&self, code: impl Into<Code>) -> Evaluation {
        self.submit(Request { job: Job::Code(code.into()), fetch: false }, EvalOptions::default())
    }

    /// Evaluates code and lets nobody know how it ends.
    ///
    /// # Errors
    /// The queue is full, or the supervisor gone.
    pub fn tell(&self, code: impl Into<Code>) -> Result<(), NotStarted> {
        let request = Request { job: Job::Code(code.into()), fetch: false };
        let wanted = Wanted { request, options: EvalOptions::default(), buffer: None };
        self.send_submission(self.shared.intake.next_id(), wanted, Reply::Nobody)
    }

    /// Evaluates a request with limits of its own.
    pub fn submit(&self, request: Request, options: EvalOptions) -> Evaluation {
        self.send_with(request, options, None)
    }

    /// Evaluates a request, and receives the bulk bytes of its value into `buffer` where they fit: fresh memory costs more
    /// than the bytes take to come. `Vec::from` gives the buffer back, once the value's bytes are held by nobody else. It
    /// is lost when the value has few bytes, or when there is none.
    pub fn submit_into(&self, request: Request, options: EvalOptions, buffer: Vec<u8>) -> Evaluation {
        self.send_with(request, options, Some(buffer))
    }

    fn send_with(&self, request: Request, options: EvalOptions, buffer: Option<Vec<u8>>) -> Evaluation {
        let id = self.shared.intake.next_id();
        let (evaluation, reply) = Evaluation::new(id, self.same_caller());
        // A refusal answers through the reply, as every other end does.
        drop(self.send_submission(id, Wanted { request, options, buffer }, reply));
        evaluation
    }

    /// Ends the running evaluation. Does nothing when none runs.
    pub fn interrupt(&self) {
        self.say(Order::Interrupt(Interrupt(None)));
    }

    pub(crate) fn interrupt_one(&self, id: EvalId) {
        self.say(Order::Interrupt(Interrupt(Some(id))));
    }

    /// Opens a channel to the code in the worker, with room for `capacity` values in each direction. It lives as long as
    /// the worker's process, which knows a name once: another channel of the same name gives
    /// [`ChannelError::NameTaken`](crate::ChannelError::NameTaken).
    ///
    /// # Errors
    /// The supervisor is gone.
    pub fn channel(&self, name: &str, capacity: u32) -> Result<Channel, NotStarted> {
        let name: Arc<str> = name.into();
        let endpoint = Endpoint::new(capacity);
        self.send(Order::OpenChannel(OpenChannel { name: name.clone(), endpoint: endpoint.clone(), capacity }))?;
        Ok(Channel::new(name, self.same_caller(), endpoint))
    }

    /// Stops the worker for good: its process is asked to leave, and ended if it does not. Waits until it is gone.
    pub async fn stop(&self) {
        self.stop_and_wait(messages::Stop { why: Asked::Stop, finish: None }).await;
    }

    /// Stops the worker for good once everything submitted has ended, at the latest after `finish`.
    pub async fn drain(&self, finish: Duration) {
        self.stop_and_wait(messages::Stop { why: Asked::Stop, finish: Some(finish) }).await;
    }

    /// Kills the worker's process and stops the worker for good. Waits until it is gone.
    pub async fn kill(&self) {
        self.stop_and_wait(messages::Stop { why: Asked::Kill, finish: None }).await;
    }

    /// Replaces the worker's process by a fresh one. What runs is lost.
    pub fn restart(&self) {
        self.say(Order::Recycle(messages::Recycle(Asked::Restart)));
    }

    /// Lets a broken worker start again.
    pub fn reset(&self) {
        self.say(Order::Reset);
    }

    /// Starts the worker's process now rather than with the first evaluation.
    pub fn start(&self) {
        self.say(Order::Start);
    }

    /// Where the worker is in its life. `None` when its supervisor is gone.
    pub async fn status(&self) -> Option<Arc<WorkerStatus>> {
        self.address().send(GetStatus).await.ok()
    }

    /// The worker as other actors know it: a caller of its own, as a clone of this handle is. It lives on this thread's
    /// arbiter.
    ///
    /// # Panics
    /// This thread has no running actix system or arbiter.
    pub fn recipient(&self) -> Recipient<Evaluate> {
        Caller(self.clone()).start_here().recipient()
    }

    /// The events of all workers of this worker's registry; see [`Subscription`].
    pub fn events(&self) -> Subscription {
        self.shared.journal.subscribe()
    }

    pub(crate) fn channel_says(&self, name: &Arc<str>, message: ChannelMessage) -> Result<(), NotStarted> {
        self.send(Order::ChannelSays(ChannelSays { name: name.clone(), message }))
    }

    pub(crate) fn address(&self) -> Addr<Supervisor> {
        self.shared.address.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace_address(&self, address: Addr<Supervisor>) {
        *self.shared.address.write().unwrap_or_else(PoisonError::into_inner) = address;
    }

    pub(crate) fn spec(&self) -> &WorkerSpec {
        &self.shared.spec
    }

    pub(crate) fn intake(&self) -> &Arc<Intake> {
        &self.shared.intake
    }

    /// Sends a message that has no answer. When the supervisor is gone, there is nobody left to whom it would matter.
    fn say(&self, order: Order) {
        drop(self.send(order));
    }

    fn send(&self, order: Order) -> Result<(), NotStarted> {
        self.order(ByLessee { leases: self.leases, order })
    }

    /// Sends a message whoever has the lease.
    pub(crate) fn order<M>(&self, message: M) -> Result<(), NotStarted>
    where
        M: Message<Result = ()> + Send + 'static,
        Supervisor: Handler<M>,
    {
        let address = self.shared.address.read().unwrap_or_else(PoisonError::into_inner);
        // The mailbox is never full. The message is dropped with the error, and answers its caller as it goes.
        address.try_send(message).map_err(|_gone| NotStarted::SupervisorGone)
    }

    fn send_submission(&self, id: EvalId, wanted: Wanted, reply: Reply) -> Result<(), NotStarted> {
        let completer = self.shared.intake.admit(reply, self.seen.clone())?;
        // What its caller submitted just before may not have run yet, and would be lost with the process that serves now.
        let serving = self.shared.intake.serving();
        let seen = match self.seen.load(Ordering::Relaxed) {
            0 => serving,
            seen => seen,
        };
        self.order(Submit { leases: self.leases, id, seen, wanted, completer })
    }

    /// Its caller reads how an evaluation ended.
    pub(crate) fn read(&self, result: &EvalResult) {
        read(&self.seen, result);
    }

    /// Its caller does not care how an evaluation ended.
    pub(crate) fn unread(&self, result: &EvalResult) {
        unread(&self.seen, result);
    }

    /// The same caller, in another place.
    pub(crate) fn same_caller(&self) -> Self {
        Self { shared: self.shared.clone(), seen: self.seen.clone(), leases: self.leases }
    }

    /// Submits for an actor, which waits at `sender`.
    pub(crate) fn submit_for(&self, evaluate: Evaluate, sender: Option<oneshot::Sender<EvalResult>>) {
        let Evaluate { request, options } = evaluate;
        let wanted = Wanted { request, options, buffer: None };
        // A refusal answers through the reply, as every other end does.
        drop(self.send_submission(self.shared.intake.next_id(), wanted, Reply::Actor(sender, Vec::new())));
    }

    async fn stop_and_wait(&self, stop: messages::Stop) {
        self.say(Order::Stop(stop));
        // Where there is no answer, the supervisor and its process are gone, or the lease has ended.
        let _ = self.address().send(AwaitEnd { leases: self.leases }).await;
    }
}

/// Another caller of the same worker, which knows what this one knows of its state.
impl Clone for Worker {
    fn clone(&self) -> Self {
        let seen = self.seen.load(Ordering::Relaxed);
        Self { shared: self.shared.clone(), seen: Arc::new(AtomicU64::new(seen)), leases: self.leases }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.shared.spec.name).finish_non_exhaustive()
    }
}

impl<T: Into<String>> From<T> for Code {
    fn from(source: T) -> Self {
        Self { source: source.into(), ..Self::default() }
    }
}
