//! What a launcher is started with: its command line, and the message that says what to become. The start itself is
//! [`spawner`](super::spawner)'s, the other end of the message `src/worker/launcher.rs`.

use std::{
    ffi::OsString,
    io::Result,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    process::Command,
};

use oast_actors::Launch;
use oast_config::{ByteSize, Files, Latency, Mechanism, Network, Privileges, Sandbox, SystemCalls};

use super::{ProcessSettings, spawner::Start, talk, template::Making};
use crate::{
    sandbox::{
        Plan, Rlimits,
        groups::{self, Groups},
        rlimits,
    },
    wire::{Confinement, Groups as WireGroups, Launch as WireLaunch, ResourceLimits, TemplateSettings, ToLauncher},
    worker::MARK,
};

/// What the process at the other end is to have.
pub(super) struct Theirs<'a> {
    /// Its lifeline, and what it prints to.
    pub(super) standard: [OwnedFd; 3],
    pub(super) control: OwnedFd,
    pub(super) page: BorrowedFd<'a>,
    /// Whether it is known that it will be in a namespace of processes.
    pub(super) has_namespace: bool,
}

/// Processes that are counted where the code's are, and not started by it: the one that opens its namespace, and the first in
/// there.
const SPARE_PROCESSES: u64 = 2;

/// How a program is started. Nothing is inherited but what the profile names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Recipe {
    program: PathBuf,
    directory: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
}

/// Sends the launch, with the descriptors that the process is to have, and says what to start then. It is in the socket
/// before the process exists: it need not be waited for.
pub(super) fn send(
    settings: &ProcessSettings,
    launch: &Launch,
    lifeline: &OwnedFd,
    theirs: Theirs<'_>,
) -> Result<Start> {
    let Theirs { standard, control, page, has_namespace } = theirs;
    let group_limits = group_limits(launch, has_namespace);
    // Code that reaches files could change what they hold to, and the next one would have that.
    let lends = launch.profile.sandbox.files == Files::ReadOnly;
    let template = settings.template.as_ref().filter(|_| lends);
    let groups = template.map_or_else(|| Groups::named(group_limits), |template| template.lend(group_limits));
    // What nobody has named is where its host happens to be.
    let plan = Plan { directory: settings.directory.is_some(), ..Plan::of(&launch.profile) };
    let made = TemplateSettings {
        runtime: settings.runtime.clone(),
        limits: resource_limits(&plan.rlimits),
        confinement: confinement(&plan),
        groups: wire_groups(&groups),
    };
    let message = ToLauncher::Launch(Box::new(message(launch, made.clone())));
    talk::send(lifeline, &message, &[control.as_fd(), page])?;
    let template = settings.template.clone().map(|template| Making {
        template,
        title: format!("oast-template {}", launch.worker),
        settings: made,
    });
    let recipe = Recipe::new(settings, &launch.profile.sandbox);
    let title = format!("oast-worker {}", launch.worker);
    Ok(Start { title, recipe, standard, template, groups, group_limits })
}

/// A launch, of what a template would make for it.
fn message(launch: &Launch, made: TemplateSettings) -> WireLaunch {
    let TemplateSettings { runtime, limits, confinement, groups } = made;
    WireLaunch {
        worker: launch.worker.clone(),
        epoch: launch.epoch,
        runtime,
        message_limit: launch.profile.limits.message.get(),
        low_latency: launch.profile.latency == Latency::Low,
        limits,
        confinement,
        groups,
    }
}

fn wire_groups(groups: &Groups) -> WireGroups {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    WireGroups {
        memory: path(&groups.memory),
        processes: path(&groups.processes),
        processor: path(&groups.processor),
        tree: path(&groups.tree),
        is_unified: groups.is_unified,
        is_lent: groups.is_lent,
    }
}

/// What all that a worker process starts is held to together. What is surely held elsewhere needs no group, for each takes its
/// time to be made, joined and removed.
fn group_limits(launch: &Launch, has_namespace: bool) -> groups::Limits {
    let profile = &launch.profile;
    let sandbox = &profile.sandbox;
    let processor = groups::Limits {
        cpu_quota: sandbox.cpu_quota,
        cpu_share: Some(sandbox.cpu_share).filter(|share| *share != Sandbox::EVEN_SHARE),
        ..groups::Limits::default()
    };
    if !(sandbox.control_groups || sandbox.require.contains(&Mechanism::Cgroups)) {
        return processor;
    }
    let processes = sandbox.processes.filter(|_| !(has_namespace && rlimits::count_by_namespace()));
    let processes = processes.map(|processes| processes.saturating_add(SPARE_PROCESSES));
    groups::Limits { memory: profile.limits.memory.map(ByteSize::get), processes, ..processor }
}

fn resource_limits(limits: &Rlimits) -> ResourceLimits {
    let &Rlimits { open_files, file_size, data, core, stack } = limits;
    ResourceLimits { open_files, file_size, data, core, stack }
}

fn confinement(plan: &Plan) -> Confinement {
    Confinement {
        privileges: plan.privileges == Privileges::Dropped,
        files: plan.files == Files::ReadOnly,
        network: plan.network == Network::None,
        system_calls: plan.system_calls == SystemCalls::Filtered,
        directory: plan.directory,
        scratch: plan.scratch,
        processes: plan.processes,
        require: plan.require.iter().map(|mechanism| mechanism.name().to_owned()).collect(),
    }
}

impl Recipe {
    fn new(settings: &ProcessSettings, sandbox: &Sandbox) -> Self {
        let program = settings.program.clone().unwrap_or_else(|| "/proc/self/exe".into());
        let inherited = sandbox.environment.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let environment = inherited.chain(settings.environment.iter().cloned()).collect();
        Self { program, directory: settings.directory.clone(), environment }
    }

    /// No hook runs between fork and exec, so that `vfork` serves.
    pub(super) fn command(&self, title: &str) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&self.program);
        command.arg0(title).env_clear().process_group(0);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env(MARK, "1");
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}
