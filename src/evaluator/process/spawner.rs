//! The thread that starts launchers and collects them when they have ended. It lives as long as the program, so no
//! worker process is lost because the thread that started it has ended, and it alone waits for `vfork`.

use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    process::Command,
    sync::{
        OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions};
use tokio::sync::oneshot;

use super::{
    launch::Recipe,
    link::GUARD_PATIENCE,
    template::{Making, Template, Templates},
};
use crate::sandbox::{
    descendants,
    groups::{Groups, Limits},
};

/// How long it takes to look again for the end of a launcher that is about to end.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How long the kernel may take to let go of the groups of what has ended.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

/// What is needed to start a launcher.
pub(super) struct Start {
    /// What its process is called.
    pub(super) title: String,
    pub(super) recipe: Recipe,
    /// Its lifeline, and what it prints to.
    pub(super) standard: [OwnedFd; 3],
    /// What it is forked from rather, where that can be.
    pub(super) template: Option<Making>,
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
    /// Nobody has this template any more, nor the groups that its forks had.
    Retire(u64, Vec<Groups>),
}

/// A child of this program: a launcher, or a template.
pub(super) struct Process {
    pid: Pid,
    groups: Groups,
    /// Who has lent them, and what they hold to.
    lender: Option<(Template, Limits)>,
}

/// A process that is about to end.
struct Ending {
    process: Process,
    /// Since when, or since it was helped last.
    since: Instant,
    /// Whether it has ended, and only its groups are left.
    is_collected: bool,
}

/// A launcher that was started. When this is dropped, it is about to end, and is collected: also when it is dropped on
/// its way to somebody who does not wait for it any more.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) pid: u32,
    /// Those of its worker process, and what they hold it to.
    pub(super) groups: Groups,
    pub(super) group_limits: Limits,
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

/// A template is of no use any more.
pub(super) fn retire(template: u64, groups: Vec<Groups>) {
    // Without the thread, the program is ending.
    drop(orders().send(Order::Retire(template, groups)));
}

fn run(orders: &Receiver<Order>) {
    let mut nest = Nest::default();
    loop {
        let order = if nest.ending.is_empty() {
            orders.recv().map_err(RecvTimeoutError::from)
        } else {
            orders.recv_timeout(LOOK_AGAIN)
        };
        match order {
            Ok(order) => nest.carry_out(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        nest.ending.retain_mut(Ending::goes_on);
    }
}

/// The children of this program.
#[derive(Default)]
struct Nest {
    launchers: HashMap<u32, Process>,
    templates: Templates,
    ending: Vec<Ending>,
}

impl Nest {
    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Start(start, reply) => drop(reply.send(self.start(*start))),
            Order::KillGroup(pid) => self.launchers.get(&pid).into_iter().for_each(Process::kill_group),
            Order::Collect(pid) => {
                let process = self.launchers.remove(&pid);
                self.end(process);
            }
            Order::Retire(template, groups) => {
                let mut retired = Vec::new();
                self.templates.retire(template, &mut retired);
                self.end(retired);
                groups.iter().for_each(|groups| _ = groups.remove());
            }
        }
    }

    fn start(&mut self, start: Start) -> std::io::Result<Launcher> {
        let Start { title, recipe, standard, template, groups, group_limits } = start;
        groups.make(group_limits);
        let lender = template.as_ref().map(|making| (making.template.clone(), group_limits));
        let mut retired = Vec::new();
        let forked = match template {
            Some(making) => {
                let standard = standard.each_ref().map(OwnedFd::as_fd);
                self.templates.fork(making, &recipe, standard, &mut retired)
            }
            None => Ok(None),
        };
        self.end(retired);
        let pid = match forked.inspect_err(|_| _ = groups.remove())? {
            Some(pid) => pid,
            None => spawn_with(recipe.command(&title), standard).inspect_err(|_| _ = groups.remove())?,
        };
        let number = pid.as_raw_nonzero().get().unsigned_abs();
        self.launchers.insert(number, Process { pid, groups: groups.clone(), lender });
        Ok(Launcher { pid: number, groups, group_limits })
    }

    fn end(&mut self, processes: impl IntoIterator<Item = Process>) {
        let since = Instant::now();
        self.ending.extend(processes.into_iter().map(|process| Ending { process, since, is_collected: false }));
    }
}

impl Ending {
    /// Whether it has not ended yet. One that takes too long, perhaps because the code stopped it, is ended with all below.
    fn goes_on(&mut self) -> bool {
        // An error says that it was collected already.
        self.is_collected = self.is_collected
            || !matches!(rustix::process::waitpid(Some(self.process.pid), WaitOptions::NOHANG), Ok(None));
        if self.is_collected {
            if self.process.gives_back() {
                return false;
            }
            // It has removed them, unless somebody has killed it. What nobody can end holds them for ever.
            self.process.groups.kill();
            return !self.process.groups.remove() && self.since.elapsed() < LAST_PATIENCE;
        }
        if self.since.elapsed() >= GUARD_PATIENCE {
            self.since = Instant::now();
            self.process.kill_group();
        }
        true
    }
}

impl Process {
    /// Of one that is in the groups of this program.
    pub(super) fn without_groups(pid: Pid) -> Self {
        Self { pid, groups: Groups::default(), lender: None }
    }

    /// Gives its groups back to whoever has lent them, if they are of use.
    fn gives_back(&self) -> bool {
        self.lender.as_ref().is_some_and(|(template, limits)| template.take_back(*limits, &self.groups))
    }

    /// Kills what is below a guard, the guard, and whatever is still in its process group. A guard that is killed ends nothing
    /// any more, so what has left the group must be found before. The pid is safe: it is not collected yet.
    fn kill_group(&self) {
        // Errors say that it is gone already. One that was stopped goes on, and helps.
        let _ = rustix::process::kill_process(self.pid, Signal::CONT);
        for pid in descendants::of(self.pid) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        self.groups.kill();
    }
}

fn spawn_with(mut command: Command, [lifeline, stdout, stderr]: [OwnedFd; 3]) -> std::io::Result<Pid> {
    command.stdin(lifeline).stdout(stdout).stderr(stderr);
    spawn(command)
}

/// Starts a program. It is this thread's to collect.
#[expect(clippy::disallowed_methods, reason = "the one place where worker processes start")]
pub(super) fn spawn(mut command: Command) -> std::io::Result<Pid> {
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| std::io::Error::other("it has no process id"))
}
