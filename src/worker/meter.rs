//! Measures what an evaluation used, from within the worker process. Looking at the clocks of the kernel costs more than
//! a short evaluation, so only long ones are measured; a short one is taken to have used a processor all the time.

use std::time::Duration;

use oast_actors::Usage;
use rustix::time::ClockId;

use crate::sandbox::memory;

/// An evaluation from this long on is measured.
const LONG: Duration = Duration::from_millis(1);

/// Measures evaluations one after another.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// CPU time of the process when it was last looked at.
    cpu: Duration,
    /// How long the short evaluations since then took.
    short: Duration,
}

impl Meter {
    /// What an evaluation used that took this long and has just ended.
    pub(super) fn usage(&mut self, wall: Duration) -> Usage {
        if wall < LONG {
            self.short += wall;
            return Usage { wall, cpu: wall, memory: None };
        }
        let now = cpu_time();
        let cpu = now.saturating_sub(self.cpu).saturating_sub(self.short);
        (self.cpu, self.short) = (now, Duration::ZERO);
        Usage { wall, cpu, memory: memory::resident(rustix::process::getpid()) }
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
