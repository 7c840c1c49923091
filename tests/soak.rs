//! Two thousand worker processes crash, in every way there is, under load: every evaluation ends exactly once and with
//! the truth, and at the end there is nothing more than at the beginning.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use oast::{
    Cause, Clock, EvalError, EvalOptions, EvalResult, Interrupter, NotStarted, Oast, Request, Spec, Worker,
    WorkerStatus, call_request,
    config::{ByteSize, Config, Profile},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    fixtures::{behave, misbehave},
    harness::{open_descriptors, promise_within},
    output::resident,
    stage::{pause, returned, stateless, until},
};

pub(crate) fn tests() -> Vec<Trial> {
    let name = "soak::two_thousand_crashes_of_all_kinds_under_load_leave_nothing";
    vec![promise_within(Duration::from_secs(80), name, two_thousand_crashes)]
}

/// How many processes are to crash.
const CRASHES: u64 = 2000;
const WORKERS: usize = 4;
/// Callers of each worker that make it crash, and such that want no more than a sum.
const VILLAINS: usize = 2;
const HONEST: usize = 2;
/// How long an evaluation that hangs may run.
const HANG: Duration = Duration::from_millis(20);
/// How much more memory the host may have at the end: what its allocator keeps.
const GROWTH: u64 = 24 << 20;

/// A way to crash: what to run, and whether the cause that is told is the true one.
type Crime = (&'static str, fn() -> Request, fn(&Cause) -> bool);

const CRIMES: [Crime; 12] = [
    ("segfault", || request(call_request(misbehave::segfault, ())), |cause| *cause == Cause::Signal(11)),
    ("abort", || request(call_request(misbehave::abort, ())), |cause| *cause == Cause::Signal(6)),
    ("exit", || request(call_request(misbehave::exit, (3,))), |cause| *cause == Cause::Exit(3)),
    ("kill", || request(call_request(misbehave::kill_itself, ())), |cause| *cause == Cause::KilledFromOutside(9)),
    (
        "overflow",
        || request(call_request(misbehave::overflow_the_stack, ())),
        |cause| matches!(cause, Cause::Signal(6 | 11)),
    ),
    ("hang", || request(call_request(misbehave::spin, ())), is_time),
    ("deaf hang", || request(call_request(misbehave::spin_deaf, ())), is_time),
    ("garbage", || request(call_request(misbehave::say_garbage, ())), is_protocol),
    ("lie", || request(call_request(misbehave::answer_what_nobody_asked, ())), is_protocol),
    ("four GiB", || request(call_request(misbehave::say_four_gibibytes, ())), is_protocol),
    (
        "half a frame",
        || request(call_request(misbehave::say_half_a_frame, ())),
        |cause| matches!(cause, Cause::Protocol(_) | Cause::Exit(0)),
    ),
    ("leak", || request(call_request(misbehave::leak, ())), |cause| matches!(cause, Cause::MemoryLimit { .. })),
];

fn request(request: Result<Request, oast::CallError>) -> Request {
    request.unwrap()
}

fn is_time(cause: &Cause) -> bool {
    *cause == Cause::TimeLimit { limit: HANG, clock: Clock::Wall }
}

fn is_protocol(cause: &Cause) -> bool {
    matches!(cause, Cause::Protocol(_))
}

/// What all callers share.
#[derive(Default)]
struct Tally {
    submitted: Cell<u64>,
    ended: Cell<u64>,
    told: [Cell<u64>; CRIMES.len()],
    /// Sums that came through.
    right: Cell<u64>,
    enough: Cell<bool>,
}

async fn two_thousand_crashes() {
    let since = Instant::now();
    let oast = Oast::start(Config::default()).unwrap();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let spec = Spec::functions(&format!("soak {number}")).profile(profile());
        // Some are forked, and some are started.
        let spec = if number % 2 == 0 { spec.template() } else { spec };
        workers.push(oast.worker(spec).await.unwrap());
    }
    let tally = Rc::new(Tally::default());
    let mut callers = Vec::new();
    for (number, worker) in workers.iter().enumerate() {
        callers.extend(
            (0..VILLAINS)
                .map(|villain| actix_rt::spawn(commit(worker.clone(), tally.clone(), number * VILLAINS + villain))),
        );
        callers.extend((0..HONEST).map(|_| actix_rt::spawn(work(worker.clone(), tally.clone()))));
    }
    callers.push(actix_rt::spawn(kill_from_outside(workers.clone(), tally.clone())));

    // What a host needs for this at all, it needs by then.
    until_exits(&oast, CRASHES / 10).await;
    let (memory, descriptors) = (resident(), open_descriptors().len());
    until_exits(&oast, CRASHES).await;
    tally.enough.set(true);
    for caller in callers {
        let ended = actix_rt::time::timeout(Duration::from_secs(10), caller).await;
        let Ok(ended) = ended else { panic!("a caller waits for ever: {:?}", statuses(&workers).await) };
        ended.unwrap();
    }
    check(&oast, &tally);
    let growth = resident().saturating_sub(memory);
    assert!(growth < GROWTH, "it grew by {} KiB", growth >> 10);
    let most = descriptors + WORKERS * 10;
    until("descriptors are few again", || open_descriptors().len() <= most).await;
    drop(workers);
    oast.shutdown().await;
    assert!(since.elapsed() < Duration::from_secs(60), "it took {:?}", since.elapsed());
}

async fn statuses(workers: &[Worker]) -> Vec<Option<Arc<WorkerStatus>>> {
    let mut statuses = Vec::new();
    for worker in workers {
        statuses.push(worker.status().await);
    }
    statuses
}

fn profile() -> Profile {
    let mut profile = stateless();
    profile.limits.grace = Duration::from_millis(20);
    profile.limits.memory = Some(ByteSize::mib(48));
    profile.limits.memory_soft = None;
    profile.sandbox.data = None;
    profile.restart.intensity = 1_000_000;
    profile
}

async fn until_exits(oast: &Oast, count: u64) {
    while oast.counters().exits.get() < count {
        pause(5).await;
    }
}

fn check(oast: &Oast, tally: &Tally) {
    assert_eq!(tally.submitted.get(), tally.ended.get(), "every evaluation ends, and once");
    assert_eq!(oast.counters().submitted.get(), tally.submitted.get());
    assert_eq!(oast.counters().ended.get(), tally.ended.get());
    assert!(oast.counters().exits.get() >= CRASHES);
    assert!(tally.right.get() > CRASHES / 10, "only {} sums came through", tally.right.get());
    let told: Vec<_> = CRIMES.iter().zip(&tally.told).map(|((name, ..), told)| (*name, told.get())).collect();
    assert!(told.iter().all(|(_, count)| *count > CRASHES / 100), "of each kind many: {told:?}");
}

/// Submits something and waits for its end.
async fn end(worker: &Worker, tally: &Tally, request: Request, wall_time: Option<Duration>) -> EvalResult {
    tally.submitted.set(tally.submitted.get() + 1);
    let evaluation = worker.submit(request, EvalOptions { wall_time, ..EvalOptions::default() });
    let ended = actix_rt::time::timeout(Duration::from_secs(20), evaluation).await.expect("an evaluation never ended");
    tally.ended.set(tally.ended.get() + 1);
    ended
}

/// One crime after another. The leak takes long, and comes seldom.
async fn commit(worker: Worker, tally: Rc<Tally>, first: usize) {
    for number in first.. {
        if tally.enough.get() {
            return;
        }
        let kind = if number % 16 == 15 { CRIMES.len() - 1 } else { number % (CRIMES.len() - 1) };
        let (name, request, is_true) = CRIMES[kind];
        let limit = name.contains("hang").then_some(HANG);
        match end(&worker, &tally, request(), limit).await {
            Err(EvalError::Lost(report)) if is_true(&report.cause) => tally.told[kind].set(tally.told[kind].get() + 1),
            Err(EvalError::Lost(report)) if report.cause == Cause::KilledFromOutside(9) => {}
            // The machine was so busy that its time was over before the process came to it.
            Err(
                EvalError::Interrupted(Interrupter::TimeLimit { .. })
                | EvalError::NotStarted(NotStarted::Deadline { .. }),
            ) if limit.is_some() => {}
            other => panic!("{name} is no reason for {other:?}"),
        }
    }
}

/// Sums, which are right, or lost with a process that ended while it worked them out.
async fn work(worker: Worker, tally: Rc<Tally>) {
    let mut number = 0;
    while !tally.enough.get() {
        number += 1;
        match end(&worker, &tally, request(call_request(behave::add, (number, 1))), None).await {
            Err(EvalError::Lost(report)) => {
                let known = CRIMES.iter().any(|(_, _, is_true)| is_true(&report.cause));
                assert!(known || report.cause == Cause::KilledFromOutside(9), "{report:?}");
            }
            ended => {
                assert_eq!(returned::<i64>(ended), number + 1);
                tally.right.set(tally.right.get() + 1);
            }
        }
    }
}

/// Kills worker processes that did nothing wrong.
async fn kill_from_outside(workers: Vec<Worker>, tally: Rc<Tally>) {
    for worker in workers.iter().cycle() {
        if tally.enough.get() {
            return;
        }
        pause(50).await;
        let pid = worker.status().await.map_or(0, |status| status.pid.cast_signed());
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
