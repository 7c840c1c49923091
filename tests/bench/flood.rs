//! How much memory a supervisor takes when its worker process floods it.

use std::{
    cell::Cell,
    fs,
    os::fd::OwnedFd,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_rt::System;
use oast::{EvalOptions, Evaluation, call_request, config::Latency, decode_result};
use rustix::{
    net::{SocketType, sockopt::socket_type},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};

use crate::{
    placement::Placement,
    process::resident_bytes,
    row::{Quantity, Row},
    subject::{Runtime, profile, value},
};

const FLOOD: Duration = Duration::from_secs(2);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);
/// What may come and go beside what is kept for the caller.
const SLACK: f64 = 4.0 * 1048576.0;

/// Prints for as long as it takes, and says how much.
fn flood_stdout() -> u64 {
    flood(&[b'x'; 64 << 10], |bytes| rustix::io::write(rustix::stdio::stdout(), bytes))
}

fn flood_stderr() -> u64 {
    flood(&[b'x'; 64 << 10], |bytes| rustix::io::write(rustix::stdio::stderr(), bytes))
}

/// Says on the control channel again and again that its state was dropped: a frame that is allowed at any time.
fn flood_control() -> u64 {
    // Length, version, kind 37 (`ResetDone`), reserved, length of the body, id: see the protocol in `wire.rs`.
    let mut frame = [0; 20];
    (frame[0], frame[4], frame[5]) = (16, 1, 37);
    let control = control_channel();
    flood(&frame.repeat(1000), |bytes| rustix::io::write(&control, bytes))
}

fn flood(bytes: &[u8], mut write: impl FnMut(&[u8]) -> rustix::io::Result<usize>) -> u64 {
    let began = Instant::now();
    let mut written = 0;
    while began.elapsed() < FLOOD {
        let mut left = bytes;
        while !left.is_empty() {
            left = &left[write(left).expect("the host reads")..];
        }
        written += bytes.len() as u64;
    }
    written
}

/// The first stream socket beyond standard input and output: descriptors are given in order.
fn control_channel() -> OwnedFd {
    let open = fs::read_dir("/proc/self/fd").expect("there is `/proc`").flatten();
    let mut numbers: Vec<i32> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    let me = pidfd_open(getpid(), PidfdFlags::empty()).expect("this process exists");
    let beyond = numbers.into_iter().filter(|number| *number > 2);
    let mut copies = beyond.filter_map(|number| pidfd_getfd(&me, number, PidfdGetfdFlags::empty()).ok());
    copies.find(|copy| socket_type(copy) == Ok(SocketType::STREAM)).expect("a worker process has a control channel")
}

pub(crate) fn memory(_: Placement) -> Vec<Row> {
    let system = System::new();
    let profile = profile(Latency::Normal);
    let kept = profile.limits.output.get() as f64;
    let worker = Runtime::Rust.warm(&system, &profile, Placement::Free);
    let stdout = call_request(flood_stdout, ()).expect("it can be called");
    let stderr = call_request(flood_stderr, ()).expect("it can be called");
    let control = call_request(flood_control, ()).expect("it can be called");
    let floods = [("stdout", stdout, kept), ("stderr", stderr, kept), ("the control channel", control, 0.0)];
    let rows = floods.into_iter().map(|(what, request, kept)| {
        let evaluation = worker.submit(request, EvalOptions::default());
        let (grown, written) = system.block_on(growth_during(evaluation));
        let name = format!("memory gained by {:.1} GB to {what}", written as f64 / 1e9);
        Row::at_most(name, Quantity::Bytes(grown), Quantity::Bytes(kept + SLACK))
    });
    rows.collect()
}

/// The most memory beyond what there was at the beginning, and how much was written.
async fn growth_during(evaluation: Evaluation) -> (f64, u64) {
    let before = resident_bytes();
    let most = Rc::new(Cell::new(before));
    let seen = most.clone();
    let watch = actix_rt::spawn(async move {
        loop {
            seen.set(seen.get().max(resident_bytes()));
            actix_rt::time::sleep(LOOK).await;
        }
    });
    let value = value(evaluation).await;
    watch.abort();
    let written = decode_result(value).expect("a flood says how much it was");
    ((most.get() - before) as f64, written)
}
