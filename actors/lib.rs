//! Who decides: the supervisor and registry actors, the messages they take, the handle that callers hold, and the pure
//! decisions beside them. Knows no file, socket, process, language or byte format: the world comes in through the
//! [`Evaluator`] trait.

mod evaluator;
mod exit;
mod lease;
#[cfg_attr(not(test), expect(dead_code, reason = "the supervisor's lifecycle asks it"))]
mod limits;
mod outcome;
#[cfg_attr(not(test), expect(dead_code, reason = "the registry asks it"))]
mod pool;
mod request;
#[cfg_attr(not(test), expect(dead_code, reason = "the supervisor's lifecycle asks it"))]
mod restart;
mod value;

pub use evaluator::{ChannelMessage, Evaluator, Event, Events, Exit, Launch, Reply, ReplyResult, Stop, TooLarge};
pub use exit::{Asked, Cause, Clock, Enforcer, ExitReport, ExitStatus};
pub use outcome::{EvalError, Interrupter, NotStarted, Outcome, Printed, Raised, Usage, Warning};
pub use request::{Call, Capabilities, Code, EvalId, Job, Request, Stream};
pub use value::{Array, BigInt, Element, Handle, Value};
