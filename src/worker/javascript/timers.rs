//! `setTimeout`, `setInterval` and what clears them. Keeps the callbacks; the engine's loop asks for those that are due.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};

use oast_actors::EvalId;
use rquickjs::{
    Coerced, Ctx, Exception, Function, Object, Persistent, Result, Value,
    function::{Opt, Rest},
};

use super::state::State;

/// More timers than any honest program has: they are kept outside of the engine's memory limit.
const MOST: usize = 65_536;
/// The longest delay, as in browsers.
const LONGEST: f64 = 2_147_483_647.0;

/// The callbacks that wait for their time.
#[derive(Default)]
pub(super) struct Timers {
    last: u32,
    due: HashMap<u32, Instant>,
    queue: BTreeMap<(Instant, u32), Timer>,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Timer {
    pub(super) owner: Option<EvalId>,
    pub(super) callback: Persistent<Function<'static>>,
    pub(super) arguments: Vec<Persistent<Value<'static>>>,
    every: Option<Duration>,
}

impl Timers {
    /// When the earliest is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether an evaluation has any.
    pub(super) fn has(&self, id: EvalId) -> bool {
        self.queue.values().any(|timer| timer.owner == Some(id))
    }

    /// Takes the earliest one that is due; one that repeats is queued again, no earlier than after all that are due now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, id), timer) = entry.remove_entry();
        match timer.every {
            Some(every) => self.insert(id, now + every, timer.clone()),
            None => drop(self.due.remove(&id)),
        }
        Some(timer)
    }

    /// Removes those of an evaluation.
    pub(super) fn remove_of(&mut self, id: EvalId) -> Vec<Timer> {
        let ids = self.queue.iter().filter(|(_, timer)| timer.owner == Some(id));
        let ids: Vec<u32> = ids.map(|((_, id), _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    fn remove(&mut self, id: u32) -> Option<Timer> {
        let due = self.due.remove(&id)?;
        self.queue.remove(&(due, id))
    }

    fn insert(&mut self, id: u32, due: Instant, timer: Timer) {
        self.due.insert(id, due);
        self.queue.insert((due, id), timer);
    }

    fn add(&mut self, due: Instant, timer: Timer) -> u32 {
        // A number in use is passed over: one that repeats may be older than 2^31 others.
        loop {
            self.last = self.last % 0x7fff_ffff + 1;
            if !self.due.contains_key(&self.last) {
                break;
            }
        }
        self.insert(self.last, due, timer);
        self.last
    }
}

/// Defines the four functions.
pub(super) fn install<'js>(ctx: &Ctx<'js>, globals: &Object<'js>, state: &Rc<State>) -> Result<()> {
    for (name, repeats) in [("setTimeout", false), ("setInterval", true)] {
        let state = Rc::clone(state);
        let set = move |ctx: Ctx<'js>, callback: Opt<Value<'js>>, delay: Opt<Value<'js>>, rest: Rest<Value<'js>>| {
            set(&ctx, &state, (callback.0, delay.0, rest.0), repeats)
        };
        globals.set(name, Function::new(ctx.clone(), set)?.with_name(name)?)?;
    }
    for name in ["clearTimeout", "clearInterval"] {
        let state = Rc::clone(state);
        let clear = move |id: Opt<Value<'js>>| {
            let id = id.0.and_then(|id| id.as_number()).filter(|id| (1.0..=LONGEST).contains(id));
            let timer = id.and_then(|id| state.timers.borrow_mut().remove(id as u32));
            drop(timer);
        };
        globals.set(name, Function::new(ctx.clone(), clear)?.with_name(name)?)?;
    }
    Ok(())
}

type Arguments<'js> = (Option<Value<'js>>, Option<Value<'js>>, Vec<Value<'js>>);

fn set<'js>(ctx: &Ctx<'js>, state: &State, (callback, delay, rest): Arguments<'js>, repeats: bool) -> Result<u32> {
    let Some(callback) = callback.and_then(Value::into_function) else {
        return Err(Exception::throw_type(ctx, "the callback must be a function"));
    };
    let delay = match delay {
        Some(delay) => delay.get::<Coerced<f64>>()?.0,
        None => 0.0,
    };
    // A delay that is no number, negative or too long is none, as in browsers; a repeating one lets others run.
    let delay = if (1.0..=LONGEST).contains(&delay) { delay } else { f64::from(u8::from(repeats)) };
    let delay = Duration::from_secs_f64(delay / 1000.0);
    let timer = Timer {
        owner: state.owner.get(),
        callback: Persistent::save(ctx, callback),
        arguments: rest.into_iter().map(|value| Persistent::save(ctx, value)).collect(),
        every: repeats.then_some(delay),
    };
    if state.timers.borrow().queue.len() >= MOST {
        return Err(Exception::throw_range(ctx, "too many timers"));
    }
    let now = Instant::now();
    Ok(state.timers.borrow_mut().add(now + delay, timer))
}
