//! What this machine offers, and which limits are therefore enforced how. Says what this version of Oast does, not what
//! it could do: what no mechanism holds is told as not enforced.

mod attack;
mod enforcement;
mod mechanisms;
mod steps;

pub use attack::{AttackError, Attempt, attack};
use serde::Serialize;
pub use steps::{Steps, StepsError, steps};

use crate::config::{ByteSize, Config};

/// What this machine offers, and which limits are therefore enforced how.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The machine, as this process finds it.
    pub machine: Machine,
    /// What its kernel has for holding processes.
    pub mechanisms: Vec<Mechanism>,
    /// What holds the worker processes of each profile.
    pub profiles: Vec<ProfileReport>,
}

/// A machine, as this process finds it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Machine {
    /// The release of its kernel.
    pub kernel: String,
    /// The user that this process is.
    pub user: u32,
    /// How many cores this process may use.
    pub cores: usize,
    /// How much memory it has, where known.
    pub memory: Option<ByteSize>,
    /// The limits that the kernel holds this process to; worker processes cannot be given more.
    pub resource_limits: Vec<ResourceLimit>,
}

/// A limit that the kernel holds a process to. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResourceLimit {
    /// Its name, as `setrlimit(2)` has it.
    pub name: &'static str,
    /// What holds.
    pub soft: Option<u64>,
    /// What it can be raised to.
    pub hard: Option<u64>,
}

/// Something that a kernel has for holding processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mechanism {
    /// Its name.
    pub name: &'static str,
    /// Whether it is here.
    pub is_available: bool,
    /// Whether this version of Oast makes use of it.
    pub is_used: bool,
    /// What was found.
    pub found: String,
}

/// What holds the worker processes of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProfileReport {
    /// The profile.
    pub profile: String,
    /// Its limits, and what nothing limits.
    pub limits: Vec<Enforcement>,
}

/// How one limit is enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Enforcement {
    /// The key of the limit in the profile, or what could be limited.
    pub what: String,
    /// The limit, as the configuration writes it; `None` where there is no such setting.
    pub limit: Option<String>,
    /// What enforces it; `None` where nothing does.
    pub by: Option<&'static str>,
    /// What is missing, and what could be done about it.
    pub hint: Option<String>,
}

/// Looks at this machine, and says what that means for the profiles of `config`.
pub fn report(config: &Config) -> Report {
    let mechanisms = mechanisms::all();
    let profiles = config.profiles.iter().map(|(name, profile)| ProfileReport {
        profile: name.clone(),
        limits: enforcement::all(profile, config, &mechanisms),
    });
    Report { machine: mechanisms::machine(), profiles: profiles.collect(), mechanisms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_set_is_enforced_by_something_or_says_what_is_missing() {
        let report = report(&Config::default());
        assert_eq!(report.profiles.len(), 3);
        for enforcement in report.profiles.iter().flat_map(|profile| &profile.limits) {
            let is_set = enforcement.limit.as_ref().is_some_and(|limit| limit != "unlimited");
            let is_told = enforcement.by.is_some() || enforcement.hint.is_some();
            assert!(is_told || !is_set, "{enforcement:?}");
            assert!(is_set || enforcement.by.is_none(), "{enforcement:?}");
        }
    }

    #[test]
    fn what_is_withheld_from_strangers_is_not_from_others() {
        let report = report(&Config::default());
        let found = |profile: &str, what: &str| {
            let profile = report.profiles.iter().find(|found| found.profile == profile).unwrap();
            profile.limits.iter().find(|enforcement| enforcement.what == what).unwrap().clone()
        };
        for what in ["sandbox.files", "sandbox.network", "sandbox.privileges", "sandbox.system_calls"] {
            let (strange, trusted) = (found("untrusted", what), found("trusted", what));
            assert!(strange.limit.is_some() && (strange.by.is_some() || strange.hint.is_some()), "{strange:?}");
            assert!(trusted.limit.is_none() && trusted.hint.is_some(), "{trusted:?}");
        }
    }

    #[test]
    fn a_machine_has_cores_and_limits() {
        let machine = mechanisms::machine();
        assert!(machine.cores > 0 && !machine.kernel.is_empty());
        assert!(machine.resource_limits.iter().any(|limit| limit.name == "RLIMIT_NOFILE"));
    }
}
