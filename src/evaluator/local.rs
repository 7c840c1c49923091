//! The evaluator whose code runs on a thread of this very process: no process to start, no bytes to copy, and no wall.
//! For tests, and for code that is trusted not to take its host down.
//!
//! The thread runs the same [`MainLoop`] as a worker process. It can be interrupted as far as its runtime can, but a
//! thread cannot be killed: one that is, is abandoned. It begins nothing more, says no more, and ends when its code does.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Instant,
};

use bytes::Bytes;
use oast_actors::{
    Capabilities, ChannelMessage, EvalId, Evaluator, Event, Events, Exit, ExitStatus, Force, LastBegun, Launch,
    Request, Stream, TooLarge,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    wire::{FromWorker, ToWorker},
    worker::{Host, Interrupts, Link, MainLoop, Outlet, Received, Runtime, Wait, WorkerHost},
};

/// Makes the runtime, on the thread where it will live.
pub(crate) type RuntimeFactory = Arc<dyn Fn(Rc<dyn Host>) -> Result<Box<dyn Runtime>, String> + Send + Sync>;

/// As much as any thread has.
const LEAST_STACK: usize = 2 << 20;

/// Runs code on a thread of this process.
pub(crate) struct Local {
    make: RuntimeFactory,
    stack: usize,
    thread: Option<Thread>,
}

/// This end of a running thread.
struct Thread {
    messages: Sender<ToWorker>,
    news: UnboundedSender<News>,
    interrupts: Arc<Interrupts>,
    progress: Arc<Progress>,
}

/// What a thread tells.
enum News {
    Ready(Capabilities),
    Said(FromWorker),
    Printed(Option<EvalId>, Stream, Bytes),
    Ended(Result<(), String>),
    /// It is not waited for any more.
    Abandoned,
}

impl Local {
    /// The runtime's code may use so much stack. Its thread gets more: what the code calls must not run out of it before
    /// the runtime notices.
    pub(crate) fn new(make: RuntimeFactory, stack: u64) -> Self {
        let stack = usize::try_from(stack).unwrap_or(usize::MAX).saturating_mul(2).saturating_add(1 << 20);
        Self { make, stack: stack.max(LEAST_STACK), thread: None }
    }

    fn send(&self, message: ToWorker) {
        if let Some(thread) = &self.thread {
            // A thread that has ended says so.
            drop(thread.messages.send(message));
        }
    }
}

impl Evaluator for Local {
    fn start(&mut self, launch: Launch, events: Events) {
        let (messages, inbox) = mpsc::channel();
        let (news, heard) = unbounded_channel();
        let (interrupts, progress) = (Arc::new(Interrupts::own()), Arc::<Progress>::default());
        let parts = ThreadParts {
            make: self.make.clone(),
            inbox,
            news: news.clone(),
            interrupts: interrupts.clone(),
            progress: progress.clone(),
        };
        let thread = std::thread::Builder::new().name(format!("oast {}", launch.worker)).stack_size(self.stack);
        let spawned = thread.spawn(move || parts.run());
        if let Err(error) = spawned {
            drop(news.send(News::Ended(Err(error.to_string()))));
        }
        drop(actix_rt::spawn(hear(heard, events, progress.clone())));
        self.thread = Some(Thread { messages, news, interrupts, progress });
    }

    fn evaluate(&mut self, id: EvalId, request: &Request) -> Result<(), TooLarge> {
        self.send(ToWorker::Evaluate(id, request.clone()));
        Ok(())
    }

    fn interrupt(&mut self, id: EvalId) {
        if let Some(thread) = &self.thread {
            thread.interrupts.add(id);
        }
        self.send(ToWorker::Interrupt(id));
    }

    fn reset(&mut self) {
        self.send(ToWorker::Reset);
    }

    fn channel(&mut self, name: &str, message: ChannelMessage) -> Result<(), TooLarge> {
        self.send(ToWorker::Channel(name.to_owned(), message));
        Ok(())
    }

    fn stop(&mut self, how: Force) {
        let Some(thread) = &self.thread else { return };
        match how {
            Force::Ask => self.send(ToWorker::Shutdown),
            Force::Terminate | Force::Kill => {
                thread.interrupts.add(thread.progress.end());
                // One that waits for a message is to see that there will be none.
                self.send(ToWorker::Shutdown);
                // When nobody hears any more, it has ended.
                drop(thread.news.send(News::Abandoned));
            }
        }
    }

    /// A thread has no memory of its own that could be measured.
    fn sample(&mut self) {}
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop(Force::Kill);
    }
}

async fn hear(mut heard: UnboundedReceiver<News>, events: Events, progress: Arc<Progress>) {
    while let Some(news) = heard.recv().await {
        let event = match news {
            News::Ready(capabilities) => Event::Ready { pid: 0, capabilities },
            News::Printed(id, stream, bytes) => Event::Printed { id, stream, bytes },
            News::Said(FromWorker::Replied(id, replied)) => Event::Replied(id, replied.reply),
            News::Said(FromWorker::Suspended(id)) => Event::Suspended(id),
            News::Said(FromWorker::Channel(name, message)) => Event::Channel(name, message),
            News::Said(FromWorker::ResetDone) => Event::Reset,
            News::Said(FromWorker::Printing { .. } | FromWorker::Hello(_)) => continue,
            News::Ended(result) => return events.send(Event::Exited(exit(result.err(), &progress))),
            News::Abandoned => return events.send(Event::Exited(exit(None, &progress))),
        };
        events.send(event);
    }
}

fn exit(failure: Option<String>, progress: &Progress) -> Exit {
    let last_begun = match progress.end() {
        EvalId(0) => LastBegun::Nothing,
        id => LastBegun::Was(id),
    };
    let status = if failure.is_some() { None } else { Some(ExitStatus::Code(0)) };
    Exit { start_failure: failure.clone(), violation: failure, status, last_begun, ..Exit::default() }
}

/// What the thread is made with.
struct ThreadParts {
    make: RuntimeFactory,
    inbox: Receiver<ToWorker>,
    news: UnboundedSender<News>,
    interrupts: Arc<Interrupts>,
    progress: Arc<Progress>,
}

impl ThreadParts {
    fn run(self) {
        let news = self.news.clone();
        let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.serve()));
        let result = served.unwrap_or_else(|_panic| Err("its runtime panicked".to_owned()));
        // When nobody hears any more, the thread was abandoned.
        drop(news.send(News::Ended(result)));
    }

    fn serve(self) -> Result<(), String> {
        let outlet: Rc<dyn Outlet> = Rc::new(LocalOutlet { news: self.news.clone(), progress: self.progress.clone() });
        let host = Rc::new(WorkerHost::new(outlet.clone(), self.interrupts.clone()));
        let mut runtime = (self.make)(host.clone())?;
        drop(self.news.send(News::Ready(runtime.capabilities())));
        let link = LocalLink { inbox: self.inbox, progress: self.progress };
        MainLoop::new(link, outlet, host, self.interrupts, &mut *runtime).run();
        Ok(())
    }
}

/// Which evaluation the thread began last, and whether it may begin another: one number, so that what the host reads as it
/// ends the thread is the last word. What it takes for not begun is run again on the next thread.
#[derive(Debug, Default)]
struct Progress(AtomicU64);

impl Progress {
    const ENDED: u64 = 1 << 63;

    /// An evaluation is about to begin. False when it must not.
    fn begins(&self, id: EvalId) -> bool {
        let begun =
            self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| (last & Self::ENDED == 0).then_some(id.0));
        begun.is_ok()
    }

    /// Nothing begins from now on. The last that did; 0 when none did.
    fn end(&self) -> EvalId {
        EvalId(self.0.fetch_or(Self::ENDED, Ordering::AcqRel) & !Self::ENDED)
    }

    fn is_ended(&self) -> bool {
        self.0.load(Ordering::Acquire) & Self::ENDED != 0
    }
}

struct LocalLink {
    inbox: Receiver<ToWorker>,
    progress: Arc<Progress>,
}

impl Link for LocalLink {
    fn receive(&mut self, wait: Wait) -> Received {
        let received = match wait {
            Wait::Forever => self.inbox.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
            Wait::Until(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match received {
            _ if self.progress.is_ended() => Received::Gone,
            Ok(message) => Received::Message(message),
            Err(RecvTimeoutError::Timeout) => Received::Nothing,
            Err(RecvTimeoutError::Disconnected) => Received::Gone,
        }
    }
}

struct LocalOutlet {
    news: UnboundedSender<News>,
    progress: Arc<Progress>,
}

/// When nobody hears any more, the thread was abandoned, and what it says is of no interest.
impl Outlet for LocalOutlet {
    fn say(&self, message: FromWorker) {
        drop(self.news.send(News::Said(message)));
    }

    fn flush(&self) {}

    fn print(&self, id: Option<EvalId>, stream: Stream, bytes: &[u8]) {
        drop(self.news.send(News::Printed(id, stream, Bytes::copy_from_slice(bytes))));
    }

    fn begins(&self, id: EvalId) -> bool {
        self.progress.begins(id)
    }

    fn will_take_time(&self) {}
}
