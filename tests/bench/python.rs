//! The runtime `python`, beside evaluating by hand between two Python processes.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use actix_rt::{System, SystemRunner};
use oast::{
    Spec, Value, Worker,
    config::{Latency, Profile},
};

use crate::{
    child::{BULK, Other},
    floor,
    placement::Placement,
    process::{children, output, parent, private_bytes},
    row::{Quantity, Row},
    subject::{pid, profile, value},
    turns::{each_awaited, median, take_turns, time},
};

const ROUNDS: usize = 5;
const TIMES: usize = 400;
const MODULES: [&str; 2] = ["numpy", "pandas"];
const MEMORY: f64 = 3.0 * 1048576.0;
/// A template takes its time to import everything.
const PATIENCE: Duration = Duration::from_secs(20);

/// All there is to say of it, or why there is nothing.
pub(crate) fn all(_: Placement) -> Vec<Row> {
    let Some(by_hand) = by_hand() else {
        return vec![Row::skipped("Python", "`python3` does not run here; Debian: python3")];
    };
    let system = System::new();
    let mut rows = round_trips(&system, by_hand);
    rows.extend(interrupt(&system));
    rows.extend(bulk(&system));
    rows.extend(templates(&system));
    rows
}

/// One evaluation through a pipe, by hand.
fn by_hand() -> Option<Duration> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/peers/eval.py");
    let said = output(Command::new("python3").arg(program))?;
    serde_json::from_slice(&said.stdout).ok().map(Duration::from_secs_f64)
}

fn start(system: &SystemRunner, spec: Spec) -> Worker {
    system.block_on(async {
        let worker = Worker::on_this_arbiter(spec.into_worker_spec());
        two(&worker).await;
        worker
    })
}

async fn two(worker: &Worker) {
    assert_eq!(value(worker.eval("1+1")).await, Value::Int(2));
}

fn round_trips(system: &SystemRunner, before: Duration) -> Vec<Row> {
    let [normal, low] =
        [Latency::Normal, Latency::Low].map(|latency| start(system, Spec::python("bench").profile(profile(latency))));
    let measure = |worker: &Worker| system.block_on(each_awaited(TIMES, async || two(worker).await));
    let [normal, low] = take_turns(ROUNDS, [&mut || measure(&normal), &mut || measure(&low)]);
    let by_hand = median([before, by_hand().unwrap_or(before)]);
    vec![
        Row::times("Python eval(\"1+1\") beside a pipe by hand", by_hand, normal, 1.1),
        Row::times("  low latency", by_hand, low, 0.3),
    ]
}

fn interrupt(system: &SystemRunner) -> Vec<Row> {
    let worker = start(system, Spec::python("bench").profile(profile(Latency::Normal)));
    let one = || {
        system.block_on(async {
            let mut endless = worker.eval("print(1)\nwhile True: pass");
            endless.printed().await.expect("it prints");
            let began = Instant::now();
            endless.interrupt();
            assert!(endless.await.is_err(), "it ended by itself");
            began.elapsed()
        })
    };
    let took = median((0..20).map(|_| one()));
    vec![Row::within("interrupt of `while True: pass`", Duration::from_millis(5), took, "≤ 5 ms")]
}

fn bulk(system: &SystemRunner) -> Vec<Row> {
    let worker = start(system, Spec::python("bench").profile(profile(Latency::Normal)));
    let made = system.block_on(worker.run(format!("import array\nbulk = array.array('B', bytes({BULK}))")));
    made.expect("the worker process lives").result.expect("there is memory");
    let mut other = Other::pour(Placement::Free);
    let [floor, ours] = take_turns(
        ROUNDS,
        [&mut || floor::bulk(&mut other), &mut || {
            time(|| {
                let value = system.block_on(value(worker.eval("bulk")));
                assert!(matches!(&value, Value::Array(array) if array.data().len() == BULK), "all of it came");
            })
        }],
    );
    vec![Row::times("50 MB array from Python", floor, ours, 2.0)]
}

/// Workers that are forked with modules that took long to import.
fn templates(system: &SystemRunner) -> Vec<Row> {
    let mut profile = Profile::trusted();
    profile.restart.intensity = u32::MAX;
    let spec = Spec::python("bench").profile(profile.clone());
    let imports = || {
        system.block_on(async {
            let worker = Worker::on_this_arbiter(spec.clone().into_worker_spec());
            let began = Instant::now();
            let imported = worker.run(format!("import {}", MODULES.join(", "))).await;
            let took = began.elapsed();
            worker.kill().await;
            imported.ok()?.result.ok().map(|_| took)
        })
    };
    let Some(_warm) = imports() else {
        return vec![Row::skipped(
            "Python worker from a template",
            "there are no numpy and pandas; `pip install pandas`",
        )];
    };
    let template = spec.clone().template().preload(MODULES);
    let forks = || to_first_result(system, &template).0;
    let since = Instant::now();
    while !to_first_result(system, &template).1 && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    let [cold, forked] = take_turns(ROUNDS, [&mut || imports().unwrap_or_default(), &mut || forks()]);
    let mut rows = vec![
        Row::within(
            "Python worker from a template with numpy and pandas",
            Duration::from_millis(10),
            forked,
            "≤ 10 ms",
        ),
        Row::times("  beside a start with the same imports", cold, forked, 1.0 / 30.0),
    ];
    rows.extend(memory(system, &template));
    rows
}

/// How long it took, and whether it was forked with what was imported.
fn to_first_result(system: &SystemRunner, spec: &Spec) -> (Duration, bool) {
    system.block_on(async {
        let began = Instant::now();
        let worker = Worker::on_this_arbiter(spec.clone().into_worker_spec());
        let found = value(worker.eval("'pandas' in __import__('sys').modules")).await;
        let took = began.elapsed();
        worker.kill().await;
        (took, found == Value::Bool(true))
    })
}

fn memory(system: &SystemRunner, spec: &Spec) -> Option<Row> {
    let worker = start(system, spec.clone());
    let process = system.block_on(pid(&worker));
    let guard = parent(process)?;
    let all = children(guard).into_iter().chain([guard]).map(private_bytes).sum::<Option<u64>>()?;
    let row = Row::at_most(
        "private memory of an idle forked Python worker",
        Quantity::Bytes(all as f64),
        Quantity::Bytes(MEMORY),
    );
    system.block_on(worker.kill());
    Some(row)
}
