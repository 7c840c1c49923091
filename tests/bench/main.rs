//! Measures what Oast must reach, each figure beside a floor that is measured in the same run: absolute figures move from
//! machine to machine, the ratio says how much of the way is ours.
//!
//! ```text
//! cargo bench                        everything, in less than three minutes
//! cargo bench -- round-trip          the rows of the scenarios whose name has `round-trip` in it
//! cargo bench -- --json rows.json    the same rows, for a program
//! cargo bench -- --peers             what others need for the same
//! cargo bench -- endurance           a hundred thousand leases, which take minutes, and only when they are named
//! ```
//!
//! Each scenario runs in a process of its own (this program, started anew): it finds its memory, its threads and the cores
//! it may use as no scenario before has left them. Read [`scenarios`] for what there is, [`turns`] for how is measured.

mod block_on;
mod bulk;
mod cell;
mod child;
mod command_line;
mod endurance;
mod flood;
mod floor;
mod idle;
mod latency;
mod lifetime;
mod peers;
mod placement;
mod pools;
mod process;
mod python;
mod row;
mod scenarios;
mod subject;
mod table;
mod throughput;
mod turns;

use std::process::ExitCode;

use row::Row;

/// What this process is to do.
enum Task {
    /// Be the other process of a floor.
    Floor(String),
    /// Run one scenario and print its rows for the process that started this one.
    Scenario(String),
    /// Run them all, or some.
    Run(Options),
}

/// What is asked for on the command line.
#[derive(Default)]
struct Options {
    filter: Option<String>,
    json: Option<String>,
    peers: bool,
}

fn main() -> ExitCode {
    oast::init();
    match task(std::env::args().skip(1)) {
        Ok(Task::Floor(role)) => child::serve(&role),
        Ok(Task::Scenario(name)) => scenarios::run_here(&name),
        Ok(Task::Run(options)) => run(&options),
        Err(problem) => {
            table::say(&format!("error: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn task(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
        match argument.as_str() {
            child::FLAG => return value().map(Task::Floor),
            scenarios::FLAG => return value().map(Task::Scenario),
            "--json" => options.json = Some(value()?),
            "--peers" => options.peers = true,
            // Cargo says that it runs benches.
            "--bench" => {}
            flag if flag.starts_with('-') => return Err(format!("there is no flag `{flag}`")),
            name => options.filter = Some(name.to_owned()),
        }
    }
    Ok(Task::Run(options))
}

fn run(options: &Options) -> ExitCode {
    let chosen = scenarios::chosen(options.filter.as_deref(), options.peers);
    if chosen.is_empty() {
        table::say(&format!("error: there is no such scenario; there are {}", scenarios::names().join(", ")));
        return ExitCode::FAILURE;
    }
    table::head();
    let mut failed = Vec::new();
    let mut all = Vec::new();
    for scenario in chosen {
        match scenarios::run_in_a_process(scenario) {
            Ok(rows) => {
                rows.iter().for_each(table::print);
                all.extend(rows);
            }
            Err(problem) => failed.push(format!("{}: {problem}", scenario.name)),
        }
    }
    table::foot(&all, &failed);
    let written = options.json.as_deref().map_or(Ok(()), |path| write_json(path, &all));
    if let Err(problem) = &written {
        table::say(&format!("error: {problem}"));
    }
    if failed.is_empty() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write_json(path: &str, rows: &[Row]) -> Result<(), String> {
    let text = serde_json::to_string_pretty(rows).map_err(|error| error.to_string())?;
    std::fs::write(path, text).map_err(|error| format!("cannot write `{path}`: {error}"))
}
