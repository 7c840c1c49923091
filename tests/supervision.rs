//! Who gets which worker, from any thread and any runtime, and what the registry promises to all of them.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use oast::{
    Asked, CallExt, Cause, CheckoutError, EvalError, EvalOptions, Evaluate, NotStarted, Oast, Outcome, Phase, Spec,
    Transition, Value, call_request,
    config::{ByteSize, Config, OnReturn, Profile},
};

use crate::{
    fixtures::{behave, misbehave},
    stage::{cause, follow, kept, returned, stateless, value, within},
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("supervision":
        everybody_gets_the_same_worker_by_name,
        a_name_with_another_profile_is_refused,
        a_lease_is_exclusive_and_callers_are_served_in_order,
        a_caller_that_waits_too_long_for_a_lease_is_refused,
        what_was_leased_is_clean_for_the_next,
        a_handle_kept_from_a_lease_moves_nothing,
        a_crash_during_a_lease_costs_one_evaluation,
        a_tenant_has_its_share_and_no_more,
        another_configuration_is_taken_over_while_everything_runs,
        workers_that_use_too_much_together_let_idle_processes_go,
        shutdown_lets_what_was_submitted_end_and_leaves_nothing,
        everybody_who_follows_sees_what_happens,
        it_serves_plain_tokio_on_any_thread,
        it_serves_code_that_blocks,
        it_serves_other_actors,
        two_that_differ_do_not_disturb_each_other,
    )
}

fn start(change: impl FnOnce(&mut Config)) -> Oast {
    let mut config = Config::default();
    config.registry.wait = Duration::from_secs(5);
    config.registry.drain = Duration::from_secs(2);
    change(&mut config);
    Oast::start(config).unwrap()
}

async fn end(oast: Oast) {
    within("the end of everything", oast.shutdown()).await;
}

async fn everybody_gets_the_same_worker_by_name() {
    let oast = start(|_| {});
    let one = oast.worker(Spec::functions("shared").profile(kept())).await.unwrap();
    let other = oast.worker(Spec::functions("shared").profile(kept())).await.unwrap();
    one.call(behave::set, (7,)).await.unwrap();
    assert_eq!(other.call(behave::get, ()).await.unwrap(), 7);
    assert_eq!(oast.list().await.unwrap().len(), 1);
    end(oast).await;
}

async fn a_name_with_another_profile_is_refused() {
    let oast = start(|_| {});
    drop(oast.worker(Spec::functions("mine").profile(kept())).await.unwrap());
    let other = oast.worker(Spec::functions("mine").profile(Profile::untrusted())).await;
    assert!(matches!(other, Err(CheckoutError::Differs { .. })), "{other:?}");
    end(oast).await;
}

async fn a_lease_is_exclusive_and_callers_are_served_in_order() {
    let oast = start(|_| {});
    oast.pool_of(Spec::functions("pool").profile(stateless()), 0, 1).await.unwrap();
    let first = within("a lease", oast.lease("pool")).await.unwrap();
    let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let waiting: Vec<_> = (0..3)
        .map(|number| {
            let (oast, order) = (oast.clone(), order.clone());
            actix_rt::spawn(async move {
                let lease = oast.lease("pool").await.unwrap();
                order.borrow_mut().push(number);
                assert_eq!(lease.call(behave::add, (number, 1)).await.unwrap(), number + 1);
            })
        })
        .collect();
    crate::stage::pause(50).await;
    assert!(order.borrow().is_empty(), "it is leased");
    drop(first);
    for one in waiting {
        within("its turn", one).await.unwrap();
    }
    assert_eq!(*order.borrow(), [0, 1, 2]);
    end(oast).await;
}

async fn a_caller_that_waits_too_long_for_a_lease_is_refused() {
    let oast = start(|_| {});
    oast.pool_of(Spec::functions("pool").profile(stateless()), 0, 1).await.unwrap();
    let lease = oast.lease("pool").await.unwrap();
    let since = Instant::now();
    let refused = oast.lease_for("pool", None, Some(Duration::from_millis(100))).await;
    assert!(matches!(refused, Err(CheckoutError::Deadline { .. })), "{refused:?}");
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let unknown = oast.lease("pond").await;
    assert!(matches!(unknown, Err(CheckoutError::UnknownPool { .. })), "{unknown:?}");
    drop(lease);
    end(oast).await;
}

async fn what_was_leased_is_clean_for_the_next() {
    let oast = start(|_| {});
    for on_return in [OnReturn::Recycle, OnReturn::Reset] {
        let name = format!("{on_return:?}");
        let spec = Spec::javascript(&name).profile(Profile { on_return, ..stateless() });
        oast.pool_of(spec, 0, 1).await.unwrap();
        for _ in 0..3 {
            let lease = within("a lease", oast.lease(&name)).await.unwrap();
            assert_eq!(value(lease.eval("typeof globalThis.secret").await), Value::Text("undefined".to_owned()));
            value(lease.eval("globalThis.secret = 'mine'").await);
            value(lease.eval("setInterval(() => { globalThis.secret = 'still mine' }, 1); 0").await);
        }
    }
    end(oast).await;
}

async fn a_handle_kept_from_a_lease_moves_nothing() {
    let oast = start(|_| {});
    oast.pool_of(Spec::functions("pool").profile(stateless()), 0, 1).await.unwrap();
    let lease = oast.lease("pool").await.unwrap();
    let kept = (*lease).clone();
    assert_eq!(kept.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop(lease);
    let next = within("a lease", oast.lease("pool")).await.unwrap();
    let refused = kept.submit(call_request(behave::nothing, ()).unwrap(), EvalOptions::default()).await;
    assert_eq!(refused, Err(EvalError::NotStarted(NotStarted::LeaseEnded)));
    assert_eq!(next.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop((kept, next));
    end(oast).await;
}

async fn a_crash_during_a_lease_costs_one_evaluation() {
    let oast = start(|_| {});
    oast.pool_of(Spec::functions("pool").profile(stateless()), 1, 2).await.unwrap();
    let lease = oast.lease("pool").await.unwrap();
    let crash = lease.submit(call_request(misbehave::segfault, ()).unwrap(), EvalOptions::default());
    assert_eq!(cause(crash.await), Cause::Signal(11));
    assert_eq!(lease.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop(lease);
    let lease = within("a lease", oast.lease("pool")).await.unwrap();
    assert_eq!(lease.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop(lease);
    end(oast).await;
}

async fn a_tenant_has_its_share_and_no_more() {
    let oast = start(|config| config.registry.workers_per_tenant = 1);
    oast.pool_of(Spec::functions("pool").profile(stateless()), 0, 4).await.unwrap();
    let soon = Some(Duration::from_millis(200));
    let first = oast.lease_for("pool", Some("ada"), soon).await.unwrap();
    let second = oast.lease_for("pool", Some("ada"), soon).await;
    assert!(second.is_err(), "{second:?}");
    let other = oast.lease_for("pool", Some("grace"), Some(Duration::from_secs(5))).await.unwrap();
    assert_eq!(other.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop((first, other));
    end(oast).await;
}

async fn another_configuration_is_taken_over_while_everything_runs() {
    let oast = start(|_| {});
    oast.pool(Spec::functions("pool").profile(stateless())).await.unwrap();
    let held = within("a lease", oast.lease("pool")).await.unwrap();
    let soon = Some(Duration::from_millis(100));
    let mut config = Config::clone(&oast.config());
    (config.registry.pool_min, config.registry.pool_max) = (0, 1);
    oast.reload(&config).await.unwrap();
    let refused = oast.lease_for("pool", None, soon).await;
    assert!(matches!(refused, Err(CheckoutError::Deadline { .. })), "{refused:?}");
    config.registry.pool_max = 2;
    oast.reload(&config).await.unwrap();
    assert_eq!(oast.config().registry.pool_max, 2);
    let other = within("a lease", oast.lease("pool")).await.unwrap();
    assert_eq!(other.call(behave::add, (1, 1)).await.unwrap(), 2);
    assert_eq!(held.call(behave::add, (1, 2)).await.unwrap(), 3);
    drop((held, other));
    end(oast).await;
}

async fn workers_that_use_too_much_together_let_idle_processes_go() {
    // Room for one that takes 64 MiB, and not for two.
    let oast = start(|config| config.registry.memory = Some(ByteSize::mib(120)));
    let taking = async |name| {
        let worker = oast.worker(Spec::functions(name).profile(stateless())).await.unwrap();
        worker.call(behave::takes, (64 << 20,)).await.unwrap();
        // It is measured at the latest when it begins something else.
        worker.call(behave::wait, (200,)).await.unwrap();
        worker
    };
    let mut events = oast.events();
    let first = taking("first").await;
    let second = taking("second").await;
    let report = follow(&mut events, "an end", |it| match it {
        Transition::Exited(report) => Some(report.clone()),
        _ => None,
    });
    let report = report.await;
    assert_eq!((report.worker.as_str(), &report.cause), ("first", &Cause::Asked(Asked::Budget)));
    assert_eq!(second.call(behave::add, (1, 1)).await.unwrap(), 2);
    assert_eq!(first.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop((first, second));
    end(oast).await;
}

async fn shutdown_lets_what_was_submitted_end_and_leaves_nothing() {
    let oast = start(|_| {});
    let short = oast.worker(Spec::functions("short").profile(kept())).await.unwrap();
    let endless = oast.worker(Spec::javascript("endless").profile(kept())).await.unwrap();
    value(endless.eval("1").await);
    short.call(behave::nothing, ()).await.unwrap();
    let ends = short.submit(call_request(behave::wait, (200,)).unwrap(), EvalOptions::default());
    let lost = endless.eval("for (;;) {}");
    end(oast).await;
    value(ends.await);
    assert!(matches!(lost.await, Err(EvalError::Lost(_))));
    let refused = short.submit(call_request(behave::nothing, ()).unwrap(), EvalOptions::default()).await;
    assert!(matches!(refused, Err(EvalError::NotStarted(_))), "{refused:?}");
}

async fn everybody_who_follows_sees_what_happens() {
    let oast = start(|config| config.registry.events = 8);
    let (mut first, mut second, mut slow) = (oast.events(), oast.events(), oast.events());
    let worker = oast.worker(Spec::functions("watched").profile(kept())).await.unwrap();
    worker.call(behave::nothing, ()).await.unwrap();
    for events in [&mut first, &mut second] {
        follow(events, "the news that it is ready", |it| (*it == Transition::Ready).then_some(())).await;
    }
    for _ in 0..5 {
        let crash = worker.submit(call_request(misbehave::segfault, ()).unwrap(), EvalOptions::default());
        assert_eq!(cause(crash.await), Cause::Signal(11));
    }
    // Whoever did not look misses the oldest, is told how many, and held up nobody.
    assert!(within("an event", slow.next()).await.is_some());
    assert!(slow.missed() > 0);
    assert!(oast.counters().exits.get() >= 5 && oast.counters().lost.get() >= 5);
    drop((first, second, slow));
    end(oast).await;
}

async fn it_serves_plain_tokio_on_any_thread() {
    let oast = start(|_| {});
    let there = oast.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let worker = there.worker(Spec::functions("anywhere").profile(stateless())).await.unwrap();
            let all: Vec<_> = (0..50_i64)
                .map(|number| {
                    let worker = worker.clone();
                    tokio::spawn(async move { worker.call(behave::add, (number, 1)).await.unwrap() })
                })
                .collect();
            for (number, one) in all.into_iter().enumerate() {
                assert_eq!(one.await.unwrap(), number as i64 + 1);
            }
        });
    });
    crate::stage::until("it is done", || thread.is_finished()).await;
    thread.join().unwrap();
    end(oast).await;
}

async fn it_serves_code_that_blocks() {
    let oast = start(|_| {});
    let there = oast.blocking();
    let thread = std::thread::spawn(move || {
        let worker = there.worker(Spec::javascript("blocking").profile(kept())).unwrap();
        assert_eq!(value(worker.eval("6 * 7")), Value::Int(42));
        let channel = worker.channel("out", 2).unwrap();
        value(worker.run("await oast.channel('out').put('hello')"));
        assert_eq!(channel.take(), Ok(Value::Text("hello".to_owned())));
        worker.stop();
        assert_eq!(worker.status().map(|status| status.phase), Some(Phase::Stopped));
    });
    crate::stage::until("it is done", || thread.is_finished()).await;
    thread.join().unwrap();
    end(oast).await;
}

async fn it_serves_other_actors() {
    let oast = start(|_| {});
    let worker = oast.worker(Spec::functions("for actors").profile(stateless())).await.unwrap();
    let recipient = worker.recipient();
    let request = call_request(behave::add, (1, 1)).unwrap();
    let message = Evaluate { request, options: EvalOptions::default() };
    let ended: Result<Outcome, EvalError> = within("an answer", recipient.send(message)).await.unwrap();
    assert_eq!(returned::<i64>(ended), 2);
    let crash = Evaluate { request: call_request(misbehave::abort, ()).unwrap(), options: EvalOptions::default() };
    assert_eq!(cause(within("an answer", recipient.send(crash)).await.unwrap()), Cause::Signal(6));
    drop(recipient);
    end(oast).await;
}

async fn two_that_differ_do_not_disturb_each_other() {
    let (one, other) = (start(|_| {}), start(|_| {}));
    let here = one.worker(Spec::functions("same name").profile(kept())).await.unwrap();
    let there = other.worker(Spec::functions("same name").profile(stateless())).await.unwrap();
    here.call(behave::set, (1,)).await.unwrap();
    assert_eq!(there.call(behave::get, ()).await.unwrap(), 0);
    end(one).await;
    assert_eq!(there.call(behave::add, (1, 1)).await.unwrap(), 2);
    drop((here, there));
    end(other).await;
}
