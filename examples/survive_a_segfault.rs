//! A Rust function that segfaults, and the program that goes on: the function runs in a worker process, and its crash is
//! an error that says what happened.
//!
//! Run with `cargo run --example survive_a_segfault`.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use oast::{
    BlockingCallExt, CallError, EvalError, Oast, Spec,
    config::{Config, Profile},
};

/// Stands for a native library with a bug: for odd input it writes where nothing is.
fn parse(input: u32) -> String {
    if input % 2 == 1 {
        let nowhere = std::ptr::without_provenance_mut::<u8>(8);
        #[expect(unsafe_code, reason = "the crash is the point")]
        // SAFETY: there is none. The kernel ends the process here.
        unsafe {
            nowhere.write_volatile(1);
        }
    }
    format!("parsed {input}")
}

fn main() -> Result<(), Box<dyn Error>> {
    oast::init();
    let oast = Oast::start(Config::default())?;
    let spec = Spec::functions("parser").profile(Profile::trusted());
    let parser = oast.blocking().worker(spec)?;

    for input in 1..=4 {
        match parser.call(parse, (input,)) {
            Ok(text) => println!("{input}: {text}"),
            Err(CallError::Evaluation(EvalError::Lost(report))) => println!("{input}: lost: {report}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
