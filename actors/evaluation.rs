//! One evaluation as its caller sees it: a future that already runs, the output as it comes, and a way to end it.
//! The supervisor holds the other end, a [`Completer`], which answers exactly once: if it is dropped without an
//! answer, it answers by itself that the supervisor is gone.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use crate::{EvalError, EvalId, ExitReport, NotStarted, Outcome, Printed, Stream, Worker};

/// Up to this size, pieces of output are put together.
const SMALL: usize = 4 << 10;

/// How an evaluation ends.
pub type EvalResult = Result<Outcome, EvalError>;

/// An evaluation that was submitted. It runs whether or not this is awaited; dropping it does not end it.
#[derive(Debug)]
#[must_use = "await it for its outcome, or use `tell` where none is wanted"]
pub struct Evaluation {
    id: EvalId,
    worker: Worker,
    slot: Arc<Slot>,
}

/// What caller and supervisor share of one evaluation.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Shared>);

#[derive(Debug, Default)]
pub(crate) struct Shared {
    result: Option<EvalResult>,
    output: VecDeque<Printed>,
    ended: bool,
    /// Whether its caller does not want to know how it ends.
    abandoned: bool,
    waker: Option<Waker>,
}

impl Slot {
    /// A panic cannot happen while this is held, but a poisoned lock would still hold sound data.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Evaluation {
    pub(crate) fn new(id: EvalId, worker: Worker) -> (Self, Reply) {
        let slot = Arc::new(Slot::default());
        (Self { id, worker, slot: slot.clone() }, Reply::Slot(slot))
    }

    /// Names it within its worker.
    pub const fn id(&self) -> EvalId {
        self.id
    }

    /// Asks for its end. One that waits is cancelled; one that runs is interrupted, and if it does not heed that within
    /// the profile's grace, its worker process is ended. Does nothing when it ended already.
    pub fn interrupt(&self) {
        self.worker.interrupt_one(self.id);
    }

    /// The next piece that it prints; `None` when it has ended. What is taken here is not in its
    /// [`Outcome::output`] any more.
    pub async fn printed(&mut self) -> Option<Printed> {
        poll_fn(|context| {
            let mut shared = self.slot.lock();
            match shared.output.pop_front() {
                Some(printed) => Poll::Ready(Some(printed)),
                None if shared.ended => Poll::Ready(None),
                None => {
                    shared.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.slot.lock().ended
    }
}

impl Future for Evaluation {
    type Output = EvalResult;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EvalResult> {
        let mut shared = self.slot.lock();
        if let Some(result) = &shared.result {
            self.worker.read(result);
        }
        match shared.result.take() {
            Some(Ok(mut outcome)) => {
                outcome.output = std::mem::take(&mut shared.output).into();
                Poll::Ready(Ok(outcome))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None if shared.ended => panic!("an evaluation was polled after it had given its outcome"),
            None => {
                shared.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Evaluation {
    fn drop(&mut self) {
        let mut shared = self.slot.lock();
        shared.abandoned = true;
        if let Some(result) = &shared.result {
            self.worker.unread(result);
        }
    }
}

/// A caller that reads that its worker's state is lost builds on none from now on; unless it has, since.
pub(crate) fn read(seen: &AtomicU64, result: &EvalResult) {
    let lost = match result {
        Err(EvalError::Lost(report) | EvalError::Quarantined { report, .. }) => report.epoch,
        Err(EvalError::NotStarted(NotStarted::Restarted { epoch, .. })) => epoch.saturating_sub(1),
        Ok(_) | Err(EvalError::NotStarted(_) | EvalError::Interrupted(_)) => return,
    };
    // Nothing is done where the caller has seen a later process.
    let _ = seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| (seen <= lost).then_some(0));
}

/// A caller that does not look is refused once, and no more: it would be refused for ever.
pub(crate) fn unread(seen: &AtomicU64, result: &EvalResult) {
    if let Err(EvalError::NotStarted(_)) = result {
        read(seen, result);
    }
}

/// Where an evaluation's answer goes.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To an [`Evaluation`].
    Slot(Arc<Slot>),
    /// To another actor that sent [`Evaluate`](crate::Evaluate).
    Actor(Option<oneshot::Sender<EvalResult>>, Vec<Printed>),
    /// Nowhere.
    Nobody,
}

/// Answers one evaluation, exactly once.
#[derive(Debug)]
pub(crate) struct Completer {
    reply: Reply,
    /// The count of evaluations that did not end yet, until this one is taken off it.
    load: Option<Arc<AtomicUsize>>,
    /// The epoch whose state the caller builds on; 0 when it builds on none, or was told that the state is lost.
    pub(crate) seen: Arc<AtomicU64>,
    /// What it may still print.
    output_left: u64,
    pub(crate) output_dropped: u64,
    /// How the process ended that may have run it before it was tried again.
    pub(crate) lost: Option<Arc<ExitReport>>,
}

impl Completer {
    pub(crate) fn new(reply: Reply, load: Arc<AtomicUsize>, seen: Arc<AtomicU64>, output: u64) -> Self {
        Self { reply, load: Some(load), seen, output_left: output, output_dropped: 0, lost: None }
    }

    /// Hands on what was printed, as much of it as is allowed.
    pub(crate) fn print(&mut self, stream: Stream, mut bytes: Bytes) {
        let fits = usize::try_from(self.output_left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.output_dropped += (bytes.len() - fits) as u64;
        self.output_left -= fits as u64;
        bytes.truncate(fits);
        if bytes.is_empty() {
            return;
        }
        match &mut self.reply {
            Reply::Slot(slot) => {
                let mut shared = slot.lock();
                let last = shared.output.back_mut();
                if let Some(printed) = beside(last, stream, bytes) {
                    shared.output.push_back(printed);
                }
                wake(shared);
            }
            Reply::Actor(_, output) => {
                let next = beside(output.last_mut(), stream, bytes);
                output.extend(next);
            }
            Reply::Nobody => {}
        }
    }

    pub(crate) fn complete(mut self, result: EvalResult) {
        self.answer(result);
    }

    fn answer(&mut self, result: EvalResult) {
        // Before the answer: its caller may submit the next one at once, and there is room for it.
        if let Some(load) = self.load.take() {
            load.fetch_sub(1, Ordering::Release);
        }
        let result = match (result, self.lost.take()) {
            // This try did not start, but one before it did.
            (Err(EvalError::NotStarted(_)), Some(report)) => Err(EvalError::Lost(report)),
            (result, _) => result,
        };
        match std::mem::replace(&mut self.reply, Reply::Nobody) {
            Reply::Slot(slot) => {
                let mut shared = slot.lock();
                if shared.abandoned {
                    unread(&self.seen, &result);
                }
                shared.result = Some(result);
                shared.ended = true;
                wake(shared);
            }
            // An actor that does not wait any more wants no answer.
            Reply::Actor(Some(sender), output) => {
                read(&self.seen, &result);
                drop(sender.send(result.map(|outcome| Outcome { output, ..outcome })));
            }
            Reply::Actor(None, _) | Reply::Nobody => unread(&self.seen, &result),
        }
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        self.answer(Err(NotStarted::SupervisorGone.into()));
    }
}

/// Small pieces are put together: a program that prints byte by byte would take a hundred times what it prints.
fn beside(last: Option<&mut Printed>, stream: Stream, bytes: Bytes) -> Option<Printed> {
    match last {
        Some(last) if last.stream == stream && last.bytes.len() + bytes.len() <= SMALL => {
            let mut both = match std::mem::take(&mut last.bytes).try_into_mut() {
                Ok(both) => both,
                Err(shared) => BytesMut::from(&shared[..]),
            };
            // Room for the next ones, so that each byte is copied a few times at most.
            if both.capacity() < both.len() + bytes.len() {
                both.reserve(SMALL - both.len());
            }
            both.extend_from_slice(&bytes);
            last.bytes = both.freeze();
            None
        }
        Some(_) | None => Some(Printed { stream, bytes }),
    }
}

/// Wakes outside the lock, since the woken may want it at once.
fn wake(mut shared: MutexGuard<'_, Shared>) {
    let waker = shared.waker.take();
    drop(shared);
    if let Some(waker) = waker {
        waker.wake();
    }
}
