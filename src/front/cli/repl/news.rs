//! What is told of the worker between two lines: that its process ended and why, and what it printed while no evaluation
//! ran.

use std::sync::Arc;

use super::Repl;
use crate::{
    ExitReport, Transition, WorkerEvent,
    front::cli::{
        ending::Ending,
        failure::{Failure, harmless},
        json,
    },
};

impl Repl {
    /// Tells everything that has happened up to now.
    pub(super) async fn hear_news(&mut self) {
        loop {
            let event = tokio::select! {
                biased;
                event = self.events.next() => event,
                () = std::future::ready(()) => None,
            };
            match event {
                Some(event) => self.tell_event(event),
                None => return,
            }
        }
    }

    pub(super) fn tell_event(&mut self, event: WorkerEvent) {
        if *event.worker != *self.session.worker.name() {
            return;
        }
        if let Some(printed) = event.printed {
            self.output.print(printed);
        }
        if let Some(Transition::Exited(report)) = &event.transition
            && report.epoch > self.told
        {
            self.told = report.epoch;
            self.tell_exit(report);
        }
        if event.transition == Some(Transition::Broken) {
            self.note("the worker failed too often, and is not started again; `.reset` starts it");
        }
    }

    fn tell_exit(&mut self, report: &Arc<ExitReport>) {
        if self.output.json {
            return self.output.line(&json::exit(report));
        }
        let failure = Failure::lost(Ending::Killed, report).with_stderr();
        let details = failure.details.trim_end_matches('\n');
        let text = format!("{}; the state of the session is gone\n{details}", failure.what);
        self.note(&harmless(text.trim_end()));
    }
}
