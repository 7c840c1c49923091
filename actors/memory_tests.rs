//! What becomes of workers when all of them use too much memory, through the actors.

use std::time::Duration;

use oast_config::{ByteSize, OnReturn, Profile, State};

use crate::{
    Asked, Capacity, Cause, CheckoutError, NotStarted, Phase, Pressure, Settings, Subscription, System, Transition,
    Worker,
    fake::{profile, spec},
    registry_tests::{begun, lease, pool, run, start, word},
};

fn budget(mib: u64) -> System {
    start(Capacity { memory: Some(ByteSize::mib(mib)), ..Capacity::default() })
}

fn stateless() -> Profile {
    Profile { state: State::None, on_return: OnReturn::Keep, ..profile() }
}

/// Waits until a process ended for its memory, and says whose.
async fn evicted(events: &mut Subscription) -> String {
    loop {
        if let Some(Transition::Exited(report)) = events.next().await.unwrap().transition {
            assert_eq!(report.cause, Cause::Asked(Asked::Budget));
            return report.worker.clone();
        }
    }
}

async fn using(system: &System, name: &str, mib: u64, profile: Profile) -> Worker {
    let worker = system.worker(spec(name, profile)).await.unwrap();
    word(worker.eval(format!("use {mib}")).await);
    worker
}

#[test]
fn the_worker_that_was_idle_for_longest_lets_its_process_go_and_starts_again() {
    run(async {
        let system = budget(100);
        let mut events = system.events();
        let first = using(&system, "first", 40, stateless()).await;
        let _second = using(&system, "second", 40, stateless()).await;
        let _third = using(&system, "third", 40, stateless()).await;
        assert_eq!(evicted(&mut events).await, "first");
        while first.status().await.unwrap().phase != Phase::Dormant {
            tokio::task::yield_now().await;
        }
        assert_eq!(first.eval("1").await.unwrap().epoch, 2);
    });
}

#[test]
fn a_busy_worker_keeps_its_process_and_one_with_state_goes_last() {
    run(async {
        let system = budget(100);
        let mut events = system.events();
        let busy = using(&system, "busy", 30, stateless()).await;
        let hanging = busy.eval("hang");
        begun(&busy).await;
        let kept = using(&system, "kept", 30, profile()).await;
        let _last = using(&system, "last", 30, stateless()).await;
        let _more = using(&system, "more", 5, stateless()).await;
        let grown = using(&system, "grown", 10, stateless()).await;
        assert_eq!(evicted(&mut events).await, "last");
        let swells = grown.eval("swell 80");
        let mut gone = [evicted(&mut events).await, evicted(&mut events).await];
        gone.sort();
        assert_eq!(gone, ["kept", "more"]);
        assert!(!hanging.is_ended() && !swells.is_ended());
        let told = kept.eval("recall").await;
        assert!(matches!(told, Err(crate::EvalError::NotStarted(NotStarted::Restarted { .. }))), "{told:?}");
    });
}

#[test]
fn no_worker_is_made_beyond_the_budget_and_the_refusal_names_it() {
    run(async {
        let system = budget(100);
        system.define_pool(pool("js", 0, 3, stateless())).await.unwrap();
        let held = lease(&system, "js").await.unwrap();
        word(held.eval("use 99").await);
        let refused = loop {
            match system.worker(spec("w", profile())).await {
                // It is a while until the registry hears of it.
                Ok(_) => assert!(system.forget("w").await.unwrap()),
                Err(refused) => break refused,
            }
        };
        let expected = CheckoutError::MemoryBudget { budget: ByteSize::mib(100), used: ByteSize::mib(99) };
        assert_eq!(refused, expected);
        assert_eq!(system.lease("js", None, Some(Duration::from_millis(20))).await.unwrap_err(), expected);
        let capacity = Capacity { memory: None, ..Capacity::default() };
        system.reconfigure(Settings { capacity, ..Settings::default() }).await.unwrap();
        system.worker(spec("w", profile())).await.unwrap();
    });
}

#[test]
fn a_machine_that_is_short_of_memory_costs_idle_workers_their_processes() {
    run(async {
        let system = start(Capacity::default());
        let mut events = system.events();
        system.define_pool(pool("js", 1, 1, stateless())).await.unwrap();
        drop(lease(&system, "js").await.unwrap());
        let busy = using(&system, "busy", 40, stateless()).await;
        let hanging = busy.eval("hang");
        begun(&busy).await;
        let _idle = using(&system, "idle", 40, stateless()).await;
        system.addr().send(Pressure(true)).await.unwrap();
        let mut gone = [evicted(&mut events).await, evicted(&mut events).await];
        gone.sort();
        assert_eq!(gone, ["idle", "js-1"]);
        assert!(!hanging.is_ended());
        system.addr().send(Pressure(false)).await.unwrap();
        lease(&system, "js").await.unwrap();
    });
}
