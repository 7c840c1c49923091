//! What the code finds besides the language itself. Most of it is made when it is first touched, for a worker is to start
//! in microseconds.

use std::{borrow::Cow, rc::Rc};

use rquickjs::{
    Ctx, Exception, FromJs, Function, Object, Result, TypedArray, Value,
    context::EvalOptions,
    object::{Accessor, Property},
};

use super::{bytes, channels, console, errors::INTERNAL, random, state::State, timers};

type Make = for<'js> fn(&Ctx<'js>, &Rc<State>) -> Result<Object<'js>>;

/// Names and what makes them: an object that holds a value for each.
const LAZY: [(&[&str], Make); 7] = [
    (&["console"], |ctx, state| named(ctx, "console", console::object(ctx, state)?.into_value())),
    (&["oast"], |ctx, state| named(ctx, "oast", oast(ctx, state)?.into_value())),
    (&["process"], |ctx, state| named(ctx, "process", process(ctx, state)?.into_value())),
    (&["URL", "URLSearchParams"], |ctx, _| script::<Function<'_>>(ctx, "url", include_str!("url.js"))?.call(())),
    (&["TextEncoder", "TextDecoder"], |ctx, _| encoding(ctx)),
    (&["structuredClone"], |ctx, _| script::<Function<'_>>(ctx, "clone", include_str!("clone.js"))?.call(())),
    (&["crypto"], |ctx, _| crypto(ctx)),
];

/// Defines everything.
pub(super) fn install<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<()> {
    let globals = ctx.globals();
    timers::install(ctx, &globals, state)?;
    random::install(ctx, state)?;
    for (names, make) in LAZY {
        for name in names {
            let state = Rc::clone(state);
            let get = move |ctx: Ctx<'js>| {
                let made = make(&ctx, &state)?;
                for name in names {
                    define(&ctx.globals(), name, made.get(*name)?)?;
                }
                ctx.globals().get::<_, Value<'js>>(*name)
            };
            let set = move |ctx: Ctx<'js>, value: Value<'js>| define(&ctx.globals(), name, value);
            globals.prop(*name, Accessor::new(get, set).configurable())?;
        }
    }
    Ok(())
}

/// Runs a script of Oast's own. Its frames are not shown to users.
pub(super) fn script<'js, T: FromJs<'js>>(ctx: &Ctx<'js>, name: &str, source: &str) -> Result<T> {
    let mut options = EvalOptions::default();
    options.filename = Some(format!("{INTERNAL}{name}"));
    ctx.eval_with_options(source, options)
}

fn define<'js>(object: &Object<'js>, name: &str, value: Value<'js>) -> Result<()> {
    object.prop(name, Property::from(value).writable().configurable())
}

fn named<'js>(ctx: &Ctx<'js>, name: &str, value: Value<'js>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set(name, value)?;
    Ok(object)
}

fn oast<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("channel", channels::function(ctx, state)?)?;
    let state = Rc::clone(state);
    let arguments = move || state.arguments.borrow().iter().skip(1).cloned().collect::<Vec<_>>();
    object.prop("arguments", Accessor::from(arguments).enumerable())?;
    Ok(object)
}

fn process<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    let state = Rc::clone(state);
    let argv = move || {
        let arguments = state.arguments.borrow();
        std::iter::once("oast".to_owned()).chain(arguments.iter().cloned()).collect::<Vec<_>>()
    };
    object.prop("argv", Accessor::from(argv).enumerable())?;
    object.set("env", Object::new(ctx.clone())?)?;
    object.set("platform", std::env::consts::OS)?;
    Ok(object)
}

fn encoding<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let encode = |ctx: Ctx<'js>, text: Value<'js>| TypedArray::<u8>::new(ctx, super::inspect::lossy(&text));
    let decode = |ctx: Ctx<'js>, bytes: Object<'js>, is_fatal: bool| {
        let length = bytes::element(&bytes).map_or(0, |(_, length)| length);
        let bytes = bytes::copy_out(&ctx, &bytes, length)?;
        match String::from_utf8_lossy(&bytes) {
            Cow::Owned(_) if is_fatal => Err(Exception::throw_type(&ctx, "the bytes are not valid utf-8")),
            text => rquickjs::String::from_str(ctx, &text),
        }
    };
    let native = Object::new(ctx.clone())?;
    native.set("encode", Function::new(ctx.clone(), encode)?)?;
    native.set("decode", Function::new(ctx.clone(), decode)?)?;
    script::<Function<'js>>(ctx, "encoding", include_str!("encoding.js"))?.call((native,))
}

fn crypto<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let random = |ctx: Ctx<'js>, length: usize| {
        let mut bytes = vec![0_u8; length.min(65_536)];
        let mut filled = 0;
        while filled < bytes.len() {
            let more = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
            filled += more.map_err(|error| Exception::throw_message(&ctx, &format!("no randomness: {error}")))?;
        }
        TypedArray::<u8>::new(ctx.clone(), bytes)
    };
    let random = Function::new(ctx.clone(), random)?;
    script::<Function<'js>>(ctx, "crypto", include_str!("crypto.js"))?.call((random,))
}
