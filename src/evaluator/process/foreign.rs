//! Runtimes that are other programs: where the program is.

use std::{
    borrow::Cow,
    env,
    path::{Path, PathBuf},
};

use oast_config::{Files, Sandbox};
use rustix::fs::{Access, access};
use thiserror::Error;

use super::ProcessSettings;
use crate::{sandbox::SYSTEM, wire::RuntimeSettings};

/// There is no such program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the runtime `{runtime}` needs `{program}`, which is not {place}; {hint}")]
pub(super) struct Missing {
    runtime: String,
    program: String,
    place: String,
    hint: &'static str,
}

/// The settings with the path of the runtime's program, where that is another one than this.
pub(super) fn found<'a>(settings: &'a ProcessSettings, sandbox: &Sandbox) -> Result<Cow<'a, ProcessSettings>, Missing> {
    let Some(program) = settings.runtime.command.first() else { return Ok(Cow::Borrowed(settings)) };
    let own = settings.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    let path = own.or_else(|| env::var_os("PATH")).unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![settings.directory.clone().unwrap_or_default().join(program)]
    } else {
        env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    let is_seen = |path: &&PathBuf| sandbox.files == Files::All || SYSTEM.iter().any(|shown| path.starts_with(shown));
    let Some(executable) = candidates.iter().filter(is_seen).find(|path| is_executable(path)) else {
        return Err(missing(settings, sandbox, program, &path.to_string_lossy()));
    };
    let mut command = settings.runtime.command.clone();
    command[0] = executable.to_string_lossy().into_owned();
    let runtime = RuntimeSettings { command, ..settings.runtime.clone() };
    Ok(Cow::Owned(ProcessSettings { runtime, ..settings.clone() }))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

fn missing(settings: &ProcessSettings, sandbox: &Sandbox, program: &str, path: &str) -> Missing {
    let place = if program.contains('/') { "there".to_owned() } else { format!("in `PATH` ({path})") };
    let (place, hint) = match sandbox.files {
        Files::All => (place, "install it, or set `python.executable`"),
        Files::ReadOnly => (
            format!("{place} among what the system has"),
            "where files are withheld, nothing else is seen: install the system's, such as `apt-get install python3`",
        ),
    };
    Missing { runtime: settings.runtime.name.clone(), program: program.to_owned(), place, hint }
}
