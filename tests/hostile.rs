//! Programs of strangers, hostile or merely faulty, one a row: what each does, under which limits, what its caller is told,
//! and that nothing is left of it. The numbers are those of a list of what pools of workers must survive; each has its row,
//! and a check sees to that.
//!
//! Read [`memory`] to see how a row looks, and [`play`] for what is done with each. [`crowd`] has them come all at once.

mod crowd;
mod faults;
mod files;
mod memory;
mod play;
mod processes;
mod program;
mod protocol;
mod surroundings;
mod time;
mod told;

use std::{collections::BTreeSet, time::Duration};

use libtest_mimic::{Failed, Trial};
use oast::config::{ByteSize, Profile};

use self::{
    program::Program,
    told::{Told, Told::Through},
};
use crate::{
    conventions::rust_files,
    harness::{does_not_apply, promise},
};

/// What one program does, and what comes of it.
struct Row {
    /// Its number in the list; [`FAULT`] for what befalls Oast itself.
    number: u32,
    does: &'static str,
    program: Program,
    /// What is changed in the profile `untrusted`: mostly the limit that it runs into, so that it does soon.
    under: fn(&mut Profile),
    /// One of these must be here, by the names that `oast doctor` shows. Without it, this machine cannot show the row.
    needs: &'static [&'static str],
    told: Told,
}

const fn row(number: u32, does: &'static str, program: Program, told: Told) -> Row {
    Row { number, does, program, under: |_| {}, needs: &[], told }
}

/// The number of what has none.
const FAULT: u32 = 0;

/// How long a worker process may take to start, in a crowd and on a busy machine.
const START: Duration = Duration::from_secs(20);

/// The last number of the list.
const LAST: u32 = 68;

/// The row is not played, for others promise the same already: these tests, by their names.
const fn promised_by(number: u32, does: &'static str, tests: &'static [&'static str]) -> Row {
    row(number, does, Program::PromisedBy(tests), Through)
}

/// No program can show the row.
const fn not_played(number: u32, does: &'static str, why: &'static str) -> Row {
    row(number, does, Program::NotPlayed(why), Through)
}

fn wall_time(profile: &mut Profile) {
    profile.limits.wall_time = Some(Duration::from_millis(300));
}

fn cpu_time(profile: &mut Profile) {
    profile.limits.cpu_time = Some(Duration::from_millis(300));
}

impl Row {
    fn under(self, under: fn(&mut Profile)) -> Self {
        Self { under, ..self }
    }

    fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    fn name(&self) -> String {
        let number = if self.number == FAULT { "fault".to_owned() } else { format!("{:02}", self.number) };
        format!("hostile::{number}_{}", self.does.replace(' ', "_"))
    }

    fn profile(&self) -> Profile {
        let mut profile = untrusted();
        (self.under)(&mut profile);
        profile
    }

    fn trial(self) -> Trial {
        match self.program {
            Program::NotPlayed(why) => does_not_apply(self.name(), why),
            Program::PromisedBy(tests) => Trial::test(self.name(), move || exist(tests)),
            Program::Check(check) => Trial::test(self.name(), check),
            Program::Scene(scene) => promise(self.name(), scene),
            _ => promise(self.name(), move || play::play(self)),
        }
    }
}

/// `untrusted`, with little memory and little patience, and as many restarts as it takes.
fn untrusted() -> Profile {
    let mut profile = Profile::untrusted();
    profile.limits.memory = Some(ByteSize::mib(48));
    profile.limits.wall_time = Some(Duration::from_secs(6));
    profile.limits.grace = Duration::from_millis(100);
    // Where many start, they wait for each other at the kernel's locks of control groups.
    profile.limits.start_time = START;
    profile.restart.intensity = u32::MAX;
    profile.restart.backoff_min = Duration::ZERO;
    profile.restart.backoff_max = Duration::ZERO;
    profile
}

fn rows() -> Vec<Row> {
    [memory::rows(), time::rows(), processes::rows(), protocol::rows(), files::rows(), faults::rows()]
        .into_iter()
        .flatten()
        .collect()
}

pub(crate) fn tests() -> Vec<Trial> {
    let mut trials: Vec<_> = rows().into_iter().map(Row::trial).collect();
    trials.extend(crowd::tests());
    trials.push(Trial::test("hostile::each_number_has_its_row", each_number_has_its_row));
    trials
}

fn each_number_has_its_row() -> Result<(), Failed> {
    let numbers: BTreeSet<u32> = rows().iter().map(|row| row.number).collect();
    let missing: Vec<_> = (1..=LAST).filter(|number| !numbers.contains(number)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no row has the numbers {missing:?}").into()) }
}

/// The tests that promise what a row says: `crashes::an_abort_is_told_as_its_signal` is a function `an_abort_is_told_as_its_signal`
/// in a file or folder `crashes`.
fn exist(tests: &[&str]) -> Result<(), Failed> {
    let files = rust_files(&["tests", "src", "actors", "config"]);
    let is_there = |test: &str| {
        let (area, name) = test.rsplit_once("::").unwrap_or(("", test));
        let places = [format!("/{}.rs", area.replace("::", "/")), format!("/{area}/")];
        let function = format!("fn {name}(");
        let of_area = |path: &str| places.iter().any(|place| format!("/{path}").contains(place));
        files.iter().any(|file| of_area(&file.path) && file.text.contains(&function))
    };
    let missing: Vec<_> = tests.iter().filter(|test| !is_there(test)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("there are no tests {missing:?}").into()) }
}
