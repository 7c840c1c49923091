//! The JSON schema of a configuration file, for editors: the same types and comments that the loader reads by.

use std::{borrow::Cow, time::Duration};

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema, transform::transform_subschemas,
};

use crate::{
    ByteSize, Config, Portion,
    portion::ShareOfMemory,
    quantity::{Limit, Plain, Quantity, UNLIMITED},
};

/// The JSON schema of a configuration file. No key is required in it, for every one has a default.
pub fn schema() -> String {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Config>();
    nothing_required(&mut schema);
    if let Some(profile) = schema.pointer_mut("/definitions/Profile/properties").and_then(|keys| keys.as_object_mut()) {
        profile.insert("base".to_owned(), base().to_value());
    }
    format!("{:#}\n", schema.as_value())
}

fn nothing_required(schema: &mut Schema) {
    schema.remove("required");
    transform_subschemas(&mut nothing_required, schema);
}

/// The loader uses this key up, so no type describes it.
fn base() -> Schema {
    json_schema!({
        "description": "The profile that this one begins as a copy of. Only for profiles of your own.",
        "default": "notebook",
        "type": "string",
    })
}

/// How a file may write a quantity.
trait Written: Quantity {
    /// The pattern of its texts; none where it is a bare number.
    const PATTERN: Option<&'static str>;
    /// Whether a bare number will do.
    const NUMBER: bool;

    fn schemas() -> Vec<Schema> {
        let text = Self::PATTERN.map(|pattern| json_schema!({ "type": "string", "pattern": pattern }));
        let number = Self::NUMBER.then(|| json_schema!({ "type": "integer", "minimum": 0 }));
        text.into_iter().chain(number).collect()
    }
}

impl Written for ByteSize {
    const PATTERN: Option<&'static str> = Some(r"^[0-9]+(\.[0-9]+)? ?([kKmMgGtT][iI]?)?[bB]?$");
    const NUMBER: bool = true;
}

impl Written for Portion {
    const PATTERN: Option<&'static str> = Some(r"^[0-9]+(\.[0-9]+)? ?(%|([kKmMgGtT][iI]?)?[bB]?)$");
    const NUMBER: bool = true;
}

impl Written for Duration {
    const PATTERN: Option<&'static str> = Some(r"^([0-9]+(\.[0-9]+)? ?(ns|us|ms|s|m|h|d) ?)+$");
    const NUMBER: bool = false;
}

impl Written for u32 {
    const PATTERN: Option<&'static str> = None;
    const NUMBER: bool = true;
}

impl Written for u64 {
    const PATTERN: Option<&'static str> = None;
    const NUMBER: bool = true;
}

impl Written for usize {
    const PATTERN: Option<&'static str> = None;
    const NUMBER: bool = true;
}

fn any_of(mut schemas: Vec<Schema>) -> Schema {
    match schemas.pop() {
        Some(only) if schemas.is_empty() => only,
        last => json_schema!({ "anyOf": schemas.into_iter().chain(last).collect::<Vec<_>>() }),
    }
}

fn limit_of<T: Written>() -> Schema {
    let unlimited = json_schema!({ "const": UNLIMITED });
    any_of(std::iter::once(unlimited).chain(T::schemas()).collect())
}

impl<T: Written> JsonSchema for Plain<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        any_of(T::schemas())
    }
}

impl<T: Written> JsonSchema for Limit<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        limit_of::<T>()
    }
}

impl JsonSchema for ShareOfMemory {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ShareOfMemory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        limit_of::<Portion>()
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        any_of(Self::schemas())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::{built_in, keys::BASE};

    /// The names of all properties in a schema.
    fn properties(schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(keys) = schema.get("properties").and_then(Value::as_object) {
            found.extend(keys.keys().cloned());
        }
        match schema {
            Value::Object(inner) => inner.values().for_each(|inner| properties(inner, found)),
            Value::Array(inner) => inner.iter().for_each(|inner| properties(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_schema_names_every_key_and_no_other() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        let mut named = BTreeSet::new();
        properties(&schema, &mut named);
        let of_profiles = |name: &String| built_in::PROFILES.iter().any(|(profile, _)| profile == name);
        let keys = built_in::layer().into_iter().map(|entry| entry.path.last().to_owned());
        let known: BTreeSet<_> =
            keys.filter(|key| !of_profiles(key)).chain([BASE.to_owned(), "profiles".to_owned()]).collect();
        assert_eq!(named, known);
    }

    #[test]
    fn no_key_is_required_and_every_key_is_described() {
        let text = schema();
        assert!(!text.contains("\"required\""), "{text}");
        let schema: Value = serde_json::from_str(&text).unwrap();
        let limits = schema.pointer("/definitions/Limits/properties").unwrap().as_object().unwrap();
        for (key, place) in limits {
            assert!(place.get("description").is_some(), "{key}: {place}");
        }
        assert_eq!(limits["wall_time"]["anyOf"][0]["const"], UNLIMITED);
    }
}
