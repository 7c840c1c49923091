//! Measures processes, on one thread for the whole program: reading `/proc` takes tens of microseconds for each, which no
//! supervisor's thread should spend.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    rc::Rc,
    sync::{
        OnceLock,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use oast_actors::Event;
use oast_config::ByteSize;
use rustix::process::Pid;
use sysinfo::{Process, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::oneshot;

use super::link::Link;
use crate::sandbox::{descendants, groups::Groups};

/// What a worker process uses, and everything that it started, however that was forked: orphans are its guard's.
struct Sample {
    memory: ByteSize,
    cpu: Duration,
}

/// How long after a measurement that failed the next one is made.
const ASK_AGAIN: Duration = Duration::from_millis(10);

type Order = (Tree, oneshot::Sender<Sample>);

/// The processes of one worker: all that are below its guard, but the one that only keeps their namespace.
struct Tree {
    guard: Pid,
    init: Option<Pid>,
    groups: Groups,
    /// What the groups hold memory to.
    limit: Option<u64>,
}

/// Measures a worker process and says what it found.
pub(super) fn sample(link: Rc<Link>) {
    let pid = |number: u32| Pid::from_raw(number.cast_signed());
    let init = link.state.borrow().worker.as_ref().and_then(|worker| pid(worker.init));
    let launcher = link.launcher.borrow();
    let Some((launcher, guard)) = launcher.as_ref().and_then(|launcher| Some((launcher, pid(launcher.pid)?))) else {
        return;
    };
    let (groups, limit) = (launcher.groups.clone(), launcher.group_limits.memory);
    // The link lives as long as the process, and no longer for being measured.
    let link = Rc::downgrade(&link);
    drop(actix_rt::spawn(async move {
        while link.strong_count() > 0 {
            let (sender, measured) = oneshot::channel();
            // Without the thread, the program is ending.
            let tree = Tree { guard, init, groups: groups.clone(), limit };
            drop(orders().send((tree, sender)));
            match (measured.await, link.upgrade()) {
                (Ok(Sample { memory, cpu }), Some(link)) => {
                    return link.events.send(Event::Sampled { memory, cpu });
                }
                // The supervisor waits for an answer, and would never ask again.
                (Err(_), Some(_)) => actix_rt::time::sleep(ASK_AGAIN).await,
                (_, None) => return,
            }
        }
    }));
}

/// The thread is one for the whole program: it keeps what it read before, to read less.
fn orders() -> &'static Sender<Order> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        // Without the thread, orders cannot be sent, and nothing is measured.
        drop(std::thread::Builder::new().name("oast-sampler".to_owned()).spawn(move || run(&receiver)));
        sender
    })
}

fn run(orders: &Receiver<Order>) {
    let mut kept = None;
    for (tree, reply) in orders {
        if let Some(sample) = count(&tree).or_else(|| measure(&mut kept, &tree)) {
            // The caller may be gone meanwhile.
            drop(reply.send(sample));
        }
    }
}

/// A panic costs one measurement, and what was kept until then; the next is made anew.
fn measure(kept: &mut Option<System>, tree: &Tree) -> Option<Sample> {
    let system = kept.take();
    let measured = panic::catch_unwind(AssertUnwindSafe(|| measure_tree(system, tree)));
    let (system, sample) = measured.ok().flatten()?;
    *kept = Some(system);
    Some(counted(sample, tree))
}

/// Corrected by what control groups count. The times of children that nobody waited for are in no process's account; memory
/// that processes share, as what a fork has not written to, is in the account of each.
fn counted(Sample { memory, cpu }: Sample, Tree { groups, limit, .. }: &Tree) -> Sample {
    // Where a group holds it, the kernel decides when it has too much.
    let below_limit = limit.map_or(ByteSize(u64::MAX), |limit| ByteSize(limit.saturating_sub(1)));
    Sample {
        memory: groups.memory_now().map_or(memory, |all| memory.min(all).min(below_limit)),
        cpu: groups.cpu().map_or(cpu, |all| cpu.max(all)),
    }
}

/// What control groups count, where it is little: with what was read from files, which makes room when it must, it is no less
/// than what is used. To look at each process takes ten times as long.
fn count(Tree { groups, limit, .. }: &Tree) -> Option<Sample> {
    let memory = groups.memory_now().filter(|used| limit.is_some_and(|limit| used.get() < limit / 2))?;
    Some(Sample { memory, cpu: groups.cpu()? })
}

/// `None` where there is no `/proc`: then nothing is measured.
fn measure_tree(system: Option<System>, tree: &Tree) -> Option<(System, Sample)> {
    let mut pids = descendants::of(tree.guard);
    // The own time of whoever collects orphans is next to nothing, and with it comes that of the orphans.
    let cpu = pids.iter().chain([&tree.guard]).filter_map(|pid| cpu_time(*pid)).sum();
    pids.retain(|pid| Some(*pid) != tree.init);
    let pids: Vec<sysinfo::Pid> =
        pids.iter().map(|pid| sysinfo::Pid::from_u32(pid.as_raw_nonzero().get().cast_unsigned())).collect();
    // It keeps what it knows of the dead, unless it is asked about them again.
    let system = system.filter(|system| system.processes().len() <= 4 * pids.len() + 1024);
    let mut system = system.map_or_else(System::new, Ok).ok()?;
    let memory = memory(&mut system, &pids);
    Some((system, Sample { memory, cpu }))
}

/// Resident memory of all. A child of `vfork` has its parent's memory until it runs its program, and is not counted twice.
fn memory(system: &mut System, pids: &[sysinfo::Pid]) -> ByteSize {
    let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(pids), true, what);
    let used = |process: &Process| (process.memory(), process.virtual_memory());
    let is_its_parent = |process: &Process| {
        let parent = process.parent().filter(|parent| pids.contains(parent));
        parent.and_then(|parent| system.process(parent)).is_some_and(|parent| used(parent) == used(process))
    };
    let processes = pids.iter().filter_map(|pid| system.process(*pid));
    ByteSize(processes.filter(|process| !is_its_parent(process)).map(Process::memory).sum())
}

/// What a process used, and those of its children that have ended and were waited for.
fn cpu_time(pid: Pid) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let ticks = ticks(&stat)?;
    let second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks.saturating_mul(1000) / second))
}

/// `utime`, `stime`, `cutime` and `cstime`, which are the 14th to the 17th field. The second, the name of the program, may
/// have spaces and parentheses within its parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let times: Vec<u64> = behind_name.split(' ').skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_that_ended_count_and_a_name_may_be_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 85 0 0 0 3 4 5 6 20 0 1 0 12345 2981888 361 18446744073709551615";
        assert_eq!(ticks(stat), Some(18));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn what_is_below_a_process_can_be_measured_again_and_again() {
        let mut child = sleeper();
        let tree = Tree { guard: rustix::process::getpid(), init: None, groups: Groups::default(), limit: None };
        let (system, first) = measure_tree(None, &tree).unwrap();
        let (_, second) = measure_tree(Some(system), &tree).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(first.memory.get() > 0 && second.memory.get() > 0);
        assert!(second.cpu >= first.cpu);
    }

    #[expect(clippy::disallowed_methods, reason = "it is no worker process")]
    fn sleeper() -> std::process::Child {
        std::process::Command::new("sleep").arg("10").spawn().unwrap()
    }
}
