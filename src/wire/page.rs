//! The memory that a worker process shares with its host: what one must be able to read or write while the other is busy,
//! or gone. A `memfd` of [`SIZE`] bytes, sealed against shrinking and growing; numbers are native, and aligned.
//!
//! | offset | type | written by | what |
//! |---|---|---|---|
//! | 0 | `u64` | worker | the id of the evaluation that reached the code last; 0 before the first |
//! | 8 | `u64` | worker | `from`: how many bytes it had written to the control channel when it began to gather |
//! | 16 | `u64` | worker | `length`: how many bytes it has gathered since, and not written for certain |
//! | 64 | [`SLOTS`] × `u64` | host | interrupts: the id of an evaluation that is to end, in the slot `id` modulo [`SLOTS`] |
//! | 4096 | [`GATHERED_ROOM`] bytes | worker | what it has gathered: the frames that follow the first `from` bytes of its channel |
//!
//! When the process is gone, the host takes those of the gathered bytes that did not reach it. An id comes once in the
//! life of a worker, so that an interrupt which comes late names nobody, and need not be taken back.
//!
//! Gathering is the worker's choice: one that writes each frame at once leaves 0 there.

use oast_actors::EvalId;

/// Where the evaluation that reached the code last is named.
pub(crate) const BEGUN: usize = 0;
/// Where the position of the gathered bytes is.
pub(crate) const GATHERED_FROM: usize = 8;
/// Where their number is.
pub(crate) const GATHERED_LENGTH: usize = 16;
/// Where the slots for interrupts begin.
pub(crate) const INTERRUPTS: usize = 64;
/// How many there are.
pub(crate) const SLOTS: usize = 504;
/// Where the gathered bytes begin.
pub(crate) const GATHERED: usize = 4096;
/// How many may be gathered.
pub(crate) const GATHERED_ROOM: usize = 28 << 10;
/// How large the memory is.
pub(crate) const SIZE: usize = GATHERED + GATHERED_ROOM;

const _: () = assert!(INTERRUPTS + SLOTS * 8 <= GATHERED, "the slots end where the gathered bytes begin");

/// The slot in which an evaluation is interrupted.
pub(crate) const fn slot(id: EvalId) -> usize {
    (id.0 % SLOTS as u64) as usize
}

/// Which of the gathered bytes the host has not received, of a channel on which it has received so many.
pub(crate) fn unsent(from: u64, length: u64, received: u64) -> Option<std::ops::Range<usize>> {
    let length = usize::try_from(length).ok().filter(|length| *length <= GATHERED_ROOM)?;
    let known = usize::try_from(received.checked_sub(from)?).ok()?;
    (known < length).then_some(known..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_not_come_is_taken() {
        assert_eq!(unsent(100, 50, 100), Some(0..50));
        assert_eq!(unsent(100, 50, 120), Some(20..50));
        assert_eq!(unsent(100, 50, 150), None);
        assert_eq!(unsent(100, 50, 99), None, "there is a gap");
        assert_eq!(unsent(0, u64::MAX, 0), None, "it is a lie");
        assert_eq!(unsent(u64::MAX, 8, 0), None);
    }
}
