//! One QuickJS engine and the loop around it: begins evaluations, runs jobs, fires timers, and sees who has ended.
//!
//! Jobs carry no name, so who runs is known by order: whatever one evaluation's code, timer or message queued is run before
//! anything of another. Only when that takes too many jobs are the rest run together with others', on nobody's behalf.

use std::{rc::Rc, time::Instant};

use oast_actors::{Code, EvalId, Stream};
use rquickjs::{Context, Ctx, Error, Function, Result, Runtime, Value as Js, function::Args};

use super::{
    JavaScriptSettings, channels, errors,
    evaluation::{Begun, Waiting, begin, interrupted},
    globals,
    modules::{Files, Paths},
    state::State,
    timers::Timer,
};
use crate::worker::runtime::{Failure, Host, Reply};

/// How many jobs are run in one go. Whoever queues more lets others run in between.
const JOBS: usize = 1000;
/// How many timers are fired in one go.
const TIMERS: usize = 100;
/// How many unhandled rejections may gather while jobs keep coming that might handle them.
const REJECTIONS: usize = 1000;

/// Whose jobs are queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Jobs {
    None,
    Of(EvalId),
    Mixed,
}

pub(super) struct Engine {
    state: Rc<State>,
    waiting: Vec<Waiting>,
    finished: Vec<(EvalId, Reply)>,
    jobs: Jobs,
    memory: Option<usize>,
    uses_reserve: bool,
    context: Context,
    runtime: Runtime,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Values must end before their engine does, which would abort.
        self.waiting.clear();
        self.state.clear();
    }
}

impl Engine {
    pub(super) fn new(host: Rc<dyn Host>, settings: &JavaScriptSettings) -> Result<Self> {
        let runtime = Runtime::new()?;
        runtime.set_max_stack_size(settings.stack);
        runtime.set_loader(Paths { directory: settings.directory.clone() }, Files);
        let state = Rc::new(State::new(host, settings.memory.is_some()));
        let shared = Rc::clone(&state);
        runtime.set_interrupt_handler(Some(Box::new(move || shared.must_stop())));
        let shared = Rc::clone(&state);
        runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, is_handled| {
            shared.track(&ctx, promise, reason, is_handled);
        })));
        let context = Context::full(&runtime)?;
        context.with(|ctx| globals::install(&ctx, &state))?;
        let memory = settings.memory.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let engine = Self {
            state,
            waiting: Vec::new(),
            finished: Vec::new(),
            jobs: Jobs::None,
            memory,
            uses_reserve: false,
            context,
            runtime,
        };
        engine.limit_memory();
        Ok(engine)
    }

    /// After memory was used up, the next evaluation may use the last sixteenth as well, to make room.
    fn limit_memory(&self) {
        if let Some(limit) = self.memory {
            let reserve = if self.uses_reserve { 0 } else { limit / 16 };
            self.runtime.set_memory_limit(limit - reserve);
        }
    }

    pub(super) fn start(&mut self, id: EvalId, code: Code, fetch: bool) -> Option<Reply> {
        self.state.owner.set(Some(id));
        self.state.stopped.set(None);
        let state = &self.state;
        let reply = match self.context.with(|ctx| begin(&ctx, state, (id, fetch), code)) {
            Begun::Ended(reply) => Some(reply),
            Begun::Waits(waiting) => {
                self.waiting.push(waiting);
                self.state.waiting.borrow_mut().push(id);
                None
            }
        };
        self.run_jobs_of(id, reply.as_ref());
        // Whatever ran may have settled what others wait for, too.
        self.settle();
        let reply = reply.or_else(|| {
            let ended = self.finished.iter().position(|(ended, _)| *ended == id);
            ended.map(|at| self.finished.remove(at).1)
        });
        self.report_rejections();
        self.state.owner.set(None);
        if let Some(reply) = &reply {
            self.disown_jobs(id);
            self.watch_memory(reply);
        }
        reply
    }

    /// Runs the jobs that an evaluation queued while it began, unless it was interrupted.
    fn run_jobs_of(&mut self, id: EvalId, reply: Option<&Reply>) {
        let was_interrupted = reply.is_some_and(|reply| matches!(reply.result, Err(Failure::Interrupted)));
        if was_interrupted {
            self.state.forget(id);
        }
        if !self.runtime.is_job_pending() {
            return;
        }
        if was_interrupted {
            self.jobs = Jobs::Mixed;
        } else {
            self.drain(Some(id), &mut { JOBS });
        }
    }

    /// Jobs that are left when their evaluation has ended are nobody's.
    fn disown_jobs(&mut self, id: EvalId) {
        if self.jobs == Jobs::Of(id) {
            self.jobs = Jobs::Mixed;
        }
    }

    fn watch_memory(&mut self, reply: &Reply) {
        let is_full = matches!(&reply.result, Err(Failure::Raised(raised)) if errors::is_out_of_memory(raised));
        if is_full != self.uses_reserve {
            self.uses_reserve = is_full;
            if is_full {
                self.runtime.run_gc();
            }
            self.limit_memory();
        }
    }

    /// Whether there is something to do at once.
    pub(super) fn is_stirred(&self) -> bool {
        !self.finished.is_empty() || self.runtime.is_job_pending()
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        if self.is_stirred() { Some(self.state.origin) } else { self.state.timers.borrow().next() }
    }

    pub(super) fn resume(&mut self, ended: &mut Vec<(EvalId, Reply)>) {
        let mut left = JOBS;
        if self.runtime.is_job_pending() {
            let owner = match self.jobs {
                Jobs::Of(id) => Some(id),
                Jobs::None | Jobs::Mixed => None,
            };
            self.drain(owner, &mut left);
        }
        if !self.state.waiters.borrow().is_empty() {
            for ready in channels::retry(&self.state) {
                let owner = self.state.alive(ready.owner);
                self.run(owner, &mut left, |ctx| ready.settle(ctx));
            }
        }
        if self.state.timers.borrow().next().is_some() {
            self.fire_timers(&mut left);
        }
        self.settle();
        self.report_rejections();
        self.state.owner.set(None);
        ended.append(&mut self.finished);
    }

    fn fire_timers(&mut self, left: &mut usize) {
        let now = Instant::now();
        for _ in 0..TIMERS {
            let timer = self.state.timers.borrow_mut().take_due(now);
            let Some(timer) = timer else { break };
            let owner = self.state.alive(timer.owner);
            self.run(owner, left, |ctx| call(ctx, timer));
            if *left == 0 {
                break;
            }
        }
    }

    /// Runs something on an evaluation's behalf, and the jobs that come of it. Nobody is there to catch what it throws.
    fn run(&mut self, owner: Option<EvalId>, left: &mut usize, run: impl FnOnce(&Ctx<'_>) -> Result<()>) {
        self.state.owner.set(owner);
        let state = &self.state;
        self.context.with(|ctx| {
            if let Err(error) = run(&ctx) {
                print_uncaught(&ctx, state, &error);
            }
        });
        self.end_stopped();
        if self.runtime.is_job_pending() {
            self.drain(owner, left);
        }
    }

    /// Runs jobs until there are none, or `left` are done.
    fn drain(&mut self, owner: Option<EvalId>, left: &mut usize) {
        let owner = match self.jobs {
            Jobs::None => owner,
            Jobs::Of(id) => owner.filter(|owner| *owner == id),
            Jobs::Mixed => None,
        };
        self.state.owner.set(owner);
        while *left > 0 {
            *left -= 1;
            match self.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => break,
                Err(exception) => {
                    let state = &self.state;
                    exception.0.with(|ctx| print_uncaught(&ctx, state, &Error::Exception));
                }
            }
            self.end_stopped();
        }
        self.jobs = match (self.runtime.is_job_pending(), owner) {
            (false, _) => Jobs::None,
            (true, Some(id)) => Jobs::Of(id),
            (true, None) => Jobs::Mixed,
        };
    }

    /// Ends the evaluation for which code was just stopped.
    fn end_stopped(&mut self) {
        let Some(id) = self.state.stopped.take() else { return };
        if let Some(reply) = self.interrupt(id) {
            self.finished.push((id, reply));
        }
    }

    pub(super) fn interrupt(&mut self, id: EvalId) -> Option<Reply> {
        let at = self.waiting.iter().position(|waiting| waiting.id == id)?;
        drop(self.waiting.remove(at));
        self.state.waiting.borrow_mut().retain(|waiting| *waiting != id);
        self.state.forget(id);
        self.disown_jobs(id);
        Some(interrupted())
    }

    pub(super) fn interrupt_all(&mut self, ended: &mut Vec<(EvalId, Reply)>) {
        ended.append(&mut self.finished);
        while let Some(id) = self.waiting.first().map(|waiting| waiting.id) {
            ended.extend(self.interrupt(id).map(|reply| (id, reply)));
        }
    }

    /// Sees which of the evaluations that wait have ended.
    fn settle(&mut self) {
        let mut at = 0;
        while at < self.waiting.len() {
            let (state, waiting) = (&self.state, &mut self.waiting[at]);
            let id = waiting.id;
            let reply = self.context.with(|ctx| waiting.look(&ctx, state));
            let Some(reply) = reply else {
                at += 1;
                continue;
            };
            self.watch_memory(&reply);
            drop(self.waiting.remove(at));
            self.state.waiting.borrow_mut().retain(|waiting| *waiting != id);
            self.disown_jobs(id);
            self.finished.push((id, reply));
        }
    }

    /// Prints what nobody handled, once no job is left that might.
    fn report_rejections(&self) {
        let count = self.state.rejections.borrow().len();
        if count == 0 || (self.runtime.is_job_pending() && count < REJECTIONS) {
            return;
        }
        let all = self.state.rejections.take();
        self.context.with(|ctx| {
            for rejection in all {
                let owner = rejection.owner.filter(|id| self.state.owner.get() == Some(*id));
                let owner = owner.or_else(|| self.state.alive(rejection.owner));
                let Ok(reason) = rejection.reason.restore(&ctx) else {
                    continue;
                };
                let text = errors::print(&errors::from_thrown(&ctx, &reason));
                let text = text.replacen("Uncaught", "Uncaught (in promise)", 1);
                self.state.host.print(owner, Stream::Stderr, text.as_bytes());
            }
        });
    }
}

fn call(ctx: &Ctx<'_>, timer: Timer) -> Result<()> {
    let callback: Function<'_> = timer.callback.restore(ctx)?;
    let mut arguments = Args::new(ctx.clone(), timer.arguments.len());
    for argument in timer.arguments {
        arguments.push_arg(argument.restore(ctx)?)?;
    }
    callback.call_arg::<Js<'_>>(arguments).map(drop)
}

/// Prints an error that nobody is there to catch, unless it is how code was stopped.
fn print_uncaught(ctx: &Ctx<'_>, state: &State, error: &Error) {
    let raised = errors::raised(ctx, error);
    if state.stopped.get().is_none() {
        state.print(Stream::Stderr, &errors::print(&raised));
    }
}
