//! What a caller is told.

use oast::{
    Cause, Clock, EvalError, EvalResult, Interrupter, Outcome,
    config::{ByteSize, Profile},
    decode_result,
};

use self::Told::{
    AnyValue, Interrupted, Lost, MemoryLimit, OneOf, Protocol, Raised, Signal, Stopped, Through, TimeLimit,
};
use crate::fixtures::hostile::Tried;

/// What a caller is told. Functions say `None` when they got through, and otherwise what stopped them; see
/// [`trespass`](crate::fixtures::trespass).
#[derive(Debug)]
pub(super) enum Told {
    /// It did what it wanted, which harmed nobody.
    Through,
    /// One of these errors stopped it; or, of a program, it left with one of these codes.
    Stopped(&'static [i32]),
    /// Some value, of JavaScript, and whatever it is it does no harm.
    AnyValue,
    /// It raised, or returned, an error that says this.
    Raised(&'static str),
    /// It was interrupted at its time limit, and lives on.
    Interrupted(Clock),
    /// Its process was ended, as the others below: it used more memory than it may, all of it together.
    MemoryLimit,
    /// It ran longer than it may, and did not heed the interrupt.
    TimeLimit(Clock),
    /// One of these signals, which programs raise by themselves.
    Signal(&'static [i32]),
    /// For this cause.
    Lost(Cause),
    /// It said what the protocol does not allow.
    Protocol,
    /// One of these, and which depends on what this machine has.
    OneOf(&'static [Told]),
}

/// What no directory of a private root, nor of the host's, lets a stranger do; and where one does, how it ends.
pub(super) const NO_ROOM: Told =
    Stopped(&[libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOENT, libc::ENOSPC, libc::EDQUOT, libc::EFBIG]);

impl Told {
    /// Whether that is what a caller was told whose worker has this profile.
    pub(super) fn is(&self, ended: &EvalResult, profile: &Profile) -> bool {
        match self {
            Through => returned(ended) == Some(Ok(None)),
            Stopped(errors) => matches!(returned(ended), Some(Ok(Some(error))) if errors.contains(&error)),
            AnyValue => matches!(ended, Ok(Outcome { result: Ok(_), .. })),
            Raised(text) => raised(ended).is_some_and(|raised| raised.contains(text)),
            Interrupted(clock) => {
                let Some(limit) = limit(*clock, profile) else { return false };
                *ended == Err(EvalError::Interrupted(Interrupter::TimeLimit { limit, clock: *clock }))
            }
            MemoryLimit => matches!(cause(ended), Some(Cause::MemoryLimit { limit, seen, .. })
                if Some(*limit) == profile.limits.memory && *seen > ByteSize(limit.get() / 10 * 9)),
            TimeLimit(clock) => {
                let Some(limit) = limit(*clock, profile) else { return false };
                cause(ended) == Some(&Cause::TimeLimit { limit, clock: *clock })
            }
            Signal(signals) => matches!(cause(ended), Some(Cause::Signal(signal)) if signals.contains(signal)),
            Lost(expected) => cause(ended) == Some(expected),
            Protocol => matches!(cause(ended), Some(Cause::Protocol(_))),
            OneOf(all) => all.iter().any(|told| told.is(ended, profile)),
        }
    }
}

fn limit(clock: Clock, profile: &Profile) -> Option<std::time::Duration> {
    match clock {
        Clock::Wall => profile.limits.wall_time,
        Clock::Cpu => profile.limits.cpu_time,
    }
}

fn cause(ended: &EvalResult) -> Option<&Cause> {
    match ended {
        Err(EvalError::Lost(report)) => Some(&report.cause),
        _ => None,
    }
}

fn returned(ended: &EvalResult) -> Option<Tried> {
    match ended {
        Ok(Outcome { result: Ok(value), .. }) => decode_result(value.clone()).ok(),
        _ => None,
    }
}

fn raised(ended: &EvalResult) -> Option<String> {
    match (ended, returned(ended)) {
        (_, Some(Err(error))) => Some(error),
        (Ok(Outcome { result: Err(raised), .. }), None) => Some(raised.to_string()),
        _ => None,
    }
}

/// The same in a few words, for people.
pub(super) fn shortly(ended: &EvalResult) -> String {
    match (ended, returned(ended)) {
        (_, Some(Ok(None))) => "it got through, harmlessly".to_owned(),
        (_, Some(Ok(Some(error)))) => format!("stopped by {}", std::io::Error::from_raw_os_error(error)),
        (_, Some(Err(error))) => format!("said that {error}"),
        (Ok(Outcome { result: Ok(value), .. }), None) => format!("returned {value:?}").chars().take(60).collect(),
        (Ok(Outcome { result: Err(raised), .. }), None) => format!("raised {raised}").chars().take(100).collect(),
        (Err(error), None) => cause(ended).map_or_else(|| error.to_string(), |cause| format!("{cause:?}")),
    }
}
