use super::*;

fn int(value: i64) -> Value {
    Value::Int(value)
}

#[test]
fn scalars_cross() {
    let mut js = Fixture::new();
    assert_eq!(js.value("1 + 1"), int(2));
    assert_eq!(js.value("9007199254740991"), int(9_007_199_254_740_991));
    assert_eq!(js.value("9007199254740992"), Value::Float(9_007_199_254_740_992.0));
    assert_eq!(js.value("0.5"), Value::Float(0.5));
    assert!(matches!(js.value("-0"), Value::Float(zero) if zero.is_sign_negative()));
    assert!(matches!(js.value("NaN"), Value::Float(nan) if nan.is_nan()));
    assert_eq!(js.value("2n ** 70n"), Value::BigInt(BigInt::parse("1180591620717411303424").unwrap()));
    assert_eq!(js.value("null"), Value::Null);
    assert_eq!(js.value("undefined"), Value::Null);
    assert_eq!(js.value("'é' + '\\u{1f600}'"), text("é😀"));
    assert_eq!(js.value("'a\\ud800'"), text("a\u{fffd}"));
    assert_eq!(js.value("true"), Value::Bool(true));
    assert_eq!(js.value("new Date(5)"), Value::Date(5.0));
}

#[test]
fn collections_cross_in_order() {
    let mut js = Fixture::new();
    assert_eq!(js.value("[1, [2], 'x']"), Value::List(vec![int(1), Value::List(vec![int(2)]), text("x")]));
    let map = Value::Map(vec![(text("b"), int(1)), (text("a"), Value::Null)]);
    assert_eq!(js.value("({ b: 1, a: null })"), map);
    assert_eq!(
        js.value("new Map([[1, 2], ['x', [3]]])"),
        Value::Map(vec![(int(1), int(2)), (text("x"), Value::List(vec![int(3)])),])
    );
    assert_eq!(js.value("new Set([1, 2, 1])"), Value::List(vec![int(1), int(2)]));
    assert_eq!(js.value("Object.create(null)"), Value::Map(vec![]));
}

#[test]
fn bytes_and_typed_arrays_cross() {
    let mut js = Fixture::new();
    assert_eq!(js.value("new Uint8Array([1, 2, 3]).buffer"), Value::Bytes(vec![1, 2, 3].into()));
    assert_eq!(js.value("new ArrayBuffer(0)"), Value::Bytes(vec![].into()));
    let floats: Vec<u8> = [1.5_f64, -2.0].iter().flat_map(|it| it.to_le_bytes()).collect();
    assert_eq!(js.value("new Float64Array([1.5, -2])"), Value::Array(Array::new(Element::F64, floats.into()).unwrap()));
    let part = Array::new(Element::U8, vec![2, 3].into()).unwrap();
    assert_eq!(js.value("new Uint8Array([1, 2, 3, 4]).subarray(1, 3)"), Value::Array(part));
    assert_eq!(js.value("var b = new ArrayBuffer(8); b.transfer(); b"), Value::Bytes(vec![].into()));
    let lying = "var u = new Uint8Array(2); Object.defineProperty(u, 'byteLength', { value: 1e15 }); u";
    assert_eq!(js.raised(lying).kind, "RangeError");
    let big = js.value("new Uint8Array(50e6).fill(7).buffer");
    assert!(matches!(big, Value::Bytes(bytes) if bytes.len() == 50_000_000 && bytes[49_999_999] == 7));
}

#[test]
fn what_cannot_travel_leaves_a_handle() {
    let mut js = Fixture::new();
    let handle = |kind: &str, text: &str| Value::Handle(Handle { id: 0, kind: kind.to_owned(), text: text.to_owned() });
    assert_eq!(js.value("(function f() {})"), handle("Function", "[Function: f]"));
    assert_eq!(js.value("Symbol('x')"), handle("symbol", "Symbol(x)"));
    assert_eq!(js.value("class P { x = 1 }; new P()"), handle("P", "P { x: 1 }"));
    assert_eq!(js.value("[Promise.resolve(1)]"), Value::List(vec![handle("Promise", "Promise { 1 }")]));
    assert_eq!(js.value("new Proxy({}, {})"), handle("Proxy", "[Proxy]"));
    assert!(matches!(js.value("new TypeError('x')"), Value::Handle(handle) if handle.kind == "TypeError"));
}

#[test]
fn cycles_and_deep_nesting_end() {
    let mut js = Fixture::new();
    let value = js.value("var o = { a: 1 }; o.self = o; o");
    let Value::Map(pairs) = value else { panic!("{value:?}") };
    assert!(matches!(&pairs[1].1, Value::Handle(handle) if handle.text == "[Circular]"));
    assert_eq!(js.text("o"), "{ a: 1, self: [Circular] }");
    js.value("var d = []; for (let i = 0; i < 100000; i++) d = [d]; d");
    js.value("var m = new Map(); m.set(m, m); m");
    assert_eq!(js.raised("var x = [1]; for (let i = 0; i < 40; i++) x = [x, x]; x").kind, "RangeError");
    assert_eq!(js.value("1"), int(1));
}

#[test]
fn getters_run_once_and_may_throw() {
    let mut js = Fixture::new();
    assert_eq!(js.raised("({ get a() { throw new RangeError('no') } })").message, "no");
    assert_eq!(
        js.text("({ get a() { return 1 }, set a(x) {}, get b() { return 2 } })"),
        "{ a: [Getter/Setter], b: [Getter] }"
    );
}

#[test]
fn texts_read_as_in_node() {
    let mut js = Fixture::new();
    for (source, expected) in [
        ("[1, 4, 9]", "[ 1, 4, 9 ]"),
        ("({ a: 1 })", "{ a: 1 }"),
        ("({})", "{}"),
        ("[]", "[]"),
        ("'text'", "'text'"),
        ("\"it's\"", "\"it's\""),
        ("({ 'a-b': [1], 2: -0, c: 1n })", "{ 2: -0, 'a-b': [ 1 ], c: 1n }"),
        ("[undefined, null, , 1]", "[ undefined, null, <empty>, 1 ]"),
        ("new Map([['a', 1]])", "Map(1) { 'a' => 1 }"),
        ("new Set([1])", "Set(1) { 1 }"),
        ("new Uint8Array(2)", "Uint8Array(2) [ 0, 0 ]"),
        ("new ArrayBuffer(3)", "ArrayBuffer { byteLength: 3 }"),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("/a/g", "/a/g"),
        ("({ a: { b: { c: { d: 1 } } } })", "{ a: { b: { c: [Object] } } }"),
        ("class A {}; A", "[class A]"),
        ("class B extends Array {}; B", "[class B extends Array]"),
        ("() => 1", "[Function (anonymous)]"),
        ("Object.create(null)", "[Object: null prototype] {}"),
        ("Object(1)", "[Number: 1]"),
        ("undefined", ""),
        ("Symbol()", "Symbol()"),
    ] {
        assert_eq!(js.text(source), expected, "{source}");
    }
    for source in ["1", "1.5", "1n", "true", "null"] {
        assert_eq!(js.reply(source).text, None, "{source}");
    }
}

#[test]
fn texts_are_bounded() {
    let mut js = Fixture::new();
    assert!(js.text("Array.from({ length: 1e5 }, (_, i) => i)").len() < 1000);
    assert!(js.text("'x'.repeat(1e6)").len() < 11_000);
    assert!(
        js.text("Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => 'y'.repeat(9000)))").len()
            < 400_000
    );
    let wide = js.text("Array.from({ length: 30 }, (_, i) => 'item number ' + i)");
    assert!(wide.lines().count() > 5 && wide.lines().all(|line| line.len() < 80), "{wide}");
}

#[test]
fn what_is_not_fetched_stays() {
    let mut js = Fixture::new();
    let request = Request { fetch: false, ..Fixture::request("[1]") };
    let (_, reply) = js.start_request(request);
    let reply = reply.unwrap();
    assert!(matches!(reply.result, Ok(Value::Null)));
    assert_eq!(reply.text.as_deref(), Some(""));
}
