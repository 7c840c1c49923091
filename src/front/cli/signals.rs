//! Ctrl-C.

use std::io;

use actix_rt::signal::unix::{Signal, SignalKind, signal};

/// Hears Ctrl-C from now on. The first of these keeps it from ending this process, for good.
#[derive(Debug)]
pub(super) struct Interrupts(Signal);

impl Interrupts {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?))
    }

    /// Waits for the next Ctrl-C.
    pub(super) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The runtime is ending, and no more of them come.
            std::future::pending::<()>().await;
        }
    }
}
