//! What others need for the same: each is asked by a small script in its own language, which says its figures as JSON.

use std::process::Command;

use serde::Deserialize;

use crate::{
    placement::Placement,
    process::output,
    row::{Quantity, Row},
};

/// One that does something of the kind.
struct Peer {
    name: &'static str,
    program: &'static str,
    script: &'static str,
    argument: &'static str,
}

const PEERS: &[Peer] = &[
    Peer::new("Python multiprocessing.Pipe", "python3", "pipe.py", ""),
    Peer::new("Python ProcessPoolExecutor", "python3", "pool.py", "concurrent.futures"),
    Peer::new("Python loky", "python3", "pool.py", "loky"),
    Peer::new("Python pebble", "python3", "pool.py", "pebble"),
    Peer::new("Node child_process IPC", "node", "ipc.js", ""),
];

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/peers");

/// What a script says; times in seconds.
#[derive(Debug, Deserialize)]
struct Figures {
    /// From the wish for a worker to its first result.
    start: f64,
    /// One call of `add(1, 1)`.
    call: f64,
    /// Calls in a second when many are outstanding.
    per_second: f64,
    /// 50 MB as a result.
    bulk: f64,
}

impl Peer {
    const fn new(name: &'static str, program: &'static str, script: &'static str, argument: &'static str) -> Self {
        Self { name, program, script, argument }
    }

    fn rows(&self) -> Vec<Row> {
        let Some(Figures { start, call, per_second, bulk }) = self.ask() else {
            let why = format!("`{} {} {}` does not run here", self.program, self.script, self.argument);
            return vec![Row::skipped(self.name, &why)];
        };
        let row = |what, quantity| Row::alone(format!("{}: {what}", self.name), quantity);
        vec![
            row("cold start", Quantity::Seconds(start)),
            row("add(1, 1)", Quantity::Seconds(call)),
            row("many outstanding", Quantity::PerSecond(per_second)),
            row("50 MB", Quantity::Seconds(bulk)),
        ]
    }

    fn ask(&self) -> Option<Figures> {
        let mut command = Command::new(self.program);
        command.arg(format!("{SCRIPTS}/{}", self.script)).arg(self.argument);
        let said = output(&mut command)?;
        serde_json::from_slice(&said.stdout).ok()
    }
}

/// All of them, wherever the kernel places them.
pub(crate) fn all(_: Placement) -> Vec<Row> {
    PEERS.iter().flat_map(Peer::rows).collect()
}
