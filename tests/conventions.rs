//! What the repository promises about itself: who may use whom, that documents name what exists, and that files stay
//! small and clean. Each check names every place that breaks it.

mod documents;
mod paths;
mod repository;
mod sources;
mod uses;

use libtest_mimic::{Failed, Trial};

pub(crate) use repository::{program, rust_files};

/// All checks, for the binary of integration tests.
pub(crate) fn tests() -> Vec<Trial> {
    vec![
        Trial::test("conventions::parts_use_only_what_they_may", || all_kept(uses::broken())),
        Trial::test("conventions::the_table_of_parts_has_no_cycle", || all_kept(uses::cycles())),
        Trial::test("conventions::tests_and_examples_use_only_the_facade", || all_kept(uses::past_the_facade())),
        Trial::test("conventions::documents_name_paths_that_exist", || all_kept(documents::missing_paths())),
        Trial::test("conventions::documents_name_commands_that_exist", || all_kept(documents::missing_commands())),
        Trial::test("conventions::files_say_what_they_are_for", || all_kept(sources::without_opening())),
        Trial::test("conventions::files_are_small", || all_kept(sources::too_long())),
        Trial::test("conventions::nothing_is_left_for_later", || all_kept(sources::left_for_later())),
        Trial::test("conventions::no_code_is_commented_out", || all_kept(sources::commented_out())),
        Trial::test("conventions::nothing_names_the_place_it_was_written_at", || all_kept(sources::local_places())),
    ]
}

fn all_kept(broken: Vec<String>) -> Result<(), Failed> {
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
}
