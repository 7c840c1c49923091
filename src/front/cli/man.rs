//! `oast man [COMMAND]`.

use clap::CommandFactory;
use clap_mangen::Man;

use super::{answer, arguments::Arguments, ending::Ending, failure::Failure};

/// Prints the manual page of `oast`, or of one of its commands.
pub(super) fn man(command: Option<&str>) -> Result<Ending, Failure> {
    answer(&page(command)?)
}

fn page(command: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut whole = Arguments::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            let unknown = || Failure::usage(format!("there is no command `{name}`")).hint("`oast help` lists them");
            found.ok_or_else(unknown)?
        }
    };
    let mut roff = Vec::new();
    Man::new(page).render(&mut roff).map_err(|error| Failure::output(&error))?;
    Ok(roff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_documents_the_exit_codes() {
        let page = String::from_utf8(page(None).unwrap()).unwrap();
        assert!(page.contains("130") && page.contains("the memory limit was reached"), "{page}");
    }

    #[test]
    fn every_command_has_a_page() {
        let page = String::from_utf8(page(Some("run")).unwrap()).unwrap();
        assert!(page.contains("oast\\-run") && page.contains("standard input"), "{page}");
        assert_eq!(super::page(Some("fly")).unwrap_err().ending, Ending::Usage);
    }
}
