//! A first worker: it evaluates JavaScript in a process of its own, keeps its state, and prints as it goes.
//!
//! Run with `cargo run --example first_worker`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use oast::{Oast, Spec, config::Config};

fn main() -> Result<(), Box<dyn Error>> {
    // A worker process is this very program, started anew: here is where it leaves this path.
    oast::init();
    let oast = Oast::start(Config::default())?;
    let worker = oast.blocking().worker(Spec::javascript("first"))?;

    worker.eval("let greeting = name => `hello, ${name}`")?;
    let outcome = worker.eval("console.log('thinking …'); greeting('world')")?;
    for printed in &outcome.output {
        print!("it printed: {}", String::from_utf8_lossy(&printed.bytes));
    }
    println!("its value:  {}", outcome.text);

    let outcome = worker.eval("greeting(")?;
    println!("its error:  {}", outcome.result.expect_err("half a call is no program"));
    Ok(())
}
