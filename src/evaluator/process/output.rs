//! What a worker process prints. The pipes are always drained, so that it never waits for a reader; whose the bytes are
//! says [`attribution`](super::attribution).

use std::io::ErrorKind;

use bytes::Bytes;
use oast_actors::{Event, Stream};
use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
};
use tokio::net::unix::pipe::Receiver;

use super::{
    link::Link,
    reader::{Burst, deliver, pull},
};

/// How much is read at once.
const PIECE: usize = 16 << 10;
/// How much of standard error is kept for the exit report.
const TAIL: usize = 4 << 10;

/// Reads standard output until nobody has it open.
pub(super) async fn read_stdout(link: &Link) {
    read(link, &link.stdout, Stream::Stdout).await;
}

/// Reads standard error until nobody has it open.
pub(super) async fn read_stderr(link: &Link) {
    read(link, &link.stderr, Stream::Stderr).await;
}

/// Takes what is in the pipes now. One look tells whether there is anything, as there seldom is.
pub(super) fn drain(link: &Link) {
    let mut watched = [PollFd::new(&link.stdout, PollFlags::IN), PollFd::new(&link.stderr, PollFlags::IN)];
    let nothing = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    if !rustix::event::poll(&mut watched, Some(&nothing)).is_ok_and(|ready| ready > 0) {
        return;
    }
    // A process that floods has more than this by the time it is read, but not before its answer.
    for (pipe, stream) in [(&link.stdout, Stream::Stdout), (&link.stderr, Stream::Stderr)] {
        for _ in 0..8 {
            if !take(link, pipe, stream).is_ok_and(|taken| taken > 0) {
                break;
            }
        }
    }
}

/// Ends never by itself: a process may close its output and live on.
async fn read(link: &Link, pipe: &Receiver, stream: Stream) {
    let mut burst = Burst::default();
    loop {
        let Ok(()) = pipe.readable().await else { break };
        match pipe.try_io(|| Ok(take(link, pipe, stream)?)) {
            Ok(0) => break,
            // Announcements that came before the bytes brought other messages along.
            Ok(_) => {
                deliver(link);
                burst.piece().await;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => burst.pause(),
            Err(_) => break,
        }
    }
    std::future::pending().await
}

/// Takes one piece, and gives it to those who printed it.
fn take(link: &Link, pipe: &Receiver, stream: Stream) -> Result<usize, Errno> {
    let mut piece = Vec::with_capacity(PIECE);
    let count = rustix::io::read(pipe, rustix::buffer::spare_capacity(&mut piece))?;
    if count == 0 {
        return Ok(0);
    }
    piece.shrink_to_fit();
    let mut bytes = Bytes::from(piece);
    // Whoever printed this announced it before.
    pull(link);
    let mut state = link.state.borrow_mut();
    if stream == Stream::Stderr {
        state.stderr_tail.extend(&bytes);
        let surplus = state.stderr_tail.len().saturating_sub(TAIL);
        state.stderr_tail.drain(..surplus);
    }
    let running = state.in_flight.front().copied();
    let pieces = state.attribution[stream as usize].attribute(count, running);
    drop(state);
    for (id, length) in pieces {
        let bytes = bytes.split_to(length);
        link.events.send(Event::Printed { id, stream, bytes });
    }
    Ok(count)
}
