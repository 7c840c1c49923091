//! Channels between the code and the caller. An operation that cannot be done at once waits here, in order, and is tried
//! again whenever the worker process heard from its caller.

use std::{collections::HashSet, rc::Rc};

use oast_actors::{EvalId, Value};
use rquickjs::{Ctx, Exception, Function, Object, Persistent, Result, Value as Js};

use super::{state::State, values};
use crate::worker::runtime::Blocked;

/// The class that the code sees, on top of the functions here.
const CHANNEL: &str = include_str!("channel.js");
/// How many operations may wait: the values they hold are outside of the engine's memory limit.
const MOST: usize = 4096;

/// An operation that waits.
pub(super) struct Waiter {
    pub(super) owner: Option<EvalId>,
    channel: String,
    operation: Operation,
    resolve: Persistent<Function<'static>>,
    reject: Persistent<Function<'static>>,
}

enum Operation {
    Put(Value),
    Take,
}

enum Tried {
    Done(Value),
    Wait(Operation),
    Closed,
}

/// Makes the `channel` function.
pub(super) fn function<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<Js<'js>> {
    let native = Object::new(ctx.clone())?;
    let shared = Rc::clone(state);
    let put = move |ctx: Ctx<'js>, channel: String, value: Js<'js>| {
        let value = values::from_js(&ctx, &value)?;
        begin(&ctx, &shared, channel, Operation::Put(value))
    };
    native.set("put", Function::new(ctx.clone(), put)?)?;
    let shared = Rc::clone(state);
    let take = move |ctx: Ctx<'js>, channel: String| begin(&ctx, &shared, channel, Operation::Take);
    native.set("take", Function::new(ctx.clone(), take)?)?;
    let shared = Rc::clone(state);
    let try_take = move |ctx: Ctx<'js>, channel: String| {
        // Those who wait come first.
        let tried =
            if is_awaited(&shared, &channel) { None } else { Some(attempt(&shared, &channel, Operation::Take)) };
        match tried {
            Some(Tried::Done(value)) => values::to_js(&ctx, value),
            _ => Ok(Js::new_undefined(ctx)),
        }
    };
    native.set("tryTake", Function::new(ctx.clone(), try_take)?)?;
    let shared = Rc::clone(state);
    native.set("close", Function::new(ctx.clone(), move |channel: String| shared.host.close(&channel))?)?;
    let shared = Rc::clone(state);
    native.set("isOpen", Function::new(ctx.clone(), move |channel: String| shared.host.is_open(&channel))?)?;
    super::globals::script::<Function<'js>>(ctx, "channel", CHANNEL)?.call((native,))
}

/// Whether somebody waits for the next value already.
fn is_awaited(state: &State, channel: &str) -> bool {
    let waiters = state.waiters.borrow();
    waiters.iter().any(|waiter| waiter.channel == channel && matches!(waiter.operation, Operation::Take))
}

fn attempt(state: &State, channel: &str, operation: Operation) -> Tried {
    let (result, operation) = match operation {
        Operation::Put(value) => match state.host.put(channel, value) {
            Ok(()) => (Ok(Value::Null), None),
            Err((value, blocked)) => (Err(blocked), Some(Operation::Put(value))),
        },
        Operation::Take => (state.host.take(channel), Some(Operation::Take)),
    };
    match (result, operation) {
        (Ok(value), _) => Tried::Done(value),
        (Err(Blocked::Wait), Some(operation)) => Tried::Wait(operation),
        (Err(_), _) => Tried::Closed,
    }
}

impl Operation {
    const fn is_put(&self) -> bool {
        matches!(self, Self::Put(_))
    }
}

/// Does an operation, or lets it wait behind those of the same kind that wait already.
fn begin<'js>(ctx: &Ctx<'js>, state: &State, channel: String, operation: Operation) -> Result<Js<'js>> {
    let (promise, resolve, reject) = ctx.promise()?;
    let is_behind = {
        let waiters = state.waiters.borrow();
        if waiters.len() >= MOST {
            return Err(Exception::throw_range(ctx, "too many channel operations wait"));
        }
        let same = |waiter: &Waiter| waiter.channel == channel && waiter.operation.is_put() == operation.is_put();
        waiters.iter().any(same)
    };
    let tried = if is_behind { Tried::Wait(operation) } else { attempt(state, &channel, operation) };
    match tried {
        Tried::Wait(operation) => state.waiters.borrow_mut().push_back(Waiter {
            owner: state.owner.get(),
            channel,
            operation,
            resolve: Persistent::save(ctx, resolve),
            reject: Persistent::save(ctx, reject),
        }),
        done => settle(ctx, &channel, done, (&resolve, &reject))?,
    }
    Ok(promise.into_value())
}

fn settle<'js>(ctx: &Ctx<'js>, channel: &str, tried: Tried, ends: (&Function<'js>, &Function<'js>)) -> Result<()> {
    match tried {
        Tried::Done(value) => ends.0.call((values::to_js(ctx, value)?,)),
        Tried::Wait(_) | Tried::Closed => {
            let error = Exception::from_message(ctx.clone(), &format!("the channel `{channel}` is closed"))?;
            error.as_object().set("name", "ChannelClosed")?;
            ends.1.call((error.into_object(),))
        }
    }
}

/// Tries what waits once more, oldest first, and takes out what is done.
pub(super) fn retry(state: &State) -> Vec<Ready> {
    let all = state.waiters.take();
    let mut blocked: HashSet<(String, bool)> = HashSet::new();
    let mut ready = Vec::new();
    let mut kept = std::collections::VecDeque::with_capacity(all.len());
    for mut waiter in all {
        let key = (waiter.channel.clone(), waiter.operation.is_put());
        if blocked.contains(&key) {
            kept.push_back(waiter);
            continue;
        }
        match attempt(state, &waiter.channel, waiter.operation) {
            Tried::Wait(operation) => {
                blocked.insert(key);
                waiter.operation = operation;
                kept.push_back(waiter);
            }
            tried => ready.push(Ready {
                owner: waiter.owner,
                channel: waiter.channel,
                tried,
                resolve: waiter.resolve,
                reject: waiter.reject,
            }),
        }
    }
    state.waiters.replace(kept);
    ready
}

/// An operation that was done, whose promise is to be settled.
pub(super) struct Ready {
    pub(super) owner: Option<EvalId>,
    channel: String,
    tried: Tried,
    resolve: Persistent<Function<'static>>,
    reject: Persistent<Function<'static>>,
}

impl Ready {
    /// Settles the promise. What then runs are jobs.
    pub(super) fn settle(self, ctx: &Ctx<'_>) -> Result<()> {
        let (resolve, reject) = (self.resolve.restore(ctx)?, self.reject.restore(ctx)?);
        settle(ctx, &self.channel, self.tried, (&resolve, &reject))
    }
}
