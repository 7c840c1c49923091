//! The promises of Oast. One binary: every file is an area, every test is named by what is promised, and each one runs
//! in a process of its own (see [`harness`]) that must be as clean at its end as it was at its beginning.
//!
//! The binary is its own worker program, and its own host program for the tests in which a host dies.

#![expect(clippy::unwrap_used, reason = "in a test, it is the assertion")]

#[macro_use]
mod harness;
mod channels;
mod command_line;
mod contract;
mod conventions;
mod crashes;
mod examples;
mod fixtures;
mod host_death;
mod hostile;
mod limits;
mod output;
mod python;
mod soak;
mod stage;
mod steps;
mod supervision;
mod templates;
mod walls;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    oast::init();
    if let Some(directory) = host_death::is_wanted() {
        return host_death::be_a_host(&directory);
    }
    let areas: [Vec<Trial>; 16] = [
        contract::tests(),
        limits::tests(),
        walls::tests(),
        steps::tests(),
        templates::tests(),
        crashes::tests(),
        output::tests(),
        hostile::tests(),
        channels::tests(),
        python::tests(),
        supervision::tests(),
        host_death::tests(),
        soak::tests(),
        command_line::tests(),
        conventions::tests(),
        examples::tests(),
    ];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), areas.into_iter().flatten().collect());
    harness::tell_skips();
    conclusion.exit_code()
}
