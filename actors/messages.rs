//! What the actors take. Messages are imperatives; what happened is in [`journal`](crate::journal).

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::{
    Message,
    dev::{MessageResponse, OneshotSender},
};

use crate::{
    Asked, ChannelMessage, EvalId, EvalResult, Request, WorkerStatus,
    channel::Endpoint,
    core::Core,
    evaluation::{Completer, Reply},
    intake::Intake,
    supervisor::Supervisor,
};

/// What an evaluation may have beyond its profile's limits, or instead of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvalOptions {
    /// How long it may run; `None` takes the profile's limit.
    pub wall_time: Option<Duration>,
    /// How long it may wait before it starts; `None` takes the profile's limit.
    pub queue_time: Option<Duration>,
}

/// Evaluates something and answers with how it ended. For other actors; [`Worker::eval`](crate::Worker::eval) is the
/// same for everybody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluate {
    /// What to run.
    pub request: Request,
    /// Its own limits.
    pub options: EvalOptions,
}

impl Message for Evaluate {
    type Result = EvalResult;
}

/// Ends one evaluation, or the running one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Interrupt(pub Option<EvalId>);

/// Ends the worker process for good. What was submitted may end within `finish`, and is then ended too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Stop {
    /// Why.
    pub why: Asked,
    /// How long what was submitted may take.
    pub finish: Option<Duration>,
}

/// Replaces the worker process by a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Recycle(pub Asked);

/// Makes the worker as new for its next lease, without a new process where the runtime can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Clean;

/// Lets a broken or stopped worker start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Reset;

/// Starts the worker process, if it has none and may have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Start;

/// Tells where the worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message)]
#[rtype(result = "Arc<WorkerStatus>")]
pub struct GetStatus;

/// An evaluation whose answer goes to a caller's own slot.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Submit {
    pub(crate) id: EvalId,
    pub(crate) request: Request,
    pub(crate) options: EvalOptions,
    pub(crate) completer: Completer,
}

/// A caller's end of a channel says something.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChannelSays {
    pub(crate) name: Arc<str>,
    pub(crate) message: ChannelMessage,
}

/// A caller opens a channel.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct OpenChannel {
    pub(crate) name: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) capacity: u32,
}

/// Answers [`Evaluate`] later, without a future of its own in the actor's context.
pub struct Later {
    pub(crate) core: Option<Rc<RefCell<Core>>>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) request: Request,
    pub(crate) options: EvalOptions,
}

impl MessageResponse<Supervisor, Evaluate> for Later {
    fn handle(self, _: &mut actix::Context<Supervisor>, sender: Option<OneshotSender<EvalResult>>) {
        let Self { core, intake, request, options } = self;
        let (Some(core), Ok(completer)) = (core, intake.admit(Reply::Actor(sender, Vec::new()), Arc::default())) else {
            return;
        };
        let submit = Submit { id: intake.next_id(), request, options, completer };
        Core::enter(&core, |core| core.submit(submit));
    }
}
