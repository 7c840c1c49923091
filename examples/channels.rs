//! Channels both ways: this program puts numbers, the code in the worker takes them and puts answers, and neither gets
//! further ahead of the other than the channel has room for.
//!
//! Run with `cargo run --example channels`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use oast::{Oast, Spec, blocking::wait, config::Config};

const SQUARER: &str = "
    const numbers = oast.channel('numbers');
    const squares = oast.channel('squares');
    for await (const number of numbers) await squares.put(number * number);
    squares.close();
";

fn main() -> Result<(), Box<dyn Error>> {
    oast::init();
    let oast = Oast::start(Config::default())?;
    let worker = oast.blocking().worker(Spec::javascript("squarer"))?;
    let numbers = worker.channel("numbers", 4)?;
    let squares = worker.channel("squares", 4)?;
    let squarer = worker.worker().run(SQUARER);

    for number in 1..=10 {
        numbers.put(number)?;
        println!("{number}² = {}", squares.take()?);
    }
    numbers.channel().close();
    wait(squarer)?.result?;
    Ok(())
}
