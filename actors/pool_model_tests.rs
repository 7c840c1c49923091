//! Random events against a model that keeps plain lists and knows nothing but the effects.

use proptest::prelude::*;

use super::*;

#[path = "pool_world_tests.rs"]
mod world;

use world::World;

const POOLS: [&str; 2] = ["js", "rust"];
const TENANTS: [&str; 3] = ["a", "b", "c"];

/// One event. Numbers choose among what there is, so that most events make sense.
#[derive(Clone, Copy, Debug)]
enum Op {
    Request {
        pool: usize,
        tenant: usize,
        patience: u64,
    },
    Cancel(usize),
    Checkout {
        name: u8,
        tenant: usize,
    },
    Ready(usize),
    Returned(usize),
    Gone(usize),
    /// Somebody says something of a slot that makes no sense.
    Stray(u64),
    Tick(u64),
    Redefine {
        pool: usize,
        min_spare: usize,
        max: usize,
        renew: bool,
    },
    Resize(usize),
    Drain,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..2_usize, 0..3_usize, 0..20_u64).prop_map(|(pool, tenant, patience)| Op::Request { pool, tenant, patience }),
        1 => any::<usize>().prop_map(Op::Cancel),
        1 => (0..4_u8, 0..3_usize).prop_map(|(name, tenant)| Op::Checkout { name, tenant }),
        6 => any::<usize>().prop_map(Op::Ready),
        4 => any::<usize>().prop_map(Op::Returned),
        2 => any::<usize>().prop_map(Op::Gone),
        1 => (0..12_u64).prop_map(Op::Stray),
        2 => (0..8_u64).prop_map(Op::Tick),
        1 => (0..2_usize, 0..3_usize, 0..5_usize, any::<bool>())
            .prop_map(|(pool, min_spare, max, renew)| Op::Redefine { pool, min_spare, max, renew }),
        1 => (0..7_usize).prop_map(Op::Resize),
    ]
}

fn settings() -> impl Strategy<Value = PoolSettings> {
    let on_return = prop::sample::select(vec![OnReturn::Recycle, OnReturn::Reset, OnReturn::Keep]);
    (0..3_usize, 0..5_usize, 0..4_usize, on_return).prop_map(|(min_spare, max, per_tenant, on_return)| PoolSettings {
        min_spare,
        max,
        per_tenant,
        on_return,
    })
}

fn capacity() -> impl Strategy<Value = Capacity> {
    (0..7_usize, 0..4_usize, 0..5_usize).prop_map(|(workers, per_tenant, waiting)| Capacity {
        workers,
        per_tenant,
        waiting,
        memory: None,
    })
}

proptest! {
    #[test]
    fn every_answer_was_allowed_and_every_caller_gets_one(
        capacity in capacity(),
        settings in [settings(), settings()],
        before in prop::collection::vec(op(), 0..120),
        after in prop::collection::vec(op(), 0..20),
    ) {
        let mut world = World::new(capacity, settings);
        before.into_iter().for_each(|op| world.apply(op));
        world.apply(Op::Drain);
        after.into_iter().for_each(|op| world.apply(op));
        while !world.slots.is_empty() {
            world.apply(Op::Gone(0));
            world.apply(Op::Returned(0));
        }
        prop_assert!(world.ledger.is_drained());
        prop_assert!(world.ledger.pools.values().all(|pool| pool.tenants.is_empty()));
        prop_assert!(world.ledger.tenants.is_empty() && world.ledger.deadlines.is_empty() && world.ledger.names.is_empty());
    }
}
