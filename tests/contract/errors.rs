//! Errors that the code raises are values to its caller, and the worker lives on.

use std::collections::BTreeMap;

use oast::{EvalOptions, Handle, Request, Value, call_request, decode_result};
use serde::{Deserialize, Serialize, Serializer, ser::Error};

use super::place::{Act, Place, Runtime};
use crate::stage::{done, outcome, raised, returned, value};

pub(super) async fn a_raised_error_has_kind_message_and_traceback(place: Place) {
    let worker = place.worker();
    let raised = raised(place.act(&worker, Act::Raise("it is what it is")).await);
    let (kind, within) = match place.runtime {
        Runtime::JavaScript => ("TypeError", ":1:"),
        Runtime::Python => ("TypeError", "line 1, in <module>"),
        Runtime::Rust => ("panic", "behave.rs"),
    };
    assert_eq!(raised.kind, kind);
    assert_eq!(raised.message, "it is what it is");
    assert!(raised.traceback.contains(within), "{}", raised.traceback);
    place.assert_usable(&worker).await;
    assert_eq!(worker.status().await.unwrap().epoch, 1, "it lives on");
    done(worker).await;
}

pub(super) async fn a_tell_that_fails_is_silent(place: Place) {
    let worker = place.worker();
    worker.tell(place.either("throw new Error('nobody hears this')", "raise ValueError('nobody hears this')")).unwrap();
    worker.tell("this is no program").unwrap();
    place.assert_usable(&worker).await;
    assert_eq!(worker.status().await.unwrap().epoch, 1);
    done(worker).await;
}

pub(super) async fn a_value_unknown_to_the_host_leaves_the_worker_usable(place: Place) {
    let worker = place.worker();
    match place.runtime {
        Runtime::JavaScript => {
            assert_eq!(value(worker.run("(class Mine {}).prototype.constructor").await), Value::Null);
            let fetched = value(worker.eval("(function mine() {})").await);
            assert!(
                matches!(&fetched, Value::Handle(Handle { kind, text, .. }) if kind == "Function" && text.contains("mine")),
                "{fetched:?}"
            );
        }
        Runtime::Python => {
            assert_eq!(value(worker.run("class Mine: pass\nMine").await), Value::Null);
            let fetched = value(worker.eval("lambda: 1").await);
            assert!(
                matches!(&fetched, Value::Handle(Handle { kind, text, .. }) if kind == "function" && text.contains("lambda")),
                "{fetched:?}"
            );
        }
        Runtime::Rust => {
            let request = Request { fetch: false, ..place.request(Act::Add(1, 1)) };
            assert_eq!(value(worker.submit(request, EvalOptions::default()).await), Value::Null);
            let wrong = decode_result::<String>(value(place.act(&worker, Act::Add(1, 1)).await));
            assert!(matches!(wrong, Err(oast::CallError::Result(_))), "{wrong:?}");
        }
    }
    place.assert_usable(&worker).await;
    done(worker).await;
}

pub(super) async fn an_unknown_error_type_keeps_its_text(place: Place) {
    let worker = place.worker();
    let source = place.either(
        "class Stumble extends Error { get name() { return 'Stumble' } }; throw new Stumble('over a stone')",
        "class Stumble(Exception): pass\nraise Stumble('over a stone')",
    );
    let raised = raised(worker.eval(source).await);
    assert_eq!((raised.kind.as_str(), raised.message.as_str()), ("Stumble", "over a stone"));
    place.assert_usable(&worker).await;
    done(worker).await;
}

pub(super) async fn an_error_can_be_a_value(place: Place) {
    let worker = place.worker();
    let ended = place.act(&worker, Act::ErrorAsValue("on the safe side")).await;
    match place.runtime {
        Runtime::JavaScript | Runtime::Python => {
            let outcome = outcome(ended);
            assert!(outcome.result.is_ok(), "{outcome:?}");
            assert!(outcome.text.contains("on the safe side"), "{outcome:?}");
        }
        Runtime::Rust => assert_eq!(returned::<Result<i64, String>>(ended), Err("on the safe side".to_owned())),
    }
    done(worker).await;
}

/// Something that only the host knows how to hold.
#[derive(Clone, Debug, Deserialize)]
struct HostOnly;

impl Serialize for HostOnly {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("this stays at home"))
    }
}

fn takes_what_stays_at_home(_: HostOnly) -> BTreeMap<String, i64> {
    BTreeMap::new()
}

pub(super) async fn what_cannot_be_sent_is_a_clear_error(place: Place) {
    let worker = place.worker();
    let error = call_request(takes_what_stays_at_home, (HostOnly,)).unwrap_err();
    assert!(error.to_string().contains("this stays at home"), "{error}");
    place.assert_usable(&worker).await;
    done(worker).await;
}
