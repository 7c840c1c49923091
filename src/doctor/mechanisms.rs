//! What this machine has.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::{Machine, Mechanism, ResourceLimit};
use crate::{
    config::ByteSize,
    sandbox::{
        available::{self, CgroupLayout},
        groups,
    },
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
        used("pidfd", available::has_pidfd(), "the end of a process is noticed at once"),
        used("subreaper", available::has_subreaper(), "a guard adopts what its worker process leaves behind"),
        used("children", available::lists_children(), "what a worker process started is found and ended with it"),
        cgroups(),
        landlock(),
        used("seccomp", available::has_seccomp(), "system calls are filtered where a profile wants it"),
        user_namespaces(),
    ]
}

fn used(name: &'static str, is_available: bool, what_for: &str) -> Mechanism {
    Mechanism { name, is_available, is_used: is_available, found: what_for.to_owned() }
}

fn unused(name: &'static str, is_available: bool, found: impl Into<String>) -> Mechanism {
    Mechanism { name, is_available, is_used: false, found: found.into() }
}

fn cgroups() -> Mechanism {
    let groups = available::cgroups();
    let layout = match groups.layout {
        CgroupLayout::None => return unused("cgroups", false, "none are mounted"),
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
    let can_limit = groups::can_limit_memory();
    let memory = if can_limit { "can limit memory" } else { "cannot limit memory for this user, here" };
    used("cgroups", can_limit, &format!("{memory}: {layout}{own}{controllers}"))
}

fn landlock() -> Mechanism {
    match available::landlock_abi() {
        Some(version) => {
            let what = match version {
                ..4 => "files",
                4 | 5 => "files and TCP",
                6.. => "files, TCP, signals and sockets without a file",
            };
            used("landlock", true, &format!("version {version} of its interface: {what}"))
        }
        None => unused("landlock", false, "not in this kernel, or switched off"),
    }
}

fn user_namespaces() -> Mechanism {
    match available::user_namespaces_forbidden_by() {
        None => used("user-namespaces", true, "no setting forbids them"),
        Some(by) => unused("user-namespaces", false, format!("forbidden by {by}")),
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
