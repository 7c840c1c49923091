use super::*;

#[test]
fn an_error_points_at_the_users_line() {
    let mut js = Fixture::new();
    let raised = js.raised("const x = 1;\nlet y = 2;\n  null.z");
    assert_eq!(raised.kind, "TypeError");
    assert!(raised.message.contains("cannot read property 'z'"), "{}", raised.message);
    assert_eq!(raised.traceback, "    at <eval 1>:3:3\n");
    let code = Code {
        source: "function f() {\n  throw new RangeError('no')\n}\nf()".to_owned(),
        name: "cell 7".to_owned(),
        ..Code::default()
    };
    let (_, reply) = js.start_request(Request { job: Job::Code(code), fetch: true });
    let Err(Failure::Raised(raised)) = reply.unwrap().result else { panic!() };
    assert_eq!((raised.kind.as_str(), raised.message.as_str()), ("RangeError", "no"));
    assert!(raised.traceback.starts_with("    at f (cell 7:2:"), "{}", raised.traceback);
    assert!(raised.traceback.contains("    at cell 7:4:"), "{}", raised.traceback);
}

#[test]
fn errors_keep_their_class_cause_and_async_origin() {
    let mut js = Fixture::new();
    assert_eq!(js.raised("class Mine extends Error {}; throw new Mine('x')").kind, "Mine");
    assert_eq!(js.raised("throw Object.assign(new Error('x'), { name: 'Custom' })").kind, "Custom");
    let raised = js.raised("throw new Error('outer', { cause: new RangeError('inner') })");
    assert!(raised.traceback.contains("caused by: RangeError: inner"), "{}", raised.traceback);
    let raised = js.raised("await null;\nthrow new TypeError('late')");
    assert!(raised.kind == "TypeError" && raised.traceback.contains(":2:"), "{raised:?}");
    assert_eq!(js.raised("Promise.reject(new Error('r'))").message, "r");
    assert_eq!(js.printed(), "");
}

#[test]
fn a_syntax_error_has_its_place() {
    let mut js = Fixture::new();
    let raised = js.raised("let ok = 1;\n  x y");
    assert_eq!(raised.kind, "SyntaxError");
    assert_eq!(raised.traceback, "    at <eval 1>:2:5\n");
    assert_eq!(js.raised("'a\0b' +").kind, "InternalError");
}

#[test]
fn anything_can_be_thrown() {
    let mut js = Fixture::new();
    for (source, message) in
        [("throw 5", "5"), ("throw 'x'", "'x'"), ("throw { a: 1 }", "{ a: 1 }"), ("throw null", "null")]
    {
        let raised = js.raised(source);
        assert_eq!((raised.kind.as_str(), raised.message.as_str()), ("throw", message));
    }
}

#[test]
fn no_frame_of_ours_is_shown() {
    let mut js = Fixture::new();
    let raised = js.raised("new URL('nonsense')");
    assert_eq!(raised.kind, "TypeError");
    assert!(!raised.traceback.contains("oast:") && raised.traceback.contains("<eval 1>:1:"), "{}", raised.traceback);
}

#[test]
fn unhandled_rejections_are_told() {
    let mut js = Fixture::new();
    assert_eq!(js.value("Promise.reject(new RangeError('lost')); 1"), Value::Int(1));
    js.idle();
    let printed = js.printed();
    assert!(printed.starts_with("Uncaught (in promise) RangeError: lost\n    at <eval 1>:1:"), "{printed}");
    js.value("Promise.reject(new Error('found')).catch(() => {}); 1");
    js.value(
        "setTimeout(() => { throw new Error('in a timer') }, 0); queueMicrotask(() => { throw new Error('in a job') })",
    );
    js.idle();
    let printed = js.printed();
    assert!(
        printed.contains("Uncaught Error: in a timer") && printed.contains("Uncaught Error: in a job"),
        "{printed}"
    );
    assert!(!printed.contains("found"), "{printed}");
}

#[test]
fn memory_runs_out_as_an_error() {
    let mut js = Fixture::with_memory(Some(16 << 20));
    for source in [
        "var a = []; while (true) a.push({ a: 1 })",
        "var s = 'x'.repeat(1000); var t = []; while (true) t.push(s + t.length)",
        "new Array(1e8).fill(0)",
        "new ArrayBuffer(1e9)",
        "var o = {}; for (let i = 0; ; i++) o['k' + i] = [i]",
        "await null; let b = []; while (true) b.push([])",
    ] {
        let raised = js.raised(source);
        assert!(super::super::errors::is_out_of_memory(&raised), "{source}: {raised:?}");
        assert_eq!(
            js.value("a = t = o = b = null; [1, 2].map((x) => x + 1)"),
            Value::List(vec![Value::Int(2), Value::Int(3)]),
            "{source}"
        );
    }
}

#[test]
fn the_stack_overflows_as_an_error() {
    let mut js = Fixture::new();
    assert_eq!(js.raised("(function f() { f() })()").kind, "RangeError");
    js.raised("JSON.parse('['.repeat(1e6))");
    js.raised(&format!("{}1", "(".repeat(100_000)));
    js.raised("var d = []; for (let i = 0; i < 1e5; i++) d = [d]; JSON.stringify(d)");
    assert_eq!(js.value("1"), Value::Int(1));
}
