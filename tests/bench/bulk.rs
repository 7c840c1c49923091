//! How long 50 MB take as a result. They lie ready in the worker process: the way is measured, not the making.

use std::{hint::black_box, sync::OnceLock};

use actix_rt::{System, SystemRunner};
use bytes::Bytes;
use oast::{Blob, EvalOptions, Value, Worker, call_request, config::Latency, decode_result};

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

pub(crate) fn result(placement: Placement) -> Vec<Row> {
    placement.prepare();
    let system = System::new();
    let profile = profile(Latency::Normal);
    let mut other = Other::pour(placement);
    let javascript = Runtime::JavaScript.warm(&system, &profile, placement);
    system.block_on(async {
        let made = javascript.run(format!("globalThis.bulk = new Uint8Array({BULK}).fill(7).buffer")).await;
        made.expect("the worker process lives").result.expect("there is memory");
    });
    let rust = Runtime::Rust.warm(&system, &profile, placement);
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
