//! A worker for one command: from the configuration to the handle, and to its end.

use std::future::Future;

use super::{arguments::Global, ending::Ending, failure::Failure, logging, output::Output, settings, style::Style};
use crate::{Oast, Spec, Worker};

/// A worker, and what it stands on.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) oast: Oast,
    pub(super) worker: Worker,
    /// What runs its code.
    pub(super) runtime: String,
    /// Whether only errors are to be told.
    pub(super) quiet: bool,
}

impl Session {
    /// Makes a worker as configuration and flags have it. Its process starts with the first evaluation.
    async fn open(name: &str, global: &Global) -> Result<Self, Failure> {
        let config = settings::load(global)?.into_config();
        logging::start(global, &config.log)?;
        let profile = config.profile(&config.profile)?.clone();
        let spec = Spec::runtime(name, &config.runtime).map_err(|error| Failure::usage(error.to_string()))?;
        let spec = spec.profile(profile).engine(&config.javascript);
        // Whoever stands in a directory means it: it is readable to code that reads little else.
        let spec = std::env::current_dir().into_iter().fold(spec, Spec::directory);
        let runtime = config.runtime.clone();
        let oast = Oast::start(config).map_err(|error| Failure::new(Ending::Internal, error.to_string()))?;
        let worker = oast.worker(spec).await.map_err(|error| Failure::new(Ending::Refused, error.to_string()))?;
        Ok(Self { oast, worker, runtime, quiet: global.quiet })
    }
}

/// Runs a command that needs a worker. The worker and its supervisor live on this thread.
///
/// With `--json`, what went wrong is a line of JSON on standard output.
pub(super) fn with_session<F, R>(name: &str, global: &Global, command: F) -> Result<Ending, Failure>
where
    F: FnOnce(Session, Output) -> R,
    R: Future<Output = Result<Ending, Failure>>,
{
    let result = actix_rt::System::new().block_on(async {
        let session = Session::open(name, global).await?;
        let output = Output::new(global.json, Style::for_stderr(global.color));
        let worker = session.worker.clone();
        let ended = command(session, output).await;
        worker.kill().await;
        ended
    });
    match result {
        Err(failure) if global.json && failure.ending != Ending::OutputClosed => {
            super::answer(format!("{}\n", super::json::failure(&failure)).as_bytes())?;
            Ok(failure.ending)
        }
        result => result,
    }
}
