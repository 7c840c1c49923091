use super::*;

fn source(cell: &str) -> String {
    prepare(cell.to_owned()).source
}

fn waits(cell: &str) -> bool {
    prepare(cell.to_owned()).waits
}

#[test]
fn declarations_at_the_top_become_vars_in_place() {
    assert_eq!(source("let a = 1; const b = 2"), "var a = 1; var   b = 2");
    assert_eq!(source("const {a, b: [c]} = x\nlet [d] = y"), "var   {a, b: [c]} = x\nvar [d] = y");
    assert_eq!(source("f()\nlet a = 1"), "f()\nvar a = 1");
    assert_eq!(source("if (x) {}\nconst a = 1"), "if (x) {}\nvar   a = 1");
}

#[test]
fn a_bare_let_is_undefined_again() {
    assert_eq!(source("let a"), "var a=void 0");
    assert_eq!(source("let a, b = f(x, y), c\nd, e"), "var a=void 0, b = f(x, y), c=void 0\nd, e");
    assert_eq!(source("let a = 1\nb, c"), "var a = 1\nb, c");
    assert_eq!(source("let a\n= 1"), "var a\n= 1");
    assert_eq!(source("let a = {x, y}, b;"), "var a = {x, y}, b=void 0;");
    assert_eq!(source("let f = () => {}\ng, h"), "var f = () => {}\ng, h");
}

#[test]
fn inner_declarations_stay() {
    for cell in [
        "{ let a = 1 }",
        "for (let i = 0; i < 3; i++) {}",
        "function f() { const a = 1; class B {} }",
        "x = class {}",
        "new class A {}",
        "`${(() => { let a })()}`",
        "a.let\nb.const",
        "'let a'",
        "({ let: 1, const: 2, class: 3 })",
        "f(class A {})",
        "let = 5",
    ] {
        assert_eq!(source(cell), cell);
    }
}

#[test]
fn classes_at_the_top_become_vars() {
    assert_eq!(source("class A { x = {} }\n(1)"), "var A=class A { x = {} };\n(1)");
    assert_eq!(source("class A extends f({}) {\n}"), "var A=class A extends f({}) {\n};");
    assert_eq!(source("1\nclass A {} class B {}"), "1\nvar A=class A {}; var B=class B {};");
}

#[test]
fn waiting_is_noticed_wherever_it_is() {
    assert!(waits("await f()"));
    assert!(waits("let a = await f()"));
    assert!(waits("`${await f()}`"));
    assert!(waits("for await (const a of b) {}"));
    assert!(!waits("x.await"));
    assert!(!waits("'await'"));
    assert!(!waits("let awaited = 1"));
}

#[test]
fn imports_at_the_top_become_dynamic() {
    assert_eq!(source("import a from './a.js'"), "var {default:a}=await import('./a.js');");
    assert_eq!(source("import * as a from 'a'; a.b"), "var a=await import('a');; a.b");
    assert_eq!(source("import d, {\n a, b as c\n} from 'm'\nx"), "var {default:d,a,b:c}=await import('m');\n\n\nx");
    assert_eq!(source("import 'm'"), "await import('m');");
    assert_eq!(
        source("import j from './a.json' with { type: 'json' }"),
        "var {default:j}=await import('./a.json',{with:{ type: 'json' }});"
    );
    assert_eq!(source("import('m')"), "import('m')");
    assert!(waits("import 'm'"));
}

#[test]
fn exports_run_as_what_they_export() {
    assert_eq!(source("export const a = 1"), "       var   a = 1");
    assert_eq!(source("export default class A {}"), "               var A=class A {};");
    assert_eq!(source("export function f() {}"), "       function f() {}");
}

#[test]
fn text_without_keywords_is_untouched() {
    assert_eq!(prepare("1 + 1".to_owned()), Cell { source: "1 + 1".to_owned(), waits: false });
}
