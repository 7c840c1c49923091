//! `oast eval CODE`.

use super::{
    arguments::{Eval, Global},
    ending::Ending,
    failure::Failure,
    follow::follow,
    json,
    output::Output,
    session::{Session, with_session},
};
use crate::{Code, EvalResult, Job, Outcome, Request, Stream, Warning};

/// Evaluates code and prints its value.
pub(super) fn eval(global: &Global, Eval { code }: Eval) -> Result<Ending, Failure> {
    let request = Request { job: Job::Code(Code { source: code, ..Code::default() }), fetch: true };
    once("eval", global, request, false)
}

/// Evaluates one request, and ends as it does. `is_program` says that the code may choose the exit code.
pub(super) fn once(name: &str, global: &Global, request: Request, is_program: bool) -> Result<Ending, Failure> {
    with_session(name, global, async |session: Session, mut output: Output| {
        let kill = |session: &Session| {
            let worker = session.worker.clone();
            drop(actix_rt::spawn(async move { worker.kill().await }));
        };
        let result = follow(&session, request, &mut output, kill).await.map_err(|error| Failure::output(&error))?;
        let own = result.as_ref().err().filter(|_| is_program).and_then(Ending::own);
        let ended = tell(&session, result, &mut output);
        output.write_all().await.map_err(|error| Failure::output(&error))?;
        match own {
            Some(own) if output.json => ended.map_err(|failure| Failure { ending: own, ..failure }),
            Some(own) => Ok(own),
            None => ended,
        }
    })
}

/// Tells how an evaluation ended.
fn tell(session: &Session, result: EvalResult, output: &mut Output) -> Result<Ending, Failure> {
    match result {
        Ok(outcome) => tell_outcome(session, &outcome, output),
        Err(error) => {
            let failure = Failure::of(session.worker.name(), &error);
            Err(if output.printed_stderr { failure } else { failure.with_stderr() })
        }
    }
}

/// Tells a value, or what the code raised.
pub(super) fn tell_outcome(session: &Session, outcome: &Outcome, output: &mut Output) -> Result<Ending, Failure> {
    if output.json {
        output.line(&json::outcome(outcome));
        return Ok(if outcome.result.is_ok() { Ending::Done } else { Ending::Raised });
    }
    if !session.quiet {
        for note in notes(outcome) {
            output.text(Stream::Stderr, format!("{} {note}\n", output.style.note("warning:")));
        }
    }
    match &outcome.result {
        Ok(_) if outcome.text.is_empty() => Ok(Ending::Done),
        Ok(_) => {
            output.text(Stream::Stdout, format!("{}\n", outcome.text));
            Ok(Ending::Done)
        }
        Err(raised) => Err(Failure::raised(raised)),
    }
}

/// What is good to know about an evaluation that ran to its end.
fn notes(outcome: &Outcome) -> Vec<String> {
    let warning = |warning: &Warning| match warning {
        Warning::Memory { limit, seen } => {
            format!("memory {seen:#} over the soft limit of {limit}")
        }
    };
    let mut notes: Vec<String> = outcome.warnings.iter().map(warning).collect();
    if outcome.output_dropped > 0 {
        let dropped = outcome.output_dropped;
        notes.push(format!("{dropped} bytes of output were dropped, beyond `limits.output` of the profile"));
    }
    notes
}
