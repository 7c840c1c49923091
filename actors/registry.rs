//! The actor that hands out workers: by name, or by lease from a pool. A thin shell: what it knows and does is in
//! [`roster`](crate::roster), and who gets what is decided in [`pool`](crate::pool).
//!
//! It sees a worker once per checkout or lease. Evaluations go straight from the handle to the worker's supervisor.

use std::{cell::RefCell, future::Future, rc::Rc, sync::Arc, time::Duration};

use actix::{
    Actor, Addr, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture,
    dev::{MessageResponse, OneshotSender, channel},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    Checkout, CheckoutError, Counters, DefinePool, Drain, Forget, Journal, Lease, List, Pressure, Reconfigure,
    ResetWorker, Settings, Snapshot, TakeLease, TakeSnapshot, Worker, WorkerStatus,
    checkout::{Halt, ReturnLease},
    messages::GetStatus,
    observer::Observed,
    roster::Roster,
};

/// How long the supervisors may take to tell their status.
const STATUS_WITHIN: Duration = Duration::from_secs(1);

/// Hands out workers. Programs without actix use it through [`System`](crate::System).
///
/// It ends when nobody has its address any more. Workers that callers still hold live on without it; leases that are
/// returned then are ended.
pub struct Registry {
    settings: Settings,
    journal: Journal,
    counters: Arc<Counters>,
    /// There is one as soon as the actor has started.
    roster: Option<Rc<RefCell<Roster>>>,
}

impl Registry {
    /// Starts one on this thread's arbiter. It takes down what happens in `journal` and `counters`.
    ///
    /// # Panics
    /// This thread runs no arbiter.
    pub fn start_here(settings: Settings, journal: Journal, counters: Arc<Counters>) -> Addr<Self> {
        // Without a bound: a full mailbox would leave whoever uses `Addr::send` waiting without ever being woken. Those
        // who wait for leases are bounded by the capacity.
        let (sender, receiver) = channel::channel(0);
        Context::with_receiver(receiver).run(Self { settings, journal, counters, roster: None });
        Addr::new(sender)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Roster) -> T) -> Option<T> {
        self.roster.as_ref().and_then(|roster| Roster::enter(roster, act))
    }

    fn ask_all(&self) -> impl Future<Output = Vec<Arc<WorkerStatus>>> + use<> {
        let ask = |roster: &mut Roster| {
            roster.members.values().map(|member| member.worker.address().send(GetStatus)).collect::<Vec<_>>()
        };
        let requests = self.with(ask).unwrap_or_default();
        async move {
            let by = Instant::now() + STATUS_WITHIN;
            let mut statuses = Vec::new();
            for request in requests {
                // A thread that is blocked must not hold up what is known of the others.
                if let Ok(Ok(status)) = timeout_at(by, request).await {
                    statuses.push(status);
                }
            }
            statuses
        }
    }

    /// Answers when the roster does.
    fn once<T: 'static>(&self, act: impl FnOnce(&mut Roster, OneshotSender<T>) + 'static) -> Once<T> {
        let roster = self.roster.clone();
        Once(Box::new(move |sender| {
            if let (Some(roster), Some(sender)) = (roster, sender) {
                Roster::enter(&roster, |roster| act(roster, sender));
            }
        }))
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let address = context.address().downgrade();
        self.roster = Some(Roster::new(self.settings, self.journal.clone(), self.counters.clone(), address));
    }
}

/// An answer that comes when it comes, without a future in the actor's context. Where nobody waits for one, nothing is done.
pub struct Once<T>(Box<dyn FnOnce(Option<OneshotSender<T>>)>);

impl<M: Message> MessageResponse<Registry, M> for Once<M::Result> {
    fn handle(self, _: &mut Context<Registry>, sender: Option<OneshotSender<M::Result>>) {
        (self.0)(sender);
    }
}

impl Handler<Checkout> for Registry {
    type Result = Result<Worker, CheckoutError>;

    fn handle(&mut self, Checkout { spec, placement }: Checkout, _: &mut Context<Self>) -> Self::Result {
        self.with(|roster| roster.checkout(spec, placement)).unwrap_or(Err(CheckoutError::Failed))
    }
}

impl Handler<DefinePool> for Registry {
    type Result = Result<(), CheckoutError>;

    fn handle(&mut self, define: DefinePool, _: &mut Context<Self>) -> Self::Result {
        self.with(|roster| roster.define_pool(define)).ok_or(CheckoutError::Failed)
    }
}

impl Handler<Reconfigure> for Registry {
    type Result = Result<(), CheckoutError>;

    fn handle(&mut self, Reconfigure(settings): Reconfigure, _: &mut Context<Self>) -> Self::Result {
        self.with(|roster| roster.reconfigure(settings)).ok_or(CheckoutError::Failed)
    }
}

impl Handler<Pressure> for Registry {
    type Result = ();

    fn handle(&mut self, Pressure(is_high): Pressure, _: &mut Context<Self>) {
        self.with(|roster| roster.press(is_high));
    }
}

impl Handler<TakeLease> for Registry {
    type Result = Once<Result<Lease, CheckoutError>>;

    fn handle(&mut self, take: TakeLease, _: &mut Context<Self>) -> Self::Result {
        self.once(|roster, sender| roster.take_lease(take, sender))
    }
}

impl Handler<ReturnLease> for Registry {
    type Result = ();

    fn handle(&mut self, ReturnLease { slot }: ReturnLease, _: &mut Context<Self>) {
        self.with(|roster| roster.returned(slot));
    }
}

impl Handler<Observed> for Registry {
    type Result = ();

    fn handle(&mut self, observed: Observed, _: &mut Context<Self>) {
        self.with(|roster| roster.observe(observed));
    }
}

impl Handler<List> for Registry {
    type Result = ResponseFuture<Vec<Arc<WorkerStatus>>>;

    fn handle(&mut self, _: List, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.ask_all())
    }
}

impl Handler<TakeSnapshot> for Registry {
    type Result = ResponseFuture<Snapshot>;

    fn handle(&mut self, _: TakeSnapshot, _: &mut Context<Self>) -> Self::Result {
        let pools = self.with(|roster| roster.ledger.pools()).unwrap_or_default();
        let (counts, asked) = (self.counters.counts(), self.ask_all());
        Box::pin(async move { Snapshot { counts, workers: asked.await, pools } })
    }
}

impl Handler<ResetWorker> for Registry {
    type Result = MessageResult<ResetWorker>;

    fn handle(&mut self, ResetWorker { name }: ResetWorker, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.with(|roster| roster.reset_worker(&name)).unwrap_or(false))
    }
}

impl Handler<Forget> for Registry {
    type Result = Once<bool>;

    fn handle(&mut self, Forget { name }: Forget, _: &mut Context<Self>) -> Self::Result {
        self.once(move |roster, sender| roster.forget(&name, sender))
    }
}

impl Handler<Drain> for Registry {
    type Result = Once<usize>;

    fn handle(&mut self, Drain { finish }: Drain, _: &mut Context<Self>) -> Self::Result {
        self.once(move |roster, sender| {
            roster.draining.push(sender);
            roster.drain(finish);
        })
    }
}

impl Handler<Halt> for Registry {
    type Result = ();

    fn handle(&mut self, _: Halt, _: &mut Context<Self>) {
        self.with(|roster| roster.kill_all());
        actix_rt::System::current().stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Capacity,
        fake::{profile, spec},
        registry_tests::{lease, pool, recall, run, start, word},
    };

    /// Makes the registry panic.
    #[derive(Message)]
    #[rtype(result = "bool")]
    struct Boom;

    impl Handler<Boom> for Registry {
        type Result = MessageResult<Boom>;

        fn handle(&mut self, _: Boom, _: &mut Context<Self>) -> Self::Result {
            MessageResult(self.with(|_| panic!("the registry panics")).unwrap_or(false))
        }
    }

    #[test]
    fn a_registry_that_panics_goes_on_with_all_it_knows() {
        run(async {
            let system = start(Capacity::default());
            let worker = system.worker(spec("w", profile())).await.unwrap();
            word(worker.eval("remember it").await);
            system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
            let held = lease(&system, "js").await.unwrap();
            assert!(!system.addr().send(Boom).await.unwrap());
            drop(held);
            lease(&system, "js").await.unwrap();
            assert_eq!(recall(&system.worker(spec("w", profile())).await.unwrap()).await, "it");
        });
    }
}
