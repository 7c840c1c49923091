//! Who decides: the supervisor and registry actors, the messages they take, the handle that callers hold, and the pure
//! decisions beside them. Knows no file, socket, process, language or byte format: the world comes in through the
//! [`Evaluator`] trait.

pub mod blocking;
mod budget;
mod caller;
mod channel;
mod checkout;
mod core;
mod ending;
mod evaluation;
mod evaluator;
mod exit;
mod exit_text;
mod intake;
mod journal;
mod lease;
mod lease_handle;
mod lifecycle;
mod limits;
mod line;
mod member;
mod messages;
mod observer;
mod outcome;
mod pool;
mod recycling;
mod registry;
mod request;
mod restart;
mod retries;
mod roster;
mod spec;
mod supervisor;
mod system;
mod value;
mod value_de;
mod value_error;
mod value_ser;
#[cfg(test)]
mod value_tests;
mod value_text;
mod worker;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod supervisor_tests;

pub use blocking::{BlockingChannel, BlockingSystem, BlockingWorker};
pub use channel::{Channel, ChannelError};
pub use checkout::{
    Checkout, CheckoutError, DefinePool, Drain, Forget, List, Placement, Pressure, Reconfigure, ResetWorker, Settings,
    Snapshot, TakeLease, TakeSnapshot,
};
pub use evaluation::{EvalResult, Evaluation};
pub use evaluator::{
    ChannelMessage, Evaluator, Event, Events, Exit, Force, LastBegun, Launch, Reply, ReplyResult, TooLarge,
};
pub use exit::{Asked, Cause, Clock, Enforcer, ExitReport, ExitStatus};
pub use journal::{Counter, Counters, Counts, Journal, Subscription, WorkerEvent};
pub use lease::Capacity;
pub use lease_handle::Lease;
pub use lifecycle::Transition;
pub use messages::{Clean, EvalOptions, Evaluate, GetStatus, Interrupt, Recycle, Reset, Start, Stop};
pub use outcome::{EvalError, Interrupter, NotStarted, Outcome, Printed, Raised, Usage, Warning};
pub use pool::PoolStatus;
pub use registry::Registry;
pub use request::{Call, Capabilities, Code, EvalId, Job, Request, Stream};
pub use spec::{EvaluatorFactory, Phase, WorkerSpec, WorkerStatus};
pub use supervisor::Supervisor;
pub use system::System;
pub use value::{Array, BigInt, Element, Handle, Value};
pub use value_de::from_value;
pub use value_error::ValueError;
pub use value_ser::to_value;
pub use worker::Worker;
