//! `console`: what it prints, and where to.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Instant};

use oast_actors::Stream;
use rquickjs::{
    Coerced, Ctx, Function, Object, Result, Value,
    function::{Opt, Rest},
};

use super::{
    errors,
    inspect::{self, lossy},
    state::State,
};

/// How deep groups indent.
const DEEPEST: usize = 32;
/// How many named timers and counters are kept.
const MOST_NAMES: usize = 1024;

/// What the console remembers between calls.
struct Console {
    state: Rc<State>,
    depth: RefCell<usize>,
    started: RefCell<HashMap<String, Instant>>,
    counts: RefCell<HashMap<String, u64>>,
}

/// Makes the object.
pub(super) fn object<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<Object<'js>> {
    let console = Rc::new(Console {
        state: Rc::clone(state),
        depth: RefCell::default(),
        started: RefCell::default(),
        counts: RefCell::default(),
    });
    let object = Object::new(ctx.clone())?;
    for (name, stream) in [
        ("log", Stream::Stdout),
        ("info", Stream::Stdout),
        ("debug", Stream::Stdout),
        ("warn", Stream::Stderr),
        ("error", Stream::Stderr),
    ] {
        let console = Rc::clone(&console);
        let print = move |ctx: Ctx<'js>, rest: Rest<Value<'js>>| console.print(stream, &format(&ctx, &rest.0));
        object.set(name, Function::new(ctx.clone(), print)?.with_name(name)?)?;
    }
    looking(ctx, &object, &console)?;
    grouping(ctx, &object, &console)?;
    counting(ctx, &object, &console)?;
    Ok(object)
}

/// `dir`, `table`, `assert` and `trace`.
fn looking<'js>(ctx: &Ctx<'js>, object: &Object<'js>, console: &Rc<Console>) -> Result<()> {
    for name in ["dir", "table"] {
        let console = Rc::clone(console);
        let print = move |ctx: Ctx<'js>, value: Opt<Value<'js>>| {
            let value = value.0.unwrap_or_else(|| Value::new_undefined(ctx.clone()));
            console.print(Stream::Stdout, &inspect::text(&ctx, &value));
        };
        object.set(name, Function::new(ctx.clone(), print)?.with_name(name)?)?;
    }
    let this = Rc::clone(console);
    let assert = move |ctx: Ctx<'js>, truth: Opt<Coerced<bool>>, rest: Rest<Value<'js>>| {
        if !truth.0.is_some_and(|truth| truth.0) {
            let text = format(&ctx, &rest.0);
            let text =
                if text.is_empty() { "Assertion failed".to_owned() } else { format!("Assertion failed: {text}") };
            this.print(Stream::Stderr, &text);
        }
    };
    object.set("assert", Function::new(ctx.clone(), assert)?.with_name("assert")?)?;
    let this = Rc::clone(console);
    let trace = move |ctx: Ctx<'js>, rest: Rest<Value<'js>>| {
        let error = rquickjs::Exception::from_message(ctx.clone(), "")?;
        // Thrown and caught, for only then does the engine say where.
        drop(error.throw());
        let stack = errors::from_thrown(&ctx, &ctx.catch()).traceback;
        let text = format!("Trace: {}\n{stack}", format(&ctx, &rest.0));
        this.print(Stream::Stderr, text.trim_end());
        Ok::<(), rquickjs::Error>(())
    };
    object.set("trace", Function::new(ctx.clone(), trace)?.with_name("trace")?)
}

/// `group`, `groupCollapsed` and `groupEnd`.
fn grouping<'js>(ctx: &Ctx<'js>, object: &Object<'js>, console: &Rc<Console>) -> Result<()> {
    for name in ["group", "groupCollapsed"] {
        let console = Rc::clone(console);
        let group = move |ctx: Ctx<'js>, rest: Rest<Value<'js>>| {
            if !rest.0.is_empty() {
                console.print(Stream::Stdout, &format(&ctx, &rest.0));
            }
            let mut depth = console.depth.borrow_mut();
            *depth = (*depth + 1).min(DEEPEST);
        };
        object.set(name, Function::new(ctx.clone(), group)?.with_name(name)?)?;
    }
    let this = Rc::clone(console);
    let end = move || {
        let mut depth = this.depth.borrow_mut();
        *depth = depth.saturating_sub(1);
    };
    object.set("groupEnd", Function::new(ctx.clone(), end)?.with_name("groupEnd")?)
}

/// `time`, `timeLog`, `timeEnd`, `count` and `countReset`.
fn counting<'js>(ctx: &Ctx<'js>, object: &Object<'js>, console: &Rc<Console>) -> Result<()> {
    let this = Rc::clone(console);
    let time = move |label: Opt<Coerced<String>>| {
        let mut started = this.started.borrow_mut();
        if started.len() < MOST_NAMES {
            started.insert(name_of(label), Instant::now());
        }
    };
    object.set("time", Function::new(ctx.clone(), time)?.with_name("time")?)?;
    for (name, ends) in [("timeLog", false), ("timeEnd", true)] {
        let this = Rc::clone(console);
        let tell = move |label: Opt<Coerced<String>>| {
            let label = name_of(label);
            let started = this.started.borrow().get(&label).copied();
            let Some(started) = started else { return };
            if ends {
                this.started.borrow_mut().remove(&label);
            }
            this.print(Stream::Stdout, &format!("{label}: {:.3}ms", started.elapsed().as_secs_f64() * 1000.0));
        };
        object.set(name, Function::new(ctx.clone(), tell)?.with_name(name)?)?;
    }
    let this = Rc::clone(console);
    let count = move |label: Opt<Coerced<String>>| {
        let label = name_of(label);
        let count = {
            let mut counts = this.counts.borrow_mut();
            if counts.len() >= MOST_NAMES {
                counts.clear();
            }
            let count = counts.entry(label.clone()).or_default();
            *count += 1;
            *count
        };
        this.print(Stream::Stdout, &format!("{label}: {count}"));
    };
    object.set("count", Function::new(ctx.clone(), count)?.with_name("count")?)?;
    let this = Rc::clone(console);
    let reset = move |label: Opt<Coerced<String>>| {
        this.counts.borrow_mut().remove(&name_of(label));
    };
    object.set("countReset", Function::new(ctx.clone(), reset)?.with_name("countReset")?)
}

fn name_of(label: Opt<Coerced<String>>) -> String {
    label.0.map_or_else(|| "default".to_owned(), |label| label.0)
}

impl Console {
    fn print(&self, stream: Stream, text: &str) {
        let indent = "  ".repeat(*self.depth.borrow());
        let mut line = String::with_capacity(text.len() + indent.len() + 1);
        line.push_str(&indent);
        match indent.is_empty() {
            true => line.push_str(text),
            false => line.push_str(&text.replace('\n', &format!("\n{indent}"))),
        }
        line.push('\n');
        self.state.print(stream, &line);
    }
}

/// Puts arguments together: strings as they are, everything else inspected, `%` in the first one filled in.
pub(super) fn format<'js>(ctx: &Ctx<'js>, arguments: &[Value<'js>]) -> String {
    let mut rest = arguments.iter();
    let mut text = String::new();
    if let Some(first) = arguments.first().filter(|first| first.is_string()) {
        rest.next();
        let pattern = lossy(first);
        match arguments.len() {
            1 => text = pattern,
            _ => fill(ctx, &pattern, &mut rest, &mut text),
        }
    }
    for (at, argument) in rest.enumerate() {
        if at > 0 || arguments[0].is_string() {
            text.push(' ');
        }
        text.push_str(&shown(ctx, argument));
    }
    text
}

fn shown<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    if value.is_string() { lossy(value) } else { inspect::text(ctx, value) }
}

fn fill<'js>(ctx: &Ctx<'js>, pattern: &str, rest: &mut std::slice::Iter<'_, Value<'js>>, text: &mut String) {
    let mut pieces = pattern.split('%');
    text.push_str(pieces.next().unwrap_or_default());
    while let Some(piece) = pieces.next() {
        let Some(directive) = piece.chars().next() else {
            // `%%`: the piece between them is empty, and what follows is text.
            text.push('%');
            text.push_str(pieces.next().unwrap_or_default());
            continue;
        };
        let value = if "sdifjoOc".contains(directive) { rest.next() } else { None };
        let Some(value) = value else {
            text.push('%');
            text.push_str(piece);
            continue;
        };
        match directive {
            's' => text.push_str(&shown(ctx, value)),
            'd' | 'i' | 'f' => text.push_str(&number(value, directive == 'i')),
            'j' => text.push_str(&json(ctx, value)),
            // Styles have no meaning here.
            'c' => {}
            _ => text.push_str(&inspect::text(ctx, value)),
        }
        text.push_str(&piece[directive.len_utf8()..]);
    }
}

fn number(value: &Value<'_>, whole: bool) -> String {
    if value.is_big_int() {
        return format!("{}n", value.get::<Coerced<String>>().map(|text| text.0).unwrap_or_default());
    }
    let number = if value.is_object() || value.is_symbol() { None } else { value.get::<Coerced<f64>>().ok() };
    let number = number.map_or(f64::NAN, |number| number.0);
    if whole { number.trunc() } else { number }.to_string()
}

fn json<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    let text = ctx.json_stringify(value.clone()).ok().flatten().and_then(|text| text.to_string().ok());
    if text.is_none() {
        drop(ctx.catch());
    }
    text.unwrap_or_else(|| "undefined".to_owned())
}
