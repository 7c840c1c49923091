//! How much memory all workers together use, as last measured, and may use. Pure, and knows nothing of pools and names;
//! what follows from it is decided in [`pool`](crate::pool).

use std::collections::BTreeMap;

use oast_config::ByteSize;

use crate::lease::SlotId;

/// What a process that starts is reckoned with at least. One that does nothing takes about that.
const LEAST: u64 = 4 << 20;
/// Idle workers are ended down to this share of the budget, and what is kept to spare is started up to it: without that
/// gap, one would be ended and started for ever.
const LOW_PERCENT: u64 = 90;

/// Whom a process would be started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For a caller that waits.
    Caller,
    /// To be ready for the next one.
    Spare,
}

/// What one worker uses.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// `None` before its process was measured.
    measured: Option<u64>,
    /// It was told to go: what it uses will be free.
    leaving: bool,
}

/// The accounts of memory.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    limit: Option<u64>,
    /// Whether the machine is short of memory.
    pressed: bool,
    /// The machine has said once more that it is short of memory, and nobody has gone for it yet.
    unanswered: bool,
    /// A caller could have a worker but for the memory of others.
    wanted: bool,
    /// What a process that starts was reckoned with last, when there were any to reckon by.
    learned: u64,
    uses: BTreeMap<SlotId, Use>,
}

impl Budget {
    pub(crate) fn new(limit: Option<ByteSize>) -> Self {
        Self { limit: limit.map(ByteSize::get), ..Self::default() }
    }

    pub(crate) fn set_limit(&mut self, limit: Option<ByteSize>) {
        self.limit = limit.map(ByteSize::get);
    }

    pub(crate) const fn set_pressed(&mut self, pressed: bool) {
        self.pressed = pressed;
        self.unanswered = pressed;
    }

    /// A process of this worker starts.
    pub(crate) fn expect(&mut self, slot: SlotId) {
        self.uses.insert(slot, Use { measured: None, leaving: false });
    }

    /// A worker uses so much; nothing when it has no process. If it was told to go, it still will, or it is `staying`.
    pub(crate) fn measure(&mut self, slot: SlotId, bytes: u64, staying: bool) {
        if let Some(its) = self.uses.get_mut(&slot) {
            *its = Use { measured: Some(bytes), leaving: its.leaving && !staying };
        }
    }

    /// A worker was told to go.
    pub(crate) fn leave(&mut self, slot: SlotId) {
        if let Some(its) = self.uses.get_mut(&slot) {
            its.leaving = true;
        }
    }

    /// A worker is gone.
    pub(crate) fn forget(&mut self, slot: SlotId) {
        self.uses.remove(&slot);
    }

    /// What would be free if this worker were ended; `None` where it has no process, or is to go anyway.
    pub(crate) fn gain(&self, slot: SlotId) -> Option<u64> {
        let its = self.uses.get(&slot).filter(|its| !its.leaving)?;
        its.measured.filter(|bytes| *bytes > 0)
    }

    /// What a process that starts is reckoned with: the median of the workers that are ready and unused.
    pub(crate) fn expected(&self, ready: impl Iterator<Item = SlotId>) -> u64 {
        let mut sizes: Vec<u64> = ready.filter_map(|slot| self.gain(slot)).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).map_or(self.learned, |median| *median).max(LEAST)
    }

    /// Keeps what a process that starts is reckoned with for when there is none to reckon by: those that were ended for their
    /// size would come back as if they had none.
    pub(crate) const fn learn(&mut self, expected: u64) {
        self.learned = expected;
    }

    /// Whoever had to go for the machine's sake has gone: what their ends bring in turn is no word of the machine.
    pub(crate) const fn answer(&mut self) {
        (self.unanswered, self.wanted) = (false, false);
    }

    /// A caller could have a worker but for the memory of others.
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether nobody has to go but for a caller. Then nobody goes who would lose something.
    pub(crate) fn is_spared(&self) -> bool {
        !self.unanswered && self.limit.is_none_or(|limit| self.staying() <= limit)
    }

    /// What all use, those that were not measured yet reckoned with `expected`.
    pub(crate) fn used(&self, expected: u64) -> u64 {
        self.sum(expected, |_| true)
    }

    /// What was measured of those that are not about to go. Nobody is ended for what is only reckoned with.
    pub(crate) fn staying(&self) -> u64 {
        self.sum(0, |its| !its.leaving)
    }

    fn sum(&self, expected: u64, which: impl Fn(&Use) -> bool) -> u64 {
        let counted = self.uses.values().filter(|its| which(its)).map(|its| its.measured.unwrap_or(expected));
        counted.fold(0, u64::saturating_add)
    }

    /// Whether anything depends on what is used.
    pub(crate) const fn is_heeded(&self) -> bool {
        self.limit.is_some() || self.pressed
    }

    pub(crate) const fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    pub(crate) fn limit(&self) -> ByteSize {
        ByteSize(self.limit.unwrap_or(u64::MAX))
    }

    /// Whether one more process may start.
    pub(crate) fn has_room(&self, purpose: Purpose, expected: u64) -> bool {
        let most = match (self.limit, purpose) {
            (_, Purpose::Spare) if self.pressed => return false,
            (None, _) => return true,
            (Some(limit), Purpose::Caller) => limit,
            (Some(limit), Purpose::Spare) => low(limit),
        };
        self.used(expected).saturating_add(expected) <= most
    }

    /// Down to what idle workers are to be ended now; `None` when all may stay.
    pub(crate) fn target(&self) -> Option<u64> {
        let staying = self.staying();
        let over = self.limit.filter(|limit| staying > *limit).map(low);
        let for_caller = self.limit.filter(|_| self.wanted).map(|limit| limit.saturating_sub(self.learned.max(LEAST)));
        over.or_else(|| self.unanswered.then(|| low(staying))).or(for_caller)
    }
}

fn low(bytes: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(LOW_PERCENT) / 100;
    u64::try_from(share).unwrap_or(u64::MAX)
}
