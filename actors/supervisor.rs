//! The actor that owns one evaluator, its queue, its restarts and its limits. A thin shell: every message goes to
//! [`Core`], which asks [`lifecycle`](crate::lifecycle) and does what it says.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Recipient};

use crate::{
    Counters, Journal, WorkerSpec, WorkerStatus,
    core::Core,
    intake::Intake,
    lifecycle::Event,
    messages::{
        ChannelSays, Clean, Evaluate, GetStatus, Interrupt, Later, OpenChannel, Recycle, Reset, Start, Stop, Submit,
    },
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
    /// Is told when the supervisor is gone without having been stopped.
    pub(crate) mourner: Option<Recipient<SupervisorLost>>,
}

/// A supervisor is gone although nobody stopped it.
#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
pub(crate) struct SupervisorLost {
    pub(crate) worker: Arc<str>,
}

/// Ends the actor after its core panicked outside a handler.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Collapse;

impl Supervisor {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { core: None, parts }
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
        context.set_mailbox_capacity(self.parts.spec.mailbox());
        let address = context.address().downgrade();
        let on_panic = Rc::new(move || {
            // When the address is gone, so is the actor.
            if let Some(address) = address.upgrade() {
                drop(address.try_send(Collapse));
            }
        });
        let parts = &self.parts;
        self.core = Some(Core::new(parts.spec.clone(), parts.journal.clone(), parts.counters.clone(), on_panic));
    }
}

/// However the supervisor ends, dropping its core ends the process and answers every caller.
impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.core.take());
        if let Some(mourner) = &self.parts.mourner {
            // When the registry is gone, nobody wants to know.
            drop(mourner.try_send(SupervisorLost { worker: self.parts.spec.name.clone() }));
        }
    }
}

impl Handler<Collapse> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Collapse, context: &mut Context<Self>) {
        self.parts.counters.supervisor_panics.add(1);
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

impl Handler<Evaluate> for Supervisor {
    type Result = Later;

    fn handle(&mut self, evaluate: Evaluate, _: &mut Context<Self>) -> Later {
        let Evaluate { request, options } = evaluate;
        let (core, intake) = (self.core.clone(), self.parts.intake.clone());
        Later { core, intake, request, options }
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
        let finish_by = finish.map(|finish| std::time::Instant::now() + finish);
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

impl Handler<GetStatus> for Supervisor {
    type Result = Arc<WorkerStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Arc<WorkerStatus> {
        match &self.core {
            Some(core) => Arc::new(core.borrow().status()),
            None => Arc::new(WorkerStatus::gone(&self.parts.spec)),
        }
    }
}

impl Handler<OpenChannel> for Supervisor {
    type Result = ();

    fn handle(&mut self, OpenChannel { name, endpoint, capacity }: OpenChannel, _: &mut Context<Self>) {
        self.act(|core| core.open_channel(name, endpoint, capacity));
    }
}

impl Handler<ChannelSays> for Supervisor {
    type Result = ();

    fn handle(&mut self, ChannelSays { name, message }: ChannelSays, _: &mut Context<Self>) {
        self.act(|core| core.channel_say(&name, message));
    }
}
