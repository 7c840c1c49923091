//! What confines a worker process, as a list that anybody can carry out.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{command_line::run_in, harness::skip, stage::Scratch, walls::needs};

pub(crate) fn tests() -> Vec<Trial> {
    promises!["steps":
        a_program_in_another_language_carries_them_out,
        who_is_trusted_is_held_to_limits_alone,
    ]
}

/// The list for a profile, in a directory.
fn steps(profile: &str, directory: &Path) -> Value {
    let ran = run_in(directory, &["doctor", "--steps", "--profile", profile, "--json"]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[expect(clippy::disallowed_methods, reason = "it is no worker process")]
fn carry_out(steps: &Value, directory: &Path) -> Value {
    let mut command = Command::new("python3");
    command.arg("carry_out.py").current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut python) = command.spawn() else { skip("there is no `python3`; Debian: `apt-get install python3`") };
    python.stdin.take().unwrap().write_all(steps.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn a_program_in_another_language_carries_them_out() {
    ["user-namespaces", "landlock", "seccomp"].into_iter().for_each(needs);
    let scratch = Scratch::new();
    let directory = scratch.directory();
    for (name, text) in [
        ("carry_out.py", include_str!("fixtures/carry_out.py")),
        ("steps.py", include_str!("../src/worker/shims/python/steps.py")),
    ] {
        std::fs::write(scratch.file(name), text).unwrap();
    }
    let found = carry_out(&steps("untrusted", directory), directory);
    assert_eq!(found["lacking"], json!([]), "{found}");
    assert_eq!(found["pid"], 1);
    assert_ne!(found["user"], 0);
    assert_eq!(found["directory"], directory.to_str().unwrap());
    assert!(!found["root"].as_array().unwrap().contains(&"home".into()), "{found}");
    for what in ["read", "write", "connect"] {
        assert!(found[what].as_str().is_some_and(|found| found.starts_with("errno")), "{what}: {found}");
    }
    assert_eq!((&found["mount"], &found["namespace"]), (&json!(-1), &json!(-1)));
    assert!(found["system"].as_u64() > Some(0) && found["scratch"] == 4, "{found}");
}

async fn who_is_trusted_is_held_to_limits_alone() {
    let steps = steps("trusted", Path::new("/"));
    let all = steps["enter"].as_array().unwrap();
    assert!(all.iter().all(|step| step["call"]["name"] == "prlimit64") && !all.is_empty(), "{steps}");
    assert_eq!((&steps["confine"], &steps["has_processes"]), (&json!([]), &json!(false)));
}
