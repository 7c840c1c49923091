use super::*;

impl Fixture {
    /// The next evaluation is interrupted after the engine asked a few times.
    fn interrupt_next(&mut self) -> EvalId {
        let id = EvalId(self.last + 1);
        let after = *self.host.asked.borrow() + 3;
        self.host.interrupt_after.replace(Some((after, id)));
        id
    }
}

#[test]
fn endless_code_is_stopped_and_cannot_catch_it() {
    let mut js = Fixture::new();
    for source in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch {} finally { } }",
        "(function f() { try { while (true); } finally { f() } })()",
        "Promise.resolve().then(() => { while (true) {} })",
        "await null; try { while (true) {} } catch { 1 }",
        "(async () => { for (;;) try { await null; while (true) {} } catch {} })()",
        "(async () => { for (;;) await null })()",
        "[1].map(() => { while (true) {} })",
        "await new Promise((r) => setTimeout(() => { while (true) {} }, 0))",
        "({ get a() { while (true) {} } })",
        "new Promise(() => { setInterval(() => { for (let i = 0; i < 1e5; i++); }, 0) })",
    ] {
        let id = js.interrupt_next();
        let (_, reply) = js.start(source);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut reply = reply;
        while reply.is_none() {
            assert!(Instant::now() < deadline, "{source}");
            if js.host.interrupted.borrow().contains(&id) {
                reply = js.runtime.interrupt(id);
            }
            reply = reply.or_else(|| js.resume().into_iter().find(|(ended, _)| *ended == id).map(|(_, reply)| reply));
        }
        assert!(is_interrupted(&reply.unwrap()), "{source}");
        js.idle();
        assert_eq!(js.value("6 * 7"), Value::Int(42), "{source}");
    }
}

#[test]
fn an_interrupt_ends_its_own_evaluation_alone() {
    let mut js = Fixture::new();
    let (waits, _) = js.start("await new Promise(() => {})");
    let (other, _) = js.start("await new Promise((resolve) => setTimeout(resolve, 1, 'other'))");
    assert!(js.runtime.interrupt(EvalId(99)).is_none());
    assert!(is_interrupted(&js.runtime.interrupt(waits).unwrap()));
    assert!(js.runtime.interrupt(waits).is_none());
    assert!(matches!(js.finish(other).result, Ok(value) if value == text("other")));
}

#[test]
fn an_interrupted_evaluation_leaves_no_timer() {
    let mut js = Fixture::new();
    let (waits, _) = js.start("setInterval(() => console.log('still here'), 1); await new Promise(() => {})");
    assert!(js.runtime.interrupt(waits).is_some());
    js.idle();
    assert_eq!(js.printed(), "");
}
