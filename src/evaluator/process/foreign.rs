//! Runtimes that are other programs: where the program is.

use std::{
    borrow::Cow,
    env,
    os::unix::fs::MetadataExt,
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
    // The process starts there, and may not find what is relative to here.
    let directory = absolute(settings.directory.as_deref().unwrap_or(Path::new(".")));
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![directory.join(program)]
    } else {
        env::split_paths(&path).map(|folder| directory.join(folder).join(program)).collect()
    };
    let own = settings.directory.is_some().then_some(&*directory).filter(|directory| is_given(directory));
    let is_shown = |path: &Path| SYSTEM.iter().map(Path::new).chain(own).any(|shown| path.starts_with(shown));
    // A link leads to what must be shown as well.
    let leads_to_shown = |path: &Path| path.canonicalize().is_ok_and(|target| is_shown(&target));
    let is_seen = |path: &&PathBuf| sandbox.files == Files::All || (is_shown(path) && leads_to_shown(path));
    let Some(executable) = candidates.iter().filter(is_seen).find(|path| is_executable(path)) else {
        return Err(missing(settings, sandbox, program, &path.to_string_lossy()));
    };
    let mut command = settings.runtime.command.clone();
    command[0] = executable.to_string_lossy().into_owned();
    let runtime = RuntimeSettings { command, ..settings.runtime.clone() };
    Ok(Cow::Owned(ProcessSettings { runtime, ..settings.clone() }))
}

/// Without a look at what is there; a directory of this process that is gone has no path.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_gone| path.to_owned())
}

/// Whether a directory is shown to strangers that start in it: they are nobody where this process is root.
fn is_given(directory: &Path) -> bool {
    const OF_OTHERS: u32 = 0o005;
    let is_open = |found: std::fs::Metadata| found.mode() & OF_OTHERS == OF_OTHERS;
    let is_reached = |path: &Path| !rustix::process::geteuid().is_root() || path.metadata().is_ok_and(is_open);
    directory.parent().is_some() && directory.ancestors().all(is_reached)
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

fn missing(settings: &ProcessSettings, sandbox: &Sandbox, program: &str, path: &str) -> Missing {
    let place = if program.contains('/') { "there".to_owned() } else { format!("in `PATH` ({path})") };
    let (place, hint) = match sandbox.files {
        Files::All => (place, "install it, or set `python.executable`"),
        Files::ReadOnly => (
            format!("{place} among what the system has, or in the directory of the worker"),
            "where files are withheld, nothing else is seen: install the system's, such as `apt-get install python3`",
        ),
    };
    Missing { runtime: settings.runtime.name.clone(), program: program.to_owned(), place, hint }
}
