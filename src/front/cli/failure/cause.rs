//! Why a worker process ended, as text for people.

use std::time::Duration;

use crate::{Asked, Cause, Clock, ExitReport, config::format_duration};

/// What happened, and why.
pub(super) fn describe(report: &ExitReport) -> String {
    let worker = format!("worker `{}`", report.worker);
    match &report.cause {
        Cause::MemoryLimit { limit, seen, by: _ } => {
            format!("{worker} was stopped: memory {seen:#} over its limit of {limit}")
        }
        Cause::TimeLimit { limit, clock } => {
            let limit = format_duration(*limit);
            let clock = match clock {
                Clock::Wall => "time",
                Clock::Cpu => "processor time",
            };
            format!("{worker} was stopped: it was over its {clock} limit of {limit}, and did not heed the interrupt")
        }
        Cause::IgnoredInterrupt => format!("{worker} was stopped: it did not heed the interrupt"),
        Cause::Start(why) => format!("{worker} did not start: {why}"),
        Cause::Protocol(why) => format!("{worker} was stopped: it broke the protocol: {why}"),
        Cause::Signal(signal) => format!("{worker} crashed: {}", signal_name(*signal)),
        Cause::KilledFromOutside(signal) => format!("{worker} was killed from outside: {}", signal_name(*signal)),
        Cause::Exit(code) => format!("{worker} left with code {code}"),
        Cause::SupervisorLost => format!("{worker} lost its supervisor"),
        Cause::Asked(why) => format!("{worker} was stopped{}", after(*why)),
    }
}

const fn after(why: Asked) -> &'static str {
    match why {
        Asked::Stop | Asked::Kill | Asked::Restart => " on request",
        Asked::Idle => " after its idle time",
        Asked::Lifetime => " after its lifetime",
        Asked::Growth => ", for it had grown too much",
        Asked::Budget => " while it was idle, to free memory",
        Asked::Evaluations => " after its number of evaluations",
        Asked::Lease => " after its lease",
        Asked::Shutdown => ", for everything shuts down",
    }
}

/// What to do about it.
pub(super) fn hint(cause: &Cause) -> Option<String> {
    match cause {
        Cause::MemoryLimit { .. } => {
            Some("allow more with `--memory SIZE`, or raise `limits.memory` in the profile".to_owned())
        }
        Cause::TimeLimit { clock, .. } => Some(time_hint(*clock).to_owned()),
        Cause::Start(_) => Some("`oast doctor` tells what this machine offers".to_owned()),
        Cause::SupervisorLost => Some("this is a fault of Oast: please report it".to_owned()),
        Cause::Asked(_)
        | Cause::IgnoredInterrupt
        | Cause::Protocol(_)
        | Cause::Signal(_)
        | Cause::KilledFromOutside(_)
        | Cause::Exit(_) => None,
    }
}

/// How to allow more time.
pub(super) const fn time_hint(clock: Clock) -> &'static str {
    match clock {
        Clock::Wall => "allow more with `--time TIME`, or raise `limits.wall_time` in the profile",
        Clock::Cpu => "raise `limits.cpu_time` in the profile",
    }
}

/// What the process used, on a line of its own. Empty where nobody measured it.
pub(super) fn usage(report: &ExitReport) -> String {
    if report.peak_memory.get() == 0 {
        return String::new();
    }
    let (memory, cpu, wall) = (report.peak_memory, seconds(report.cpu), seconds(report.wall));
    format!("    it used at most {memory:#} of memory, and {cpu} of processor time in {wall}\n")
}

/// The last that it wrote to standard error. Empty where it wrote nothing.
pub(super) fn stderr(report: &ExitReport) -> String {
    if report.stderr.trim().is_empty() {
        return String::new();
    }
    let lines = report.stderr.lines().map(|line| format!("    | {line}\n"));
    format!("    the last of its standard error:\n{}", lines.collect::<String>())
}

/// A time with as many digits as a person wants.
fn seconds(time: Duration) -> String {
    let milliseconds = time.as_millis();
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 => format!("{}s", (time.as_secs_f64() * 10.0).round() / 10.0),
        _ => format_duration(Duration::from_secs(time.as_secs())),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    format!("{name} (signal {signal})")
}
