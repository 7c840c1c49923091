//! What `--json` writes: one object on each line. `output` for each piece that was printed, `outcome` for how an
//! evaluation ended, `exit` when a worker process ended while no evaluation was waiting for it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{encode, ending::Ending, failure::Failure};
use crate::{Cause, Clock, Enforcer, ExitReport, ExitStatus, Outcome, Printed, Stream, Usage, Warning};

/// A piece of output. Bytes that are no text are in base64; a piece may end within a character.
pub(super) fn output(printed: &Printed) -> Value {
    let stream = match printed.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    match str::from_utf8(&printed.bytes) {
        Ok(text) => json!({ "event": "output", "stream": stream, "text": text }),
        Err(_) => json!({ "event": "output", "stream": stream, "base64": encode::base64(&printed.bytes) }),
    }
}

/// How an evaluation ended that ran to an end.
pub(super) fn outcome(outcome: &Outcome) -> Value {
    let mut json = json!({
        "event": "outcome",
        "epoch": outcome.epoch,
        "output_dropped": outcome.output_dropped,
        "usage": usage(&outcome.usage),
        "warnings": outcome.warnings.iter().map(warning).collect::<Vec<_>>(),
    });
    match &outcome.result {
        Ok(value) => {
            json["ending"] = ending(Ending::Done);
            json["value"] = encode::value(value);
            json["text"] = outcome.text.clone().into();
        }
        Err(raised) => {
            json["ending"] = ending(Ending::Raised);
            json["error"] = json!({
                "type": raised.kind,
                "message": raised.message,
                "traceback": raised.traceback,
            });
        }
    }
    json
}

/// How an evaluation or a command ended that did not come to an outcome.
pub(super) fn failure(failure: &Failure) -> Value {
    let mut json = json!({
        "event": "outcome",
        "ending": ending(failure.ending),
        "error": { "message": failure.what, "hint": failure.hint },
    });
    if let Some(report) = &failure.report {
        json["exit"] = self::report(report);
    }
    if let Some(tries) = failure.tries {
        json["error"]["tries"] = tries.into();
    }
    json
}

/// A worker process that ended.
pub(super) fn exit(report: &ExitReport) -> Value {
    json!({ "event": "exit", "exit": self::report(report) })
}

fn ending(ending: Ending) -> Value {
    json!({ "kind": ending.name(), "code": ending.code() })
}

fn usage(usage: &Usage) -> Value {
    let memory = usage.memory.map(|memory| memory.get());
    json!({ "wall_ms": milliseconds(usage.wall), "cpu_ms": milliseconds(usage.cpu), "memory_bytes": memory })
}

fn warning(warning: &Warning) -> Value {
    match warning {
        Warning::Memory { limit, seen } => {
            json!({ "kind": "memory", "limit_bytes": limit.get(), "seen_bytes": seen.get() })
        }
    }
}

fn report(report: &ExitReport) -> Value {
    let at = report.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    json!({
        "worker": report.worker,
        "epoch": report.epoch,
        "pid": report.pid,
        "cause": cause(&report.cause),
        "status": report.status.map(|status| match status {
            ExitStatus::Code(code) => json!({ "code": code }),
            ExitStatus::Signal(signal) => json!({ "signal": signal }),
        }),
        "peak_memory_bytes": report.peak_memory.get(),
        "cpu_ms": milliseconds(report.cpu),
        "wall_ms": milliseconds(report.wall),
        "stderr": report.stderr,
        "at_ms": milliseconds(at),
    })
}

fn cause(cause: &Cause) -> Value {
    match cause {
        Cause::Asked(why) => json!({ "kind": "asked", "why": format!("{why:?}").to_lowercase() }),
        Cause::MemoryLimit { limit, seen, by } => {
            let by = match by {
                Enforcer::Sampler => "sampler",
                Enforcer::Kernel => "kernel",
            };
            json!({ "kind": "memory_limit", "limit_bytes": limit.get(), "seen_bytes": seen.get(), "by": by })
        }
        Cause::TimeLimit { limit, clock } => {
            let clock = match clock {
                Clock::Wall => "wall",
                Clock::Cpu => "cpu",
            };
            json!({ "kind": "time_limit", "limit_ms": milliseconds(*limit), "clock": clock })
        }
        Cause::IgnoredInterrupt => json!({ "kind": "ignored_interrupt" }),
        Cause::Start(why) => json!({ "kind": "start", "why": why }),
        Cause::Protocol(why) => json!({ "kind": "protocol", "why": why }),
        Cause::Signal(signal) => json!({ "kind": "signal", "signal": signal }),
        Cause::KilledFromOutside(signal) => json!({ "kind": "killed_from_outside", "signal": signal }),
        Cause::Exit(code) => json!({ "kind": "exit", "code": code }),
        Cause::SupervisorLost => json!({ "kind": "supervisor_lost" }),
    }
}

fn milliseconds(time: Duration) -> Value {
    json!(time.as_micros() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Raised, Value as Crossing, config::ByteSize, front::cli::failure::tests::report};

    fn ended(result: Result<Crossing, Raised>) -> Value {
        outcome(&Outcome {
            result,
            text: "1".to_owned(),
            output: Vec::new(),
            output_dropped: 0,
            warnings: Vec::new(),
            usage: Usage { wall: Duration::from_micros(1500), ..Usage::default() },
            epoch: 1,
        })
    }

    #[test]
    fn a_value_comes_as_json_with_its_text_and_what_it_used() {
        let json = ended(Ok(Crossing::Int(1)));
        assert_eq!(json["event"], "outcome");
        assert_eq!(json["ending"], json!({ "kind": "done", "code": 0 }));
        assert_eq!((&json["value"], &json["text"]), (&json!(1), &json!("1")));
        assert_eq!(json["usage"]["wall_ms"], json!(1.5));
    }

    #[test]
    fn a_raised_error_comes_with_its_type() {
        let raised = Raised { kind: "TypeError".to_owned(), message: "no".to_owned(), traceback: String::new() };
        let json = ended(Err(raised));
        assert_eq!(json["ending"]["kind"], "raised");
        assert_eq!((&json["error"]["type"], &json["error"]["message"]), (&json!("TypeError"), &json!("no")));
        assert!(json.get("value").is_none());
    }

    #[test]
    fn a_lost_worker_comes_with_its_exit_report() {
        let cause = Cause::MemoryLimit { limit: ByteSize(1), seen: ByteSize(2), by: Enforcer::Sampler };
        let error = crate::EvalError::Lost(std::sync::Arc::new(report(cause)));
        let json = failure(&Failure::of("js-3", &error));
        assert_eq!(json["ending"], json!({ "kind": "memory_limit", "code": 10 }));
        let expected = json!({ "kind": "memory_limit", "limit_bytes": 1, "seen_bytes": 2, "by": "sampler" });
        assert_eq!(json["exit"]["cause"], expected);
        assert_eq!(json["exit"]["peak_memory_bytes"], 512 << 20);
    }

    #[test]
    fn a_quarantined_evaluation_comes_with_its_tries() {
        let report = std::sync::Arc::new(report(Cause::Signal(11)));
        let json = failure(&Failure::of("js-3", &crate::EvalError::Quarantined { tries: 3, report }));
        assert_eq!((&json["ending"]["kind"], &json["error"]["tries"]), (&json!("killed"), &json!(3)));
        assert_eq!(json["exit"]["cause"]["kind"], "signal");
    }

    #[test]
    fn output_that_is_no_text_is_base64() {
        let printed = |bytes: &[u8]| Printed { stream: Stream::Stderr, bytes: bytes.to_vec().into() };
        assert_eq!(output(&printed(b"a\n")), json!({ "event": "output", "stream": "stderr", "text": "a\n" }));
        assert_eq!(output(&printed(b"\xff")), json!({ "event": "output", "stream": "stderr", "base64": "/w==" }));
    }
}
