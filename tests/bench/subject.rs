//! The workers that are measured.

use actix_rt::SystemRunner;
use oast::{
    EvalOptions, Evaluation, Spec, Value, Worker, call_request,
    config::{Latency, Profile},
    decode_result,
};

use crate::{placement::Placement, process};

/// A function that does nothing worth mentioning.
pub(crate) fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// The runtimes that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    JavaScript,
    Rust,
}

impl Runtime {
    pub(crate) fn spec(self, profile: Profile) -> Spec {
        match self {
            Self::JavaScript => Spec::javascript("bench"),
            Self::Rust => Spec::functions("bench"),
        }
        .profile(profile)
    }

    /// One and one.
    pub(crate) fn submit(self, worker: &Worker) -> Evaluation {
        match self {
            Self::JavaScript => worker.eval("1+1"),
            Self::Rust => {
                let request = call_request(add, (1, 1)).expect("`add` can be called");
                worker.submit(request, EvalOptions::default())
            }
        }
    }

    /// One and one is two, all the way to the caller's own type.
    pub(crate) async fn two(self, worker: &Worker) {
        let value = value(self.submit(worker)).await;
        match self {
            Self::JavaScript => assert_eq!(value, Value::Int(2)),
            Self::Rust => assert_eq!(decode_result::<i64>(value).expect("`add` gives a number"), 2),
        }
    }

    /// A worker that has given its first result, with its process where it is to be.
    pub(crate) fn warm(self, system: &SystemRunner, profile: &Profile, placement: Placement) -> Worker {
        system.block_on(async {
            let worker = Worker::on_this_arbiter(self.spec(profile.clone()).into_worker_spec());
            self.two(&worker).await;
            placement.place_opposite(pid(&worker).await);
            worker
        })
    }
}

/// A profile whose limits are not in the way, and which starts a new process at once however many have ended.
pub(crate) fn profile(latency: Latency) -> Profile {
    let mut profile = Profile::notebook();
    profile.latency = latency;
    profile.limits.queue = 8192;
    profile.restart.intensity = u32::MAX;
    profile.restart.backoff_min = std::time::Duration::ZERO;
    profile.restart.backoff_max = std::time::Duration::ZERO;
    profile
}

pub(crate) async fn value(evaluation: Evaluation) -> Value {
    evaluation.await.expect("the worker process lives").result.expect("the code raises nothing")
}

/// The process of a worker that has one.
pub(crate) async fn pid(worker: &Worker) -> u32 {
    worker.status().await.expect("the supervisor lives").pid
}

/// Private memory of a worker's process and of the guard that is its parent.
pub(crate) async fn private_bytes(worker: &Worker) -> Option<(u64, u64)> {
    let pid = pid(worker).await;
    Some((process::private_bytes(pid)?, process::private_bytes(process::parent(pid)?)?))
}
