//! The thread that starts launchers and collects them when they have ended. It lives as long as the program, so no
//! worker process is lost because the thread that started it has ended, and it alone waits for `vfork`.

use std::{
    collections::HashMap,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tokio::sync::oneshot;

use super::link::GUARD_PATIENCE;
use crate::sandbox::{
    descendants,
    groups::{Groups, Limits},
};

/// How long it takes to look again for the end of a launcher that is about to end.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What is needed to start a launcher.
pub(super) struct Start {
    pub(super) command: Command,
    /// The control groups of its worker process, which are made before.
    pub(super) groups: Groups,
    pub(super) group_limits: Limits,
}

/// What the thread is asked to do.
enum Order {
    Start(Box<Start>, oneshot::Sender<std::io::Result<Launcher>>),
    /// Walking `/proc` takes long, which no supervisor's thread should wait for.
    KillGroup(u32),
    Collect(u32),
}

/// A launcher that runs.
struct Running {
    child: Child,
    groups: Groups,
}

/// A launcher that is about to end.
struct Ending {
    running: Running,
    /// Since when, or since it was helped last.
    since: Instant,
}

/// A launcher that was started. When this is dropped, it is about to end, and is collected: also when it is dropped on
/// its way to somebody who does not wait for it any more.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) pid: u32,
    /// Those of its worker process.
    pub(super) groups: Groups,
}

/// Starts a launcher. Blocks nobody: `vfork` stops the thread that calls it until the new program runs.
pub(super) async fn start(start: Start) -> std::io::Result<Launcher> {
    let (sender, started) = oneshot::channel();
    // Without the thread, the order is dropped, and its sender with it.
    drop(orders().send(Order::Start(Box::new(start), sender)));
    started.await.map_err(std::io::Error::other)?
}

impl Launcher {
    /// Kills what is below it, itself, and whatever is still in its process group.
    pub(super) fn kill_group(&self) {
        // Without the thread, the program is ending.
        drop(orders().send(Order::KillGroup(self.pid)));
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // Without the thread, the program is ending.
        drop(orders().send(Order::Collect(self.pid)));
    }
}

/// The thread is one for the whole program, as the children are.
fn orders() -> &'static Sender<Order> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        let spawned = std::thread::Builder::new().name("oast-spawner".to_owned()).spawn(move || run(&receiver));
        // Without the thread, orders cannot be sent, and every start says so.
        drop(spawned);
        sender
    })
}

fn run(orders: &Receiver<Order>) {
    let mut children = HashMap::new();
    let mut ending: Vec<Ending> = Vec::new();
    loop {
        let order = if ending.is_empty() {
            orders.recv().map_err(RecvTimeoutError::from)
        } else {
            orders.recv_timeout(LOOK_AGAIN)
        };
        match order {
            Ok(Order::Start(start, reply)) => drop(reply.send(spawn(*start, &mut children))),
            Ok(Order::KillGroup(pid)) => children.get(&pid).into_iter().for_each(kill_group),
            Ok(Order::Collect(pid)) => {
                ending.extend(children.remove(&pid).map(|running| Ending { running, since: Instant::now() }));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        ending.retain_mut(Ending::goes_on);
    }
}

impl Ending {
    /// Whether it has not ended yet. One that takes too long, perhaps because the code stopped it, is ended with all below.
    fn goes_on(&mut self) -> bool {
        // An error says that it was collected already.
        if !matches!(self.running.child.try_wait(), Ok(None)) {
            // It has removed them, unless somebody has killed it.
            self.running.groups.kill();
            self.running.groups.remove();
            return false;
        }
        if self.since.elapsed() >= GUARD_PATIENCE {
            self.since = Instant::now();
            kill_group(&self.running);
        }
        true
    }
}

/// Kills what is below a guard, the guard, and whatever is still in its process group. A guard that is killed ends nothing
/// any more, so what has left the group must be found before. The pid is safe: it is not collected yet.
fn kill_group(Running { child, groups }: &Running) {
    let Some(guard) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    // Errors say that it is gone already. One that was stopped goes on, and helps.
    let _ = rustix::process::kill_process(guard, Signal::CONT);
    for pid in descendants::of(guard) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    let _ = rustix::process::kill_process_group(guard, Signal::KILL);
    groups.kill();
}

#[expect(clippy::disallowed_methods, reason = "the one place where worker processes start")]
fn spawn(start: Start, children: &mut HashMap<u32, Running>) -> std::io::Result<Launcher> {
    let Start { mut command, groups, group_limits } = start;
    groups.make(group_limits);
    let child = command.spawn().inspect_err(|_| groups.remove())?;
    let pid = child.id();
    children.insert(pid, Running { child, groups: groups.clone() });
    Ok(Launcher { pid, groups })
}
