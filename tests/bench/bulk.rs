//! How long 50 MB take as a result. They lie ready in the worker process: the way is measured, not the making.

use std::{
    hint::black_box,
    sync::OnceLock,
    time::{Duration, Instant},
};

use actix_rt::{System, SystemRunner};
use bytes::Bytes;
use oast::{Blob, EvalOptions, Job, Request, Value, Worker, call_request, config::Latency, decode_result};

use crate::{
    child::{BULK, Other},
    floor,
    placement::Placement,
    row::Row,
    subject::{Runtime, profile, value},
    turns::{take_turns, time},
};

const ROUNDS: usize = 9;

/// The bulk, which lies ready from the second call on.
fn bulk() -> Blob {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| vec![7; BULK].into()).clone().into()
}

/// Into memory that is fresh each time.
pub(crate) fn into_fresh_memory(placement: Placement) -> Vec<Row> {
    placement.prepare();
    let system = System::new();
    let (javascript, rust) = workers(&system, placement);
    let mut other = Other::pour(placement);
    placement.place_here();
    let [floor, javascript, rust] = take_turns(
        ROUNDS,
        [&mut || floor::bulk(&mut other), &mut || time(|| from_javascript(&system, &javascript)), &mut || {
            time(|| from_rust(&system, &rust))
        }],
    );
    let place = placement.name();
    vec![
        Row::times(format!("50 MB from JavaScript, {place}"), floor, javascript, 1.3),
        Row::times(format!("50 MB from a Rust function, {place}"), floor, rust, 1.3),
    ]
}

/// Into memory that the caller lends. Taking it back is not a part of it: who reads the bytes where they are has no need.
pub(crate) fn into_lent_memory(placement: Placement) -> Vec<Row> {
    placement.prepare();
    let system = System::new();
    let (javascript, rust) = workers(&system, placement);
    let mut other = Other::pour(placement);
    let mut floors = vec![0; BULK];
    // Beside the bulk, a message has a few bytes more.
    let mut buffers = [const { Vec::new() }; 2].map(|_: Vec<u8>| Vec::with_capacity(BULK + 4096));
    let [javascripts, rusts] = &mut buffers;
    placement.place_here();
    let [floor, javascript, rust] = take_turns(
        ROUNDS,
        [
            &mut || floor::bulk_into(&mut other, &mut floors),
            &mut || lend(&system, &javascript, Request { job: Job::Code("bulk".into()), fetch: true }, javascripts),
            &mut || lend(&system, &rust, call_request(bulk, ()).expect("`bulk` can be called"), rusts),
        ],
    );
    let place = placement.name();
    vec![
        Row::times(format!("50 MB from JavaScript into lent memory, {place}"), floor, javascript, 1.5),
        Row::times(format!("50 MB from Rust into lent memory, {place}"), floor, rust, 1.5),
    ]
}

fn lend(system: &SystemRunner, worker: &Worker, request: Request, buffer: &mut Vec<u8>) -> Duration {
    let lent = std::mem::take(buffer);
    let began = Instant::now();
    let evaluation = worker.submit_into(request, EvalOptions::default(), lent);
    let value = system.block_on(value(evaluation));
    let took = began.elapsed();
    // A result with a blob is a list: what is encoded, and the blob.
    let bytes = match value {
        Value::Bytes(bytes) => bytes,
        Value::List(parts) => match parts.into_iter().next_back() {
            Some(Value::Bytes(bytes)) => bytes,
            other => panic!("bulk is bytes: {other:?}"),
        },
        other => panic!("bulk is bytes: {other:?}"),
    };
    assert_eq!(bytes.len(), BULK, "all of it came");
    *buffer = Vec::from(bytes);
    assert!(buffer.capacity() > BULK, "the memory that was lent was used");
    took
}

fn workers(system: &SystemRunner, placement: Placement) -> (Worker, Worker) {
    let profile = profile(Latency::Normal);
    let javascript = Runtime::JavaScript.warm(system, &profile, placement);
    system.block_on(async {
        let made = javascript.run(format!("globalThis.bulk = new Uint8Array({BULK}).fill(7).buffer")).await;
        made.expect("the worker process lives").result.expect("there is memory");
    });
    (javascript, Runtime::Rust.warm(system, &profile, placement))
}

fn from_javascript(system: &SystemRunner, worker: &Worker) {
    let value = system.block_on(value(worker.eval("bulk")));
    assert!(matches!(&value, Value::Bytes(bytes) if bytes.len() == BULK), "all of it came");
    black_box(value);
}

fn from_rust(system: &SystemRunner, worker: &Worker) {
    let request = call_request(bulk, ()).expect("`bulk` can be called");
    let value = system.block_on(value(worker.submit(request, EvalOptions::default())));
    let bytes: Blob = decode_result(value).expect("`bulk` gives a blob");
    assert_eq!(bytes.len(), BULK, "all of it came");
    black_box(bytes);
}
