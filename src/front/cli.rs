//! The command line: `oast eval`, `oast run`, `oast repl` and the commands that tell about Oast itself, one file for
//! each. What people may write is in [`arguments`], how a command ends in [`ending`], and how one evaluation is followed
//! (its output, Ctrl-C, the progress line) in [`follow`].

mod arguments;
mod completions;
mod config;
mod doctor;
mod encode;
mod ending;
mod eval;
mod failure;
mod follow;
mod json;
mod logging;
mod man;
mod output;
mod progress;
mod repl;
mod run;
mod session;
mod settings;
mod signals;
mod style;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use self::{
    arguments::{Arguments, Command},
    ending::Ending,
    failure::Failure,
    style::Style,
};

/// Runs the command line of this process. Call [`init`](crate::init) first.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, on standard output; where nobody reads, there is nobody to tell.
            drop(error.print());
            return if error.use_stderr() { Ending::Usage } else { Ending::Done }.into();
        }
    };
    let style = Style::for_stderr(arguments.global.color);
    let ending = dispatch(arguments).unwrap_or_else(|failure| {
        // Where standard error is closed, the exit code is all that can be told.
        drop(io::stderr().write_all(failure.render(style).as_bytes()));
        failure.ending
    });
    ending.into()
}

fn dispatch(arguments: Arguments) -> Result<Ending, Failure> {
    let global = &arguments.global;
    match arguments.command {
        Command::Eval(eval) => eval::eval(global, eval),
        Command::Run(run) => run::run(global, run),
        Command::Repl => repl::repl(global),
        Command::Config(what) => config::config(global, what),
        Command::Doctor(what) => doctor::doctor(global, &what),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { command } => man::man(command.as_deref()),
    }
}

/// Writes the answer of a command that evaluates nothing.
fn answer(text: &[u8]) -> Result<Ending, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Ending::Done),
        Err(error) => Err(Failure::output(&error)),
    }
}
