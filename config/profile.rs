//! A named set of limits, sandbox and restart policy.

use serde::{Deserialize, Serialize};

use crate::{Config, Limits, Restart, Sandbox};

/// Whether the evaluations of a worker build on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// They do (a notebook): after a restart, waiting callers are told that the state is lost.
    Kept,
    /// They do not (a pool of functions): after a restart, waiting evaluations go on.
    None,
}

/// What happens to a leased worker when its lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnReturn {
    /// Its process is ended; the next lease has a new one.
    Recycle,
    /// Its runtime drops all state; the process stays.
    Reset,
    /// Nothing: the next lease finds what was left.
    Keep,
}

/// How the two ends of a worker's control channel wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Whoever waits for an answer spins for as long as a wake-up takes, and blocks then.
    Normal,
    /// Both ends spin longer, as long as a core is idle.
    Low,
}

/// A named set of limits, sandbox and restart policy.
///
/// ```
/// use oast_config::{ByteSize, Profile};
///
/// let mut profile = Profile::notebook();
/// profile.limits.memory = Some(ByteSize::mib(512));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Whether evaluations build on each other.
    pub state: State,
    /// What happens to a worker when its lease ends.
    pub on_return: OnReturn,
    /// How the control channel waits.
    pub latency: Latency,
    /// What one evaluation and one worker may use.
    pub limits: Limits,
    /// What the launcher puts in place.
    pub sandbox: Sandbox,
    /// What happens after an end.
    pub restart: Restart,
}

impl Profile {
    /// Your own functions: evaluations do not build on each other, and limits only catch what went wrong.
    pub fn trusted() -> Self {
        Self::built_in("trusted")
    }

    /// Somebody at a keyboard: state is kept, an evaluation may take its time, and a lost worker comes back.
    pub fn notebook() -> Self {
        Self::built_in("notebook")
    }

    /// Code of strangers, in pools: small, short, and never handed to the next caller unclean.
    pub fn untrusted() -> Self {
        Self::built_in("untrusted")
    }

    fn built_in(name: &str) -> Self {
        Config::default().profiles.remove(name).expect("the embedded files hold this profile")
    }
}
