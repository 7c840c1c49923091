//! What this machine has.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::{Machine, Mechanism, ResourceLimit};
use crate::{
    config::{ByteSize, Mechanism as Wall},
    evaluator::process::probe_namespaces,
    sandbox::{
        available::{self, CgroupLayout},
        plan::is_here,
    },
    worker,
};

/// The machine, as this process finds it.
pub(super) fn machine() -> Machine {
    Machine {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        user: rustix::process::geteuid().as_raw(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory(),
        resource_limits: resource_limits(),
    }
}

/// Everything that could hold a worker process, whether or not it is here.
pub(super) fn all() -> Vec<Mechanism> {
    vec![
        found(Wall::Pidfd, "the end of a process is noticed at once"),
        found(Wall::Subreaper, "a guard adopts what its worker process leaves behind"),
        found(Wall::Children, "what a worker process started is found and ended with it"),
        cgroups(),
        landlock(),
        found(Wall::Seccomp, "system calls are filtered where a profile wants it"),
        user_namespaces(),
    ]
}

/// What is here is in use, where a profile wants it; whether it is here is what a profile that requires it is told.
fn found(wall: Wall, found: impl Into<String>) -> Mechanism {
    let is_available = is_here(wall);
    Mechanism { name: wall.name(), is_available, is_used: is_available, found: found.into() }
}

fn cgroups() -> Mechanism {
    let groups = available::cgroups();
    let layout = match groups.layout {
        CgroupLayout::None => return found(Wall::Cgroups, "none are mounted"),
        CgroupLayout::V1 => "version 1",
        CgroupLayout::V2 => "version 2",
        CgroupLayout::Hybrid => "version 1, and version 2 beside it",
    };
    let own = groups.own.map_or_else(String::new, |own| {
        let writable = if groups.is_writable { "writable" } else { "not writable" };
        format!("; this process is in {}, {writable}", own.display())
    });
    let controllers = if groups.controllers.is_empty() {
        String::new()
    } else {
        format!("; controllers {}", groups.controllers.join(", "))
    };
    let memory = if is_here(Wall::Cgroups) { "can limit memory" } else { "cannot limit memory for this user, here" };
    found(Wall::Cgroups, format!("{memory}: {layout}{own}{controllers}"))
}

fn landlock() -> Mechanism {
    match available::landlock_abi() {
        Some(version) => {
            let what = match version {
                ..4 => "files",
                4 | 5 => "files and TCP",
                6.. => "files, TCP, signals and sockets without a file",
            };
            found(Wall::Landlock, format!("version {version} of its interface: {what}"))
        }
        None => found(Wall::Landlock, "not in this kernel, or switched off"),
    }
}

fn user_namespaces() -> Mechanism {
    match available::user_namespaces_forbidden_by() {
        // Whatever is around this process may forbid them all the same, so they are tried where that can be.
        None if worker::is_initialized() => match probe_namespaces() {
            Ok(()) => found(Wall::UserNamespaces, "a process has entered all of them"),
            Err(error) => Mechanism {
                is_available: false,
                is_used: false,
                ..found(Wall::UserNamespaces, format!("no setting forbids them, and yet: {error}"))
            },
        },
        None => found(Wall::UserNamespaces, "no setting forbids them"),
        Some(by) => found(Wall::UserNamespaces, format!("forbidden by {by}")),
    }
}

fn memory() -> Option<ByteSize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(ByteSize::kib(kib))
}

fn resource_limits() -> Vec<ResourceLimit> {
    let known = [
        ("RLIMIT_NOFILE", Resource::Nofile),
        ("RLIMIT_NPROC", Resource::Nproc),
        ("RLIMIT_FSIZE", Resource::Fsize),
        ("RLIMIT_DATA", Resource::Data),
        ("RLIMIT_AS", Resource::As),
        ("RLIMIT_STACK", Resource::Stack),
        ("RLIMIT_CORE", Resource::Core),
    ];
    let read = |(name, resource)| {
        let limit = getrlimit(resource);
        ResourceLimit { name, soft: limit.current, hard: limit.maximum }
    };
    known.into_iter().map(read).collect()
}
