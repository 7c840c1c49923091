//! A short wait by looking again and again, before a thread blocks. A blocked thread wakes tens of microseconds after its
//! message came, a spinning one within one. It gives up for a while when that does not pay, or when somebody else wants
//! the core.
//!
//! How long is worth it: whoever spins for as long as a wake-up costs, and blocks then, never spends more than twice of
//! what the best choice would have cost (Karlin, Manasse, McGeoch, Owicki: *Competitive randomized algorithms for
//! nonuniform problems*, 1990). Where there is one core only, the other side cannot answer meanwhile, so the thread gives
//! way instead: it lets the other side run, and looks afterwards.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use oast_config::Latency;
use rustix::io::Errno;

/// How long a host spins for an answer by default: what a wake-up costs, where it costs much.
const A_WAKE_UP: Duration = Duration::from_micros(60);
/// How long one wait spins where little else counts.
const LONGEST: Duration = Duration::from_micros(200);
/// How often a thread gives way before it blocks: once is not enough where a third one wants the core too.
const GIVES_WAY: u32 = 2;
/// A thread that was away for this long between two looks may share its core.
const AWAY: Duration = Duration::from_micros(500);
/// In how many waits in a row a thread is away before that is no accident: an interrupt, or another machine's turn.
const AWAYS: u32 = 3;
/// How many waits are not spun after one in which the core was taken away.
const PAUSE_CONTENDED: u32 = 1000;
/// How many waits are not spun after several that came to nothing.
const PAUSE_IDLE: u32 = 16;
/// How many waits may come to nothing in a row.
const MISSES: u32 = 4;

/// Decides when to spin.
#[derive(Debug)]
pub(crate) struct Spinner {
    how: How,
    pause: u32,
    misses: u32,
    aways: u32,
}

/// How the time until an answer is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// By looking, this long at most: the other side runs on another core.
    Spin(Duration),
    /// By letting the other side have the core.
    GiveWay,
}

impl Spinner {
    /// For a host that has asked and waits for the answer.
    pub(crate) fn for_answers(latency: Latency) -> Self {
        let longest = match latency {
            Latency::Normal => A_WAKE_UP,
            Latency::Low => LONGEST,
        };
        Self::new(if has_cores() { How::Spin(longest) } else { How::GiveWay })
    }

    /// For a worker process that waits for what it is asked next, which may never come: `None` where it is to block at
    /// once.
    pub(crate) fn for_requests(latency: Latency) -> Option<Self> {
        let spins = latency == Latency::Low && has_cores();
        spins.then(|| Self::new(How::Spin(LONGEST)))
    }

    const fn new(how: How) -> Self {
        Self { how, pause: 0, misses: 0, aways: 0 }
    }

    /// Tries until something else than "try again" comes, or it does not pay any more.
    pub(crate) fn spin<T>(&mut self, mut attempt: impl FnMut() -> Result<T, Errno>) -> Option<Result<T, Errno>> {
        let mut spell = self.begin()?;
        loop {
            match attempt() {
                Err(Errno::AGAIN) => {}
                done => {
                    self.hit(&mut spell);
                    return Some(done);
                }
            }
            if !spell.goes_on() {
                self.miss(&spell);
                return None;
            }
            std::hint::spin_loop();
        }
    }

    /// Begins to spin, unless there is a pause.
    pub(crate) fn begin(&mut self) -> Option<Spell> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        Some(Spell::begin(self.how))
    }

    /// Begins one that may take so long, whatever came of others before.
    pub(crate) fn begin_once(&self, longest: Duration) -> Spell {
        Spell::begin(match self.how {
            How::Spin(_) => How::Spin(longest),
            How::GiveWay => How::GiveWay,
        })
    }

    /// What was waited for has come.
    pub(crate) fn hit(&mut self, spell: &mut Spell) {
        spell.look_at_the_clock();
        self.misses = 0;
        self.note_away(spell);
    }

    /// It has not.
    pub(crate) fn miss(&mut self, spell: &Spell) {
        self.misses += 1;
        if self.misses >= MISSES {
            self.pause = PAUSE_IDLE;
        }
        self.note_away(spell);
    }

    fn note_away(&mut self, spell: &Spell) {
        self.aways = if spell.was_away { self.aways + 1 } else { 0 };
        if self.aways >= AWAYS {
            (self.pause, self.aways) = (PAUSE_CONTENDED, 0);
        }
    }
}

/// One wait that spins.
#[derive(Debug)]
pub(crate) struct Spell {
    how: How,
    looks: u32,
    since: Instant,
    last: Instant,
    /// Whether something else had the core for long between two looks.
    was_away: bool,
}

impl Spell {
    fn begin(how: How) -> Self {
        let now = Instant::now();
        Self { how, looks: 0, since: now, last: now, was_away: false }
    }

    /// To be called before each look: where there is one core, the other side runs now.
    pub(crate) fn make_way(&self) {
        if self.how == How::GiveWay {
            rustix::thread::sched_yield();
        }
    }

    /// To be called after a look that gave nothing: whether to look again.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.look_at_the_clock();
        self.looks += 1;
        match self.how {
            How::Spin(longest) => self.last.duration_since(self.since) < longest,
            How::GiveWay => self.looks < GIVES_WAY,
        }
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        self.was_away |= now.duration_since(self.last) >= AWAY;
        self.last = now;
    }
}

/// Whether another core may be at it meanwhile.
fn has_cores() -> bool {
    // What a group of this process allows is read from files, and does not change.
    static ALLOWED: OnceLock<usize> = OnceLock::new();
    let allowed = *ALLOWED.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    let here = rustix::thread::sched_getaffinity(None).map_or(1, |cores| cores.count() as usize);
    allowed.min(here) > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Result<(), Errno> = Err(Errno::AGAIN);

    fn spinner() -> Spinner {
        Spinner::new(How::Spin(Duration::from_micros(1)))
    }

    #[test]
    fn what_comes_is_taken_and_what_fails_is_said() {
        assert_eq!(spinner().spin(|| Ok(7)), Some(Ok(7)));
        assert_eq!(spinner().spin(|| Err::<(), _>(Errno::PIPE)), Some(Err(Errno::PIPE)));
    }

    #[test]
    fn waits_that_come_to_nothing_are_not_spun_for_a_while() {
        let mut spinner = spinner();
        let mut looks = 0;
        let mut look = || {
            looks += 1;
            NOTHING
        };
        for _ in 0..MISSES {
            assert_eq!(spinner.spin(&mut look), None);
        }
        for _ in 0..PAUSE_IDLE {
            assert_eq!(spinner.spin(|| -> Result<(), Errno> { panic!("it looked") }), None);
        }
        assert!(looks >= MISSES);
        assert_eq!(spinner.spin(|| Ok(())), Some(Ok(())));
    }

    #[test]
    fn whoever_shares_its_core_blocks_at_once_for_long() {
        let mut spinner = spinner();
        for _ in 0..AWAYS {
            let mut spell = spinner.begin().expect("there is no pause yet");
            spell.last = spell.since - AWAY;
            spinner.hit(&mut spell);
        }
        assert_eq!(spinner.pause, PAUSE_CONTENDED);
    }

    #[test]
    fn one_core_is_given_away_a_few_times() {
        let mut spell = Spell::begin(How::GiveWay);
        let looks = std::iter::from_fn(|| {
            spell.make_way();
            spell.goes_on().then_some(())
        });
        assert_eq!(looks.count() as u32, GIVES_WAY - 1);
    }
}
