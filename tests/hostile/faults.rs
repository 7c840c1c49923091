//! What befalls Oast itself, with or without somebody's intention.

use std::{
    fs::{File, OpenOptions},
    process::{Command, Stdio},
};

use libtest_mimic::Failed;
use oast::{Lease, NotStarted, Oast, Spec, Value, config::Config};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use super::{
    FAULT, Row,
    program::Program::{Check, Scene},
    promised_by, row,
    told::Told::Through,
    untrusted,
};
use crate::{
    conventions::{program, rust_files},
    fixtures::behave,
    harness::open_descriptors,
    stage::{call, done, javascript, refusal, returned, stateless, value, within},
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        scene("a worker dies between its lease and the first word", || Box::pin(dies_when_leased())),
        scene("a worker dies while it is idle in its pool", || Box::pin(dies_in_the_pool())),
        promised_by(
            FAULT,
            "a worker dies again and again",
            &["limits::a_worker_that_fails_too_often_is_broken_until_reset"],
        ),
        promised_by(FAULT, "the host is killed", &["host_death::a_killed_host_leaves_nothing"]),
        scene("there is no room for a log", || Box::pin(no_room_for_a_log())),
        scene("there is no descriptor left", || Box::pin(no_descriptor_left())),
        row(FAULT, "the clock jumps", Check(deadlines_know_no_date), Through),
    ]
}

const fn scene(does: &'static str, scene: fn() -> super::program::Scene) -> Row {
    row(FAULT, does, Scene(scene), Through)
}

/// A pool of strangers, and everything that it needs.
async fn pool(spare: usize, most: usize) -> Oast {
    let oast = Oast::start(Config::default()).unwrap();
    oast.pool_of(Spec::functions("pool").profile(untrusted()), spare, most).await.unwrap();
    oast
}

async fn lease(oast: &Oast) -> Lease {
    within("a lease", oast.lease("pool")).await.unwrap()
}

/// Kills a process that did nothing wrong.
fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

async fn dies_when_leased() {
    let oast = pool(1, 1).await;
    let leased = lease(&oast).await;
    until_running(&oast, 1).await;
    kill(leased.status().await.unwrap().pid);
    assert_eq!(returned::<i64>(within("an answer", call(&leased, behave::add, (1, 1))).await), 2);
    drop(leased);
    oast.shutdown().await;
}

async fn dies_in_the_pool() {
    let oast = pool(2, 2).await;
    for pid in until_running(&oast, 2).await {
        kill(pid);
    }
    for _ in 0..3 {
        let leased = lease(&oast).await;
        assert_eq!(returned::<i64>(within("an answer", call(&leased, behave::add, (1, 1))).await), 2);
    }
    oast.shutdown().await;
}

/// Waits until so many workers have a process, and says which.
async fn until_running(oast: &Oast, count: usize) -> Vec<u32> {
    let search = async {
        loop {
            let all = oast.list().await.unwrap();
            let pids: Vec<_> = all.iter().map(|status| status.pid).filter(|pid| *pid != 0).collect();
            if pids.len() == count {
                return pids;
            }
            crate::stage::pause(2).await;
        }
    };
    within("the processes", search).await
}

/// A log that cannot be written costs its lines, and nobody's answer.
async fn no_room_for_a_log() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let eval = || {
        let mut command = Command::new(program());
        command.args(["eval", "1 + 1"]).env_clear().env("PATH", "/usr/bin:/bin").env("OAST_LOG", "trace");
        command.stdin(Stdio::null());
        command
    };
    let (code, stdout) = ended(eval().stdout(Stdio::piped()).stderr(full()));
    assert_eq!((code, stdout.as_str()), (Some(0), "2\n"));
    // Whoever cannot be told the value is told that.
    let (code, _) = ended(eval().stdout(full()).stderr(Stdio::null()));
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
}

#[expect(clippy::disallowed_methods, reason = "the command line is no worker process")]
fn ended(command: &mut Command) -> (Option<i32>, String) {
    let ended = command.spawn().unwrap().wait_with_output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
}

/// Without a descriptor no process can be started, which is told; those that are there go on.
async fn no_descriptor_left() {
    let (neighbour, worker) = (javascript(stateless()), javascript(stateless()));
    value(neighbour.eval("1 + 1").await);
    let limit = getrlimit(Resource::Nofile);
    let few = open_descriptors().len() as u64 + 16;
    setrlimit(Resource::Nofile, Rlimit { current: Some(few), ..limit }).unwrap();
    let mut all = Vec::new();
    while let Ok(one) = File::open("/dev/null") {
        all.push(one);
    }
    let refused = refusal(within("a refusal", worker.eval("1 + 1")).await);
    assert!(matches!(refused, NotStarted::StartFailed(_)), "{refused:?}");
    assert_eq!(value(within("its neighbour", neighbour.eval("1 + 1")).await), Value::Int(2));
    drop(all);
    setrlimit(Resource::Nofile, limit).unwrap();
    assert_eq!(value(within("an answer", worker.eval("1 + 1")).await), Value::Int(2));
    done(worker).await;
    done(neighbour).await;
}

/// The date is told with what happened, and measures nothing: no limit, delay or deadline asks for it.
fn deadlines_know_no_date() -> Result<(), Failed> {
    let files = rust_files(&["config", "actors", "src"]);
    let production = files.iter().filter(|file| !file.is_tests());
    let asked = production.flat_map(|file| file.lines_where(|line| line.contains("SystemTime::now()")));
    let measured: Vec<_> = asked.filter(|line| !line.contains("at: SystemTime::now()")).collect();
    if measured.is_empty() { Ok(()) } else { Err(measured.join("\n").into()) }
}
