//! Writes values as a shell shows them, in the manner of node: `{ a: [ 1, 2 ] }`. Runs no getter, no proxy trap and no
//! method of the user's; bounded in depth, in entries and in length; cycles are named.

use rquickjs::{Coerced, Ctx, Filter, Function, Object, Symbol, Type, Value, function::This, promise::PromiseState};

use super::{
    bytes, errors,
    layout::{ENTRIES, brackets, more, name, quote},
};

/// How deep nested objects are written out.
const DEPTH: usize = 3;
/// How long a text may become before everything further is left out.
const LENGTH: usize = 64 * 1024;
/// Writes a value.
pub(super) fn text<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    let mut inspector = Inspector { ctx, above: Vec::new(), left: LENGTH };
    inspector.value(value)
}

/// The value of an object's own data property.
pub(super) fn own_value<'js>(object: &Object<'js>, key: &str) -> Option<Value<'js>> {
    descriptor(object, key.into_value(object.ctx())?)?.get("value").ok()
}

/// The name of the class that made an object.
pub(super) fn constructor_name(object: &Object<'_>) -> String {
    class_name(object).unwrap_or_else(|| "Object".to_owned())
}

/// The name of the nearest constructor, unless the object has no prototype.
pub(super) fn class_name(object: &Object<'_>) -> Option<String> {
    let mut at = object.get_prototype();
    // Prototypes cannot be cyclic, but they can be many.
    for _ in 0..16 {
        let prototype = at?;
        if prototype.is_proxy() {
            return None;
        }
        let constructor = own_value(&prototype, "constructor").and_then(Value::into_object);
        let name = constructor.filter(|it| !it.is_proxy()).and_then(|it| own_value(&it, "name"));
        if let Some(name) = name.and_then(|name| name.as_string()?.to_string().ok()).filter(|name| !name.is_empty()) {
            return Some(name);
        }
        at = prototype.get_prototype();
    }
    None
}

trait IntoValue<'js> {
    fn into_value(self, ctx: &Ctx<'js>) -> Option<Value<'js>>;
}

impl<'js> IntoValue<'js> for &str {
    fn into_value(self, ctx: &Ctx<'js>) -> Option<Value<'js>> {
        rquickjs::String::from_str(ctx.clone(), self).ok().map(rquickjs::String::into_value)
    }
}

fn descriptor<'js>(object: &Object<'js>, key: Value<'js>) -> Option<Object<'js>> {
    let globals = object.ctx().globals();
    let describe: Function<'js> = globals.get::<_, Object<'js>>("Object").ok()?.get("getOwnPropertyDescriptor").ok()?;
    describe.call((object.clone(), key)).ok()
}

/// A method of a built-in class, as its prototype has it.
fn method<'js>(ctx: &Ctx<'js>, class: &str, name: &str) -> Option<Function<'js>> {
    let class: Object<'js> = ctx.globals().get(class).ok()?;
    class.get::<_, Object<'js>>("prototype").ok()?.get(name).ok()
}

fn call_text<'js>(ctx: &Ctx<'js>, class: &str, name: &str, this: &Object<'js>) -> Option<String> {
    method(ctx, class, name)?.call((This(this.clone()),)).ok()
}

/// Whether an object is of a built-in class.
pub(super) fn is_a(object: &Object<'_>, class: &str) -> bool {
    let class = object.ctx().globals().get::<_, Object<'_>>(class);
    class.is_ok_and(|class| class.is_constructor() && object.is_instance_of(&class))
}

struct Inspector<'a, 'js> {
    ctx: &'a Ctx<'js>,
    above: Vec<Value<'js>>,
    left: usize,
}

impl<'js> Inspector<'_, 'js> {
    fn value(&mut self, value: &Value<'js>) -> String {
        if self.left == 0 {
            return "…".to_owned();
        }
        let text = match value.as_object() {
            Some(object) if !matches!(value.type_of(), Type::Symbol) => self.object(object),
            _ => self.scalar(value),
        };
        self.left = self.left.saturating_sub(text.len());
        text
    }

    fn scalar(&self, value: &Value<'js>) -> String {
        match value.type_of() {
            Type::Undefined | Type::Uninitialized => "undefined".to_owned(),
            Type::Null => "null".to_owned(),
            Type::String => quote(&lossy(value)),
            Type::Symbol => symbol(value),
            Type::BigInt => format!("{}n", coerced(value)),
            Type::Float if value.as_float() == Some(0.0) && value.as_float().is_some_and(f64::is_sign_negative) => {
                "-0".to_owned()
            }
            _ => coerced(value),
        }
    }

    fn object(&mut self, object: &Object<'js>) -> String {
        let value = object.as_value();
        if value.is_proxy() {
            return "[Proxy]".to_owned();
        }
        if self.above.contains(value) {
            return "[Circular]".to_owned();
        }
        if self.above.len() >= DEPTH {
            return match value.is_array() {
                true => "[Array]".to_owned(),
                false => format!("[{}]", class_name(object).unwrap_or_else(|| "Object: null prototype".to_owned())),
            };
        }
        self.above.push(value.clone());
        let text = self.open(object);
        self.above.pop();
        // What was thrown while looking says nothing about the code.
        drop(self.ctx.catch());
        text
    }

    fn open(&mut self, object: &Object<'js>) -> String {
        let name = class_name(object);
        let class = name.as_deref().unwrap_or("[Object: null prototype]");
        match object.type_of() {
            Type::Array => return self.array(object, class),
            Type::Function | Type::Constructor => return self.with_entries(object, function(self.ctx, object)),
            Type::Exception => return self.with_entries(object, errors::describe(object).trim_end().to_owned()),
            Type::Promise => return self.promise(object),
            _ => {}
        }
        if let Some((_, length)) = bytes::element(object) {
            return self.typed_array(object, class, length);
        }
        match name.as_deref() {
            None | Some("Object") => {
                let prefix = if name.is_none() { "[Object: null prototype]" } else { "" };
                let entries = self.entries(object);
                brackets(prefix, '{', entries, '}')
            }
            _ => self.built_in(object, class),
        }
    }

    fn built_in(&mut self, object: &Object<'js>, class: &str) -> String {
        let known = |class: &str| is_a(object, class);
        if known("Date") {
            return call_text(self.ctx, "Date", "toISOString", object).unwrap_or_else(|| "Invalid Date".to_owned());
        }
        if known("RegExp") {
            let text = call_text(self.ctx, "RegExp", "toString", object);
            return text.unwrap_or_else(|| "[RegExp]".to_owned());
        }
        if known("DOMException") {
            return errors::describe(object).trim_end().to_owned();
        }
        if known("Map") || known("Set") {
            return self.collection(object, class);
        }
        if known("ArrayBuffer") || known("SharedArrayBuffer") {
            let length = object.get::<_, f64>("byteLength").unwrap_or_default();
            return format!("{class} {{ byteLength: {length} }}");
        }
        for boxed in ["Number", "String", "Boolean", "BigInt", "Symbol"] {
            if known(boxed) {
                let inner = method(self.ctx, boxed, "valueOf").and_then(|of| of.call((This(object.clone()),)).ok());
                let inner: Option<Value<'js>> = inner;
                let text = inner.map_or_else(String::new, |inner| self.value(&inner));
                return format!("[{boxed}: {text}]");
            }
        }
        let entries = self.entries(object);
        brackets(class, '{', entries, '}')
    }

    fn with_entries(&mut self, object: &Object<'js>, head: String) -> String {
        let entries = self.entries(object);
        if entries.is_empty() { head } else { brackets(&head, '{', entries, '}') }
    }

    fn promise(&mut self, object: &Object<'js>) -> String {
        let Some(promise) = object.as_promise() else {
            return "Promise {}".to_owned();
        };
        let state = promise.state();
        let text = match state {
            PromiseState::Pending => return "Promise { <pending> }".to_owned(),
            PromiseState::Resolved => promise.result::<Value<'js>>().and_then(Result::ok).map(|it| self.value(&it)),
            PromiseState::Rejected => {
                // Asking for the result throws it.
                drop(promise.result::<Value<'js>>());
                let reason = self.ctx.catch();
                Some(format!("<rejected> {}", self.value(&reason)))
            }
        };
        brackets("Promise", '{', text.into_iter().collect(), '}')
    }

    fn array(&mut self, object: &Object<'js>, class: &str) -> String {
        let Some(array) = object.as_array() else {
            return "[]".to_owned();
        };
        let length = array.len();
        let mut entries = Vec::new();
        for at in 0..length.min(ENTRIES) {
            let key = Value::new_number(self.ctx.clone(), at as f64);
            entries.push(match descriptor(object, key) {
                Some(property) => self.property(&property),
                None => "<empty>".to_owned(),
            });
        }
        more(&mut entries, length);
        let prefix = if class == "Array" { String::new() } else { format!("{class}({length})") };
        brackets(&prefix, '[', entries, ']')
    }

    fn typed_array(&mut self, object: &Object<'js>, class: &str, bytes: usize) -> String {
        let length = object.get::<_, usize>("length").unwrap_or_default().min(bytes);
        let mut entries = Vec::new();
        for at in 0..length.min(ENTRIES) {
            entries.push(object.get::<_, Value<'js>>(at as u32).map_or_else(|_| "?".to_owned(), |it| self.value(&it)));
        }
        more(&mut entries, length);
        brackets(&format!("{class}({length})"), '[', entries, ']')
    }

    fn collection(&mut self, object: &Object<'js>, class: &str) -> String {
        let is_map = is_a(object, "Map");
        let base = if is_map { "Map" } else { "Set" };
        let list: Option<Vec<Value<'js>>> = list_of(self.ctx, object, base, ENTRIES + 1);
        let list = list.unwrap_or_default();
        let size = object.get::<_, usize>("size").unwrap_or(list.len());
        let mut entries = Vec::new();
        for item in list.iter().take(ENTRIES) {
            let pair = item.as_array().filter(|_| is_map);
            entries.push(match pair {
                Some(pair) => {
                    let part = |at| pair.get::<Value<'js>>(at).unwrap_or_else(|_| Value::new_null(self.ctx.clone()));
                    let (key, value) = (part(0), part(1));
                    format!("{} => {}", self.value(&key), self.value(&value))
                }
                None => self.value(item),
            });
        }
        more(&mut entries, size);
        brackets(&format!("{class}({size})"), '{', entries, '}')
    }

    fn entries(&mut self, object: &Object<'js>) -> Vec<String> {
        let filter = Filter::new().string().enum_only();
        let mut entries = Vec::new();
        let mut count = 0;
        for key in object.own_keys::<Value<'js>>(filter) {
            count += 1;
            let Ok(key) = key else { continue };
            if count > ENTRIES || self.left == 0 {
                continue;
            }
            let Some(property) = descriptor(object, key.clone()) else {
                continue;
            };
            entries.push(format!("{}: {}", name(&lossy(&key)), self.property(&property)));
        }
        more(&mut entries, count);
        entries
    }

    fn property(&mut self, property: &Object<'js>) -> String {
        let has = |key: &str| property.get::<_, Value<'js>>(key).is_ok_and(|it| !it.is_undefined());
        match (has("get"), has("set")) {
            (true, true) => "[Getter/Setter]".to_owned(),
            (true, false) => "[Getter]".to_owned(),
            (false, true) => "[Setter]".to_owned(),
            (false, false) => match property.get::<_, Value<'js>>("value") {
                Ok(value) => self.value(&value),
                Err(_) => "?".to_owned(),
            },
        }
    }
}

/// The entries of a `Map` or the items of a `Set`, read with the iterator of the built-in class itself.
pub(super) fn list_of<'js>(ctx: &Ctx<'js>, object: &Object<'js>, class: &str, most: usize) -> Option<Vec<Value<'js>>> {
    let method = method(ctx, class, if class == "Map" { "entries" } else { "values" })?;
    let iterator: Object<'js> = method.call((This(object.clone()),)).ok()?;
    let next: Function<'js> = iterator.get("next").ok()?;
    let mut list = Vec::new();
    while list.len() < most {
        let step: Object<'js> = next.call((This(iterator.clone()),)).ok()?;
        if step.get::<_, bool>("done").ok()? {
            break;
        }
        list.push(step.get("value").ok()?);
    }
    Some(list)
}

fn function<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> String {
    let source = call_text(ctx, "Function", "toString", object).unwrap_or_default();
    let name = own_value(object, "name").and_then(|name| name.as_string()?.to_string().ok()).unwrap_or_default();
    if source.starts_with("class") {
        let name = if name.is_empty() { "(anonymous)" } else { &name };
        let parent = object.get_prototype().filter(|parent| !parent.is_proxy());
        let parent = parent.and_then(|parent| own_value(&parent, "name")?.as_string()?.to_string().ok());
        return match parent.filter(|parent| !parent.is_empty()) {
            Some(parent) => format!("[class {name} extends {parent}]"),
            None => format!("[class {name}]"),
        };
    }
    let kind = constructor_name(object);
    if name.is_empty() { format!("[{kind} (anonymous)]") } else { format!("[{kind}: {name}]") }
}

/// The text of a string, with replacement characters for surrogates that stand alone.
pub(super) fn lossy(value: &Value<'_>) -> String {
    let Some(string) = value.as_string() else {
        return coerced(value);
    };
    string.to_string().unwrap_or_else(|_| {
        let formed = method(value.ctx(), "String", "toWellFormed").and_then(|it| it.call((This(value.clone()),)).ok());
        formed.unwrap_or_default()
    })
}

fn coerced(value: &Value<'_>) -> String {
    value.get::<Coerced<String>>().map(|text| text.0).unwrap_or_default()
}

fn symbol(value: &Value<'_>) -> String {
    let description = value.as_symbol().map(Symbol::description).and_then(Result::ok);
    let description = description.filter(Value::is_string).map(|it| lossy(&it)).unwrap_or_default();
    format!("Symbol({description})")
}
