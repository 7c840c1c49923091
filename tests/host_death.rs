//! When the host is killed, nothing is left of what it had started: not its workers, not theirs, not their daemons.

use std::{
    fs,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use oast::{Spec, config::Profile};
use rustix::process::{Pid, getpid};

use crate::{
    fixtures::{behave, misbehave},
    harness::{descendants, describe},
    stage::{PATIENCE, Scratch, call, forked, lives, returned, start, until},
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("host_death": a_killed_host_leaves_nothing, a_host_that_ends_leaves_nothing)
}

/// Makes this program a host that is about to die.
const HOST: &str = "--be-a-host";
/// How long anything may outlive it.
const SOON: Duration = Duration::from_secs(2);
/// A guard and its worker process: one with JavaScript, one with functions, three below one another. And a daemon. And a
/// template, with a guard and a worker process.
const PROCESSES: usize = 2 + 2 + 3 * 2 + 1 + 3;

/// Where the host says that it is ready, when this process is to be one.
pub(crate) fn is_wanted() -> Option<String> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == HOST).then(|| arguments.next())?
}

/// Has workers of all kinds, says so, and lives until it is killed or told to leave.
pub(crate) fn be_a_host(directory: &str) -> ExitCode {
    actix_rt::System::new().block_on(async {
        let spinning = start(Spec::javascript("spinning").profile(Profile::notebook()));
        let daemonic = start(Spec::functions("daemonic").profile(Profile::notebook()));
        let nested = start(Spec::functions("nested").profile(Profile::notebook()));
        let from_template = start(Spec::javascript("forked").profile(Profile::trusted()).template());
        forked(&from_template).await;
        let daemon: i32 = returned(call(&daemonic, misbehave::leave_a_daemon, ()).await);
        drop(spinning.eval("for (;;) {}"));
        drop(call(&daemonic, misbehave::spin_deaf, ()));
        drop(call(&nested, behave::nest_for_ever, (2,)));
        fs::write(Path::new(directory).join("daemon"), daemon.to_string()).unwrap();
        until("it is told to leave", || Path::new(directory).join("leave").exists()).await;
    });
    ExitCode::SUCCESS
}

async fn a_killed_host_leaves_nothing() {
    let scratch = Scratch::new();
    let (mut host, below) = full_host(&scratch).await;
    host.kill().unwrap();
    host.wait().unwrap();
    assert_gone(&below).await;
}

async fn a_host_that_ends_leaves_nothing() {
    let scratch = Scratch::new();
    let (mut host, below) = full_host(&scratch).await;
    fs::write(scratch.file("leave"), "").unwrap();
    until("the host has left", || host.try_wait().unwrap().is_some()).await;
    assert_gone(&below).await;
}

#[expect(clippy::disallowed_methods, reason = "a host is no worker process")]
fn start_host(scratch: &Scratch) -> Child {
    let mut host = Command::new("/proc/self/exe");
    host.args([HOST, &scratch.file("")]).stdin(Stdio::null()).stdout(Stdio::null());
    host.spawn().unwrap()
}

async fn full_host(scratch: &Scratch) -> (Child, Vec<Pid>) {
    let host = start_host(scratch);
    let below = all_below(Pid::from_child(&host), scratch).await;
    (host, below)
}

async fn all_below(host: Pid, scratch: &Scratch) -> Vec<Pid> {
    let by = Instant::now() + PATIENCE;
    loop {
        let below = descendants(host);
        if below.len() == PROCESSES && Path::new(&scratch.file("daemon")).exists() {
            return below;
        }
        let found: Vec<_> = below.into_iter().map(describe).collect();
        assert!(Instant::now() < by, "the host has not all of its {PROCESSES} processes, but {found:#?}");
        crate::stage::pause(5).await;
    }
}

/// Whatever was below the host is below this process now, if it lives at all.
async fn assert_gone(below: &[Pid]) {
    let by = Instant::now() + SOON;
    let left = || living(below).into_iter().map(describe).collect::<Vec<_>>();
    while !left().is_empty() {
        assert!(Instant::now() < by, "{:?} outlive their host by {SOON:?}", left());
        crate::stage::pause(5).await;
    }
    let mine = living(&descendants(getpid()));
    assert!(mine.is_empty(), "{mine:?} were never seen below the host, and live");
}

fn living(pids: &[Pid]) -> Vec<Pid> {
    pids.iter().copied().filter(|pid| lives(pid.as_raw_nonzero().get())).collect()
}
