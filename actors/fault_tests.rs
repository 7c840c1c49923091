//! What becomes of everybody when an actor panics, or its thread ends.

use std::time::Duration;

use oast_config::{Profile, State};

use crate::{
    Capacity, Cause, CheckoutError, EvalError, EvaluatorFactory, NotStarted, Phase, System, Worker, WorkerSpec,
    fake::{Fake, profile, spec},
    registry_tests::{lease, pool, recall, run, start, word},
};

/// Waits until the registry has replaced a worker's supervisor.
async fn healed(worker: &Worker) {
    while worker.status().await.is_none() {
        tokio::task::yield_now().await;
    }
}

/// Waits until so many supervisors were lost.
async fn lost(system: &System, count: u64) {
    while system.counters().supervisor_panics.get() < count {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_supervisor_that_panics_is_replaced_and_its_callers_are_told() {
    // Called from a handler, and from an event of the process before.
    for before in ["", "x"] {
        run(async {
            let system = start(Capacity::default());
            let worker = system.worker(spec("w", profile())).await.unwrap();
            let neighbour = system.worker(spec("n", profile())).await.unwrap();
            assert_eq!(word(worker.eval("remember it").await), "Null");
            let first = (!before.is_empty()).then(|| worker.eval(before));
            let (panics, waiting) = (worker.eval("panic"), worker.eval("1"));
            assert!(first.is_none() || word(first.unwrap().await) == "x");
            assert!(matches!(panics.await, Err(EvalError::Lost(report)) if report.cause == Cause::SupervisorLost));
            assert!(matches!(waiting.await, Err(EvalError::NotStarted(_))));
            lost(&system, 1).await;
            healed(&worker).await;
            let after = worker.eval("recall").await.unwrap();
            assert_eq!(after.epoch, 2);
            assert_eq!(recall(&neighbour).await, "");
        });
    }
}

#[test]
fn a_caller_that_was_not_answered_by_the_lost_supervisor_is_told_of_the_lost_state() {
    run(async {
        let system = start(Capacity::default());
        let worker = system.worker(spec("w", profile())).await.unwrap();
        word(worker.eval("remember it").await);
        let other = worker.clone();
        assert!(worker.eval("panic").await.is_err());
        lost(&system, 1).await;
        healed(&worker).await;
        let told = other.eval("recall").await;
        assert!(matches!(told, Err(EvalError::NotStarted(NotStarted::Restarted { epoch: 2, .. }))), "{told:?}");
        assert_eq!(recall(&other).await, "");
    });
}

#[test]
fn a_supervisor_whose_arbiter_ends_moves_to_the_registry() {
    run(async {
        let system = start(Capacity::default());
        let (send, receive) = tokio::sync::oneshot::channel();
        let theirs = system.clone();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let worker = theirs.worker(spec("w", profile())).await.unwrap();
                word(worker.eval("remember it").await);
                let hanging = worker.eval("hang");
                while worker.status().await.unwrap().running == 0 {}
                assert!(send.send((worker, hanging)).is_ok());
            });
        });
        let (worker, hanging) = receive.await.unwrap();
        assert!(matches!(hanging.await, Err(EvalError::Lost(report)) if report.cause == Cause::SupervisorLost));
        thread.join().unwrap();
        healed(&worker).await;
        assert_eq!(recall(&worker).await, "");
        assert_eq!(worker.status().await.unwrap().phase, Phase::Idle);
    });
}

#[test]
fn a_supervisor_that_is_lost_too_often_is_given_up() {
    run(async {
        let system = start(Capacity::default());
        let worker = system.worker(spec("w", Profile { state: State::None, ..profile() })).await.unwrap();
        for count in 1..=4 {
            assert!(worker.eval("panic").await.is_err());
            lost(&system, count).await;
            if count < 4 {
                healed(&worker).await;
            }
        }
        // Its name is free again, and what is left of it answers.
        assert_eq!(worker.eval("1").await, Err(NotStarted::SupervisorGone.into()));
        let again = system.worker(spec("w", profile())).await.unwrap();
        assert_eq!(word(again.eval("1").await), "1");
    });
}

#[test]
fn an_evaluator_that_cannot_be_made_costs_its_pool_alone() {
    run(async {
        let system = start(Capacity::default());
        let evaluator = EvaluatorFactory::new(|| -> Fake { panic!("an evaluator that cannot be made") });
        let mut bad = pool("bad", 1, 1, profile());
        bad.template = WorkerSpec { evaluator, ..bad.template };
        bad.template.profile = std::sync::Arc::new(Profile {
            restart: oast_config::Restart { backoff_max: Duration::from_secs(60), ..profile().restart },
            ..profile()
        });
        system.define_pool(bad).await.unwrap();
        lost(&system, 4).await;
        let refused = system.lease("bad", None, Some(Duration::from_millis(10))).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::Broken { .. }), "{refused}");
        system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
        assert_eq!(word(lease(&system, "js").await.unwrap().eval("1").await), "1");
        assert_eq!(system.counters().supervisor_panics.get(), 4);
    });
}

#[test]
fn a_leased_worker_heals_for_its_lease() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
        let held = lease(&system, "js").await.unwrap();
        assert!(held.eval("panic").await.is_err());
        lost(&system, 1).await;
        healed(&held).await;
        assert_eq!(word(held.eval("remember it").await), "Null");
        drop(held);
        assert_eq!(recall(&lease(&system, "js").await.unwrap()).await, "");
    });
}
