//! One evaluation: how it begins, what it waits for, and the reply that it comes to.

use oast_actors::{Code, EvalId, Value};
use rquickjs::{
    Ctx, Module, Object, Persistent, Promise, Result, Type, Value as Js, context::EvalOptions, promise::PromiseState,
};

use super::{cells, errors, inspect, modules, state::State, values};
use crate::worker::runtime::{Failure, Reply};

/// How far an evaluation got when it began.
pub(super) enum Begun {
    /// To its end.
    Ended(Reply),
    /// To a promise.
    Waits(Waiting),
}

/// An evaluation that waits for a promise.
pub(super) struct Waiting {
    pub(super) id: EvalId,
    fetch: bool,
    result: Awaited,
    promise: Persistent<Promise<'static>>,
}

/// What the promise of an evaluation resolves to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The completion value of a cell that waits, in an object, for it may itself be a promise.
    Cell,
    /// The value.
    Value,
    /// Nothing: a module has ended, once its timers and channel operations have.
    Module,
}

/// The reply of an evaluation that was stopped.
pub(super) fn interrupted() -> Reply {
    Reply { result: Err(Failure::Interrupted), text: None }
}

/// Runs a cell or a module until it ends or waits.
pub(super) fn begin(ctx: &Ctx<'_>, state: &State, (id, fetch): (EvalId, bool), mut code: Code) -> Begun {
    if code.name.is_empty() {
        code.name = format!("<eval {}>", id.0);
    }
    if !code.arguments.is_empty() {
        let all = std::iter::once(code.name.clone()).chain(code.arguments.drain(..));
        state.arguments.replace(all.collect());
    }
    let (value, result) = evaluate(ctx, code);
    match value.map(promise_or_value) {
        Ok(Ok(promise)) => Begun::Waits(Waiting { id, fetch, result, promise: Persistent::save(ctx, promise) }),
        Ok(Err(value)) => Begun::Ended(conclude(ctx, state, Ok(value), fetch)),
        Err(error) => Begun::Ended(conclude(ctx, state, Err(error), fetch)),
    }
}

fn evaluate<'js>(ctx: &Ctx<'js>, code: Code) -> (Result<Js<'js>>, Awaited) {
    if code.module {
        let module = modules::declare(ctx, &code.name, code.source).and_then(Module::eval);
        return (module.map(|(_, promise)| promise.into_value()), Awaited::Module);
    }
    let cell = cells::prepare(code.source);
    let mut options = EvalOptions::default();
    // As in a browser's console: a name may be assigned without being declared.
    options.strict = false;
    options.promise = cell.waits;
    options.filename = Some(code.name);
    let result = if cell.waits { Awaited::Cell } else { Awaited::Value };
    (ctx.eval_with_options(cell.source, options), result)
}

fn promise_or_value(value: Js<'_>) -> std::result::Result<Promise<'_>, Js<'_>> {
    if value.is_object() { value.try_into_promise() } else { Err(value) }
}

impl Waiting {
    /// The reply, once the promise is settled.
    pub(super) fn look(&mut self, ctx: &Ctx<'_>, state: &State) -> Option<Reply> {
        let mut promise = self.promise.clone().restore(ctx).ok()?;
        if self.result == Awaited::Cell && promise.state() == PromiseState::Resolved {
            match promise_or_value(promise.result::<Object<'_>>()?.and_then(|it| it.get("value")).ok()?) {
                Ok(value) => {
                    self.result = Awaited::Value;
                    self.promise = Persistent::save(ctx, value.clone());
                    promise = value;
                }
                Err(value) => return Some(self.conclude(ctx, state, Ok(value))),
            }
        }
        match promise.state() {
            PromiseState::Pending => return None,
            PromiseState::Rejected => state.handled(ctx, &promise),
            PromiseState::Resolved if self.result == Awaited::Module => {
                let nothing = Js::new_undefined(ctx.clone());
                return (!state.is_busy(self.id)).then(|| self.conclude(ctx, state, Ok(nothing)));
            }
            PromiseState::Resolved => {}
        }
        Some(self.conclude(ctx, state, promise.result()?))
    }

    fn conclude<'js>(&self, ctx: &Ctx<'js>, state: &State, result: Result<Js<'js>>) -> Reply {
        state.owner.set(Some(self.id));
        conclude(ctx, state, result, self.fetch)
    }
}

/// Makes the reply of what an evaluation came to.
fn conclude<'js>(ctx: &Ctx<'js>, state: &State, result: Result<Js<'js>>, fetch: bool) -> Reply {
    let error = match result.and_then(|value| present(ctx, &value, fetch)) {
        Ok((value, text)) => {
            // If it was to be stopped, that came too late.
            state.stopped.set(None);
            return Reply { result: Ok(value), text };
        }
        Err(error) => error,
    };
    // Taken in any case, for the engine holds it until it is.
    let mut raised = errors::raised(ctx, &error);
    if state.stopped.take().is_some() {
        return interrupted();
    }
    // Without room for an error, the engine throws `null`; code that throws it itself is rarer by far.
    if state.is_limited && raised.kind == "throw" && raised.message == "null" {
        raised = errors::out_of_memory();
    }
    Reply { result: Err(Failure::Raised(raised)), text: None }
}

/// A value and its text. `null`, booleans, numbers and `BigInt`s have none: their value says it all. `undefined` has an
/// empty one, and so has what is not fetched: a shell shows nothing.
fn present<'js>(ctx: &Ctx<'js>, value: &Js<'js>, fetch: bool) -> Result<(Value, Option<String>)> {
    if !fetch {
        return Ok((Value::Null, Some(String::new())));
    }
    let text = match value.type_of() {
        Type::Undefined => Some(String::new()),
        Type::Null | Type::Bool | Type::Int | Type::Float | Type::BigInt => None,
        _ => Some(inspect::text(ctx, value)),
    };
    Ok((values::from_js(ctx, value)?, text))
}
