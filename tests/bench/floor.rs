//! What physics allows, with blocking calls and nothing around them.

use std::{
    hint::black_box,
    io::{Read, Write},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use crate::{
    child::{BULK, Other},
    placement::Placement,
    process,
    turns::{each, time},
};

/// How large a message of the floor is. Those of an evaluation of `1+1` have about as much.
const MESSAGE: usize = 64;

/// One message there and back, p50 of `times`.
pub(crate) fn round_trip(other: &mut Other, times: usize) -> Duration {
    let mut message = [1; MESSAGE];
    each(times, || {
        other.socket.write_all(&message).expect("the other process takes a message");
        other.socket.read_exact(&mut message).expect("the other process answers");
    })
}

/// How many messages go there and back in a second when each write has `together` of them.
pub(crate) fn batched(other: &mut Other, together: usize, batches: usize) -> f64 {
    let mut messages = vec![1; MESSAGE * together];
    let took = time(|| {
        for _ in 0..batches {
            other.socket.write_all(&messages).expect("the other process takes messages");
            other.socket.read_exact(&mut messages).expect("the other process answers");
        }
    });
    (together * batches) as f64 / took.as_secs_f64()
}

/// Bulk into fresh memory.
pub(crate) fn bulk(other: &mut Other) -> Duration {
    time(|| {
        other.socket.write_all(&[1]).expect("the other process takes a request");
        let mut bytes = Vec::with_capacity(BULK);
        let mut received = (&other.socket).take(BULK as u64);
        received.read_to_end(&mut bytes).expect("the other process pours");
        assert_eq!(bytes.len(), BULK, "all of it came");
        black_box(bytes);
    })
}

/// Bulk into memory that was filled before.
pub(crate) fn bulk_into(other: &mut Other, bytes: &mut [u8]) -> Duration {
    time(|| {
        other.socket.write_all(&[1]).expect("the other process takes a request");
        other.socket.read_exact(bytes).expect("the other process pours");
    })
}

/// From the start of a program that does nothing to its end.
pub(crate) fn start_to_exit() -> Duration {
    time(|| process::run(&mut Command::new("/bin/true")))
}

/// Two threads that wake each other.
pub(crate) struct Partner {
    turn: Arc<AtomicBool>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl Partner {
    pub(crate) fn start(placement: Placement) -> Self {
        let (turn, over) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (their_turn, their_over, caller) = (turn.clone(), over.clone(), thread::current());
        let handle = thread::spawn(move || {
            placement.place_opposite_here();
            while !their_over.load(Ordering::Acquire) {
                if their_turn.swap(false, Ordering::AcqRel) {
                    caller.unpark();
                } else {
                    thread::park();
                }
            }
        });
        Self { turn, thread: handle.thread().clone(), handle: Some(handle), over }
    }

    /// Two wake-ups: there and back; p50 of `times`.
    pub(crate) fn two_wake_ups(&self, times: usize) -> Duration {
        each(times, || {
            self.turn.store(true, Ordering::Release);
            self.thread.unpark();
            while self.turn.load(Ordering::Acquire) {
                thread::park();
            }
        })
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            drop(handle.join());
        }
    }
}
