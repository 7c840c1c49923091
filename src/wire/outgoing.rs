//! Frames that wait for a socket to take them. Owns the bytes; knows no message and no socket.
//!
//! Small bytes of all frames lie one after another in one buffer, so that many small messages go out in one write. Large
//! payloads lie beside it, uncopied, and are woven in by [`Outgoing::slices`] for `writev`.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};
use oast_actors::TooLarge;
use oast_config::ByteSize;
use rustix::io::Errno;
use thiserror::Error;

use super::{COUNTED_PREFIX, PREFIX, VERSION, encode::BodyWriter};

/// A part of a payload from this size on is not copied. Below, a copy is cheaper than one more slice in a `writev`.
const UNCOPIED_FROM: usize = 16 << 10;

/// How much of the buffer's memory is kept when nothing waits.
const KEEP: usize = 64 << 10;

/// Why a message was not encoded.
#[derive(Debug, Error)]
pub(crate) enum EncodeError {
    /// It has more bytes than a message may have.
    #[error("a message of {} bytes is over the limit of {}", .0.size, .0.limit)]
    TooLarge(TooLarge),
    /// It holds a value that is nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("a value is nested too deeply")]
    TooDeep,
    /// A type's own `Serialize` refused, or asked for what bincode does not have.
    #[error("a value cannot be encoded")]
    Refused(#[from] bincode::error::EncodeError),
}

/// Encoded frames in the order in which they are to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    limit: u64,
    small: Vec<u8>,
    /// How much of `small` is sent.
    sent: usize,
    large: VecDeque<Large>,
    /// The payload of the frame that is being encoded. Empty between frames; kept for its memory.
    parts: Vec<Bytes>,
}

/// Bytes that are sent when `small` is sent up to here.
#[derive(Debug)]
struct Large {
    at: usize,
    bytes: Bytes,
}

impl Outgoing {
    /// Nothing waits. A message may have `limit` bytes, all in all, and never more than 4 GiB.
    pub(crate) fn new(limit: ByteSize) -> Self {
        Self {
            limit: limit.get().min(u64::from(u32::MAX)),
            small: Vec::new(),
            sent: 0,
            large: VecDeque::new(),
            parts: Vec::new(),
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.small.len() && self.large.is_empty()
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        let large: usize = self.large.iter().map(|large| large.bytes.len()).sum();
        self.small.len() - self.sent + large
    }

    /// What was appended since there were `length` bytes; `None` where bulk is among it.
    pub(crate) fn since(&self, length: usize) -> Option<&[u8]> {
        let count = self.len() - length;
        let from = self.small.len().checked_sub(count)?;
        let alone = self.large.back().is_none_or(|large| large.at <= from);
        alone.then(|| &self.small[from..])
    }

    /// Fills `slices` with the next bytes to send and says how many it filled.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut at = self.sent;
        let between = self.large.iter().flat_map(|large| {
            let before = &self.small[at..large.at];
            at = large.at;
            [before, &large.bytes]
        });
        let after = &self.small[self.large.back().map_or(self.sent, |large| large.at)..];
        let filled = between.chain([after]).filter(|slice| !slice.is_empty());
        let mut count = 0;
        for (slot, slice) in slices.iter_mut().zip(filled) {
            *slot = IoSlice::new(slice);
            count += 1;
        }
        count
    }

    /// Gives everything to `write`, which takes as much as it can at a time.
    ///
    /// # Errors
    /// Those of `write`, with what it did not take still waiting.
    pub(crate) fn write_with(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Result<usize, Errno>,
    ) -> Result<(), Errno> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = self.slices(&mut slices);
            match write(&slices[..count]) {
                Ok(written) => self.advance(written),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets the next `count` bytes: they are sent.
    pub(crate) fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let end = self.large.front().map_or(self.small.len(), |large| large.at);
            let step = count.min(end - self.sent);
            self.sent += step;
            count -= step;
            if count > 0 {
                count = self.advance_large(count);
            }
        }
        self.tidy();
    }

    /// Forgets up to `count` bytes of the first large part and says how many are left to forget.
    fn advance_large(&mut self, count: usize) -> usize {
        let Some(front) = self.large.front_mut() else {
            return 0;
        };
        let step = count.min(front.bytes.len());
        front.bytes.advance(step);
        if front.bytes.is_empty() {
            self.large.pop_front();
        }
        count - step
    }

    /// Takes back the memory of what is sent, at a cost that is small per byte sent.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.small.clear();
            self.small.shrink_to(KEEP);
            self.sent = 0;
        } else if self.sent > KEEP && self.sent > self.small.len() / 2 {
            self.small.drain(..self.sent);
            for large in &mut self.large {
                large.at -= self.sent;
            }
            self.sent = 0;
        }
    }

    /// Appends one frame whose body `write` writes. Appends nothing when it fails.
    pub(super) fn frame(
        &mut self,
        kind: u8,
        id: u64,
        write: impl FnOnce(&mut BodyWriter<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = self.small.len();
        let written = self.write_frame(kind, id, write);
        if written.is_err() {
            self.small.truncate(start);
            self.parts.clear();
        }
        written
    }

    fn write_frame(
        &mut self,
        kind: u8,
        id: u64,
        write: impl FnOnce(&mut BodyWriter<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = self.small.len();
        self.small.extend_from_slice(&[0; PREFIX]);
        let mut body = BodyWriter::new(&mut self.small, &mut self.parts, self.limit);
        write(&mut body)?;
        let size = COUNTED_PREFIX as u64 + body.size();
        // `limit` is at most `u32::MAX`, so that what fits it fits the field.
        let length = u32::try_from(size).ok().filter(|_| size <= self.limit);
        let Some(length) = length else {
            return Err(EncodeError::TooLarge(TooLarge { size, limit: self.limit }));
        };
        let body_length = (self.small.len() - start - PREFIX) as u32;
        let prefix = &mut self.small[start..start + PREFIX];
        prefix[0..4].copy_from_slice(&length.to_le_bytes());
        prefix[4] = VERSION;
        prefix[5] = kind;
        prefix[8..12].copy_from_slice(&body_length.to_le_bytes());
        prefix[12..20].copy_from_slice(&id.to_le_bytes());
        self.append_payload();
        Ok(())
    }

    fn append_payload(&mut self) {
        for bytes in self.parts.drain(..) {
            if bytes.len() < UNCOPIED_FROM {
                self.small.extend_from_slice(&bytes);
            } else {
                let at = self.small.len();
                self.large.push_back(Large { at, bytes });
            }
        }
    }
}
