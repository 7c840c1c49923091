//! What people may write on the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use super::ending;

/// Runs code in a supervised worker process, which cannot take anything else down with it
#[derive(Debug, Parser)]
#[command(name = "oast", version, propagate_version = true, after_long_help = ending::help())]
#[command(arg_required_else_help = true, infer_subcommands = false)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Flags of every command.
#[derive(Args, Debug)]
pub(super) struct Global {
    /// What runs the code: `javascript` or `python`
    #[arg(long, global = true, value_name = "NAME", help_heading = "Worker")]
    pub(super) runtime: Option<String>,

    /// Limits, sandbox and restart policy: `trusted`, `notebook`, `untrusted`, or one of your own
    #[arg(long, global = true, value_name = "NAME", help_heading = "Worker")]
    pub(super) profile: Option<String>,

    /// Memory at which the worker process is killed: `256MiB`, `1GiB`, `unlimited`
    #[arg(long, global = true, value_name = "SIZE", help_heading = "Worker")]
    pub(super) memory: Option<String>,

    /// Wall time of one evaluation: `250ms`, `30s`, `5m`, `unlimited`
    #[arg(long, global = true, value_name = "TIME", help_heading = "Worker")]
    pub(super) time: Option<String>,

    /// Spin for a moment before waiting: faster answers for some processor time
    #[arg(long, global = true, help_heading = "Worker")]
    pub(super) low_latency: bool,

    /// The configuration file [default: $OAST_CONFIG, else ~/.config/oast/config.toml]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Configuration")]
    pub(super) config: Option<PathBuf>,

    /// Set one key of the configuration, such as `profiles.notebook.limits.grace=1s`
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value, help_heading = "Configuration")]
    pub(super) set: Vec<(String, String)>,

    /// Answer in JSON, one object on each line: `output` as it comes, and `outcome` at the end
    #[arg(
        long,
        global = true,
        help_heading = "Output",
        long_help = "Answer in JSON, one object on each line: `output` as it comes, and `outcome` at the end.\n\n\
                     Values are JSON where JSON has them. Others are objects with one key that begins with `$`: \
                     {\"$float\": \"NaN\"}, {\"$bigint\": \"12\"}, {\"$bytes\": BASE64}, {\"$date\": MILLISECONDS}, \
                     {\"$array\": {\"type\": \"f64\", \"values\": [...]}}, {\"$handle\": {\"kind\": ..., \"text\": ...}}, \
                     and {\"$map\": [[KEY, VALUE], ...]} for maps whose keys are not texts, are there twice, or begin \
                     with `$`."
    )]
    pub(super) json: bool,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(super) color: ColorChoice,

    /// Log what happens to workers on standard error; twice also evaluations, three times everything
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Output")]
    pub(super) verbose: u8,

    /// Show errors alone: no progress, no warnings
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Evaluate code and print its value
    Eval(Eval),
    /// Run a file
    ///
    /// The file is a module, whatever its name: it is strict, it may `import` and `await`, and it has run when its last
    /// statement has and no timer of it is left.
    Run(Run),
    /// Evaluate line by line
    ///
    /// Ctrl-C ends the evaluation that runs, and never the session; pressed again, it ends the worker process. Ctrl-D
    /// or `.exit` leaves, and `.help` tells more. When standard input is not a terminal, each line of it is evaluated.
    Repl,
    /// Print the configuration that is in force, and where each value came from
    Config(Config),
    /// Tell what this machine offers, and which limits are therefore enforced how
    Doctor(Doctor),
    /// Print the completions of a shell
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print the manual page, of `oast` or of one command
    Man {
        /// The command
        command: Option<String>,
    },
}

/// `oast doctor`.
#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// See what the profile `untrusted` holds: carry out attacks that do no harm, in worker processes of it
    ///
    /// The exit code is 1 when one of them got through, or left a process behind.
    #[arg(long)]
    pub(super) attack: bool,
    /// Tell, call by call, what confines a worker process of the profile here
    ///
    /// With `--json`, it is a list that a program in any language can carry out in a process of its own.
    #[arg(long, conflicts_with = "attack")]
    pub(super) steps: bool,
}

/// `oast eval`.
#[derive(Args, Debug)]
pub(super) struct Eval {
    /// The code; after `--` where it begins with `-`
    #[arg(allow_negative_numbers = true)]
    pub(super) code: String,
}

/// `oast run`.
#[derive(Args, Debug)]
#[command(override_usage = "oast run [OPTIONS] FILE [ARGS]...")]
pub(super) struct Run {
    /// Treat the file as a script: its names are global, it need not be strict, and it ends with its last statement,
    /// whatever timers it has started
    #[arg(long)]
    pub(super) script: bool,
    /// The file, or `-` for standard input; its imports are relative to its folder. What follows is for the code
    // One list, for only so are all flags behind the file those of the code.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_names = ["FILE", "ARGS"])]
    pub(super) file_and_arguments: Vec<String>,
}

/// `oast config`.
#[derive(Args, Debug)]
pub(super) struct Config {
    /// Print the JSON schema of a configuration file
    #[arg(long, conflicts_with = "defaults")]
    pub(super) schema: bool,
    /// Print what holds without a file, environment or flags
    #[arg(long)]
    pub(super) defaults: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(key, _)| !key.trim().is_empty());
    let (key, value) = split.ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["oast"], words].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_may_stand_before_and_after_the_command() {
        for words in [["--json", "eval", "1"], ["eval", "--json", "1"], ["eval", "1", "--json"]] {
            let arguments = parse(&words).unwrap();
            assert!(arguments.global.json, "{words:?}");
            assert!(matches!(&arguments.command, Command::Eval(eval) if eval.code == "1"), "{words:?}");
        }
    }

    #[test]
    fn code_may_be_a_negative_number() {
        let arguments = parse(&["eval", "-1"]).unwrap();
        assert!(matches!(&arguments.command, Command::Eval(eval) if eval.code == "-1"));
    }

    #[test]
    fn what_follows_the_file_is_for_the_code() {
        let arguments = parse(&["run", "--script", "a.js", "--json", "-x", "--", "b"]).unwrap();
        assert!(!arguments.global.json);
        let Command::Run(run) = arguments.command else { panic!("{arguments:?}") };
        assert!(run.script);
        assert_eq!(run.file_and_arguments, ["a.js", "--json", "-x", "--", "b"]);
    }

    #[test]
    fn a_program_is_a_file_or_standard_input() {
        let arguments = parse(&["run", "--json", "-"]).unwrap();
        assert!(arguments.global.json);
        assert!(matches!(arguments.command, Command::Run(run) if run.file_and_arguments == ["-"]));
        assert!(parse(&["run"]).is_err());
    }

    #[test]
    fn a_setting_has_a_key_and_a_value() {
        let arguments = parse(&["config", "--set", "registry.workers = 8", "--set", "profile=a=b"]).unwrap();
        let expected = [("registry.workers", "8"), ("profile", "a=b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(arguments.global.set, expected);
        assert!(parse(&["config", "--set", "registry.workers"]).is_err());
        assert!(parse(&["config", "--set", "=8"]).is_err());
    }
}
