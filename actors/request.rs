//! What a caller asks of a worker, and the numbers that name things.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Names one evaluation within its supervisor. Ids go up in the order in which evaluations are sent, and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvalId(pub u64);

impl fmt::Display for EvalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One evaluation: what to run, and whether its value is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What to run.
    pub job: Job,
    /// Whether the value travels back. If not, it stays in the worker process and the caller gets [`Value::Null`](crate::Value::Null).
    pub fetch: bool,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Job {
    /// Source text in the runtime's language.
    Code(Code),
    /// A function of the same program.
    Call(Call),
}

/// Source text in the runtime's language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The text.
    pub source: String,
    /// The name that errors give the text: a path, `cell 3`. A runtime chooses one when it is empty.
    pub name: String,
    /// Whether the text is a module with its own scope rather than a cell of a session.
    pub module: bool,
    /// What the code finds as its command-line arguments.
    pub arguments: Vec<String>,
}

/// A function of the same program, with encoded arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Where the function is in the program's image.
    pub function: u64,
    /// The arguments, in the encoding that the caller and the function agree on.
    pub arguments: Bytes,
    /// Bulk bytes that the arguments refer to by their place in this list.
    pub attachments: Vec<Bytes>,
}

/// One of the two streams that a program prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a runtime can do. It is told in the worker process's hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// An evaluation that waits lets others run.
    pub interleaves: bool,
    /// An interrupt ends a running evaluation and leaves the process usable.
    pub interrupts: bool,
    /// Its state can be dropped without a new process.
    pub resets: bool,
    /// It evaluates source text.
    pub evaluates: bool,
    /// It calls functions of the same program.
    pub calls: bool,
    /// How many evaluations it takes ahead of the running one.
    pub ahead: u32,
}
