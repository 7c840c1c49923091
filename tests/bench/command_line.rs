//! The whole command, from its start to its end.

use std::{process::Command, time::Duration};

use crate::{
    placement::Placement,
    process::{output, run},
    row::Row,
    turns::{take_turns, time},
};

const ROUNDS: usize = 15;
const NAME: &str = "oast eval 1, start to exit";

pub(crate) fn eval_one(_: Placement) -> Vec<Row> {
    let said = output(oast().arg("1")).map(|output| output.stdout);
    if said.as_deref().is_none_or(|said| said.trim_ascii() != b"1") {
        return vec![Row::skipped(NAME, "`oast eval 1` does not print 1")];
    }
    if output(Command::new("node").arg("--version")).is_none() {
        return vec![Row::skipped(NAME, "there is no `node` to compare with")];
    }
    let [node, ours] = take_turns(
        ROUNDS,
        [&mut || start_to_exit(Command::new("node").args(["-e", "1"])), &mut || start_to_exit(oast().arg("1"))],
    );
    vec![Row { target: "≤ 1/6 ×".to_owned(), ..Row::times(NAME, node, ours, 1.0 / 6.0) }]
}

fn start_to_exit(command: &mut Command) -> Duration {
    time(|| run(command))
}

fn oast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oast"));
    command.arg("eval");
    command
}
