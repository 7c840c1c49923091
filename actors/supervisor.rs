//! The actor that owns one evaluator, its queue, its restarts and its limits. A thin shell: every message goes to
//! [`Core`], which asks [`lifecycle`](crate::lifecycle) and does what it says.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, dev::channel};
use actix_rt::ArbiterHandle;

use crate::limits::within_reach;
use crate::{
    Counters, Journal, WorkerSpec, WorkerStatus,
    core::Core,
    intake::Intake,
    lifecycle::Event,
    messages::{
        AwaitEnd, ByLessee, ChannelSays, Clean, EndLease, Evict, GetStatus, Interrupt, OnceEnded, OpenChannel, Order,
        Recycle, Reset, Start, Stop, Submit,
    },
    observer::Observer,
};

/// Owns one evaluator. Its handle is a [`Worker`](crate::Worker).
pub struct Supervisor {
    core: Option<Rc<RefCell<Core>>>,
    parts: Parts,
}

/// What a supervisor is made with.
pub(crate) struct Parts {
    pub(crate) spec: WorkerSpec,
    pub(crate) intake: Arc<Intake>,
    pub(crate) journal: Journal,
    pub(crate) counters: Arc<Counters>,
    /// `None` for a worker that belongs to no registry.
    pub(crate) observer: Option<Arc<Observer>>,
    /// How many leases of this worker ended already.
    pub(crate) leases: u64,
}

/// Ends the actor after its core panicked outside a handler.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Collapse;

impl Supervisor {
    /// Starts one on an arbiter. If that ends first, the observer is dropped with the other parts, and says so.
    ///
    /// The mailbox has no bound of its own: a full one would leave whoever uses [`Addr::send`] waiting without ever
    /// being woken. [`Intake`] stands before it.
    pub(crate) fn start_on(arbiter: &ArbiterHandle, parts: Parts) -> Addr<Self> {
        let (sender, receiver) = channel::channel(0);
        arbiter.spawn_fn(move || {
            Context::with_receiver(receiver).run(Self { core: None, parts });
        });
        Addr::new(sender)
    }

    fn act(&self, act: impl FnOnce(&mut Core)) {
        if let Some(core) = &self.core {
            Core::enter(core, act);
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let address = context.address().downgrade();
        let on_panic = Rc::new(move || {
            // When the address is gone, so is the actor.
            if let Some(address) = address.upgrade() {
                drop(address.try_send(Collapse));
            }
        });
        self.core = Some(Core::new(&self.parts, on_panic));
    }
}

impl Handler<Collapse> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Collapse, context: &mut Context<Self>) {
        // Dropping the core ends the process and answers every caller.
        self.core = None;
        context.terminate();
    }
}

impl Handler<Submit> for Supervisor {
    type Result = ();

    fn handle(&mut self, submit: Submit, _: &mut Context<Self>) {
        self.act(|core| core.submit(submit));
    }
}

impl Handler<Interrupt> for Supervisor {
    type Result = ();

    fn handle(&mut self, Interrupt(id): Interrupt, _: &mut Context<Self>) {
        self.act(|core| core.act(Event::Interrupt(id)));
    }
}

impl Handler<Stop> for Supervisor {
    type Result = ();

    fn handle(&mut self, Stop { why, finish }: Stop, _: &mut Context<Self>) {
        let finish_by = finish.map(|finish| std::time::Instant::now() + within_reach(finish));
        self.act(|core| core.act(Event::Stop { why, finish_by }));
    }
}

impl Handler<Recycle> for Supervisor {
    type Result = ();

    fn handle(&mut self, Recycle(why): Recycle, _: &mut Context<Self>) {
        self.act(|core| core.act(Event::Recycle(why)));
    }
}

impl Handler<Clean> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Clean, _: &mut Context<Self>) {
        self.act(|core| core.act(Event::Clean));
    }
}

impl Handler<Reset> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Reset, _: &mut Context<Self>) {
        self.act(|core| core.act(Event::Reset));
    }
}

impl Handler<Start> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Start, _: &mut Context<Self>) {
        self.act(|core| core.act(Event::Start));
    }
}

/// A handle from a lease that ended moves nothing any more: the worker is somebody else's.
impl Handler<ByLessee> for Supervisor {
    type Result = ();

    fn handle(&mut self, ByLessee { leases, order }: ByLessee, context: &mut Context<Self>) {
        if self.core.as_ref().is_none_or(|core| core.borrow().leases != leases) {
            return;
        }
        match order {
            Order::Interrupt(interrupt) => self.handle(interrupt, context),
            Order::Stop(stop) => self.handle(stop, context),
            Order::Recycle(recycle) => self.handle(recycle, context),
            Order::Reset => self.handle(Reset, context),
            Order::Start => self.handle(Start, context),
            Order::OpenChannel(OpenChannel { name, endpoint, capacity }) => {
                self.act(|core| core.open_channel(name, endpoint, capacity));
            }
            Order::ChannelSays(ChannelSays { name, message }) => self.act(|core| core.channel_say(&name, message)),
        }
    }
}

impl Handler<Evict> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Evict, _: &mut Context<Self>) {
        self.act(Core::evict);
    }
}

impl Handler<EndLease> for Supervisor {
    type Result = ();

    fn handle(&mut self, EndLease { leases, how }: EndLease, _: &mut Context<Self>) {
        self.act(|core| core.end_lease(leases, how));
    }
}

impl Handler<AwaitEnd> for Supervisor {
    type Result = OnceEnded;

    fn handle(&mut self, AwaitEnd { leases }: AwaitEnd, _: &mut Context<Self>) -> OnceEnded {
        OnceEnded(self.core.clone().filter(|core| core.borrow().leases == leases))
    }
}

impl Handler<GetStatus> for Supervisor {
    type Result = Arc<WorkerStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Arc<WorkerStatus> {
        match &self.core {
            Some(core) => Arc::new(core.borrow().status()),
            None => Arc::new(WorkerStatus::gone(&self.parts.spec)),
        }
    }
}
