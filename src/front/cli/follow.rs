//! Follows one evaluation to its end: its output as it comes, Ctrl-C, and the progress line.

use std::io;

use super::{output::Output, progress::Progress, session::Session, signals::Interrupts};
use crate::{EvalOptions, EvalResult, Request};

/// Submits a request and follows it to its end.
///
/// The first Ctrl-C interrupts it; the next one ends its worker process as `kill` does it.
///
/// # Errors
/// The output cannot be written any more. The evaluation is interrupted then.
pub(super) async fn follow(
    session: &Session,
    request: Request,
    output: &mut Output,
    kill: impl Fn(&Session),
) -> io::Result<EvalResult> {
    let mut interrupts = Interrupts::new()?;
    let mut progress = Progress::new(session.quiet, output.style);
    let mut evaluation = session.worker.submit(request, EvalOptions::default());
    let mut was_interrupted = false;
    let mut has_ended = false;
    output.printed_stderr = false;
    while !has_ended || !output.is_empty() {
        let may_read = !has_ended && output.is_empty();
        tokio::select! {
            () = interrupts.next() => {
                if was_interrupted {
                    kill(session);
                } else {
                    output.end_echo();
                }
                evaluation.interrupt();
                was_interrupted = true;
            }
            printed = evaluation.printed(), if may_read => {
                progress.end();
                match printed {
                    Some(printed) => output.print(printed),
                    None => has_ended = true,
                }
            }
            written = output.write_some(), if !may_read => {
                if let Err(error) = written {
                    evaluation.interrupt();
                    return Err(error);
                }
            }
            () = progress.tell(&session.worker) => {}
        }
    }
    Ok(evaluation.await)
}
