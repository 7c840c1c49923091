//! `oast run FILE [ARGS...]`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    arguments::{Global, Run},
    ending::Ending,
    eval::once,
    failure::Failure,
};
use crate::{Code, Job, Request};

/// Runs a file.
pub(super) fn run(global: &Global, Run { script, file_and_arguments }: Run) -> Result<Ending, Failure> {
    let mut arguments = file_and_arguments;
    let file = PathBuf::from(arguments.remove(0));
    let source = read(&file)?;
    // A module has ended when its timers have. A script ends with its last statement, as a cell does.
    let code = Code { source, name: name(&file), module: !script, arguments };
    once("run", global, Request { job: Job::Code(code), fetch: false }, true)
}

fn read(file: &Path) -> Result<String, Failure> {
    let read = if is_stdin(file) { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    read.map_err(|error| Failure::usage(format!("cannot read `{}`: {error}", file.display())))
}

/// The name that errors give the code. It is a whole path, for imports are found beside it.
fn name(file: &Path) -> String {
    if is_stdin(file) {
        return "<stdin>".to_owned();
    }
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).to_string_lossy().into_owned()
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_whole_path() {
        assert_eq!(name(Path::new("/a/b.mjs")), "/a/b.mjs");
        assert!(name(Path::new("b.js")).starts_with('/'));
        assert_eq!(name(Path::new("-")), "<stdin>");
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage() {
        let failure = read(Path::new("/nowhere/at-all.js")).unwrap_err();
        assert_eq!(failure.ending, Ending::Usage);
        assert!(failure.what.starts_with("cannot read `/nowhere/at-all.js`: "), "{}", failure.what);
    }
}
