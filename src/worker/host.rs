//! What the worker process does for its runtime: it prints, knows of interrupts, and carries channel values.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use oast_actors::{ChannelMessage, EvalId, Stream, Value};

use super::{
    channels::Channels,
    inbox::{Pump, Pumped},
    interrupts::Interrupts,
    main_loop::Outlet,
    runtime::{Blocked, Host},
};
use crate::wire::FromWorker;

/// The [`Host`] of every runtime, whatever carries its messages.
pub(crate) struct WorkerHost {
    outlet: Rc<dyn Outlet>,
    interrupts: Arc<Interrupts>,
    channels: Channels,
    printed: [Printed; 2],
    /// Where channel messages come from in the midst of an evaluation. It has this host, so this has it weakly.
    pump: RefCell<Option<Weak<dyn Pump>>>,
}

/// How long an interrupt may go unnoticed by code that waits for a channel.
const LOOK: Duration = Duration::from_millis(20);

/// What the runtime printed to one stream.
#[derive(Debug, Default)]
struct Printed {
    bytes: Cell<u64>,
    /// On whose behalf it printed last.
    by: Cell<Option<EvalId>>,
}

impl WorkerHost {
    pub(crate) fn new(outlet: Rc<dyn Outlet>, interrupts: Arc<Interrupts>) -> Self {
        Self {
            outlet,
            interrupts,
            channels: Channels::default(),
            printed: Default::default(),
            pump: RefCell::new(None),
        }
    }

    pub(crate) fn pump_from(&self, pump: Weak<dyn Pump>) {
        self.pump.replace(Some(pump));
    }

    pub(crate) const fn channels(&self) -> &Channels {
        &self.channels
    }

    /// How many bytes the runtime printed to standard output and to standard error.
    pub(crate) fn positions(&self) -> (u64, u64) {
        (self.printed[0].bytes.get(), self.printed[1].bytes.get())
    }

    fn say(&self, channel: &str, message: ChannelMessage) {
        self.outlet.say(FromWorker::Channel(channel.to_owned(), message));
        self.outlet.flush();
    }
}

impl Host for WorkerHost {
    /// Whoever prints is announced before the bytes are written, so that the host knows by the time it reads them.
    fn print(&self, id: Option<EvalId>, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let printed = &self.printed[stream as usize];
        let from = printed.bytes.get();
        if printed.by.replace(id) != id {
            self.outlet.say(FromWorker::Printing { id, stream, from });
            self.outlet.flush();
        }
        printed.bytes.set(from + bytes.len() as u64);
        self.outlet.print(id, stream, bytes);
    }

    fn is_interrupted(&self, id: EvalId) -> bool {
        self.interrupts.contains(id)
    }

    fn put(&self, channel: &str, value: Value) -> Result<(), (Value, Blocked)> {
        let message = self.channels.put(channel, value)?;
        self.say(channel, message);
        Ok(())
    }

    fn take(&self, channel: &str) -> Result<Value, Blocked> {
        let value = self.channels.take(channel)?;
        self.say(channel, ChannelMessage::Taken(1));
        Ok(value)
    }

    fn close(&self, channel: &str) {
        if self.channels.close(channel) {
            self.say(channel, ChannelMessage::Close);
        }
    }

    fn wait(&self) -> bool {
        let pump = self.pump.borrow().as_ref().and_then(Weak::upgrade);
        match pump.map(|pump| pump.pump(Instant::now() + LOOK)) {
            Some(Pumped::Message(name, message)) => self.channels.hear(name, message),
            Some(Pumped::Nothing) => {}
            Some(Pumped::Gone) | None => return false,
        }
        true
    }

    fn is_open(&self, channel: &str) -> bool {
        self.channels.is_open(channel)
    }
}
