//! A caller among actors: it takes [`Evaluate`] as any actor would, and hands it on as the handle that it holds. So what
//! holds for a handle holds for it: it ends with its lease, and is told when state is lost.

use actix::{
    Actor, Addr, Context, Handler,
    dev::{MessageResponse, OneshotSender, channel},
};

use crate::{EvalResult, Evaluate, Worker};

/// Hands evaluations on.
pub(crate) struct Caller(pub(crate) Worker);

/// Answers [`Evaluate`] later, without a future of its own in an actor's context.
pub(crate) struct Later {
    caller: Worker,
    evaluate: Evaluate,
}

impl Caller {
    /// Lives on this thread's arbiter. Its mailbox takes everything: who may wait is decided at the worker's door.
    pub(crate) fn start_here(self) -> Addr<Self> {
        let (_, receiver) = channel::channel(0);
        Context::with_receiver(receiver).run(self)
    }
}

impl Actor for Caller {
    type Context = Context<Self>;
}

impl Handler<Evaluate> for Caller {
    type Result = Later;

    fn handle(&mut self, evaluate: Evaluate, _: &mut Context<Self>) -> Later {
        Later { caller: self.0.same_caller(), evaluate }
    }
}

impl MessageResponse<Caller, Evaluate> for Later {
    fn handle(self, _: &mut Context<Caller>, sender: Option<OneshotSender<EvalResult>>) {
        self.caller.submit_for(self.evaluate, sender);
    }
}
