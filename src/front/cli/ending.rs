//! How a command ends, and the exit codes that say so. The one place where exit codes are documented: help and manual
//! page are made from it.

use std::process::ExitCode;

use crate::{Asked, Cause, EvalError, Interrupter, NotStarted};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The code ran to its end.
    Done,
    /// The code raised an error.
    Raised,
    /// What was asked for makes no sense.
    Usage,
    /// The worker process used more memory than it may.
    MemoryLimit,
    /// The code ran longer than it may.
    TimeLimit,
    /// The worker process was ended by a signal, by itself, or because it broke the protocol.
    Killed,
    /// The code did not begin to run.
    Refused,
    /// Oast itself failed.
    Internal,
    /// The user ended it.
    Interrupted,
    /// Nobody reads the output any more.
    OutputClosed,
    /// The code ended its process with an exit code of its own.
    Own(u8),
}

/// Every ending of Oast's own, and what it means.
const MEANINGS: [(Ending, &str); 10] = [
    (Ending::Done, "the code ran to its end"),
    (Ending::Raised, "the code raised an error"),
    (Ending::Usage, "wrong usage or configuration, or a file that cannot be read"),
    (Ending::MemoryLimit, "the memory limit was reached"),
    (Ending::TimeLimit, "the time limit was reached"),
    (Ending::Killed, "the worker process crashed, was killed, or left by itself"),
    (Ending::Refused, "refused: the worker is busy or broken, or did not start"),
    (Ending::Internal, "Oast itself failed"),
    (Ending::Interrupted, "interrupted by Ctrl-C"),
    (Ending::OutputClosed, "nobody reads the output any more"),
];

/// What holds beyond the table.
const OWN: &str = "When code that `oast run` runs ends its process with an exit code of its own, that is the exit code, \
                   whatever it is. All codes of Oast's own but 0 come with a line on standard error that begins with \
                   `error:`, or with an `outcome` where `--json` is given; 141 comes alone. `oast repl` ends with 0 at a terminal, and otherwise with the code of the last \
                   evaluation.";

impl Ending {
    /// The exit code.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Raised => 1,
            Self::Usage => 2,
            Self::MemoryLimit => 10,
            Self::TimeLimit => 11,
            Self::Killed => 12,
            Self::Refused => 13,
            Self::Internal => 14,
            Self::Interrupted => 130,
            Self::OutputClosed => 141,
            Self::Own(code) => code,
        }
    }

    /// Its name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Raised => "raised",
            Self::Usage => "usage",
            Self::MemoryLimit => "memory_limit",
            Self::TimeLimit => "time_limit",
            Self::Killed => "killed",
            Self::Refused => "refused",
            Self::Internal => "internal",
            Self::Interrupted => "interrupted",
            Self::OutputClosed => "output_closed",
            Self::Own(_) => "exited",
        }
    }

    /// How an evaluation without an outcome ended.
    pub(super) fn of(error: &EvalError) -> Self {
        match error {
            EvalError::Interrupted(Interrupter::Caller) => Self::Interrupted,
            EvalError::Interrupted(Interrupter::TimeLimit { .. } | Interrupter::Deadline) => Self::TimeLimit,
            EvalError::Lost(report) | EvalError::Quarantined { report, .. } => Self::of_cause(&report.cause),
            EvalError::NotStarted(NotStarted::Cancelled) => Self::Interrupted,
            EvalError::NotStarted(NotStarted::SupervisorGone) => Self::Internal,
            EvalError::NotStarted(_) => Self::Refused,
        }
    }

    fn of_cause(cause: &Cause) -> Self {
        match cause {
            Cause::MemoryLimit { .. } => Self::MemoryLimit,
            Cause::TimeLimit { .. } => Self::TimeLimit,
            // It is the user who asks for these, with a second Ctrl-C.
            Cause::IgnoredInterrupt | Cause::Asked(Asked::Kill | Asked::Restart) => Self::Interrupted,
            Cause::Start(_) => Self::Refused,
            Cause::SupervisorLost => Self::Internal,
            Cause::Asked(_) | Cause::Protocol(_) | Cause::Signal(_) | Cause::KilledFromOutside(_) | Cause::Exit(_) => {
                Self::Killed
            }
        }
    }

    /// The exit code that the code itself chose, if that is how its process ended.
    pub(super) fn own(error: &EvalError) -> Option<Self> {
        let EvalError::Lost(report) = error else { return None };
        let Cause::Exit(code) = report.cause else { return None };
        // The kernel keeps eight bits of it.
        Some(Self::Own(code.to_le_bytes()[0]))
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

/// The exit codes, for the end of the help and for the manual page.
pub(super) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (ending, meaning) in MEANINGS {
        text.push_str(&format!("  {:>3}  {meaning}\n", ending.code()));
    }
    text + "\n" + OWN
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc, time::Duration};

    use super::*;
    use crate::{Clock, Enforcer, config::ByteSize, front::cli::failure::tests::report};

    fn lost(cause: Cause) -> EvalError {
        EvalError::Lost(Arc::new(report(cause)))
    }

    #[test]
    fn every_cause_has_its_exit_code() {
        let size = ByteSize::mib(1);
        let limit = Duration::from_secs(1);
        let time = Interrupter::TimeLimit { limit, clock: Clock::Wall };
        let table = [
            (lost(Cause::MemoryLimit { limit: size, seen: size, by: Enforcer::Sampler }), 10),
            (lost(Cause::TimeLimit { limit, clock: Clock::Cpu }), 11),
            (EvalError::Interrupted(time), 11),
            (lost(Cause::Signal(11)), 12),
            (EvalError::Quarantined { tries: 2, report: Arc::new(report(Cause::Signal(11))) }, 12),
            (lost(Cause::KilledFromOutside(9)), 12),
            (lost(Cause::Exit(3)), 12),
            (lost(Cause::Protocol("garbage".to_owned())), 12),
            (lost(Cause::Start("no hello".to_owned())), 13),
            (NotStarted::Busy { limit: 1 }.into(), 13),
            (NotStarted::Broken { history: Vec::new() }.into(), 13),
            (NotStarted::SupervisorGone.into(), 14),
            (lost(Cause::SupervisorLost), 14),
            (EvalError::Interrupted(Interrupter::Caller), 130),
            (lost(Cause::IgnoredInterrupt), 130),
            (lost(Cause::Asked(Asked::Kill)), 130),
            (NotStarted::Cancelled.into(), 130),
        ];
        for (error, code) in table {
            assert_eq!(Ending::of(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn a_code_of_its_own_is_passed_on() {
        let own = |code| Ending::own(&lost(Cause::Exit(code))).map(Ending::code);
        assert_eq!((own(0), own(7), own(255), own(10)), (Some(0), Some(7), Some(255), Some(10)));
        assert_eq!(Ending::own(&lost(Cause::Signal(6))), None);
    }

    #[test]
    fn every_code_means_one_thing_and_is_in_the_help() {
        let codes: BTreeSet<u8> = MEANINGS.iter().map(|(ending, _)| ending.code()).collect();
        assert_eq!(codes.len(), MEANINGS.len());
        let help = help();
        assert!(codes.iter().all(|code| help.contains(&format!(" {code}  "))), "{help}");
    }
}
