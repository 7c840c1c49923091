//! When a worker process is replaced although nothing is wrong with it: it is old, it has served enough, or it has grown.
//! Pure; what follows is in [`lifecycle`](crate::lifecycle).

use std::time::Duration;

use oast_config::{ByteSize, Limits};

/// The share of its lifetime and of its evaluations that a process is given less, at most. Without it, those that were
/// started together would all be replaced at once.
const JITTER: f64 = 0.1;

/// How long a process is kept, as it was decided at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) lifetime: Option<Duration>,
    pub(crate) evaluations: Option<u64>,
}

impl Term {
    /// `dice` is even in 0..1.
    pub(crate) fn new(limits: &Limits, dice: f64) -> Self {
        let less = if dice.is_finite() { dice.clamp(0.0, 1.0) * JITTER } else { 0.0 };
        // Rounded down, so that few evaluations are never none.
        let fewer = |count: u64| count - (count as f64 * less) as u64;
        Self {
            lifetime: limits.lifetime.map(|lifetime| lifetime.mul_f64(1.0 - less)),
            evaluations: limits.evaluations.map(fewer),
        }
    }
}

/// Watches how much a worker process has grown since it was ready.
///
/// What it had at its end of an evaluation may be garbage that it is about to drop, or a measurement from the middle of it:
/// so a process is judged only by what it has while it is idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrowthWatch {
    limit: Option<ByteSize>,
    /// What it had at its first sample.
    first: Option<ByteSize>,
    last: ByteSize,
    /// Whether an answer to [`asks`](Self::asks) is awaited.
    asked: bool,
}

impl GrowthWatch {
    /// Of a process that has just become ready.
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { limit: limits.growth, first: None, last: ByteSize(0), asked: false }
    }

    /// Takes one sample, and says whether the process has grown by more than it may.
    pub(crate) fn on_sample(&mut self, memory: ByteSize) -> bool {
        self.first.get_or_insert(memory);
        (self.last, self.asked) = (memory, false);
        self.is_over()
    }

    /// Whether a process that has become idle is to be measured now, because it seemed too large when it was busy. Asks for
    /// one measurement at a time, however many short evaluations follow each other.
    pub(crate) fn asks(&mut self) -> bool {
        self.is_over() && !std::mem::replace(&mut self.asked, true)
    }

    fn is_over(&self) -> bool {
        let grown = self.first.map(|first| self.last.get().saturating_sub(first.get()));
        grown.zip(self.limit).is_some_and(|(grown, limit)| grown > limit.get())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fake::profile;

    fn limits(growth: Option<u64>) -> Limits {
        Limits { growth: growth.map(ByteSize), ..profile().limits }
    }

    proptest! {
        #[test]
        fn a_term_is_shorter_by_a_tenth_at_most_and_never_nothing(
            seconds in 1..1_000_000_u64,
            count in 1..u64::from(u32::MAX),
            dice in prop_oneof![0.0..=1.0, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)],
        ) {
            let lifetime = Duration::from_secs(seconds);
            let limits = Limits { lifetime: Some(lifetime), evaluations: Some(count), ..profile().limits };
            let term = Term::new(&limits, dice);
            let (lived, served) = (term.lifetime.unwrap(), term.evaluations.unwrap());
            prop_assert!(lived <= lifetime && lived + Duration::from_millis(1) >= lifetime.mul_f64(0.9));
            prop_assert!(served >= 1 && served <= count && served >= count - count / 10);
        }
    }

    #[test]
    fn processes_that_start_together_are_not_replaced_together() {
        let limits = Limits { lifetime: Some(Duration::from_secs(100)), evaluations: Some(100), ..profile().limits };
        let terms = [0.0, 0.5, 1.0].map(|dice| Term::new(&limits, dice));
        assert_eq!(terms.map(|term| term.lifetime), [100, 95, 90].map(|seconds| Some(Duration::from_secs(seconds))));
        assert_eq!(terms.map(|term| term.evaluations), [100, 95, 90].map(Some));
        assert_eq!(Term::new(&profile().limits, 0.5), Term { lifetime: None, evaluations: None });
    }

    #[test]
    fn growth_is_what_came_after_the_first_sample() {
        let mut watch = GrowthWatch::new(&limits(Some(10)));
        assert_eq!(
            [100, 90, 110, 111, 100].map(|memory| watch.on_sample(ByteSize(memory))),
            [false, false, false, true, false]
        );
        let mut unlimited = GrowthWatch::new(&limits(None));
        assert!(![1, u64::MAX].into_iter().any(|memory| unlimited.on_sample(ByteSize(memory))));
    }

    #[test]
    fn one_that_seems_too_large_is_measured_once_at_a_time() {
        let mut watch = GrowthWatch::new(&limits(Some(10)));
        assert!(!watch.asks(), "it was never measured");
        let _first = watch.on_sample(ByteSize(0));
        assert!(!watch.asks());
        assert!(watch.on_sample(ByteSize(11)));
        assert_eq!([watch.asks(), watch.asks()], [true, false]);
        assert!(!watch.on_sample(ByteSize(5)), "it was garbage");
        assert!(!watch.asks());
    }
}
