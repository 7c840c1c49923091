//! An interrupt ends one evaluation soon, whatever it is doing, and the worker lives on.

use std::time::{Duration, Instant};

use oast::{EvalError, Interrupter, NotStarted, Worker, config::Profile};

use super::place::{Act, Place};
use crate::stage::{done, kept, pause, refusal, status, value, within};

/// How long code runs before it is interrupted.
const HEAD_START: u64 = 100;
/// None of what is interrupted would end before ten seconds; none may take eight tenths of that.
const SOON: Duration = Duration::from_secs(8);

/// Grace is so long that a worker process which must be killed is late.
fn patient() -> Profile {
    let mut profile = kept();
    profile.limits.grace = SOON;
    profile
}

async fn assert_interruptible(place: Place, worker: &Worker, evaluation: oast::Evaluation) {
    pause(HEAD_START).await;
    assert!(!evaluation.is_ended(), "it ended by itself");
    let since = Instant::now();
    evaluation.interrupt();
    let ended = within("the end of what was interrupted", evaluation).await;
    assert_eq!(ended, Err(EvalError::Interrupted(Interrupter::Caller)));
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    place.assert_usable(worker).await;
    assert_eq!(status(worker).await.epoch, 1, "it lives on");
}

async fn assert_act_is_interruptible(place: Place, act: Act) {
    let worker = warm_worker(place).await;
    assert_interruptible(place, &worker, place.act(&worker, act)).await;
    done(worker).await;
}

/// One whose process has started: what is submitted to it runs.
async fn warm_worker(place: Place) -> Worker {
    let worker = place.worker_with(patient());
    place.assert_usable(&worker).await;
    worker
}

pub(super) async fn an_allocating_loop_ends(place: Place) {
    assert_act_is_interruptible(place, Act::Allocate).await;
}

pub(super) async fn a_tight_numeric_loop_ends(place: Place) {
    assert_act_is_interruptible(place, Act::Count).await;
}

pub(super) async fn a_sleep_ends_and_so_does_the_next(place: Place) {
    let worker = warm_worker(place).await;
    for _ in 0..2 {
        assert_interruptible(place, &worker, place.act(&worker, Act::WaitFor(10_000))).await;
    }
    done(worker).await;
}

pub(super) async fn an_endless_loop_ends(place: Place) {
    let worker = warm_worker(place).await;
    let endless = match place.runtime {
        super::Runtime::JavaScript => worker.eval("while (true) {}"),
        super::Runtime::Python => worker.eval("while True: pass"),
        super::Runtime::Rust => place.act(&worker, Act::Count),
    };
    pause(HEAD_START).await;
    // Without a name, it is the running one that is meant.
    worker.interrupt();
    assert_eq!(within("its end", endless).await, Err(EvalError::Interrupted(Interrupter::Caller)));
    place.assert_usable(&worker).await;
    done(worker).await;
}

pub(super) async fn a_loop_that_catches_everything_ends(place: Place) {
    let worker = warm_worker(place).await;
    let source = place.either(
        "for (;;) { try { for (;;) {} } catch { } finally { continue } }",
        "import time\nuntil = time.monotonic() + 1\nwhile True:\n  try:\n    while True: pass\n  except BaseException:\n    if time.monotonic() > until: raise",
    );
    assert_interruptible(place, &worker, worker.eval(source)).await;
    done(worker).await;
}

pub(super) async fn an_interrupt_while_idle_does_nothing(place: Place) {
    let worker = place.worker();
    worker.interrupt();
    place.assert_usable(&worker).await;
    worker.interrupt();
    place.assert_usable(&worker).await;
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

pub(super) async fn a_late_interrupt_does_nothing(place: Place) {
    let worker = place.worker();
    let mut first = place.act(&worker, Act::Set(3));
    value((&mut first).await);
    let next = place.act(&worker, Act::SetAfter(100, 4));
    first.interrupt();
    value(next.await);
    assert_eq!(place.int(place.act(&worker, Act::Get).await), 4);
    done(worker).await;
}

pub(super) async fn an_interrupt_ends_its_own_evaluation_alone(place: Place) {
    let worker = warm_worker(place).await;
    let first = place.act(&worker, Act::WaitFor(10_000));
    let second = place.act(&worker, Act::Add(20, 1));
    let third = place.act(&worker, Act::Add(20, 2));
    pause(HEAD_START).await;
    first.interrupt();
    assert_eq!(within("its end", first).await, Err(EvalError::Interrupted(Interrupter::Caller)));
    assert_eq!(place.int(second.await), 21);
    assert_eq!(place.int(third.await), 22);
    done(worker).await;
}

pub(super) async fn one_that_waits_in_the_process_is_cancelled_and_never_runs(place: Place) {
    let worker = warm_worker(place).await;
    let running = place.act(&worker, Act::Count);
    let next = place.act(&worker, Act::Set(1));
    // The process has both by now, and is busy with the first.
    pause(HEAD_START).await;
    next.interrupt();
    running.interrupt();
    assert_eq!(within("its end", running).await, Err(EvalError::Interrupted(Interrupter::Caller)));
    assert_eq!(refusal(within("its end", next).await), NotStarted::Cancelled);
    assert_eq!(place.int(place.act(&worker, Act::Get).await), 0);
    done(worker).await;
}

pub(super) async fn one_that_waits_is_cancelled_and_never_runs(place: Place) {
    let worker = warm_worker(place).await;
    // More than any runtime takes ahead, so that the last ones wait in the host.
    let running = place.act(&worker, Act::SetAfter(300, 0));
    let ahead: Vec<_> = (0..100).map(|_| place.act(&worker, Act::WaitFor(0))).collect();
    let last = place.act(&worker, Act::Set(1));
    last.interrupt();
    assert_eq!(refusal(within("its end", last).await), NotStarted::Cancelled);
    value(running.await);
    for one in ahead {
        value(one.await);
    }
    assert_eq!(place.int(place.act(&worker, Act::Get).await), 0);
    done(worker).await;
}
