//! What the functions that JavaScript calls share with the loop that runs it: whose code runs, and what waits. Whatever
//! waits here keeps JavaScript values alive, so it is cleared before its engine ends.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Instant,
};

use oast_actors::{EvalId, Stream};
use rquickjs::{Ctx, Persistent, Promise, Value};

use super::{channels::Waiter, random::Random, timers::Timers};
use crate::worker::runtime::Host;

/// What is shared.
pub(super) struct State {
    /// What the worker process does for us.
    pub(super) host: Rc<dyn Host>,
    /// Whether the engine's memory is limited.
    pub(super) is_limited: bool,
    /// When the engine was made: an instant that has surely passed, and the origin of the console's timers.
    pub(super) origin: Instant,
    /// The evaluation whose code runs, when one can be named.
    pub(super) owner: Cell<Option<EvalId>>,
    /// The evaluations that wait: any of them may be behind code that has no owner.
    pub(super) waiting: RefCell<Vec<EvalId>>,
    /// The evaluation for which running code was stopped.
    pub(super) stopped: Cell<Option<EvalId>>,
    /// Callbacks that wait for their time.
    pub(super) timers: RefCell<Timers>,
    /// Channel operations that wait, oldest first.
    pub(super) waiters: RefCell<VecDeque<Waiter>>,
    /// Rejected promises that nobody has handled so far.
    pub(super) rejections: RefCell<Vec<Rejection>>,
    /// What the code finds as its name and its arguments.
    pub(super) arguments: RefCell<Vec<String>>,
    pub(super) random: Random,
}

/// A rejected promise.
pub(super) struct Rejection {
    pub(super) promise: Persistent<Value<'static>>,
    pub(super) reason: Persistent<Value<'static>>,
    pub(super) owner: Option<EvalId>,
}

impl State {
    pub(super) fn new(host: Rc<dyn Host>, is_limited: bool) -> Self {
        Self {
            host,
            is_limited,
            origin: Instant::now(),
            owner: Cell::new(None),
            waiting: RefCell::default(),
            stopped: Cell::new(None),
            timers: RefCell::default(),
            waiters: RefCell::default(),
            rejections: RefCell::default(),
            arguments: RefCell::default(),
            random: Random::default(),
        }
    }

    /// Prints on behalf of whoever runs.
    pub(super) fn print(&self, stream: Stream, text: &str) {
        self.host.print(self.owner.get(), stream, text.as_bytes());
    }

    /// Whether the code that runs is to stop. Asked by the engine every few thousand instructions.
    pub(super) fn must_stop(&self) -> bool {
        let culprit = match self.owner.get() {
            Some(id) => self.host.is_interrupted(id).then_some(id),
            // Jobs of several evaluations ran together, so nobody knows whose job this is: whoever is interrupted is
            // taken at its word.
            None => self.waiting.borrow().iter().copied().find(|&id| self.host.is_interrupted(id)),
        };
        if culprit.is_some() {
            self.stopped.set(culprit);
        }
        culprit.is_some()
    }

    /// `id` while it has not ended.
    pub(super) fn alive(&self, id: Option<EvalId>) -> Option<EvalId> {
        id.filter(|id| self.waiting.borrow().contains(id))
    }

    /// Whether the evaluation has timers or channel operations.
    pub(super) fn is_busy(&self, id: EvalId) -> bool {
        self.timers.borrow().has(id) || self.waiters.borrow().iter().any(|waiter| waiter.owner == Some(id))
    }

    /// Drops what an evaluation left waiting, so that an interrupted one does not go on, nor take what others wait for.
    pub(super) fn forget(&self, id: EvalId) {
        let timers = self.timers.borrow_mut().remove_of(id);
        let waiters = {
            let mut all = self.waiters.borrow_mut();
            let (gone, kept) = all.drain(..).partition::<VecDeque<_>, _>(|waiter| waiter.owner == Some(id));
            *all = kept;
            gone
        };
        // Only here: the values they hold end with them, and nothing may be borrowed while they do.
        drop((timers, waiters));
    }

    /// Drops every JavaScript value.
    pub(super) fn clear(&self) {
        drop(self.timers.take());
        drop(self.waiters.take());
        drop(self.rejections.take());
    }

    /// Notes a promise that was rejected, or that was handled after all.
    pub(super) fn track<'js>(&self, ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>, is_handled: bool) {
        let promise = Persistent::save(ctx, promise);
        if is_handled {
            self.rejections.borrow_mut().retain(|rejection| rejection.promise != promise);
        } else {
            self.rejections.borrow_mut().push(Rejection {
                promise,
                reason: Persistent::save(ctx, reason),
                owner: self.owner.get(),
            });
        }
    }

    /// Takes a promise whose rejection is told as an evaluation's end off the list.
    pub(super) fn handled<'js>(&self, ctx: &Ctx<'js>, promise: &Promise<'js>) {
        self.track(ctx, promise.as_value().clone(), Value::new_undefined(ctx.clone()), true);
    }
}
