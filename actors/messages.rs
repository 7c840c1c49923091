//! What the actors take. Messages are imperatives; what happened is in [`journal`](crate::journal).

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use actix::{
    Message,
    dev::{MessageResponse, OneshotSender},
};

use oast_config::OnReturn;

use crate::{
    Asked, ChannelMessage, EvalId, EvalResult, Request, WorkerStatus, channel::Endpoint, core::Core,
    evaluation::Completer, supervisor::Supervisor,
};

/// What an evaluation may have beyond its profile's limits, or instead of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvalOptions {
    /// How long it may run; `None` takes the profile's limit.
    pub wall_time: Option<Duration>,
    /// How long it may wait before it starts; `None` takes the profile's limit.
    pub queue_time: Option<Duration>,
    /// How often it is tried again when a process fails: one that does not start, or, where it is [idempotent](Self::idempotent),
    /// one that ends while it may be running. What was interrupted, and what Oast ends on request, is not tried again; nor
    /// is anything where state is kept, for the next process has none of it. What an earlier try printed stays.
    ///
    /// One that was running in every process that it was tried in is [quarantined](crate::EvalError::Quarantined).
    pub retries: u32,
    /// Whether it may run twice. Without this mark, what may have run is never run again.
    pub idempotent: bool,
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
    /// How many leases of the worker had ended when its caller got the handle.
    pub(crate) leases: u64,
    pub(crate) id: EvalId,
    /// The epoch on whose state it may build; 0 when on none.
    pub(crate) seen: u64,
    pub(crate) wanted: Wanted,
    pub(crate) completer: Completer,
}

/// What a caller wants evaluated, and how.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) request: Request,
    pub(crate) options: EvalOptions,
    /// Memory for the value's bulk bytes.
    pub(crate) buffer: Option<Vec<u8>>,
}

/// A caller's end of a channel says something.
#[derive(Debug)]
pub(crate) struct ChannelSays {
    pub(crate) name: Arc<str>,
    pub(crate) message: ChannelMessage,
}

/// A caller opens a channel.
#[derive(Debug)]
pub(crate) struct OpenChannel {
    pub(crate) name: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) capacity: u32,
}

/// What a handle asks for, and how many leases of the worker had ended when its caller got it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ByLessee {
    pub(crate) leases: u64,
    pub(crate) order: Order,
}

/// What a handle may ask for besides an evaluation.
#[derive(Debug)]
pub(crate) enum Order {
    Interrupt(Interrupt),
    Stop(Stop),
    Recycle(Recycle),
    Reset,
    Start,
    OpenChannel(OpenChannel),
    ChannelSays(ChannelSays),
}

/// Ends the process of a worker that has nothing to do, for its memory is wanted elsewhere. It gets another one with its
/// next evaluation.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Evict;

/// A lease ended; this many have, with it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct EndLease {
    pub(crate) leases: u64,
    pub(crate) how: OnReturn,
}

/// Answers when the worker is stopped for good.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct AwaitEnd {
    /// How many leases of the worker had ended when the caller got its handle.
    pub(crate) leases: u64,
}

/// Answers [`AwaitEnd`]; at once where there is nothing to wait for.
pub(crate) struct OnceEnded(pub(crate) Option<Rc<RefCell<Core>>>);

impl MessageResponse<Supervisor, AwaitEnd> for OnceEnded {
    fn handle(self, _: &mut actix::Context<Supervisor>, sender: Option<OneshotSender<()>>) {
        if let (Some(core), Some(sender)) = (self.0, sender) {
            Core::enter(&core, |core| core.await_end(sender));
        }
    }
}
