//! A thread that sends the answers that were gathered behind an evaluation that takes its time. It starts when a worker
//! process has had that often: most never do.

use std::{sync::Arc, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};

use super::socket::SocketOutlet;

/// How long gathered answers wait at most while an evaluation runs.
const PATIENCE: Duration = Duration::from_millis(1);
/// After how many times with nothing to send the thread waits to be called again.
const ROUNDS: u32 = 8;
/// The thread's stack needs room for a poll and a write only.
const STACK: usize = 64 << 10;

/// Starts the thread.
pub(super) fn start(outlet: Arc<SocketOutlet>) -> Result<(), std::io::Error> {
    let thread = std::thread::Builder::new().name("oast-watch".to_owned()).stack_size(STACK);
    thread.spawn(move || watch(&outlet))?;
    Ok(())
}

fn watch(outlet: &SocketOutlet) {
    let mut rounds = 0;
    loop {
        let patience = (rounds > 0).then(|| Timespec { tv_sec: 0, tv_nsec: i64::from(PATIENCE.subsec_nanos()) });
        let mut calls = [PollFd::new(outlet.calls(), PollFlags::IN)];
        match rustix::event::poll(&mut calls, patience.as_ref()) {
            Ok(0) => {
                rounds = if outlet.attend() { ROUNDS } else { rounds - 1 };
                if rounds == 0 {
                    outlet.leave();
                    // What was gathered before the loop could know that nobody attends is sent now.
                    outlet.attend();
                }
            }
            Ok(_) => {
                outlet.take_call();
                rounds = ROUNDS;
            }
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
