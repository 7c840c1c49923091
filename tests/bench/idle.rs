//! What workers cost that nobody uses.

use std::time::Duration;

use actix_rt::System;
use oast::{Worker, config::Latency};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

use crate::{
    placement::Placement,
    row::{Quantity, Row},
    subject::{Runtime, private_bytes, profile},
};

const WORKERS: usize = 1000;
/// How many start at a time.
const TOGETHER: usize = 8;
/// How many descriptors one of them takes, generously.
const DESCRIPTORS: u64 = 10;
const WATCHED: Duration = Duration::from_secs(10);
const MEMORY: f64 = 3.0 * 1048576.0;

/// Private memory of one idle worker.
pub(crate) fn memory(placement: Placement) -> Vec<Row> {
    let system = System::new();
    let measure = |runtime: Runtime, name: &str| {
        let worker = runtime.warm(&system, &profile(Latency::Normal), placement);
        match system.block_on(private_bytes(&worker)) {
            None => vec![Row::skipped(name, "`/proc/PID/smaps_rollup` cannot be read")],
            Some((process, guard)) => {
                let both = Quantity::Bytes((process + guard) as f64);
                vec![
                    Row::at_most(name, both, Quantity::Bytes(MEMORY)),
                    Row::alone("  of which its guard", Quantity::Bytes(guard as f64)),
                ]
            }
        }
    };
    let javascript = measure(Runtime::JavaScript, "private memory of an idle JavaScript worker");
    [javascript, measure(Runtime::Rust, "private memory of an idle Rust worker")].concat()
}

/// What the host process spends on many workers that have nothing to do.
pub(crate) fn processor_time(_: Placement) -> Vec<Row> {
    let name = format!("CPU for {WORKERS} idle workers");
    let wanted = WORKERS as u64 * DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < wanted) {
        return vec![Row::skipped(name, "too few files may be open at a time")];
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the maximum is allowed");
    System::new().block_on(async {
        let mut workers = Vec::with_capacity(WORKERS);
        for _ in 0..WORKERS / TOGETHER {
            workers.extend(start().await);
        }
        actix_rt::time::sleep(Duration::from_secs(1)).await;
        let before = clock_gettime(ClockId::ProcessCPUTime);
        actix_rt::time::sleep(WATCHED).await;
        let after = clock_gettime(ClockId::ProcessCPUTime);
        let spent = Duration::try_from(after - before).expect("time goes on");
        let percent = spent.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
        vec![Row::at_most(name, Quantity::Percent(percent), Quantity::Percent(2.0))]
    })
}

/// Some workers that have given a result.
async fn start() -> Vec<Worker> {
    let spec = || Runtime::JavaScript.spec(profile(Latency::Normal)).into_worker_spec();
    let workers: Vec<_> = std::iter::repeat_with(|| Worker::on_this_arbiter(spec())).take(TOGETHER).collect();
    let results: Vec<_> = workers.iter().map(|worker| Runtime::JavaScript.submit(worker)).collect();
    for result in results {
        result.await.expect("a worker process starts");
    }
    workers
}
