//! What a row runs: something of this program, or something that is made into a program just before.

use std::{future::Future, path::Path, pin::Pin, process::Command};

use libtest_mimic::Failed;
use oast::{Arguments, Callable, Job, Request, Spec, Worker, call_request, config::Profile};

use super::surroundings::Surroundings;
use crate::{fixtures::hostile::run_program, harness::skip};

/// What a row runs.
pub(super) enum Program {
    /// A function of this program.
    Function(fn(&Surroundings) -> Request),
    /// A program in C, compiled beforehand, which a function starts and waits for. It leaves with 0 when it got through and
    /// otherwise with the number of the error that stopped it.
    C(Source),
    /// A program that an interpreter runs, likewise.
    Script(&'static str, Source),
    JavaScript(&'static str),
    /// A test in its own words.
    Scene(fn() -> Scene),
    /// A look at something that runs nothing.
    Check(fn() -> Result<(), Failed>),
    PromisedBy(&'static [&'static str]),
    NotPlayed(&'static str),
    Nothing,
}

pub(super) type Scene = Pin<Box<dyn Future<Output = ()>>>;

/// The text of a program, in a file of this name below `tests/fixtures/hostile`.
pub(super) struct Source {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// The source of this name.
macro_rules! source {
    ($name:literal) => {
        $crate::hostile::program::Source {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hostile/", $name)),
        }
    };
}
pub(super) use source;

/// What a function is asked for.
pub(super) fn request<F, A>(function: F, arguments: A) -> Request
where
    F: Callable<A>,
    A: Arguments,
{
    call_request(function, arguments).unwrap()
}

impl Program {
    /// Makes what is run, as a request to a worker of [`spec`](Self::spec).
    pub(super) fn prepare(&self, around: &Surroundings) -> Request {
        match self {
            Self::Function(request) => request(around),
            Self::C(source) => run(&source.compiled(around.directory()), Vec::new(), around),
            Self::Script(interpreter, source) => {
                let interpreter = found(interpreter);
                run(&interpreter, vec![source.written(around.directory())], around)
            }
            Self::JavaScript(source) => Request { job: Job::Code((*source).into()), fetch: true },
            Self::Scene(_) | Self::Check(_) | Self::PromisedBy(_) | Self::NotPlayed(_) | Self::Nothing => {
                unreachable!("is not prepared")
            }
        }
    }

    /// A worker that runs it, and reads the directory in which it is.
    pub(super) fn worker(&self, profile: Profile, around: &Surroundings) -> Worker {
        let spec = if matches!(self, Self::JavaScript(_)) { Spec::javascript } else { Spec::functions };
        crate::stage::start(spec("stranger").profile(profile).directory(around.directory()))
    }
}

pub(super) fn run(program: &str, arguments: Vec<String>, around: &Surroundings) -> Request {
    request(run_program, (program.to_owned(), arguments, around.told()))
}

fn found(interpreter: &str) -> String {
    let places = ["/usr/bin", "/bin"].map(|folder| format!("{folder}/{interpreter}"));
    let found = places.into_iter().find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| skip(format!("there is no `{interpreter}`")))
}

impl Source {
    /// Writes it where the worker finds it.
    fn written(&self, directory: &Path) -> String {
        std::fs::write(directory.join(self.name), self.text).unwrap();
        format!("./{}", self.name)
    }

    /// Compiles it there.
    #[expect(clippy::disallowed_methods, reason = "a compiler is no worker process")]
    pub(super) fn compiled(&self, directory: &Path) -> String {
        self.written(directory);
        let program = self.name.trim_end_matches(".c");
        let compiler = Command::new("cc")
            .current_dir(directory)
            .args(["-O0", "-w", "-pthread", "-o", program, self.name])
            .output();
        let Ok(compiled) = compiler else { skip("there is no C compiler `cc`") };
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        format!("./{program}")
    }
}
