//! Everything that descends from a process. A process that adopts orphans (`PR_SET_CHILD_SUBREAPER`) has all of it below
//! it, however it was forked, so following `/proc/PID/task/TID/children` finds it without looking at every process.

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, wait},
};

/// How many descendants are followed. A process that has more is over its limits in other ways.
const MOST: usize = 10_000;

/// The ids of all processes below `root`, nearest first.
pub(crate) fn of(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        if found.len() >= MOST {
            break;
        }
        found.extend(children(pid));
        next += 1;
    }
    found.remove(0);
    found
}

/// Ends everything below this process, which must adopt orphans, and waits until it is gone.
///
/// Each round stops nothing and spares nothing: what forks between two looks is found by the next one, as a child of
/// what was killed or, adopted, of this process.
pub(crate) fn end_all() {
    let me = rustix::process::getpid();
    while has_children() {
        for pid in of(me) {
            // An error says that it is gone already.
            let _gone = kill_process(pid, Signal::KILL);
        }
        // An error says that it was interrupted, or that there is nothing left to wait for.
        let _ended = wait(WaitOptions::empty());
    }
}

/// Collects one that has ended, if there is one. The kernel knows at once whether anything is left, and most processes
/// leave nothing: looking through `/proc` for it would take longer than all else that happens at an end.
fn has_children() -> bool {
    // Of any process group: `waitpid(None)` waits for this process's own group alone, and daemons leave it.
    !matches!(wait(WaitOptions::NOHANG), Err(Errno::CHILD))
}

/// The ids of the processes right below one.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let parse = |id: &str| id.parse().ok().and_then(Pid::from_raw);
    lists.flat_map(|list| list.split_whitespace().filter_map(parse).collect::<Vec<_>>()).collect()
}
