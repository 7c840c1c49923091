//! What is put in place before a worker process runs any code, and in which order. The first half is [`Plan::enter`], after
//! which the worker process proper is forked where it has a namespace of processes; the second half is [`Plan::confine`], in the
//! worker process itself. Whoever carries them out is single-threaded.
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
//! start, with the name of the step.

use oast_config::{Files, Mechanism, Network, Privileges, SystemCalls};
use rustix::{io::Errno, thread::UnshareFlags};

use super::{
    Rlimits, available,
    files::{self, View},
    groups::{self, Groups},
    namespaces, privileges, rlimits, root, system_calls,
};

/// What is to be in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) groups: Groups,
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

/// Whether a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// This machine does not offer it, for this reason.
    NotHere(Errno),
}

/// The namespaces that a process has entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entered(UnshareFlags);

impl Entered {
    /// Whether whatever this process forks next is the first process of a new namespace, which ends all others in it
    /// when it ends. The process itself stays outside.
    pub(crate) const fn has_processes(self) -> bool {
        self.0.contains(UnshareFlags::NEWPID)
    }

    const fn has_mounts(self) -> bool {
        self.0.contains(UnshareFlags::NEWNS)
    }
}

impl Plan {
    /// Whether a namespace of processes is made, where that can be: what is forked in it must be borne by another process.
    pub(crate) fn wants_processes(&self) -> bool {
        namespaces::wanted(self).contains(UnshareFlags::NEWPID)
    }

    /// The first half: counts and limits this process, and lets it into its namespaces.
    pub(crate) fn enter(&self) -> Result<Entered, Failed> {
        self.count_and_limit()?;
        self.enter_namespaces()
    }

    /// The first half where namespaces have been refused.
    pub(crate) fn stay_outside(&self) -> Result<Entered, Failed> {
        self.count_and_limit()?;
        Ok(Entered(UnshareFlags::empty()))
    }

    /// The second half: confines this process, which is in the namespaces, and all that it will start.
    pub(crate) fn confine(&self, entered: Entered) -> Result<(), Failed> {
        let view = self.enter_root(entered)?;
        if let Some(processes) = self.processes.filter(|_| !entered.0.is_empty()) {
            // The first process of a namespace is none of those that code has started.
            rlimits::processes(processes + u64::from(entered.has_processes()))?;
        }
        if self.confines() {
            rustix::thread::set_no_new_privs(true).map_err(at("gain no privileges"))?;
        }
        if self.withholds() {
            self.insist(
                Mechanism::Landlock,
                "restrict files, for `landlock` is required",
                files::restrict(self, view)?,
            )?;
        }
        // Within its own namespace it has all of them, and could undo what was put in place there.
        if self.privileges == Privileges::Dropped || entered.0.contains(UnshareFlags::NEWUSER) {
            privileges::drop_capabilities()?;
        }
        if self.confines() {
            let filtered = system_calls::filter(self)?;
            self.insist(Mechanism::Seccomp, "filter system calls, for `seccomp` is required", filtered)?;
        }
        Ok(())
    }

    fn count_and_limit(&self) -> Result<(), Failed> {
        self.join_groups()?;
        rlimits::apply(&self.rlimits)?;
        if self.privileges == Privileges::Dropped {
            privileges::stop_being_root()?;
        }
        Ok(())
    }

    fn join_groups(&self) -> Result<(), Failed> {
        let joined = match self.groups.join() {
            Ok(()) if self.groups.memory.is_some() => Taken::Yes,
            Ok(()) => Taken::NotHere(Errno::OPNOTSUPP),
            // The host could not make them.
            Err(error) => Taken::NotHere(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        };
        self.insist(Mechanism::Cgroups, "join control groups, for `cgroups` is required", joined)
    }

    fn enter_namespaces(&self) -> Result<Entered, Failed> {
        let wanted = namespaces::wanted(self);
        if wanted.is_empty() {
            return Ok(Entered(wanted));
        }
        let taken = namespaces::enter(wanted)?;
        self.insist(Mechanism::UserNamespaces, "enter namespaces, for `user-namespaces` is required", taken)?;
        match taken {
            Taken::Yes => Ok(Entered(wanted)),
            Taken::NotHere(_) => Ok(Entered(UnshareFlags::empty())),
        }
    }

    fn enter_root(&self, entered: Entered) -> Result<View, Failed> {
        if !entered.has_mounts() {
            return Ok(View::Machine);
        }
        match root::enter(self, entered.has_processes())? {
            Taken::Yes => Ok(View::Own),
            Taken::NotHere(_) => Ok(View::Machine),
        }
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

    fn insist(&self, mechanism: Mechanism, step: &'static str, taken: Taken) -> Result<(), Failed> {
        match taken {
            Taken::NotHere(errno) if self.require.contains(&mechanism) => Err(Failed { step, errno }),
            Taken::Yes | Taken::NotHere(_) => Ok(()),
        }
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

/// Names the step that an error comes from.
pub(super) fn at(step: &'static str) -> impl FnOnce(Errno) -> Failed {
    move |errno| Failed { step, errno }
}

#[cfg(test)]
pub(super) mod tests {
    use oast_config::Profile;

    use super::*;

    /// What a profile wants of the steps that confine.
    pub(in crate::sandbox) fn plan(profile: &Profile) -> Plan {
        let sandbox = &profile.sandbox;
        Plan {
            groups: Groups::default(),
            rlimits: Rlimits { open_files: None, file_size: None, data: None, core: 0, stack: 0 },
            processes: sandbox.processes,
            privileges: sandbox.privileges,
            files: sandbox.files,
            directory: false,
            scratch: sandbox.scratch.get(),
            network: sandbox.network,
            is_offline: false,
            system_calls: sandbox.system_calls,
            require: sandbox.require.clone(),
        }
    }

    #[test]
    fn only_what_is_wanted_confines() {
        assert!(!plan(&Profile::trusted()).confines() && !plan(&Profile::notebook()).confines());
        assert!(plan(&Profile::untrusted()).confines());
    }

    #[test]
    fn what_is_required_and_not_here_fails_its_step() {
        let mut plan = plan(&Profile::untrusted());
        let missing = Taken::NotHere(Errno::NOSYS);
        assert_eq!(plan.insist(Mechanism::Landlock, "restrict files", missing), Ok(()));
        plan.require = vec![Mechanism::Landlock];
        let failed = Failed { step: "restrict files", errno: Errno::NOSYS };
        assert_eq!(plan.insist(Mechanism::Landlock, "restrict files", missing), Err(failed));
        assert_eq!(plan.insist(Mechanism::Seccomp, "filter system calls", missing), Ok(()));
    }
}
