//! What a worker is to be: a runtime, a profile, and where its process starts. A [`Spec`] is made of these, and makes
//! the evaluator that the actors know.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use oast_actors::{Evaluator, EvaluatorFactory, WorkerSpec};
use oast_config::{ByteSize, Portion, Profile};
use thiserror::Error;

use crate::{
    evaluator::{
        local::{Local, RuntimeFactory},
        process::{Process, ProcessSettings, Template, Wear},
    },
    wire::{BuildId, JavaScript, RuntimeSettings},
    worker::{self, Functions},
};

/// What a worker is to be.
///
/// ```
/// use oast::{Spec, config::{ByteSize, Profile}};
///
/// let mut profile = Profile::untrusted();
/// profile.limits.memory = Some(ByteSize::mib(64));
/// let spec = Spec::functions("resizer").profile(profile).tenant("ada");
/// ```
#[derive(Clone, Debug)]
pub struct Spec {
    name: Arc<str>,
    tenant: Option<Arc<str>>,
    /// `None` until one is named: making the one that holds without it means to read the whole configuration.
    profile: Option<Arc<Profile>>,
    place: Place,
    engine: Option<Engine>,
    /// What runs the code of a runtime that is another program.
    interpreter: Option<String>,
}

/// Where the code runs.
#[derive(Clone, Debug)]
enum Place {
    Process(ProcessSettings),
    Local(Runtime),
    Custom(EvaluatorFactory),
}

/// What the engine of the runtime `javascript` may use.
#[derive(Clone, Copy, Debug)]
struct Engine {
    memory: Portion,
    stack: ByteSize,
    modules: bool,
}

/// A runtime of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runtime {
    Rust,
    #[cfg(feature = "javascript")]
    JavaScript,
    Python,
}

/// There is no such runtime in this program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no runtime `{name}`; there are {}", known().join(", "))]
pub struct UnknownRuntime {
    /// What was asked for.
    pub name: String,
}

impl Runtime {
    const ALL: &[Self] = &[
        Self::Rust,
        #[cfg(feature = "javascript")]
        Self::JavaScript,
        Self::Python,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            #[cfg(feature = "javascript")]
            Self::JavaScript => "javascript",
            Self::Python => "python",
        }
    }

    /// The other program that becomes this runtime, where it is none of this one's, with its arguments.
    fn command(self) -> Vec<String> {
        match self {
            Self::Rust => Vec::new(),
            #[cfg(feature = "javascript")]
            Self::JavaScript => Vec::new(),
            Self::Python => ["python3", worker::SHIM].map(str::to_owned).into(),
        }
    }
}

fn known() -> Vec<String> {
    Runtime::ALL.iter().map(|runtime| format!("`{}`", runtime.name())).collect()
}

impl Spec {
    /// A worker that calls functions of this program, each in a process that may crash.
    pub fn functions(name: &str) -> Self {
        Self::of(name, Runtime::Rust)
    }

    /// A worker that evaluates JavaScript.
    #[cfg(feature = "javascript")]
    pub fn javascript(name: &str) -> Self {
        Self::of(name, Runtime::JavaScript)
    }

    /// A worker that evaluates Python, in an interpreter that is [found](Self::interpreter) on this machine.
    pub fn python(name: &str) -> Self {
        Self::of(name, Runtime::Python)
    }

    /// A worker of the runtime that has this name: `rust`, `javascript` or `python`.
    ///
    /// # Errors
    /// This program has no such runtime.
    pub fn runtime(name: &str, runtime: &str) -> Result<Self, UnknownRuntime> {
        let found = Runtime::ALL.iter().find(|known| known.name() == runtime);
        found.map(|found| Self::of(name, *found)).ok_or_else(|| UnknownRuntime { name: runtime.to_owned() })
    }

    /// A worker whose code runs wherever `make`'s evaluator takes it.
    pub fn custom<E: Evaluator>(name: &str, make: impl Fn() -> E + Send + Sync + 'static) -> Self {
        let place = Place::Custom(EvaluatorFactory::new(make));
        Self { name: name.into(), tenant: None, profile: None, place, engine: None, interpreter: None }
    }

    fn of(name: &str, runtime: Runtime) -> Self {
        let command = runtime.command();
        let runtime = RuntimeSettings {
            name: runtime.name().to_owned(),
            // Without `/proc` no process can be started either, and the start says so. What is another program is none
            // that has this identity.
            build: if command.is_empty() { worker::build_id().unwrap_or_default() } else { BuildId::default() },
            javascript: JavaScript::default(),
            command,
            preload: Vec::new(),
        };
        let settings =
            ProcessSettings { runtime, program: None, directory: None, environment: Vec::new(), template: None };
        let place = Place::Process(settings);
        Self { name: name.into(), tenant: None, profile: None, place, engine: None, interpreter: None }
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its limits, sandbox and restart policy. Without this, those of [`Profile::notebook`].
    #[must_use]
    pub fn profile(mut self, profile: impl Into<Arc<Profile>>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// On whose account it runs.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Where its process starts; without this, where this process is.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        if let Place::Process(settings) = &mut self.place {
            settings.directory = Some(directory.into());
        }
        self
    }

    /// An environment variable of its process, beyond those that the profile lets through.
    #[must_use]
    pub fn environment(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        if let Place::Process(settings) = &mut self.place {
            settings.environment.push((name.into(), value.into()));
        }
        self
    }

    /// The program that its process runs, which must call [`init`](crate::init) first; without this, this very program.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        if let Place::Process(settings) = &mut self.place {
            settings.program = Some(program.into());
            settings.runtime.build = BuildId::default();
        }
        self
    }

    /// Forks its processes from a template: a process that has made the runtime once, runs nobody's code, and forks a fresh
    /// worker process for each start, in a fraction of the time. The first start is made without, and so is any that finds no
    /// template ready. Workers of a pool have one by themselves.
    ///
    /// All processes of a template have the same layout of memory; it is replaced after a thousand forks or ten minutes.
    #[must_use]
    pub fn template(self) -> Self {
        self.worn_template(Wear::default())
    }

    /// The same, where none was asked for, with a template that is replaced as the configuration says.
    #[must_use]
    pub(crate) fn template_of(self, registry: &oast_config::Registry) -> Self {
        self.worn_template(Wear { forks: registry.template_forks, lifetime: registry.template_lifetime })
    }

    fn worn_template(mut self, wear: Wear) -> Self {
        if let Place::Process(settings) = &mut self.place {
            settings.template.get_or_insert_with(|| Template::new(wear));
        }
        self
    }

    /// What the engine of the runtime `javascript` may use.
    #[must_use]
    pub fn engine(mut self, settings: &oast_config::JavaScript) -> Self {
        self.engine = Some(Engine { memory: settings.memory, stack: settings.stack, modules: settings.modules });
        self
    }

    /// The same, where nothing was said.
    #[must_use]
    pub(crate) fn engine_if_unset(self, settings: &oast_config::JavaScript) -> Self {
        if self.engine.is_some() { self } else { self.engine(settings) }
    }

    /// The interpreter of the runtime `python`: a name that is looked for in `PATH`, or a path. Without this, `python3`.
    #[must_use]
    pub fn interpreter(mut self, executable: impl Into<String>) -> Self {
        self.interpreter = Some(executable.into());
        self
    }

    /// Modules that a [template](Self::template) of the runtime `python` imports once, so that they are there in each of its forks.
    /// They must start no thread: a template that has several does not fork, and processes are started without.
    #[must_use]
    pub fn preload<M: Into<String>>(mut self, modules: impl IntoIterator<Item = M>) -> Self {
        if let Place::Process(settings) = &mut self.place {
            settings.runtime.preload = modules.into_iter().map(Into::into).collect();
        }
        self
    }

    /// What the runtime `python` is, where nothing was said.
    #[must_use]
    pub(crate) fn python_if_unset(mut self, settings: &oast_config::Python) -> Self {
        self.interpreter.get_or_insert_with(|| settings.executable.clone());
        let is_unset = |place: &Place| matches!(place, Place::Process(set) if set.runtime.preload.is_empty());
        if is_unset(&self.place) { self.preload(&settings.preload) } else { self }
    }

    /// Runs its code on a thread of this process: nothing to start, and no wall. For tests, and for trusted code. A runtime that
    /// is another program stays in its process.
    #[must_use]
    pub fn local(mut self) -> Self {
        if let Place::Process(settings) = &self.place
            && settings.runtime.command.is_empty()
            && let Some(runtime) = Runtime::ALL.iter().find(|known| known.name() == settings.runtime.name)
        {
            self.place = Place::Local(*runtime);
        }
        self
    }

    /// The same, as the actors know it.
    pub fn into_worker_spec(self) -> WorkerSpec {
        let Self { name, tenant, profile, place, engine, interpreter } = self;
        let profile = profile.unwrap_or_else(|| Arc::new(Profile::notebook()));
        let javascript = engine.unwrap_or_default().settings(&profile);
        let evaluator = match place {
            Place::Custom(factory) => factory,
            Place::Local(runtime) => {
                let identity = format!("{runtime:?} {javascript:?}");
                let stack = javascript.stack.unwrap_or_default();
                let make = local_runtime(runtime, javascript);
                EvaluatorFactory::new(move || Local::new(make.clone(), stack)).with_identity(identity)
            }
            Place::Process(settings) => {
                let mut runtime = RuntimeSettings { javascript, ..settings.runtime };
                if let (Some(program), Some(interpreter)) = (runtime.command.first_mut(), interpreter) {
                    *program = interpreter;
                }
                let (template, settings) =
                    (settings.template.clone(), ProcessSettings { runtime, template: None, ..settings });
                // Whoever defines a pool again as it was has no worker replaced. Which template it was makes no difference.
                let identity = format!("{settings:?}");
                let settings = Arc::new(ProcessSettings { template, ..settings });
                EvaluatorFactory::new(move || Process::new(settings.clone())).with_identity(identity)
            }
        };
        WorkerSpec { name, tenant, profile, evaluator }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self { memory: Portion::Percent(85), stack: ByteSize::mib(1), modules: true }
    }
}

impl Engine {
    fn settings(self, profile: &Profile) -> JavaScript {
        let memory = self.memory.of(profile.limits.memory).map(ByteSize::get);
        JavaScript { memory, stack: Some(self.stack.get()), modules: self.modules }
    }
}

#[cfg_attr(not(feature = "javascript"), expect(unused_variables, reason = "functions have no engine"))]
fn local_runtime(runtime: Runtime, javascript: JavaScript) -> RuntimeFactory {
    match runtime {
        Runtime::Rust => Arc::new(|host| {
            let functions = worker::build_id().and_then(|build| Functions::new(host, build));
            functions.map(|functions| Box::new(functions) as _).map_err(|error| error.to_string())
        }),
        #[cfg(feature = "javascript")]
        Runtime::JavaScript => Arc::new(move |host| worker::make_javascript(&javascript, host)),
        Runtime::Python => Arc::new(|_| Err("it is another program".to_owned())),
    }
}
