//! Starts the processes that floors and scenarios need, and reads what the kernel says of one.

#![expect(clippy::disallowed_methods, reason = "these processes are no workers")]

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
};

/// This program, as another process.
pub(crate) fn this_program(flag: &str, what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program knows its own file"));
    command.args([flag, what]);
    command
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    command.spawn().expect("a process can be started")
}

/// Runs a command to its end, with its output out of the way.
pub(crate) fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.expect("a command can be run");
}

/// Runs a command to its end; `None` where it cannot be started.
pub(crate) fn output(command: &mut Command) -> Option<Output> {
    command.stdin(Stdio::null()).output().ok()
}

/// Memory that only this process has, from `/proc/PID/smaps_rollup`.
pub(crate) fn private_bytes(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.map(|line| Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)).sum()
}

/// Memory of this process that is in use, shared or not.
pub(crate) fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default();
    pages * rustix::param::page_size() as u64
}

/// How many files this process has open.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The children of a process that has one thread.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}
