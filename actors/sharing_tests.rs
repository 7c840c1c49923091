//! What a pool promises to callers who share it, through the actors.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use oast_config::{OnReturn, Profile, State};

use crate::{
    Capacity, CheckoutError, DefinePool, Lease, Settings, System,
    blocking::wait,
    fake::profile,
    registry_tests::{lease, poll_once, pool, recall, run, start, waiting, word},
};

async fn lease_for(system: &System, tenant: &str) -> Result<Lease, CheckoutError> {
    system.lease("js", Some(tenant), None).await
}

/// Leases and evaluates until it is told to end, and counts.
async fn load(system: System, ended: Arc<AtomicBool>) -> u32 {
    let mut count = 0;
    while !ended.load(Ordering::Relaxed) {
        let held = lease(&system, "js").await.unwrap();
        for number in 0..3 {
            assert_eq!(word(held.eval(format!("{number}")).await), number.to_string());
        }
        count += 1;
    }
    count
}

#[test]
fn a_pool_under_load_is_redefined_and_loses_no_evaluation() {
    let (system, ended) = (start(Capacity::default()), Arc::new(AtomicBool::new(false)));
    let stateless = |on_return| Profile { state: State::None, on_return, ..profile() };
    wait(system.define_pool(pool("js", 1, 3, stateless(OnReturn::Reset)))).unwrap();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (system, ended) = (system.clone(), ended.clone());
            std::thread::spawn(move || wait(load(system, ended)))
        })
        .collect();
    run(async {
        for round in 0..20 {
            let on_return = if round % 2 == 0 { OnReturn::Recycle } else { OnReturn::Reset };
            system.define_pool(pool("js", 1, 3, stateless(on_return))).await.unwrap();
            let ended = system.counters().ended.get();
            while system.counters().ended.get() < ended + 20 {
                tokio::task::yield_now().await;
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(callers.into_iter().map(|caller| caller.join().unwrap()).sum::<u32>() > 100);
    assert_eq!((system.counters().lost.get(), system.counters().refused.get()), (0, 0));
}

#[test]
fn a_worker_of_the_old_template_is_not_handed_out_and_one_of_the_same_template_is() {
    run(async {
        let system = start(Capacity::default());
        let mut define = pool("js", 1, 2, Profile { on_return: OnReturn::Keep, ..profile() });
        system.define_pool(define.clone()).await.unwrap();
        let held = lease(&system, "js").await.unwrap();
        let (name, other) = (held.name().to_owned(), lease(&system, "js").await.unwrap());
        drop(other);
        drop(held);
        system.define_pool(DefinePool { min_spare: 0, ..define.clone() }).await.unwrap();
        assert_eq!(lease(&system, "js").await.unwrap().name(), name, "it is the same template");
        define.template.tenant = Some("b".into());
        system.define_pool(define).await.unwrap();
        let new = lease(&system, "js").await.unwrap();
        assert!(!["js-1", "js-2"].contains(&new.name()), "{}", new.name());
        assert_eq!(new.status().await.unwrap().tenant.as_deref(), Some("b"));
    });
}

#[test]
fn a_lower_capacity_ends_idle_workers_and_no_lease() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 2, 3, profile())).await.unwrap();
        let held = lease(&system, "js").await.unwrap();
        word(held.eval("remember it").await);
        let capacity = Capacity { workers: 1, ..Capacity::default() };
        let wait = Duration::from_millis(20);
        system.reconfigure(Settings { capacity, wait, ..Settings::default() }).await.unwrap();
        while system.list().await.unwrap().len() > 1 {
            tokio::task::yield_now().await;
        }
        let refused = lease(&system, "js").await.unwrap_err();
        assert!(matches!(refused, CheckoutError::Deadline { .. }), "{refused}");
        assert_eq!(recall(&held).await, "it");
    });
}

#[test]
fn a_tenant_with_many_callers_does_not_keep_out_another() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(pool("js", 2, 2, profile())).await.unwrap();
        let (first, second) = (lease_for(&system, "a").await.unwrap(), lease_for(&system, "a").await.unwrap());
        let (mut more, mut other) = (Box::pin(lease_for(&system, "a")), Box::pin(lease_for(&system, "b")));
        waiting(&system, &mut more, 1).await;
        waiting(&system, &mut other, 2).await;
        drop(first);
        let other = other.await.unwrap();
        poll_once(&mut more);
        drop(second);
        more.await.unwrap();
        drop(other);
    });
}

#[test]
fn a_tenant_waits_at_its_share_of_a_pool_while_others_are_served() {
    run(async {
        let system = start(Capacity::default());
        system.define_pool(DefinePool { per_tenant: 1, ..pool("js", 2, 2, profile()) }).await.unwrap();
        let _held = lease_for(&system, "a").await.unwrap();
        let refused = system.lease("js", Some("a"), Some(Duration::from_millis(20))).await.unwrap_err();
        assert!(matches!(refused, CheckoutError::Deadline { .. }), "{refused}");
        lease_for(&system, "b").await.unwrap();
        lease(&system, "js").await.unwrap();
    });
}
