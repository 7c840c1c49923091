//! How each limit of a profile is enforced today.

use std::time::Duration;

use super::{Enforcement, Mechanism};
use crate::config::{
    ByteSize, Config, Files, Limits, Network, Privileges, Profile, Sandbox, SystemCalls, format_duration,
};

const INTERRUPT: &str = "a timer of the supervisor: interrupt, after `limits.grace` SIGTERM, then SIGKILL";
const CPU: &str = "sampling of the process and all below it: interrupt, after `limits.grace` SIGTERM, then SIGKILL";
const SAMPLING: &str = "sampling of the process and all below it, then SIGKILL for all of them";
const GROUP: &str = "a control group: the kernel ends all of it; and sampling, which may be sooner";
const OVERSHOT: &str =
    "sampling sees memory after it was taken, and neither files in memory nor shared memory; control groups do";
const WARNING: &str = "sampling, then a warning with the outcome";
const SUPERVISOR: &str = "the supervisor";
const GUARD: &str = "the guard process: it ends everything that was started";
const ENGINE: &str = "the JavaScript engine: the code gets an error";

/// All limits of a profile, and what nothing limits.
pub(super) fn all(profile: &Profile, config: &Config, mechanisms: &[Mechanism]) -> Vec<Enforcement> {
    let groups = profile.sandbox.control_groups && is_here("cgroups", mechanisms).is_some();
    let mut all = limits(&profile.limits, profile.sandbox.control_groups, groups);
    all.push(Enforcement {
        what: "javascript.memory".to_owned(),
        limit: Some(
            config.javascript.memory.of(profile.limits.memory).map_or_else(unlimited, |size| format!("{size:#}")),
        ),
        by: Some(ENGINE),
        hint: None,
    });
    let together = size(config.registry.memory);
    all.push(enforced("registry.memory", together, "the registry: it starts none beyond, and stops idle ones"));
    all.extend(sandbox(&profile.sandbox, is_here("cgroups", mechanisms).is_some()));
    all.extend(walls(&profile.sandbox, mechanisms));
    all.into_iter().map(drop_unset).collect()
}

fn limits(limits: &Limits, wants_groups: bool, has_groups: bool) -> Vec<Enforcement> {
    let (memory, hint) = match (has_groups, wants_groups) {
        (true, _) => (GROUP, None),
        (false, true) => (
            SAMPLING,
            Some(format!("{OVERSHOT}, but none can be made here: run as root, or below a group of this user's")),
        ),
        (false, false) => {
            (SAMPLING, Some(format!("{OVERSHOT}: set `control_groups = true`, as the profile `untrusted` does")))
        }
    };
    vec![
        enforced("limits.wall_time", time(limits.wall_time), INTERRUPT),
        enforced("limits.cpu_time", time(limits.cpu_time), CPU),
        Enforcement { hint, ..enforced("limits.memory", size(limits.memory), memory) },
        enforced("limits.memory_soft", size(limits.memory_soft), WARNING),
        enforced("limits.growth", size(limits.growth), "sampling; a process that is idle is replaced"),
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

fn sandbox(sandbox: &Sandbox, has_groups: bool) -> Vec<Enforcement> {
    let environment = format!("{} variables", sandbox.environment.len());
    vec![
        enforced("sandbox.environment", environment, "the launcher starts without all others"),
        enforced("sandbox.open_files", count(sandbox.open_files), "RLIMIT_NOFILE, for each process"),
        enforced("sandbox.file_size", size(sandbox.file_size), "RLIMIT_FSIZE, for each process"),
        enforced("sandbox.data", size(sandbox.data), "RLIMIT_DATA, for each process"),
        enforced("sandbox.core", sandbox.core.to_string(), "RLIMIT_CORE, for each process"),
        enforced("sandbox.stack", sandbox.stack.to_string(), "RLIMIT_STACK, for each process"),
        processor(
            "sandbox.cpu_quota",
            sandbox.cpu_quota.map_or_else(unlimited, |percent| format!("{percent} %")),
            has_groups,
        ),
        processor("sandbox.cpu_share", sandbox.cpu_share.to_string(), has_groups),
        enforced("what is left behind", "nothing".to_owned(), GUARD),
    ]
}

/// What is withheld from a worker process, and what would be needed where nothing does.
fn walls(sandbox: &Sandbox, mechanisms: &[Mechanism]) -> Vec<Enforcement> {
    let has = |name| is_here(name, mechanisms).is_some();
    let (landlock, seccomp, namespaces) = (has("landlock"), has("seccomp"), has("user-namespaces"));
    let privileges = match (landlock, namespaces) {
        (true, true) => {
            "no new privileges, no capabilities, `nobody` for root; namespaces; Landlock keeps signals within"
        }
        (true, false) => "no new privileges, no capabilities, `nobody` for root; Landlock keeps signals within",
        (false, _) => "no new privileges, no capabilities, `nobody` for root",
    };
    let network = match (namespaces, seccomp) {
        (true, true) => {
            Some("a network namespace that is empty; the filter of system calls lets no socket be made for one")
        }
        (true, false) => Some("a network namespace that is empty"),
        (false, true) => Some("the filter of system calls lets no socket be made for one"),
        (false, false) => landlock.then_some("Landlock, TCP alone"),
    };
    let files = match (namespaces, landlock) {
        (true, true) => Some(ROOT_AND_LANDLOCK),
        (true, false) => Some(ROOT),
        (false, true) => Some(LANDLOCK),
        (false, false) => None,
    };
    let counted = namespaces && (sandbox.privileges == Privileges::Dropped || sandbox.network == Network::None);
    let processes = match (sandbox.control_groups && has("cgroups"), counted) {
        (true, true) => Some("a control group; RLIMIT_NPROC in a namespace of users"),
        (true, false) => Some("a control group"),
        (false, true) => Some("RLIMIT_NPROC in a namespace of users"),
        (false, false) => None,
    };
    vec![
        wall("privileges", "dropped", sandbox.privileges == Privileges::Dropped, Some(privileges), ""),
        wall("files", "read_only", sandbox.files == Files::ReadOnly, files, "landlock"),
        wall("network", "none", sandbox.network == Network::None, network, "user-namespaces"),
        wall(
            "system_calls",
            "filtered",
            sandbox.system_calls == SystemCalls::Filtered,
            seccomp.then_some("seccomp: what is forbidden fails with EPERM"),
            "seccomp",
        ),
        processes_wall(sandbox, processes),
    ]
}

/// Processor time has a group of its own wherever it is limited.
fn processor(what: &str, limit: String, has_groups: bool) -> Enforcement {
    let is_held = has_groups || limit == Sandbox::EVEN_SHARE.to_string();
    let hint = (!is_held).then(|| "`cgroups` would hold it, and is not to be had here".to_owned());
    let by = is_held.then_some("a control group, where it is limited");
    Enforcement { what: what.to_owned(), limit: Some(limit), by, hint }
}

const ROOT_AND_LANDLOCK: &str = "a root of its own: programs and libraries, and a directory that it was given, to read; a \
                                 little room to write; Landlock besides";
const ROOT: &str = "a root of its own: programs and libraries, and a directory that it was given, to read; a little room to \
                    write";
const LANDLOCK: &str = "Landlock: programs and libraries, and a directory that it was given; to read";

fn wall(key: &str, value: &str, is_wanted: bool, by: Option<&'static str>, mechanism: &str) -> Enforcement {
    let what = format!("sandbox.{key}");
    if !is_wanted {
        let hint = Some(format!("as its user may: set `{key} = \"{value}\"`, as the profile `untrusted` does"));
        return Enforcement { what, limit: None, by: None, hint };
    }
    let hint = by.is_none().then(|| format!("`{mechanism}` would hold it, and is not to be had here"));
    Enforcement { what, limit: Some(value.to_owned()), by, hint }
}

fn processes_wall(sandbox: &Sandbox, by: Option<&'static str>) -> Enforcement {
    let hint = by.is_none().then(|| {
        "`control_groups = true`, or a namespace of users, would count them, where they are to be had".to_owned()
    });
    Enforcement { hint, by, what: "sandbox.processes".to_owned(), limit: Some(count(sandbox.processes)) }
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
