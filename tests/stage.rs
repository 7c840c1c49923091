//! What tests are played with: profiles, workers, calls, and ways to wait for what is to happen.

use std::{
    fs,
    future::Future,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use oast::{
    Arguments, Callable, Cause, EvalError, EvalOptions, EvalResult, Evaluation, ExitReport, NotStarted, Outcome, Spec,
    Subscription, Transition, Value, Worker, WorkerStatus, call_request,
    config::{Profile, State},
    decode_result,
};
use rustix::process::Pid;
use serde::de::DeserializeOwned;

use crate::harness::skip;

/// How long anything that is waited for may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// State is kept, grace is short, and restarts are plenty and at once.
pub(crate) fn kept() -> Profile {
    let mut profile = Profile::notebook();
    profile.limits.grace = Duration::from_millis(200);
    profile.restart.intensity = 1000;
    profile.restart.backoff_min = Duration::ZERO;
    profile.restart.backoff_max = Duration::ZERO;
    profile
}

/// The same, without state.
pub(crate) fn stateless() -> Profile {
    Profile { state: State::None, ..kept() }
}

pub(crate) fn start(spec: Spec) -> Worker {
    Worker::on_this_arbiter(spec.into_worker_spec())
}

pub(crate) fn functions(profile: Profile) -> Worker {
    start(Spec::functions("functions").profile(profile))
}

/// Python, where it is.
pub(crate) fn python(name: &str) -> Spec {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("python3").exists()) {
        skip("there is no `python3`; Debian: `apt-get install python3`");
    }
    Spec::python(name)
}

pub(crate) fn javascript(profile: Profile) -> Worker {
    start(Spec::javascript("javascript").profile(profile))
}

pub(crate) fn call<F, A>(worker: &Worker, function: F, arguments: A) -> Evaluation
where
    F: Callable<A>,
    A: Arguments,
{
    worker.submit(call_request(function, arguments).unwrap(), EvalOptions::default())
}

/// What a function returned.
pub(crate) fn returned<R: DeserializeOwned>(ended: EvalResult) -> R {
    decode_result(value(ended)).unwrap()
}

/// The value of an evaluation that ended well.
pub(crate) fn value(ended: EvalResult) -> Value {
    outcome(ended).result.unwrap()
}

pub(crate) fn outcome(ended: EvalResult) -> Outcome {
    ended.unwrap()
}

/// The error that the code raised.
pub(crate) fn raised(ended: EvalResult) -> oast::Raised {
    outcome(ended).result.unwrap_err()
}

/// How the process ended that an evaluation was lost with.
pub(crate) fn lost(ended: EvalResult) -> Arc<ExitReport> {
    match ended {
        Err(EvalError::Lost(report)) => report,
        other => panic!("it should be lost with its process, but ended with {other:?}"),
    }
}

/// Why it was lost with its process.
pub(crate) fn cause(ended: EvalResult) -> Cause {
    lost(ended).cause.clone()
}

/// Why an evaluation never reached the code.
pub(crate) fn refusal(ended: EvalResult) -> NotStarted {
    match ended {
        Err(EvalError::NotStarted(refusal)) => refusal,
        other => panic!("it should never have reached the code, but ended with {other:?}"),
    }
}

/// Ends the worker and lets go of it.
pub(crate) async fn done(worker: Worker) {
    within("the worker to be gone", worker.kill()).await;
}

pub(crate) async fn status(worker: &Worker) -> Arc<WorkerStatus> {
    worker.status().await.unwrap()
}

/// Waits for something, and says for what when it does not come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match actix_rt::time::timeout(PATIENCE, future).await {
        Ok(it) => it,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Waits until something that sends no event is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let by = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < by, "waited {PATIENCE:?} in vain until {what}");
        actix_rt::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits for a transition.
pub(crate) async fn follow<T>(events: &mut Subscription, what: &str, wanted: impl Fn(&Transition) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.next().await.unwrap();
            if let Some(found) = event.transition.as_ref().and_then(&wanted) {
                return found;
            }
        }
    };
    within(what, search).await
}

/// Waits for the end of a worker's process.
pub(crate) async fn exit(events: &mut Subscription) -> Arc<ExitReport> {
    follow(events, "the end of the process", |transition| match transition {
        Transition::Exited(report) => Some(report.clone()),
        _ => None,
    })
    .await
}

pub(crate) async fn pause(milliseconds: u64) {
    actix_rt::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// A directory that is gone when this is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("oast-promise-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A program of that text.
    pub(crate) fn program(&self, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file("program");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Whether a process is there and is more than a zombie.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// Replaces the process of a worker until it is forked: the first is not, and a template takes its time.
pub(crate) async fn forked(worker: &Worker) -> Pid {
    for _ in 0..1000 {
        value(worker.eval("1 + 1").await);
        let pid = process(worker).await;
        if is_forked(pid) {
            return pid;
        }
        worker.restart();
    }
    panic!("its process is never forked");
}

/// The process of a worker.
pub(crate) async fn process(worker: &Worker) -> Pid {
    Pid::from_raw(status(worker).await.pid.cast_signed()).unwrap()
}

/// Whether a process was forked from a template: then it has the title of that.
pub(crate) fn is_forked(pid: Pid) -> bool {
    let title = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    // In another language, it keeps the name of the interpreter.
    title.starts_with(b"oast-template") || title.split(|byte| *byte == 0).any(|argument| argument == b"template")
}
