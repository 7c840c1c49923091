//! What a worker is made of, and where it is in its life.

use std::{fmt, sync::Arc};

use oast_config::{ByteSize, Profile};

use crate::{Evaluator, ExitReport, lifecycle::State};

/// What a worker is made of.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// Its name, unique in its registry.
    pub name: Arc<str>,
    /// On whose account it runs.
    pub tenant: Option<Arc<str>>,
    /// Its limits, sandbox and restart policy.
    pub profile: Arc<Profile>,
    /// Makes its evaluator.
    pub evaluator: EvaluatorFactory,
}

impl WorkerSpec {
    /// Whether its workers are the same as those of another but for their names.
    pub(crate) fn makes_the_same_as(&self, other: &Self) -> bool {
        self.tenant == other.tenant
            && self.profile == other.profile
            && self.evaluator.makes_the_same_as(&other.evaluator)
    }
}

/// Makes an evaluator, on the thread where it will live.
#[derive(Clone)]
pub struct EvaluatorFactory {
    make: Arc<dyn Fn() -> Box<dyn Evaluator> + Send + Sync>,
    identity: Option<Arc<str>>,
}

impl EvaluatorFactory {
    /// A factory from a function.
    pub fn new<E: Evaluator>(make: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(move || Box::new(make())), identity: None }
    }

    /// Says in a text what it makes: factories with the same text make the same evaluators. Without it, a factory is the same
    /// as its clones only.
    #[must_use]
    pub fn with_identity(self, identity: impl Into<Arc<str>>) -> Self {
        Self { identity: Some(identity.into()), ..self }
    }

    pub(crate) fn make(&self) -> Box<dyn Evaluator> {
        (self.make)()
    }

    fn makes_the_same_as(&self, other: &Self) -> bool {
        match (&self.identity, &other.identity) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => Arc::ptr_eq(&self.make, &other.make),
        }
    }
}

impl fmt::Debug for EvaluatorFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EvaluatorFactory")
    }
}

/// Where a worker is in its life, and what it uses.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// On whose account it runs.
    pub tenant: Option<Arc<str>>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Which of its processes serves, or served last; 0 before the first.
    pub epoch: u64,
    /// The id of its process; 0 when there is none.
    pub pid: u32,
    /// How many evaluations wait for the process.
    pub waiting: usize,
    /// How many evaluations the process has.
    pub running: usize,
    /// Memory of the process when it was last measured.
    pub memory: ByteSize,
    /// How its processes ended, oldest first; the last few.
    pub history: Vec<Arc<ExitReport>>,
}

impl WorkerStatus {
    /// Of a worker whose supervisor is gone.
    pub(crate) fn gone(spec: &WorkerSpec) -> Self {
        Self {
            name: spec.name.clone(),
            tenant: spec.tenant.clone(),
            phase: Phase::Stopped,
            epoch: 0,
            pid: 0,
            waiting: 0,
            running: 0,
            memory: ByteSize::default(),
            history: Vec::new(),
        }
    }
}

/// Where a worker is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It has no process, and gets one with the next evaluation.
    Dormant,
    /// Its process did not say hello yet.
    Starting,
    /// Its process has nothing to do.
    Idle,
    /// Its process has an evaluation.
    Busy,
    /// Its process was told to end.
    Stopping,
    /// It has no process until its back-off is over.
    BackingOff,
    /// It failed too often and waits for a reset.
    Broken,
    /// It was stopped.
    Stopped,
}

impl Phase {
    pub(crate) const fn of(state: &State, busy: bool) -> Self {
        match state {
            State::Dormant => Self::Dormant,
            State::BackingOff { .. } => Self::BackingOff,
            State::Broken => Self::Broken,
            State::Stopped => Self::Stopped,
            State::Starting { .. } => Self::Starting,
            State::Running(_) if busy => Self::Busy,
            State::Running(_) => Self::Idle,
            State::Stopping(_) => Self::Stopping,
        }
    }
}
