//! What a pool promises to callers who share it, through the actors.

use std::time::Duration;

use crate::{
    Capacity, CheckoutError, DefinePool, Lease, System,
    fake::profile,
    registry_tests::{lease, poll_once, pool, run, start, waiting},
};

async fn lease_for(system: &System, tenant: &str) -> Result<Lease, CheckoutError> {
    system.lease("js", Some(tenant), None).await
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
