//! What Oast writes about itself on standard error: nothing, unless somebody asks. What went wrong is told as the error
//! of the command; the log adds how workers came and went.

use std::io::{self, IsTerminal};

use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{arguments::Global, failure::Failure, style::Style};
use crate::config::{Log, LogLevel};

/// The variable that holds a filter such as `oast_actors=debug,warn`: a level, for all or for what a part of the program says.
const FILTER: &str = "OAST_LOG";

/// Starts to log, where the flags, the environment or the configuration ask for it.
pub(super) fn start(global: &Global, log: &Log) -> Result<(), Failure> {
    let variable = std::env::var(FILTER).ok().filter(|filter| !filter.is_empty());
    let level = match global.verbose {
        0 if global.quiet => return Ok(()),
        0 => log.level,
        1 => LogLevel::Info,
        2 => LogLevel::Debug,
        _ => LogLevel::Trace,
    };
    if variable.is_none() && matches!(level, LogLevel::Off | LogLevel::Error | LogLevel::Warn) {
        return Ok(());
    }
    let filter = variable.unwrap_or_else(|| level.as_str().to_owned());
    let filter: Targets = filter.parse().map_err(|error| {
        let what = format!("bad filter `{filter}` in `${FILTER}`: {error}");
        Failure::usage(what).hint("write levels, such as `debug`, or `oast_actors=debug,warn`")
    })?;
    let is_coloured = Style::for_stderr(global.color) == Style::Coloured && io::stderr().is_terminal();
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(is_coloured);
    // Whoever calls this front from a program of its own may log already.
    drop(tracing_subscriber::registry().with(lines).with(filter).try_init());
    Ok(())
}
