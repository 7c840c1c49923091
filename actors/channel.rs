//! Channels between a caller and the code in a worker process: bounded both ways, closable from both ends, and closed
//! by the end of the process. The sender may have as many values under way as the receiver has room for; each value
//! that is taken makes room for one more.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use thiserror::Error;

use crate::{ChannelMessage, NotStarted, Value, Worker};

/// A caller's end of a channel. What it puts, the code in the worker process takes, and the other way round, in order.
#[derive(Clone, Debug)]
pub struct Channel {
    name: Arc<str>,
    worker: Worker,
    endpoint: Endpoint,
}

/// Why a channel gave or took nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// It was closed, or its worker process ended.
    #[error("the channel is closed")]
    Closed,
    /// There was a channel of its name before in this worker process.
    #[error("the worker process has, or had, a channel of this name")]
    NameTaken,
    /// The worker's supervisor cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] NotStarted),
}

/// What a [`Channel`] and its supervisor share.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    inbox: VecDeque<Value>,
    capacity: usize,
    /// How many more values the other side has room for.
    room: u32,
    closed: bool,
    refused: bool,
    wakers: Vec<Waker>,
}

impl Channel {
    pub(crate) const fn new(name: Arc<str>, worker: Worker, endpoint: Endpoint) -> Self {
        Self { name, worker, endpoint }
    }

    /// Its name, which the code in the worker process uses too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts a value, as soon as there is room.
    ///
    /// # Errors
    /// The channel is closed, or the supervisor gone.
    pub async fn put(&self, value: impl Into<Value>) -> Result<(), ChannelError> {
        let room = |shared: &mut Shared| match (shared.closed, shared.room) {
            (true, _) => Some(Err(shared.why_closed())),
            (false, 0) => None,
            (false, _) => {
                shared.room -= 1;
                Some(Ok(()))
            }
        };
        self.endpoint.wait(room).await?;
        Ok(self.worker.channel_says(&self.name, ChannelMessage::Put(value.into()))?)
    }

    /// Takes the oldest value, as soon as there is one.
    ///
    /// # Errors
    /// The channel is closed and empty.
    pub async fn take(&self) -> Result<Value, ChannelError> {
        let value = self.endpoint.wait(|shared| shared.next().transpose()).await?;
        self.taken(1);
        Ok(value)
    }

    /// Takes the oldest value, if there is one now.
    ///
    /// # Errors
    /// The channel is closed and empty.
    pub fn try_take(&self) -> Result<Option<Value>, ChannelError> {
        let value = self.endpoint.lock().next()?;
        if value.is_some() {
            self.taken(1);
        }
        Ok(value)
    }

    /// Whether a value is waiting.
    pub fn is_ready(&self) -> bool {
        !self.endpoint.lock().inbox.is_empty()
    }

    /// Whether values can still be put.
    pub fn is_open(&self) -> bool {
        !self.endpoint.lock().closed
    }

    /// Closes both ends. Values that were put can still be taken.
    pub fn close(&self) {
        if !self.endpoint.close() {
            return;
        }
        // When the supervisor is gone, so is the other end.
        drop(self.worker.channel_says(&self.name, ChannelMessage::Close));
    }

    fn taken(&self, count: u32) {
        // When the supervisor is gone, nobody waits for room.
        drop(self.worker.channel_says(&self.name, ChannelMessage::Taken(count)));
    }
}

impl Endpoint {
    pub(crate) fn new(capacity: u32) -> Self {
        let shared = Shared {
            inbox: VecDeque::new(),
            capacity: capacity as usize,
            room: capacity,
            closed: false,
            refused: false,
            wakers: Vec::new(),
        };
        Self(Arc::new(Mutex::new(shared)))
    }

    /// The worker process says something. What the protocol does not allow is an error.
    pub(crate) fn hear(&self, message: ChannelMessage) -> Result<(), &'static str> {
        let mut shared = self.lock();
        match message {
            ChannelMessage::Open { .. } => return Err("it opened a channel that its caller opens"),
            ChannelMessage::Put(_) if shared.inbox.len() >= shared.capacity => {
                return Err("it put more into a channel than there is room for");
            }
            ChannelMessage::Put(value) => shared.inbox.push_back(value),
            ChannelMessage::Taken(count) => {
                let room = shared.room.saturating_add(count);
                if room as usize > shared.capacity {
                    return Err("it took more from a channel than was put");
                }
                shared.room = room;
            }
            ChannelMessage::Close => shared.closed = true,
        }
        wake_all(shared);
        Ok(())
    }

    /// It cannot be opened, because of its name.
    pub(crate) fn refuse(&self) {
        self.lock().refused = true;
        self.close();
    }

    /// Closes it; false if it was closed already.
    pub(crate) fn close(&self) -> bool {
        let mut shared = self.lock();
        let was_open = !std::mem::replace(&mut shared.closed, true);
        wake_all(shared);
        was_open
    }

    async fn wait<T>(
        &self,
        mut ready: impl FnMut(&mut Shared) -> Option<Result<T, ChannelError>>,
    ) -> Result<T, ChannelError> {
        poll_fn(|context| {
            let mut shared = self.lock();
            match ready(&mut shared) {
                Some(result) => Poll::Ready(result),
                None => {
                    shared.wakers.retain(|waker| !waker.will_wake(context.waker()));
                    shared.wakers.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    const fn why_closed(&self) -> ChannelError {
        if self.refused { ChannelError::NameTaken } else { ChannelError::Closed }
    }

    fn next(&mut self) -> Result<Option<Value>, ChannelError> {
        match self.inbox.pop_front() {
            None if self.closed => Err(self.why_closed()),
            value => Ok(value),
        }
    }
}

fn wake_all(mut shared: MutexGuard<'_, Shared>) {
    let wakers = std::mem::take(&mut shared.wakers);
    drop(shared);
    wakers.into_iter().for_each(Waker::wake);
}
