//! Tells the registry when the machine is short of memory, as the kernel's pressure stall information says it. Knows
//! nothing of workers; who has to go is decided in `actors/pool_memory.rs`.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use oast_actors::{Pressure, System};
use oast_config::Registry;

/// Where the kernel tells it, where it does (`Documentation/accounting/psi.rst`).
const SOURCE: &str = "/proc/pressure/memory";
/// How often it is read. The kernel's own average is over ten seconds.
const EVERY: Duration = Duration::from_secs(1);
/// From so many per cent on the machine is short of memory, where only a budget is set.
const WITH_BUDGET: u32 = 10;

/// A thread that reads it, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// Begins to look, if the settings want that and the kernel tells.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(settings: &Registry, system: &System) -> io::Result<Option<Self>> {
        let with_budget = settings.memory.map(|_| WITH_BUDGET);
        let Some(limit) = settings.pressure.or(with_budget).filter(|_| read().is_some()) else { return Ok(None) };
        let ended = Arc::new(AtomicBool::new(false));
        let (until, registry) = (ended.clone(), system.addr());
        let thread = thread::Builder::new().name("oast-pressure".to_owned()).spawn(move || {
            let mut was_high = false;
            while !until.load(Ordering::Relaxed) {
                let is_high = read().is_some_and(|share| share >= f64::from(limit));
                // While it lasts, each message frees some more.
                if (is_high || was_high) && registry.try_send(Pressure(is_high)).is_err() {
                    return;
                }
                was_high = is_high;
                thread::park_timeout(EVERY);
            }
            // Whoever looks next begins anew; whoever does not must not be held to what was seen last.
            if was_high {
                drop(registry.try_send(Pressure(false)));
            }
        })?;
        Ok(Some(Self { ended, thread }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }
}

/// For how much of the last ten seconds some process waited for memory, in per cent.
fn read() -> Option<f64> {
    fs::read_to_string(SOURCE).ok().as_deref().and_then(average)
}

fn average(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_of_some_and_of_ten_seconds() {
        let text = "some avg10=12.34 avg60=5.00 avg300=1.00 total=99\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=9\n";
        assert_eq!(average(text), Some(12.34));
        assert_eq!((average(""), average("some avg60=1.00"), average("some avg10=x")), (None, None, None));
    }
}
