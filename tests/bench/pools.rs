//! What it takes to have a clean worker from a pool, to give it back, and to be rid of whatever it has done.

use std::{
    io::{Read, Write},
    process::Command,
    time::{Duration, Instant},
};

use actix_rt::{System, SystemRunner};
use oast::{
    Cause, EvalError, EvalOptions, Lease, Oast, Spec, Worker, call_request,
    config::{ByteSize, Config, Network, Profile},
};

use crate::{
    cell,
    child::Other,
    placement::Placement,
    process::{open_descriptors, output, private_bytes, resident_bytes, run},
    row::{Quantity, Row},
    subject::{Runtime, pid, profile},
    turns::{each_awaited, median, take_turns, time},
};

const ROUNDS: usize = 15;
/// How many of each there are in a round.
const TIMES: usize = 5;
/// A template takes a moment to be ready.
const MOMENT: Duration = Duration::from_millis(100);
/// How many leases are taken, one evaluation each.
const LEASES: usize = 2000;
/// How many of them at a time.
pub(crate) const TOGETHER: usize = 4;
pub(crate) const SPARES: usize = 8;
/// How many hostile processes are left behind in a lease.
const HOSTILE: u32 = 50;
const MEMORY: f64 = 1.5 * 1048576.0;
/// What is lent where the limit is this.
const LIMIT: ByteSize = ByteSize::mib(64);

/// A profile of strangers whose workers are replaced as often as one likes.
pub(crate) fn strangers() -> Profile {
    let mut profile = Profile::untrusted();
    profile.restart.intensity = u32::MAX;
    profile
}

/// The same without what takes a time of its own: the network's namespace, and control groups.
fn strangers_with_network() -> Profile {
    let mut profile = strangers();
    profile.sandbox.network = Network::Host;
    profile.sandbox.control_groups = false;
    profile
}

/// A worker that is warm and clean, lent and given back.
pub(crate) fn lease(_: Placement) -> Vec<Row> {
    let system = System::new();
    let took = system.block_on(async {
        let mut profile = Profile::trusted();
        profile.on_return = oast::config::OnReturn::Keep;
        let oast = pool(Spec::javascript("pool").profile(profile), 2, 2).await;
        let lend = async || drop(oast.lease("pool").await.expect("a worker is free"));
        let took = each_awaited(2000, lend).await;
        oast.shutdown().await;
        took
    });
    vec![Row::within("lease of a warm worker, and its return", Duration::from_micros(100), took, "≤ 100 µs")]
}

/// A clean sandboxed worker, from the wish to the first result, beside what the kernel takes for it and what bubblewrap does.
pub(crate) fn clean_worker(_: Placement) -> Vec<Row> {
    let system = System::new();
    let (mut forks, mut cells) = (Other::forks(), Other::cells());
    let forking = |profile: Profile| Runtime::JavaScript.spec(profile).template();
    let (ours, plain) = (forking(strangers_with_network()), forking(profile(oast::config::Latency::Normal)));
    let whole = forking(strangers());
    for spec in [&ours, &plain, &whole] {
        to_first_result(&system, spec);
        std::thread::sleep(MOMENT);
    }
    let bwrap = ["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"];
    let has_bwrap = output(Command::new("bwrap").arg("--version")).is_some();
    // It makes its box before, and removes it afterwards, and neither is counted.
    let isolate = |arguments: &[&str]| output(Command::new("isolate").args(arguments)).filter(|it| it.status.success());
    let has_isolate = isolate(&["--init"]).is_some();
    let [fork, cell, ours, whole, plain, bubble, isolated] = take_turns(
        ROUNDS,
        [
            &mut || median((0..TIMES).map(|_| ask(&mut forks, false))),
            &mut || median((0..TIMES).map(|_| ask(&mut cells, true))),
            &mut || median((0..TIMES).map(|_| to_first_result(&system, &ours))),
            &mut || median((0..TIMES).map(|_| to_first_result(&system, &whole))),
            &mut || median((0..TIMES).map(|_| to_first_result(&system, &plain))),
            &mut || if has_bwrap { time(|| run(Command::new("bwrap").args(bwrap))) } else { Duration::ZERO },
            &mut || if has_isolate { time(|| drop(isolate(&["--run", "--", "/bin/true"]))) } else { Duration::ZERO },
        ],
    );
    let _cleaned = has_isolate.then(|| isolate(&["--cleanup"]));
    let name = "clean sandboxed JavaScript worker from a template";
    let mut rows = vec![Row::times(name, fork + cell, ours, 3.0)];
    rows.push(if has_bwrap {
        Row { target: "≤ 1/4 ×".to_owned(), ..Row::times("  beside `bwrap --unshare-all true`", bubble, ours, 0.25) }
    } else {
        Row::skipped("  beside `bwrap --unshare-all true`", "there is no `bwrap` here; Debian: bubblewrap")
    });
    rows.push(if has_isolate {
        Row::beside("  beside `isolate --run true`", isolated, ours)
    } else {
        Row::skipped("  beside `isolate --run true`", "there is no `isolate` that runs here; github.com/ioi/isolate")
    });
    rows.push(Row::beside("  with a network namespace and control groups", fork + cell, whole));
    rows.push(Row::beside("JavaScript worker from a template, no sandbox", fork, plain));
    rows
}

fn to_first_result(system: &SystemRunner, spec: &Spec) -> Duration {
    system.block_on(async {
        let began = Instant::now();
        let worker = Worker::on_this_arbiter(spec.clone().into_worker_spec());
        Runtime::JavaScript.two(&worker).await;
        let took = began.elapsed();
        worker.kill().await;
        took
    })
}

/// Asks for a process until its first byte, and tells that it has come where that is waited for.
fn ask(other: &mut Other, tell: bool) -> Duration {
    let took = time(|| {
        other.socket.write_all(&[1]).expect("the other process takes a request");
        other.socket.read_exact(&mut [0]).expect("the process that it made says something");
    });
    if tell {
        other.socket.write_all(&[1]).expect("the other process takes a word");
    }
    took
}

/// Leases, one evaluation in each, of workers that are new for each.
pub(crate) fn leases(_: Placement) -> Vec<Row> {
    let system = System::new();
    let (rate, memory, descriptors) = system.block_on(async {
        let oast = pool(Spec::javascript("pool").profile(strangers()), SPARES, SPARES + TOGETHER).await;
        lease_many(&oast, LEASES / 10).await;
        let (memory, descriptors) = (resident_bytes(), open_descriptors());
        let began = Instant::now();
        lease_many(&oast, LEASES).await;
        let rate = LEASES as f64 / began.elapsed().as_secs_f64();
        let grown = (resident_bytes().saturating_sub(memory), open_descriptors().saturating_sub(descriptors));
        oast.shutdown().await;
        (rate, grown.0, grown.1)
    });
    let alone = |name: &str, number: f64| Row::alone(name, Quantity::Bytes(number));
    vec![
        Row {
            target: "≥ 400 /s".to_owned(),
            met: Some(rate >= 400.0),
            ..Row::alone("untrusted leases, one evaluation each", Quantity::PerSecond(rate))
        },
        alone(&format!("  memory gained by the host in {LEASES} of them"), memory as f64),
        Row::at_most("  descriptors gained", Quantity::Count(descriptors as f64), Quantity::Count(16.0)),
    ]
}

pub(crate) async fn lease_many(oast: &Oast, count: usize) {
    let one_after_another = |oast: Oast| async move {
        for _ in 0..count / TOGETHER {
            let lease = oast.lease("pool").await.expect("a worker is free in time");
            Runtime::JavaScript.two(&lease).await;
        }
    };
    let tasks: Vec<_> = (0..TOGETHER).map(|_| actix_rt::spawn(one_after_another(oast.clone()))).collect();
    for task in tasks {
        task.await.expect("no lease fails");
    }
}

/// From the end of a lease to the end of everything that was started in it.
pub(crate) fn hostile_leftovers(_: Placement) -> Vec<Row> {
    let system = System::new();
    let took = system.block_on(async {
        let mut profile = strangers();
        profile.sandbox.processes = Some(2 * u64::from(HOSTILE));
        let oast = pool(Spec::functions("pool").profile(profile), 1, 1).await;
        let mut figures = Vec::new();
        for _ in 0..ROUNDS {
            let lease = oast.lease("pool").await.expect("a worker is free");
            let request = call_request(leave_hostile_processes, (HOSTILE,)).expect("it can be called");
            lease.submit(request, EvalOptions::default()).await.expect("it returns");
            figures.push(end(lease).await);
        }
        oast.shutdown().await;
        median(figures)
    });
    let name = format!("end of a lease to the end of {HOSTILE} hostile processes");
    vec![Row::within(name, Duration::from_millis(5), took, "≤ 5 ms")]
}

/// Gives a lease back, and waits until its guard, which is the last of all, is gone.
async fn end(lease: Lease) -> Duration {
    let process = pid(&lease).await;
    let guard = crate::process::parent(process).expect("it has a guard");
    let guard = i32::try_from(guard).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    let guard = rustix::process::pidfd_open(guard, rustix::process::PidfdFlags::empty()).expect("it is there");
    let began = Instant::now();
    drop(lease);
    let ended = tokio::task::spawn_blocking(move || {
        rustix::event::poll(&mut [rustix::event::PollFd::new(&guard, rustix::event::PollFlags::IN)], None)
            .expect("its end can be waited for");
        Instant::now()
    });
    ended.await.expect("it is waited for") - began
}

/// Processes that are forked twice, in sessions of their own, deaf to all signals that can be ignored; a third is stopped.
fn leave_hostile_processes(count: u32) {
    for number in 0..count {
        match cell::fork().expect("it may fork so often") {
            None => be_hostile(number % 3 == 0),
            Some(between) => cell::wait(between),
        }
    }
}

fn be_hostile(stops: bool) -> ! {
    if cell::fork().is_ok_and(|daemon| daemon.is_some()) {
        cell::leave();
    }
    let _ = rustix::process::setsid();
    (1..32).for_each(cell::ignore);
    if stops {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    }
    cell::sleep_for_ever()
}

/// How far past its limit a process gets.
pub(crate) fn overshoot(_: Placement) -> Vec<Row> {
    let mut with_groups = strangers();
    with_groups.limits.memory = Some(LIMIT);
    with_groups.sandbox.data = None;
    let mut sampled = with_groups.clone();
    sampled.sandbox.control_groups = false;
    let row = |name: &str, profile: Profile, most: f64| match past_the_limit(profile) {
        Some((bytes, by)) => Row {
            name: format!("{name}, ended by the {by}"),
            ..Row::at_most(name, Quantity::Bytes(bytes), Quantity::Bytes(most))
        },
        None => Row::skipped(name, "it was not ended for its memory"),
    };
    let groups = row("past a memory limit with control groups", with_groups, 0.0);
    let groups = if groups.name.contains("sampler") {
        Row::skipped("past a memory limit with control groups", "this machine, or this user, has none")
    } else {
        groups
    };
    vec![groups, row("past a memory limit with sampling alone", sampled, 20e6)]
}

/// The median of several.
fn past_the_limit(profile: Profile) -> Option<(f64, &'static str)> {
    let system = System::new();
    system.block_on(async {
        let mut figures = Vec::new();
        for _ in 0..5 {
            let worker = Worker::on_this_arbiter(Spec::functions("leaky").profile(profile.clone()).into_worker_spec());
            let ended = worker.submit(call_request(touch, ()).ok()?, EvalOptions::default()).await;
            worker.kill().await;
            let Err(EvalError::Lost(report)) = ended else { return None };
            let Cause::MemoryLimit { seen, by, .. } = report.cause else { return None };
            let by = if by == oast::Enforcer::Kernel { "kernel" } else { "sampler" };
            figures.push((seen.get().saturating_sub(LIMIT.get()), by));
        }
        figures.sort_unstable();
        figures.get(figures.len() / 2).map(|(bytes, by)| (*bytes as f64, *by))
    })
}

/// Touches fresh memory as fast as it can.
fn touch() {
    let mut all = Vec::new();
    loop {
        all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// Private memory of an idle worker that was forked.
pub(crate) fn memory(_: Placement) -> Vec<Row> {
    let system = System::new();
    let name = "private memory of an idle forked worker";
    system.block_on(async {
        let oast = pool(Spec::javascript("pool").profile(strangers()), SPARES, SPARES).await;
        lease_many(&oast, 10 * TOGETHER).await;
        actix_rt::time::sleep(MOMENT).await;
        let lease = oast.lease("pool").await.expect("a worker is free");
        Runtime::JavaScript.two(&lease).await;
        let process = pid(&lease).await;
        let guard = crate::process::parent(process).unwrap_or_default();
        let others = crate::process::children(guard).into_iter().chain([guard]).filter(|pid| *pid != process);
        let others: Option<u64> = others.map(private_bytes).sum();
        let rows = match private_bytes(process).zip(others) {
            Some((process, others)) => vec![
                Row::at_most(name, Quantity::Bytes((process + others) as f64), Quantity::Bytes(MEMORY)),
                Row::alone("  of which its guard and init", Quantity::Bytes(others as f64)),
            ],
            None => vec![Row::skipped(name, "`/proc/PID/smaps_rollup` cannot be read")],
        };
        drop(lease);
        oast.shutdown().await;
        rows
    })
}

/// A pool whose template is ready.
pub(crate) async fn pool(spec: Spec, min: usize, max: usize) -> Oast {
    let oast = Oast::start(Config::default()).expect("it starts");
    oast.pool_of(spec, min, max).await.expect("it can be defined");
    drop(oast.lease("pool").await.expect("a worker comes"));
    actix_rt::time::sleep(MOMENT).await;
    oast
}
