//! The worker process's ends of its channels. What it puts, the caller takes, and the other way round; each side may
//! have as many values under way as the other has room for. The caller opens a channel; until then it takes nothing.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
};

use oast_actors::{ChannelMessage, Value};

use super::runtime::Blocked;

/// Which names the code may know without a caller having opened them.
const MOST_NAMES: usize = 4096;

/// All channels of one worker process.
#[derive(Debug, Default)]
pub(crate) struct Channels(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<String, End>,
    closed: HashSet<String>,
}

#[derive(Debug, Default)]
struct End {
    inbox: VecDeque<Value>,
    /// How many more values the caller has room for.
    room: u32,
    closed: bool,
}

impl Channels {
    /// The caller says something.
    pub(crate) fn hear(&self, name: String, message: ChannelMessage) {
        let mut inner = self.0.borrow_mut();
        if let ChannelMessage::Open { capacity } = message {
            inner.closed.remove(&name);
            inner.open.insert(name, End { room: capacity, ..End::default() });
            return;
        }
        let Some(end) = inner.open.get_mut(&name) else { return };
        match message {
            ChannelMessage::Put(value) => end.inbox.push_back(value),
            ChannelMessage::Taken(count) => end.room = end.room.saturating_add(count),
            ChannelMessage::Close => end.closed = true,
            ChannelMessage::Open { .. } => {}
        }
    }

    /// Takes a value on its way to the caller, if there is room for it.
    pub(crate) fn put(&self, name: &str, value: Value) -> Result<ChannelMessage, (Value, Blocked)> {
        let mut inner = self.0.borrow_mut();
        if inner.closed.contains(name) {
            return Err((value, Blocked::Closed));
        }
        match inner.open.get_mut(name) {
            Some(end) if end.closed => Err((value, Blocked::Closed)),
            Some(end) if end.room > 0 => {
                end.room -= 1;
                Ok(ChannelMessage::Put(value))
            }
            Some(_) | None => Err((value, Blocked::Wait)),
        }
    }

    /// The oldest value from the caller.
    pub(crate) fn take(&self, name: &str) -> Result<Value, Blocked> {
        let mut inner = self.0.borrow_mut();
        if inner.closed.contains(name) {
            return Err(Blocked::Closed);
        }
        let Some(end) = inner.open.get_mut(name) else { return Err(Blocked::Wait) };
        let otherwise = if end.closed { Blocked::Closed } else { Blocked::Wait };
        end.inbox.pop_front().ok_or(otherwise)
    }

    /// Closes a channel, for good or until the caller opens it anew. False if it was closed.
    pub(crate) fn close(&self, name: &str) -> bool {
        let mut inner = self.0.borrow_mut();
        if let Some(end) = inner.open.get_mut(name) {
            return !std::mem::replace(&mut end.closed, true);
        }
        inner.closed.len() < MOST_NAMES && inner.closed.insert(name.to_owned())
    }

    pub(crate) fn is_open(&self, name: &str) -> bool {
        let inner = self.0.borrow();
        !inner.closed.contains(name) && inner.open.get(name).is_none_or(|end| !end.closed)
    }

    /// Forgets all channels.
    pub(crate) fn clear(&self) {
        *self.0.borrow_mut() = Inner::default();
    }
}
