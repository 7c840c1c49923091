//! Runs each promise in a process of its own: this very binary, started anew for one test. So tests run side by side,
//! one that hangs is killed with everything that it started, and whatever a test leaves behind is its own.
//!
//! Read [`leftovers`] for what is looked for after every test.

mod leftovers;

use std::{
    any::Any,
    future::Future,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use libtest_mimic::{Completion, Failed, Trial};

pub(crate) use leftovers::{bury_the_adopted, descendants, describe, open_descriptors};

/// How long a test may take where it does not say otherwise.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long the process of a test may live beyond that, when it blocks and cannot even tell that it hangs.
const BEYOND: Duration = Duration::from_secs(5);
/// Tells the process of a test what it is.
const APART: &str = "OAST_PROMISE";
/// The exit code of a test that was skipped. Its reason is the last line on standard error.
const SKIPPED: i32 = 77;

/// The tests of an area, named as their functions.
macro_rules! promises {
    ($area:literal: $($name:ident),* $(,)?) => {
        vec![$($crate::harness::promise(concat!($area, "::", stringify!($name)), $name)),*]
    };
}

/// A test that keeps to the usual deadline.
pub(crate) fn promise<F>(name: impl Into<String>, body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    promise_within(DEADLINE, name, body)
}

/// A test with a deadline of its own.
pub(crate) fn promise_within<F>(
    deadline: Duration,
    name: impl Into<String>,
    body: impl FnOnce() -> F + Send + 'static,
) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let name = name.into();
    Trial::ignorable_test(name.clone(), move || {
        if std::env::var_os(APART).is_some() { Ok(run_here(deadline, body)) } else { run_apart(&name, deadline) }
    })
}

/// A test that makes no sense, and why. It is listed, not hidden.
pub(crate) fn does_not_apply(name: impl Into<String>, why: &'static str) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("does not apply: {why}"))))
}

/// Ends this test without a verdict, because this machine cannot show what it promises.
pub(crate) fn skip(reason: impl Into<String>) -> ! {
    panic_any(Skip(reason.into()))
}

struct Skip(String);

static SKIPS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Says again, at the end, what was skipped: among hundreds of lines nobody sees it.
#[expect(clippy::print_stderr, reason = "the one way to tell whoever runs the tests")]
pub(crate) fn tell_skips() {
    let skips = SKIPS.lock().unwrap_or_else(PoisonError::into_inner);
    if skips.is_empty() {
        return;
    }
    eprintln!("SKIPPED {} promises, which nobody has checked on this machine:", skips.len());
    skips.iter().for_each(|skip| eprintln!("    {skip}"));
}

/// Runs one test in this process, which was started for it.
#[expect(clippy::print_stderr, clippy::exit, reason = "this process speaks to the one that started it")]
fn run_here<F: Future<Output = ()> + 'static>(deadline: Duration, body: impl FnOnce() -> F) -> Completion {
    leftovers::adopt_orphans();
    let run = AssertUnwindSafe(|| {
        actix_rt::System::new().block_on(async {
            let before = leftovers::look();
            let ended = actix_rt::time::timeout(deadline, body()).await;
            assert!(ended.is_ok(), "it hangs: no end within {deadline:?}");
            leftovers::wait_for_none(&before).await;
        });
    });
    match catch_unwind(run) {
        Ok(()) => Completion::Completed,
        Err(payload) => {
            let (code, text) = verdict(payload);
            eprintln!("{text}");
            std::process::exit(code);
        }
    }
}

fn verdict(payload: Box<dyn Any + Send>) -> (i32, String) {
    match payload.downcast::<Skip>() {
        Ok(skip) => (SKIPPED, skip.0),
        // The panic has told already what is wrong.
        Err(_panic) => (1, String::new()),
    }
}

/// Runs one test in a process of its own, and believes what it finds there.
#[expect(clippy::disallowed_methods, reason = "tests are no worker processes")]
fn run_apart(name: &str, deadline: Duration) -> Result<Completion, Failed> {
    let since = Instant::now();
    let child = Command::new("/proc/self/exe")
        .args([name, "--exact", "--test-threads=1"])
        .env(APART, name)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let ended = wait(child, deadline + BEYOND)?;
    match ended.status.code() {
        Some(0) => Ok(Completion::Completed),
        Some(SKIPPED) => {
            let reason = ended.stderr.lines().last().unwrap_or_default().to_owned();
            SKIPS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {reason}"));
            Ok(Completion::ignored_with(format!("SKIPPED: {reason}")))
        }
        _ => Err(format!("{} after {:?}\n{}", ended.status, since.elapsed(), ended.stderr).into()),
    }
}

struct Ended {
    status: ExitStatus,
    stderr: String,
}

/// Waits for the process of a test, and kills it when it takes too long: its workers go with it.
fn wait(mut child: Child, deadline: Duration) -> std::io::Result<Ended> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let drain = std::thread::spawn(move || stdout.as_mut().map(|it| it.read_to_end(&mut Vec::new())));
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.as_mut().map(|it| it.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let until = Instant::now() + deadline;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() >= until => {
                child.kill()?;
                break child.wait()?;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    drop(drain.join());
    Ok(Ended { status, stderr: errors.join().unwrap_or_default() })
}
