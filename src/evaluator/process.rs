//! The evaluator whose code runs in a worker process. Owns that process through one [`Link`]; decides nothing about it.
//! Read [`link`] for how frames travel, [`output`] for what is printed, [`spawner`] for how processes start.

mod attribution;
mod ending;
mod foreign;
mod launch;
mod link;
mod output;
mod reader;
mod sampler;
mod spawner;
mod talk;
mod template;

use std::{
    cell::Cell,
    ffi::OsString,
    path::PathBuf,
    rc::{Rc, Weak},
    sync::Arc,
};

use oast_actors::{ChannelMessage, EvalId, Evaluator, Event, Events, Exit, Force, Launch, Request, TooLarge};

use crate::{
    sandbox::plan,
    wire::{EncodeError, RuntimeSettings},
};

use self::link::Link;
pub(crate) use self::{
    talk::probe_namespaces,
    template::{Template, Wear},
};

/// What worker processes of one worker are started with, besides their profile.
#[derive(Clone, Debug)]
pub(crate) struct ProcessSettings {
    /// The runtime to run.
    pub(crate) runtime: RuntimeSettings,
    /// The program to start; `None` starts this one anew.
    pub(crate) program: Option<PathBuf>,
    /// Where it starts.
    pub(crate) directory: Option<PathBuf>,
    /// Environment variables beyond those that the profile lets through.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What its processes are forked from, where it is not started anew for each.
    pub(crate) template: Option<Template>,
}

/// Runs code in a worker process.
pub(crate) struct Process {
    settings: Arc<ProcessSettings>,
    /// Lives as long as the process: one that is gone holds no descriptors.
    link: Weak<Link>,
    /// Whether a process of this worker was seen to have a namespace of processes, which the next will have as well.
    has_namespace: Rc<Cell<bool>>,
}

impl Process {
    pub(crate) fn new(settings: Arc<ProcessSettings>) -> Self {
        Self { settings, link: Weak::new(), has_namespace: Rc::default() }
    }
}

impl Evaluator for Process {
    fn start(&mut self, launch: Launch, events: Events) {
        let missing = plan::missing(&launch.profile.sandbox.require);
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|mechanism| mechanism.name()).collect();
            let names = names.join("`, `");
            return fail(events, format!("the profile requires `{names}`, which this machine does not offer"));
        }
        let settings = match foreign::found(&self.settings, &launch.profile.sandbox) {
            Ok(settings) => settings,
            Err(missing) => return fail(events, missing.to_string()),
        };
        match Link::open(&settings, &launch, events.clone(), self.has_namespace.clone()) {
            Ok(link) => self.link = Rc::downgrade(&link),
            Err(error) => fail(events, format!("failed to open its channels: {error}")),
        }
    }

    fn evaluate(&mut self, id: EvalId, request: &Request) -> Result<(), TooLarge> {
        let Some(link) = self.link.upgrade() else { return Ok(()) };
        link.evaluate(id, request).or_else(too_large)
    }

    fn lend(&mut self, id: EvalId, buffer: Vec<u8>) {
        if let Some(link) = self.link.upgrade() {
            link.lend(id, buffer);
        }
    }

    fn interrupt(&mut self, id: EvalId) {
        if let Some(link) = self.link.upgrade() {
            link.interrupt(id);
        }
    }

    fn reset(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.reset();
        }
    }

    fn channel(&mut self, name: &str, message: ChannelMessage) -> Result<(), TooLarge> {
        let Some(link) = self.link.upgrade() else { return Ok(()) };
        link.channel(name, &message).or_else(too_large)
    }

    fn stop(&mut self, how: Force) {
        if let Some(link) = self.link.upgrade() {
            link.stop(how);
        }
    }

    fn sample(&mut self) {
        if let Some(link) = self.link.upgrade() {
            sampler::sample(link);
        }
    }
}

/// A supervisor that is gone leaves no process.
impl Drop for Process {
    fn drop(&mut self) {
        self.stop(Force::Kill);
        if let Some(link) = self.link.upgrade() {
            link.abandon();
        }
    }
}

/// Tells that there is no process, later: whoever starts one is not to hear of its end meanwhile.
fn fail(events: Events, why: String) {
    drop(actix_rt::spawn(async move {
        events.send(Event::Exited(Exit { start_failure: Some(why), ..Exit::default() }));
    }));
}

/// A message that cannot be encoded for another reason than its size is a value nested beyond all measure, which is a
/// kind of size too.
fn too_large(error: EncodeError) -> Result<(), TooLarge> {
    match error {
        EncodeError::TooLarge(too_large) => Err(too_large),
        EncodeError::TooDeep | EncodeError::Refused(_) => Err(TooLarge { size: u64::MAX, limit: 0 }),
    }
}
