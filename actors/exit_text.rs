//! How an exit report reads to people.

use std::fmt::{self, Display, Formatter};

use crate::{Asked, Cause, Clock, Enforcer, ExitReport};

impl Display for ExitReport {
    /// One line, without a full stop: who, and why.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "worker `{}` {}", self.worker, self.cause)
    }
}

impl Display for Cause {
    /// Completes "the worker …".
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(why) => write!(f, "was stopped: {why}"),
            Self::MemoryLimit { limit, seen, by } => {
                let by = match by {
                    Enforcer::Sampler => "",
                    Enforcer::Kernel => ", by the kernel",
                };
                write!(f, "was stopped{by}: memory {seen:#} over its limit of {limit:#}")
            }
            Self::TimeLimit { limit, clock } => {
                let clock = match clock {
                    Clock::Wall => "time",
                    Clock::Cpu => "CPU time",
                };
                write!(f, "was stopped: over its {clock} limit of {limit:?}, and did not heed the interrupt")
            }
            Self::IgnoredInterrupt => f.write_str("was stopped: it did not heed an interrupt"),
            Self::Start(why) => write!(f, "did not start: {why}"),
            Self::Protocol(what) => write!(f, "was stopped: {what}"),
            Self::Signal(signal) => write!(f, "crashed: signal {signal}{}", named(*signal)),
            Self::KilledFromOutside(signal) => {
                write!(f, "was killed from outside: signal {signal}{}", named(*signal))
            }
            Self::Exit(code) => write!(f, "left by itself with code {code}"),
            Self::SupervisorLost => f.write_str("was stopped: its supervisor is gone"),
        }
    }
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "it was asked to",
            Self::Kill => "it was killed on request",
            Self::Idle => "it was idle for its idle time",
            Self::Lifetime => "it reached its lifetime",
            Self::Evaluations => "it served its number of evaluations",
            Self::Lease => "its lease ended",
            Self::Restart => "a fresh process was asked for",
            Self::Shutdown => "everything shuts down",
            Self::Growth => "it had grown by more than it may",
            Self::Budget => "it was idle, and its memory was wanted elsewhere",
        })
    }
}

/// The name of a signal, where a person may know it (`signal(7)`, x86 and ARM).
fn named(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        3 => " (SIGQUIT)",
        4 => " (SIGILL: illegal instruction)",
        5 => " (SIGTRAP)",
        6 => " (SIGABRT: it aborted)",
        7 => " (SIGBUS: bad memory access)",
        8 => " (SIGFPE: bad arithmetic)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV: bad memory access, or out of stack)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        24 => " (SIGXCPU: CPU time)",
        25 => " (SIGXFSZ: file size)",
        31 => " (SIGSYS: forbidden system call)",
        _ => "",
    }
}
