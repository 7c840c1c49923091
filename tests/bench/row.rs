//! One row of the table: what was measured, beside its floor, and whether that is good enough.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// One row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// What physics allows, or what is compared with.
    pub(crate) floor: Option<Quantity>,
    /// `None` where it cannot be measured here; then [`target`](Self::target) says why.
    pub(crate) ours: Option<Quantity>,
    pub(crate) ratio: Option<f64>,
    pub(crate) target: String,
    /// `None` where nothing is promised.
    pub(crate) met: Option<bool>,
}

/// A number that knows what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantity {
    Seconds(f64),
    PerSecond(f64),
    Bytes(f64),
    /// Of one core.
    Percent(f64),
    Count(f64),
}

impl Row {
    /// A time that is to be at most so many times the floor.
    pub(crate) fn times(name: impl Into<String>, floor: Duration, ours: Duration, most: f64) -> Self {
        let ratio = ours.as_secs_f64() / floor.as_secs_f64();
        Self { met: Some(ratio <= most), target: format!("≤ {most} ×"), ..Self::beside(name, floor, ours) }
    }

    /// A time that is to be at most another one.
    pub(crate) fn within(name: impl Into<String>, most: Duration, ours: Duration, target: &str) -> Self {
        Self { met: Some(ours <= most), target: target.to_owned(), ..Self::beside(name, most, ours) }
    }

    /// A time beside a floor, about which nothing is promised.
    pub(crate) fn beside(name: impl Into<String>, floor: Duration, ours: Duration) -> Self {
        let ratio = ours.as_secs_f64() / floor.as_secs_f64();
        Self { floor: Some(floor.into()), ratio: Some(ratio), ..Self::alone(name, ours.into()) }
    }

    /// So many a second at least. The ratio is that of the rates: less than one is slower than the floor.
    pub(crate) fn at_least(name: impl Into<String>, floor: f64, ours: f64, least: f64) -> Self {
        Self {
            floor: Some(Quantity::PerSecond(floor)),
            ratio: Some(ours / floor),
            target: format!("≥ {}", Quantity::PerSecond(least)),
            met: Some(ours >= least),
            ..Self::alone(name, Quantity::PerSecond(ours))
        }
    }

    /// At most so much, whatever the machine.
    pub(crate) fn at_most(name: impl Into<String>, ours: Quantity, most: Quantity) -> Self {
        let met = Some(ours.number() <= most.number());
        Self { target: format!("≤ {most}"), met, ..Self::alone(name, ours) }
    }

    /// A figure about which nothing is promised.
    pub(crate) fn alone(name: impl Into<String>, ours: Quantity) -> Self {
        Self { name: name.into(), floor: None, ours: Some(ours), ratio: None, target: String::new(), met: None }
    }

    /// What cannot be measured here.
    pub(crate) fn skipped(name: impl Into<String>, why: &str) -> Self {
        let target = format!("SKIPPED: {why}");
        Self { name: name.into(), floor: None, ours: None, ratio: None, target, met: None }
    }

    pub(crate) fn is_skipped(&self) -> bool {
        self.ours.is_none()
    }
}

impl Quantity {
    const fn number(self) -> f64 {
        match self {
            Self::Seconds(number)
            | Self::PerSecond(number)
            | Self::Bytes(number)
            | Self::Percent(number)
            | Self::Count(number) => number,
        }
    }
}

impl From<Duration> for Quantity {
    fn from(duration: Duration) -> Self {
        Self::Seconds(duration.as_secs_f64())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seconds(time) if time.abs() < 1e-3 => write!(f, "{:.1} µs", time * 1e6),
            Self::Seconds(time) if time.abs() < 1.0 => write!(f, "{:.2} ms", time * 1e3),
            Self::Seconds(time) => write!(f, "{time:.2} s"),
            Self::PerSecond(rate) if rate < 1e4 => write!(f, "{rate:.0} /s"),
            Self::PerSecond(rate) => write!(f, "{:.1} k/s", rate / 1e3),
            Self::Bytes(bytes) => write!(f, "{:.2} MiB", bytes / f64::from(1 << 20)),
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent:.2} %"),
        }
    }
}
