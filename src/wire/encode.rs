//! Writes each message's body. Its mirror is [`decode`](super::decode); the layout is in the head of [`wire`](super).

use bincode::enc::{Encode, EncoderImpl, write::Writer};
use bytes::Bytes;
use oast_actors::{ChannelMessage, Code, EvalId, Job, Reply, ReplyResult, Request};
use oast_config::ByteSize;
use serde::Serialize;

use super::{
    EncodeError, FromLauncher, FromWorker, LAYOUT, Layout, MAX_DEPTH, Outgoing, PAYLOAD_FROM, Replied, ToLauncher,
    ToWorker, messages::kind, value::write_value,
};

impl Outgoing {
    /// Appends an `Evaluate`.
    ///
    /// # Errors
    /// It is larger than a message may be.
    pub(crate) fn evaluate(&mut self, id: EvalId, request: &Request) -> Result<(), EncodeError> {
        self.frame(kind::EVALUATE, id.0, |body| write_request(body, request))
    }

    /// Appends a channel message to a worker process.
    ///
    /// # Errors
    /// It is larger than a message may be, or its value is nested too deeply.
    pub(crate) fn channel_to_worker(&mut self, name: &str, message: &ChannelMessage) -> Result<(), EncodeError> {
        self.frame(kind::CHANNEL_TO_WORKER, 0, |body| write_channel(body, name, message))
    }

    /// Appends a channel message to the host.
    ///
    /// # Errors
    /// It is larger than a message may be, or its value is nested too deeply.
    pub(crate) fn channel_from_worker(&mut self, name: &str, message: &ChannelMessage) -> Result<(), EncodeError> {
        self.frame(kind::CHANNEL_FROM_WORKER, 0, |body| write_channel(body, name, message))
    }
}

pub(super) fn to_worker(message: &ToWorker, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
    match message {
        ToWorker::Evaluate(id, request) => outgoing.evaluate(*id, request),
        ToWorker::Interrupt(id) => outgoing.frame(kind::INTERRUPT, id.0, empty),
        ToWorker::Reset => outgoing.frame(kind::RESET, 0, empty),
        ToWorker::Channel(name, message) => outgoing.channel_to_worker(name, message),
        ToWorker::Shutdown => outgoing.frame(kind::SHUTDOWN, 0, empty),
    }
}

pub(super) fn from_worker(message: &FromWorker, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
    match message {
        FromWorker::Hello(hello) => outgoing.frame(kind::HELLO, 0, |body| body.serde(hello)),
        FromWorker::Suspended(id) => outgoing.frame(kind::SUSPENDED, id.0, empty),
        FromWorker::Replied(id, replied) => outgoing.frame(kind::REPLIED, id.0, |body| write_replied(body, replied)),
        FromWorker::Printing { id, stream, from } => {
            let id = id.map_or(0, |id| id.0);
            outgoing.frame(kind::PRINTING, id, |body| body.serde(&(stream, from)))
        }
        FromWorker::Channel(name, message) => outgoing.channel_from_worker(name, message),
        FromWorker::ResetDone => outgoing.frame(kind::RESET_DONE, 0, empty),
    }
}

pub(super) fn from_launcher(message: &FromLauncher, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
    match message {
        FromLauncher::Born { pid, init } => outgoing.frame(kind::BORN, 0, |body| body.put((*pid, *init))),
        FromLauncher::Ended { status, peak_memory, cpu, out_of_memory } => {
            let cpu = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
            outgoing.frame(kind::ENDED, 0, |body| body.serde(&(status, peak_memory, cpu, out_of_memory)))
        }
        FromLauncher::Failed { step, errno, text } => {
            outgoing.frame(kind::FAILED, 0, |body| body.serde(&(step, errno, text)))
        }
        FromLauncher::Warm => outgoing.frame(kind::WARM, 0, empty),
        FromLauncher::Forked { pid } => outgoing.frame(kind::FORKED, 0, |body| body.put(pid)),
        FromLauncher::Probed { errno } => outgoing.frame(kind::PROBED, 0, |body| body.put(errno)),
    }
}

pub(super) fn to_launcher(message: &ToLauncher, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
    match message {
        ToLauncher::Launch(launch) => outgoing.frame(kind::LAUNCH, 0, |body| body.serde(launch)),
        ToLauncher::WarmUp(runtime) => outgoing.frame(kind::WARM_UP, 0, |body| body.serde(runtime)),
        ToLauncher::Fork => outgoing.frame(kind::FORK, 0, empty),
        ToLauncher::Probe => outgoing.frame(kind::PROBE, 0, empty),
        ToLauncher::Retire => outgoing.frame(kind::RETIRE, 0, empty),
    }
}

fn empty(_: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
    Ok(())
}

fn write_request(body: &mut BodyWriter<'_>, request: &Request) -> Result<(), EncodeError> {
    match &request.job {
        Job::Code(code) => write_code(body, code)?,
        Job::Call(call) => {
            body.put(1u32)?;
            body.put(call.function)?;
            body.data(&call.arguments)?;
            body.put(call.attachments.len() as u64)?;
            for attachment in &call.attachments {
                body.data(attachment)?;
            }
        }
    }
    body.put(request.fetch)
}

fn write_code(body: &mut BodyWriter<'_>, code: &Code) -> Result<(), EncodeError> {
    body.put(0u32)?;
    body.serde(code)
}

fn write_channel(body: &mut BodyWriter<'_>, name: &str, message: &ChannelMessage) -> Result<(), EncodeError> {
    body.put(name)?;
    match message {
        ChannelMessage::Open { capacity } => body.put((0u32, *capacity)),
        ChannelMessage::Put(value) => {
            body.put(1u32)?;
            write_value(body, value, MAX_DEPTH)
        }
        ChannelMessage::Taken(count) => body.put((2u32, *count)),
        ChannelMessage::Close => body.put(3u32),
    }
}

fn write_replied(body: &mut BodyWriter<'_>, replied: &Replied) -> Result<(), EncodeError> {
    let Reply { result, text, usage } = &replied.reply;
    match result {
        ReplyResult::Value(value) => {
            body.put(0u32)?;
            write_value(body, value, MAX_DEPTH)?;
        }
        ReplyResult::Raised(raised) => {
            body.put(1u32)?;
            body.serde(raised)?;
        }
        ReplyResult::Interrupted => body.put(2u32)?,
        ReplyResult::Unsupported => body.put(3u32)?,
        ReplyResult::Withdrawn => body.put(4u32)?,
    }
    body.put(text.as_deref())?;
    body.put((usage.wall, usage.cpu, usage.memory.map(ByteSize::get)))?;
    body.put((replied.stdout_end, replied.stderr_end))
}

/// Writes one body, and collects the parts of its payload.
pub(super) struct BodyWriter<'a>(EncoderImpl<Sink<'a>, Layout>);

impl<'a> BodyWriter<'a> {
    pub(super) fn new(body: &'a mut Vec<u8>, parts: &'a mut Vec<Bytes>, limit: u64) -> Self {
        let sink = Sink { body, parts, room: limit, size: 0 };
        Self(EncoderImpl::new(sink, LAYOUT))
    }

    /// Writes a plain value.
    #[inline]
    pub(super) fn put(&mut self, value: impl Encode) -> Result<(), EncodeError> {
        Ok(value.encode(&mut self.0)?)
    }

    /// Writes a value through serde.
    pub(super) fn serde<T: Serialize>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.put(bincode::serde::Compat(value))
    }

    /// Writes bytes: into the body when they are few, else into the payload without a copy.
    pub(super) fn data(&mut self, data: &Bytes) -> Result<(), EncodeError> {
        if data.len() < PAYLOAD_FROM {
            self.put(0u32)?;
            return self.put(&data[..]);
        }
        self.put((1u32, data.len() as u64))?;
        self.sink().part(data);
        Ok(())
    }

    /// How many bytes body and payload have, also those that were not kept because they are too many.
    pub(super) fn size(&mut self) -> u64 {
        self.sink().size
    }

    fn sink(&mut self) -> &mut Sink<'a> {
        bincode::enc::Encoder::writer(&mut self.0)
    }
}

/// Takes bytes as long as they are within the limit, and counts them beyond it: the error then tells the true size, and a
/// message of any size takes no more memory than one that is allowed.
struct Sink<'a> {
    body: &'a mut Vec<u8>,
    parts: &'a mut Vec<Bytes>,
    room: u64,
    size: u64,
}

impl Sink<'_> {
    fn part(&mut self, data: &Bytes) {
        self.size += data.len() as u64;
        self.parts.push(data.clone());
    }
}

impl Writer for Sink<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.size += bytes.len() as u64;
        if self.size <= self.room {
            self.body.extend_from_slice(bytes);
        }
        Ok(())
    }
}
