//! A custom evaluator: code may run anywhere, as long as something implements [`Evaluator`]. This one counts words, on
//! the supervisor's own thread, and gets queues, limits, restarts and handles for it.
//!
//! Run with `cargo run --example custom_evaluator`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use oast::{
    Capabilities, ChannelMessage, EvalId, Evaluator, Event, Events, Exit, ExitStatus, Force, Job, LastBegun, Launch,
    Oast, Reply, ReplyResult, Request, Spec, TooLarge, Usage, Value, config::Config,
};

/// Counts the words of whatever it is given to evaluate.
#[derive(Default)]
struct WordCounter {
    events: Option<Events>,
}

impl WordCounter {
    /// An evaluator answers from outside its own calls: here, from a task on the same thread.
    fn say(&self, event: Event) {
        if let Some(events) = self.events.clone() {
            actix_rt::spawn(async move { events.send(event) });
        }
    }
}

impl Evaluator for WordCounter {
    fn start(&mut self, _: Launch, events: Events) {
        self.events = Some(events);
        let capabilities = Capabilities { evaluates: true, resets: true, ahead: 16, ..Capabilities::default() };
        self.say(Event::Ready { pid: 0, capabilities });
    }

    fn evaluate(&mut self, id: EvalId, request: &Request) -> Result<(), TooLarge> {
        let result = match &request.job {
            Job::Code(code) => ReplyResult::Value(Value::from(code.source.split_whitespace().count() as i64)),
            Job::Call(_) => ReplyResult::Unsupported,
        };
        self.say(Event::Replied(id, Reply { result, text: None, usage: Usage::default() }));
        Ok(())
    }

    /// Counting is over before an interrupt can come.
    fn interrupt(&mut self, _: EvalId) {}

    fn reset(&mut self) {
        self.say(Event::Reset);
    }

    fn channel(&mut self, _: &str, _: ChannelMessage) -> Result<(), TooLarge> {
        Ok(())
    }

    fn stop(&mut self, _: Force) {
        let (status, last_begun) = (Some(ExitStatus::Code(0)), LastBegun::Unknown);
        self.say(Event::Exited(Exit { status, last_begun, ..Exit::default() }));
    }

    /// There is no process to measure.
    fn sample(&mut self) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    oast::init();
    let oast = Oast::start(Config::default())?;
    let counter = oast.blocking().worker(Spec::custom("counter", WordCounter::default))?;
    for text in ["", "one", "all work and no play"] {
        println!("{text:?} has {} words", counter.eval(text)?.text);
    }
    Ok(())
}
