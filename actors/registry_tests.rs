//! What the registry promises, with evaluators that run nothing.

use std::{future::Future, time::Duration};

use oast_config::{OnReturn, Profile};

use crate::{
    Capacity, CheckoutError, DefinePool, EvalError, EvalResult, Lease, NotStarted, Settings, System, Value, Worker,
    blocking::wait,
    fake::{profile, spec},
};

const SOON: Duration = Duration::from_secs(10);

/// Runs a test that waits, for no longer than it may take.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(SOON, test).await.expect("what the test waits for does not happen") });
}

pub(crate) fn start(capacity: Capacity) -> System {
    System::start(Settings { capacity, ..Settings::default() }).unwrap()
}

/// The word that a fake evaluation gave.
pub(crate) fn word(result: EvalResult) -> String {
    match result.unwrap().result.unwrap() {
        Value::Text(word) => word,
        other => format!("{other:?}"),
    }
}

fn pool(name: &str, min_spare: usize, max: usize, profile: Profile) -> DefinePool {
    DefinePool { name: name.into(), template: spec("template", profile), min_spare, max }
}

async fn lease(system: &System, pool: &str) -> Result<Lease, CheckoutError> {
    system.lease(pool, None, None).await
}

async fn recall(worker: &Worker) -> String {
    word(worker.eval("recall").await)
}

#[test]
fn everybody_who_asks_for_a_name_gets_the_same_worker() {
    run(async {
        let system = start(Capacity::default());
        let first = system.worker(spec("w", profile())).await.unwrap();
        word(first.eval("remember it").await);
        let second = system.worker(spec("w", profile())).await.unwrap();
        assert_eq!(recall(&second).await, "it");
        let other = Profile { on_return: OnReturn::Keep, ..profile() };
        let differs = system.worker(spec("w", other)).await.unwrap_err();
        assert_eq!(differs, CheckoutError::Differs { name: "w".into() });
    });
}

#[test]
fn a_name_is_free_after_its_worker_was_stopped() {
    run(async {
        let system = start(Capacity { workers: 1, ..Capacity::default() });
        let worker = system.worker(spec("w", profile())).await.unwrap();
        word(worker.eval("remember it").await);
        worker.stop().await;
        assert!(matches!(worker.eval("1").await, Err(EvalError::NotStarted(NotStarted::Stopped { .. }))));
        let other = Profile { on_return: OnReturn::Keep, ..profile() };
        let again = system.worker(spec("w", other)).await.unwrap();
        assert_eq!(recall(&again).await, "");
        assert!(system.forget("w").await.unwrap());
        assert!(!system.forget("w").await.unwrap());
        assert!(system.list().await.unwrap().is_empty());
    });
}

#[test]
fn a_lease_is_exclusive_and_clean() {
    for on_return in [OnReturn::Recycle, OnReturn::Reset] {
        run(async {
            let system = start(Capacity::default());
            system.define_pool(pool("js", 1, 1, Profile { on_return, ..profile() })).await.unwrap();
            let first = lease(&system, "js").await.unwrap();
            word(first.eval("remember it").await);
            let none = system.lease("js", None, Some(Duration::from_millis(20))).await.unwrap_err();
            assert!(matches!(none, CheckoutError::Deadline { .. }), "{none}");
            drop(first);
            let second = lease(&system, "js").await.unwrap();
            assert_eq!(recall(&second).await, "");
        });
    }
}

#[test]
fn a_kept_worker_goes_to_the_next_lease_as_it_is() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 1, 1, Profile { on_return: OnReturn::Keep, ..profile() })).await.unwrap();
        let first = lease(&system, "js").await.unwrap();
        word(first.eval("remember it").await);
        drop(first);
        let second = lease(&system, "js").await.unwrap();
        assert_eq!(recall(&second).await, "it");
    });
}

#[test]
fn shutting_down_ends_everything() {
    run(async {
        let system = start(Capacity::default());
        let worker = system.worker(spec("w", profile())).await.unwrap();
        let running = worker.eval("x");
        let other = system.clone();
        system.shutdown().await;
        assert_eq!(word(running.await), "x");
        assert_eq!(other.list().await, Err(CheckoutError::Gone));
        assert!(matches!(other.worker(spec("w", profile())).await, Err(CheckoutError::Gone)));
        assert!(worker.eval("x").await.is_err());
    });
}

#[test]
fn the_last_handle_ends_everything_without_hanging() {
    let system = start(Capacity::default());
    let worker = wait(system.worker(spec("w", profile()))).unwrap();
    let hanging = worker.eval("hang");
    assert!(wait(worker.status()).is_some());
    drop(system);
    assert!(matches!(wait(hanging), Err(EvalError::Lost(_) | EvalError::NotStarted(_))));
}
