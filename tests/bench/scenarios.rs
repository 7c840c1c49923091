//! What there is to measure, and how each runs in a process of its own.

use std::process::{ExitCode, Stdio};

use crate::{
    bulk, command_line, endurance, flood, idle, latency, lifetime, peers,
    placement::Placement,
    pools,
    process::{output, this_program},
    python,
    row::Row,
    table, throughput,
};

/// Tells this program to run one scenario and to say its rows.
pub(crate) const FLAG: &str = "--scenario";

/// Something to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    run: fn(Placement) -> Vec<Row>,
    placement: Placement,
}

impl Scenario {
    const fn new(name: &'static str, run: fn(Placement) -> Vec<Row>, placement: Placement) -> Self {
        Self { name, run, placement }
    }
}

const ALL: &[Scenario] = &[
    Scenario::new("round-trip-one-core", latency::round_trip, Placement::OneCore),
    Scenario::new("round-trip-two-cores", latency::round_trip, Placement::TwoCores),
    Scenario::new("round-trip-free", latency::round_trip, Placement::Free),
    Scenario::new("low-latency-one-core", latency::low_latency, Placement::OneCore),
    Scenario::new("low-latency-two-cores", latency::low_latency, Placement::TwoCores),
    Scenario::new("low-latency-free", latency::low_latency, Placement::Free),
    Scenario::new("other-thread-one-core", latency::from_another_thread, Placement::OneCore),
    Scenario::new("other-thread-two-cores", latency::from_another_thread, Placement::TwoCores),
    Scenario::new("many-two-cores", throughput::many_outstanding, Placement::TwoCores),
    Scenario::new("many-free", throughput::many_outstanding, Placement::Free),
    Scenario::new("cold-start", lifetime::cold_start, Placement::Free),
    Scenario::new("after-a-kill", lifetime::after_a_kill, Placement::Free),
    Scenario::new("bulk-two-cores", bulk::into_fresh_memory, Placement::TwoCores),
    Scenario::new("bulk-free", bulk::into_fresh_memory, Placement::Free),
    Scenario::new("bulk-lent-two-cores", bulk::into_lent_memory, Placement::TwoCores),
    Scenario::new("bulk-lent-free", bulk::into_lent_memory, Placement::Free),
    Scenario::new("command", command_line::eval_one, Placement::Free),
    Scenario::new("idle-memory", idle::memory, Placement::Free),
    Scenario::new("idle-thousand", idle::processor_time, Placement::Free),
    Scenario::new("flood", flood::memory, Placement::Free),
    Scenario::new("lease", pools::lease, Placement::Free),
    Scenario::new("clean-worker", pools::clean_worker, Placement::Free),
    Scenario::new("leases-a-second", pools::leases, Placement::Free),
    Scenario::new("hostile-leftovers", pools::hostile_leftovers, Placement::Free),
    Scenario::new("overshoot", pools::overshoot, Placement::Free),
    Scenario::new("forked-memory", pools::memory, Placement::Free),
    Scenario::new("python", python::all, Placement::Free),
];

const LONG: &[Scenario] = &[Scenario::new("endurance", endurance::leases, Placement::Free)];

const PEERS: &[Scenario] = &[Scenario::new("peers", peers::all, Placement::Free)];

/// Those whose name has `filter` in it, and of the long ones that which it names.
pub(crate) fn chosen(filter: Option<&str>, peers: bool) -> Vec<&'static Scenario> {
    let matches = |scenario: &&Scenario| filter.is_none_or(|filter| scenario.name.contains(filter));
    let ours = ALL.iter().filter(matches);
    let long = LONG.iter().filter(|scenario| filter == Some(scenario.name));
    ours.chain(long).chain(PEERS.iter().filter(|_| peers)).collect()
}

pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().chain(LONG).map(|scenario| scenario.name).collect()
}

/// Runs one in this process, and says its rows to the process that asks.
pub(crate) fn run_here(name: &str) -> ExitCode {
    let Some(scenario) = ALL.iter().chain(LONG).chain(PEERS).find(|scenario| scenario.name == name) else {
        return ExitCode::FAILURE;
    };
    let rows = (scenario.run)(scenario.placement);
    table::say(&serde_json::to_string(&rows).expect("rows are plain data"));
    ExitCode::SUCCESS
}

/// Runs one in a process of its own.
pub(crate) fn run_in_a_process(scenario: &Scenario) -> Result<Vec<Row>, String> {
    let mut command = this_program(FLAG, scenario.name);
    let output = output(command.stderr(Stdio::inherit())).ok_or("it cannot be started")?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
