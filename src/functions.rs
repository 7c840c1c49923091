//! Functions of the same program that run in a worker process: how a call becomes a [`Request`], and a value the result.
//! What happens in between is in `worker/functions.rs`; how a function is found there, in `worker/entry.rs`.
//!
//! ```
//! # use oast::Blob;
//! fn halve(image: Blob, quality: u32) -> Result<Blob, String> {
//!     if quality > 100 {
//!         return Err(format!("{quality} is more than 100"));
//!     }
//!     Ok(image[..image.len() / 2].to_vec().into())
//! }
//! let request = oast::call_request(halve, (Blob::from(vec![0; 8]), 90));
//! # request.unwrap();
//! ```

use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use oast_actors::{
    BlockingWorker, Call, EvalError, EvalOptions, EvalResult, Evaluation, Job, Raised, Request, Value, Worker,
    blocking::wait,
};
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use crate::{
    wire::Blob,
    worker::{Arguments, Callable, FunctionChannel, end_if_interrupted, function_channel, interrupted},
};
use crate::{
    wire::{Encoded, decode_arguments, encode_arguments},
    worker::Entry,
};

/// Why a call has no result.
#[derive(Debug, Error)]
pub enum CallError {
    /// The function is in a shared library: a worker process cannot find it.
    #[error("the function is not in the main program, but in a shared library")]
    NotInProgram,
    /// The arguments cannot be encoded.
    #[error("the arguments cannot be encoded: {0}")]
    Arguments(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What came back is not an encoded result of the function's type.
    #[error("the result cannot be decoded: {0}")]
    Result(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The function panicked. Its worker process lives on.
    #[error("the function raised {0}")]
    Raised(#[source] Raised),
    /// The call has no outcome.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
}

/// Makes a request that calls `function` with `arguments`, a tuple, in a worker process of the same program.
///
/// The function is a plain one, or a closure that captures nothing: nothing but the arguments travels. [`decode_result`]
/// turns the value of the evaluation into what the function returned.
///
/// # Errors
/// The arguments cannot be encoded, or the function is not in the main program.
pub fn call_request<F, A>(function: F, arguments: A) -> Result<Request, CallError>
where
    F: Callable<A>,
    A: Arguments,
{
    let function = Entry::of(function).place().ok_or(CallError::NotInProgram)?;
    let encoded = encode_arguments(&arguments).map_err(|cause| CallError::Arguments(cause.into()))?;
    let call = Call { function, arguments: encoded.bytes, attachments: encoded.attachments };
    Ok(Request { job: Job::Call(call), fetch: true })
}

/// Turns the value of a request that [`call_request`] made into what the function returned.
///
/// # Errors
/// The value is not an encoded `R`: the worker process is not of the same program, or it was tampered with; or `R` is
/// nested deeper than 128.
pub fn decode_result<R: DeserializeOwned>(value: Value) -> Result<R, CallError> {
    let encoded = Encoded::from_value(value).ok_or_else(|| CallError::Result("it is not encoded".into()))?;
    decode_arguments(encoded).map_err(|cause| CallError::Result(cause.into()))
}

/// Calls functions of this program in a worker.
pub trait CallExt {
    /// Calls `function` with `arguments`, a tuple. It runs whether or not the answer is awaited.
    fn call<F, A>(&self, function: F, arguments: A) -> Calling<F::Output>
    where
        F: Callable<A>,
        A: Arguments;
}

impl CallExt for Worker {
    fn call<F, A>(&self, function: F, arguments: A) -> Calling<F::Output>
    where
        F: Callable<A>,
        A: Arguments,
    {
        let request = call_request(function, arguments);
        let evaluation = request.map(|request| self.submit(request, EvalOptions::default()));
        Calling { evaluation: evaluation.map_err(Some), result: PhantomData }
    }
}

/// Calls functions of this program in a worker, and waits for what they return.
pub trait BlockingCallExt {
    /// Calls `function` with `arguments`, a tuple, and waits as [`blocking::wait`](oast_actors::blocking::wait) does.
    ///
    /// # Errors
    /// As [`CallExt::call`]'s.
    fn call<F, A>(&self, function: F, arguments: A) -> Result<F::Output, CallError>
    where
        F: Callable<A>,
        A: Arguments;
}

impl BlockingCallExt for BlockingWorker {
    fn call<F, A>(&self, function: F, arguments: A) -> Result<F::Output, CallError>
    where
        F: Callable<A>,
        A: Arguments,
    {
        wait(self.worker().call(function, arguments))
    }
}

/// A call that runs. Awaited, it gives what the function returned.
#[derive(Debug)]
#[must_use = "await it for its result"]
pub struct Calling<R> {
    /// The error is given once.
    evaluation: Result<Evaluation, Option<CallError>>,
    result: PhantomData<fn() -> R>,
}

impl<R> Calling<R> {
    /// The evaluation behind it, to interrupt it or to follow its output; `None` when it was never sent.
    pub const fn evaluation(&mut self) -> Option<&mut Evaluation> {
        match &mut self.evaluation {
            Ok(evaluation) => Some(evaluation),
            Err(_) => None,
        }
    }
}

impl<R: DeserializeOwned> Future for Calling<R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.evaluation {
            Ok(evaluation) => Pin::new(evaluation).poll(context).map(decode),
            Err(error) => Poll::Ready(Err(error.take().expect("a call was polled after it had given its result"))),
        }
    }
}

fn decode<R: DeserializeOwned>(result: EvalResult) -> Result<R, CallError> {
    decode_result(result?.result.map_err(CallError::Raised)?)
}
