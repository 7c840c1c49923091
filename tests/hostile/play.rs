//! What is done with each row: its program runs in a worker, beside a neighbour that trusts it with nothing and that goes
//! on; its caller is told what the row says; the worker serves again; and nothing is left, neither in the world nor for
//! whoever comes next.

use std::{fs, io::Write};

use oast::{EvalOptions, EvalResult, Value, Worker, config::Config, doctor};

use super::{Row, program::Program, surroundings::Surroundings};
use crate::{
    fixtures::{behave, hostile},
    harness::skip,
    stage::{call, done, javascript, returned, stateless, status, value, within},
};

/// How much more memory the host of a hostile program may ever have had than it had before.
const GROWTH: u64 = 64 << 20;

pub(super) async fn play(row: Row) {
    needs(row.needs);
    let neighbour = javascript(stateless());
    value(neighbour.eval("1 + 1").await);
    let around = Surroundings::new(status(&neighbour).await.pid);
    let request = row.program.prepare(&around);
    let (before, peak) = (around.look(), peak_memory());

    let worker = row.program.worker(row.profile(), &around);
    let ended = within("its end", worker.submit(request, EvalOptions::default())).await;
    tell(&row, &ended);
    assert!(row.told.is(&ended, &row.profile()), "{} is told as {ended:?}, and not as {:?}", row.does, row.told);

    assert_eq!(value(within("its neighbour", neighbour.eval("1 + 1")).await), Value::Int(2));
    assert_eq!(status(&neighbour).await.epoch, 1, "it cost its neighbour the process");
    assert_serves(&row.program, &worker).await;
    done(worker).await;
    around.assert_unreached();
    around.wait_for_nothing_new(&before).await;
    assert!(peak_memory() < peak + GROWTH, "its host grew from {peak} to {} bytes", peak_memory());
    assert_nothing_to_see(&row, &around).await;
    around.wait_for_nothing_new(&before).await;
    done(neighbour).await;
}

/// Whether this machine has one of these mechanisms, or the row is skipped.
pub(super) fn needs(names: &[&str]) {
    let report = doctor::report(&Config::default());
    let missing = |name: &&&str| report.mechanisms.iter().any(|it| it.name == **name && !it.is_available);
    if !names.is_empty() && names.iter().filter(missing).count() == names.len() {
        skip(format!("this machine has no {}, for this user", names.join(" and no ")));
    }
}

/// For whoever wants to see the whole table as it came out: each outcome becomes a line of this file.
fn tell(row: &Row, ended: &EvalResult) {
    let Some(path) = std::env::var_os("OAST_HOSTILE_OUTCOMES") else { return };
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| writeln!(file, "{}: {}", row.name(), super::told::shortly(ended))).unwrap();
}

/// The next evaluation on the same worker.
async fn assert_serves(program: &Program, worker: &Worker) {
    if matches!(program, Program::JavaScript(_)) {
        assert_eq!(value(within("its next answer", worker.eval("1 + 1")).await), Value::Int(2));
    } else {
        assert_eq!(returned::<i64>(within("its next answer", call(worker, behave::add, (1, 1))).await), 2);
    }
}

/// The next worker of the same profile finds no trace of this one.
async fn assert_nothing_to_see(row: &Row, around: &Surroundings) {
    let next = Program::Nothing.worker(row.profile(), around);
    let traces: Vec<String> = returned(call(&next, hostile::traces, (around.mark.clone(),)).await);
    assert!(traces.is_empty(), "the next one finds {traces:?}");
    done(next).await;
}

/// The most memory that this process ever had.
fn peak_memory() -> u64 {
    crate::crashes::peak_memory() << 10
}
