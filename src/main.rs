//! The binary `oast`. A worker process is this program too, and never gets past the first line of [`main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    oast::init();
    oast::front::cli::main()
}
