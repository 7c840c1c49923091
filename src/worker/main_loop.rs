//! Takes messages one after another, gives evaluations to the runtime, and sends its answers. The same loop serves in a
//! worker process, behind a socket, and on a thread of the host, behind a queue: [`Link`] and [`Outlet`] hide which.

use std::{
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};

use oast_actors::{EvalId, Job, Reply as WireReply, ReplyResult, Request, Stream, Usage, Value};

use super::{
    host::WorkerHost,
    inbox::{Inbox, Pump},
    interrupts::Interrupts,
    meter::Meter,
    runtime::{Failure, Reply, Runtime},
};
use crate::wire::{FromWorker, Replied, ToWorker};

/// Where messages come from.
pub(crate) trait Link {
    /// The next message. What was said is sent before this waits.
    fn receive(&mut self, wait: Wait) -> Received;
}

/// Where messages and prints go.
pub(crate) trait Outlet {
    /// Says something, at the latest when the loop waits next.
    fn say(&self, message: FromWorker);

    /// Sends what was said.
    fn flush(&self);

    /// Prints something.
    fn print(&self, id: Option<EvalId>, stream: Stream, bytes: &[u8]);

    /// An evaluation is about to reach the code. False when it must not, since the host has given up this worker.
    fn begins(&self, id: EvalId) -> bool;

    /// Code is about to run, nobody knows for how long: what was said must not wait for it.
    fn will_take_time(&self);
}

/// How long to wait for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// As long as it takes.
    Forever,
    /// Until then.
    Until(Instant),
}

/// What came.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message.
    Message(ToWorker),
    /// Nothing in time.
    Nothing,
    /// The host is gone, or is done with this worker.
    Gone,
}

/// The loop of one worker.
pub(crate) struct MainLoop<'a, L> {
    inbox: Rc<Inbox<L>>,
    outlet: Rc<dyn Outlet>,
    host: Rc<WorkerHost>,
    interrupts: Arc<Interrupts>,
    runtime: &'a mut dyn Runtime,
    /// Those that wait within the runtime.
    waiting: Vec<(EvalId, Began)>,
    meter: Meter,
    leaving: bool,
}

#[derive(Clone, Copy, Debug)]
struct Began {
    at: Instant,
    fetch: bool,
}

impl<'a, L: Link + 'static> MainLoop<'a, L> {
    pub(crate) fn new(
        link: L,
        outlet: Rc<dyn Outlet>,
        host: Rc<WorkerHost>,
        interrupts: Arc<Interrupts>,
        runtime: &'a mut dyn Runtime,
    ) -> Self {
        let inbox = Rc::new(Inbox::new(link));
        host.pump_from(Rc::downgrade(&inbox) as Weak<dyn Pump>);
        Self { inbox, outlet, host, interrupts, runtime, waiting: Vec::new(), meter: Meter::default(), leaving: false }
    }

    /// Serves until the host is gone or done with this worker.
    pub(crate) fn run(&mut self) {
        let mut ended = Vec::new();
        while !(self.leaving && self.waiting.is_empty()) {
            let wait = self.runtime.wake_at().map_or(Wait::Forever, Wait::Until);
            let received = self.inbox.next(wait);
            let resume = match received {
                Received::Gone => return,
                Received::Nothing => true,
                Received::Message(message) => self.hear(message, &mut ended),
            };
            if resume {
                self.outlet.will_take_time();
                self.runtime.resume(&mut ended);
            }
            for (id, reply) in ended.drain(..) {
                self.end_waiting(id, reply);
            }
        }
        self.outlet.flush();
    }

    /// Handles one message, and says whether the runtime may have something to do now.
    fn hear(&mut self, message: ToWorker, ended: &mut Vec<(EvalId, Reply)>) -> bool {
        match message {
            ToWorker::Evaluate(id, request) => self.evaluate(id, request),
            ToWorker::Interrupt(id) => {
                if let Some(reply) = self.runtime.interrupt(id) {
                    ended.push((id, reply));
                }
                !self.waiting.is_empty()
            }
            ToWorker::Reset => {
                self.runtime.reset(ended);
                self.host.channels().clear();
                self.outlet.say(FromWorker::ResetDone);
                false
            }
            ToWorker::Channel(name, message) => {
                self.host.channels().hear(name, message);
                true
            }
            ToWorker::Shutdown => {
                self.leaving = true;
                false
            }
        }
    }

    /// Whether the runtime may have something to do afterwards.
    fn evaluate(&mut self, id: EvalId, request: Request) -> bool {
        if self.interrupts.contains(id) {
            self.reply(id, ReplyResult::Withdrawn, None, Usage::default());
            return false;
        }
        let capabilities = self.runtime.capabilities();
        let able = match request.job {
            Job::Code(_) => capabilities.evaluates,
            Job::Call(_) => capabilities.calls,
        };
        if !able {
            self.reply(id, ReplyResult::Unsupported, None, Usage::default());
            return false;
        }
        if !self.outlet.begins(id) {
            return false;
        }
        self.outlet.will_take_time();
        let began = Began { at: Instant::now(), fetch: request.fetch };
        match self.runtime.start(id, request) {
            Some(reply) => self.answer(id, reply, began),
            None => {
                self.waiting.push((id, began));
                self.outlet.say(FromWorker::Suspended(id));
            }
        }
        !self.waiting.is_empty() || self.runtime.wake_at().is_some()
    }

    fn end_waiting(&mut self, id: EvalId, reply: Reply) {
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == id) {
            let (_, began) = self.waiting.swap_remove(at);
            self.answer(id, reply, began);
        }
    }

    fn answer(&mut self, id: EvalId, reply: Reply, began: Began) {
        let result = match reply.result {
            Ok(value) if began.fetch => ReplyResult::Value(value),
            Ok(_) => ReplyResult::Value(Value::Null),
            Err(Failure::Raised(raised)) => ReplyResult::Raised(raised),
            Err(Failure::Interrupted) => ReplyResult::Interrupted,
        };
        let text = if began.fetch { reply.text } else { Some(String::new()) };
        let usage = self.meter.usage(began.at.elapsed());
        self.reply(id, result, text, usage);
    }

    fn reply(&self, id: EvalId, result: ReplyResult, text: Option<String>, usage: Usage) {
        let (stdout_end, stderr_end) = self.host.positions();
        let reply = WireReply { result, text, usage };
        self.outlet.say(FromWorker::Replied(id, Replied { reply, stdout_end, stderr_end }));
    }
}
