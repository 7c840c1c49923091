//! JavaScript under limits: an endless loop, a memory bomb and a flood of output each cost one evaluation and nothing
//! more.
//!
//! Run with `cargo run --example limits`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::{error::Error, time::Duration};

use oast::{
    Oast, Spec,
    config::{ByteSize, Config, Profile},
};

const PROGRAMS: [(&str, &str); 5] = [
    ("sums up", "let sum = 0; for (let i = 0; i < 1000; i++) sum += i; sum"),
    ("never ends", "while (true) {}"),
    ("takes all memory", "{ const hoard = []; while (true) hoard.push(new Array(1000).fill(1)) }"),
    ("prints without end", "for (let i = 0; i < 1e5; i++) console.log('all work and no play'); 'done'"),
    ("throws", "null.property"),
];

fn main() -> Result<(), Box<dyn Error>> {
    oast::init();
    let mut profile = Profile::untrusted();
    profile.limits.wall_time = Some(Duration::from_secs(2));
    profile.limits.memory = Some(ByteSize::mib(64));
    profile.limits.output = ByteSize::kib(64);

    let oast = Oast::start(Config::default())?;
    let worker = oast.blocking().worker(Spec::javascript("guest").profile(profile))?;
    for (what, program) in PROGRAMS {
        match worker.eval(program) {
            Ok(outcome) => {
                let printed: usize = outcome.output.iter().map(|piece| piece.bytes.len()).sum();
                let dropped = outcome.output_dropped;
                match outcome.result {
                    Ok(_) => println!("{what}: {} ({printed} bytes printed, {dropped} dropped)", outcome.text),
                    Err(raised) => println!("{what}: it raised {raised}"),
                }
            }
            Err(error) => println!("{what}: {error}"),
        }
    }
    Ok(())
}
