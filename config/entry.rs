//! What one layer says, key by key, before anything is known about the keys.

use std::ops::Range;

use serde::Deserialize as _;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use crate::{Origin, key_path::KeyPath};

/// One key as a layer wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: KeyPath,
    /// `None` for a section. What is in it has entries of its own.
    pub(crate) value: Option<Value>,
    pub(crate) origin: Origin,
}

/// What is no TOML, and in which line.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// All keys of a TOML text, in its order.
pub(crate) fn entries(text: &str, origin: impl Fn(usize) -> Origin) -> Result<Vec<Entry>, SyntaxError> {
    let in_line = |error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        SyntaxError { line: 1 + breaks(text, 0..offset), message: error.message().to_owned() }
    };
    let document = DeTable::parse(text).map_err(in_line)?;
    let mut found = Vec::new();
    collect(document.into_inner(), &KeyPath::default(), &mut found).map_err(in_line)?;
    found.sort_by_key(|(offset, ..)| *offset);
    let (mut lines, mut counted) = (1, 0);
    let entry = |(offset, path, value): Found| {
        lines += breaks(text, counted..offset);
        counted = offset;
        Entry { path, value, origin: origin(lines) }
    };
    Ok(found.into_iter().map(entry).collect())
}

type Found = (usize, KeyPath, Option<Value>);

fn collect(table: DeTable<'_>, section: &KeyPath, found: &mut Vec<Found>) -> Result<(), toml::de::Error> {
    for (key, value) in table {
        let path = section.child(key.get_ref());
        let offset = key.span().start;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(inner) => {
                found.push((offset, path.clone(), None));
                collect(inner, &path, found)?;
            }
            value => {
                let value = Value::deserialize(ValueDeserializer::from(Spanned::new(span, value)))?;
                found.push((offset, path, Some(value)));
            }
        }
    }
    Ok(())
}

fn breaks(text: &str, part: Range<usize>) -> usize {
    let bytes = text.as_bytes().get(part).unwrap_or_default();
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
