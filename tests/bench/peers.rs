//! What others need for the same: each is asked by a small program in its own language, which says its figures as JSON.

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
    written_in: Language,
    arguments: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Language {
    Rust,
    Python,
    JavaScript,
}

const PEERS: &[Peer] = &[
    Peer::new("Rust procspawn", Language::Rust, &["procspawn"]),
    Peer::new("Rust ipc-channel", Language::Rust, &["ipc-channel"]),
    Peer::new("Python multiprocessing.Pipe", Language::Python, &["pipe.py"]),
    Peer::new("Python ProcessPoolExecutor", Language::Python, &["pool.py", "concurrent.futures"]),
    Peer::new("Python loky", Language::Python, &["pool.py", "loky"]),
    Peer::new("Python pebble", Language::Python, &["pool.py", "pebble"]),
    Peer::new("Node child_process IPC", Language::JavaScript, &["ipc.js"]),
];

/// Where these programs are.
const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/peers");
/// Where those in Rust are built.
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers");

impl Language {
    /// Runs a program in this language, which is built or found here.
    fn command(self) -> Command {
        let (program, arguments): (_, &[&str]) = match self {
            Self::Rust => {
                let build = ["run", "--quiet", "--release", "--manifest-path", "rust/Cargo.toml", "--target-dir"];
                ("cargo", &[&build[..], &[TARGET, "--"]].concat())
            }
            Self::Python => ("python3", &[]),
            Self::JavaScript => ("node", &[]),
        };
        let mut command = Command::new(program);
        command.current_dir(PLACE).args(arguments);
        command
    }
}

/// What such a program says; times in seconds.
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
    const fn new(name: &'static str, written_in: Language, arguments: &'static [&'static str]) -> Self {
        Self { name, written_in, arguments }
    }

    fn rows(&self) -> Vec<Row> {
        let mut command = self.written_in.command();
        command.args(self.arguments);
        let said = output(&mut command).and_then(|said| serde_json::from_slice(&said.stdout).ok());
        let Some(Figures { start, call, per_second, bulk }) = said else {
            return vec![Row::skipped(self.name, &format!("{command:?} does not run here"))];
        };
        let row = |what, quantity| Row::alone(format!("{}: {what}", self.name), quantity);
        vec![
            row("cold start", Quantity::Seconds(start)),
            row("add(1, 1)", Quantity::Seconds(call)),
            row("many outstanding", Quantity::PerSecond(per_second)),
            row("50 MB", Quantity::Seconds(bulk)),
        ]
    }
}

/// All of them, wherever the kernel places them.
pub(crate) fn all(_: Placement) -> Vec<Row> {
    PEERS.iter().flat_map(Peer::rows).collect()
}
