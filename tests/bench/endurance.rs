//! Whether anything piles up over a hundred thousand leases. It takes minutes, so it is run only when it is named.

use std::fs;

use actix_rt::System;
use oast::Spec;

use crate::{
    placement::Placement,
    pools::{SPARES, TOGETHER, lease_many, pool, strangers},
    process::{open_descriptors, resident_bytes},
    row::{Quantity, Row},
};

const LEASES: usize = 100_000;
/// The first of them warm up what is kept for good.
const WARM: usize = LEASES / 20;
/// What was kept may move by this: some are under way at each look.
const SLACK: f64 = 16.0;
const MEMORY: f64 = 1048576.0;

/// What could pile up: here, and in the kernel.
struct Pile {
    memory: f64,
    descriptors: f64,
    groups: f64,
    mounts: f64,
    processes: f64,
}

impl Pile {
    fn now() -> Self {
        Self {
            memory: resident_bytes() as f64,
            descriptors: open_descriptors() as f64,
            groups: groups() as f64,
            mounts: lines("/proc/self/mountinfo") as f64,
            processes: processes() as f64,
        }
    }
}

pub(crate) fn leases(_: Placement) -> Vec<Row> {
    let system = System::new();
    let [warm, half, end] = system.block_on(async {
        let oast = pool(Spec::javascript("pool").profile(strangers()), SPARES, SPARES + TOGETHER).await;
        lease_many(&oast, WARM).await;
        let warm = Pile::now();
        lease_many(&oast, LEASES / 2 - WARM).await;
        let half = Pile::now();
        lease_many(&oast, LEASES / 2).await;
        let end = Pile::now();
        oast.shutdown().await;
        [warm, half, end]
    });
    let gained = |what: &str, of: fn(&Pile) -> f64| {
        Row::at_most(format!("  {what} gained"), Quantity::Count(of(&end) - of(&warm)), Quantity::Count(SLACK))
    };
    vec![
        Row::at_most(
            format!("memory gained by the host in the second half of {LEASES} untrusted leases"),
            Quantity::Bytes(end.memory - half.memory),
            Quantity::Bytes(MEMORY),
        ),
        Row::alone("  in the first half", Quantity::Bytes(half.memory - warm.memory)),
        gained("descriptors", |pile| pile.descriptors),
        gained("control groups", |pile| pile.groups),
        gained("mounts", |pile| pile.mounts),
        gained("processes of this machine", |pile| pile.processes),
    ]
}

/// The control groups of this machine, over all hierarchies (`/proc/cgroups`).
fn groups() -> usize {
    let text = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<usize>().ok()).sum()
}

fn processes() -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit())).count()
}

fn lines(path: &str) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}
