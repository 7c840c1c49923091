//! Whether a worker process is over its limits, and when to look again. Sampling is the wall where the kernel gives none:
//! it sees too much memory only after the fact, so how soon it looks again is what bounds the overshoot. Knows no clock
//! and reads no process: samples come in through [`Event::Sampled`](crate::Event::Sampled).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use oast_config::{ByteSize, Limits};

use crate::EvalId;

/// The growth that is always reckoned with. A process that touches fresh pages was measured at 1 to 2 GB/s.
const EXPECTED_GROWTH: u64 = 1_000_000_000;
/// The least time between two samples: at 40 µs for each, 2 % of a core.
const BUSY_LEAST: Duration = Duration::from_millis(2);
/// The most time between two samples when more than [`CLOSE_PERCENT`] of the limit is used: 0.8 % of a core. With huge
/// pages and several threads, growth can be ten times what is reckoned with, and then every millisecond is megabytes.
const BUSY_CLOSE: Duration = Duration::from_millis(5);
/// The most time between two samples of a busy worker: 0.04 % of a core.
const BUSY_MOST: Duration = Duration::from_millis(100);
/// How often a busy worker without limits is sampled, for reports alone.
const REPORTS: Duration = Duration::from_secs(1);
/// The share of the limit from which on it is close.
const CLOSE_PERCENT: u128 = 70;
/// The most time between two samples of an idle worker.
const IDLE_MOST: Duration = Duration::from_secs(20);
/// The same while a worker that has just become idle still grows: what the code left behind may be running on.
const IDLE_GROWING: Duration = Duration::from_secs(1);
/// How long a worker has just become idle.
const JUST_IDLE: Duration = Duration::from_secs(5);
/// Slower growth, in bytes a second, is a heap that breathes.
const GROWING: u64 = 1 << 20;
/// Shorter times than this between two samples tell no slope: two answers came late together.
const SLOPE_LEAST: Duration = Duration::from_micros(500);
/// The least time between two samples for the CPU limit. The kernel counts CPU time in ticks of up to 10 ms.
const CPU_LEAST: Duration = Duration::from_millis(10);
/// On how many cores at once an evaluation is reckoned to run.
const CPU_CORES: u32 = 4;

/// No deadline is further away than this. Adding more to a moment would overflow it.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A time that can be added to a moment.
pub(crate) fn within_reach(time: Duration) -> Duration {
    time.min(FAR)
}

/// The limits with all times within reach.
pub(crate) fn all_within_reach(limits: &Limits) -> Limits {
    Limits {
        wall_time: limits.wall_time.map(within_reach),
        cpu_time: limits.cpu_time.map(within_reach),
        grace: within_reach(limits.grace),
        idle: limits.idle.map(within_reach),
        lifetime: limits.lifetime.map(within_reach),
        queue_time: limits.queue_time.map(within_reach),
        start_time: within_reach(limits.start_time),
        ..limits.clone()
    }
}

/// What a worker process is doing, as far as sampling it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// At least one evaluation runs or is suspended, or the process starts or is reset.
    Busy,
    /// No evaluation does.
    Idle {
        /// From when on.
        since: Instant,
    },
}

/// What one sample of memory means.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryVerdict {
    /// Nothing is to be done.
    Fine,
    /// The soft limit is reached. Said once, and again only after memory fell below 90 % of it in between.
    Soft,
    /// The limit is reached.
    Hard,
}

/// Watches the memory of one worker process, from its start to its end.
///
/// A busy process that grows by no more than 1 GB/s, sampled when [`next_sample`](Self::next_sample) says, is over its
/// limit by at most 2 MB when that is seen: what it takes in the least interval. An idle one may take what it likes for
/// up to 20 s; as soon as an evaluation starts, it is looked at again.
#[derive(Clone, Debug)]
pub(crate) struct MemoryWatch {
    soft: Option<ByteSize>,
    hard: Option<ByteSize>,
    /// Whether the soft limit was reached, and memory has not been below 90 % of it since.
    warned: bool,
    memory: u64,
    sampled_at: Instant,
    /// Bytes a second: the recent peak of the growth between two samples. It halves at each sample that sees less, so
    /// that a program which allocates in bursts is not taken for a quiet one between them.
    slope: u64,
    /// The growth between the last two samples, in bytes a second. What a process takes to start is none.
    recent: u64,
}

impl MemoryWatch {
    /// Of a process that starts now.
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let Limits { memory_soft: soft, memory: hard, .. } = *limits;
        Self { soft, hard, warned: false, memory: 0, sampled_at: now, slope: 0, recent: 0 }
    }

    /// Judges one sample.
    pub(crate) fn on_sample(&mut self, memory: ByteSize, now: Instant) -> MemoryVerdict {
        self.note(memory.get(), now);
        let first_warning = self.warn(memory);
        if self.hard.is_some_and(|limit| memory >= limit) {
            MemoryVerdict::Hard
        } else if first_warning {
            MemoryVerdict::Soft
        } else {
            MemoryVerdict::Fine
        }
    }

    /// How long from now on the next sample is due, or `None` when none is needed.
    ///
    /// To be asked after every sample, and when a first evaluation starts: it then replaces a later sample that was asked
    /// for, and leaves a sooner one. Nothing is to be done when a worker becomes idle: the sample that is due comes, and
    /// the next is asked for with the worker's activity then. So thousands of short evaluations a second do not set
    /// thousands of timers.
    pub(crate) fn next_sample(&self, activity: Activity, now: Instant) -> Option<Duration> {
        let interval = match (self.hard.or(self.soft), activity) {
            (Some(limit), Activity::Busy) => self.busy_interval(limit.get()),
            (Some(limit), Activity::Idle { since }) => self.idle_interval(limit.get(), since, now),
            (None, Activity::Busy) => REPORTS,
            (None, Activity::Idle { .. }) => return None,
        };
        // What was seen gets old: after twenty idle seconds, the headroom of then is worth nothing.
        let age = now.saturating_duration_since(self.sampled_at);
        Some(interval.saturating_sub(age).max(BUSY_LEAST))
    }

    fn note(&mut self, memory: u64, now: Instant) {
        let gap = now.saturating_duration_since(self.sampled_at);
        if gap >= SLOPE_LEAST {
            let growth = per_second(memory.saturating_sub(self.memory), gap);
            self.recent = if self.memory == 0 { 0 } else { growth };
            self.slope = growth.max(self.slope / 2);
        }
        self.memory = memory;
        self.sampled_at = now;
    }

    /// Whether this sample is the first at the soft limit. Near it, memory goes up and down with every collection of
    /// garbage: without the 10 % between, one crossing would be hundreds of warnings.
    fn warn(&mut self, memory: ByteSize) -> bool {
        let Some(soft) = self.soft else { return false };
        let before = self.warned;
        self.warned = memory >= soft || (before && memory.get() >= soft.get() - soft.get() / 10);
        self.warned && !before
    }

    /// The time in which the headroom is used up at the growth that is reckoned with: the expected or twice the recent,
    /// whichever is more.
    fn busy_interval(&self, limit: u64) -> Duration {
        let close = u128::from(self.memory) * 100 > u128::from(limit) * CLOSE_PERCENT;
        let most = if close { BUSY_CLOSE } else { BUSY_MOST };
        let growth = self.slope.saturating_mul(2).max(EXPECTED_GROWTH);
        time_to_grow(limit.saturating_sub(self.memory), growth).clamp(BUSY_LEAST, most)
    }

    /// The time in which the headroom is used up at twice the growth that was seen last. None is expected of an idle process,
    /// and how it grew while it was busy says nothing.
    fn idle_interval(&self, limit: u64, since: Instant, now: Instant) -> Duration {
        let idle = now.saturating_duration_since(since);
        // Growth in idleness is seen by two samples in idleness.
        let watched = idle < IDLE_GROWING || (idle < JUST_IDLE && self.recent >= GROWING);
        let most = if watched { IDLE_GROWING } else { IDLE_MOST };
        time_to_grow(limit.saturating_sub(self.memory), self.recent.saturating_mul(2)).clamp(BUSY_LEAST, most)
    }
}

/// Watches the CPU time of the evaluations of one worker process.
///
/// Only the process's whole CPU time can be seen. So what was used between two samples is charged to the evaluation that
/// runs at the later one, and the first sample in which an evaluation is seen is its baseline. That first sample comes
/// after a tenth of the limit at the latest, and evaluations that end before cost nothing.
/// An evaluation on four cores or less is over its limit by at most a tenth of it or 10 ms, whichever is more, on each
/// core, and 10 ms on each core more, when that is seen.
#[derive(Clone, Debug)]
pub(crate) struct CpuWatch {
    limit: Option<Duration>,
    /// The process's CPU time at the last sample.
    seen: Duration,
    /// What is charged to each evaluation that has not ended. Bounded by how many of them a worker runs at once.
    charged: BTreeMap<EvalId, Duration>,
}

impl CpuWatch {
    /// Of a process that starts now.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.cpu_time, seen: Duration::ZERO, charged: BTreeMap::new() }
    }

    /// Takes one sample while `running` runs (and is not suspended), and says whether that evaluation reached its limit.
    #[must_use]
    pub(crate) fn on_sample(&mut self, running: Option<EvalId>, cpu: Duration) -> bool {
        let used = cpu.saturating_sub(self.seen);
        self.seen = self.seen.max(cpu);
        let (Some(limit), Some(id)) = (self.limit, running) else {
            return false;
        };
        let charged = self.charged.entry(id).and_modify(|charged| *charged += used).or_default();
        *charged >= limit
    }

    /// Forgets an evaluation that ended. Must be called for each that was running at a sample.
    pub(crate) fn ended(&mut self, id: EvalId) {
        self.charged.remove(&id);
    }

    /// How long after the last sample, or after the start of `running`, the next sample is due. `None` without a limit.
    pub(crate) fn next_sample(&self, running: Option<EvalId>) -> Option<Duration> {
        let (limit, id) = (self.limit?, running?);
        let wait = match self.charged.get(&id) {
            None => limit / 10,
            Some(&charged) => limit.saturating_sub(charged) / CPU_CORES,
        };
        Some(wait.clamp(CPU_LEAST, BUSY_MOST))
    }
}

fn per_second(bytes: u64, gap: Duration) -> u64 {
    let per_second = u128::from(bytes) * 1_000_000_000 / gap.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// How long it takes to grow by `headroom` bytes at `growth` bytes a second. For ever when nothing grows.
fn time_to_grow(headroom: u64, growth: u64) -> Duration {
    let nanos = (u128::from(headroom) * 1_000_000_000).checked_div(u128::from(growth));
    nanos.and_then(|nanos| u64::try_from(nanos).ok()).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
