//! Whether an evaluation whose process ended is sent again. Pure; the line it stands in is in [`line`](crate::line).

use crate::EvalOptions;

/// From so many processes on that ended when it was its turn, an evaluation is not believed not to have begun: the code can
/// forge what its process says of itself, and would run again and again.
const MOST_DEATHS: u32 = 2;

/// How often an evaluation was tried, and how often it may be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retries {
    most: u32,
    idempotent: bool,
    /// How many processes ended that may have begun it, or did not start for it.
    tries: u32,
    /// How many processes ended while it was the one to run.
    deaths: u32,
}

/// What a process that ended had to do with an evaluation that was sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Had {
    /// Whether it began, as the process says.
    pub(crate) begun: bool,
    /// Whether it was the one to run.
    pub(crate) running: bool,
    /// Whether the process failed and nobody wanted the evaluation to end. What Oast ended on purpose is not tried again.
    pub(crate) failed: bool,
}

/// What becomes of an evaluation whose process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never reached the code, and waits again.
    Untouched,
    /// It may have run, and is sent again.
    Again,
    /// It may have run, and is not sent again.
    Lost,
    /// It was running in each of so many processes that ended, and is not sent again.
    Quarantined { tries: u32 },
}

impl Retries {
    pub(crate) const fn new(options: &EvalOptions) -> Self {
        Self { most: options.retries, idempotent: options.idempotent, tries: 0, deaths: 0 }
    }

    /// A process ended that had it.
    pub(crate) fn on_end(&mut self, had: Had) -> Fate {
        if !had.begun && !had.running {
            return Fate::Untouched;
        }
        self.tries = self.tries.saturating_add(1);
        self.deaths = self.deaths.saturating_add(u32::from(had.running));
        if !had.begun && self.deaths < MOST_DEATHS {
            Fate::Untouched
        } else if had.failed && self.idempotent && self.tries <= self.most {
            Fate::Again
        } else if had.failed && self.most > 0 && self.deaths > self.most {
            Fate::Quarantined { tries: self.deaths }
        } else {
            Fate::Lost
        }
    }

    /// The process that it waited for did not start. Says whether it waits for another one.
    pub(crate) const fn on_failed_start(&mut self) -> bool {
        let again = self.tries < self.most;
        self.tries = self.tries.saturating_add(1);
        again
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn retries(retries: u32, idempotent: bool) -> Retries {
        Retries::new(&EvalOptions { retries, idempotent, ..EvalOptions::default() })
    }

    const CRASH: Had = Had { begun: true, running: true, failed: true };
    const FORGED: Had = Had { begun: false, running: true, failed: true };
    const AHEAD: Had = Had { begun: false, running: false, failed: true };

    #[test]
    fn what_kills_every_process_is_quarantined_after_its_tries() {
        let mut poison = retries(2, true);
        assert_eq!(
            [CRASH; 3].map(|had| poison.on_end(had)),
            [Fate::Again, Fate::Again, Fate::Quarantined { tries: 3 }]
        );
        let mut forger = retries(2, true);
        assert_eq!(
            [FORGED; 3].map(|had| forger.on_end(had)),
            [Fate::Untouched, Fate::Again, Fate::Quarantined { tries: 3 }]
        );
    }

    #[test]
    fn without_the_mark_what_may_have_run_is_lost() {
        assert_eq!(retries(5, false).on_end(CRASH), Fate::Lost);
        assert_eq!(retries(0, true).on_end(CRASH), Fate::Lost);
        let mut forger = retries(5, false);
        assert_eq!([FORGED; 2].map(|had| forger.on_end(had)), [Fate::Untouched, Fate::Lost]);
    }

    #[test]
    fn one_that_only_waited_beside_others_is_lost_and_not_blamed() {
        let beside = Had { running: false, ..CRASH };
        let mut evaluation = retries(1, true);
        assert_eq!([beside, CRASH].map(|had| evaluation.on_end(had)), [Fate::Again, Fate::Lost]);
    }

    #[test]
    fn what_was_ended_on_purpose_is_not_tried_again() {
        assert_eq!(retries(5, true).on_end(Had { failed: false, ..CRASH }), Fate::Lost);
    }

    #[test]
    fn a_start_that_fails_costs_one_try() {
        let mut evaluation = retries(2, false);
        assert_eq!([(); 3].map(|()| evaluation.on_failed_start()), [true, true, false]);
        assert!(!retries(0, true).on_failed_start());
    }

    fn had() -> impl Strategy<Value = Had> {
        any::<[bool; 3]>().prop_map(|[begun, running, failed]| Had { begun, running, failed })
    }

    proptest! {
        #[test]
        fn nothing_is_tried_for_ever_and_nothing_that_may_have_run_without_the_mark(
            most in 0..4_u32,
            idempotent: bool,
            ends in prop::collection::vec(had(), 0..20),
        ) {
            let mut evaluation = retries(most, idempotent);
            let (mut may_have_run, mut again) = (false, 0);
            for had in ends.into_iter().filter(|had| *had != AHEAD) {
                prop_assert!(!may_have_run || idempotent, "sent again");
                may_have_run |= had.begun;
                match evaluation.on_end(had) {
                    Fate::Untouched => prop_assert!(!had.begun),
                    Fate::Again => again += 1,
                    Fate::Lost => break,
                    Fate::Quarantined { tries } => {
                        prop_assert!(tries > most && most > 0);
                        break;
                    }
                }
            }
            prop_assert!(again <= most);
        }
    }
}
