//! How long one evaluation takes when nothing else is outstanding.

use std::time::Duration;

use actix_rt::{Arbiter, System, SystemRunner};
use oast::{
    Worker,
    config::{Latency, Profile},
};

use crate::{
    block_on::block_on,
    child::Other,
    floor::{self, Partner},
    placement::Placement,
    row::Row,
    subject::{Runtime, pid, profile},
    turns::{each, each_awaited, take_turns},
};

const ROUNDS: usize = 9;
const TIMES: usize = 400;

/// The caller on its supervisor's arbiter.
pub(crate) fn round_trip(placement: Placement) -> Vec<Row> {
    beside_ping_pong(placement, Latency::Normal, "", [1.3, 1.2])
}

/// The same, where both sides may spin for a short time. On one core they must not, and then it is as without.
pub(crate) fn low_latency(placement: Placement) -> Vec<Row> {
    let most = match placement {
        Placement::OneCore => [1.3, 1.2],
        Placement::TwoCores | Placement::Free => [0.4, 0.4],
    };
    beside_ping_pong(placement, Latency::Low, ", low latency", most)
}

fn beside_ping_pong(placement: Placement, latency: Latency, how: &str, most: [f64; 2]) -> Vec<Row> {
    placement.prepare();
    let system = System::new();
    let profile = profile(latency);
    let mut other = Other::echo(placement);
    let javascript = Runtime::JavaScript.warm(&system, &profile, placement);
    let rust = Runtime::Rust.warm(&system, &profile, placement);
    placement.place_here();
    let [floor, javascript, rust] = take_turns(
        ROUNDS,
        [
            &mut || floor::round_trip(&mut other, TIMES),
            &mut || on_the_arbiter(&system, Runtime::JavaScript, &javascript),
            &mut || on_the_arbiter(&system, Runtime::Rust, &rust),
        ],
    );
    let names = ["eval(\"1+1\")", "add(1, 1)"].map(|what| format!("{what}{how}, {}", placement.name()));
    let figures = names.into_iter().zip([javascript, rust]).zip(most);
    let row = |((name, ours), most)| match placement {
        Placement::OneCore | Placement::TwoCores => Row::times(name, floor, ours, most),
        // The kernel may have placed the two differently.
        Placement::Free => Row::beside(name, floor, ours),
    };
    figures.map(row).collect()
}

/// In a task, as callers on an arbiter are.
fn on_the_arbiter(system: &SystemRunner, runtime: Runtime, worker: &Worker) -> Duration {
    let worker = worker.clone();
    let measure = async move { each_awaited(TIMES, async || runtime.two(&worker).await).await };
    system.block_on(async { actix_rt::spawn(measure).await }).expect("it does not panic")
}

/// The caller on a thread of its own: what is allowed on the arbiter, and no more than two wake-ups of threads.
pub(crate) fn from_another_thread(placement: Placement) -> Vec<Row> {
    placement.prepare();
    // Arbiters need one.
    let _system = System::new();
    let mut other = Other::echo(placement);
    let (far, arbiter) = on_another_arbiter(profile(Latency::Normal), placement);
    let partner = Partner::start(placement);
    placement.place_here();
    let [ping_pong, wake_ups, far] = take_turns(
        ROUNDS,
        [&mut || floor::round_trip(&mut other, TIMES), &mut || partner.two_wake_ups(TIMES), &mut || {
            each(TIMES, || block_on(Runtime::Rust.two(&far)))
        }],
    );
    arbiter.stop();
    let name = format!("add(1, 1) from another thread, {}", placement.name());
    vec![Row::within(name, ping_pong.mul_f64(1.2) + wake_ups, far, "≤ 1.2 × + 2 wake-ups")]
}

/// Each message crosses to where the arbiter is, and back to where the caller and the process are.
fn on_another_arbiter(profile: Profile, placement: Placement) -> (Worker, Arbiter) {
    let arbiter = Arbiter::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let started = arbiter.spawn_fn(move || {
        placement.place_opposite_here();
        let worker = Worker::on_this_arbiter(Runtime::Rust.spec(profile).into_worker_spec());
        sender.send(worker).expect("somebody waits for it");
    });
    assert!(started, "the arbiter runs");
    let worker = receiver.recv().expect("the arbiter starts it");
    block_on(async {
        Runtime::Rust.two(&worker).await;
        placement.place_beside(pid(&worker).await);
    });
    (worker, arbiter)
}
