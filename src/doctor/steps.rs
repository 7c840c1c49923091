//! What confines a worker process, for whoever wants to read it or to carry it out.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use thiserror::Error;

use crate::{
    config::Profile,
    sandbox::{
        Failed, Plan,
        steps::{self, Step},
    },
};

/// What confines a worker process, call by call, but for control groups. Displays as text, in the manner of `strace(1)`.
///
/// It serializes to a list that a program in any language can carry out in a process with one thread: the steps of `join` and `enter` in
/// order; then, where it `has_processes`, in a process that is forked then; those of `confine`.
///
/// - A step is left out where one of the parts that it `needs` is lacking, and where none is lacking of those in `unless`, if there
///   are any.
/// - Its `call` is the system call with that `number`. Each of the `arguments` is a `number`; or a pointer to `text` that ends with
///   a zero, to `bytes`, or to a `program` (a `struct sock_fprog` that points to these bytes); or what was `kept` in a slot;
///   or a pointer to what is `beneath`: eight bytes of a number, and four of what was kept.
/// - What it returns is kept in the slot `keep`.
/// - An error (a number of `errno(3)`) that it `forgives`, because it is among `errors` or they are null, is none; where that says
///   `lacking`, the last part that the step needs is lacking from then on. Any other error means that the process must not run any
///   code.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Steps(steps::Steps);

/// A step that would fail, as far as a look tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("failed to {step}: {errno}")]
pub struct StepsError {
    step: &'static str,
    errno: rustix::io::Errno,
}

/// What confines a worker process of a profile on this machine, where it is given the directory that it starts in: this one.
///
/// # Errors
/// The profile requires what is not here.
pub fn steps(profile: &Profile) -> Result<Steps, StepsError> {
    let steps = Plan::of(profile).steps();
    steps.map(Steps).map_err(|Failed { step, errno }| StepsError { step, errno })
}

impl Display for Steps {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let steps::Steps { join, enter, confine, has_processes } = &self.0;
        let mut list = |title: &str, steps: &mut dyn Iterator<Item = &Step>| {
            let mut steps = steps.peekable();
            steps.peek().map_or(Ok(()), |_| writeln!(f, "{title}"))?;
            steps.try_for_each(|step| writeln!(f, "  {step}"))
        };
        list("Before any code, in a process with one thread:", &mut join.iter().chain(enter))?;
        let forked = "Then, in a process that is forked into the new namespace:";
        list(if *has_processes { forked } else { "Then:" }, &mut confine.iter())
    }
}
