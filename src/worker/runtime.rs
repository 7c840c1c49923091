//! What runs code inside a worker process. One thread owns it; it never sees a socket.

use std::time::Instant;

use oast_actors::{Capabilities, EvalId, Raised, Request, Stream, Value};

/// How one evaluation ended inside the worker process.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its value, or why there is none.
    pub(crate) result: Result<Value, Failure>,
    /// The value as the runtime prints it. `None` where the value's own text says the same.
    pub(crate) text: Option<String>,
}

/// Why an evaluation has no value.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The code raised an error.
    Raised(Raised),
    /// The evaluation was interrupted.
    Interrupted,
}

/// Runs code. Serial runtimes end every evaluation in [`start`](Self::start).
pub(crate) trait Runtime {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Begins an evaluation and runs it until it ends or waits. `None` when it waits: it ends in a later [`resume`](Self::resume).
    fn start(&mut self, id: EvalId, request: Request) -> Option<Reply>;

    /// Runs whatever has become ready (jobs, timers, channel messages) and adds the evaluations that ended.
    fn resume(&mut self, ended: &mut Vec<(EvalId, Reply)>);

    /// When [`resume`](Self::resume) wants to be called even if nothing arrives; `None` when nothing waits for time.
    fn wake_at(&self) -> Option<Instant>;

    /// Ends an evaluation that waits. `None` when `id` does not name one.
    fn interrupt(&mut self, id: EvalId) -> Option<Reply>;

    /// Drops all state, as if the process were new. Evaluations that wait are ended as interrupted and added to `ended`.
    fn reset(&mut self, ended: &mut Vec<(EvalId, Reply)>);
}

/// What the worker process does for its runtime.
pub(crate) trait Host {
    /// Prints on behalf of an evaluation; `None` when no evaluation is known to be the cause.
    fn print(&self, id: Option<EvalId>, stream: Stream, bytes: &[u8]);

    /// Whether this evaluation is to end. Cheap: it may be asked every few thousand instructions.
    fn is_interrupted(&self, id: EvalId) -> bool;

    /// Puts a value into a channel towards the caller. `Err` gives the value back.
    fn put(&self, channel: &str, value: Value) -> Result<(), (Value, Blocked)>;

    /// Takes the oldest value that the caller put into a channel.
    fn take(&self, channel: &str) -> Result<Value, Blocked>;

    /// Closes a channel from both ends: values that were put can still be taken.
    fn close(&self, channel: &str);

    /// Waits a moment for something to come for a channel; false when nothing will. For runtimes that run one evaluation
    /// after another: the others are called when something came.
    fn wait(&self) -> bool;

    /// Whether a channel is open. A channel that nobody has named before is opened by being named.
    fn is_open(&self, channel: &str) -> bool;
}

/// Why a channel gave or took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Full, or empty: try again after the next [`Runtime::resume`].
    Wait,
    /// The channel is closed.
    Closed,
}
