//! Reads each message's body. Its mirror is [`encode`]; the layout is in the head of [`wire`](super).

use std::time::Duration;

use bincode::error::DecodeError;
use oast_actors::{Call, ChannelMessage, EvalId, Job, Reply, ReplyResult, Request, Usage};
use oast_config::ByteSize;

use super::{
    EncodeError, FromLauncher, FromWorker, Message, Outgoing, Replied, ToLauncher, ToWorker, WireError, body::Body,
    encode, messages::kind, value::read_value,
};

impl Message for ToWorker {
    fn encode(&self, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
        encode::to_worker(self, outgoing)
    }

    fn decode(kind: u8, id: u64, body: &mut Body<'_>) -> Result<Self, WireError> {
        check_id(kind, id, matches!(kind, kind::EVALUATE | kind::INTERRUPT))?;
        let message = match kind {
            kind::EVALUATE => read_request(body).map(|request| Self::Evaluate(EvalId(id), request)),
            kind::INTERRUPT => Ok(Self::Interrupt(EvalId(id))),
            kind::RESET => Ok(Self::Reset),
            kind::CHANNEL_TO_WORKER => read_channel(body).map(|(name, message)| Self::Channel(name, message)),
            kind::SHUTDOWN => Ok(Self::Shutdown),
            _ => return Err(WireError::Kind(kind)),
        };
        message.map_err(|cause| WireError::Malformed { kind, cause })
    }
}

impl Message for FromWorker {
    fn encode(&self, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
        encode::from_worker(self, outgoing)
    }

    fn decode(kind: u8, id: u64, body: &mut Body<'_>) -> Result<Self, WireError> {
        if kind != kind::PRINTING {
            check_id(kind, id, matches!(kind, kind::SUSPENDED | kind::REPLIED))?;
        }
        let message = match kind {
            kind::HELLO => body.serde().map(Self::Hello),
            kind::SUSPENDED => Ok(Self::Suspended(EvalId(id))),
            kind::REPLIED => read_replied(body).map(|replied| Self::Replied(EvalId(id), replied)),
            kind::PRINTING => {
                body.serde().map(|(stream, from)| Self::Printing { id: (id != 0).then_some(EvalId(id)), stream, from })
            }
            kind::CHANNEL_FROM_WORKER => read_channel(body).map(|(name, message)| Self::Channel(name, message)),
            kind::RESET_DONE => Ok(Self::ResetDone),
            _ => return Err(WireError::Kind(kind)),
        };
        message.map_err(|cause| WireError::Malformed { kind, cause })
    }
}

impl Message for FromLauncher {
    fn encode(&self, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
        encode::from_launcher(self, outgoing)
    }

    fn decode(kind: u8, id: u64, body: &mut Body<'_>) -> Result<Self, WireError> {
        check_id(kind, id, false)?;
        let message = match kind {
            kind::BORN => body.get().map(|(pid, init)| Self::Born { pid, init }),
            kind::ENDED => body.serde().map(|(status, peak_memory, cpu, out_of_memory)| Self::Ended {
                status,
                peak_memory,
                cpu: Duration::from_micros(cpu),
                out_of_memory,
            }),
            kind::FAILED => body.serde().map(|(step, errno, text)| Self::Failed { step, errno, text }),
            kind::WARM => Ok(Self::Warm),
            kind::FORKED => body.get().map(|pid| Self::Forked { pid }),
            kind::PROBED => body.get().map(|errno| Self::Probed { errno }),
            _ => return Err(WireError::Kind(kind)),
        };
        message.map_err(|cause| WireError::Malformed { kind, cause })
    }
}

impl Message for ToLauncher {
    fn encode(&self, outgoing: &mut Outgoing) -> Result<(), EncodeError> {
        encode::to_launcher(self, outgoing)
    }

    fn decode(kind: u8, id: u64, body: &mut Body<'_>) -> Result<Self, WireError> {
        check_id(kind, id, false)?;
        let message = match kind {
            kind::LAUNCH => body.serde().map(|launch| Self::Launch(Box::new(launch))),
            kind::WARM_UP => body.serde().map(|settings| Self::WarmUp(Box::new(settings))),
            kind::FORK => Ok(Self::Fork),
            kind::PROBE => Ok(Self::Probe),
            kind::RETIRE => Ok(Self::Retire),
            _ => return Err(WireError::Kind(kind)),
        };
        message.map_err(|cause| WireError::Malformed { kind, cause })
    }
}

fn check_id(kind: u8, id: u64, expected: bool) -> Result<(), WireError> {
    if (id != 0) == expected { Ok(()) } else { Err(WireError::Id { kind, id }) }
}

fn read_request(body: &mut Body<'_>) -> Result<Request, DecodeError> {
    let job = match body.get::<u32>()? {
        0 => Job::Code(body.serde()?),
        1 => Job::Call(read_call(body)?),
        _ => return Err(DecodeError::Other("a job of a kind that is not known")),
    };
    let fetch = body.get()?;
    Ok(Request { job, fetch })
}

fn read_call(body: &mut Body<'_>) -> Result<Call, DecodeError> {
    let function = body.get()?;
    let arguments = body.data()?;
    let count = body.get()?;
    let mut attachments = Vec::with_capacity(body.claim(count, 1)?);
    for _ in 0..count {
        attachments.push(body.data()?);
    }
    Ok(Call { function, arguments, attachments })
}

fn read_channel(body: &mut Body<'_>) -> Result<(String, ChannelMessage), DecodeError> {
    let name = body.text()?;
    let message = match body.get::<u32>()? {
        0 => ChannelMessage::Open { capacity: body.get()? },
        1 => ChannelMessage::Put(read_value(body)?),
        2 => ChannelMessage::Taken(body.get()?),
        3 => ChannelMessage::Close,
        _ => return Err(DecodeError::Other("a channel message of a kind that is not known")),
    };
    Ok((name, message))
}

fn read_replied(body: &mut Body<'_>) -> Result<Replied, DecodeError> {
    let result = match body.get::<u32>()? {
        0 => ReplyResult::Value(read_value(body)?),
        1 => ReplyResult::Raised(body.serde()?),
        2 => ReplyResult::Interrupted,
        3 => ReplyResult::Unsupported,
        4 => ReplyResult::Withdrawn,
        _ => return Err(DecodeError::Other("a result of a kind that is not known")),
    };
    let text = body.optional_text()?;
    let usage = Usage { wall: body.get()?, cpu: body.get()?, memory: body.get::<Option<u64>>()?.map(ByteSize) };
    Ok(Replied { reply: Reply { result, text, usage }, stdout_end: body.get()?, stderr_end: body.get()? })
}
