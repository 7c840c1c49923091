use std::cell::Cell;

use bytes::Bytes;
use oast_actors::{Code, Stream};

use super::*;
use crate::{
    functions::{Blob, call_request, decode_result},
    worker::runtime::Blocked,
};

/// A host that interrupts every evaluation from the n-th question on.
struct Impatient(Cell<u32>);

impl Host for Impatient {
    fn print(&self, _: Option<EvalId>, _: Stream, _: &[u8]) {}

    fn is_interrupted(&self, _: EvalId) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }

    fn put(&self, _: &str, value: Value) -> Result<(), (Value, Blocked)> {
        Err((value, Blocked::Closed))
    }

    fn take(&self, _: &str) -> Result<Value, Blocked> {
        Err(Blocked::Closed)
    }

    fn close(&self, _: &str) {}

    fn wait(&self) -> bool {
        false
    }

    fn is_open(&self, _: &str) -> bool {
        false
    }
}

fn functions() -> Functions {
    Functions::new(Rc::new(Impatient(Cell::new(3))), build_id().unwrap()).unwrap()
}

fn run(request: Request) -> Result<Value, Failure> {
    functions().start(EvalId(1), request).unwrap().result
}

fn raised_by(request: Request) -> Raised {
    match run(request) {
        Err(Failure::Raised(raised)) => raised,
        other => panic!("{other:?}"),
    }
}

fn add(a: i32, b: i32) -> i32 {
    a + b
}

fn explode(times: usize) -> String {
    let numbers = [1, 2, 3];
    format!("{}", numbers[times])
}

fn divide(a: u32, b: u32) -> Result<u32, String> {
    a.checked_div(b).ok_or_else(|| "division by zero".to_owned())
}

#[test]
fn functions_and_closures_of_up_to_six_arguments_are_called() {
    let value = run(call_request(add, (1, 2)).unwrap()).unwrap();
    assert_eq!(decode_result::<i32>(value).unwrap(), 3);
    let value = run(call_request(|| "none".to_owned(), ()).unwrap()).unwrap();
    assert_eq!(decode_result::<String>(value).unwrap(), "none");
    let six = |a: u8, b: u16, c: Option<char>, d: Vec<String>, e: (f32, bool), f: i128| (a, b, c, d, e, f);
    let arguments = (1, 2, Some('x'), vec!["y".to_owned()], (1.5, true), -1);
    let value = run(call_request(six, arguments.clone()).unwrap()).unwrap();
    assert_eq!(decode_result::<(u8, u16, Option<char>, Vec<String>, (f32, bool), i128)>(value).unwrap(), arguments);
}

#[test]
fn a_result_that_is_an_error_is_a_value() {
    let value = run(call_request(divide, (1, 0)).unwrap()).unwrap();
    assert_eq!(decode_result::<Result<u32, String>>(value).unwrap(), Err("division by zero".to_owned()));
}

#[test]
fn a_panic_is_raised_with_its_message_and_backtrace_and_the_next_call_works() {
    let raised = raised_by(call_request(explode, (7,)).unwrap());
    assert_eq!(raised.kind, "panic");
    assert!(raised.message.contains("index out of bounds"), "{}", raised.message);
    assert!(raised.traceback.contains("functions_tests.rs") && raised.traceback.contains("explode"));
    functions_and_closures_of_up_to_six_arguments_are_called();
}

#[test]
fn blobs_are_not_copied_on_their_way() {
    let bytes = Bytes::from(vec![1; 1 << 20]);
    let request = call_request(|blob: Blob| (blob.len(), blob), (Blob(bytes.clone()),)).unwrap();
    let (length, back) = decode_result::<(usize, Blob)>(run(request).unwrap()).unwrap();
    assert_eq!(length, 1 << 20);
    assert_eq!(back.0.as_ptr(), bytes.as_ptr());
}

#[test]
fn a_function_that_is_interrupted_may_still_return_a_value() {
    let patient = || {
        let mut rounds = 0u32;
        while !interrupted() {
            rounds += 1;
        }
        rounds
    };
    let value = run(call_request(patient, ()).unwrap()).unwrap();
    assert_eq!(decode_result::<u32>(value).unwrap(), 2);
    assert!(!interrupted(), "outside of a call nothing is interrupted");
}

#[test]
fn a_function_that_ends_itself_is_interrupted() {
    let endless = || -> u32 {
        loop {
            end_if_interrupted();
        }
    };
    let request = call_request(endless, ()).unwrap();
    assert!(matches!(run(request), Err(Failure::Interrupted)));
}

#[test]
fn a_place_that_is_no_function_is_refused() {
    let Job::Call(call) = call_request(add, (1, 2)).unwrap().job else { unreachable!("a call") };
    let places = [0, 8, call.function + 1, call.function + 8, call.function - 8, 1 << 40, u64::MAX, u64::MAX - 7];
    for function in places {
        let call = Call { function, ..call.clone() };
        let job = Job::Call(call);
        assert_eq!(raised_by(Request { job, fetch: true }).kind, "UnknownFunction");
    }
}

#[test]
fn arguments_of_another_type_are_refused() {
    let mut request = call_request(add, (1, 2)).unwrap();
    if let Job::Call(call) = &mut request.job {
        call.arguments = Bytes::from_static(&[1, 2, 3]);
    }
    assert_eq!(raised_by(request).kind, "ArgumentsNotDecoded");
    assert!(decode_result::<i32>(Value::Null).is_err());
}

#[test]
fn code_is_refused() {
    let job = Job::Code(Code::default());
    assert_eq!(raised_by(Request { job, fetch: true }).kind, "Unsupported");
}

#[test]
fn another_build_is_refused() {
    let mut build = build_id().unwrap();
    build.0[2] += 1;
    assert!(Functions::new(Rc::new(Impatient(Cell::new(0))), build).is_err());
}

#[test]
fn a_value_that_nobody_wants_stays() {
    let mut request = call_request(add, (1, 2)).unwrap();
    request.fetch = false;
    assert_eq!(run(request).unwrap(), Value::Null);
}
