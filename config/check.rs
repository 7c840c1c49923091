//! What each value allows by itself, and the values together do not.

use std::time::Duration;

use crate::{Config, Limits, Portion, Profile, Restart, Sandbox, config::list, format_duration, key_path::KeyPath};

/// Values that contradict each other.
#[derive(Debug)]
pub(crate) struct Conflict {
    /// The keys that take part.
    pub(crate) keys: Vec<KeyPath>,
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

/// Everything in the configuration that contradicts something else in it.
pub(crate) fn conflicts(config: &Config) -> Vec<Conflict> {
    let mut found = Vec::new();
    if let Err(unknown) = config.profile(&config.profile) {
        let what =
            format!("bad value `{}` for `profile`: unknown profile, one of {}", unknown.name, list(&unknown.known));
        found.push(Conflict { keys: vec![KeyPath::dotted("profile")], what, hint: unknown.hint() });
    }
    registry(config, &mut Finder { section: KeyPath::default(), found: &mut found });
    for (name, profile) in &config.profiles {
        let section = KeyPath::dotted("profiles").child(name);
        let mut finder = Finder { section, found: &mut found };
        limits(&profile.limits, &mut finder);
        restart(&profile.restart, &mut finder);
        stack(config, profile, &mut finder);
        processor(&profile.sandbox, &mut finder);
    }
    found
}

/// Collects what is wrong in one section.
struct Finder<'a> {
    section: KeyPath,
    found: &'a mut Vec<Conflict>,
}

impl Finder<'_> {
    /// `keys` are below the section, and so are those that `what` names.
    fn refuse(&mut self, wrong: bool, keys: &[&str], what: String, hint: &str) {
        if !wrong {
            return;
        }
        let place = |key: &&str| key.split('.').fold(self.section.clone(), |path, name| path.child(name));
        let what = match self.section.profile() {
            Some(profile) => format!("in profile `{profile}`, {what}"),
            None => what,
        };
        self.found.push(Conflict { keys: keys.iter().map(place).collect(), what, hint: Some(hint.to_owned()) });
    }

    /// Refuses a zero where it would let nothing through.
    fn at_least_one(&mut self, zero: bool, key: &str, hint: &str) {
        self.refuse(zero, &[key], format!("`{key}` is zero"), hint);
    }
}

fn registry(config: &Config, finder: &mut Finder<'_>) {
    let registry = &config.registry;
    finder.at_least_one(registry.workers == 0, "registry.workers", "allow one at least");
    finder.at_least_one(registry.workers_per_tenant == 0, "registry.workers_per_tenant", "allow one at least");
    finder.at_least_one(registry.pool_max == 0, "registry.pool_max", "allow one at least");
    let unlimited = "for no limit, write `\"unlimited\"`";
    finder.at_least_one(registry.memory.is_some_and(|memory| memory.get() == 0), "registry.memory", unlimited);
    finder.at_least_one(registry.pressure == Some(0), "registry.pressure", unlimited);
    finder.at_least_one(registry.pool_per_tenant == Some(0), "registry.pool_per_tenant", unlimited);
    finder.at_least_one(registry.template_forks == 0, "registry.template_forks", "allow one at least");
    finder.at_least_one(registry.events == 0, "registry.events", "keep one at least");
    finder.refuse(
        registry.pool_min > registry.pool_max,
        &["registry.pool_min", "registry.pool_max"],
        format!(
            "`registry.pool_min` is {}, over `registry.pool_max`, which is {}",
            registry.pool_min, registry.pool_max
        ),
        "lower the first or raise the second",
    );
    if let Portion::Percent(percent @ 100..) = config.javascript.memory {
        let what = format!(
            "`javascript.memory` is {percent}% of the worker's limit, which ends the worker before its engine can refuse"
        );
        finder.refuse(true, &["javascript.memory"], what, "stay below `100%`");
    }
}

fn limits(limits: &Limits, finder: &mut Finder<'_>) {
    if let (Some(soft), Some(hard)) = (limits.memory_soft, limits.memory) {
        finder.refuse(
            soft > hard,
            &["limits.memory_soft", "limits.memory"],
            format!("`limits.memory_soft` is {soft}, over `limits.memory`, which is {hard}"),
            "give `limits.memory_soft` as a share that follows, such as `75%`",
        );
    }
    let unlimited = "for no limit, write `\"unlimited\"`";
    finder.at_least_one(limits.wall_time.is_some_and(|time| time.is_zero()), "limits.wall_time", unlimited);
    finder.at_least_one(limits.cpu_time.is_some_and(|time| time.is_zero()), "limits.cpu_time", unlimited);
    finder.at_least_one(limits.memory.is_some_and(|memory| memory.get() == 0), "limits.memory", unlimited);
    finder.at_least_one(limits.growth.is_some_and(|growth| growth.get() == 0), "limits.growth", unlimited);
    finder.at_least_one(limits.evaluations == Some(0), "limits.evaluations", unlimited);
    finder.at_least_one(
        limits.queue == 0,
        "limits.queue",
        "an evaluation waits there even when the worker is idle: allow one",
    );
    finder.at_least_one(
        limits.start_time.is_zero(),
        "limits.start_time",
        "a start takes a few milliseconds: try `10s`",
    );
    finder.at_least_one(limits.message.get() == 0, "limits.message", "code travels in messages: try `16MiB`");
}

fn restart(restart: &Restart, finder: &mut Finder<'_>) {
    finder.refuse(
        restart.intensity > 0 && restart.period == Duration::ZERO,
        &["restart.intensity", "restart.period"],
        format!(
            "`restart.intensity` is {}, but `restart.period` is zero, so that nothing is ever counted",
            restart.intensity
        ),
        "give a period, such as `10s`",
    );
    let (least, most) = (format_duration(restart.backoff_min), format_duration(restart.backoff_max));
    finder.refuse(
        restart.backoff_min > restart.backoff_max,
        &["restart.backoff_min", "restart.backoff_max"],
        format!("`restart.backoff_min` is {least}, over `restart.backoff_max`, which is {most}"),
        "lower the first or raise the second",
    );
}

fn processor(sandbox: &Sandbox, finder: &mut Finder<'_>) {
    let quota = "for no limit, write `\"unlimited\"`; `100` is one core";
    finder.at_least_one(sandbox.cpu_quota == Some(0), "sandbox.cpu_quota", quota);
    let share = sandbox.cpu_share;
    finder.refuse(
        !(1..=10_000).contains(&share),
        &["sandbox.cpu_share"],
        format!("`sandbox.cpu_share` is {share}, and can be 1 to 10000"),
        "`100` is what everybody has of whom nothing is said",
    );
}

fn stack(config: &Config, profile: &Profile, finder: &mut Finder<'_>) {
    let (engine, process) = (config.javascript.stack, profile.sandbox.stack);
    if engine.get() <= process.get() / 2 {
        return;
    }
    let what = format!("`sandbox.stack` is {process}, less than twice `javascript.stack`, which is {engine}");
    finder.refuse(true, &["sandbox.stack"], what, "lower `javascript.stack`, or raise `sandbox.stack`");
    // Either may be the one that was set, and one of them is outside the profile.
    if let Some(conflict) = finder.found.last_mut() {
        conflict.keys.push(KeyPath::dotted("javascript.stack"));
    }
}
