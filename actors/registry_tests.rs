//! What the registry promises, with evaluators that run nothing.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Waker,
    time::Duration,
};

use actix::{Actor, Context, Handler, Recipient, ResponseFuture};
use oast_config::{OnReturn, Profile, Restart, State};

use crate::{
    Capacity, CheckoutError, DefinePool, Drain, EvalError, EvalOptions, EvalResult, Evaluate, EvaluatorFactory, Job,
    Lease, NotStarted, Phase, Request, Settings, System, Transition, Value, Worker, WorkerSpec,
    blocking::wait,
    fake::{Fake, fake_spec, profile, spec},
};

pub(crate) const SOON: Duration = Duration::from_secs(10);

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

pub(crate) fn pool(name: &str, min_spare: usize, max: usize, profile: Profile) -> DefinePool {
    DefinePool { name: name.into(), template: spec("template", profile), min_spare, max, per_tenant: max }
}

pub(crate) async fn lease(system: &System, pool: &str) -> Result<Lease, CheckoutError> {
    system.lease(pool, None, None).await
}

pub(crate) async fn recall(worker: &Worker) -> String {
    word(worker.eval("recall").await)
}

/// Waits until a worker's process has an evaluation.
pub(crate) async fn begun(worker: &Worker) {
    while worker.status().await.unwrap().running == 0 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) {
    let polled = Pin::new(future).poll(&mut std::task::Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}

/// Sends a request for a lease, and waits until so many wait.
pub(crate) async fn waiting<F: Future + Unpin>(system: &System, request: &mut F, count: usize) {
    poll_once(request);
    while system.snapshot().await.unwrap().pools[0].waiting < count {
        tokio::task::yield_now().await;
    }
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
fn a_handle_that_outlives_its_lease_moves_nothing() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
        let first = lease(&system, "js").await.unwrap();
        let kept = first.clone();
        drop(first);
        let second = lease(&system, "js").await.unwrap();
        assert_eq!(kept.eval("1").await, Err(NotStarted::LeaseEnded.into()));
        let hanging = second.eval("hang");
        kept.interrupt();
        kept.kill().await;
        assert_eq!(second.status().await.unwrap().running, 1);
        second.interrupt();
        assert!(matches!(hanging.await, Err(EvalError::Interrupted(_))));
    });
}

#[test]
fn what_a_lease_left_in_the_queue_does_not_run_in_the_next() {
    run(async {
        let system = start(Capacity::default());
        // One is sent ahead, and one waits before that.
        let template = fake_spec("template", Profile { state: State::None, ..profile() }, 1, true);
        system.define_pool(DefinePool { template, ..pool("js", 1, 1, profile()) }).await.unwrap();
        let first = lease(&system, "js").await.unwrap();
        let again = EvalOptions { retries: 5, idempotent: true, ..EvalOptions::default() };
        let [hanging, ahead, waiting] = ["hang", "remember it", "remember it"]
            .map(|code| first.submit(Request { job: Job::Code(code.into()), fetch: true }, again));
        begun(&first).await;
        drop(first);
        let second = lease(&system, "js").await.unwrap();
        assert!(matches!(hanging.await, Err(EvalError::Lost(_))));
        for evaluation in [ahead, waiting] {
            assert_eq!(evaluation.await, Err(NotStarted::Cancelled.into()));
        }
        assert_eq!(recall(&second).await, "");
    });
}

#[test]
fn callers_get_leases_in_the_order_in_which_they_asked() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
        let held = lease(&system, "js").await.unwrap();
        let (mut first, mut second) = (Box::pin(lease(&system, "js")), Box::pin(lease(&system, "js")));
        waiting(&system, &mut first, 1).await;
        waiting(&system, &mut second, 2).await;
        drop(held);
        let first = first.await.unwrap();
        poll_once(&mut second);
        drop(first);
        second.await.unwrap();
    });
}

#[test]
fn a_caller_that_stops_waiting_costs_nobody_a_worker() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
        let held = lease(&system, "js").await.unwrap();
        let mut left = Box::pin(lease(&system, "js"));
        waiting(&system, &mut left, 1).await;
        drop(left);
        while system.snapshot().await.unwrap().pools[0].waiting > 0 {
            tokio::task::yield_now().await;
        }
        drop(held);
        let next = lease(&system, "js").await.unwrap();
        assert_eq!(next.status().await.unwrap().epoch, 2, "it was cleaned once");
        // Granted, but never looked at.
        let mut granted = Box::pin(lease(&system, "js"));
        waiting(&system, &mut granted, 1).await;
        drop(next);
        while system.snapshot().await.unwrap().pools[0].waiting > 0 {
            tokio::task::yield_now().await;
        }
        drop(granted);
        lease(&system, "js").await.unwrap();
    });
}

#[test]
fn there_are_no_more_workers_than_there_may_be() {
    run(async {
        let system = start(Capacity { workers: 3, per_tenant: 2, waiting: 1, memory: None });
        let tenants = |name: &str, tenant: &str| WorkerSpec { tenant: Some(tenant.into()), ..spec(name, profile()) };
        for name in ["a1", "a2"] {
            system.worker(tenants(name, "a")).await.unwrap();
        }
        let refused = |result: Result<Worker, CheckoutError>| result.unwrap_err();
        assert_eq!(refused(system.worker(tenants("a3", "a")).await), CheckoutError::TenantLimit { limit: 2 });
        system.worker(tenants("b1", "b")).await.unwrap();
        assert_eq!(refused(system.worker(tenants("b2", "b")).await), CheckoutError::WorkersLimit { limit: 3 });
        assert_eq!(lease(&system, "js").await.unwrap_err(), CheckoutError::UnknownPool { pool: "js".into() });
        system.define_pool(pool("js", 0, 1, profile())).await.unwrap();
        let mut first = Box::pin(lease(&system, "js"));
        waiting(&system, &mut first, 1).await;
        assert_eq!(lease(&system, "js").await.unwrap_err(), CheckoutError::Busy { limit: 1 });
        system.forget("b1").await.unwrap();
        first.await.unwrap();
    });
}

#[test]
fn a_broken_worker_that_nobody_has_is_not_handed_out() {
    run(async {
        let system = start(Capacity::default());
        let restart = Restart { backoff_max: SOON, ..profile().restart };
        let evaluator = EvaluatorFactory::new(Fake::that_never_starts);
        let template = WorkerSpec { evaluator, ..spec("template", Profile { restart, ..profile() }) };
        let mut events = system.events();
        system.define_pool(DefinePool { template, ..pool("js", 1, 1, profile()) }).await.unwrap();
        while events.next().await.unwrap().transition != Some(Transition::Broken) {}
        let refused = system.lease("js", None, Some(Duration::from_millis(20))).await.unwrap_err();
        assert!(matches!(&refused, CheckoutError::Broken { workers, .. } if *workers == ["js-1"]), "{refused}");
        assert!(system.reset("js-1").await.unwrap());
        while events.next().await.unwrap().transition != Some(Transition::Starting) {}
    });
}

#[test]
fn a_worker_that_its_lease_broke_is_replaced() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 1, 1, profile())).await.unwrap();
        let first = lease(&system, "js").await.unwrap();
        for _ in 0..4 {
            assert!(matches!(first.eval("crash").await, Err(EvalError::Lost(_))));
        }
        assert!(matches!(first.eval("1").await, Err(EvalError::NotStarted(NotStarted::Broken { .. }))));
        drop(first);
        let second = lease(&system, "js").await.unwrap();
        assert_eq!(second.name(), "js-2");
        assert_eq!(word(second.eval("1").await), "1");
    });
}

#[test]
fn what_was_submitted_may_finish_when_the_registry_drains() {
    run(async {
        let system = start(Capacity::default());
        let worker = system.worker(spec("w", profile())).await.unwrap();
        let submitted: Vec<_> = (0..10).map(|number| worker.eval(number.to_string())).collect();
        assert_eq!(system.addr().send(Drain { finish: SOON }).await.unwrap(), 0);
        for (number, evaluation) in submitted.into_iter().enumerate() {
            assert_eq!(word(evaluation.await), number.to_string());
        }
        assert_eq!(system.worker(spec("v", profile())).await.unwrap_err(), CheckoutError::ShuttingDown);
    });
}

#[test]
fn a_drain_ends_what_does_not_finish_in_time() {
    run(async {
        let system = start(Capacity::default());
        let worker = system.worker(spec("w", profile())).await.unwrap();
        let hanging = worker.eval("hang");
        begun(&worker).await;
        assert_eq!(system.addr().send(Drain { finish: Duration::from_millis(20) }).await.unwrap(), 0);
        assert!(matches!(hanging.await, Err(EvalError::Lost(_))));
    });
}

#[test]
fn code_that_blocks_needs_no_executor() {
    let system = start(Capacity::default()).blocking();
    let worker = system.worker(spec("w", profile())).unwrap();
    assert_eq!(word(worker.eval("1")), "1");
    let channel = worker.channel("echo", 2).unwrap();
    channel.put(Value::Int(1)).unwrap();
    assert_eq!(channel.take().unwrap(), Value::Int(1));
    worker.stop();
    assert_eq!(worker.status().unwrap().phase, Phase::Stopped);
    system.define_pool(pool("js", 1, 1, profile())).unwrap();
    assert_eq!(word(system.lease("js", None, None).unwrap().blocking().eval("2")), "2");
    assert_eq!(system.snapshot().unwrap().pools.len(), 1);
    system.shutdown();
}

#[test]
fn code_that_blocks_is_refused_on_an_executor_and_taken_beside_it() {
    let system = start(Capacity::default());
    let blocking = system.blocking();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let blocked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { blocking.list() })));
    assert!(blocked.is_err());
    let beside = runtime.block_on(runtime.spawn_blocking(move || blocking.list())).unwrap();
    assert_eq!(beside.unwrap(), []);
}

#[test]
fn another_actor_evaluates_through_a_recipient() {
    struct Asks(Recipient<Evaluate>);
    impl Actor for Asks {
        type Context = Context<Self>;
    }
    impl Handler<Evaluate> for Asks {
        type Result = ResponseFuture<EvalResult>;

        fn handle(&mut self, evaluate: Evaluate, _: &mut Context<Self>) -> Self::Result {
            let answer = self.0.send(evaluate);
            Box::pin(async move { answer.await.unwrap_or(Err(NotStarted::SupervisorGone.into())) })
        }
    }
    actix_rt::System::new().block_on(async {
        let system = start(Capacity::default());
        let worker = system.worker(spec("w", profile())).await.unwrap();
        let asks = Asks(worker.recipient()).start();
        let request = Request { job: Job::Code("1".into()), fetch: true };
        let evaluate = Evaluate { request, options: EvalOptions::default() };
        assert_eq!(word(asks.send(evaluate).await.unwrap()), "1");
        system.shutdown().await;
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
