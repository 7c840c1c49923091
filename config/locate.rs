//! Where the user's configuration file is.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The user's configuration file: the one of `--config`, else of `$OAST_CONFIG`, else `$XDG_CONFIG_HOME/oast/config.toml`, else
/// `~/.config/oast/config.toml`. The first two are taken at their word, the others only where there is such a file.
///
/// The working directory is not searched: code from elsewhere that is run there could bring its own limits along.
pub fn locate(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = flag.map(Path::to_owned).or_else(|| path("OAST_CONFIG")) {
        return Some(named);
    }
    // The XDG specification has relative paths ignored.
    let xdg = path("XDG_CONFIG_HOME").filter(|directory| directory.is_absolute());
    let directory = xdg.or_else(|| path("HOME").map(|home| home.join(".config")))?;
    Some(directory.join("oast/config.toml")).filter(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_variable_before_the_home() {
        let variable = |name: &str| (name == "OAST_CONFIG").then(|| OsString::from("/of/variable.toml"));
        assert_eq!(locate(Some(Path::new("of-flag.toml")), variable), Some(PathBuf::from("of-flag.toml")));
        assert_eq!(locate(None, variable), Some(PathBuf::from("/of/variable.toml")));
        assert_eq!(locate(None, |_| None), None);
    }

    #[test]
    fn the_home_counts_only_where_it_has_a_file() {
        let home = std::env::temp_dir().join(format!("oast-locate-{}", std::process::id()));
        let file = home.join(".config/oast/config.toml");
        let variable = |name: &str| match name {
            "HOME" => Some(home.clone().into_os_string()),
            "XDG_CONFIG_HOME" => Some(OsString::from("relative")),
            _ => None,
        };
        assert_eq!(locate(None, variable), None);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(locate(None, variable), Some(file));
        std::fs::remove_dir_all(home).unwrap();
    }
}
