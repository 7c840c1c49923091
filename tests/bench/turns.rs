//! Takes turns: the floor and what is measured against it run one after the other, round by round, so that whatever else
//! the machine does meets all of them.

use std::time::{Duration, Instant};

/// One that takes turns. A turn gives one figure.
pub(crate) type Subject<'a> = &'a mut dyn FnMut() -> Duration;

/// The median figure of each subject over `rounds` rounds, after one that does not count.
pub(crate) fn take_turns<const N: usize>(rounds: usize, mut subjects: [Subject<'_>; N]) -> [Duration; N] {
    let mut figures = [const { Vec::new() }; N];
    for _ in 0..=rounds {
        for (subject, figures) in subjects.iter_mut().zip(&mut figures) {
            figures.push(subject());
        }
    }
    figures.map(|figures| median(figures.into_iter().skip(1)))
}

pub(crate) fn median(figures: impl IntoIterator<Item = Duration>) -> Duration {
    let mut figures = Vec::from_iter(figures);
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The median time that `act` takes, of `times`.
pub(crate) fn each(times: usize, mut act: impl FnMut()) -> Duration {
    median((0..times).map(|_| time(&mut act)))
}

/// The same for what must be awaited.
pub(crate) async fn each_awaited(times: usize, mut act: impl AsyncFnMut()) -> Duration {
    let mut figures = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        act().await;
        figures.push(began.elapsed());
    }
    median(figures)
}

pub(crate) fn time(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}
