//! Who decides: the supervisor and registry actors, the messages they take, the handle that callers hold, and the pure
//! decisions beside them. Knows no file, socket, process, language or byte format: the world comes in through the
//! [`Evaluator`] trait.

mod channel;
mod core;
mod ending;
mod evaluation;
mod evaluator;
mod exit;
mod exit_text;
mod intake;
mod journal;
mod lease;
mod lifecycle;
mod limits;
mod line;
mod messages;
mod outcome;
#[cfg_attr(not(test), expect(dead_code, reason = "the registry asks it"))]
mod pool;
mod request;
mod restart;
mod spec;
mod supervisor;
mod value;
mod value_de;
mod value_error;
mod value_ser;
#[cfg(test)]
mod value_tests;
mod value_text;
mod worker;

pub use channel::{Channel, ChannelError};
pub use evaluation::{EvalResult, Evaluation};
pub use evaluator::{
    ChannelMessage, Evaluator, Event, Events, Exit, Force, LastBegun, Launch, Reply, ReplyResult, TooLarge,
};
pub use exit::{Asked, Cause, Clock, Enforcer, ExitReport, ExitStatus};
pub use journal::{Counter, Counters, Journal, Subscription, WorkerEvent};
pub use lifecycle::Transition;
pub use messages::{Clean, EvalOptions, Evaluate, GetStatus, Interrupt, Recycle, Reset, Start, Stop};
pub use outcome::{EvalError, Interrupter, NotStarted, Outcome, Printed, Raised, Usage, Warning};
pub use request::{Call, Capabilities, Code, EvalId, Job, Request, Stream};
pub use spec::{EvaluatorFactory, Phase, WorkerSpec, WorkerStatus};
pub use supervisor::Supervisor;
pub use value::{Array, BigInt, Element, Handle, Value};
pub use value_de::from_value;
pub use value_error::ValueError;
pub use value_ser::to_value;
pub use worker::Worker;
