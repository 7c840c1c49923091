//! An evaluator without a process, for the tests of the actors. Its code is one word with an argument, and its state is
//! one list of words, so that a test can see whether state was kept, lost or cleaned.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use oast_config::{ByteSize, Latency, Limits, OnReturn, Profile, Restart, RestartPolicy, State};

use crate::{
    Capabilities, ChannelMessage, EvalId, Evaluator, EvaluatorFactory, Event, Events, Exit, ExitStatus, Force, Job,
    LastBegun, Launch, Reply, ReplyResult, Request, TooLarge, Usage, Value, WorkerSpec,
};

/// Runs nothing; see [`Fake::begin`] for what it understands.
pub(crate) struct Fake {
    process: Option<Rc<RefCell<Process>>>,
    ahead: u32,
    resets: bool,
    /// How many of its processes do not come to their hello, and how many did not.
    fails: (u32, Arc<AtomicU32>),
}

struct Process {
    events: Events,
    /// What it has, in order; the first is running.
    line: VecDeque<(EvalId, String)>,
    words: Vec<String>,
    /// Whether the first of the line has begun.
    begun: LastBegun,
    gone: bool,
    /// In MiB.
    memory: u64,
    epoch: u64,
}

impl Fake {
    pub(crate) fn new(ahead: u32, resets: bool) -> Self {
        Self { process: None, ahead, resets, fails: (0, Arc::default()) }
    }

    pub(crate) fn that_never_starts() -> Self {
        Self::that_starts_after(u32::MAX, Arc::default())
    }

    pub(crate) fn that_starts_after(failures: u32, failed: Arc<AtomicU32>) -> Self {
        Self { fails: (failures, failed), ..Self::new(0, true) }
    }
}

/// Says something from outside the evaluator's call, as every evaluator must.
fn later(process: &Rc<RefCell<Process>>, act: impl FnOnce(&Rc<RefCell<Process>>) + 'static) {
    let process = process.clone();
    drop(actix_rt::spawn(async move { act(&process) }));
}

fn say(process: &Rc<RefCell<Process>>, event: Event) {
    let events = process.borrow().events.clone();
    events.send(event);
}

fn exit(process: &Rc<RefCell<Process>>, status: ExitStatus) {
    let mut inner = process.borrow_mut();
    if std::mem::replace(&mut inner.gone, true) {
        return;
    }
    let exit = Exit { pid: 7, status: Some(status), last_begun: inner.begun, ..Exit::default() };
    drop(inner);
    say(process, Event::Exited(exit));
}

fn answer(process: &Rc<RefCell<Process>>, id: EvalId, result: ReplyResult) {
    let mut inner = process.borrow_mut();
    if inner.gone || !inner.line.iter().any(|(of, _)| *of == id) {
        return;
    }
    inner.line.retain(|(of, _)| *of != id);
    drop(inner);
    say(process, Event::Replied(id, Reply { result, text: None, usage: Usage::default() }));
    begin(process);
}

/// Says what the process has in memory.
fn measure(process: &Rc<RefCell<Process>>) {
    let memory = ByteSize::mib(process.borrow().memory);
    if !process.borrow().gone {
        say(process, Event::Sampled { memory, cpu: Duration::ZERO });
    }
}

/// Begins the first of the line, if it did not begin yet.
fn begin(process: &Rc<RefCell<Process>>) {
    let mut inner = process.borrow_mut();
    let Some((id, code)) = inner.line.front().cloned() else { return };
    if inner.begun == LastBegun::Was(id) || inner.gone {
        return;
    }
    inner.begun = LastBegun::Was(id);
    let (word, argument) = code.split_once(' ').unwrap_or((&code, ""));
    match word {
        "hang" => {}
        "crash" => {
            drop(inner);
            exit(process, ExitStatus::Signal(11));
        }
        "crash-before" if inner.epoch < argument.parse().unwrap() => {
            drop(inner);
            exit(process, ExitStatus::Signal(11));
        }
        "leave" => {
            drop(inner);
            exit(process, ExitStatus::Code(0));
        }
        "remember" => {
            inner.words.push(argument.to_owned());
            drop(inner);
            answer(process, id, ReplyResult::Value(Value::Null));
        }
        "use" => {
            inner.memory = argument.parse().unwrap();
            drop(inner);
            measure(process);
            answer(process, id, ReplyResult::Value(Value::Null));
        }
        "swell" => {
            inner.memory = argument.parse().unwrap();
            drop(inner);
            measure(process);
        }
        "recall" => {
            let words = inner.words.join(" ");
            drop(inner);
            answer(process, id, ReplyResult::Value(Value::Text(words)));
        }
        _ => {
            let echoed = code.clone();
            drop(inner);
            answer(process, id, ReplyResult::Value(Value::Text(echoed)));
        }
    }
}

impl Evaluator for Fake {
    fn start(&mut self, launch: Launch, events: Events) {
        let process = Process {
            events,
            line: VecDeque::new(),
            words: Vec::new(),
            begun: LastBegun::Nothing,
            gone: false,
            memory: 1,
            epoch: launch.epoch,
        };
        let process = Rc::new(RefCell::new(process));
        let capabilities = Capabilities {
            interrupts: true,
            evaluates: true,
            resets: self.resets,
            ahead: self.ahead,
            ..Capabilities::default()
        };
        let starts = self.fails.1.fetch_add(1, Ordering::Relaxed) >= self.fails.0;
        later(&process, move |process| match starts {
            true => say(process, Event::Ready { pid: 7, capabilities }),
            false => exit(process, ExitStatus::Code(1)),
        });
        self.process = Some(process);
    }

    fn evaluate(&mut self, id: EvalId, request: &Request) -> Result<(), TooLarge> {
        let Job::Code(code) = &request.job else { return Err(TooLarge { size: 2, limit: 1 }) };
        match code.source.as_str() {
            "panic" => panic!("the evaluator panics as it is called"),
            "huge" => return Err(TooLarge { size: 2, limit: 1 }),
            _ => {}
        }
        let process = self.process.as_ref().unwrap();
        process.borrow_mut().line.push_back((id, code.source.clone()));
        later(process, begin);
        Ok(())
    }

    fn interrupt(&mut self, id: EvalId) {
        later(self.process.as_ref().unwrap(), move |process| answer(process, id, ReplyResult::Interrupted));
    }

    fn reset(&mut self) {
        later(self.process.as_ref().unwrap(), |process| {
            process.borrow_mut().words.clear();
            say(process, Event::Reset);
        });
    }

    /// Sends every value back.
    fn channel(&mut self, name: &str, message: ChannelMessage) -> Result<(), TooLarge> {
        let name = name.to_owned();
        if let ChannelMessage::Put(value) = message {
            later(self.process.as_ref().unwrap(), move |process| {
                say(process, Event::Channel(name.clone(), ChannelMessage::Taken(1)));
                say(process, Event::Channel(name, ChannelMessage::Put(value)));
            });
        }
        Ok(())
    }

    fn stop(&mut self, how: Force) {
        let Some(process) = &self.process else { return };
        let status = match how {
            Force::Ask => ExitStatus::Code(0),
            Force::Terminate => ExitStatus::Signal(15),
            Force::Kill => ExitStatus::Signal(9),
        };
        // As a supervisor is dropped with its thread, there may be nowhere left to say it.
        if actix_rt::Arbiter::try_current().is_some_and(|arbiter| arbiter.alive()) {
            later(process, move |process| exit(process, status));
        }
    }

    fn sample(&mut self) {
        later(self.process.as_ref().unwrap(), measure);
    }
}

/// No limits but short times.
pub(crate) fn profile() -> Profile {
    Profile {
        state: State::Kept,
        on_return: OnReturn::Recycle,
        latency: Latency::Normal,
        limits: Limits {
            wall_time: None,
            cpu_time: None,
            grace: Duration::from_secs(5),
            memory_soft: None,
            memory: None,
            idle: None,
            growth: None,
            lifetime: None,
            evaluations: None,
            output: ByteSize::mib(1),
            queue: 100,
            queue_time: None,
            start_time: Duration::from_secs(5),
            message: ByteSize::mib(1),
        },
        sandbox: Profile::trusted().sandbox,
        restart: Restart {
            policy: RestartPolicy::Permanent,
            intensity: 3,
            period: Duration::from_secs(60),
            backoff_min: Duration::ZERO,
            backoff_max: Duration::from_millis(20),
            healthy_after: Duration::from_secs(60),
            counts: [oast_config::CauseKind::Signal, oast_config::CauseKind::Start].into(),
        },
    }
}

/// A worker with a fake evaluator.
pub(crate) fn spec(name: &str, profile: Profile) -> WorkerSpec {
    fake_spec(name, profile, 0, true)
}

pub(crate) fn fake_spec(name: &str, profile: Profile, ahead: u32, resets: bool) -> WorkerSpec {
    WorkerSpec {
        name: name.into(),
        tenant: None,
        profile: Arc::new(profile),
        evaluator: EvaluatorFactory::new(move || Fake::new(ahead, resets)),
    }
}
