//! A process of this program that is talked to before it becomes anything, or instead: over its standard input, one question and
//! one answer at a time, by a thread that waits for it.

use std::{
    io::{IoSlice, Result},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use oast_config::ByteSize;
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions},
};

use super::{link::socket_pair, spawner};
use crate::{
    wire::{Decoder, FromLauncher, Message, Outgoing, ToLauncher},
    worker::MARK,
};

/// These messages have few bytes.
const LIMIT: ByteSize = ByteSize::kib(64);
/// How long a probe may take.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// Such a process, and the socket to it. It leaves when that closes.
pub(super) struct Talk {
    pub(super) pid: Pid,
    socket: OwnedFd,
    decoder: Decoder<FromLauncher>,
}

impl Talk {
    /// Starts one, with the first thing that it is told.
    pub(super) fn start(mut command: Command, first: &ToLauncher) -> Result<Self> {
        let (socket, theirs) = socket_pair()?;
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        send(&socket, first, &[])?;
        let pid = spawner::spawn(command)?;
        Ok(Self { pid, socket, decoder: Decoder::new(LIMIT) })
    }

    /// Tells it something, with descriptors.
    pub(super) fn say(&self, message: &ToLauncher, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        send(&self.socket, message, descriptors)
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        // An error says that it is gone already.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }

    /// Ends it, and waits until it has ended; it is left to be collected.
    pub(super) fn end(&self) {
        self.kill();
        let _ = rustix::process::waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    }

    /// What it says within this time.
    pub(super) fn hear(&mut self, patience: Duration) -> std::result::Result<FromLauncher, Errno> {
        let until = Instant::now() + patience;
        loop {
            if let Some(message) = self.decoder.next().map_err(|_malformed| Errno::PROTO)? {
                return Ok(message);
            }
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            match rustix::event::poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left)) {
                Ok(0) => return Err(Errno::AGAIN),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            }
            let space = rustix::buffer::spare_capacity(self.decoder.space());
            match rustix::net::recv(&self.socket, space, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(Errno::PIPE),
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Whether a process of this program can enter all namespaces, tried in one; and why not.
///
/// # Errors
/// It cannot, or it cannot be known.
pub(crate) fn probe_namespaces() -> Result<()> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("oast-probe").env_clear().env(MARK, "1");
    let mut talk = Talk::start(command, &ToLauncher::Probe)?;
    let heard = talk.hear(PROBE_TIME);
    talk.kill();
    // An error says that it is gone already.
    let _ = rustix::process::waitpid(Some(talk.pid), WaitOptions::empty());
    match heard? {
        FromLauncher::Probed { errno: 0 } => Ok(()),
        FromLauncher::Probed { errno } => Err(std::io::Error::from_raw_os_error(errno)),
        FromLauncher::Warm
        | FromLauncher::Forked { .. }
        | FromLauncher::Born { .. }
        | FromLauncher::Ended { .. }
        | FromLauncher::Failed { .. } => Err(Errno::PROTO.into()),
    }
}

/// Sends a message to a launcher, with descriptors. It is in the socket when this returns: nobody need have its other end yet.
pub(super) fn send(socket: &OwnedFd, message: &ToLauncher, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    let mut outgoing = Outgoing::new(LIMIT);
    message.encode(&mut outgoing).map_err(std::io::Error::other)?;
    let mut slices = [IoSlice::new(&[]); 4];
    let count = outgoing.slices(&mut slices);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        rights.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket.as_fd(), &slices[..count], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}
