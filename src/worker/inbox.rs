//! Messages in the order in which they came. The main loop takes them one after another; code that waits for a channel in
//! the midst of an evaluation takes channel messages out of turn, and leaves all others where they were.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Instant,
};

use oast_actors::ChannelMessage;

use super::main_loop::{Link, Received, Wait};
use crate::wire::ToWorker;

/// Messages that came and were not handled yet, and where more come from.
pub(crate) struct Inbox<L> {
    link: RefCell<L>,
    /// What came while somebody waited for a channel. The host sends no more ahead than the runtime said it takes.
    backlog: RefCell<VecDeque<ToWorker>>,
    gone: Cell<bool>,
}

/// Takes channel messages out of turn.
pub(crate) trait Pump {
    /// The next channel message, if one comes until then.
    fn pump(&self, until: Instant) -> Pumped;
}

/// What came for a channel.
#[derive(Debug)]
pub(crate) enum Pumped {
    /// This.
    Message(String, ChannelMessage),
    /// Nothing yet.
    Nothing,
    /// The host is gone.
    Gone,
}

impl<L: Link> Inbox<L> {
    pub(crate) const fn new(link: L) -> Self {
        Self { link: RefCell::new(link), backlog: RefCell::new(VecDeque::new()), gone: Cell::new(false) }
    }

    /// The next message in turn.
    pub(crate) fn next(&self, wait: Wait) -> Received {
        let waiting = self.backlog.borrow_mut().pop_front();
        match waiting {
            Some(message) => Received::Message(message),
            None if self.gone.get() => Received::Gone,
            None => self.link.borrow_mut().receive(wait),
        }
    }
}

impl<L: Link> Pump for Inbox<L> {
    fn pump(&self, until: Instant) -> Pumped {
        match self.link.borrow_mut().receive(Wait::Until(until)) {
            Received::Message(ToWorker::Channel(name, message)) => Pumped::Message(name, message),
            Received::Message(other) => {
                self.backlog.borrow_mut().push_back(other);
                Pumped::Nothing
            }
            Received::Nothing => Pumped::Nothing,
            Received::Gone => {
                self.gone.set(true);
                Pumped::Gone
            }
        }
    }
}
