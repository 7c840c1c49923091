//! Which evaluation printed what. The pipes carry bytes without names; the runtime announces on the control channel from
//! which position on a stream is whose, before it writes there. Pure.
//!
//! Bytes that the runtime knows nothing of (a library that prints, a child process) shift the positions. They are
//! noticed when a process has nothing to do, since then every byte that the runtime wrote has come.

use std::collections::VecDeque;

use oast_actors::EvalId;

/// Announcements that were not reached yet. A process that makes more of them breaks the protocol.
const MOST_TURNS: usize = 4096;

/// Who prints on one stream.
#[derive(Debug, Default)]
pub(super) struct Attribution {
    /// How many bytes have come, without those that the runtime knows nothing of.
    position: u64,
    /// From these positions on, the stream is theirs.
    turns: VecDeque<(u64, Option<EvalId>)>,
    printer: Option<EvalId>,
}

impl Attribution {
    /// The runtime announces who prints from a position on. False when there are too many announcements.
    pub(super) fn announce(&mut self, from: u64, id: Option<EvalId>) -> bool {
        self.turns.push_back((from, id));
        self.turns.len() <= MOST_TURNS
    }

    /// Bytes have come: in which pieces they belong to whom. Without an announcement they belong to what `running` says.
    pub(super) fn attribute(&mut self, mut count: usize, running: Option<EvalId>) -> Vec<(Option<EvalId>, usize)> {
        let mut pieces = Vec::with_capacity(1);
        while count > 0 {
            while let Some(&(from, id)) = self.turns.front()
                && from <= self.position
            {
                self.printer = id;
                self.turns.pop_front();
            }
            let until = self.turns.front().map_or(u64::MAX, |(from, _)| *from);
            let piece = usize::try_from(until - self.position).map_or(count, |left| left.min(count));
            pieces.push((self.printer.or(running), piece));
            self.position += piece as u64;
            count -= piece;
        }
        pieces
    }

    /// An evaluation ended, and everything that was printed before has come. `end` is how much the runtime had written by
    /// then. When nothing else runs, what has come beyond that was not the runtime's.
    pub(super) fn ended(&mut self, id: EvalId, end: u64, idle: bool) {
        if self.printer == Some(id) {
            self.printer = None;
        }
        if idle && self.position > end {
            self.position = end;
            self.turns.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Option<EvalId> = Some(EvalId(1));
    const TWO: Option<EvalId> = Some(EvalId(2));

    #[test]
    fn bytes_belong_to_whoever_announced_them() {
        let mut stream = Attribution::default();
        assert!(stream.announce(0, ONE));
        assert!(stream.announce(5, TWO));
        assert!(stream.announce(7, ONE));
        assert_eq!(stream.attribute(10, None), [(ONE, 5), (TWO, 2), (ONE, 3)]);
    }

    #[test]
    fn unannounced_bytes_belong_to_the_running_evaluation() {
        let mut stream = Attribution::default();
        assert_eq!(stream.attribute(3, ONE), [(ONE, 3)]);
        assert_eq!(stream.attribute(3, None), [(None, 3)]);
    }

    #[test]
    fn bytes_from_elsewhere_do_not_shift_what_comes_after_idleness() {
        let mut stream = Attribution::default();
        assert_eq!(stream.attribute(100, ONE), [(ONE, 100)]);
        stream.ended(EvalId(1), 0, true);
        assert!(stream.announce(0, TWO));
        assert_eq!(stream.attribute(4, None), [(TWO, 4)]);
    }

    #[test]
    fn an_ended_evaluation_prints_no_more() {
        let mut stream = Attribution::default();
        assert!(stream.announce(0, ONE));
        assert_eq!(stream.attribute(2, None), [(ONE, 2)]);
        stream.ended(EvalId(1), 2, true);
        assert_eq!(stream.attribute(2, TWO), [(TWO, 2)]);
    }
}
