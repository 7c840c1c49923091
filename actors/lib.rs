//! Who decides: the supervisor and registry actors, the messages they take, the handle that callers hold, and the pure
//! decisions beside them. Knows no file, socket, process, language or byte format: the world comes in through the
//! [`Evaluator`] trait.

mod evaluator;
mod exit;
mod outcome;
mod request;
mod value;
mod value_de;
mod value_error;
mod value_ser;
mod value_text;

#[cfg(test)]
mod value_tests;

pub use evaluator::{ChannelMessage, Evaluator, Event, Events, Exit, Launch, Reply, ReplyResult, Stop, TooLarge};
pub use exit::{Asked, Cause, Clock, Enforcer, ExitReport, ExitStatus};
pub use outcome::{EvalError, Interrupter, NotStarted, Outcome, Printed, Raised, Usage, Warning};
pub use request::{Call, Capabilities, Code, EvalId, Job, Request, Stream};
pub use value::{Array, BigInt, Element, Handle, Value};
pub use value_de::from_value;
pub use value_error::ValueError;
pub use value_ser::to_value;
