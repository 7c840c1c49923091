//! Whatever a worker process does to itself costs its caller one evaluation, with the true cause, and nobody else
//! anything.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use oast::{Cause, EvalError, Evaluation, ExitStatus, NotStarted, Value, Worker};
use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::{
    fixtures::{behave, misbehave},
    harness::descendants,
    stage::{
        Scratch, call, cause, done, exit, functions, javascript, kept, lives, lost, outcome, raised, refusal, returned,
        stateless, status, until, value, within,
    },
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("crashes":
        a_segmentation_fault_is_told_as_its_signal,
        an_abort_is_told_as_its_signal,
        an_exit_is_told_as_its_code,
        a_kill_from_outside_is_told_as_such,
        a_kill_of_an_idle_process_is_noticed_at_once,
        a_stack_overflow_is_told_as_its_signal,
        a_stack_overflow_in_javascript_is_an_error,
        a_panic_is_an_error_and_the_worker_lives_on,
        garbage_on_the_control_channel_ends_the_process_alone,
        half_a_frame_is_no_frame,
        a_frame_of_four_gibibytes_is_refused_before_memory_is_taken,
        an_answer_to_nothing_ends_the_process,
        a_process_that_closes_its_control_channel_is_ended,
        a_daemon_goes_when_its_worker_stops,
        a_daemon_goes_when_its_worker_crashes,
        a_process_that_stops_itself_is_ended_at_its_limit,
        a_process_that_kills_its_guard_does_not_outlive_it,
        a_guard_that_was_stopped_is_woken_to_tell_the_cause,
        a_guard_killed_from_outside_takes_its_worker_along,
        closing_the_output_is_no_end,
        callers_that_keep_state_are_told_once_each,
        callers_without_state_go_on,
        what_did_not_start_has_left_no_trace,
        answers_from_before_a_crash_arrive,
        the_last_words_travel_with_the_report,
        a_worker_dropped_while_it_starts_leaves_nothing,
    )
}

/// The worker serves again, with another process.
async fn assert_replaced(worker: Worker) {
    assert_eq!(returned::<i64>(within("an answer", call(&worker, behave::add, (1, 1))).await), 2);
    assert!(status(&worker).await.epoch > 1);
    done(worker).await;
}

async fn a_segmentation_fault_is_told_as_its_signal() {
    let worker = functions(kept());
    let report = lost(call(&worker, misbehave::segfault, ()).await);
    assert_eq!((&report.cause, report.status), (&Cause::Signal(11), Some(ExitStatus::Signal(11))));
    assert_replaced(worker).await;
}

async fn an_abort_is_told_as_its_signal() {
    let worker = functions(kept());
    assert_eq!(cause(call(&worker, misbehave::abort, ()).await), Cause::Signal(6));
    assert_replaced(worker).await;
}

async fn an_exit_is_told_as_its_code() {
    let worker = functions(kept());
    assert_eq!(cause(call(&worker, misbehave::exit, (3,)).await), Cause::Exit(3));
    // Nobody is taken in by a code that looks like a signal.
    assert_eq!(cause(call(&worker, misbehave::exit, (137,)).await), Cause::Exit(137));
    assert_replaced(worker).await;
}

async fn a_kill_from_outside_is_told_as_such() {
    let worker = functions(kept());
    value(call(&worker, behave::nothing, ()).await);
    let pending = under_way(&worker).await;
    kill_from_outside(&worker).await;
    let since = Instant::now();
    assert_eq!(cause(within("the news", pending).await), Cause::KilledFromOutside(9));
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(cause(call(&worker, misbehave::kill_itself, ()).await), Cause::KilledFromOutside(9));
    assert_replaced(worker).await;
}

/// An evaluation that has begun.
async fn under_way(worker: &Worker) -> Evaluation {
    let mut evaluation = call(worker, behave::says_that_it_runs, ());
    assert!(within("its beginning", evaluation.printed()).await.is_some());
    evaluation
}

async fn kill_from_outside(worker: &Worker) {
    let pid = status(worker).await.pid.cast_signed();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

async fn a_kill_of_an_idle_process_is_noticed_at_once() {
    let worker = functions(stateless());
    let mut events = worker.events();
    value(call(&worker, behave::nothing, ()).await);
    let since = Instant::now();
    kill_from_outside(&worker).await;
    assert_eq!(exit(&mut events).await.cause, Cause::KilledFromOutside(9));
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    assert_replaced(worker).await;
}

async fn a_stack_overflow_is_told_as_its_signal() {
    let worker = functions(kept());
    let report = lost(call(&worker, misbehave::overflow_the_stack, ()).await);
    // Rust's handler says what it was, and aborts.
    assert!(matches!(report.cause, Cause::Signal(6 | 11)), "{report:?}");
    assert!(report.stderr.contains("overflowed its stack"), "{report:?}");
    assert_replaced(worker).await;
}

async fn a_stack_overflow_in_javascript_is_an_error() {
    let worker = javascript(kept());
    let raised = raised(worker.eval("(function deeper() { return 1 + deeper() })()").await);
    assert!(raised.message.contains("stack"), "{raised:?}");
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn a_panic_is_an_error_and_the_worker_lives_on() {
    let worker = functions(kept());
    value(call(&worker, behave::set, (4,)).await);
    assert_eq!(raised(call(&worker, behave::panics, ("ouch".to_owned(),)).await).message, "ouch");
    assert_eq!(returned::<i64>(call(&worker, behave::get, ()).await), 4);
    done(worker).await;
}

async fn assert_protocol(ended: oast::EvalResult) {
    let report = lost(ended);
    assert!(matches!(report.cause, Cause::Protocol(_)), "{report:?}");
}

async fn garbage_on_the_control_channel_ends_the_process_alone() {
    let (worker, other) = (functions(kept()), functions(kept()));
    let beside = call(&other, behave::wait, (300,));
    assert_protocol(within("its end", call(&worker, misbehave::say_garbage, ())).await).await;
    value(beside.await);
    assert_eq!(status(&other).await.epoch, 1);
    done(other).await;
    assert_replaced(worker).await;
}

async fn half_a_frame_is_no_frame() {
    let worker = functions(kept());
    let report = lost(within("its end", call(&worker, misbehave::say_half_a_frame, ())).await);
    // It left by itself; what it left unsaid is a violation all the same.
    assert!(matches!(report.cause, Cause::Protocol(_) | Cause::Exit(0)), "{report:?}");
    assert_replaced(worker).await;
}

async fn a_frame_of_four_gibibytes_is_refused_before_memory_is_taken() {
    let before = peak_memory();
    let worker = functions(kept());
    assert_protocol(within("its end", call(&worker, misbehave::say_four_gibibytes, ())).await).await;
    assert!(peak_memory() < before + 64 * 1024, "from {before} KiB to {} KiB", peak_memory());
    assert_replaced(worker).await;
}

/// Of this process, in KiB.
pub(crate) fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn an_answer_to_nothing_ends_the_process() {
    let worker = functions(kept());
    assert_protocol(within("its end", call(&worker, misbehave::answer_what_nobody_asked, ())).await).await;
    assert_replaced(worker).await;
}

async fn a_process_that_closes_its_control_channel_is_ended() {
    let worker = functions(kept());
    assert_protocol(within("its end", call(&worker, misbehave::close_the_control_channel, ())).await).await;
    assert_replaced(worker).await;
}

async fn a_daemon_goes_when_its_worker_stops() {
    let worker = functions(kept());
    let daemon: i32 = returned(call(&worker, misbehave::leave_a_daemon, ()).await);
    assert!(lives(daemon));
    within("the worker to be gone", worker.stop()).await;
    assert!(!lives(daemon), "it outlives its worker");
    done(worker).await;
}

async fn a_daemon_goes_when_its_worker_crashes() {
    let scratch = Scratch::new();
    let worker = functions(kept());
    let path = scratch.file("daemon");
    assert_eq!(cause(call(&worker, misbehave::leave_a_daemon_and_crash, (path.clone(),)).await), Cause::Signal(11));
    let daemon: i32 = fs::read_to_string(path).unwrap().parse().unwrap();
    assert!(!lives(daemon), "it outlives its worker");
    assert_replaced(worker).await;
}

async fn a_process_that_stops_itself_is_ended_at_its_limit() {
    let mut profile = kept();
    profile.limits.wall_time = Some(Duration::from_millis(200));
    let worker = functions(profile);
    let report = lost(within("the limit", call(&worker, misbehave::stop_itself, ())).await);
    assert!(matches!(report.cause, Cause::TimeLimit { .. }), "{report:?}");
    assert_replaced(worker).await;
}

async fn a_process_that_kills_its_guard_does_not_outlive_it() {
    let worker = functions(kept());
    let report = lost(within("its end", call(&worker, misbehave::kill_its_guard, ())).await);
    assert!(!lives(report.pid.cast_signed()), "{report:?}");
    assert!(matches!(report.cause, Cause::Protocol(_)), "{report:?}");
    assert_replaced(worker).await;
}

async fn a_guard_that_was_stopped_is_woken_to_tell_the_cause() {
    let worker = functions(kept());
    assert_eq!(cause(within("its end", call(&worker, misbehave::stop_its_guard, ())).await), Cause::Signal(11));
    assert_replaced(worker).await;
}

async fn a_guard_killed_from_outside_takes_its_worker_along() {
    let worker = functions(kept());
    value(call(&worker, behave::nothing, ()).await);
    let pid = status(&worker).await.pid.cast_signed();
    let pending = under_way(&worker).await;
    let guard = descendants(getpid())[0];
    kill_process(guard, Signal::KILL).unwrap();
    lost(within("the news", pending).await);
    until("the process is gone", || !lives(pid)).await;
    assert_replaced(worker).await;
}

async fn closing_the_output_is_no_end() {
    let worker = functions(kept());
    assert_eq!(returned::<i32>(call(&worker, misbehave::close_its_output, ()).await), 7);
    assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn callers_that_keep_state_are_told_once_each() {
    let worker = functions(kept());
    let (told_by_loss, told_by_refusal, newcomer) = (worker.clone(), worker.clone(), worker.clone());
    value(call(&told_by_loss, behave::set, (5,)).await);
    value(call(&told_by_refusal, behave::set, (6,)).await);
    assert_eq!(cause(call(&told_by_loss, misbehave::segfault, ()).await), Cause::Signal(11));
    assert_eq!(returned::<i64>(call(&told_by_loss, behave::get, ()).await), 0);
    let refused = refusal(call(&told_by_refusal, behave::get, ()).await);
    let NotStarted::Restarted { epoch: 2, report: Some(report) } = &refused else { panic!("{refused:?}") };
    assert_eq!(report.cause, Cause::Signal(11));
    assert_eq!(returned::<i64>(call(&told_by_refusal, behave::get, ()).await), 0);
    // It never built on anything.
    assert_eq!(returned::<i64>(call(&newcomer, behave::get, ()).await), 0);
    drop((told_by_loss, told_by_refusal, newcomer));
    done(worker).await;
}

async fn callers_without_state_go_on() {
    let worker = functions(stateless());
    let crash = call(&worker, misbehave::segfault, ());
    let behind: Vec<_> = (0..100).map(|number| call(&worker, behave::add, (number, 1))).collect();
    assert_eq!(cause(crash.await), Cause::Signal(11));
    for (number, one) in behind.into_iter().enumerate() {
        assert_eq!(returned::<i64>(within("an answer", one).await), number as i64 + 1);
    }
    done(worker).await;
}

async fn what_did_not_start_has_left_no_trace() {
    let scratch = Scratch::new();
    let worker = functions(kept());
    let crash = call(&worker, misbehave::segfault, ());
    // Some of them are in the worker process already, behind the one that crashes.
    let behind: Vec<_> =
        (0..100).map(|number| call(&worker, behave::leaves_a_mark, (scratch.file(&number.to_string()),))).collect();
    assert_eq!(cause(crash.await), Cause::Signal(11));
    for (number, one) in behind.into_iter().enumerate() {
        let mark = scratch.file(&number.to_string());
        match within("an answer", one).await {
            Err(EvalError::NotStarted(NotStarted::Restarted { .. })) => {
                assert!(!Path::new(&mark).exists(), "{number} has run");
            }
            ended => panic!("the state that it was to build on is lost, yet {number} ended with {ended:?}"),
        }
    }
    done(worker).await;
}

async fn answers_from_before_a_crash_arrive() {
    let worker = functions(kept());
    for _ in 0..20 {
        value(call(&worker, behave::nothing, ()).await);
        // All of them are in the worker process before the first has an answer, which it gathers.
        let first = call(&worker, behave::wait, (5,));
        let behind: Vec<_> = (0..40).map(|number| call(&worker, behave::add, (number, 1))).collect();
        let crash = call(&worker, misbehave::abort, ());
        value(first.await);
        for (number, one) in behind.into_iter().enumerate() {
            assert_eq!(returned::<i64>(within("an answer", one).await), number as i64 + 1);
        }
        assert_eq!(cause(crash.await), Cause::Signal(6));
    }
    done(worker).await;
}

async fn the_last_words_travel_with_the_report() {
    let worker = functions(kept());
    outcome(call(&worker, behave::prints, ("x".to_owned(), "y".repeat(10_000))).await);
    let report = lost(call(&worker, say_and_abort, ("farewell".to_owned(),)).await);
    assert!(report.stderr.contains("farewell"), "{report:?}");
    assert!(report.stderr.len() <= 4 << 10, "{} bytes", report.stderr.len());
    assert_replaced(worker).await;
}

#[expect(clippy::print_stderr, reason = "the last words of a process")]
fn say_and_abort(words: String) {
    eprintln!("{words}");
    misbehave::abort();
}

async fn a_worker_dropped_while_it_starts_leaves_nothing() {
    for milliseconds in [0, 0, 0, 1, 2, 3, 5, 8, 13] {
        let worker = functions(kept());
        worker.start();
        crate::stage::pause(milliseconds).await;
        drop(worker);
    }
}
