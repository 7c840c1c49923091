//! Reads what the worker process says on its control channel, and hands it on. Whatever it says that the protocol does
//! not allow ends that process and nothing else.

use std::{collections::VecDeque, rc::Rc};

use oast_actors::{EvalId, Event};
use rustix::{io::Errno, net::RecvFlags};

use super::{
    link::{Link, State},
    output,
};
use crate::{
    pages,
    spin::Spell,
    wire::{FromWorker, Replied, page},
};

/// What one look at the control channel gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulled {
    /// Something, and perhaps there is more.
    Some,
    /// Something, and nothing is left: less came than there was room for.
    Rest,
    /// Nothing now.
    Nothing,
    /// It will never give anything again.
    End,
}

impl Pulled {
    const fn is_something(self) -> bool {
        matches!(self, Self::Some | Self::Rest)
    }
}

/// How many pieces are handed on before others on this thread have their turn.
const BURST: u32 = 8;

/// Memory in which there is less than this has just been taken.
const FRESH: usize = 64 << 10;

/// How many times is looked in a row for an answer that is about to come.
const LOOKS: usize = 4;

/// For so many answers, each is looked for as it comes.
const FEW: usize = 4;

/// How often the channel of a process that is gone is read. What it takes to send fits into far fewer.
const REST: u32 = 64;

/// Counts what comes without a pause. Looking at a socket that has something never makes a task wait, so a process that
/// floods would keep the whole thread to itself.
#[derive(Debug, Default)]
pub(super) struct Burst(u32);

impl Burst {
    /// There was nothing: whoever waits for more lets others run.
    pub(super) const fn pause(&mut self) {
        self.0 = 0;
    }

    /// A piece was handed on. A single answer, with a pause behind it, costs no extra turn.
    pub(super) async fn piece(&mut self) {
        self.0 += 1;
        if self.0 >= BURST {
            self.pause();
            tokio::task::yield_now().await;
        }
    }
}

/// Reads until the process closes the channel. That is no end of the process yet: its guard tells that.
pub(super) async fn read(link: &Rc<Link>) {
    let mut burst = Burst::default();
    loop {
        tokio::select! {
            ready = link.control.readable() => {
                let Ok(mut ready) = ready else { return std::future::pending().await };
                match pull(link) {
                    Pulled::Some => {
                        deliver(link);
                        burst.piece().await;
                    }
                    Pulled::Rest => {
                        burst.pause();
                        ready.clear_ready();
                        deliver(link);
                    }
                    Pulled::Nothing => {
                        burst.pause();
                        ready.clear_ready();
                    }
                    Pulled::End => return link.closed().await,
                }
            }
            () = link.asked.notified() => {}
        }
        spin(link, &mut burst).await;
        if link.state.borrow().violation.is_some() {
            return link.keep_killing().await;
        }
    }
}

/// Looks again and again for the answer that is about to come, and lets everybody else on this thread run in between.
async fn spin(link: &Rc<Link>, burst: &mut Burst) {
    while let Some(mut spell) = link.begin_spell() {
        let pulled = loop {
            spell.make_way();
            let pulled = pull_if_any(link);
            if pulled != Pulled::Nothing || !spell.goes_on() {
                break pulled;
            }
            burst.pause();
            tokio::task::yield_now().await;
        };
        link.end_spell(&mut spell, pulled.is_something());
        if !pulled.is_something() {
            return;
        }
        deliver(link);
        burst.piece().await;
    }
}

/// Looks a few times: letting everybody else run takes as long as several looks.
fn pull_if_any(link: &Link) -> Pulled {
    let mut looks = std::iter::repeat_with(|| pull(link)).take(LOOKS);
    looks.find(|pulled| *pulled != Pulled::Nothing).unwrap_or(Pulled::Nothing)
}

impl Link {
    /// `None` when no answer is awaited, or spinning does not pay: where many are, they come together to whoever waits.
    fn begin_spell(&self) -> Option<Spell> {
        let mut state = self.state.borrow_mut();
        if state.in_flight.is_empty() || state.in_flight.len() > FEW {
            return None;
        }
        state.spinner.begin()
    }

    fn end_spell(&self, spell: &mut Spell, came: bool) {
        let spinner = &mut self.state.borrow_mut().spinner;
        if came { spinner.hit(spell) } else { spinner.miss(spell) }
    }
}

/// Reads once, without waiting, and takes apart what came. Announcements of who prints take effect here; the rest waits
/// to be delivered.
pub(super) fn pull(link: &Link) -> Pulled {
    let mut state = link.state.borrow_mut();
    let state = &mut *state;
    if state.violation.is_some() {
        return Pulled::End;
    }
    let space = state.decoder.space();
    let room = space.capacity() - space.len();
    if space.len() < FRESH {
        pages::prefer_huge(space.spare_capacity_mut());
    }
    let count = match rustix::net::recv(&link.control, rustix::buffer::spare_capacity(space), RecvFlags::DONTWAIT) {
        Ok((count, _)) => count,
        Err(Errno::AGAIN | Errno::INTR) => return Pulled::Nothing,
        Err(_) => 0,
    };
    state.received += count as u64;
    state.take_apart();
    match count {
        // It may end in the midst of a frame: how the process ended tells more than that.
        0 => Pulled::End,
        count if count < room => Pulled::Rest,
        _ => Pulled::Some,
    }
}

impl State {
    /// Takes the messages out of what has come.
    fn take_apart(&mut self) {
        loop {
            match self.decoder.next() {
                Ok(Some(FromWorker::Printing { id, stream, from })) => {
                    if !self.attribution[stream as usize].announce(from, id) {
                        self.violation = Some("it announced far more prints than it made".to_owned());
                    }
                }
                Ok(Some(message)) => self.inbox.push_back(message),
                Ok(None) => return,
                Err(error) => {
                    self.violation = Some(error.to_string());
                    return;
                }
            }
        }
    }
}

/// Hands on what was read. What the answers lead to is written when all of them are handed on.
pub(super) fn deliver(link: &Link) {
    if link.in_batch.replace(true) {
        return;
    }
    let mut batch = VecDeque::new();
    loop {
        // Emptied, it goes back the same way, and with it its memory.
        std::mem::swap(&mut batch, &mut link.state.borrow_mut().inbox);
        if batch.is_empty() {
            break;
        }
        // What was printed before an answer is in the pipes by now. Taking it may bring further messages along, which
        // are a batch of their own.
        if batch.iter().any(|message| matches!(message, FromWorker::Replied(..))) {
            output::drain(link);
        }
        batch.drain(..).for_each(|message| hear(link, message));
    }
    link.in_batch.set(false);
    link.send();
}

fn hear(link: &Link, message: FromWorker) {
    match message {
        FromWorker::Replied(id, replied) => replied_to(link, id, replied),
        FromWorker::Suspended(id) => link.events.send(Event::Suspended(id)),
        FromWorker::Channel(name, message) => link.events.send(Event::Channel(name, message)),
        FromWorker::ResetDone => link.events.send(Event::Reset),
        FromWorker::Hello(hello) => {
            link.state.borrow_mut().hello = Some(hello);
            link.ready_if_known();
        }
        // Taken when it was read.
        FromWorker::Printing { .. } => {}
    }
}

/// An answer to what was not asked, or was answered before, is a lie.
fn replied_to(link: &Link, id: EvalId, replied: Replied) {
    let mut state = link.state.borrow_mut();
    let Some(at) = state.in_flight.iter().position(|asked| *asked == id) else {
        state.violation = Some(format!("it answered evaluation {id}, which it was not asked"));
        return;
    };
    state.in_flight.remove(at);
    drop(state.decoder.reclaim(id));
    let idle = state.in_flight.is_empty();
    let ends = [replied.stdout_end, replied.stderr_end];
    for (attribution, end) in state.attribution.iter_mut().zip(ends) {
        attribution.ended(id, end, idle);
    }
    drop(state);
    link.events.send(Event::Replied(id, replied.reply));
}

/// The process is gone: takes what it said and printed before. Whoever else has its end of the channel says no more.
pub(super) fn take_rest(link: &Link) {
    let _ = rustix::net::shutdown(&link.control, rustix::net::Shutdown::Read);
    for _ in 0..REST {
        if !pull(link).is_something() {
            break;
        }
        deliver(link);
    }
    take_gathered(link);
    deliver(link);
    output::drain(link);
}

/// Takes what the process had gathered, and had no time to write. Nobody vouches for it, as for all that it writes.
fn take_gathered(link: &Link) {
    let mut state = link.state.borrow_mut();
    let numbers = link.word(page::GATHERED_FROM).zip(link.word(page::GATHERED_LENGTH));
    let unsent = numbers.and_then(|(from, length)| page::unsent(from, length, state.received));
    let Some(unsent) = unsent.filter(|_| state.violation.is_none()) else { return };
    let mut bytes = vec![0; unsent.len()];
    let read = rustix::io::pread(&link.page, &mut bytes, (page::GATHERED + unsent.start) as u64);
    if read == Ok(bytes.len()) {
        state.decoder.space().extend_from_slice(&bytes);
        state.take_apart();
    }
}
