//! Runs JavaScript: the runtime `javascript`, on QuickJS. Start at [`engine`] for how evaluations run, at [`cells`] for what
//! makes a cell repeatable, and at [`values`] for what crosses. Knows its [`Host`], and no socket.
//!
//! What is printed by a job is attributed to the evaluation whose code, timer or message queued it; where jobs of several ran
//! together, or that evaluation has ended, to none.

mod bytes;
mod cells;
mod channels;
mod console;
mod engine;
mod errors;
mod evaluation;
mod globals;
mod inspect;
mod layout;
mod modules;
mod random;
mod state;
mod timers;
mod tokens;
mod values;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, rc::Rc, time::Instant};

use oast_actors::{Capabilities, EvalId, Job, Raised, Request};

use self::engine::Engine;
use super::runtime::{Failure, Host, Reply, Runtime};

/// What an engine may use, and where it finds modules.
#[derive(Clone, Debug)]
pub(crate) struct JavaScriptSettings {
    /// How many bytes its values may take.
    pub(crate) memory: Option<u64>,
    /// How many bytes of the thread's stack it may use.
    pub(crate) stack: usize,
    /// Where cells find modules. `None` where nothing may be imported.
    pub(crate) directory: Option<PathBuf>,
}

/// The runtime: one engine at a time.
pub(crate) struct JavaScript {
    host: Rc<dyn Host>,
    settings: JavaScriptSettings,
    // None only while a reset replaces it, and after one that failed.
    engine: Option<Engine>,
}

impl JavaScript {
    /// Starts an engine.
    pub(crate) fn new(host: Rc<dyn Host>, settings: JavaScriptSettings) -> Result<Self, String> {
        let engine = Engine::new(Rc::clone(&host), &settings).map_err(|error| error.to_string())?;
        Ok(Self { host, settings, engine: Some(engine) })
    }
}

impl Runtime for JavaScript {
    fn capabilities(&self) -> Capabilities {
        Capabilities { interleaves: true, interrupts: true, resets: true, evaluates: true, calls: false, ahead: 64 }
    }

    fn start(&mut self, id: EvalId, request: Request) -> Option<Reply> {
        match (request.job, &mut self.engine) {
            (Job::Code(code), Some(engine)) => engine.start(id, code, request.fetch),
            (Job::Code(_), None) => Some(refusal("InternalError", "the engine did not start again after a reset")),
            (Job::Call(_), _) => Some(refusal("TypeError", "JavaScript has no functions of the program to call")),
        }
    }

    fn resume(&mut self, ended: &mut Vec<(EvalId, Reply)>) {
        if let Some(engine) = &mut self.engine {
            engine.resume(ended);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.engine.as_ref().and_then(Engine::wake_at)
    }

    fn interrupt(&mut self, id: EvalId) -> Option<Reply> {
        self.engine.as_mut().and_then(|engine| engine.interrupt(id))
    }

    fn reset(&mut self, ended: &mut Vec<(EvalId, Reply)>) {
        if let Some(mut engine) = self.engine.take() {
            engine.interrupt_all(ended);
        }
        self.engine = Engine::new(Rc::clone(&self.host), &self.settings).ok();
    }
}

fn refusal(kind: &str, message: &str) -> Reply {
    Reply {
        result: Err(Failure::Raised(Raised {
            kind: kind.to_owned(),
            message: message.to_owned(),
            traceback: String::new(),
        })),
        text: None,
    }
}
