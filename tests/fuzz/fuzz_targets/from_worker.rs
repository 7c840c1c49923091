//! What a worker process and its guard send: any bytes end in messages or one error, and take bounded memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oast::fuzzing::from_worker(bytes));
