//! Why a command did not do what was asked, as text for people: what happened, why, and then what to do about it.

mod cause;

use std::{io, sync::Arc};

use super::{ending::Ending, style::Style};
use crate::{
    Clock, EvalError, ExitReport, Interrupter, NotStarted, Raised,
    config::{LoadError, UnknownProfile, format_duration},
};

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// How the command ends because of it.
    pub(super) ending: Ending,
    /// What happened, and why.
    pub(super) what: String,
    /// More lines about it: where the code raised its error, what the worker process used.
    pub(super) details: String,
    /// What to do.
    pub(super) hint: Option<String>,
    /// How the worker process ended, where that is the reason.
    pub(super) report: Option<Arc<ExitReport>>,
    /// How many worker processes it ended, where it was tried more than once.
    pub(super) tries: Option<u32>,
}

impl Failure {
    pub(super) fn new(ending: Ending, what: impl Into<String>) -> Self {
        Self { ending, what: what.into(), details: String::new(), hint: None, report: None, tries: None }
    }

    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::new(Ending::Usage, what)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Output cannot be written.
    pub(super) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Ending::OutputClosed, String::new()),
            _ => Self::new(Ending::Internal, format!("cannot write the output: {error}")),
        }
    }

    /// The code raised an error.
    pub(super) fn raised(raised: &Raised) -> Self {
        let what = if raised.message.is_empty() { raised.kind.clone() } else { raised.to_string() };
        Self { details: raised.traceback.clone(), ..Self::new(Ending::Raised, what) }
    }

    /// An evaluation has no outcome.
    pub(super) fn of(worker: &str, error: &EvalError) -> Self {
        let ending = Ending::of(error);
        match error {
            EvalError::Interrupted(by) => interrupted(*by),
            EvalError::Lost(report) => Self::lost(ending, report),
            EvalError::Quarantined { tries, report } => Self::quarantined(ending, *tries, report),
            EvalError::NotStarted(NotStarted::StartFailed(report)) => Self::lost(ending, report),
            EvalError::NotStarted(not_started) => Self::not_started(ending, worker, not_started),
        }
    }

    fn not_started(ending: Ending, worker: &str, not_started: &NotStarted) -> Self {
        let mut what = format!("worker `{worker}` did not take it: {not_started}");
        let mut details = String::new();
        if let NotStarted::Restarted { report: Some(report), .. } = not_started {
            what = format!("worker `{worker}` was restarted, and its state is gone: {}", cause::describe(report));
        }
        if let NotStarted::Broken { history } = not_started {
            details = history.iter().map(|report| format!("    {}\n", cause::describe(report))).collect();
        }
        let (hint, report) = (hint_not_started(not_started), last_report(not_started));
        Self { ending, what, details, hint, report, tries: None }
    }

    /// The worker process ended.
    pub(super) fn lost(ending: Ending, report: &Arc<ExitReport>) -> Self {
        Self {
            ending,
            what: cause::describe(report),
            details: cause::usage(report),
            hint: cause::hint(&report.cause),
            report: Some(report.clone()),
            tries: None,
        }
    }

    /// The evaluation ended every worker process that it ran in.
    fn quarantined(ending: Ending, tries: u32, report: &Arc<ExitReport>) -> Self {
        let last = cause::describe(report);
        let what = format!(
            "the evaluation ended its worker process in each of {tries} tries, and is not tried again; in the last, {last}"
        );
        Self { what, tries: Some(tries), ..Self::lost(ending, report) }
    }

    /// Adds the last that the worker process wrote to standard error, for where it was not seen before.
    pub(super) fn with_stderr(mut self) -> Self {
        if let Some(report) = &self.report {
            self.details.push_str(&cause::stderr(report));
        }
        self
    }

    /// The text for people. Empty where there is nothing to say.
    pub(super) fn render(&self, style: Style) -> String {
        if self.what.is_empty() {
            return String::new();
        }
        let mut text = format!("{} {}\n", style.error("error:"), harmless(self.what.trim_end()));
        for line in self.details.lines() {
            text.push_str(&harmless(line));
            text.push('\n');
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{} {}\n", style.hint("hint:"), harmless(hint)));
        }
        text
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match &error {
            LoadError::Read { source, .. } => Self::usage(format!("{error}: {source}")),
            _ => Self::usage(error.to_string()),
        }
    }
}

impl From<UnknownProfile> for Failure {
    fn from(error: UnknownProfile) -> Self {
        Self::usage(error.to_string())
    }
}

/// Text that code had a hand in must not move the cursor or change colours.
pub(super) fn harmless(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

fn interrupted(by: Interrupter) -> Failure {
    match by {
        Interrupter::Caller => Failure::new(Ending::Interrupted, "the evaluation was interrupted"),
        Interrupter::Deadline => {
            let what = "the evaluation was interrupted as it began: it had waited too long";
            Failure::new(Ending::TimeLimit, what).hint("try again, or raise `limits.queue_time` in the profile")
        }
        Interrupter::TimeLimit { limit, clock } => {
            let limit = format_duration(limit);
            let what = match clock {
                Clock::Wall => format!("the evaluation was interrupted: it ran longer than its time limit of {limit}"),
                Clock::Cpu => format!("the evaluation was interrupted: it used its processor time of {limit}"),
            };
            Failure::new(Ending::TimeLimit, what).hint(cause::time_hint(clock))
        }
    }
}

fn hint_not_started(not_started: &NotStarted) -> Option<String> {
    let hint = match not_started {
        NotStarted::Busy { .. } => "try again, or raise `limits.queue` in the profile",
        NotStarted::Deadline { .. } => {
            "try again, or raise `limits.queue_time`, or a shorter `limits.wall_time`, in the profile"
        }
        NotStarted::Restarted { .. } => "run it again if it does not need what was there before",
        NotStarted::Broken { .. } => "it starts again when it is reset",
        NotStarted::TooLarge { .. } => "raise `limits.message` in the profile",
        NotStarted::Unsupported(_) => "another runtime may: see `--runtime`",
        NotStarted::Cancelled
        | NotStarted::LeaseEnded
        | NotStarted::Stopped { .. }
        | NotStarted::StartFailed(_)
        | NotStarted::SupervisorGone => return None,
    };
    Some(hint.to_owned())
}

fn last_report(not_started: &NotStarted) -> Option<Arc<ExitReport>> {
    match not_started {
        NotStarted::Restarted { report, .. } | NotStarted::Stopped { report } => report.clone(),
        NotStarted::Broken { history } => history.last().cloned(),
        NotStarted::StartFailed(report) => Some(report.clone()),
        NotStarted::Busy { .. }
        | NotStarted::Deadline { .. }
        | NotStarted::Cancelled
        | NotStarted::LeaseEnded
        | NotStarted::TooLarge { .. }
        | NotStarted::Unsupported(_)
        | NotStarted::SupervisorGone => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{Cause, Enforcer, config::ByteSize};

    /// A report of a worker process that ended so.
    pub(in crate::front::cli) fn report(cause: Cause) -> ExitReport {
        ExitReport {
            worker: "js-3".to_owned(),
            epoch: 1,
            pid: 7,
            cause,
            status: None,
            peak_memory: ByteSize::mib(512),
            cpu: Duration::from_millis(1200),
            wall: Duration::from_millis(1500),
            stderr: "one\ntwo\u{1b}[2J\n".to_owned(),
            at: SystemTime::UNIX_EPOCH,
        }
    }

    fn over_memory() -> EvalError {
        let cause = Cause::MemoryLimit { limit: ByteSize::mib(256), seen: ByteSize::mib(512), by: Enforcer::Sampler };
        EvalError::Lost(Arc::new(report(cause)))
    }

    #[test]
    fn a_memory_limit_reads_as_what_happened_why_and_what_to_do() {
        assert_eq!(
            Failure::of("js-3", &over_memory()).render(Style::Plain),
            "error: worker `js-3` was stopped: memory 512MiB over its limit of 256MiB\n    \
             it used at most 512MiB of memory, and 1.2s of processor time in 1.5s\n\
             hint: allow more with `--memory SIZE`, or raise `limits.memory` in the profile\n"
        );
    }

    #[test]
    fn standard_error_is_shown_without_its_control_characters() {
        let text = Failure::of("js-3", &over_memory()).with_stderr().render(Style::Plain);
        assert!(text.contains("last of its standard error:\n    | one\n    | two\u{fffd}[2J\n"), "{text}");
    }

    #[test]
    fn a_raised_error_is_followed_by_where_it_came_from() {
        let raised = Raised {
            kind: "TypeError".to_owned(),
            message: "no".to_owned(),
            traceback: "    at cell 1:1\n".to_owned(),
        };
        assert_eq!(Failure::raised(&raised).render(Style::Plain), "error: TypeError: no\n    at cell 1:1\n");
    }

    #[test]
    fn a_time_limit_names_the_flag_that_raises_it() {
        let by = Interrupter::TimeLimit { limit: Duration::from_secs(1), clock: Clock::Wall };
        assert_eq!(
            Failure::of("js-3", &EvalError::Interrupted(by)).render(Style::Plain),
            "error: the evaluation was interrupted: it ran longer than its time limit of 1s\n\
             hint: allow more with `--time TIME`, or raise `limits.wall_time` in the profile\n"
        );
    }

    #[test]
    fn a_broken_worker_tells_its_history() {
        let history = vec![Arc::new(report(Cause::Signal(11))), Arc::new(report(Cause::Exit(3)))];
        let text = Failure::of("js-3", &NotStarted::Broken { history }.into()).render(Style::Plain);
        assert!(text.contains("worker `js-3` crashed: SIGSEGV (signal 11)\n"), "{text}");
        assert!(text.contains("worker `js-3` left with code 3\n"), "{text}");
    }

    #[test]
    fn a_quarantined_evaluation_tells_how_often_it_was_tried_and_what_came_of_it() {
        let report = Arc::new(report(Cause::Signal(11)));
        let text = Failure::of("js-3", &EvalError::Quarantined { tries: 3, report }).render(Style::Plain);
        assert!(
            text.starts_with(
                "error: the evaluation ended its worker process in each of 3 tries, and is not tried again; \
             in the last, worker `js-3` crashed: SIGSEGV (signal 11)\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_closed_output_is_no_news() {
        let failure = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.render(Style::Coloured).as_str(), failure.ending.code()), ("", 141));
    }
}
