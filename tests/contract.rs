//! What every worker does, whatever runs its code and wherever: each scenario is played over each evaluator and each
//! runtime. Where one makes no sense, it is listed with the reason.

mod errors;
mod evaluate;
mod interrupts;
mod life;
mod place;

use std::{future::Future, pin::Pin};

use libtest_mimic::Trial;

pub(crate) use place::Place;
use place::{Evaluator, Runtime};

use crate::harness::{does_not_apply, promise};

/// One scenario.
struct Scenario {
    name: &'static str,
    play: fn(Place) -> Pin<Box<dyn Future<Output = ()>>>,
    /// Where it makes no sense, and why.
    not: &'static [Exception],
}

type Exception = (fn(Place) -> bool, &'static str);

macro_rules! scenario {
    ($name:path $(, not $place:expr, $why:literal)*) => {
        Scenario { name: stringify!($name), play: |place| Box::pin($name(place)), not: &[$(($place, $why)),*] }
    };
}

const RUST: fn(Place) -> bool = |place| place.runtime == Runtime::Rust;
const SOURCE: fn(Place) -> bool = |place| !RUST(place);
const LOCAL: fn(Place) -> bool = |place| place.evaluator == Evaluator::Local;
const LOCAL_RUST: fn(Place) -> bool = |place| LOCAL(place) && RUST(place);

const SCENARIOS: &[Scenario] = &[
    scenario!(life::a_worker_runs_until_it_is_stopped),
    scenario!(life::the_count_of_workers_goes_to_one_and_back_to_none),
    scenario!(life::a_pending_call_of_ten_seconds_ends_with_an_error_at_stop),
    scenario!(life::a_stopped_worker_refuses),
    scenario!(life::draining_lets_what_was_submitted_end),
    scenario!(life::bad_settings_fail_at_once, not LOCAL, "there is no program to start"),
    scenario!(evaluate::one_and_one_is_two),
    scenario!(evaluate::nothing_is_null),
    scenario!(evaluate::the_wait_form_brings_no_value),
    scenario!(evaluate::what_is_defined_can_be_used_later, not RUST, "a function defines nothing"),
    scenario!(evaluate::globals_persist),
    scenario!(evaluate::an_evaluation_returns_at_once_and_has_its_effect_later),
    scenario!(evaluate::a_tell_returns_at_once_and_has_its_effect_later, not RUST, "`tell` takes source text"),
    scenario!(evaluate::one_that_waits_does_not_hold_up_others, not RUST, "functions run one after another"),
    scenario!(evaluate::many_evaluations_end_in_order),
    scenario!(evaluate::prints_come_told_apart,
        not LOCAL_RUST, "a function on a thread of the host prints where the host prints"),
    scenario!(evaluate::a_runtime_says_what_it_cannot_do),
    scenario!(errors::a_raised_error_has_kind_message_and_traceback),
    scenario!(errors::a_tell_that_fails_is_silent, not RUST, "`tell` takes source text"),
    scenario!(errors::a_value_unknown_to_the_host_leaves_the_worker_usable),
    scenario!(errors::an_unknown_error_type_keeps_its_text, not RUST, "a panic has no type"),
    scenario!(errors::an_error_can_be_a_value),
    scenario!(errors::what_cannot_be_sent_is_a_clear_error, not SOURCE, "source text can always be sent"),
    scenario!(interrupts::an_allocating_loop_ends),
    scenario!(interrupts::a_sleep_ends_and_so_does_the_next),
    scenario!(interrupts::a_tight_numeric_loop_ends),
    scenario!(interrupts::an_endless_loop_ends),
    scenario!(interrupts::a_loop_that_catches_everything_ends, not RUST, "a function ends by its own will, or not at all"),
    scenario!(interrupts::an_interrupt_while_idle_does_nothing),
    scenario!(interrupts::a_late_interrupt_does_nothing),
    scenario!(interrupts::an_interrupt_ends_its_own_evaluation_alone),
    scenario!(interrupts::one_that_waits_is_cancelled_and_never_runs),
    scenario!(interrupts::one_that_waits_in_the_process_is_cancelled_and_never_runs),
    scenario!(life::workers_nest_three_deep, not SOURCE, "source text starts no workers"),
];

/// What Malt tests and Oast has no words for.
const ELSEWHERE: &[(&str, &str)] = &[
    ("a_channel_of_a_non_channel", "channels are opened by name, not by evaluating an expression"),
    ("a_channel_of_a_throwing_expression", "channels are opened by name, not by evaluating an expression"),
];

pub(crate) fn tests() -> Vec<Trial> {
    let everywhere = SCENARIOS.iter().flat_map(|scenario| Place::ALL.map(|place| trial(scenario, place)));
    let elsewhere = ELSEWHERE.iter().map(|(name, why)| does_not_apply(format!("contract::{name}"), why));
    everywhere.chain(elsewhere).collect()
}

fn trial(scenario: &'static Scenario, place: Place) -> Trial {
    let name = format!("contract::{place}::{}", scenario.name);
    match scenario.not.iter().find(|(not, _)| not(place)) {
        Some((_, why)) => does_not_apply(name, why),
        None => promise(name, move || (scenario.play)(place)),
    }
}
