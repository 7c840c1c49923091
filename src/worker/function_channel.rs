//! Channels for functions of the same program. A function has its process to itself while it runs, so its calls block.

use std::rc::Rc;

use oast_actors::{ChannelError, Value};

use super::{
    functions::{current_host, end_if_interrupted},
    runtime::{Blocked, Host},
};

/// The end of a channel that a function in a worker has; its caller has a [`Channel`](oast_actors::Channel).
///
/// ```no_run
/// fn square_all() {
///     let Some(numbers) = oast::function_channel("numbers") else { return };
///     while let Ok(number) = numbers.take() {
///         let number = number.as_i64().unwrap_or(0);
///         if numbers.put(number * number).is_err() {
///             return;
///         }
///     }
/// }
/// ```
pub struct FunctionChannel {
    name: String,
    host: Rc<dyn Host>,
}

/// The channel of this name, which the caller opens. `None` outside of a call. A function that is interrupted while it
/// waits for the channel ends there, as with [`end_if_interrupted`].
pub fn function_channel(name: &str) -> Option<FunctionChannel> {
    Some(FunctionChannel { name: name.to_owned(), host: current_host()? })
}

impl FunctionChannel {
    /// Puts a value, as soon as there is room.
    ///
    /// # Errors
    /// The channel is closed.
    pub fn put(&self, value: impl Into<Value>) -> Result<(), ChannelError> {
        let mut value = value.into();
        loop {
            match self.host.put(&self.name, value) {
                Ok(()) => return Ok(()),
                Err((back, blocked)) => {
                    value = back;
                    self.wait(blocked)?;
                }
            }
        }
    }

    /// Takes the oldest value, as soon as there is one.
    ///
    /// # Errors
    /// The channel is closed and empty.
    pub fn take(&self) -> Result<Value, ChannelError> {
        loop {
            match self.host.take(&self.name) {
                Ok(value) => return Ok(value),
                Err(blocked) => self.wait(blocked)?,
            }
        }
    }

    /// Closes both ends. Values that were put can still be taken.
    pub fn close(&self) {
        self.host.close(&self.name);
    }

    /// Whether values can still be put.
    pub fn is_open(&self) -> bool {
        self.host.is_open(&self.name)
    }

    fn wait(&self, blocked: Blocked) -> Result<(), ChannelError> {
        end_if_interrupted();
        match blocked {
            Blocked::Wait if self.host.wait() => Ok(()),
            Blocked::Wait | Blocked::Closed => Err(ChannelError::Closed),
        }
    }
}

impl std::fmt::Debug for FunctionChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionChannel").field("name", &self.name).finish_non_exhaustive()
    }
}
