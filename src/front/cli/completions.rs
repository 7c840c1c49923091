//! `oast completions SHELL`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{answer, arguments::Arguments, ending::Ending, failure::Failure};

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<Ending, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "oast", &mut script);
    answer(&script)
}
