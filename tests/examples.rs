//! Every example runs as it stands, says what it promises, and leaves nothing behind.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use libtest_mimic::Trial;

use crate::harness::{promise, skip};

/// Each example, with something that it prints.
const EXAMPLES: [(&str, &str); 8] = [
    ("first_worker", "hello, world"),
    ("survive_a_segfault", "4: parsed 4"),
    ("limits", "takes all memory: it raised InternalError: out of memory"),
    ("channels", "10² = 100"),
    ("nested", "from the outside in"),
    ("actors", "6 * 7 → 42"),
    ("custom_evaluator", "\"all work and no play\" has 5 words"),
    ("pool", "400 leases, each of a clean worker"),
];

pub(crate) fn tests() -> Vec<Trial> {
    let run = |(name, says)| promise(format!("examples::{name}"), move || async move { runs(name, says) });
    EXAMPLES.into_iter().map(run).collect()
}

#[expect(clippy::disallowed_methods, reason = "an example is no worker process")]
fn runs(name: &str, says: &str) {
    let Some(program) = program(name) else { skip(format!("example `{name}` is not built beside this test")) };
    let ran = Command::new(program).stdin(Stdio::null()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}: {stderr}", ran.status);
    assert!(stdout.contains(says), "it does not say {says:?}, but {stdout:?}");
}

/// `cargo test` builds the examples beside the tests.
fn program(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    let program = test.parent()?.parent()?.join("examples").join(name);
    program.exists().then_some(program)
}
