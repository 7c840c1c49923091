//! Whether and when a worker process that ended is started again. Owns the memory of recent restarts; knows no clock and
//! rolls no dice. The limits on what a process may use are next door, in [`limits`](crate::limits).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use oast_config::{CauseKind, Restart, RestartPolicy};

/// What follows the end of a worker process.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A new process is started.
    Restart {
        /// After this long.
        after: Duration,
    },
    /// The policy wants no new process after this end.
    Down,
    /// It failed too often: no new process before somebody resets the worker.
    Broken,
}

/// The restarts of one worker.
#[derive(Clone, Debug)]
pub(crate) struct RestartLedger {
    settings: Restart,
    /// The counted restarts of the last period, oldest first. Never more than the intensity.
    recent: VecDeque<Instant>,
    /// The most that the next delay may be.
    ceiling: Duration,
}

impl RestartLedger {
    /// Of a worker that never failed.
    pub(crate) fn new(settings: Restart) -> Self {
        let ceiling = settings.backoff_min.min(settings.backoff_max);
        Self {
            settings,
            recent: VecDeque::new(),
            ceiling,
        }
    }

    /// Decides after an end of this kind of a process that lived this long. `dice` is drawn evenly from 0 to 1.
    ///
    /// An end that Oast asked for is no failure. A stop is not asked about here; what is left is recycling, and a
    /// recycled process is replaced at once unless the policy never restarts.
    pub(crate) fn on_exit(&mut self, cause: CauseKind, lived: Duration, now: Instant, dice: f64) -> Verdict {
        if lived >= self.settings.healthy_after {
            self.ceiling = least(&self.settings);
        }
        let counts = self.is_failure(cause);
        match self.settings.policy {
            RestartPolicy::Temporary => return Verdict::Down,
            RestartPolicy::Permanent | RestartPolicy::Transient if cause == CauseKind::Asked => {
                return Verdict::Restart { after: Duration::ZERO };
            }
            RestartPolicy::Transient if !counts => return Verdict::Down,
            RestartPolicy::Permanent | RestartPolicy::Transient => {}
        }
        if counts && !self.admit(now) {
            return Verdict::Broken;
        }
        // An end that does not count waits as well, but never longer each time: a permanent worker that leaves by itself
        // as soon as it starts must not turn into a busy loop.
        let after = jittered(self.ceiling, dice);
        if counts {
            self.ceiling = self.ceiling.saturating_mul(2).min(self.settings.backoff_max);
        }
        Verdict::Restart { after }
    }

    /// Forgets all failures: somebody looked at the worker and wants it tried again.
    pub(crate) fn reset(&mut self) {
        self.recent.clear();
        self.ceiling = least(&self.settings);
    }

    fn is_failure(&self, cause: CauseKind) -> bool {
        cause != CauseKind::Asked && self.settings.counts.contains(&cause)
    }

    /// Notes one more counted restart, if the intensity has room for it. The window slides as OTP's does: it looks at
    /// each restart's own age, so a worker that fails every 9 s is not broken by "3 in 10 s".
    fn admit(&mut self, now: Instant) -> bool {
        let period = self.settings.period;
        while self
            .recent
            .front()
            .is_some_and(|&past| now.saturating_duration_since(past) > period)
        {
            self.recent.pop_front();
        }
        let room = self.recent.len() < usize::try_from(self.settings.intensity).unwrap_or(usize::MAX);
        if room {
            self.recent.push_back(now);
        }
        room
    }
}

fn least(settings: &Restart) -> Duration {
    settings.backoff_min.min(settings.backoff_max)
}

/// Full jitter: anything from nothing to the ceiling, so that workers that failed together do not come back together.
fn jittered(ceiling: Duration, dice: f64) -> Duration {
    let share = if dice.is_finite() { dice.clamp(0.0, 1.0) } else { 1.0 };
    // Rounding may lift the longest durations over what a `Duration` can hold.
    Duration::try_from_secs_f64(ceiling.as_secs_f64() * share).map_or(ceiling, |delay| delay.min(ceiling))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(policy: RestartPolicy) -> Restart {
        Restart {
            policy,
            intensity: 3,
            period: 10 * SECOND,
            backoff_min: SECOND,
            backoff_max: 5 * SECOND,
            healthy_after: 60 * SECOND,
            counts: vec![CauseKind::Signal, CauseKind::Memory],
        }
    }

    fn crash(ledger: &mut RestartLedger, now: Instant) -> Verdict {
        ledger.on_exit(CauseKind::Signal, SECOND, now, 1.0)
    }

    fn after(seconds: u64) -> Verdict {
        Verdict::Restart {
            after: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_permanent_worker_restarts_after_every_cause() {
        let mut ledger = RestartLedger::new(settings(RestartPolicy::Permanent));
        assert_eq!(
            ledger.on_exit(CauseKind::Exit, SECOND, Instant::now(), 0.5),
            Verdict::Restart { after: SECOND / 2 }
        );
        assert_eq!(crash(&mut ledger, Instant::now()), after(1));
    }

    #[test]
    fn a_transient_worker_restarts_after_counted_causes_only() {
        let mut ledger = RestartLedger::new(settings(RestartPolicy::Transient));
        assert_eq!(
            ledger.on_exit(CauseKind::Exit, SECOND, Instant::now(), 1.0),
            Verdict::Down
        );
        assert_eq!(crash(&mut ledger, Instant::now()), after(1));
    }

    #[test]
    fn a_temporary_worker_never_restarts() {
        let mut ledger = RestartLedger::new(settings(RestartPolicy::Temporary));
        for cause in [CauseKind::Signal, CauseKind::Exit, CauseKind::Asked] {
            assert_eq!(ledger.on_exit(cause, SECOND, Instant::now(), 1.0), Verdict::Down);
        }
    }

    #[test]
    fn recycling_restarts_at_once_and_costs_nothing() {
        let mut configured = settings(RestartPolicy::Transient);
        configured.counts.push(CauseKind::Asked);
        let mut ledger = RestartLedger::new(configured);
        for _ in 0..100 {
            assert_eq!(ledger.on_exit(CauseKind::Asked, SECOND, Instant::now(), 1.0), after(0));
        }
        assert_eq!(crash(&mut ledger, Instant::now()), after(1));
    }

    #[test]
    fn delays_double_up_to_the_longest_and_start_again_after_a_healthy_life() {
        let mut ledger = RestartLedger::new(Restart {
            intensity: 100,
            ..settings(RestartPolicy::Permanent)
        });
        let now = Instant::now();
        let delays: Vec<_> = (0..5).map(|_| crash(&mut ledger, now)).collect();
        assert_eq!(delays, [1, 2, 4, 5, 5].map(after));
        assert_eq!(ledger.on_exit(CauseKind::Signal, 60 * SECOND, now, 1.0), after(1));
        assert_eq!(crash(&mut ledger, now), after(2));
    }

    #[test]
    fn one_restart_more_than_the_intensity_breaks_the_worker_until_it_is_reset() {
        let mut ledger = RestartLedger::new(settings(RestartPolicy::Permanent));
        let now = Instant::now();
        assert_eq!([(); 3].map(|()| crash(&mut ledger, now)), [1, 2, 4].map(after));
        assert_eq!(crash(&mut ledger, now + 10 * SECOND), Verdict::Broken);
        ledger.reset();
        assert_eq!(crash(&mut ledger, now + 10 * SECOND), after(1));
    }

    #[test]
    fn three_in_ten_seconds_does_not_break_a_worker_that_fails_every_nine() {
        let mut ledger = RestartLedger::new(settings(RestartPolicy::Permanent));
        let start = Instant::now();
        for n in 0..100 {
            assert_ne!(crash(&mut ledger, start + n * 9 * SECOND), Verdict::Broken);
        }
    }

    #[test]
    fn no_setting_and_no_dice_can_panic() {
        let longest = Restart {
            backoff_min: Duration::MAX,
            backoff_max: Duration::MAX,
            period: Duration::MAX,
            ..settings(RestartPolicy::Permanent)
        };
        for dice in [f64::NAN, f64::INFINITY, -1.0, 2.0, 1.0, 0.0] {
            let mut ledger = RestartLedger::new(longest.clone());
            let verdict = ledger.on_exit(CauseKind::Signal, Duration::MAX, Instant::now(), dice);
            assert!(matches!(verdict, Verdict::Restart { .. }), "dice {dice}");
        }
    }

    fn cause() -> impl Strategy<Value = CauseKind> {
        prop::sample::select(vec![
            CauseKind::Signal,
            CauseKind::Memory,
            CauseKind::Exit,
            CauseKind::Asked,
        ])
    }

    /// One end: its cause, the seconds since the last end, the dice.
    fn ends() -> impl Strategy<Value = Vec<(CauseKind, u64, f64)>> {
        prop::collection::vec((cause(), 0..8_u64, 0.0..=1.0), 0..60)
    }

    proptest! {
        #[test]
        fn verdicts_agree_with_a_model_that_remembers_everything(ends in ends(), intensity in 0..5_u32) {
            let configured = Restart { intensity, ..settings(RestartPolicy::Permanent) };
            let mut ledger = RestartLedger::new(configured.clone());
            let mut now = Instant::now();
            let mut counted: Vec<Instant> = Vec::new();
            let mut in_a_row = 0;
            for (cause, gap, dice) in ends {
                now += Duration::from_secs(gap);
                let verdict = ledger.on_exit(cause, SECOND, now, dice);
                let failure = configured.counts.contains(&cause);
                let full = counted.iter().filter(|&&past| now - past <= configured.period).count() >= intensity as usize;
                prop_assert_eq!(verdict == Verdict::Broken, failure && full);
                prop_assert!(ledger.recent.len() <= intensity as usize);
                if let Verdict::Restart { after } = verdict {
                    let ceiling = (2_u32.pow(in_a_row) * SECOND).min(configured.backoff_max);
                    prop_assert!(after <= ceiling.mul_f64(dice) + Duration::from_micros(1));
                    prop_assert_eq!(after.is_zero(), cause == CauseKind::Asked || dice < 1e-9);
                    if failure {
                        counted.push(now);
                        in_a_row = (in_a_row + 1).min(10);
                    }
                }
            }
        }
    }
}
