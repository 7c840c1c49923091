//! How a worker process comes to be. The host starts its own program anew; that process, single-threaded, reads its
//! [`Launch`], confines itself, forks the worker process proper and stays behind as its [guard](super::guard).
//!
//! The fork is cheap here, in a process that holds nothing yet, as it would not be in the host: and only a parent that
//! adopts orphans (`PR_SET_CHILD_SUBREAPER`) finds everything that the code forked, when the end has come.

use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use oast_config::{Files, Mechanism, Network, Privileges, SystemCalls};
use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{Pid, Signal},
};

use super::{guard::Guard, process};
use crate::{
    sandbox::{Plan, Rlimits, groups::Groups},
    wire::{Decoder, FromLauncher, Launch, Message, Outgoing, ResourceLimits},
};

/// The descriptors that come with a launch, in this order.
pub(crate) struct Channels {
    /// Frames, both ways.
    pub(crate) control: OwnedFd,
    /// Memory that it shares with the host; see [`crate::wire::page`].
    pub(crate) page: OwnedFd,
}

/// A launch has few bytes; a first message that has more is none.
const LAUNCH_LIMIT: oast_config::ByteSize = oast_config::ByteSize::kib(64);

/// What became of the launcher after its fork.
enum Side {
    Guard(Pid),
    Worker,
}

/// Becomes a worker process. Does not return.
#[expect(clippy::exit, reason = "a worker process must never come to the program's own main")]
pub(super) fn run() -> ! {
    let code = match launch() {
        Ok(()) => 0,
        Err(failure) => {
            report(failure);
            1
        }
    };
    std::process::exit(code);
}

/// Why there is no worker process.
struct Failure {
    step: &'static str,
    errno: i32,
    text: String,
}

impl Failure {
    fn at(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self { step, errno: errno.raw_os_error(), text: errno.to_string() }
    }
}

fn launch() -> Result<(), Failure> {
    must_be_single_threaded()?;
    let_go_of_the_rest().map_err(Failure::at("close inherited descriptors"))?;
    let (launch, channels) = receive()?;
    forget_mark();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(Failure::at("adopt orphans"))?;
    let guard = rustix::process::getpid();
    match fork()? {
        Side::Guard(worker) => {
            drop(channels);
            let lifeline = rustix::io::dup(rustix::stdio::stdin()).map_err(Failure::at("keep the lifeline"))?;
            Guard::new(worker, UnixStream::from(lifeline), groups(&launch)).watch();
            Ok(())
        }
        Side::Worker => work(guard, &launch, channels).inspect_err(complain),
    }
}

fn work(guard: Pid, launch: &Launch, channels: Channels) -> Result<(), Failure> {
    let_go_of_lifeline()?;
    plan(launch).carry_out().map_err(|failed| Failure::at(failed.step)(failed.errno))?;
    // Last: who becomes another user is tied to nobody any more.
    tie_to_guard(guard)?;
    process::serve(launch, channels).map_err(|text| Failure { step: "start the runtime", errno: 0, text })
}

/// Only what no other thread holds is whole after a fork.
fn must_be_single_threaded() -> Result<(), Failure> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads == 1 {
        return Ok(());
    }
    let text = "`oast::init()` must be called first in `main`, before any thread is started".to_owned();
    Err(Failure { step: "become a worker process", errno: 0, text })
}

/// The plan as the sandbox takes it: it knows no frames.
fn plan(launch: &Launch) -> Plan {
    let Launch { limits, confinement, .. } = launch;
    let &ResourceLimits { open_files, file_size, data, core, stack } = limits;
    let groups = groups(launch);
    let required = |mechanism: &Mechanism| confinement.require.iter().any(|name| name == mechanism.name());
    Plan {
        groups,
        rlimits: Rlimits { open_files, file_size, data, core, stack },
        processes: confinement.processes,
        privileges: if confinement.privileges { Privileges::Dropped } else { Privileges::Kept },
        files: if confinement.files { Files::ReadOnly } else { Files::All },
        directory: confinement.directory,
        network: if confinement.network { Network::None } else { Network::Host },
        system_calls: if confinement.system_calls { SystemCalls::Filtered } else { SystemCalls::All },
        require: Mechanism::ALL.into_iter().filter(required).collect(),
    }
}

fn groups(Launch { groups, .. }: &Launch) -> Groups {
    let path = |path: &Option<String>| path.as_ref().map(std::path::PathBuf::from);
    Groups {
        memory: path(&groups.memory),
        processes: path(&groups.processes),
        tree: path(&groups.tree),
        is_unified: groups.is_unified,
    }
}

/// The launch is the first frame on standard input, and brings the descriptors along.
fn receive() -> Result<(Launch, Channels), Failure> {
    let malformed = |text: &str| Failure { step: "read the launch", errno: 0, text: text.to_owned() };
    let mut decoder = Decoder::<Launch>::new(LAUNCH_LIMIT);
    let mut descriptors = Vec::new();
    loop {
        if let Some(launch) = decoder.next().map_err(|error| malformed(&error.to_string()))? {
            let mut descriptors = descriptors.into_iter();
            let (Some(control), Some(page)) = (descriptors.next(), descriptors.next()) else {
                return Err(malformed("descriptors are missing"));
            };
            return Ok((launch, Channels { control, page }));
        }
        if receive_some(&mut decoder, &mut descriptors).map_err(Failure::at("read the launch"))? == 0 {
            return Err(malformed("the host is gone"));
        }
    }
}

fn receive_some(decoder: &mut Decoder<Launch>, descriptors: &mut Vec<OwnedFd>) -> Result<usize, rustix::io::Errno> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let stdin = rustix::stdio::stdin();
    let received = rustix::net::recvmsg(stdin, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    decoder.space().extend_from_slice(&bytes[..received.bytes]);
    Ok(received.bytes)
}

/// Descriptors that the host left open across an exec are nobody's here: those that are meant to come have not come yet.
fn let_go_of_the_rest() -> Result<(), rustix::io::Errno> {
    let entries = std::fs::read_dir("/proc/self/fd")
        .map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))?;
    // Gathered first, for the directory is one of them.
    let numbers: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: the process has just started and runs nothing but this: no value in it owns a descriptor beyond 2.
        #[expect(unsafe_code, reason = "what was inherited has no owner")]
        unsafe {
            libc::close(number);
        }
    }
    Ok(())
}

/// Programs that the code starts must not think that they are worker processes.
fn forget_mark() {
    // SAFETY: the process is single-threaded, so nobody reads the environment meanwhile.
    #[expect(unsafe_code, reason = "the environment is changed before any thread exists")]
    unsafe {
        std::env::remove_var(super::MARK);
    }
}

fn fork() -> Result<Side, Failure> {
    #[expect(
        unsafe_code,
        reason = "the guard must be the parent of the worker process, and exec would cost a millisecond"
    )]
    // SAFETY: the process is single-threaded, so the child may do whatever the parent may.
    let pid = unsafe { libc::fork() };
    match Pid::from_raw(pid) {
        None => Ok(Side::Worker),
        Some(_) if pid < 0 => {
            let error = std::io::Error::last_os_error();
            Err(Failure { step: "fork", errno: error.raw_os_error().unwrap_or(0), text: error.to_string() })
        }
        Some(worker) => Ok(Side::Guard(worker)),
    }
}

/// The worker process goes when its guard goes. The guard is single-threaded, so that its thread's end is its own.
fn tie_to_guard(guard: Pid) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::at("tie to the guard"))?;
    if rustix::process::getppid() != Some(guard) {
        return Err(Failure { step: "tie to the guard", errno: 0, text: "the guard is gone".to_owned() });
    }
    Ok(())
}

fn let_go_of_lifeline() -> Result<(), Failure> {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
        .map_err(Failure::at("open /dev/null"))?;
    // The lifeline is the guard's alone: its end tells the host that the guard is gone.
    rustix::stdio::dup2_stdin(null.as_fd()).map_err(Failure::at("close the lifeline"))
}

/// The worker process has no lifeline: what it prints before its hello is the reason that the host gives.
fn complain(Failure { step, text, .. }: &Failure) {
    let _ = rustix::io::write(rustix::stdio::stderr(), format!("failed to {step}: {text}\n").as_bytes());
}

fn report(Failure { step, errno, text }: Failure) {
    let failed = FromLauncher::Failed { step: step.to_owned(), errno, text };
    let mut outgoing = Outgoing::new(LAUNCH_LIMIT);
    if failed.encode(&mut outgoing).is_ok() {
        send_all(rustix::stdio::stdin(), &mut outgoing);
    }
}

/// Writes everything that waits. A host that is gone is noticed elsewhere.
pub(super) fn send_all(socket: impl AsFd, outgoing: &mut Outgoing) {
    let _ = outgoing.write_with(|slices| rustix::io::writev(&socket, slices));
}
