//! The promises of the runtime, against a host that keeps what it is told.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, VecDeque},
    path::PathBuf,
    time::Duration,
};

use oast_actors::{Array, BigInt, Code, Element, Handle, Stream, Value};

use super::*;
use crate::worker::runtime::Blocked;

mod cells;
mod channels;
mod environment;
mod errors;
mod interrupts;
mod values;

/// A host that keeps what is printed, and has channels of capacity 2.
#[derive(Default)]
struct FakeHost {
    printed: RefCell<Vec<(Option<EvalId>, Stream, String)>>,
    interrupted: RefCell<HashSet<EvalId>>,
    asked: RefCell<u32>,
    // Interrupts an evaluation once it was asked for that often.
    interrupt_after: RefCell<Option<(u32, EvalId)>>,
    outgoing: RefCell<HashMap<String, VecDeque<Value>>>,
    incoming: RefCell<HashMap<String, VecDeque<Value>>>,
    closed: RefCell<HashSet<String>>,
}

impl Host for FakeHost {
    fn print(&self, id: Option<EvalId>, stream: Stream, bytes: &[u8]) {
        self.printed.borrow_mut().push((id, stream, String::from_utf8_lossy(bytes).into_owned()));
    }

    fn is_interrupted(&self, id: EvalId) -> bool {
        *self.asked.borrow_mut() += 1;
        if let Some((after, id)) = *self.interrupt_after.borrow()
            && *self.asked.borrow() >= after
        {
            self.interrupted.borrow_mut().insert(id);
        }
        self.interrupted.borrow().contains(&id)
    }

    fn put(&self, channel: &str, value: Value) -> Result<(), (Value, Blocked)> {
        if self.closed.borrow().contains(channel) {
            return Err((value, Blocked::Closed));
        }
        let mut outgoing = self.outgoing.borrow_mut();
        let queue = outgoing.entry(channel.to_owned()).or_default();
        if queue.len() >= 2 {
            return Err((value, Blocked::Wait));
        }
        queue.push_back(value);
        Ok(())
    }

    fn take(&self, channel: &str) -> Result<Value, Blocked> {
        let taken = self.incoming.borrow_mut().entry(channel.to_owned()).or_default().pop_front();
        match taken {
            Some(value) => Ok(value),
            None if self.closed.borrow().contains(channel) => Err(Blocked::Closed),
            None => Err(Blocked::Wait),
        }
    }

    fn close(&self, channel: &str) {
        self.closed.borrow_mut().insert(channel.to_owned());
    }

    fn wait(&self) -> bool {
        false
    }

    fn is_open(&self, channel: &str) -> bool {
        !self.closed.borrow().contains(channel)
    }
}

/// A runtime with its host.
struct Fixture {
    host: Rc<FakeHost>,
    runtime: JavaScript,
    last: u64,
}

impl Fixture {
    fn new() -> Self {
        Self::with_memory(None)
    }

    fn with_memory(memory: Option<u64>) -> Self {
        Self::with(JavaScriptSettings { memory, stack: 512 * 1024, directory: Some(PathBuf::from("/")) })
    }

    fn with(settings: JavaScriptSettings) -> Self {
        let host = Rc::new(FakeHost::default());
        let runtime = JavaScript::new(Rc::clone(&host) as Rc<dyn Host>, settings).unwrap();
        Self { host, runtime, last: 0 }
    }

    fn request(source: &str) -> Request {
        Request { job: Job::Code(Code { source: source.to_owned(), ..Code::default() }), fetch: true }
    }

    fn start_request(&mut self, request: Request) -> (EvalId, Option<Reply>) {
        self.last += 1;
        let id = EvalId(self.last);
        (id, self.runtime.start(id, request))
    }

    fn start(&mut self, source: &str) -> (EvalId, Option<Reply>) {
        self.start_request(Self::request(source))
    }

    /// Resumes once and gives what ended.
    fn resume(&mut self) -> Vec<(EvalId, Reply)> {
        let mut ended = Vec::new();
        self.runtime.resume(&mut ended);
        ended
    }

    /// Resumes whenever the runtime wants it, until the evaluation ends.
    fn finish(&mut self, id: EvalId) -> Reply {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut ended = self.resume();
            if let Some(at) = ended.iter().position(|(ended, _)| *ended == id) {
                return ended.swap_remove(at).1;
            }
            assert!(Instant::now() < deadline, "it did not end");
            let wake = self.runtime.wake_at().expect("nothing can ever end it");
            std::thread::sleep(wake.saturating_duration_since(Instant::now()));
        }
    }

    fn reply(&mut self, source: &str) -> Reply {
        let (id, reply) = self.start(source);
        reply.unwrap_or_else(|| self.finish(id))
    }

    fn value(&mut self, source: &str) -> Value {
        match self.reply(source).result {
            Ok(value) => value,
            Err(failure) => panic!("{source}: {failure:?}"),
        }
    }

    fn text(&mut self, source: &str) -> String {
        let reply = self.reply(source);
        reply.text.unwrap_or_else(|| panic!("{source}: no text: {:?}", reply.result))
    }

    fn raised(&mut self, source: &str) -> Raised {
        match self.reply(source).result {
            Err(Failure::Raised(raised)) => raised,
            other => panic!("{source}: {other:?}"),
        }
    }

    /// Resumes until nothing is left to do.
    fn idle(&mut self) {
        while let Some(wake) = self.runtime.wake_at() {
            std::thread::sleep(wake.saturating_duration_since(Instant::now()));
            self.resume();
        }
    }

    /// What was printed, without whose it is.
    fn printed(&self) -> String {
        self.host.printed.take().into_iter().map(|(_, _, text)| text).collect()
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn is_interrupted(reply: &Reply) -> bool {
    matches!(reply.result, Err(Failure::Interrupted))
}
