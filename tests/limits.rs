//! Limits are held: what reaches one ends, is told which, and costs nobody else anything.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use oast::{
    Asked, Cause, Clock, EvalError, EvalOptions, Interrupter, NotStarted, Phase, Spec, Transition, Value, Warning,
    call_request,
    config::{ByteSize, Profile},
};

use crate::{
    fixtures::{behave, misbehave},
    stage::{
        Scratch, call, cause, done, exit, follow, functions, javascript, kept, lost, outcome, raised, refusal,
        returned, start, stateless, status, until, value, within,
    },
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("limits":
        wall_time_interrupts_and_the_state_lives_on,
        wall_time_counts_from_the_start_and_not_from_the_queue,
        wall_time_kills_javascript_that_ignores_the_interrupt,
        wall_time_kills_a_function_that_ignores_every_signal,
        an_ignored_interrupt_is_told_as_such,
        cpu_time_interrupts,
        cpu_time_does_not_count_waiting,
        memory_beyond_the_engine_is_an_error_of_the_code,
        memory_beyond_the_limit_ends_the_process_with_its_peak,
        memory_that_grows_in_idleness_ends_the_process,
        memory_that_a_child_borrows_counts_once,
        memory_beyond_the_soft_limit_warns,
        an_idle_worker_lets_its_process_go_and_starts_again,
        a_dormant_worker_holds_no_descriptors,
        a_process_past_its_lifetime_is_replaced,
        a_process_that_has_grown_is_replaced_when_it_is_idle,
        a_process_is_replaced_after_its_number_of_evaluations,
        a_full_queue_refuses_at_once,
        one_that_waits_too_long_never_runs,
        a_message_too_large_is_refused_and_a_result_too_large_is_an_error,
        a_program_that_leaves_at_once_fails_to_start_at_once,
        another_program_says_why_it_does_not_start,
        a_program_that_is_no_worker_fails_to_start_in_time,
        a_missing_program_fails_to_start_at_once,
        a_worker_that_fails_too_often_is_broken_until_reset,
    )
}

fn with(profile: Profile, change: impl FnOnce(&mut Profile)) -> Profile {
    let mut profile = profile;
    change(&mut profile);
    profile
}

fn wall(limit: u64) -> Profile {
    with(kept(), |profile| profile.limits.wall_time = Some(Duration::from_millis(limit)))
}

const BY_WALL_TIME: Interrupter = Interrupter::TimeLimit { limit: Duration::from_millis(100), clock: Clock::Wall };

async fn wall_time_interrupts_and_the_state_lives_on() {
    let worker = javascript(with(wall(100), |profile| profile.limits.grace = Duration::from_secs(5)));
    value(worker.eval("globalThis.kept = 5").await);
    for endless in ["for (;;) {}", "await new Promise(() => {})"] {
        let ended = within("the limit", worker.eval(endless)).await;
        assert_eq!(ended, Err(EvalError::Interrupted(BY_WALL_TIME)), "{endless}");
    }
    assert_eq!(value(worker.eval("kept").await), Value::Int(5));
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn wall_time_counts_from_the_start_and_not_from_the_queue() {
    let worker = functions(wall(400));
    let all: Vec<_> = (0..6).map(|_| call(&worker, behave::wait, (150,))).collect();
    for one in all {
        value(within("each in its turn", one).await);
    }
    done(worker).await;
}

async fn wall_time_kills_javascript_that_ignores_the_interrupt() {
    let worker = javascript(wall(100));
    value(worker.eval("1").await);
    let since = Instant::now();
    // A built-in does not look whether it is interrupted.
    let deaf = worker.eval("'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b')");
    let limit = Cause::TimeLimit { limit: Duration::from_millis(100), clock: Clock::Wall };
    assert_eq!(cause(within("the limit", deaf).await), limit);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    done(worker).await;
}

async fn wall_time_kills_a_function_that_ignores_every_signal() {
    let worker = functions(wall(100));
    let limit = Cause::TimeLimit { limit: Duration::from_millis(100), clock: Clock::Wall };
    for _ in 0..2 {
        assert_eq!(cause(within("the limit", call(&worker, misbehave::spin, ())).await), limit);
        assert_eq!(cause(within("the limit", call(&worker, misbehave::spin_deaf, ())).await), limit);
    }
    assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
    done(worker).await;
}

async fn an_ignored_interrupt_is_told_as_such() {
    let worker = functions(kept());
    let mut deaf = call(&worker, misbehave::say_and_spin, ());
    assert!(within("its beginning", deaf.printed()).await.is_some());
    deaf.interrupt();
    assert_eq!(cause(within("the end of its grace", deaf).await), Cause::IgnoredInterrupt);
    done(worker).await;
}

async fn cpu_time_interrupts() {
    let limit = Duration::from_millis(200);
    let worker = javascript(with(kept(), |profile| {
        profile.limits.cpu_time = Some(limit);
        profile.limits.grace = Duration::from_secs(5);
    }));
    let ended = within("the limit", worker.eval("for (;;) {}")).await;
    assert_eq!(ended, Err(EvalError::Interrupted(Interrupter::TimeLimit { limit, clock: Clock::Cpu })));
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    done(worker).await;
}

async fn cpu_time_does_not_count_waiting() {
    let worker = functions(with(kept(), |profile| profile.limits.cpu_time = Some(Duration::from_millis(200))));
    value(within("its end", call(&worker, behave::wait, (600,))).await);
    done(worker).await;
}

async fn memory_beyond_the_engine_is_an_error_of_the_code() {
    let worker = javascript(with(kept(), |profile| profile.limits.memory = Some(ByteSize::mib(64))));
    let source = "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))";
    let raised = raised(within("the engine's limit", worker.eval(source)).await);
    assert!(raised.message.contains("memory"), "{raised:?}");
    value(worker.eval("all.length = 0; 0").await);
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    assert_eq!(status(&worker).await.epoch, 1, "it lives on");
    done(worker).await;
}

async fn memory_beyond_the_limit_ends_the_process_with_its_peak() {
    let limit = ByteSize::mib(64);
    let worker = functions(with(kept(), |profile| profile.limits.memory = Some(limit)));
    let report = lost(within("the limit", call(&worker, misbehave::leak, ())).await);
    let Cause::MemoryLimit { limit: told, seen, .. } = &report.cause else { panic!("{report:?}") };
    assert_eq!(*told, limit);
    assert!(*seen >= limit && report.peak_memory >= limit, "{report:?}");
    assert!(report.peak_memory < ByteSize::mib(128), "{report:?}");
    assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
    done(worker).await;
}

async fn memory_that_grows_in_idleness_ends_the_process() {
    let worker = functions(with(kept(), |profile| profile.limits.memory = Some(ByteSize::mib(64))));
    let mut events = worker.events();
    value(call(&worker, grow_in_idleness, ()).await);
    let report = exit(&mut events).await;
    assert!(matches!(report.cause, Cause::MemoryLimit { .. }), "{report:?}");
    done(worker).await;
}

async fn memory_that_a_child_borrows_counts_once() {
    let worker = functions(with(kept(), |profile| profile.limits.memory = Some(ByteSize::mib(80))));
    // Twice what it has would be over the limit, and it is looked at many times meanwhile.
    assert_eq!(
        returned::<u64>(within("its end", call(&worker, misbehave::lend_memory, (48_u64 << 20,))).await),
        48 << 20
    );
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

/// Takes memory after it has returned.
fn grow_in_idleness() {
    drop(std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(20));
        misbehave::leak();
    }));
}

async fn memory_beyond_the_soft_limit_warns() {
    let soft = ByteSize::mib(48);
    let worker = functions(with(kept(), |profile| profile.limits.memory_soft = Some(soft)));
    let mut events = worker.events();
    let outcome = outcome(call(&worker, take_and_wait, (64 << 20, 400)).await);
    assert!(
        matches!(outcome.warnings[..], [Warning::Memory { limit, seen }] if limit == soft && seen >= soft),
        "{outcome:?}"
    );
    follow(&mut events, "the warning", |it| matches!(it, Transition::MemoryWarning { .. }).then_some(())).await;
    assert_eq!(status(&worker).await.epoch, 1, "it lives on");
    done(worker).await;
}

fn take_and_wait(bytes: usize, milliseconds: u64) {
    behave::takes(bytes);
    behave::wait(milliseconds);
}

async fn an_idle_worker_lets_its_process_go_and_starts_again() {
    let worker = javascript(with(stateless(), |profile| profile.limits.idle = Some(Duration::from_millis(100))));
    let mut events = worker.events();
    value(worker.eval("1").await);
    assert_eq!(exit(&mut events).await.cause, Cause::Asked(Asked::Idle));
    follow(&mut events, "its rest", |it| (*it == Transition::Dormant).then_some(())).await;
    assert_eq!(status(&worker).await.phase, Phase::Dormant);
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    assert_eq!(status(&worker).await.epoch, 2);
    done(worker).await;
}

async fn a_dormant_worker_holds_no_descriptors() {
    let before = crate::harness::open_descriptors();
    let worker = functions(with(stateless(), |profile| profile.limits.idle = Some(Duration::from_millis(50))));
    let mut events = worker.events();
    value(call(&worker, behave::nothing, ()).await);
    follow(&mut events, "its rest", |it| (*it == Transition::Dormant).then_some(())).await;
    until("it holds nothing", || crate::harness::open_descriptors() == before).await;
    done(worker).await;
}

async fn a_process_past_its_lifetime_is_replaced() {
    let worker = functions(with(stateless(), |profile| profile.limits.lifetime = Some(Duration::from_millis(100))));
    let mut events = worker.events();
    // It ends what it has first.
    value(call(&worker, behave::wait, (200,)).await);
    assert_eq!(exit(&mut events).await.cause, Cause::Asked(Asked::Lifetime));
    assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
    done(worker).await;
}

fn take_and_give_back(bytes: usize, milliseconds: u64) {
    let taken = std::hint::black_box(vec![1_u8; bytes]);
    behave::wait(milliseconds);
    drop(taken);
}

async fn a_process_that_has_grown_is_replaced_when_it_is_idle() {
    let grown = |profile: &mut Profile| profile.limits.growth = Some(ByteSize::mib(32));
    let worker = functions(with(stateless(), grown));
    let mut events = worker.events();
    // What is dropped again is no growth.
    value(call(&worker, take_and_give_back, (64 << 20, 200)).await);
    value(call(&worker, take_and_wait, (64 << 20, 200)).await);
    assert_eq!(exit(&mut events).await.cause, Cause::Asked(Asked::Growth));
    assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
    assert_eq!(status(&worker).await.epoch, 2);
    done(worker).await;
}

async fn a_process_is_replaced_after_its_number_of_evaluations() {
    let worker = functions(with(stateless(), |profile| profile.limits.evaluations = Some(3)));
    let all: Vec<_> = (0..9).map(|_| call(&worker, behave::process_id, ())).collect();
    let mut pids: Vec<u32> = Vec::new();
    for one in all {
        pids.push(returned(within("its turn", one).await));
    }
    let mut different = pids.clone();
    different.dedup();
    assert_eq!(different.len(), 3, "{pids:?}");
    done(worker).await;
}

async fn a_full_queue_refuses_at_once() {
    let worker = functions(with(kept(), |profile| profile.limits.queue = 2));
    let running = call(&worker, behave::wait, (300,));
    let waiting: Vec<_> = (0..2).map(|_| call(&worker, behave::nothing, ())).collect();
    let since = Instant::now();
    assert_eq!(refusal(call(&worker, behave::nothing, ()).await), NotStarted::Busy { limit: 2 });
    assert!(since.elapsed() < Duration::from_millis(200), "{:?}", since.elapsed());
    value(running.await);
    for one in waiting {
        value(one.await);
    }
    value(call(&worker, behave::nothing, ()).await);
    done(worker).await;
}

async fn one_that_waits_too_long_never_runs() {
    let scratch = Scratch::new();
    let worker = functions(kept());
    let running = call(&worker, behave::wait, (400,));
    let request = call_request(behave::leaves_a_mark, (scratch.file("mark"),)).unwrap();
    let options = EvalOptions { queue_time: Some(Duration::from_millis(100)), ..EvalOptions::default() };
    let late = within("its refusal", worker.submit(request, options)).await;
    assert!(matches!(refusal(late), NotStarted::Deadline { waited } if waited >= Duration::from_millis(100)));
    value(running.await);
    value(call(&worker, behave::nothing, ()).await);
    assert!(!std::path::Path::new(&scratch.file("mark")).exists(), "it has run");
    done(worker).await;
}

async fn a_message_too_large_is_refused_and_a_result_too_large_is_an_error() {
    let worker = javascript(with(kept(), |profile| profile.limits.message = ByteSize::mib(1)));
    let large = refusal(worker.eval(format!("'{}'", "x".repeat(2 << 20))).await);
    assert!(matches!(large, NotStarted::TooLarge { .. }), "{large:?}");
    let raised = raised(worker.eval("'x'.repeat(2 << 20)").await);
    assert!(raised.message.contains("bytes"), "{raised:?}");
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    assert_eq!(status(&worker).await.epoch, 1, "it lives on");
    done(worker).await;
}

/// How a worker of that program fails to start.
async fn start_failure(program: &str, profile: Profile) -> (std::sync::Arc<oast::ExitReport>, Duration) {
    let worker = start(Spec::functions("no worker").profile(profile).program(program));
    let since = Instant::now();
    let refused = refusal(within("its failure", call(&worker, behave::nothing, ())).await);
    let NotStarted::StartFailed(report) = refused else { panic!("{refused:?}") };
    let took = since.elapsed();
    done(worker).await;
    (report, took)
}

async fn a_program_that_leaves_at_once_fails_to_start_at_once() {
    let (report, took) = start_failure("/bin/false", kept()).await;
    assert!(matches!(report.cause, Cause::Start(_)), "{report:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

async fn another_program_says_why_it_does_not_start() {
    let program = std::env::current_exe().unwrap();
    let (report, _) = start_failure(program.to_str().unwrap(), kept()).await;
    let told = matches!(&report.cause, Cause::Start(why) if why.contains("another build of this program"));
    assert!(told, "{report:?}");
}

async fn a_program_that_is_no_worker_fails_to_start_in_time() {
    let scratch = Scratch::new();
    let program = scratch.program("#!/bin/sh\necho 'I forgot to call init' >&2\nexec sleep 60\n");
    let profile = with(kept(), |profile| profile.limits.start_time = Duration::from_millis(300));
    let (report, took) = start_failure(&program, profile).await;
    assert!(matches!(report.cause, Cause::Start(_)), "{report:?}");
    assert!(report.stderr.contains("I forgot to call init"), "{report:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

async fn a_missing_program_fails_to_start_at_once() {
    let (report, took) = start_failure("/no/such/program", kept()).await;
    assert!(matches!(&report.cause, Cause::Start(why) if why.contains("No such file")), "{report:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

async fn a_worker_that_fails_too_often_is_broken_until_reset() {
    let worker = functions(with(stateless(), |profile| profile.restart.intensity = 2));
    for round in 0..2 {
        for _ in 0..3 {
            assert_eq!(cause(call(&worker, misbehave::exit, (3,)).await), Cause::Exit(3), "in round {round}");
        }
        let refused = refusal(call(&worker, behave::nothing, ()).await);
        let NotStarted::Broken { history } = &refused else { panic!("{refused:?}") };
        assert!(history.iter().all(|report| report.cause == Cause::Exit(3)) && history.len() == 3, "{history:?}");
        assert_eq!(status(&worker).await.phase, Phase::Broken);
        worker.reset();
        assert_eq!(returned::<i64>(within("an answer", call(&worker, behave::add, (1, 1))).await), 2);
    }
    done(worker).await;
}
