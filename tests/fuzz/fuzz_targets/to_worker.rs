//! What a worker process reads: any bytes end in messages or one error.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oast::fuzzing::to_worker(bytes));
