//! How long it takes to have a worker, and to have it again after its process was killed.

use std::time::{Duration, Instant};

use actix_rt::{System, SystemRunner};
use oast::{EvalError, Worker, config::Latency};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    child::Other,
    floor,
    placement::Placement,
    row::Row,
    subject::{Runtime, pid, profile},
    turns::{median, take_turns, time},
};

const ROUNDS: usize = 15;
/// How many of each there are in a round.
const TIMES: usize = 3;

/// From the wish for a worker to its first result.
pub(crate) fn cold_start(_: Placement) -> Vec<Row> {
    let system = System::new();
    let [floor, javascript, rust] = take_turns(
        ROUNDS,
        [
            &mut || median((0..TIMES).map(|_| floor::start_to_exit())),
            &mut || median((0..TIMES).map(|_| to_first_result(&system, Runtime::JavaScript))),
            &mut || median((0..TIMES).map(|_| to_first_result(&system, Runtime::Rust))),
        ],
    );
    vec![
        Row::times("cold start of JavaScript to the first result", floor, javascript, 3.0),
        Row::times("cold start of Rust functions to the first result", floor, rust, 3.0),
    ]
}

fn to_first_result(system: &SystemRunner, runtime: Runtime) -> Duration {
    system.block_on(async {
        let began = Instant::now();
        let worker = Worker::on_this_arbiter(runtime.spec(profile(Latency::Normal)).into_worker_spec());
        runtime.two(&worker).await;
        let took = began.elapsed();
        worker.kill().await;
        took
    })
}

/// From the kill of the worker process to what its callers see.
pub(crate) fn after_a_kill(_: Placement) -> Vec<Row> {
    let system = System::new();
    let worker = Runtime::JavaScript.warm(&system, &profile(Latency::Normal), Placement::Free);
    let mut again = Vec::new();
    let [floor, error, cold] = take_turns(
        ROUNDS,
        [
            &mut || median((0..TIMES).map(|_| kill_a_small_process())),
            &mut || {
                let ends = (0..TIMES).map(|_| system.block_on(kill(&worker)));
                let (errors, successes): (Vec<_>, Vec<_>) = ends.unzip();
                again.push(median(successes));
                median(errors)
            },
            &mut || median((0..TIMES).map(|_| to_first_result(&system, Runtime::JavaScript))),
        ],
    );
    let again = median(again.into_iter().skip(1));
    vec![
        Row::times("kill -9 to the pending evaluation's error", floor, error, 2.0),
        Row::within("kill -9 to the next result", error + cold.mul_f64(1.5), again, "≤ that + 1.5 × cold"),
    ]
}

fn kill_a_small_process() -> Duration {
    let mut other = Other::echo(Placement::Free);
    // It has come to its loop.
    floor::round_trip(&mut other, 1);
    time(|| other.kill_and_see())
}

/// To the error of the evaluation that ran, and to the result of the next.
async fn kill(worker: &Worker) -> (Duration, Duration) {
    Runtime::JavaScript.two(worker).await;
    let process = i32::try_from(pid(worker).await).ok().and_then(Pid::from_raw).expect("the worker has a process");
    let pending = worker.eval("await new Promise(() => {})");
    // When this has a result, the other has begun.
    Runtime::JavaScript.two(worker).await;
    let began = Instant::now();
    kill_process(process, Signal::KILL).expect("it is ours");
    let ended = pending.await;
    let error = began.elapsed();
    assert!(matches!(ended, Err(EvalError::Lost(_))), "a killed process loses what it ran: {ended:?}");
    Runtime::JavaScript.two(worker).await;
    (error, began.elapsed())
}
