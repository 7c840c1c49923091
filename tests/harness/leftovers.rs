//! What a test leaves behind: processes, open files, threads that ran code. All three must be as they were.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

/// How long what a test started may take to be gone after its end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is there now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    processes: Vec<String>,
    descriptors: Vec<String>,
    threads: Vec<String>,
}

/// Whatever loses its parent becomes a child of this process: nothing can hide by being orphaned.
pub(super) fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(getpid())).unwrap();
}

pub(super) fn look() -> Look {
    bury_the_adopted();
    Look {
        processes: descendants(getpid()).into_iter().map(describe).collect(),
        descriptors: open_descriptors(),
        threads: evaluating_threads(),
    }
}

/// Waits until everything is as it was.
pub(super) async fn wait_for_none(before: &Look) {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = look();
        if now == *before {
            return;
        }
        assert!(Instant::now() < until, "left behind: {}", difference(before, &now));
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

fn difference(before: &Look, now: &Look) -> String {
    let more = |before: &[String], now: &[String]| {
        let mut before = before.to_vec();
        let mut more = Vec::new();
        for one in now {
            match before.iter().position(|known| known == one) {
                Some(at) => drop(before.remove(at)),
                None => more.push(one.clone()),
            }
        }
        more
    };
    format!(
        "processes {:?}, open files {:?}, threads {:?}",
        more(&before.processes, &now.processes),
        more(&before.descriptors, &now.descriptors),
        more(&before.threads, &now.threads)
    )
}

/// All processes below one, zombies too.
pub(crate) fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found.remove(0);
    found
}

fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pid_of = |text: &str| Pid::from_raw(text.parse().unwrap()).unwrap();
    lists.flat_map(|list| list.split_whitespace().map(pid_of).collect::<Vec<_>>()).collect()
}

pub(crate) fn describe(pid: Pid) -> String {
    let read = |what: &str| fs::read_to_string(format!("/proc/{}/{what}", pid.as_raw_nonzero())).unwrap_or_default();
    let state = read("stat").rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    format!("{} `{}` {state:?}", pid.as_raw_nonzero(), read("cmdline").replace('\0', " ").trim())
}

/// Collects what init would collect on a machine where this process had not adopted it. What Oast started here is Oast's
/// to collect: its thread for that is the parent of all guards, while the adopted go to the main thread.
pub(crate) fn bury_the_adopted() {
    let adopted = fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id())).unwrap_or_default();
    for pid in adopted.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// What this process has open, by number and kind.
pub(crate) fn open_descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let named = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        let target = target.to_string_lossy();
        // The number of a socket says nothing, and this very directory is closed by the time that anybody reads this.
        let kind = target.split(":[").next().unwrap_or_default().to_owned();
        (!kind.ends_with("/fd")).then(|| format!("{kind} as {}", entry.file_name().to_string_lossy()))
    };
    let all: BTreeSet<String> = entries.filter_map(named).collect();
    all.into_iter().collect()
}

/// The threads on which local workers run code. Those that serve the whole program stay.
fn evaluating_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("oast ")).collect()
}
