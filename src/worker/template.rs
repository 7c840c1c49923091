//! A template: a process that has made its runtime once, and forks a worker process whenever its host asks for one. It runs
//! nobody's code, has one thread, and holds nothing of the workers that it has forked: one that ends costs nothing but the time
//! that the next start takes without it.
//!
//! What it forks is a guard, as a launcher is before it forks in turn, and goes the same way from there: the launch waits
//! on its lifeline. The guard is the host's child, not the template's, so that a template need not outlive it.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use oast_actors::{EvalId, Stream, Value};
use rustix::{io::Errno, process::Pid};

use super::{
    launcher::{self, Failure, Wish},
    process,
    runtime::{Blocked, Host, Runtime},
};
use crate::{
    sandbox::{Plan, available, errno, namespaces, steps::Steps},
    wire::{FromLauncher, TemplateSettings},
};

/// A runtime that was made before there was a worker process to run it for.
pub(super) struct Warmed {
    pub(super) runtime: Box<dyn Runtime>,
    pub(super) host: Rc<LaterHost>,
    /// What confines a worker process that is forked from this one.
    pub(super) steps: Steps,
}

/// Makes the runtime, and forks until the host is gone. `Some` is in a process that was forked.
pub(super) fn serve(settings: &TemplateSettings) -> Result<Option<Warmed>, Failure> {
    let _ = rustix::thread::set_name(c"oast-template");
    let host = Rc::new(LaterHost::default());
    let runtime = process::make_runtime(&settings.runtime, host.clone())
        .map_err(|text| Failure::because("start the runtime", text))?;
    let warmed = Warmed { runtime, host, steps: steps(settings)? };
    launcher::say(&FromLauncher::Warm);
    loop {
        let [lifeline, stdout, stderr] = match launcher::receive_wish()? {
            Wish::Fork(descriptors) => descriptors,
            Wish::Retire => return Ok(None),
            Wish::None => {
                launcher::groups(&settings.groups).remove_all_like();
                return Ok(None);
            }
        };
        match fork_beside() {
            Ok(Some(pid)) => launcher::say(&FromLauncher::Forked { pid: pid.as_raw_nonzero().get().unsigned_abs() }),
            Ok(None) => {
                let taken = rustix::stdio::dup2_stdin(lifeline)
                    .and_then(|()| rustix::stdio::dup2_stdout(stdout))
                    .and_then(|()| rustix::stdio::dup2_stderr(stderr));
                taken.map_err(Failure::at("take its descriptors"))?;
                // Signals to the group of one are not to reach the others.
                rustix::process::setpgid(None, None).map_err(Failure::at("make a process group"))?;
                return Ok(Some(warmed));
            }
            Err(errno) => launcher::report(Failure::at("fork")(errno)),
        }
    }
}

/// What confines each of the forks of this process, which is in an empty network then, where they are to have none.
pub(super) fn steps(settings: &TemplateSettings) -> Result<Steps, Failure> {
    // Forks are kept apart there by the filter of system calls.
    let is_offline = settings.confinement.network && available::has_seccomp() && namespaces::go_offline()?;
    Ok(Plan { is_offline, ..launcher::plan(&settings.limits, &settings.confinement) }.steps()?)
}

/// Forks a process that has the same parent as this one. `None` is the new process.
///
/// It is not told to the C library, whose notion of the thread's id stays the template's there. So the new process forks once
/// more before anybody's code runs, as the C library wants it.
fn fork_beside() -> Result<Option<Pid>, Errno> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    let none: libc::c_long = 0;
    #[expect(unsafe_code, reason = "no crate in use here knows this kind of a fork")]
    // SAFETY: the process is single-threaded, so the child may do whatever the parent may. It has memory of its own, and
    // its stack is a copy of this one.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    if pid < 0 {
        return Err(errno(&std::io::Error::last_os_error()));
    }
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw))
}

/// A host that is there by the time the runtime needs it. What the runtime has printed before is printed in each fork.
#[derive(Default)]
pub(super) struct LaterHost {
    host: OnceCell<Rc<dyn Host>>,
    early: RefCell<Vec<(Stream, Vec<u8>)>>,
}

impl LaterHost {
    /// There is one now.
    pub(super) fn set(&self, host: Rc<dyn Host>) {
        for (stream, bytes) in self.early.take() {
            host.print(None, stream, &bytes);
        }
        // There is one worker process to a fork.
        drop(self.host.set(host));
    }
}

impl Host for LaterHost {
    fn print(&self, id: Option<EvalId>, stream: Stream, bytes: &[u8]) {
        match self.host.get() {
            Some(host) => host.print(id, stream, bytes),
            None => self.early.borrow_mut().push((stream, bytes.to_vec())),
        }
    }

    fn is_interrupted(&self, id: EvalId) -> bool {
        self.host.get().is_some_and(|host| host.is_interrupted(id))
    }

    fn put(&self, channel: &str, value: Value) -> Result<(), (Value, Blocked)> {
        match self.host.get() {
            Some(host) => host.put(channel, value),
            None => Err((value, Blocked::Closed)),
        }
    }

    fn take(&self, channel: &str) -> Result<Value, Blocked> {
        self.host.get().map_or(Err(Blocked::Closed), |host| host.take(channel))
    }

    fn close(&self, channel: &str) {
        if let Some(host) = self.host.get() {
            host.close(channel);
        }
    }

    fn wait(&self) -> bool {
        self.host.get().is_some_and(|host| host.wait())
    }

    fn is_open(&self, channel: &str) -> bool {
        self.host.get().is_some_and(|host| host.is_open(channel))
    }
}
