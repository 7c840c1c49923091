//! Worker processes that are forked from a template: like any other, and made in a fraction of the time.

use std::fs;

use libtest_mimic::Trial;
use oast::{
    Oast, Spec, Value,
    config::{Config, Profile},
};
use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::{
    fixtures::behave,
    harness::descendants,
    stage::{PATIENCE, call, done, forked, is_forked, lives, lost, outcome, process, returned, start, until, value},
    walls::{needs, own_groups},
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("templates":
        processes_are_forked_from_it,
        forks_share_no_state_and_draw_other_numbers,
        forks_call_functions_of_the_program,
        forks_have_descriptors_and_groups_of_their_own,
        one_that_dies_costs_nothing_but_time,
        strangers_are_confined_in_forks_too,
        it_ends_with_the_last_worker_that_has_it,
        pools_fork_from_one,
        it_is_replaced_when_it_has_forked_often,
        the_groups_that_it_lends_go_with_it,
    )
}

fn forking(profile: Profile) -> Spec {
    Spec::javascript("forked").profile(profile).template()
}

fn templates() -> Vec<Pid> {
    let named = |pid: &Pid| {
        let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
        name == "oast-template\n"
    };
    descendants(getpid()).into_iter().filter(named).collect()
}

async fn processes_are_forked_from_it() {
    let worker = start(forking(Profile::trusted()));
    let first = forked(&worker).await;
    worker.restart();
    let second = forked(&worker).await;
    assert_ne!(first, second);
    assert_eq!(templates().len(), 1);
    done(worker).await;
}

async fn forks_share_no_state_and_draw_other_numbers() {
    let spec = forking(Profile::trusted());
    let (one, other) = (start(spec.clone()), start(spec));
    let mut drawn = Vec::new();
    for worker in [&one, &other] {
        forked(worker).await;
        assert_eq!(value(worker.eval("typeof mark").await), Value::from("undefined"));
        value(worker.eval("var mark = 1").await);
        drawn.push(value(worker.eval("[Math.random(), crypto.randomUUID()]").await));
    }
    assert_ne!(drawn[0], drawn[1]);
    done(one).await;
    done(other).await;
}

async fn forks_call_functions_of_the_program() {
    let worker = start(Spec::functions("forked").profile(Profile::trusted()).template());
    loop {
        assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 2)).await), 3);
        if is_forked(process(&worker).await) {
            break;
        }
        worker.restart();
    }
    done(worker).await;
}

async fn forks_have_descriptors_and_groups_of_their_own() {
    let worker = start(Spec::functions("forked").profile(Profile::trusted()).template());
    let fresh: (Vec<String>, Vec<String>) = returned(call(&worker, behave::belongings, ()).await);
    let fork = loop {
        let found: (Vec<String>, Vec<String>) = returned(call(&worker, behave::belongings, ()).await);
        let pid = process(&worker).await;
        if is_forked(pid) {
            assert_eq!(found, fresh, "it has what one that was started has");
            break pid;
        }
        worker.restart();
    };
    let group = |pid: Pid| rustix::process::getpgid(Some(pid)).unwrap();
    assert_ne!(group(fork), group(templates()[0]));
    done(worker).await;
}

async fn one_that_dies_costs_nothing_but_time() {
    let worker = start(forking(Profile::trusted()));
    let before = forked(&worker).await;
    let template = templates()[0];
    kill_process(template, Signal::KILL).unwrap();
    assert_eq!(value(worker.eval("1 + 1").await), Value::from(2));
    assert_eq!(process(&worker).await, before, "what it has forked lives on");
    worker.restart();
    assert_eq!(value(worker.eval("1 + 1").await), Value::from(2));
    forked(&worker).await;
    assert_ne!(templates(), [template]);
    done(worker).await;
}

async fn strangers_are_confined_in_forks_too() {
    let worker = start(forking(Profile::untrusted()));
    let pid = forked(&worker).await;
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:"), field("CapEff:")), ("1", "2", "0000000000000000"));
    let ended = worker.eval("await new Promise(() => {})");
    value(worker.eval("1").await);
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(lost(ended.await).pid, pid.as_raw_nonzero().get().unsigned_abs());
    assert!(outcome(worker.eval("1").await).result.is_ok());
    done(worker).await;
}

async fn it_ends_with_the_last_worker_that_has_it() {
    let spec = forking(Profile::trusted());
    let worker = start(spec.clone());
    forked(&worker).await;
    let template = templates()[0].as_raw_nonzero().get();
    done(worker).await;
    assert!(lives(template), "the spec has it still");
    drop(spec);
    until("it is gone", || !lives(template)).await;
}

async fn pools_fork_from_one() {
    let oast = Oast::start(Config::default()).unwrap();
    oast.pool_of(Spec::javascript("pool").profile(Profile::untrusted()), 1, 2).await.unwrap();
    loop {
        let lease = oast.lease("pool").await.unwrap();
        value(lease.eval("1 + 1").await);
        if is_forked(process(&lease).await) {
            break;
        }
    }
    until("no other fork has that name yet", || templates().len() == 1).await;
    oast.shutdown().await;
}

async fn it_is_replaced_when_it_has_forked_often() {
    let mut config = Config::default();
    config.registry.template_forks = 2;
    let oast = Oast::start(config).unwrap();
    oast.pool_of(Spec::javascript("pool").profile(Profile::untrusted()), 1, 2).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let since = std::time::Instant::now();
    while seen.len() < 4 {
        let lease = oast.lease("pool").await.unwrap();
        assert_eq!(value(lease.eval("1 + 1").await), Value::from(2));
        seen.extend(templates().into_iter().map(Pid::as_raw_nonzero));
        assert!(since.elapsed() < PATIENCE, "it serves for ever: {seen:?}");
    }
    oast.shutdown().await;
    until("none is left", || templates().is_empty()).await;
}

async fn the_groups_that_it_lends_go_with_it() {
    needs("cgroups");
    let oast = Oast::start(Config::default()).unwrap();
    oast.pool_of(Spec::javascript("pool").profile(Profile::untrusted()), 2, 4).await.unwrap();
    for _ in 0..20 {
        value(oast.lease("pool").await.unwrap().eval("1 + 1").await);
    }
    let groups = own_groups().len();
    assert!(groups > 0 && groups < 20, "{groups} groups for 20 leases");
    oast.shutdown().await;
    until("the groups are gone", || own_groups().is_empty()).await;
}
