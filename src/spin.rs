//! A short wait by trying again and again, for when a core is idle anyway: a blocked thread wakes tens of microseconds
//! after its message came, a spinning one within one. It gives up for a while when spinning does not pay or when
//! somebody else wants the core.

use std::time::{Duration, Instant};

use rustix::{io::Errno, time::ClockId};

/// How long one wait spins at most.
const LONGEST: Duration = Duration::from_micros(200);
/// How many waits are not spun after one in which the core was taken away.
const PAUSE_CONTENDED: u32 = 1000;
/// How many waits are not spun after several that came to nothing.
const PAUSE_IDLE: u32 = 16;
/// How many waits may come to nothing in a row.
const MISSES: u32 = 4;

/// Decides when to spin.
#[derive(Debug)]
pub(crate) struct Spinner {
    pause: u32,
    misses: u32,
}

impl Spinner {
    /// `None` where this process may use one core only: then the other side could not run meanwhile.
    pub(crate) fn new() -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (cores > 1).then_some(Self { pause: 0, misses: 0 })
    }

    /// Tries until something else than "try again" comes, or spinning does not pay.
    pub(crate) fn spin<T>(&mut self, mut attempt: impl FnMut() -> Result<T, Errno>) -> Option<Result<T, Errno>> {
        let spell = self.begin()?;
        loop {
            match attempt() {
                Err(Errno::AGAIN) => {}
                done => {
                    self.hit();
                    return Some(done);
                }
            }
            if !spell.goes_on() {
                self.miss(&spell);
                return None;
            }
            std::hint::spin_loop();
        }
    }

    /// Begins to spin, unless there is a pause.
    pub(crate) fn begin(&mut self) -> Option<Spell> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        Some(Spell { since: Instant::now(), cpu: thread_cpu() })
    }

    /// What was waited for has come.
    pub(crate) fn hit(&mut self) {
        self.misses = 0;
    }

    /// It has not.
    pub(crate) fn miss(&mut self, spell: &Spell) {
        self.misses += 1;
        if spell.was_preempted() {
            self.pause = PAUSE_CONTENDED;
        } else if self.misses >= MISSES {
            self.pause = PAUSE_IDLE;
        }
    }
}

/// One wait that spins.
#[derive(Debug)]
pub(crate) struct Spell {
    since: Instant,
    cpu: Duration,
}

impl Spell {
    /// Whether to go on.
    pub(crate) fn goes_on(&self) -> bool {
        self.since.elapsed() < LONGEST
    }

    /// Whether the thread was off its core for a part of the wait: then no core is idle.
    fn was_preempted(&self) -> bool {
        let wall = self.since.elapsed();
        thread_cpu().saturating_sub(self.cpu) * 4 < wall * 3
    }
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
