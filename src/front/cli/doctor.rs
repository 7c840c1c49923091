//! `oast doctor`.

use serde::Serialize;

use super::{
    answer,
    arguments::{Doctor, Global},
    ending::Ending,
    failure::Failure,
    settings,
    style::Style,
};
use crate::doctor::{Attempt, Enforcement, Machine, Mechanism, Report, ResourceLimit, attack, report, steps};

/// Tells what this machine offers, and what is therefore enforced how; or what it holds when it is put to the test.
pub(super) fn doctor(global: &Global, what: &Doctor) -> Result<Ending, Failure> {
    let config = settings::load(global)?.config().clone();
    if what.steps {
        let found = steps(config.profile(&config.profile)?);
        let found = found.map_err(|error| Failure::new(Ending::Refused, error.to_string()))?;
        return tell(global, &found, |steps, _| steps.to_string());
    }
    if !what.attack {
        return tell(global, &report(&config), render);
    }
    let attempts = attack(config).map_err(|error| Failure::new(Ending::Refused, error.to_string()))?;
    tell(global, &attempts, |attempts, style| attempts.iter().map(|attempt| attempted(attempt, style)).collect())?;
    let all_held = attempts.iter().all(|attempt| attempt.is_held && attempt.left_behind == 0);
    Ok(if all_held { Ending::Done } else { Ending::Raised })
}

fn tell<T: Serialize>(global: &Global, what: &T, render: impl Fn(&T, Style) -> String) -> Result<Ending, Failure> {
    let text = if global.json {
        let json = serde_json::to_string_pretty(what);
        json.map_err(|error| Failure::new(Ending::Internal, error.to_string()))? + "\n"
    } else {
        render(what, Style::for_stdout(global.color))
    };
    answer(text.as_bytes())
}

fn attempted(attempt: &Attempt, style: Style) -> String {
    let Attempt { what, told, is_held, left_behind, .. } = attempt;
    let verdict = if *is_held { "held".to_owned() } else { style.bold("NOT HELD") };
    let left = match left_behind {
        0 => String::new(),
        count => format!("; {count} processes are left"),
    };
    format!("  {what:<44} {verdict:<9} {told}{left}\n")
}

fn render(report: &Report, style: Style) -> String {
    let mut text = format!("{}\n", style.bold("This machine"));
    text.push_str(&machine(&report.machine));
    text.push_str(&format!("\n{}\n", style.bold("What its kernel offers")));
    report.mechanisms.iter().for_each(|found| text.push_str(&mechanism(found)));
    for profile in &report.profiles {
        text.push_str(&format!("\n{}\n", style.bold(&format!("How profile `{}` is enforced", profile.profile))));
        profile.limits.iter().for_each(|limit| text.push_str(&enforcement(limit, style)));
    }
    text
}

fn machine(machine: &Machine) -> String {
    let memory = machine.memory.map_or_else(|| "unknown".to_owned(), |memory| format!("{memory:#}"));
    let Machine { kernel, user, cores, .. } = machine;
    let mut text = format!("  kernel {kernel}, user {user}, {cores} cores, memory {memory}\n");
    for ResourceLimit { name, soft, hard, .. } in &machine.resource_limits {
        let shown = |limit: &Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        text.push_str(&format!("  {name:<14} {} (at most {})\n", shown(soft), shown(hard)));
    }
    text
}

fn mechanism(mechanism: &Mechanism) -> String {
    let Mechanism { name, found, .. } = mechanism;
    let state = match (mechanism.is_available, mechanism.is_used) {
        (true, true) => "in use",
        (true, false) => "here, not used yet",
        (false, _) => "missing",
    };
    format!("  {name:<16} {state:<19} {found}\n")
}

fn enforcement(enforcement: &Enforcement, style: Style) -> String {
    let limit = enforcement.limit.as_deref().unwrap_or("not limited");
    let by = enforcement.by.map_or_else(String::new, |by| format!("  {by}"));
    let line = format!("  {:<20} {limit:<13}{by}", enforcement.what);
    let hint = enforcement.hint.as_ref().map(|hint| format!("    {} {hint}\n", style.hint("hint:")));
    format!("{}\n{}", line.trim_end(), hint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn people_are_told_what_enforces_what() {
        let text = render(&report(&Config::default()), Style::Plain);
        for line in ["  limits.wall_time     10m            a timer", "  sandbox.files        not limited\n    hint: "]
        {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
