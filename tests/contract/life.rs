//! From the first process of a worker to its last.

use std::time::{Duration, Instant};

use oast::{EvalError, NotStarted, Phase, Worker};
use rustix::process::getpid;

use super::place::{Act, Evaluator, Place, Runtime};
use crate::{
    fixtures::behave,
    harness::descendants,
    stage::{Scratch, call, done, kept, refusal, returned, start, status, until, within},
};

pub(super) async fn a_worker_runs_until_it_is_stopped(place: Place) {
    let worker = place.worker();
    assert_eq!(status(&worker).await.phase, Phase::Dormant);
    place.assert_usable(&worker).await;
    assert_eq!(status(&worker).await.phase, Phase::Idle);
    within("its end", worker.stop()).await;
    assert_eq!(status(&worker).await.phase, Phase::Stopped);
}

pub(super) async fn the_count_of_workers_goes_to_one_and_back_to_none(place: Place) {
    let worker = place.worker();
    place.assert_usable(&worker).await;
    assert_eq!(count(place), 1);
    worker.stop().await;
    until("there is none", || count(place) == 0).await;
}

/// Guards among the processes below this one: each has one worker process. Or threads that evaluate.
fn count(place: Place) -> usize {
    match place.evaluator {
        Evaluator::Process => {
            let ours = |pid: &rustix::process::Pid| rustix::process::getpgid(Some(*pid)) == Ok(*pid);
            descendants(getpid()).iter().filter(|pid| ours(pid)).count()
        }
        Evaluator::Local => {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
            names.filter(|name| name.trim() == "oast contract").count()
        }
    }
}

pub(super) async fn a_pending_call_of_ten_seconds_ends_with_an_error_at_stop(place: Place) {
    let worker = place.worker();
    place.assert_usable(&worker).await;
    let pending = place.act(&worker, Act::WaitFor(10_000));
    let behind = place.act(&worker, Act::WaitFor(10_000));
    // It is under way when a later message was answered.
    assert_eq!(status(&worker).await.phase, Phase::Busy);
    let since = Instant::now();
    within("its end", worker.stop()).await;
    for ended in [pending.await, behind.await] {
        assert!(
            matches!(ended, Err(EvalError::Lost(_) | EvalError::NotStarted(NotStarted::Stopped { .. }))),
            "{ended:?}"
        );
    }
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert_eq!(status(&worker).await.phase, Phase::Stopped);
}

pub(super) async fn a_stopped_worker_refuses(place: Place) {
    let worker = place.worker();
    place.assert_usable(&worker).await;
    worker.stop().await;
    let refused = refusal(place.act(&worker, Act::Add(1, 1)).await);
    assert!(matches!(refused, NotStarted::Stopped { .. }), "{refused:?}");
    worker.stop().await;
}

pub(super) async fn draining_lets_what_was_submitted_end(place: Place) {
    let worker = place.worker();
    let under_way: Vec<_> = (0..3).map(|_| place.act(&worker, Act::WaitFor(50))).collect();
    let drained = worker.drain(Duration::from_secs(5));
    let refused = async {
        for one in under_way {
            crate::stage::value(one.await);
        }
    };
    tokio::join!(drained, refused);
    assert_eq!(status(&worker).await.phase, Phase::Stopped);
    assert!(matches!(refusal(place.act(&worker, Act::Get).await), NotStarted::Stopped { .. }));
}

pub(super) async fn bad_settings_fail_at_once(place: Place) {
    let scratch = Scratch::new();
    let program = scratch.program("#!/bin/sh\necho 'no such flag: --fast' >&2\nexit 2\n");
    let worker = start(place.spec().profile(kept()).program(program));
    let since = Instant::now();
    let NotStarted::StartFailed(report) = refusal(place.act(&worker, Act::Add(1, 1)).await) else {
        panic!("it cannot have started");
    };
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert!(report.stderr.contains("no such flag: --fast"), "{report:?}");
    done(worker).await;
}

pub(super) async fn workers_nest_three_deep(place: Place) {
    let worker: Worker = place.worker();
    assert_eq!(place.runtime, Runtime::Rust);
    assert_eq!(returned::<u32>(within("the deepest", call(&worker, behave::nest, (3,))).await), 3);
    place.assert_usable(&worker).await;
    done(worker).await;
}
