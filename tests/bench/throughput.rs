//! How many evaluations there are in a second when many are outstanding.

use std::{cell::RefCell, collections::VecDeque, time::Instant};

use actix_rt::{System, SystemRunner};
use oast::{Evaluation, Worker, config::Latency};

use crate::{
    child::Other,
    floor,
    placement::Placement,
    row::Row,
    subject::{Runtime, profile, value},
};

const ROUNDS: usize = 5;
const COUNT: usize = 40_000;
/// How many are outstanding.
const WINDOW: usize = 512;
/// How many messages one write of the floor has: as many as a runtime takes ahead.
const TOGETHER: usize = 64;

pub(crate) fn many_outstanding(placement: Placement) -> Vec<Row> {
    placement.prepare();
    let system = System::new();
    let profile = profile(Latency::Normal);
    let mut other = Other::echo(placement);
    let javascript = Runtime::JavaScript.warm(&system, &profile, placement);
    let rust = Runtime::Rust.warm(&system, &profile, placement);
    placement.place_here();
    let rates: RefCell<[Vec<f64>; 3]> = RefCell::default();
    for _ in 0..=ROUNDS {
        let mut rates = rates.borrow_mut();
        rates[0].push(floor::batched(&mut other, TOGETHER, COUNT / TOGETHER));
        rates[1].push(system_rate(&system, Runtime::Rust, &rust));
        rates[2].push(system_rate(&system, Runtime::JavaScript, &javascript));
    }
    let [floor, rust, javascript] = rates.into_inner().map(median_after_first);
    let place = placement.name();
    vec![
        Row::at_least(format!("add(1, 1), {WINDOW} outstanding, {place}"), floor, rust, 250_000.0),
        Row::at_least(format!("eval(\"1+1\"), {WINDOW} outstanding, {place}"), floor, javascript, 120_000.0),
    ]
}

fn system_rate(system: &SystemRunner, runtime: Runtime, worker: &Worker) -> f64 {
    system.block_on(rate(runtime, worker))
}

async fn rate(runtime: Runtime, worker: &Worker) -> f64 {
    let began = Instant::now();
    let mut outstanding: VecDeque<Evaluation> = VecDeque::with_capacity(WINDOW);
    for _ in 0..COUNT {
        if outstanding.len() == WINDOW
            && let Some(oldest) = outstanding.pop_front()
        {
            value(oldest).await;
        }
        outstanding.push_back(runtime.submit(worker));
    }
    for evaluation in outstanding {
        value(evaluation).await;
    }
    COUNT as f64 / began.elapsed().as_secs_f64()
}

fn median_after_first(rates: Vec<f64>) -> f64 {
    let mut rates = rates[1..].to_vec();
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}
