use super::*;

#[test]
fn the_console_formats_and_tells_its_streams_apart() {
    let mut js = Fixture::new();
    js.value("console.log('a', 1, { b: [2] }, 'c'); console.error('e'); console.log('%s is %d%% of %o, %j', 'x', 5, [1], { k: 1 }, 'rest')");
    js.value("console.group('g'); console.info('in\\nside'); console.groupEnd(); console.assert(1 > 2, 'no'); console.count(); console.log()");
    let printed = js.host.printed.take();
    let lines: Vec<_> = printed.iter().map(|(_, stream, text)| (*stream, text.as_str())).collect();
    use Stream::{Stderr, Stdout};
    assert_eq!(
        lines,
        [
            (Stdout, "a 1 { b: [ 2 ] } c\n"),
            (Stderr, "e\n"),
            (Stdout, "x is 5% of [ 1 ], {\"k\":1} rest\n"),
            (Stdout, "g\n"),
            (Stdout, "  in\n  side\n"),
            (Stderr, "Assertion failed: no\n"),
            (Stdout, "default: 1\n"),
            (Stdout, "\n"),
        ]
    );
}

#[test]
fn output_belongs_to_the_evaluation_that_caused_it() {
    let mut js = Fixture::new();
    let (a, _) =
        js.start("setTimeout(() => console.log('timer'), 1); await oast.channel('in').take(); console.log('a')");
    let (b, _) = js.start(
        "await null; console.log('b'); await new Promise((resolve) => setTimeout(resolve, 2)); console.log('b2')",
    );
    js.finish(b);
    js.host.incoming.borrow_mut().entry("in".to_owned()).or_default().push_back(Value::Null);
    js.finish(a);
    let printed = js.host.printed.take();
    for (id, _, text) in &printed {
        let owner = if text.starts_with('b') { b } else { a };
        assert_eq!(*id, Some(owner), "{text}");
    }
    assert_eq!(printed.len(), 4);
    js.value("setTimeout(() => console.log('late'), 1); 0");
    js.idle();
    assert_eq!(js.host.printed.take()[0].0, None);
}

#[test]
fn timers_fire_in_order_with_their_arguments() {
    let mut js = Fixture::new();
    let source = "const seen = []; setTimeout((x) => seen.push(x), 5, 'b'); setTimeout((x) => seen.push(x), 1, 'a');
        const off = setTimeout(() => seen.push('never'), 1); clearTimeout(off); clearTimeout(undefined);
        await new Promise((done) => { let n = 0; const every = setInterval(() => { seen.push(n); if (++n == 2) { clearInterval(every); setTimeout(done, 10) } }, 6) });
        seen.join()";
    assert_eq!(js.value(source), text("a,b,0,1"));
    assert_eq!(js.raised("setTimeout('code')").kind, "TypeError");
    assert_eq!(js.runtime.wake_at(), None);
}

#[test]
fn nothing_is_imported_where_modules_are_off() {
    let mut js = Fixture::with(JavaScriptSettings { memory: None, stack: 512 * 1024, directory: None });
    for code in ["import './a.js'", "await import('./a.js')"] {
        assert!(js.raised(code).message.contains("modules are off"), "{code}");
    }
}

#[test]
fn modules_are_found_loaded_and_kept() {
    let folder = std::env::temp_dir().join(format!("oast-modules-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "a.js",
        "import { b } from './deep/b.js'; export default b + 1; export const url = import.meta.url; globalThis.loads = (globalThis.loads ?? 0) + 1;",
    );
    write("deep/b.js", "import data from '../data.json'; export const b = data.n;");
    write("data.json", "{ \"n\": 41, \"__proto__\": 1 }");
    write("bad.js", "export const x = 1;\nlet y z");
    let mut js = Fixture::with(JavaScriptSettings { memory: None, stack: 512 * 1024, directory: Some(folder.clone()) });
    assert_eq!(
        js.value("import a, { url as where } from './a.js'; [a, where.endsWith('/a.js')]"),
        Value::List(vec![Value::Int(42), Value::Bool(true)])
    );
    assert_eq!(js.value("(await import('./deep/../a.js')).default + loads"), Value::Int(43));
    let raised = js.raised("import './bad.js'");
    assert!(raised.kind == "SyntaxError" && raised.traceback.contains("bad.js:2:"), "{raised:?}");
    assert!(js.raised("await import('./missing.js')").message.contains("missing.js"));
    assert!(js.raised("await import('fs')").message.contains("only paths"));
    let code = Code {
        source: "import a from './a.js'; const out = a + 1; console.log(out, oast.arguments, process.argv.length); setTimeout(() => console.log('later'), 1); await null;".to_owned(),
        name: "main.js".to_owned(),
        module: true,
        arguments: vec!["x".to_owned(), "y".to_owned()],
    };
    let (id, reply) = js.start_request(Request { job: Job::Code(code), fetch: true });
    assert!(reply.is_none());
    assert!(matches!(js.finish(id), Reply { result: Ok(Value::Null), text: Some(text) } if text.is_empty()));
    assert_eq!(js.printed(), "43 [ 'x', 'y' ] 4\nlater\n");
    assert_eq!(js.value("typeof out"), text("undefined"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn urls_are_parsed() {
    let mut js = Fixture::new();
    for (source, expected) in [
        (
            "new URL('HTTP://User:pa%20ss@ExAmple.com:80/a/./b/../c d?x=1 2#y z').href",
            "http://User:pa%20ss@example.com/a/c%20d?x=1%202#y%20z",
        ),
        ("new URL('../x?y', 'https://a.b/c/d/e').href", "https://a.b/c/x?y"),
        ("new URL('//h:8080/p', 'https://a').href", "https://h:8080/p"),
        ("new URL('#f', 'https://a/b?c').href", "https://a/b?c#f"),
        ("new URL('?q', 'https://a/b?c').href", "https://a/b?q"),
        ("new URL('mailto:a@b').pathname", "a@b"),
        ("new URL('file:///a/b').href", "file:///a/b"),
        ("new URL('https://a').href", "https://a/"),
        ("new URL('http:\\\\\\\\a\\\\b').href", "http://a/b"),
        ("new URL('http://0x7f.1/').hostname", "127.0.0.1"),
        ("new URL('http://[::1]:3000/').host", "[::1]:3000"),
        (
            "var u = new URL('https://a/?x=1'); u.searchParams.append('y', 'a b&c'); u.hash = 'z'; u.href",
            "https://a/?x=1&y=a+b%26c#z",
        ),
        ("new URLSearchParams({ a: '1', b: 'ü' }).toString()", "a=1&b=%C3%BC"),
        ("new URLSearchParams('?a=1&a=2&b=%20+').getAll('a').join()", "1,2"),
        ("new URL('https://u:p@a:81/b').origin", "https://a:81"),
        ("String(URL.canParse('nope'))", "false"),
        ("JSON.stringify(new URL('data:text/plain,x y'))", "\"data:text/plain,x y\""),
    ] {
        assert_eq!(js.value(source), text(expected), "{source}");
    }
    for bad in [
        "new URL('http://')",
        "new URL('/x')",
        "new URL('http://a:99999')",
        "new URL('http://a b')",
        "new URL('http://[x]')",
    ] {
        assert_eq!(js.raised(bad).kind, "TypeError", "{bad}");
    }
}

#[test]
fn text_is_encoded_and_decoded() {
    let mut js = Fixture::new();
    assert_eq!(js.text("new TextEncoder().encode('é')"), "Uint8Array(2) [ 195, 169 ]");
    assert_eq!(js.value("new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff]))"), text("a\u{fffd}"));
    assert_eq!(js.value("const d = new TextDecoder(); d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac]))"), text("€"));
    assert_eq!(js.raised("new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))").kind, "TypeError");
    assert_eq!(js.raised("new TextDecoder('koi8-r')").kind, "RangeError");
    assert_eq!(js.value("atob(btoa('abc'))"), text("abc"));
    assert_eq!(js.text("new TextEncoder().encodeInto('aé', new Uint8Array(2))"), "{ read: 1, written: 1 }");
}

#[test]
fn the_rest_is_there() {
    let mut js = Fixture::new();
    assert_eq!(js.value("typeof performance.now() + typeof queueMicrotask"), text("numberfunction"));
    assert_eq!(js.text("var o = { a: [1, new Date(0)], m: new Map([[1, { x: new Set([2]) }]]), u: new Uint16Array([1]) }; o.o = o; structuredClone(o)"),
        "{\n  a: [ 1, 1970-01-01T00:00:00.000Z ],\n  m: Map(1) { 1 => { x: [Set] } },\n  u: Uint16Array(1) [ 1 ],\n  o: [Circular]\n}");
    assert_eq!(js.value("structuredClone(new TypeError('x')) instanceof TypeError"), Value::Bool(true));
    assert_eq!(js.raised("structuredClone(() => {})").kind, "DataCloneError");
    assert_eq!(
        js.value("/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())"),
        Value::Bool(true)
    );
    assert_eq!(js.value("crypto.getRandomValues(new Uint32Array(64)).some((x) => x > 0)"), Value::Bool(true));
    assert_eq!(
        js.value("typeof process.argv + typeof process.env + process.platform.length"),
        text(&format!("objectobject{}", std::env::consts::OS.len()))
    );
}

#[test]
fn what_is_built_in_may_be_replaced() {
    let mut js = Fixture::new();
    assert_eq!(js.value("URL = 5; URL"), Value::Int(5));
    assert_eq!(js.value("const console = 6; console"), Value::Int(6));
    assert_eq!(js.value("function structuredClone() { return 7 } structuredClone()"), Value::Int(7));
}
