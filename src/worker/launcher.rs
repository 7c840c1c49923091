//! How a worker process comes to be. The host starts its own program anew; that process, single-threaded, reads its
//! [`Launch`], [bears](super::birth) the worker process proper, which confines itself, and stays behind as its
//! [guard](super::guard). Or it is told to become a [template](super::template), which forks such launchers.
//!
//! The fork is cheap here, in a process that holds nothing yet, as it would not be in the host: and only a parent that
//! adopts orphans (`PR_SET_CHILD_SUBREAPER`) finds everything that the code forked, when the end has come.

use std::{
    io::IoSliceMut,
    mem::{ManuallyDrop, MaybeUninit},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use oast_config::{Files, Mechanism, Network, Privileges, SystemCalls};
use rustix::{
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{Pid, Signal},
};

use super::{
    adoption::Ward,
    birth::{self, Born, Circumstances},
    foreign,
    guard::Guard,
    process,
    template::{self, Warmed},
};
use crate::{
    sandbox::{
        Failed, Plan, Rlimits,
        groups::Groups,
        namespaces,
        steps::{Steps, carry_out},
    },
    wire::{
        Confinement, Decoder, FromLauncher, Groups as WireGroups, Launch, Message, Outgoing, ResourceLimits, ToLauncher,
    },
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
pub(super) struct Failure {
    pub(super) step: &'static str,
    pub(super) errno: i32,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn at(step: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self { step, errno: errno.raw_os_error(), text: errno.to_string() }
    }

    /// One that the kernel has no number for.
    pub(super) fn because(step: &'static str, text: impl Into<String>) -> Self {
        Self { step, errno: 0, text: text.into() }
    }
}

impl From<Failed> for Failure {
    fn from(Failed { step, errno }: Failed) -> Self {
        Self::at(step)(errno)
    }
}

fn launch() -> Result<(), Failure> {
    must_be_single_threaded()?;
    if let Some(ward) = std::env::var(super::MARK).ok().and_then(|mark| Ward::of(&mark)) {
        let (launch, descriptors) = receive_launch()?;
        forget_mark();
        return adopt(&launch, descriptors, ward);
    }
    // Those that are meant to come have not come yet.
    close_from(3);
    let (first, descriptors) = receive()?;
    forget_mark();
    match first {
        ToLauncher::Launch(launch) => become_guard(&launch, descriptors, None),
        ToLauncher::WarmUp(settings) if !settings.runtime.command.is_empty() => foreign::become_template(&settings),
        ToLauncher::WarmUp(settings) => match template::serve(&settings)? {
            Some(warmed) => {
                let (launch, descriptors) = receive_launch()?;
                become_guard(&launch, descriptors, Some(warmed))
            }
            None => Ok(()),
        },
        ToLauncher::Fork | ToLauncher::Retire => Err(malformed("it is no template")),
        ToLauncher::Probe => {
            say(&FromLauncher::Probed { errno: namespaces::probe().map_or_else(Errno::raw_os_error, |()| 0) });
            Ok(())
        }
    }
}

/// A template has forked this process: its launch is on its lifeline.
fn receive_launch() -> Result<(Box<Launch>, Vec<OwnedFd>), Failure> {
    match receive()? {
        (ToLauncher::Launch(launch), descriptors) => Ok((launch, descriptors)),
        (ToLauncher::WarmUp(_) | ToLauncher::Fork | ToLauncher::Probe | ToLauncher::Retire, _) => {
            Err(malformed("it is no launch"))
        }
    }
}

fn become_guard(launch: &Launch, descriptors: Vec<OwnedFd>, mut warmed: Option<Warmed>) -> Result<(), Failure> {
    let (guard, channels, groups) = begin_to_guard(launch, descriptors)?;
    let killed_before = killed_in(&groups);
    let plan = plan(&launch.limits, &launch.confinement);
    let join = plan.join(&groups)?;
    let steps = match &mut warmed {
        Some(warmed) => std::mem::take(&mut warmed.steps),
        None => plan.steps()?,
    };
    let steps = Steps { join, ..steps };
    // What a template has made is its own to drop, and no guard's.
    let warmed = ManuallyDrop::new(warmed);
    let born = birth::bear(&steps, !groups.end_as_one(), |entered| {
        end(work(guard, &steps, entered).and_then(|()| {
            process::serve(launch, channels, ManuallyDrop::into_inner(warmed))
                .map_err(|text| Failure::because("start the runtime", text))
        }))
    })?;
    watch(born, groups, killed_before)
}

/// Becomes the guard of a process that waits for it already.
fn adopt(launch: &Launch, descriptors: Vec<OwnedFd>, ward: Ward) -> Result<(), Failure> {
    let (_, channels, groups) = begin_to_guard(launch, descriptors)?;
    let killed_before = killed_in(&groups);
    let join = plan(&launch.limits, &launch.confinement).join(&groups)?;
    watch(ward.adopt(&join, launch.message_limit, channels)?, groups, killed_before)
}

fn begin_to_guard(launch: &Launch, descriptors: Vec<OwnedFd>) -> Result<(Pid, Channels, Groups), Failure> {
    let _ = rustix::thread::set_name(c"oast-guard");
    let mut descriptors = descriptors.into_iter();
    let (Some(control), Some(page)) = (descriptors.next(), descriptors.next()) else {
        return Err(malformed("descriptors are missing"));
    };
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(Failure::at("adopt orphans"))?;
    Ok((rustix::process::getpid(), Channels { control, page }, groups(&launch.groups)))
}

/// How many the kernel has ended in groups that others may have had before.
fn killed_in(groups: &Groups) -> u64 {
    if groups.is_lent { groups.counted().killed } else { 0 }
}

fn watch(born: Born, groups: Groups, killed_before: u64) -> Result<(), Failure> {
    let lifeline = rustix::io::dup(rustix::stdio::stdin()).map_err(Failure::at("keep the lifeline"))?;
    Guard::new(born, UnixStream::from(lifeline), groups).watch(killed_before);
    birth::leave()
}

/// The second half of the plan, in the worker process.
fn work(guard: Pid, steps: &Steps, born: Result<Circumstances, Failed>) -> Result<(), Failure> {
    let_go_of_lifeline()?;
    let Circumstances { lacking, has_init } = born?;
    carry_out(&steps.confine, lacking)?;
    if has_init {
        return Ok(());
    }
    // Last: who becomes another user is tied to nobody any more.
    tie_to_guard(guard)
}

/// Ends the worker process. It has no lifeline: what it prints before its hello is the reason that the host gives.
#[expect(clippy::exit, reason = "its guard is further up the same stack")]
fn end(worked: Result<(), Failure>) -> ! {
    let code = i32::from(worked.is_err());
    if let Err(Failure { step, text, .. }) = worked {
        let _ = rustix::io::write(rustix::stdio::stderr(), format!("failed to {step}: {text}\n").as_bytes());
    }
    std::process::exit(code)
}

/// Only what no other thread holds is whole after a fork.
fn must_be_single_threaded() -> Result<(), Failure> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads == 1 {
        return Ok(());
    }
    let text = "`oast::init()` must be called first in `main`, before any thread is started";
    Err(Failure::because("become a worker process", text))
}

/// The plan as the sandbox takes it: it knows no frames.
pub(super) fn plan(limits: &ResourceLimits, confinement: &Confinement) -> Plan {
    let &ResourceLimits { open_files, file_size, data, core, stack } = limits;
    let required = |mechanism: &Mechanism| confinement.require.iter().any(|name| name == mechanism.name());
    Plan {
        rlimits: Rlimits { open_files, file_size, data, core, stack },
        processes: confinement.processes,
        privileges: if confinement.privileges { Privileges::Dropped } else { Privileges::Kept },
        files: if confinement.files { Files::ReadOnly } else { Files::All },
        directory: confinement.directory,
        scratch: confinement.scratch,
        network: if confinement.network { Network::None } else { Network::Host },
        is_offline: false,
        system_calls: if confinement.system_calls { SystemCalls::Filtered } else { SystemCalls::All },
        require: Mechanism::ALL.into_iter().filter(required).collect(),
    }
}

pub(super) fn groups(groups: &WireGroups) -> Groups {
    let path = |path: &Option<String>| path.as_ref().map(std::path::PathBuf::from);
    Groups {
        memory: path(&groups.memory),
        processes: path(&groups.processes),
        processor: path(&groups.processor),
        tree: path(&groups.tree),
        is_unified: groups.is_unified,
        is_lent: groups.is_lent,
        ..Groups::default()
    }
}

/// The next frame on standard input, with the descriptors that it brings along.
fn receive() -> Result<(ToLauncher, Vec<OwnedFd>), Failure> {
    receive_next()?.ok_or_else(|| malformed("the host is gone"))
}

/// What a template is asked for, one thing at a time.
pub(super) enum Wish {
    Fork([OwnedFd; 3]),
    Retire,
    /// None any more: the host is gone.
    None,
}

/// What the host wants of its template.
pub(super) fn receive_wish() -> Result<Wish, Failure> {
    match receive_next()? {
        None => Ok(Wish::None),
        Some((ToLauncher::Retire, _)) => Ok(Wish::Retire),
        Some((ToLauncher::Fork, descriptors)) => match <[OwnedFd; 3]>::try_from(descriptors) {
            Ok(descriptors) => Ok(Wish::Fork(descriptors)),
            Err(_) => Err(malformed("descriptors are missing")),
        },
        Some((ToLauncher::Launch(_) | ToLauncher::WarmUp(_) | ToLauncher::Probe, _)) => {
            Err(malformed("it is a template"))
        }
    }
}

/// `None` when there is no next one.
fn receive_next() -> Result<Option<(ToLauncher, Vec<OwnedFd>)>, Failure> {
    let mut decoder = Decoder::<ToLauncher>::new(LAUNCH_LIMIT);
    let mut descriptors = Vec::new();
    loop {
        if let Some(message) = decoder.next().map_err(|error| malformed(&error.to_string()))? {
            return Ok(Some((message, descriptors)));
        }
        match receive_some(&mut decoder, &mut descriptors) {
            Ok(0) => return Ok(None),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::at("read the launch")(errno)),
        }
    }
}

fn malformed(text: &str) -> Failure {
    Failure::because("read the launch", text)
}

fn receive_some(decoder: &mut Decoder<ToLauncher>, descriptors: &mut Vec<OwnedFd>) -> Result<usize, Errno> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
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

/// Closes all descriptors from this number on. They have no owner in this process, which has just started, or just forked to
/// run nothing but what it was forked for.
pub(super) fn close_from(first: u32) {
    // SAFETY: no value that is used afterwards owns one of them.
    #[expect(unsafe_code, reason = "what was inherited has no owner")]
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if closed != 0 {
        close_each_from(first);
    }
}

/// Whether that is one system call, and no more.
pub(super) fn closes_at_once() -> bool {
    // SAFETY: no descriptor has this number.
    #[expect(unsafe_code, reason = "no crate in use here knows this system call")]
    let closed = unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) };
    closed == 0
}

/// The same where the kernel, or a filter, has no system call for it (Linux 5.9).
fn close_each_from(first: u32) {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    // Gathered first, for the directory is one of them.
    let numbers: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| number.cast_unsigned() >= first) {
        // SAFETY: as above.
        #[expect(unsafe_code, reason = "what was inherited has no owner")]
        unsafe {
            libc::close(number);
        }
    }
}

/// Programs that the code starts must not think that they are worker processes.
fn forget_mark() {
    // SAFETY: the process is single-threaded, so nobody reads the environment meanwhile.
    #[expect(unsafe_code, reason = "the environment is changed before any thread exists")]
    unsafe {
        std::env::remove_var(super::MARK);
    }
}

/// The worker process goes when its guard goes. The guard is single-threaded, so that its thread's end is its own.
fn tie_to_guard(guard: Pid) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::at("tie to the guard"))?;
    if rustix::process::getppid() != Some(guard) {
        return Err(Failure::because("tie to the guard", "the guard is gone"));
    }
    Ok(())
}

fn let_go_of_lifeline() -> Result<(), Failure> {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
        .map_err(Failure::at("open /dev/null"))?;
    // The lifeline is the guard's alone: its end tells the host that the guard is gone.
    rustix::stdio::dup2_stdin(null.as_fd()).map_err(Failure::at("close the lifeline"))
}

pub(super) fn report(Failure { step, errno, text }: Failure) {
    say(&FromLauncher::Failed { step: step.to_owned(), errno, text });
}

/// Tells the host something, on standard input.
pub(super) fn say(message: &FromLauncher) {
    let mut outgoing = Outgoing::new(LAUNCH_LIMIT);
    if message.encode(&mut outgoing).is_ok() {
        send_all(rustix::stdio::stdin(), &mut outgoing);
    }
}

/// Writes everything that waits. A host that is gone is noticed elsewhere.
pub(super) fn send_all(socket: impl AsFd, outgoing: &mut Outgoing) {
    let _ = outgoing.write_with(|slices| rustix::io::writev(&socket, slices));
}
