//! A pool of leases under load: many callers, few processes. Each caller has a worker for itself, and the next one never
//! finds what the one before left behind.
//!
//! Run with `cargo run --release --example pool`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, thread, time::Instant};

use oast::{
    Oast, Spec,
    config::{Config, OnReturn, Profile},
};

const CALLERS: usize = 8;
const LEASES: usize = 50;

/// Leaves something behind, and looks whether anybody else did.
const VISIT: &str = "var visits = (globalThis.visits ?? 0) + 1; visits";

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    oast::init();
    let mut config = Config::default();
    config.registry.pool_max = 4;
    let mut profile = Profile::untrusted();
    profile.on_return = OnReturn::Reset;
    let oast = Oast::start(config)?;
    oast.blocking().pool(Spec::javascript("guests").profile(profile))?;

    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let oast = oast.blocking();
            thread::spawn(move || (0..LEASES).map(|_| visit(&oast)).collect::<Result<Vec<_>, _>>())
        })
        .collect();
    for caller in callers {
        let visits = caller.join().map_err(|_panic| "a caller panicked")??;
        assert!(visits.iter().all(|visits| visits == "1"), "somebody found what another one left: {visits:?}");
    }
    let leases = CALLERS * LEASES;
    println!("{leases} leases, each of a clean worker, in {:?}", begin.elapsed());
    Ok(())
}

fn visit(oast: &oast::BlockingOast) -> Result<String, Box<dyn Error + Send + Sync>> {
    let lease = oast.lease("guests")?;
    Ok(lease.blocking().eval(VISIT)?.text)
}
