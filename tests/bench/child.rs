//! The other process of a floor: this program, with a hidden argument and a socket as its standard input. It does the
//! least that the other end of a worker could do.

use std::{
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::{Child, Command, ExitCode, Stdio},
};

use crate::{
    cell,
    placement::Placement,
    process::{spawn, this_program},
};

/// Tells this program that it is such a process.
pub(crate) const FLAG: &str = "--as-floor";

/// How many bytes of bulk there are.
pub(crate) const BULK: usize = 50_000_000;

const ECHO: &str = "echo";
const POUR: &str = "pour";
const FORKS: &str = "forks";
const CELLS: &str = "cells";

/// Serves until the other end is gone.
pub(crate) fn serve(role: &str) -> ExitCode {
    let socket = rustix::io::dup(rustix::stdio::stdin()).expect("standard input is a socket");
    let mut socket = UnixStream::from(socket);
    // The other end goes when it has measured enough, whatever is still on the way.
    let _gone = match role {
        ECHO => echo(socket),
        POUR => pour(socket),
        FORKS => cell::fork_on_demand(&mut socket),
        CELLS => cell::make_cells_on_demand(&mut socket),
        other => Err(std::io::Error::other(format!("there is no floor `{other}`"))),
    };
    ExitCode::SUCCESS
}

/// Sends back whatever comes.
fn echo(mut socket: UnixStream) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        match socket.read(&mut bytes)? {
            0 => return Ok(()),
            count => socket.write_all(&bytes[..count])?,
        }
    }
}

/// Sends bulk for every byte that comes.
fn pour(mut socket: UnixStream) -> std::io::Result<()> {
    let bulk = vec![7; BULK];
    while socket.read(&mut [0])? > 0 {
        socket.write_all(&bulk)?;
    }
    Ok(())
}

/// Such a process and the socket to it. It ends when this is dropped.
pub(crate) struct Other {
    pub(crate) socket: UnixStream,
    process: Child,
}

impl Other {
    pub(crate) fn echo(placement: Placement) -> Self {
        Self::start(ECHO, placement)
    }

    pub(crate) fn pour(placement: Placement) -> Self {
        Self::start(POUR, placement)
    }

    /// See [`cell::fork_on_demand`].
    pub(crate) fn forks() -> Self {
        Self::start(FORKS, Placement::Free)
    }

    /// See [`cell::make_cells_on_demand`].
    pub(crate) fn cells() -> Self {
        Self::start(CELLS, Placement::Free)
    }

    fn start(role: &str, placement: Placement) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair can be made");
        let process = spawn(command(role).stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))));
        placement.place_opposite(process.id());
        Self { socket, process }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, and returns when its end can be seen.
    pub(crate) fn kill_and_see(mut self) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        let seen = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("it is ours");
        self.process.kill().expect("it is ours");
        let mut watched = [rustix::event::PollFd::from_borrowed_fd(seen.as_fd(), rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut watched, None).expect("its end can be waited for");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Errors say that it is gone already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn command(role: &str) -> Command {
    this_program(FLAG, role)
}
