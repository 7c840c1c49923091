//! Evaluations and what they leave.

use std::time::{Duration, Instant};

use oast::{EvalOptions, NotStarted, Request, Stream, Value};

use super::place::{Act, Place, Runtime};
use crate::stage::{PATIENCE, done, outcome, refusal, value, within};

pub(super) async fn one_and_one_is_two(place: Place) {
    let worker = place.worker();
    assert_eq!(place.int(place.act(&worker, Act::Add(1, 1)).await), 2);
    done(worker).await;
}

pub(super) async fn nothing_is_null(place: Place) {
    let worker = place.worker();
    let nothing = place.act(&worker, Act::Nothing).await;
    match place.runtime {
        Runtime::JavaScript | Runtime::Python => assert_eq!(value(nothing), Value::Null),
        Runtime::Rust => crate::stage::returned::<()>(nothing),
    }
    done(worker).await;
}

pub(super) async fn the_wait_form_brings_no_value(place: Place) {
    let worker = place.worker();
    let request = Request { fetch: false, ..place.request(Act::Add(20, 1)) };
    let outcome = outcome(worker.submit(request, EvalOptions::default()).await);
    assert_eq!(outcome.result, Ok(Value::Null));
    assert_eq!(outcome.text, "");
    done(worker).await;
}

pub(super) async fn what_is_defined_can_be_used_later(place: Place) {
    let worker = place.worker();
    let definition = place.either(
        "const inner = { twice: (x) => 2 * x, seven: 7 }",
        "class inner:\n  seven = 7\n  @staticmethod\n  def twice(x): return 2 * x",
    );
    value(worker.run(definition).await);
    assert_eq!(value(worker.eval("inner.twice(inner.seven)").await), Value::Int(14));
    value(worker.run(place.either("const inner = { seven: 8 }", "class inner:\n  seven = 8")).await);
    assert_eq!(value(worker.eval("inner.seven").await), Value::Int(8));
    done(worker).await;
}

pub(super) async fn globals_persist(place: Place) {
    let worker = place.worker();
    value(place.act(&worker, Act::Set(5)).await);
    assert_eq!(place.int(place.act(&worker, Act::Get).await), 5);
    assert_eq!(place.int(place.act(&worker, Act::Get).await), 5);
    done(worker).await;
}

pub(super) async fn an_evaluation_returns_at_once_and_has_its_effect_later(place: Place) {
    let worker = place.worker();
    place.assert_usable(&worker).await;
    value(place.act(&worker, Act::Set(1)).await);
    let since = Instant::now();
    // Dropping it does not end it.
    drop(place.act(&worker, Act::SetAfter(200, 2)));
    assert!(since.elapsed() < Duration::from_millis(100));
    wait_for_number(place, &worker, 2).await;
    done(worker).await;
}

pub(super) async fn a_tell_returns_at_once_and_has_its_effect_later(place: Place) {
    let worker = place.worker();
    let later = place.either(
        "await new Promise(r => setTimeout(r, 50)); globalThis.number = 9",
        "import asyncio\nawait asyncio.sleep(0.05)\nnumber = 9",
    );
    worker.tell(later).unwrap();
    wait_for_number(place, &worker, 9).await;
    done(worker).await;
}

async fn wait_for_number(place: Place, worker: &oast::Worker, number: i64) {
    let by = Instant::now() + PATIENCE;
    while place.int(place.act(worker, Act::Get).await) != number {
        assert!(Instant::now() < by, "it has no effect");
        crate::stage::pause(5).await;
    }
}

pub(super) async fn one_that_waits_does_not_hold_up_others(place: Place) {
    let worker = place.worker();
    let waits = place.act(&worker, Act::WaitFor(10_000));
    place.assert_usable(&worker).await;
    waits.interrupt();
    assert!(within("its end", waits).await.is_err());
    done(worker).await;
}

pub(super) async fn many_evaluations_end_in_order(place: Place) {
    let worker = place.worker();
    let all: Vec<_> = (0..200).map(|number| place.act(&worker, Act::Add(number, 1))).collect();
    for (number, one) in all.into_iter().enumerate() {
        assert_eq!(place.int(within("an answer", one).await), number as i64 + 1);
    }
    done(worker).await;
}

pub(super) async fn prints_come_told_apart(place: Place) {
    let worker = place.worker();
    for round in 0..3 {
        let outcome = outcome(place.act(&worker, Act::Print("to out", "to err")).await);
        let of = |stream: Stream| {
            let printed = outcome.output.iter().filter(|printed| printed.stream == stream);
            printed.flat_map(|printed| printed.bytes.to_vec()).collect::<Vec<u8>>()
        };
        assert_eq!(of(Stream::Stdout), b"to out\n", "in round {round}");
        assert_eq!(of(Stream::Stderr), b"to err\n", "in round {round}");
        assert_eq!(outcome.output_dropped, 0);
    }
    done(worker).await;
}

pub(super) async fn a_runtime_says_what_it_cannot_do(place: Place) {
    let worker = place.worker();
    let other = match place.runtime {
        Runtime::JavaScript | Runtime::Python => Runtime::Rust,
        Runtime::Rust => Runtime::JavaScript,
    };
    let foreign = Place { runtime: other, ..place }.request(Act::Add(1, 1));
    let refused = refusal(worker.submit(foreign, EvalOptions::default()).await);
    assert!(matches!(refused, NotStarted::Unsupported(_)), "{refused:?}");
    place.assert_usable(&worker).await;
    done(worker).await;
}
