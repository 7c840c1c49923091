use super::*;

#[test]
fn declarations_persist_and_may_run_again() {
    let mut js = Fixture::new();
    let cell = "let a = 1; const b = 2, { c, d: [e] } = { c: 3, d: [4] }; class F { f() { return 5 } } function g() { return 6 }";
    for _ in 0..3 {
        js.value(cell);
        assert_eq!(js.value("a + b + c + e + new F().f() + g()"), Value::Int(21));
    }
    assert_eq!(js.value("let n = 1; n"), Value::Int(1));
    assert_eq!(js.value("let n; n"), Value::Null);
}

#[test]
fn the_completion_value_comes_back() {
    let mut js = Fixture::new();
    assert_eq!(js.value("1; if (true) { 42 }"), Value::Int(42));
    assert_eq!(js.value("var x = 5"), Value::Null);
    assert_eq!(js.value("class A {}\n7"), Value::Int(7));
    assert_eq!(js.value("({ a: 1 }).a"), Value::Int(1));
}

#[test]
fn await_works_at_the_top_and_keeps_declarations() {
    let mut js = Fixture::new();
    assert_eq!(js.value("const v = await Promise.resolve(20); v + 1"), Value::Int(21));
    assert_eq!(js.value("v * 2"), Value::Int(40));
    assert_eq!(js.value("async function twice(x) { return (await x) * 2 }\nawait twice(4)"), Value::Int(8));
    assert_eq!(js.value("twice(5)"), Value::Int(10));
    assert_eq!(js.value("await null; Promise.resolve(3)"), Value::Int(3));
    assert_eq!(
        js.value("class W { static async of() { return new W() } }; (await W.of()) instanceof W"),
        Value::Bool(true)
    );
    assert_eq!(js.value("let sum = 0; for await (const x of [1, Promise.resolve(2)]) sum += x; sum"), Value::Int(3));
}

#[test]
fn a_promise_is_awaited_while_others_run() {
    let mut js = Fixture::new();
    let (slow, reply) = js.start("var release; new Promise((resolve) => (release = resolve))");
    assert!(reply.is_none());
    assert_eq!(js.value("1 + 1"), Value::Int(2));
    assert_eq!(js.value("release('done'); 3"), Value::Int(3));
    assert!(matches!(js.finish(slow).result, Ok(value) if value == text("done")));
}

#[test]
fn what_ends_on_another_evaluations_turn_wakes_the_loop() {
    let mut js = Fixture::new();
    let (first, _) = js.start("var open; await new Promise((resolve) => (open = resolve)); 'first'");
    js.value("open()");
    assert!(js.runtime.wake_at().is_some_and(|wake| wake <= Instant::now()));
    assert!(matches!(js.finish(first).result, Ok(value) if value == text("first")));
}

#[test]
fn a_flood_of_jobs_starves_nobody() {
    let mut js = Fixture::new();
    let (flood, reply) = js.start("var on = true; (async () => { while (on) await null; return 'over' })()");
    assert!(reply.is_none());
    assert_eq!(js.value("1"), Value::Int(1));
    let (timer, _) = js.start("new Promise((resolve) => setTimeout(resolve, 1, 5))");
    assert!(matches!(js.finish(timer).result, Ok(Value::Int(5))));
    js.value("setInterval(() => {}, 0); on = false");
    assert!(matches!(js.finish(flood).result, Ok(value) if value == text("over")));
}

#[test]
fn a_reset_drops_everything() {
    let mut js = Fixture::new();
    js.value("var a = 1; setInterval(() => {}, 1); globalThis.p = oast.channel('c').take(); 1");
    let (waiting, _) = js.start("new Promise(() => {})");
    let mut ended = Vec::new();
    js.runtime.reset(&mut ended);
    assert!(ended.len() == 1 && ended[0].0 == waiting && is_interrupted(&ended[0].1));
    assert_eq!(js.value("typeof a"), text("undefined"));
    assert_eq!(js.runtime.wake_at(), None);
}

#[test]
fn a_call_is_refused() {
    let mut js = Fixture::new();
    let job = Job::Call(oast_actors::Call { function: 1, arguments: Default::default(), attachments: Vec::new() });
    let (_, reply) = js.start_request(Request { job, fetch: true });
    assert!(matches!(reply.unwrap().result, Err(Failure::Raised(_))));
}
