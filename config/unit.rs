//! Numbers with a unit, as people write them: the grammar that sizes and times share.
//!
//! A number may have decimals (`1.5GiB`), a space may stand before the unit, and the unit's case does not matter.

use thiserror::Error;

/// Why a size, a time or a share could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnitError {
    /// There is no number where one must be.
    #[error("`{text}` does not begin with a number")]
    NoNumber {
        /// What stands there instead.
        text: String,
    },
    /// A number without the unit that it needs.
    #[error("`{text}` has no unit, one of {allowed}")]
    NoUnit {
        /// The bare number.
        text: String,
        /// The units there are.
        allowed: &'static str,
    },
    /// A unit that there is not.
    #[error("unknown unit `{unit}`, one of {allowed}")]
    UnknownUnit {
        /// The unit as written.
        unit: String,
        /// The units there are.
        allowed: &'static str,
    },
    /// A number beyond what can be held.
    #[error("`{text}` is out of range")]
    OutOfRange {
        /// The number as written.
        text: String,
    },
}

/// A decimal number, kept exact: `digits / scale`.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    digits: u128,
    scale: u128,
}

impl Decimal {
    /// `self` of a unit, in whole parts of it, rounded down.
    pub(crate) fn times(self, unit: u128) -> Option<u128> {
        Some(self.digits.checked_mul(unit)? / self.scale)
    }
}

/// One number and its unit from the front of `text`, and what is left. The unit is empty where there is none.
pub(crate) fn take(text: &str) -> Result<(Decimal, &str, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    Ok((decimal(number, text)?, unit, rest.trim_start()))
}

fn decimal(number: &str, text: &str) -> Result<Decimal, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(UnitError::NoNumber { text: text.to_owned() });
    }
    let out_of_range = || UnitError::OutOfRange { text: number.to_owned() };
    // Twenty digits hold every `u64`; more than that could not be multiplied by a unit without overflow.
    if whole.trim_start_matches('0').len() > 20 || fraction.len() > 9 {
        return Err(out_of_range());
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let read = |digits: &str| digits.parse::<u128>().ok();
    let digits = read(whole).zip(read(fraction)).and_then(|(whole, part)| whole.checked_mul(scale)?.checked_add(part));
    Ok(Decimal { digits: digits.ok_or_else(out_of_range)?, scale })
}
