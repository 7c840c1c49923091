//! The text of a [`Value`] for people, of bounded length.

use std::fmt::{self, Display, Formatter, Write};

use crate::{Array, Value};

/// How deep lists and maps are shown.
const DEPTH: u32 = 8;

/// How many elements of each are shown.
const ELEMENTS: usize = 100;

/// How many bytes of bytes are shown.
const BYTES: usize = 32;

/// How many characters are shown in all.
const CHARACTERS: usize = 10_000;

/// Shows a value as a literal of a JSON-like notation: `null`, `1.5`, `12n`, `"text"`, `[1, 2]`, `{"key": 1}`. What is left
/// out is shown as `…`.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut bounded = Bounded { f, left: CHARACTERS };
        match write_value(&mut bounded, self, DEPTH) {
            // The bound ends the writing with an error that the formatter did not give.
            Err(fmt::Error) if bounded.left == 0 => bounded.f.write_str("…"),
            written => written,
        }
    }
}

/// Passes characters on until there were enough.
struct Bounded<'a, 'b> {
    f: &'a mut Formatter<'b>,
    left: usize,
}

impl Write for Bounded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match text.char_indices().nth(self.left) {
            None => {
                self.left -= text.chars().count();
                self.f.write_str(text)
            }
            Some((end, _)) => {
                self.left = 0;
                self.f.write_str(&text[..end])?;
                Err(fmt::Error)
            }
        }
    }
}

fn write_value(out: &mut Bounded<'_, '_>, value: &Value, depth: u32) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::BigInt(digits) => write!(out, "{}n", digits.as_str()),
        Value::Float(number) => write_float(out, *number),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::List(_) if depth == 0 => out.write_str("[…]"),
        Value::Map(_) if depth == 0 => out.write_str("{…}"),
        Value::List(values) => enclosed(out, ["[", "]"], values, |out, value| write_value(out, value, depth - 1)),
        Value::Map(pairs) => enclosed(out, ["{", "}"], pairs, |out, (key, value)| {
            write_value(out, key, depth - 1)?;
            out.write_str(": ")?;
            write_value(out, value, depth - 1)
        }),
        Value::Array(array) => write_array(out, array),
        Value::Date(moment) => write_date(out, *moment),
        Value::Handle(handle) => out.write_str(&handle.text),
    }
}

fn enclosed<T>(
    out: &mut Bounded<'_, '_>,
    [open, close]: [&str; 2],
    elements: &[T],
    mut write: impl FnMut(&mut Bounded<'_, '_>, &T) -> fmt::Result,
) -> fmt::Result {
    out.write_str(open)?;
    for (index, element) in elements.iter().take(ELEMENTS).enumerate() {
        if index > 0 {
            out.write_str(", ")?;
        }
        write(out, element)?;
    }
    write_rest(out, elements.len())?;
    out.write_str(close)
}

/// Says how many elements are not shown.
fn write_rest(out: &mut Bounded<'_, '_>, count: usize) -> fmt::Result {
    match count.checked_sub(ELEMENTS) {
        None | Some(0) => Ok(()),
        Some(more) => write!(out, ", … {more} more"),
    }
}

fn write_float(out: &mut Bounded<'_, '_>, number: f64) -> fmt::Result {
    let size = number.abs();
    if number.is_nan() {
        out.write_str("NaN")
    } else if number.is_infinite() {
        out.write_str(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else if size == 0.0 || (1e-6..1e21).contains(&size) {
        write!(out, "{number}")
    } else {
        write!(out, "{number:e}")
    }
}

fn write_text(out: &mut Bounded<'_, '_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(out, "\\{character}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control))?,
            plain => out.write_char(plain)?,
        }
    }
    out.write_char('"')
}

fn write_bytes(out: &mut Bounded<'_, '_>, bytes: &[u8]) -> fmt::Result {
    write!(out, "bytes({})", bytes.len())?;
    for (index, byte) in bytes.iter().take(BYTES).enumerate() {
        write!(out, "{}{byte:02x}", if index == 0 { " " } else { "" })?;
    }
    out.write_str(if bytes.len() > BYTES { "…" } else { "" })
}

fn write_array(out: &mut Bounded<'_, '_>, array: &Array) -> fmt::Result {
    write!(out, "{:?}[", array.element())?;
    let mut data = array.data().clone();
    for index in 0..array.len().min(ELEMENTS) {
        if index > 0 {
            out.write_str(", ")?;
        }
        write_value(out, &array.element().next(&mut data), 0)?;
    }
    write_rest(out, array.len())?;
    out.write_str("]")
}

/// Writes a moment as ISO 8601 has it, as JavaScript does.
fn write_date(out: &mut Bounded<'_, '_>, moment: f64) -> fmt::Result {
    /// As far as JavaScript's dates go, 100 million days to either side.
    const FURTHEST: f64 = 8.64e15;
    if moment.is_nan() || moment.abs() > FURTHEST {
        return out.write_str("Invalid Date");
    }
    let moment = moment as i64;
    let (day, time) = (moment.div_euclid(86_400_000), moment.rem_euclid(86_400_000));
    let (year, month, day) = civil(day);
    match year {
        0..=9999 => write!(out, "{year:04}")?,
        _ => write!(out, "{year:+07}")?,
    }
    let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    write!(out, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time % 1000)
}

/// Year, month and day of a day counted from 1970-01-01: Howard Hinnant's `civil_from_days`, whose years begin in March.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + late, month, day)
}
