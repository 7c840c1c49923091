//! Workers in workers, three deep: a function in a worker process starts a worker of its own. When the outermost ends,
//! however it ends, the inner ones end with it.
//!
//! Run with `cargo run --example nested`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example tells what it does")]

use std::error::Error;

use oast::{
    BlockingCallExt, Oast, Spec,
    config::{Config, Profile},
};

/// Goes one level deeper, and tells which processes there were on the way.
fn descend(levels: u32) -> Vec<u32> {
    let mut pids = vec![std::process::id()];
    if levels > 0 {
        match deeper(levels) {
            Ok(more) => pids.extend(more),
            Err(error) => eprintln!("it goes no deeper: {error}"),
        }
    }
    pids
}

fn deeper(levels: u32) -> Result<Vec<u32>, Box<dyn Error>> {
    let oast = Oast::start(Config::default())?;
    let worker = oast.blocking().worker(Spec::functions("inner").profile(Profile::trusted()))?;
    Ok(worker.call(descend, (levels - 1,))?)
}

fn main() -> Result<(), Box<dyn Error>> {
    oast::init();
    println!("process ids, from the outside in: {:?}", descend(3));
    Ok(())
}
