//! The guard of a worker process that a template in another language has forked. The template forks two processes, and the first
//! executes this program to be the guard; the second waits for what is said here: what of the plan is this launch's own, and the
//! channels. It bears whoever is in the namespace then, as an [opener](super::birth) does, and tells who they are.

use std::{
    io::{self, IoSlice, PipeWriter, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::{Pid, WaitOptions},
};
use serde::{Deserialize, Serialize};

use super::{
    birth::Born,
    launcher::{Channels, Failure},
};
use crate::sandbox::{errno, steps::Step};

/// Begins the mark of a process that is to be a guard: `guard:` and the number of the socket to the process that it guards, `:`,
/// and the id of that.
pub(super) const MARK: &str = "guard:";

/// The process that waits to be told what it is.
pub(super) struct Ward {
    socket: UnixStream,
    pid: Pid,
}

/// What it is told, with a control channel, a page, and the end of a pipe that closes when the guard is gone.
#[derive(Debug, Serialize)]
struct Adopted<'a> {
    join: &'a [Step],
    limit: u64,
}

/// What it tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    /// The worker process and the first one of its namespace.
    Born { worker: i32, init: i32 },
    /// It is the worker process itself, for there is no namespace.
    Alone,
    /// It has failed.
    Failed { step: String, errno: i32 },
}

impl Ward {
    /// The one that a mark names. The socket has no other owner in this process.
    pub(super) fn of(mark: &str) -> Option<Self> {
        let (number, pid) = mark.strip_prefix(MARK)?.split_once(':')?;
        let (number, pid): (i32, i32) = (number.parse().ok()?, pid.parse().ok()?);
        #[expect(unsafe_code, reason = "it was inherited by its number")]
        // SAFETY: this process has just begun, and nothing in it owns a descriptor yet.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        Some(Self { socket: UnixStream::from(socket), pid: Pid::from_raw(pid)? })
    }

    /// Tells it what it is, and hears whom it bore.
    pub(super) fn adopt(self, join: &[Step], limit: u64, channels: Channels) -> Result<Born, Failure> {
        const WHAT: &str = "adopt a fork";
        let failed = |error: io::Error| Failure::at(WHAT)(errno(&error));
        let (life, hold) = io::pipe().map_err(failed)?;
        let text = serde_json::to_vec(&Adopted { join, limit }).map_err(|error| failed(error.into()))?;
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
        let Channels { control, page } = channels;
        send(&self.socket, &length, &[control.as_fd(), page.as_fd(), life.as_fd()]).map_err(failed)?;
        io::Write::write_all(&mut &self.socket, &text).map_err(failed)?;
        drop((control, page, life));
        let mut told = Vec::new();
        (&self.socket).read_to_end(&mut told).map_err(failed)?;
        match serde_json::from_slice(&told) {
            Ok(told) => self.born(told, hold),
            Err(_) => Err(Failure::because(WHAT, "it has ended without a word")),
        }
    }

    fn born(&self, told: Told, hold: PipeWriter) -> Result<Born, Failure> {
        match told {
            Told::Alone => Ok(Born { worker: self.pid, init: None }),
            Told::Born { worker, init } => {
                // With its end, those that it bore are the guard's children.
                let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
                let pids = Pid::from_raw(worker).zip(Pid::from_raw(init));
                let (worker, init) = pids.ok_or_else(|| Failure::because("adopt a fork", "it bore nobody"))?;
                Ok(Born { worker, init: Some((init, hold)) })
            }
            Told::Failed { step, errno } => {
                let error = io::Error::from_raw_os_error(errno);
                Err(Failure { step: "confine a fork", errno, text: format!("failed to {step}: {error}") })
            }
        }
    }
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
