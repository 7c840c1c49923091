//! The channels of one worker process, as its supervisor sees them; see [`channel`](crate::channel). A part of
//! [`core`](super).

use std::{sync::Arc, time::Instant};

use super::Core;
use crate::{
    Cause, ChannelMessage,
    channel::Endpoint,
    lifecycle::{Event, State},
};

/// How many channels a worker process may have had. Their names are remembered as long as it lives.
const MOST_CHANNELS: usize = 4096;

impl Core {
    pub(crate) fn open_channel(&mut self, name: Arc<str>, endpoint: Endpoint, capacity: u32) {
        if let State::Broken | State::Stopped = self.lifecycle.state {
            endpoint.close();
            return;
        }
        // What is under way for an older channel of this name could not be told from what is for this one.
        if self.channels.contains_key(&name) || self.channels.len() >= MOST_CHANNELS {
            endpoint.refuse();
            return;
        }
        self.channels.insert(name.clone(), endpoint);
        self.channel_say(&name, ChannelMessage::Open { capacity });
        self.act(Event::Start);
    }

    pub(crate) fn channel_say(&mut self, name: &Arc<str>, message: ChannelMessage) {
        if !matches!(self.lifecycle.state, State::Running(_)) {
            // A channel has no more values under way than it has room for, and takes that many from the process at most.
            return self.early.push((name.clone(), message));
        }
        self.channel_send(name, message);
    }

    pub(super) fn channel_send(&mut self, name: &Arc<str>, message: ChannelMessage) {
        let closes = message == ChannelMessage::Close;
        let too_large = self.evaluator.channel(name, message).is_err();
        if (closes || too_large)
            && let Some(endpoint) = self.channels.get(name)
        {
            endpoint.close();
        }
    }

    pub(super) fn channel_heard(&mut self, name: &str, message: ChannelMessage) {
        let Some(endpoint) = self.channels.get(name) else { return };
        let Err(violation) = endpoint.hear(message) else { return };
        // One breach is enough: the process is told to end by then.
        if !matches!(self.lifecycle.state, State::Starting { .. } | State::Running(_)) {
            return;
        }
        let mut effects = Vec::new();
        self.lifecycle.enforce(Cause::Protocol(violation.to_owned()), Instant::now(), &mut effects);
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        self.arm_timer();
    }

    pub(super) fn close_channels(&mut self) {
        self.early.clear();
        for (_, endpoint) in self.channels.drain() {
            endpoint.close();
        }
    }
}
