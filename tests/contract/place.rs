//! Where code runs, and in which words it is told what to do there.

use std::fmt;

use oast::{EvalOptions, EvalResult, Evaluation, Job, Request, Spec, Value, Worker, call_request, config::Profile};

use crate::{
    fixtures::behave,
    stage::{self, kept, returned},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evaluator {
    Process,
    Local,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    JavaScript,
    Python,
    Rust,
}

/// Where code runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) evaluator: Evaluator,
    pub(crate) runtime: Runtime,
}

/// What is to be done there.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Add(i64, i64),
    Nothing,
    Set(i64),
    Get,
    SetAfter(u64, i64),
    /// Not for ever, but longer than any test has time.
    WaitFor(u64),
    Allocate,
    Count,
    Raise(&'static str),
    ErrorAsValue(&'static str),
    Print(&'static str, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let evaluator = match self.evaluator {
            Evaluator::Process => "process",
            Evaluator::Local => "local",
        };
        let runtime = match self.runtime {
            Runtime::JavaScript => "javascript",
            Runtime::Python => "python",
            Runtime::Rust => "rust",
        };
        write!(f, "{evaluator}_{runtime}")
    }
}

impl Place {
    pub(crate) const ALL: [Self; 5] = [
        Self { evaluator: Evaluator::Process, runtime: Runtime::JavaScript },
        Self { evaluator: Evaluator::Local, runtime: Runtime::JavaScript },
        Self { evaluator: Evaluator::Process, runtime: Runtime::Python },
        Self { evaluator: Evaluator::Process, runtime: Runtime::Rust },
        Self { evaluator: Evaluator::Local, runtime: Runtime::Rust },
    ];

    pub(crate) fn spec(self) -> Spec {
        let spec = match self.runtime {
            Runtime::JavaScript => Spec::javascript("contract"),
            Runtime::Python => stage::python("contract"),
            Runtime::Rust => Spec::functions("contract"),
        };
        match self.evaluator {
            Evaluator::Process => spec,
            Evaluator::Local => spec.local(),
        }
    }

    pub(crate) fn worker(self) -> Worker {
        self.worker_with(kept())
    }

    pub(crate) fn worker_with(self, profile: Profile) -> Worker {
        stage::start(self.spec().profile(profile))
    }

    pub(crate) fn act(self, worker: &Worker, act: Act) -> Evaluation {
        worker.submit(self.request(act), EvalOptions::default())
    }

    /// Checks that the worker does what it should.
    pub(crate) async fn assert_usable(self, worker: &Worker) {
        let sum = stage::within("an answer", self.act(worker, Act::Add(1, 1))).await;
        assert_eq!(self.int(sum), 2);
    }

    pub(crate) fn request(self, act: Act) -> Request {
        match self.runtime {
            Runtime::JavaScript => Request { job: Job::Code(javascript(act).into()), fetch: true },
            Runtime::Python => Request { job: Job::Code(python(act).into()), fetch: true },
            Runtime::Rust => function(act),
        }
    }

    /// Source text in the language of this place.
    pub(crate) fn either(self, javascript: &'static str, python: &'static str) -> &'static str {
        match self.runtime {
            Runtime::JavaScript => javascript,
            Runtime::Python => python,
            Runtime::Rust => panic!("functions have no source text"),
        }
    }

    /// The whole number that an evaluation came to.
    pub(crate) fn int(self, ended: EvalResult) -> i64 {
        match self.runtime {
            Runtime::JavaScript | Runtime::Python => match stage::value(ended) {
                Value::Int(number) => number,
                other => panic!("{other:?} is no whole number"),
            },
            Runtime::Rust => returned(ended),
        }
    }
}

fn javascript(act: Act) -> String {
    match act {
        Act::Add(a, b) => format!("{a} + {b}"),
        Act::Nothing => "null".to_owned(),
        Act::Set(number) => format!("globalThis.number = {number}; null"),
        Act::Get => "globalThis.number ?? 0".to_owned(),
        Act::SetAfter(milliseconds, number) => {
            format!("await new Promise(r => setTimeout(r, {milliseconds})); globalThis.number = {number}; null")
        }
        Act::WaitFor(milliseconds) => format!("await new Promise(r => setTimeout(r, {milliseconds})); null"),
        Act::Allocate => "for (;;) { new Array(1000).fill({}) }".to_owned(),
        Act::Count => "let sum = 0; for (let i = 0; ; i++) { sum = (sum + i) | 0 }".to_owned(),
        Act::Raise(message) => format!("throw new TypeError({message:?})"),
        Act::ErrorAsValue(message) => format!("new Error({message:?})"),
        Act::Print(out, err) => format!("console.log({out:?}); console.error({err:?})"),
    }
}

fn python(act: Act) -> String {
    let sleep = |milliseconds: u64| format!("import asyncio\nawait asyncio.sleep({})", milliseconds as f64 / 1000.0);
    match act {
        Act::Add(a, b) => format!("{a} + {b}"),
        Act::Nothing => "None".to_owned(),
        Act::Set(number) => format!("number = {number}"),
        Act::Get => "globals().get('number', 0)".to_owned(),
        Act::SetAfter(milliseconds, number) => format!("{}\nnumber = {number}", sleep(milliseconds)),
        Act::WaitFor(milliseconds) => sleep(milliseconds),
        Act::Allocate => "while True: [{} for _ in range(1000)]".to_owned(),
        Act::Count => "total = 0\nwhile True: total += 1".to_owned(),
        Act::Raise(message) => format!("raise TypeError({message:?})"),
        Act::ErrorAsValue(message) => format!("ValueError({message:?})"),
        Act::Print(out, err) => format!("import sys\nprint({out:?})\nprint({err:?}, file=sys.stderr)"),
    }
}

fn function(act: Act) -> Request {
    let request = match act {
        Act::Add(a, b) => call_request(behave::add, (a, b)),
        Act::Nothing => call_request(behave::nothing, ()),
        Act::Set(number) => call_request(behave::set, (number,)),
        Act::Get => call_request(behave::get, ()),
        Act::SetAfter(milliseconds, number) => call_request(behave::set_after, (milliseconds, number)),
        Act::WaitFor(milliseconds) => call_request(behave::wait, (milliseconds,)),
        Act::Allocate => call_request(behave::allocate_in_a_loop, ()),
        Act::Count => call_request(behave::count_in_a_loop, ()),
        Act::Raise(message) => call_request(behave::panics, (message.to_owned(),)),
        Act::ErrorAsValue(message) => call_request(behave::fails, (message.to_owned(),)),
        Act::Print(out, err) => call_request(behave::prints, (out.to_owned(), err.to_owned())),
    };
    request.unwrap()
}
