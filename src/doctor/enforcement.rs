//! How each limit of a profile is enforced today.

use std::time::Duration;

use super::{Enforcement, Mechanism};
use crate::config::{ByteSize, Config, Limits, Profile, Sandbox, format_duration};

const INTERRUPT: &str = "a timer of the supervisor: interrupt, after `limits.grace` SIGTERM, then SIGKILL";
const CPU: &str = "sampling of the process and all below it: interrupt, after `limits.grace` SIGTERM, then SIGKILL";
const SAMPLING: &str = "sampling of the process and all below it, then SIGKILL for all of them";
const WARNING: &str = "sampling, then a warning with the outcome";
const SUPERVISOR: &str = "the supervisor";
const GUARD: &str = "the guard process: it ends everything that was started";
const ENGINE: &str = "the JavaScript engine: the code gets an error";

/// All limits of a profile, and what nothing limits.
pub(super) fn all(profile: &Profile, config: &Config, mechanisms: &[Mechanism]) -> Vec<Enforcement> {
    let mut all = limits(&profile.limits, mechanisms);
    all.push(Enforcement {
        what: "javascript.memory".to_owned(),
        limit: Some(
            config.javascript.memory.of(profile.limits.memory).map_or_else(unlimited, |size| format!("{size:#}")),
        ),
        by: Some(ENGINE),
        hint: None,
    });
    all.extend(sandbox(&profile.sandbox));
    all.extend(unheld(mechanisms));
    all.into_iter().map(drop_unset).collect()
}

fn limits(limits: &Limits, mechanisms: &[Mechanism]) -> Vec<Enforcement> {
    let wall = is_here("cgroups", mechanisms)
        .map_or("here they are not to be had", |()| "they can be had here, and are not used yet");
    let memory = format!(
        "sampling sees memory after it was taken, and neither files in memory nor shared memory; \
         control groups would be a wall: {wall}"
    );
    vec![
        enforced("limits.wall_time", time(limits.wall_time), INTERRUPT),
        enforced("limits.cpu_time", time(limits.cpu_time), CPU),
        Enforcement { hint: Some(memory), ..enforced("limits.memory", size(limits.memory), SAMPLING) },
        enforced("limits.memory_soft", size(limits.memory_soft), WARNING),
        enforced("limits.idle", time(limits.idle), SUPERVISOR),
        enforced("limits.lifetime", time(limits.lifetime), SUPERVISOR),
        enforced("limits.evaluations", count(limits.evaluations), SUPERVISOR),
        enforced("limits.output", limits.output.to_string(), "the supervisor: what is beyond is dropped and counted"),
        enforced("limits.queue", limits.queue.to_string(), SUPERVISOR),
        enforced("limits.queue_time", time(limits.queue_time), SUPERVISOR),
        enforced("limits.start_time", format_duration(limits.start_time), SUPERVISOR),
        enforced("limits.message", limits.message.to_string(), "the length of each frame, before it is read"),
    ]
}

fn sandbox(sandbox: &Sandbox) -> Vec<Enforcement> {
    let environment = format!("{} variables", sandbox.environment.len());
    let mut all = vec![
        enforced("sandbox.environment", environment, "the launcher starts without all others"),
        enforced("sandbox.open_files", count(sandbox.open_files), "RLIMIT_NOFILE, for each process"),
        enforced("sandbox.file_size", size(sandbox.file_size), "RLIMIT_FSIZE, for each process"),
        enforced("sandbox.data", size(sandbox.data), "RLIMIT_DATA, for each process"),
        enforced("sandbox.core", sandbox.core.to_string(), "RLIMIT_CORE, for each process"),
        enforced("sandbox.stack", sandbox.stack.to_string(), "RLIMIT_STACK, for each process"),
        enforced("what is left behind", "nothing".to_owned(), GUARD),
    ];
    if !sandbox.require.is_empty() {
        let hint = Some("it is not looked at yet".to_owned());
        all.push(Enforcement {
            what: "sandbox.require".to_owned(),
            limit: Some(sandbox.require.join(", ")),
            by: None,
            hint,
        });
    }
    all
}

/// What a worker process may do as this user may.
fn unheld(mechanisms: &[Mechanism]) -> Vec<Enforcement> {
    [
        ("files", "landlock"),
        ("network", "user-namespaces"),
        ("number of processes", "cgroups"),
        ("system calls", "seccomp"),
    ]
    .map(|(what, mechanism)| {
        let could = match is_here(mechanism, mechanisms) {
            Some(()) => format!("`{mechanism}`, which is here, could limit it, and is not used yet"),
            None => format!("`{mechanism}` could limit it, and is not to be had here"),
        };
        Enforcement { what: what.to_owned(), limit: None, by: None, hint: Some(could) }
    })
    .into()
}

fn enforced(what: &str, limit: String, by: &'static str) -> Enforcement {
    Enforcement { what: what.to_owned(), limit: Some(limit), by: Some(by), hint: None }
}

/// What is not limited needs no enforcement.
fn drop_unset(enforcement: Enforcement) -> Enforcement {
    match &enforcement.limit {
        Some(limit) if limit == UNLIMITED => Enforcement { by: None, hint: None, ..enforcement },
        _ => enforcement,
    }
}

fn is_here(name: &str, mechanisms: &[Mechanism]) -> Option<()> {
    mechanisms.iter().any(|mechanism| mechanism.name == name && mechanism.is_available).then_some(())
}

/// How the configuration writes no limit.
const UNLIMITED: &str = "unlimited";

fn unlimited() -> String {
    UNLIMITED.to_owned()
}

fn time(limit: Option<Duration>) -> String {
    limit.map_or_else(unlimited, format_duration)
}

fn size(limit: Option<ByteSize>) -> String {
    limit.map_or_else(unlimited, |size| size.to_string())
}

fn count(limit: Option<u64>) -> String {
    limit.map_or_else(unlimited, |count| count.to_string())
}
