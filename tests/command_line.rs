//! What the command line promises: what is printed where, and the exit code. Runs the binary as a shell would.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{descendants, skip};

/// All promises of the command line.
pub(crate) fn tests() -> Vec<Trial> {
    promises!["command_line":
        a_value_is_printed_and_nothing_else,
        output_keeps_to_its_streams,
        a_raised_error_ends_with_1,
        wrong_usage_ends_with_2,
        the_memory_limit_ends_with_10,
        the_time_limit_ends_with_11,
        a_killed_worker_ends_with_12,
        a_worker_that_does_not_start_ends_with_13,
        ctrl_c_ends_with_130_and_leaves_nothing,
        a_reader_that_goes_ends_it_with_141,
        a_slow_reader_loses_nothing,
        a_file_runs_with_its_arguments,
        a_file_has_run_when_its_timers_have,
        a_module_imports_what_is_beside_it,
        standard_input_is_a_file_too,
        json_is_one_object_on_each_line,
        json_tells_how_a_worker_was_lost,
        a_piped_session_keeps_its_state,
        a_piped_session_tells_that_state_was_lost,
        a_session_at_a_terminal_survives_ctrl_c,
        the_configuration_says_where_it_came_from,
        the_schema_is_json,
        the_doctor_tells_what_is_not_enforced,
        the_doctor_shows_what_is_held,
        the_log_is_filtered,
        completions_and_manual_pages_are_there,
    ]
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    stderr: String,
    code: Option<i32>,
}

fn oast(arguments: &[&str]) -> Command {
    let Some(program) = option_env!("CARGO_BIN_EXE_oast") else { skip("this build has no command line") };
    let mut command = Command::new(program);
    // Nobody's own settings.
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

#[expect(clippy::disallowed_methods, reason = "the command line is no worker process")]
fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap()
}

fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, "")
}

/// The same in another directory than this one.
pub(crate) fn run_in(directory: &Path, arguments: &[&str]) -> Ran {
    let mut command = oast(arguments);
    ended(spawn(command.current_dir(directory).stdout(Stdio::piped()).stderr(Stdio::piped())))
}

fn run_with(arguments: &[&str], input: &str) -> Ran {
    let mut command = oast(arguments);
    let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    // Commands that read nothing may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    ended(child)
}

fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}

/// A program in a folder of its own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("oast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts code that says when it runs and then does not end, and waits until it says so.
fn endless(command: &mut Command) -> (Child, BufReader<impl Read + use<>>) {
    let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "on\n");
    (child, stdout)
}

const ENDLESS: &str = "console.log('on'); for (;;);";

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Takes memory that the engine would give, so that the limit of the process is what ends it.
const BOMB: [&str; 6] = [
    "--memory",
    "64MiB",
    "--set",
    "javascript.memory=1GiB",
    "eval",
    "const all = []; for (;;) all.push(new ArrayBuffer(4096))",
];

async fn a_value_is_printed_and_nothing_else() {
    let ran = run(&["eval", "[1, 2, 3].map(x => x * x)"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("[ 1, 4, 9 ]\n", "", Some(0)));
    let nothing = run(&["eval", "undefined"]);
    assert_eq!((nothing.stdout.as_str(), nothing.code), ("", Some(0)));
}

async fn output_keeps_to_its_streams() {
    let ran = run(&["eval", "console.log('out'); console.error('err'); 7"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n7\n", "err\n"));
}

async fn a_raised_error_ends_with_1() {
    let ran = run(&["eval", "null.x"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", Some(1)));
    assert!(ran.stderr.starts_with("error: TypeError: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\u{1b}'), "colours are for terminals");
}

async fn wrong_usage_ends_with_2() {
    for arguments in [
        &["fly"][..],
        &["eval", "1", "--profile", "nobody"],
        &["eval", "1", "--runtime", "cobol"],
        &["eval", "1", "--memory", "much"],
        &["run", "/nowhere/at-all.js"],
        &["eval", "1", "--config", "/nowhere/at-all.toml"],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
    }
}

async fn the_memory_limit_ends_with_10() {
    let ran = run(&BOMB);
    assert_eq!(ran.code, Some(10), "{ran:?}");
    assert!(ran.stderr.contains("worker `eval` was stopped: memory "), "{}", ran.stderr);
    assert!(ran.stderr.contains("over its limit of 64MiB\n") && ran.stderr.contains("hint: "), "{}", ran.stderr);
}

async fn the_time_limit_ends_with_11() {
    let ran = run(&["eval", "--time", "50ms", "for (;;);"]);
    assert_eq!(ran.code, Some(11));
    assert!(ran.stderr.contains("its time limit of 50ms\nhint: "), "{}", ran.stderr);
}

async fn a_killed_worker_ends_with_12() {
    let (child, _stdout) = endless(&mut oast(&["eval", ENDLESS]));
    let all = descendants(pid(&child));
    kill_process(*all.last().unwrap(), Signal::KILL).unwrap();
    let ran = ended(child);
    assert_eq!(ran.code, Some(12));
    assert!(ran.stderr.contains("worker `eval` was killed from outside: SIGKILL"), "{}", ran.stderr);
}

async fn a_worker_that_does_not_start_ends_with_13() {
    let ran = run(&["eval", "--set", "profiles.notebook.limits.start_time=1us", "1"]);
    assert_eq!(ran.code, Some(13), "{ran:?}");
    assert!(ran.stderr.starts_with("error: worker `eval` did not start: "), "{}", ran.stderr);
}

async fn ctrl_c_ends_with_130_and_leaves_nothing() {
    let (child, _stdout) = endless(&mut oast(&["eval", ENDLESS]));
    kill_process(pid(&child), Signal::INT).unwrap();
    let ran = ended(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(130), "error: the evaluation was interrupted\n"));
}

async fn a_reader_that_goes_ends_it_with_141() {
    let (child, stdout) = endless(&mut oast(&["eval", "console.log('on'); for (;;) console.log('more')"]));
    drop(stdout);
    let ran = ended(child);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(141), ""));
}

async fn a_slow_reader_loses_nothing() {
    let code = "console.log('on'); for (let i = 0; i < 1e5; i++) console.log(i)";
    let (child, mut stdout) = endless(&mut oast(&["eval", code]));
    std::thread::sleep(Duration::from_millis(200));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().eq((0..100_000).map(|number| number.to_string())));
    assert_eq!(ended(child).code, Some(0));
}

async fn a_file_runs_with_its_arguments() {
    let folder = Folder::new("arguments");
    let file = folder.file("a.js", "console.log(oast.arguments.join()); 'not printed'");
    let ran = run(&["run", &file, "--json", "b"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("--json,b\n", Some(0)));
}

async fn a_file_has_run_when_its_timers_have() {
    let folder = Folder::new("timers");
    let file = folder.file("a.js", "setTimeout(() => console.log('later'), 30); console.log('now')");
    let ran = run(&["run", &file]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("now\nlater\n", Some(0)), "{ran:?}");
    let script = folder.file("b.js", "x = 5; with ({ y: 2 }) console.log(x + y)");
    let ran = run(&["run", "--script", &script]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("7\n", Some(0)), "{ran:?}");
}

async fn a_module_imports_what_is_beside_it() {
    let folder = Folder::new("imports");
    folder.file("part.mjs", "export const x = 5");
    let file = folder.file("main.mjs", "import { x } from './part.mjs'; console.log(await x)");
    let ran = run(&["run", &file]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("5\n", Some(0)), "{ran:?}");
}

async fn standard_input_is_a_file_too() {
    let ran = run_with(&["run", "-", "a"], "console.log(await 1, oast.arguments[0])");
    assert_eq!((ran.stdout.as_str(), ran.code), ("1 a\n", Some(0)), "{ran:?}");
}

async fn json_is_one_object_on_each_line() {
    let ran = run(&["eval", "--json", "console.log('a'); ({ big: 12n, list: [1.5, null] })"]);
    let lines = json_lines(&ran.stdout);
    assert_eq!(lines[0], serde_json::json!({ "event": "output", "stream": "stdout", "text": "a\n" }));
    assert_eq!(lines[1]["value"], serde_json::json!({ "big": { "$bigint": "12" }, "list": [1.5, null] }));
    assert_eq!((lines.len(), ran.stderr.as_str(), ran.code), (2, "", Some(0)));
}

async fn json_tells_how_a_worker_was_lost() {
    let ran = run(&[&["--json"], &BOMB[..]].concat());
    let outcome = json_lines(&ran.stdout).pop().unwrap();
    assert_eq!(outcome["ending"], serde_json::json!({ "kind": "memory_limit", "code": 10 }));
    assert_eq!(outcome["exit"]["cause"]["kind"], "memory_limit");
    assert_eq!((ran.stderr.as_str(), ran.code), ("", Some(10)));
}

async fn a_piped_session_keeps_its_state() {
    let ran = run_with(&["repl"], "let a = 41\nfunction f() {\n  return a + 1 }\nf()\nnull.x\n.reset\ntypeof a\n");
    assert_eq!((ran.stdout.as_str(), ran.code), ("42\n'undefined'\n", Some(0)), "{ran:?}");
    assert!(ran.stderr.contains("error: TypeError"), "{}", ran.stderr);
    assert_eq!(run_with(&["repl"], "1\nnull.x\n").code, Some(1), "it ends with the last code");
}

async fn a_piped_session_tells_that_state_was_lost() {
    let mut command = oast(&["repl"]);
    let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdin.write_all(b"globalThis.a = 1\n").unwrap();
    stdout.read_line(&mut line).unwrap();
    kill_process(*descendants(pid(&child)).last().unwrap(), Signal::KILL).unwrap();
    line.clear();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("killed from outside: SIGKILL (signal 9); the state of the session is gone"), "{line}");
    stdin.write_all(b"typeof a\n").unwrap();
    drop(stdin);
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), ended(child).code), ("'undefined'\n", Some(0)));
}

async fn a_session_at_a_terminal_survives_ctrl_c() {
    let Some(program) = option_env!("CARGO_BIN_EXE_oast") else { skip("this build has no command line") };
    if !std::path::Path::new("/usr/bin/script").exists() {
        skip("there is no `script` to make a terminal with");
    }
    let folder = Folder::new("history");
    let mut command = Command::new("/usr/bin/script");
    command.args(["-qec", &format!("exec {program} repl"), "/dev/null"]).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("XDG_STATE_HOME", &folder.0);
    let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut keys = child.stdin.take().unwrap();
    let mut screen = Screen { stdout: child.stdout.take().unwrap(), seen: String::new() };
    screen.wait_for("> ");
    keys.write_all(b"let a = 42; console.log('on'); for (;;);\r").unwrap();
    screen.wait_for("on\r\n");
    keys.write_all(b"\x03").unwrap();
    screen.wait_for("the evaluation was interrupted");
    screen.wait_for("> ");
    keys.write_all(b"dropped\x03").unwrap();
    screen.wait_for("> ");
    keys.write_all(b"a + 958\r").unwrap();
    screen.wait_for("1000\r\n");
    screen.wait_for("> ");
    keys.write_all(b"\x04").unwrap();
    assert_eq!(ended(child).code, Some(0));
    let history = std::fs::read_to_string(folder.0.join("oast/history")).unwrap();
    assert!(history.contains("a + 958") && !history.contains("dropped"), "{history}");
}

/// What a terminal shows.
struct Screen<R> {
    stdout: R,
    seen: String,
}

impl<R: Read> Screen<R> {
    /// Reads until `text` comes, and forgets everything up to there.
    fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let mut bytes = [0; 4096];
            let count = self.stdout.read(&mut bytes).unwrap();
            assert!(count > 0, "the terminal ended without `{text}`: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }
}

async fn the_configuration_says_where_it_came_from() {
    let ran = run(&["config", "--memory", "1GiB", "--set", "registry.workers=8"]);
    assert!(ran.stdout.contains("workers = 8 ") && ran.stdout.contains("# from --set\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("memory = \"1GiB\"") && ran.stdout.contains("# from --memory\n"), "{}", ran.stdout);
    assert_eq!(ran.code, Some(0));
}

async fn the_schema_is_json() {
    let schema: Value = serde_json::from_str(&run(&["config", "--schema"]).stdout).unwrap();
    assert!(schema["properties"]["profiles"].is_object());
}

async fn the_log_is_filtered() {
    let with = |filter: &str| {
        let mut command = oast(&["eval", "1"]);
        ended(spawn(command.env("OAST_LOG", filter).stdout(Stdio::piped()).stderr(Stdio::piped())))
    };
    let ran = with("oast_actors=debug,off");
    assert!(ran.stderr.contains("evaluation submitted") && ran.code == Some(0), "{ran:?}");
    let ran = with("oast=???");
    assert!(ran.stderr.starts_with("error: bad filter `oast=???`") && ran.code == Some(2), "{ran:?}");
}

async fn the_doctor_shows_what_is_held() {
    let report: Value = serde_json::from_str(&run(&["doctor", "--json"]).stdout).unwrap();
    let all = report["mechanisms"].as_array().unwrap();
    let missing: Vec<_> = all.iter().filter(|mechanism| mechanism["is_available"] == false).collect();
    let ended = run(&["doctor", "--attack", "--json"]);
    let attempts: Value = serde_json::from_str(&ended.stdout).unwrap();
    for attempt in attempts.as_array().unwrap() {
        assert_eq!(attempt["left_behind"], 0, "{attempt}");
        // With everything in place, everything is held.
        assert!(attempt["is_held"] == true || !missing.is_empty(), "{attempt}");
    }
    let all_held = attempts.as_array().unwrap().iter().all(|attempt| attempt["is_held"] == true);
    assert_eq!(ended.code, Some(i32::from(!all_held)));
}

async fn the_doctor_tells_what_is_not_enforced() {
    let text = run(&["doctor"]);
    assert!(text.stdout.contains("network") && text.stdout.contains("not limited"), "{}", text.stdout);
    let json: Value = serde_json::from_str(&run(&["doctor", "--json"]).stdout).unwrap();
    assert!(json["machine"]["cores"].as_u64().is_some() && json["profiles"].as_array().unwrap().len() == 3);
}

async fn completions_and_manual_pages_are_there() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).stdout.contains("low-latency"), "{shell}");
    }
    let page = run(&["man"]).stdout;
    assert!(page.starts_with(".ie") && page.contains("the time limit was reached"), "{page}");
    assert!(run(&["man", "run"]).stdout.contains("standard input"));
    assert_eq!(run(&["man", "fly"]).code, Some(2));
}
