//! A thread that waits for what cannot wait for the main loop: interrupts while an evaluation runs, answers that were
//! gathered behind one that takes its time, and the end of the host.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use oast_config::ByteSize;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::{interrupts::Interrupts, socket::SocketOutlet};
use crate::wire::{Decoder, ToWorker};

/// How long gathered answers wait at most while an evaluation runs.
const PATIENCE: Duration = Duration::from_millis(1);
/// After how many times with nothing to send the thread waits to be called again.
const ROUNDS: u32 = 8;
/// Messages on the urgent channel have few bytes.
const LIMIT: ByteSize = ByteSize::kib(4);

/// The thread's stack needs room for a poll and a small decoder only.
const STACK: usize = 64 << 10;

/// Starts the thread.
pub(super) fn start(
    urgent: OwnedFd,
    interrupts: Arc<Interrupts>,
    outlet: Arc<SocketOutlet>,
) -> Result<(), std::io::Error> {
    let watch = Watch { urgent, interrupts, outlet, decoder: Decoder::new(LIMIT) };
    std::thread::Builder::new().name("oast-watch".to_owned()).stack_size(STACK).spawn(move || watch.run())?;
    Ok(())
}

struct Watch {
    urgent: OwnedFd,
    interrupts: Arc<Interrupts>,
    outlet: Arc<SocketOutlet>,
    decoder: Decoder<ToWorker>,
}

impl Watch {
    fn run(mut self) {
        let mut rounds = 0;
        loop {
            let patience = (rounds > 0).then(|| Timespec { tv_sec: 0, tv_nsec: i64::from(PATIENCE.subsec_nanos()) });
            let (called, heard) = match self.wait(patience.as_ref()) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            };
            if heard && !self.hear() {
                leave();
            }
            if called {
                self.outlet.take_call();
                rounds = ROUNDS;
            } else if rounds > 0 && !heard {
                rounds = if self.outlet.attend() { ROUNDS } else { rounds - 1 };
                if rounds == 0 {
                    self.outlet.leave();
                    // What was gathered before the loop could know that nobody attends is sent now.
                    self.outlet.attend();
                }
            }
        }
    }

    /// Whether the main loop called, and whether the host said something.
    fn wait(&self, patience: Option<&Timespec>) -> Result<(bool, bool), rustix::io::Errno> {
        let mut watched = [PollFd::new(self.outlet.calls(), PollFlags::IN), PollFd::new(&self.urgent, PollFlags::IN)];
        rustix::event::poll(&mut watched, patience)?;
        Ok((!watched[0].revents().is_empty(), !watched[1].revents().is_empty()))
    }

    /// Takes interrupts; false when the host is gone.
    fn hear(&mut self) -> bool {
        let space = rustix::buffer::spare_capacity(self.decoder.space());
        if !rustix::io::read(&self.urgent, space).is_ok_and(|read| read > 0) {
            return false;
        }
        while let Ok(Some(message)) = self.decoder.next() {
            if let ToWorker::Interrupt(id) = message {
                self.interrupts.add(id);
            }
        }
        true
    }
}

/// The host is gone, whatever the main thread is doing.
fn leave() -> ! {
    // SAFETY: ends the process at once; no destructor of a thread in the midst of the user's code can be run safely.
    #[expect(unsafe_code, reason = "the main thread may be anywhere")]
    unsafe {
        libc::_exit(0)
    }
}
