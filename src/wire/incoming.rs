//! Takes frames out of a stream of bytes that nobody vouches for. Owns the receive buffers and the order of the checks:
//! length, version, kind, and only then the body. Knows no message and no socket. Its mirror is [`outgoing`](super::outgoing).

use std::marker::PhantomData;

use bincode::error::DecodeError;
use bytes::Bytes;
use oast_actors::EvalId;
use oast_config::ByteSize;
use thiserror::Error;

use super::{COUNTED_PREFIX, Message, PREFIX, VERSION, body::Body};

/// How large the buffer for small frames is. Its untouched pages cost nothing.
const SMALL: usize = 64 << 10;

/// A frame from this size on is received into memory of its own, so that its payload need not be copied out of the buffer.
const LARGE_FROM: usize = 16 << 10;

/// What is wrong with the bytes that the other end sent. The channel is of no use afterwards.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    /// A frame is longer than the limit.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// How long it says it is.
        length: u32,
        /// How long it may be.
        limit: u32,
    },
    /// A frame is shorter than its own prefix.
    #[error("a frame of {length} bytes has no room for its prefix")]
    TooShort {
        /// How long it says it is.
        length: u32,
    },
    /// A frame has another protocol version.
    #[error("a frame has protocol version {0}, not {VERSION}")]
    Version(u8),
    /// A frame is of a kind that this end does not take.
    #[error("a frame is of kind {0}, which is not known here")]
    Kind(u8),
    /// The two bytes that must be 0 are not.
    #[error("a frame has {0:#06x} where 0 must be")]
    Reserved(u16),
    /// A body is longer than its frame.
    #[error("a body of {body} bytes is in a frame of {length}")]
    Body {
        /// How long the body says it is.
        body: u32,
        /// How long the frame says it is.
        length: u32,
    },
    /// A frame has an id and should not, or should and has not.
    #[error("a frame of kind {kind} has the id {id}")]
    Id {
        /// The frame's kind.
        kind: u8,
        /// Its id.
        id: u64,
    },
    /// A body does not follow the layout.
    #[error("a frame of kind {kind} is malformed: {cause}")]
    Malformed {
        /// The frame's kind.
        kind: u8,
        /// What is wrong.
        #[source]
        cause: DecodeError,
    },
}

/// Takes messages out of a stream of bytes.
///
/// Read into the spare capacity of [`space`](Self::space), then call [`next`](Self::next) until it gives `None`.
#[derive(Debug)]
pub(crate) struct Decoder<M> {
    limit: u32,
    small: Vec<u8>,
    /// Where in `small` the next frame begins.
    start: usize,
    /// The large frame that is being received. Then `small` is empty.
    large: Option<LargeFrame>,
    /// Memory to receive the replies of these evaluations into.
    lent: Vec<(EvalId, Vec<u8>)>,
    messages: PhantomData<fn() -> M>,
}

#[derive(Debug)]
struct LargeFrame {
    prefix: Prefix,
    /// Body and payload.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Prefix {
    kind: u8,
    id: u64,
    body: usize,
    /// Body and payload.
    rest: usize,
}

impl<M: Message> Decoder<M> {
    /// Refuses frames of more than `limit` bytes.
    pub(crate) fn new(limit: ByteSize) -> Self {
        Self {
            limit: u32::try_from(limit.get()).unwrap_or(u32::MAX),
            small: Vec::with_capacity(SMALL),
            start: 0,
            large: None,
            lent: Vec::new(),
            messages: PhantomData,
        }
    }

    /// Where to put received bytes: append within the spare capacity, of which there is always some.
    pub(crate) fn space(&mut self) -> &mut Vec<u8> {
        if let Some(large) = &mut self.large {
            return &mut large.bytes;
        }
        if self.start > 0 && (self.start == self.small.len() || self.small.capacity() - self.small.len() < LARGE_FROM) {
            self.small.drain(..self.start);
            self.start = 0;
        }
        &mut self.small
    }

    /// Receives the reply of this evaluation into `buffer` if it is large. The reply's bytes are then a part of that memory.
    pub(crate) fn lend(&mut self, id: EvalId, buffer: Vec<u8>) {
        self.lent.push((id, buffer));
    }

    /// Gives back the buffer that was lent to an evaluation and not used.
    pub(crate) fn reclaim(&mut self, id: EvalId) -> Option<Vec<u8>> {
        let place = self.lent.iter().position(|(lent, _)| *lent == id)?;
        Some(self.lent.swap_remove(place).1)
    }

    /// The next message, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The stream breaks the protocol. The decoder must not be used again.
    pub(crate) fn next(&mut self) -> Result<Option<M>, WireError> {
        if self.large.is_some() {
            return self.next_large();
        }
        let Some(prefix) = Prefix::read(&self.small[self.start..], self.limit)? else {
            return Ok(None);
        };
        if PREFIX + prefix.rest >= LARGE_FROM {
            self.begin_large(prefix);
            return self.next_large();
        }
        let body = self.start + PREFIX;
        let end = body + prefix.rest;
        if self.small.len() < end {
            return Ok(None);
        }
        // Most frames have no payload, and this is the way of most frames.
        let payload = match &self.small[body + prefix.body..end] {
            [] => Bytes::new(),
            payload => Bytes::copy_from_slice(payload),
        };
        let message = prefix.message(&self.small[body..body + prefix.body], payload)?;
        self.start = end;
        Ok(Some(message))
    }

    /// Takes the memory for a large frame, whose length is checked, and moves there what has come of it. The memory is
    /// only reserved: a sender that announces much and sends little uses up address space and nothing else.
    fn begin_large(&mut self, prefix: Prefix) {
        let mut bytes = self.reclaim(EvalId(prefix.id)).unwrap_or_default();
        bytes.clear();
        bytes.reserve_exact(prefix.rest);
        let begun = self.start + PREFIX;
        let end = self.small.len().min(begun + prefix.rest);
        bytes.extend_from_slice(&self.small[begun..end]);
        self.start = end;
        self.large = Some(LargeFrame { prefix, bytes });
    }

    fn next_large(&mut self) -> Result<Option<M>, WireError> {
        let Some(mut large) = self.large.take_if(|large| large.bytes.len() >= large.prefix.rest) else {
            return Ok(None);
        };
        // A lent buffer may have more room than the frame needs, and so may hold the beginning of the next one.
        let next = large.bytes.split_off(large.prefix.rest);
        self.small.extend_from_slice(&next);
        let bytes = Bytes::from(large.bytes);
        let payload = bytes.slice(large.prefix.body..);
        large.prefix.message(&bytes[..large.prefix.body], payload).map(Some)
    }
}

impl Prefix {
    /// Checks each field as soon as it is there, so that garbage is noticed however short it is.
    fn read(bytes: &[u8], limit: u32) -> Result<Option<Self>, WireError> {
        let Some((length, rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length);
        if length > limit {
            return Err(WireError::TooLong { length, limit });
        }
        if (length as usize) < COUNTED_PREFIX {
            return Err(WireError::TooShort { length });
        }
        if let Some(version) = rest.first().filter(|version| **version != VERSION) {
            return Err(WireError::Version(*version));
        }
        let Some((&[_, kind, reserved @ .., b0, b1, b2, b3], rest)) = rest.split_first_chunk::<8>() else {
            return Ok(None);
        };
        let reserved = u16::from_le_bytes(reserved);
        if reserved != 0 {
            return Err(WireError::Reserved(reserved));
        }
        let body = u32::from_le_bytes([b0, b1, b2, b3]);
        let rest_length = length as usize - COUNTED_PREFIX;
        if body as usize > rest_length {
            return Err(WireError::Body { body, length });
        }
        Ok(rest.first_chunk().map(|id| Self {
            kind,
            id: u64::from_le_bytes(*id),
            body: body as usize,
            rest: rest_length,
        }))
    }

    fn message<M: Message>(self, body: &[u8], payload: Bytes) -> Result<M, WireError> {
        let mut body = Body::new(body, payload);
        let message = M::decode(self.kind, self.id, &mut body)?;
        body.finish().map_err(|cause| WireError::Malformed { kind: self.kind, cause })?;
        Ok(message)
    }
}
