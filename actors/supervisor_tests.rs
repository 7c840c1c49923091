//! What a supervisor promises, with an evaluator that runs nothing.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use oast_config::{ByteSize, Limits, Profile, Restart, State};

use crate::{
    Asked, Capacity, Cause, EvalError, EvalOptions, Evaluation, EvaluatorFactory, Interrupter, Job, NotStarted,
    Request, System, Transition, Worker, WorkerSpec,
    fake::{Fake, fake_spec, profile, spec},
    registry_tests::{SOON, begun, recall, run, start, word},
};

fn stateless() -> Profile {
    Profile { state: State::None, ..profile() }
}

async fn one(spec: WorkerSpec) -> (System, Worker) {
    let system = start(Capacity::default());
    let worker = system.worker(spec).await.unwrap();
    (system, worker)
}

async fn not_started(evaluation: Evaluation) -> NotStarted {
    match evaluation.await {
        Err(EvalError::NotStarted(reason)) => reason,
        other => panic!("it started: {other:?}"),
    }
}

#[test]
fn evaluations_run_in_the_order_in_which_they_were_submitted() {
    for ahead in [0, 3] {
        run(async {
            let (_system, worker) = one(fake_spec("w", profile(), ahead, true)).await;
            let all: Vec<_> = (0..20).map(|number| worker.eval(format!("remember {number}"))).collect();
            for evaluation in all {
                word(evaluation.await);
            }
            let expected: Vec<String> = (0..20).map(|number: u32| number.to_string()).collect();
            assert_eq!(recall(&worker).await, expected.join(" "));
        });
    }
}

#[test]
fn a_full_queue_refuses_at_once_and_has_room_again_with_each_answer() {
    run(async {
        let limits = Limits { queue: 1, ..profile().limits };
        let (_system, worker) = one(spec("w", Profile { limits, ..profile() })).await;
        let (hanging, waiting) = (worker.eval("hang"), worker.eval("1"));
        begun(&worker).await;
        assert_eq!(not_started(worker.eval("2")).await, NotStarted::Busy { limit: 1 });
        assert!(worker.tell("2").is_err());
        hanging.interrupt();
        assert_eq!(hanging.await, Err(EvalError::Interrupted(Interrupter::Caller)));
        assert_eq!(word(waiting.await), "1");
        for _ in 0..100 {
            word(worker.eval("3").await);
        }
    });
}

#[test]
fn a_queued_evaluation_is_cancelled_without_a_trace() {
    run(async {
        let (_system, worker) = one(spec("w", profile())).await;
        let (hanging, waiting) = (worker.eval("hang"), worker.eval("remember it"));
        begun(&worker).await;
        waiting.interrupt();
        assert_eq!(not_started(waiting).await, NotStarted::Cancelled);
        worker.interrupt();
        assert!(matches!(hanging.await, Err(EvalError::Interrupted(_))));
        assert_eq!(recall(&worker).await, "");
    });
}

#[test]
fn a_queued_evaluation_waits_no_longer_than_it_may() {
    run(async {
        let (_system, worker) = one(spec("w", profile())).await;
        let hanging = worker.eval("hang");
        let request = Request { job: Job::Code("1".into()), fetch: true };
        let options = EvalOptions { queue_time: Some(Duration::from_millis(20)), ..EvalOptions::default() };
        let late = worker.submit(request, options);
        assert!(matches!(not_started(late).await, NotStarted::Deadline { .. }));
        assert!(!hanging.is_ended());
    });
}

#[test]
fn every_handle_is_told_once_that_state_is_lost() {
    run(async {
        let (_system, worker) = one(spec("w", profile())).await;
        word(worker.eval("remember it").await);
        let others = [worker.clone(), worker.clone()];
        let (crash, behind) = (worker.eval("crash"), worker.eval("recall"));
        assert!(matches!(crash.await, Err(EvalError::Lost(report)) if report.cause == Cause::Signal(11)));
        assert!(matches!(not_started(behind).await, NotStarted::Restarted { epoch: 2, .. }));
        assert_eq!(recall(&worker).await, "");
        for other in others {
            let told = not_started(other.eval("recall")).await;
            assert!(matches!(told, NotStarted::Restarted { epoch: 2, report: Some(_) }), "{told:?}");
            assert_eq!(recall(&other).await, "");
        }
    });
}

#[test]
fn whoever_does_not_look_at_its_evaluations_is_not_refused_for_ever() {
    run(async {
        let (system, worker) = one(spec("w", profile())).await;
        word(worker.eval("remember it").await);
        drop(worker.eval("crash"));
        let mut events = system.events();
        while worker.status().await.unwrap().epoch < 2 {
            events.next().await;
        }
        worker.tell("remember nothing").unwrap();
        // Refused as well, as long as it is submitted before the refusal of the one before is known.
        let recalled = loop {
            match worker.eval("recall").await {
                Err(EvalError::NotStarted(NotStarted::Restarted { .. })) => {}
                result => break word(result),
            }
        };
        assert_eq!(recalled, "");
    });
}

#[test]
fn without_state_only_what_may_have_begun_is_lost() {
    run(async {
        let (system, worker) = one(fake_spec("w", stateless(), 5, true)).await;
        word(worker.eval("1").await);
        let (crash, behind): (_, Vec<_>) = (worker.eval("crash"), (0..10).map(|_| worker.eval("2")).collect());
        assert!(matches!(crash.await, Err(EvalError::Lost(_))));
        for evaluation in behind {
            assert_eq!(evaluation.await.unwrap().epoch, 2);
        }
        assert_eq!(system.counters().lost.get(), 1);
    });
}

#[test]
fn a_worker_that_fails_too_often_is_broken_until_it_is_reset() {
    run(async {
        let restart = Restart { intensity: 1, ..profile().restart };
        let (_system, worker) = one(spec("w", Profile { restart, ..stateless() })).await;
        let all = [worker.eval("crash"), worker.eval("crash"), worker.eval("1")];
        let [first, second, third] = all;
        assert!(matches!(first.await, Err(EvalError::Lost(_))));
        assert!(matches!(second.await, Err(EvalError::Lost(_))));
        assert!(matches!(not_started(third).await, NotStarted::Broken { history } if history.len() == 2));
        assert!(matches!(not_started(worker.eval("1")).await, NotStarted::Broken { .. }));
        worker.reset();
        assert_eq!(word(worker.eval("1").await), "1");
    });
}

#[test]
fn what_waits_is_served_even_where_the_policy_does_not_restart() {
    run(async {
        let restart = Restart { policy: oast_config::RestartPolicy::Transient, ..profile().restart };
        let (_system, worker) = one(spec("w", Profile { restart, ..stateless() })).await;
        let (leaves, waits) = (worker.eval("leave"), worker.eval("1"));
        assert!(matches!(leaves.await, Err(EvalError::Lost(_))));
        assert_eq!(word(waits.await), "1");
    });
}

#[test]
fn an_evaluation_that_is_too_large_ends_and_holds_up_nobody() {
    run(async {
        let (_system, worker) = one(spec("w", profile())).await;
        let (huge, next) = (worker.eval("huge"), worker.eval("1"));
        assert_eq!(not_started(huge).await, NotStarted::TooLarge { size: 2, limit: 1 });
        assert_eq!(word(next.await), "1");
    });
}

#[test]
fn a_limit_is_enforced_once() {
    run(async {
        let limits = Limits { wall_time: Some(Duration::from_millis(10)), grace: SOON, ..profile().limits };
        let (system, worker) = one(spec("w", Profile { limits, ..profile() })).await;
        let mut events = system.events();
        assert!(matches!(worker.eval("hang").await, Err(EvalError::Interrupted(Interrupter::TimeLimit { .. }))));
        while !matches!(events.next().await.unwrap().transition, Some(Transition::LimitHit(_))) {}
        assert_eq!(word(worker.eval("1").await), "1");
        assert_eq!(system.counters().limits_hit.get(), 1);
    });
}

/// A worker that may fail often, and options to try what it is given again.
async fn tried_again(idempotent: bool) -> (System, Worker, EvalOptions) {
    let restart = Restart { intensity: 100, ..profile().restart };
    let (system, worker) = one(fake_spec("w", Profile { restart, ..stateless() }, 3, true)).await;
    (system, worker, EvalOptions { retries: 2, idempotent, ..EvalOptions::default() })
}

fn code(source: &str) -> Request {
    Request { job: Job::Code(source.into()), fetch: true }
}

#[test]
fn what_ends_every_process_is_quarantined_and_the_others_go_on() {
    run(async {
        let (system, worker, options) = tried_again(true).await;
        let poison = worker.submit(code("crash"), options);
        let behind: Vec<_> = (0..5).map(|_| worker.eval("1")).collect();
        let error = poison.await.unwrap_err();
        assert!(matches!(&error, EvalError::Quarantined { tries: 3, report } if report.epoch == 3), "{error}");
        for evaluation in behind {
            assert_eq!(evaluation.await.unwrap().epoch, 4);
        }
        assert_eq!((system.counters().retried.get(), system.counters().quarantined.get()), (2, 1));
    });
}

#[test]
fn what_may_run_twice_is_tried_again_and_other_code_is_not() {
    run(async {
        let (_system, worker, options) = tried_again(true).await;
        let flaky = |number: u64| code(&format!("crash-before {number}"));
        assert_eq!(worker.submit(flaky(3), options).await.unwrap().epoch, 3);
        let unmarked = EvalOptions { idempotent: false, ..options };
        assert!(matches!(worker.submit(flaky(5), unmarked).await, Err(EvalError::Lost(_))));
    });
}

#[test]
fn what_ran_and_was_to_be_tried_again_is_never_said_not_to_have_started() {
    run(async {
        let restart = Restart { policy: oast_config::RestartPolicy::Temporary, ..profile().restart };
        let (_system, worker) = one(spec("w", Profile { restart, ..stateless() })).await;
        let options = EvalOptions { retries: 2, idempotent: true, ..EvalOptions::default() };
        assert!(matches!(worker.submit(code("crash"), options).await, Err(EvalError::Lost(_))));
    });
}

#[test]
fn where_state_is_kept_nothing_is_tried_again() {
    run(async {
        let (_system, worker) = one(spec("w", profile())).await;
        let options = EvalOptions { retries: 2, idempotent: true, ..EvalOptions::default() };
        assert!(matches!(worker.submit(code("crash"), options).await, Err(EvalError::Lost(_))));
        assert_eq!(recall(&worker).await, "");
    });
}

#[test]
fn a_start_that_fails_is_tried_again() {
    run(async {
        let failed = Arc::new(AtomicU32::new(0));
        let evaluator = EvaluatorFactory::new(move || Fake::that_starts_after(2, failed.clone()));
        let (_system, worker) = one(WorkerSpec { evaluator, ..spec("w", stateless()) }).await;
        let options = EvalOptions { retries: 2, ..EvalOptions::default() };
        assert_eq!(word(worker.submit(code("1"), options).await), "1");
        let evaluator = EvaluatorFactory::new(Fake::that_never_starts);
        let (system, worker) = one(WorkerSpec { evaluator, ..spec("w", stateless()) }).await;
        let refused = not_started(worker.submit(code("1"), options)).await;
        assert!(system.counters().exits.get() >= 3, "it was tried three times");
        assert!(matches!(refused, NotStarted::StartFailed(_)), "{refused}");
    });
}

#[test]
fn a_worker_that_grew_gets_a_fresh_process_and_loses_nothing() {
    run(async {
        let limits = Limits { growth: Some(ByteSize::mib(10)), ..profile().limits };
        let (system, worker) = one(spec("w", Profile { limits, ..stateless() })).await;
        let mut events = system.events();
        word(worker.eval("use 5").await);
        word(worker.eval("use 50").await);
        let report = loop {
            if let Some(Transition::Exited(report)) = events.next().await.unwrap().transition {
                break report;
            }
        };
        assert_eq!(report.cause, Cause::Asked(Asked::Growth));
        assert_eq!(worker.eval("1").await.unwrap().epoch, 2);
    });
}

#[test]
fn a_worker_that_is_stopped_ends_what_it_has_and_refuses_the_rest() {
    run(async {
        let (_system, worker) = one(spec("w", stateless())).await;
        let (hanging, waiting) = (worker.eval("hang"), worker.eval("1"));
        begun(&worker).await;
        worker.stop().await;
        assert!(matches!(hanging.await, Err(EvalError::Lost(_))));
        assert!(matches!(not_started(waiting).await, NotStarted::Stopped { .. }));
        worker.reset();
        assert!(matches!(not_started(worker.eval("1")).await, NotStarted::Stopped { .. }));
    });
}
