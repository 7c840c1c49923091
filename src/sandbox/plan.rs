//! What is put in place before a worker process runs any code, and in which order: [`Plan::steps`] makes the list, of two halves. Between
//! them, the worker process proper is forked where it has a namespace of processes.
//!
//! 1. Control groups: what is used from here on is counted. The host has made them, and only its user may join.
//! 2. Resource limits: they need nothing, and hold for all that comes.
//! 3. Another user, where this one is root: whoever is root stays the owner of root's files, whatever else it has lost.
//! 4. Namespaces: to make them takes what the next steps take away. Here the first half ends.
//! 5. A root of its own, by whoever is in all of the namespaces: its view of processes is that of whoever mounts it.
//! 6. The limit of processes, which counts those of the user within the namespace, where before it would have counted all
//!    that the user has.
//! 7. No new privileges: without it, an ordinary user may neither restrict itself nor filter.
//! 8. Files, TCP and signals (Landlock), whose rules are made by opening files that may be out of reach afterwards.
//! 9. Capabilities: within its namespace, the process has had all of them.
//! 10. System calls, last: the filter forbids what the steps before it have used.
//!
//! A step that this machine does not offer is left out, unless the profile requires its mechanism. Any other error ends the
//! start, with the name of the step. [`super::steps`] tells how the list is carried out.

use oast_config::{ByteSize, Files, Mechanism, Network, Privileges, Profile, SystemCalls};
use rustix::{io::Errno, thread::UnshareFlags};

use super::{
    Rlimits, available,
    files::{self, View},
    groups::{self, Groups},
    namespaces,
    privileges::{self, Who},
    rlimits, root,
    steps::{Part, Step, Steps},
    system_calls,
};

/// What is to be in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) rlimits: Rlimits,
    pub(crate) processes: Option<u64>,
    pub(crate) privileges: Privileges,
    pub(crate) files: Files,
    /// Whether the directory that it starts in is among the files that it reads.
    pub(crate) directory: bool,
    /// How many bytes of files of its own it may have, where its files are read-only and it has a root of its own.
    pub(crate) scratch: u64,
    pub(crate) network: Network,
    /// Whether this process is in a network namespace that is empty.
    pub(crate) is_offline: bool,
    pub(crate) system_calls: SystemCalls,
    pub(crate) require: Vec<Mechanism>,
}

/// A step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) step: &'static str,
    pub(crate) errno: Errno,
}

impl Plan {
    /// What a profile wants, for whoever is given the directory that it starts in.
    pub(crate) fn of(profile: &Profile) -> Self {
        let sandbox = &profile.sandbox;
        Self {
            rlimits: Rlimits {
                open_files: sandbox.open_files,
                file_size: sandbox.file_size.map(ByteSize::get),
                data: sandbox.data.map(ByteSize::get),
                core: sandbox.core.get(),
                stack: sandbox.stack.get(),
            },
            processes: sandbox.processes,
            privileges: sandbox.privileges,
            files: sandbox.files,
            directory: true,
            scratch: sandbox.scratch.get(),
            network: sandbox.network,
            is_offline: false,
            system_calls: sandbox.system_calls,
            require: sandbox.require.clone(),
        }
    }

    /// What this machine can be made to do of it, in order, but for [joining groups](Self::join). An error says which step
    /// would fail, as far as a look tells.
    pub(crate) fn steps(&self) -> Result<Steps, Failed> {
        let mut enter: Vec<_> = rlimits::steps(&self.rlimits).collect();
        let (who, steps) = match self.privileges {
            Privileges::Dropped => privileges::stop_being_root(),
            Privileges::Kept => (Who::am_i(), Vec::new()),
        };
        enter.extend(steps);
        let wanted = namespaces::wanted(self);
        let may_enter = !wanted.contains(UnshareFlags::NEWUSER) || namespaces::may_map(who);
        let flags = if may_enter { wanted } else { UnshareFlags::empty() };
        enter.extend(self.enter_namespaces(flags, who)?);
        let confine = self.confine(flags)?;
        Ok(Steps { join: Vec::new(), enter, confine, has_processes: flags.contains(UnshareFlags::NEWPID) })
    }

    /// Joins groups, which are each process's own.
    pub(crate) fn join(&self, groups: &Groups) -> Result<Vec<Step>, Failed> {
        const WHAT: &str = "join control groups, for `cgroups` is required";
        let is_required = self.requires(Mechanism::Cgroups);
        if is_required && groups.memory.is_none() {
            return Err(at(WHAT)(Errno::OPNOTSUPP));
        }
        let steps = groups.join();
        // The host could not make them.
        Ok(steps.map(|step| if is_required { step.called(WHAT) } else { step.lacking(None) }).collect())
    }

    fn enter_namespaces(&self, flags: UnshareFlags, who: Who) -> Result<Vec<Step>, Failed> {
        const WHAT: &str = "enter namespaces, for `user-namespaces` is required";
        let is_required = self.requires(Mechanism::UserNamespaces);
        if flags.is_empty() {
            let is_lacking = is_required && !namespaces::wanted(self).is_empty();
            return if is_lacking { Err(at(WHAT)(Errno::PERM)) } else { Ok(Vec::new()) };
        }
        let steps = namespaces::enter(flags, who);
        Ok(if is_required {
            steps.into_iter().map(|step| step.called(WHAT)).collect()
        } else {
            namespaces::where_allowed(steps).collect()
        })
    }

    fn confine(&self, flags: UnshareFlags) -> Result<Vec<Step>, Failed> {
        let in_namespaces = |step: Step| step.needing(&[Part::Namespaces]);
        let mut steps = Vec::new();
        let has_root = flags.contains(UnshareFlags::NEWNS);
        let has_processes = flags.contains(UnshareFlags::NEWPID);
        if has_root {
            steps.extend(root::steps(self, has_processes));
        }
        if let Some(processes) = self.processes.filter(|_| !flags.is_empty()) {
            // The first process of a namespace is none of those that code has started.
            steps.extend(rlimits::processes(processes + u64::from(has_processes)).map(in_namespaces));
        }
        if self.confines() {
            steps.push(privileges::gain_none());
        }
        if self.withholds() {
            steps.extend(self.restrict_files(has_root)?);
        }
        // Within its own namespace it has all of them, and could undo what was put in place there.
        if self.privileges == Privileges::Dropped {
            steps.extend(privileges::drop_capabilities());
        } else if flags.contains(UnshareFlags::NEWUSER) {
            steps.extend(privileges::drop_capabilities().map(in_namespaces));
        }
        if self.confines() {
            steps.extend(self.filter_system_calls()?);
        }
        Ok(steps)
    }

    fn restrict_files(&self, has_root: bool) -> Result<Vec<Step>, Failed> {
        const OWN: [Part; 2] = [Part::Namespaces, Part::Root];
        let machine = files::steps(self, View::Machine);
        if machine.is_empty() && self.requires(Mechanism::Landlock) {
            return Err(at("restrict files, for `landlock` is required")(Errno::OPNOTSUPP));
        }
        if !has_root {
            return Ok(machine);
        }
        let own = files::steps(self, View::Own).into_iter().map(|step| step.needing(&OWN));
        Ok(own.chain(machine.into_iter().map(|step| step.unless(&OWN))).collect())
    }

    fn filter_system_calls(&self) -> Result<Option<Step>, Failed> {
        let is_required = self.requires(Mechanism::Seccomp);
        let filter = system_calls::filter(self)?;
        Ok(filter.map(|step| {
            if is_required {
                step.called("filter system calls, for `seccomp` is required")
            } else {
                step.lacking(Some(system_calls::UNKNOWN))
            }
        }))
    }

    fn requires(&self, mechanism: Mechanism) -> bool {
        self.require.contains(&mechanism)
    }

    /// Whether there is anything that Landlock would withhold.
    const fn withholds(&self) -> bool {
        matches!(self.privileges, Privileges::Dropped)
            || matches!(self.files, Files::ReadOnly)
            || matches!(self.network, Network::None)
    }

    const fn confines(&self) -> bool {
        self.withholds() || matches!(self.system_calls, SystemCalls::Filtered)
    }
}

/// Those of the required mechanisms that are not here.
pub(crate) fn missing(required: &[Mechanism]) -> Vec<Mechanism> {
    required.iter().copied().filter(|mechanism| !is_here(*mechanism)).collect()
}

/// Whether this machine has a mechanism, as far as a look tells.
pub(crate) fn is_here(mechanism: Mechanism) -> bool {
    match mechanism {
        Mechanism::Pidfd => available::has_pidfd(),
        Mechanism::Subreaper => available::has_subreaper(),
        Mechanism::Children => available::lists_children(),
        Mechanism::Landlock => available::landlock_abi().is_some(),
        Mechanism::Cgroups => groups::can_limit_memory(),
        Mechanism::Seccomp => available::has_seccomp(),
        Mechanism::UserNamespaces => available::user_namespaces_forbidden_by().is_none(),
    }
}

/// What the kernel called an error.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Names the step that an error comes from.
pub(super) fn at(step: &'static str) -> impl FnOnce(Errno) -> Failed {
    move |errno| Failed { step, errno }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_confines() {
        assert!(!Plan::of(&Profile::trusted()).confines() && !Plan::of(&Profile::notebook()).confines());
        assert!(Plan::of(&Profile::untrusted()).confines());
    }

    #[test]
    fn what_is_required_is_not_forgiven() {
        let forgiving = |plan: &Plan| {
            let steps = plan.steps().unwrap();
            let all = steps.enter.into_iter().chain(steps.confine);
            let forgives = |step: &Step| step.forgives.is_some_and(|forgiven| forgiven.lacking);
            all.filter(forgives).map(|step| step.call.name).collect::<Vec<_>>()
        };
        let mut plan = Plan::of(&Profile::untrusted());
        assert!(forgiving(&plan).contains(&"unshare") && forgiving(&plan).contains(&"seccomp"));
        plan.require = vec![Mechanism::UserNamespaces, Mechanism::Seccomp];
        let forgiving = forgiving(&plan);
        assert!(!forgiving.contains(&"unshare") && !forgiving.contains(&"seccomp"));
        plan.require = vec![Mechanism::Cgroups];
        let failed = Failed { step: "join control groups, for `cgroups` is required", errno: Errno::OPNOTSUPP };
        assert_eq!(plan.join(&Groups::default()).unwrap_err(), failed, "nobody has made any");
    }
}
