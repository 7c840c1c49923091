//! Turns what JavaScript threw into a [`Raised`]: its constructor's name, its message, and where it came from in the
//! user's own text.

use oast_actors::Raised;
use rquickjs::{Coerced, Ctx, Error, Object, Value};

use super::inspect::{self, constructor_name, is_a};

/// Where the scripts of Oast itself come from: their frames say nothing to a user.
pub(super) const INTERNAL: &str = "oast:";
/// How many causes are told.
const MOST_CAUSES: usize = 4;

/// Takes the error that the engine holds.
pub(super) fn raised(ctx: &Ctx<'_>, error: &Error) -> Raised {
    match error {
        Error::Exception => from_thrown(ctx, &ctx.catch()),
        Error::Allocation => out_of_memory(),
        other => Raised { kind: "InternalError".to_owned(), message: other.to_string(), traceback: String::new() },
    }
}

/// Describes a value that was thrown.
pub(super) fn from_thrown<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>) -> Raised {
    let Some(exception) = as_error(thrown) else {
        return Raised { kind: "throw".to_owned(), message: inspect::text(ctx, thrown), traceback: String::new() };
    };
    let mut traceback = frames(&stack(exception));
    let mut cause = own(exception, "cause");
    for _ in 0..MOST_CAUSES {
        let Some(value) = cause.take() else { break };
        let text = match as_error(&value) {
            Some(error) => {
                cause = own(error, "cause");
                describe(error)
            }
            None => inspect::text(ctx, &value),
        };
        traceback.push_str("caused by: ");
        traceback.push_str(&text);
        if !text.ends_with('\n') {
            traceback.push('\n');
        }
    }
    // Reading a property may itself have thrown: that says nothing about the code.
    drop(ctx.catch());
    Raised { kind: kind(exception), message: message(exception), traceback }
}

/// An error, or what browsers throw in its place.
fn as_error<'a, 'js>(value: &'a Value<'js>) -> Option<&'a Object<'js>> {
    value.as_object().filter(|object| value.is_error() || (!value.is_proxy() && is_a(object, "DOMException")))
}

/// Whether this is how the engine says that its memory is used up.
pub(super) fn is_out_of_memory(raised: &Raised) -> bool {
    raised.kind == "InternalError" && raised.message == "out of memory"
}

/// What the engine would say if it had the memory to say it.
pub(super) fn out_of_memory() -> Raised {
    Raised { kind: "InternalError".to_owned(), message: "out of memory".to_owned(), traceback: String::new() }
}

/// An error as it reads on a terminal: `TypeError: message`, then a line for each frame.
pub(super) fn describe(error: &Object<'_>) -> String {
    let frames = frames(&stack(error));
    let head = head(&kind(error), &message(error));
    if frames.is_empty() { head } else { format!("{head}\n{frames}") }
}

/// The same for an error that was told already.
pub(super) fn print(raised: &Raised) -> String {
    let head = head(&raised.kind, &raised.message);
    format!("Uncaught {head}\n{}", raised.traceback)
}

fn head(kind: &str, message: &str) -> String {
    if message.is_empty() { kind.to_owned() } else { format!("{kind}: {message}") }
}

fn kind(error: &Object<'_>) -> String {
    let name = if error.is_error() { own_text(error, "name") } else { error.get("name").ok() };
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| constructor_name(error))
}

fn message(error: &Object<'_>) -> String {
    let message = error.get::<_, Option<Coerced<String>>>("message");
    message.ok().flatten().map(|text| text.0).unwrap_or_default()
}

/// The stack as the engine tells it: an accessor that all errors share.
fn stack(error: &Object<'_>) -> String {
    error.get::<_, Option<String>>("stack").ok().flatten().unwrap_or_default()
}

fn own<'js>(object: &Object<'js>, key: &str) -> Option<Value<'js>> {
    let value = inspect::own_value(object, key)?;
    (!value.is_undefined()).then_some(value)
}

fn own_text(object: &Object<'_>, key: &str) -> Option<String> {
    own(object, key)?.as_string()?.to_string().ok()
}

/// The frames of a stack without those of Oast itself. `at <eval> (cell 3:1:5)` is code at the top: `at cell 3:1:5`.
fn frames(stack: &str) -> String {
    let mut text = String::with_capacity(stack.len());
    for line in stack.lines() {
        let Some(frame) = line.trim_start().strip_prefix("at ") else {
            continue;
        };
        if frame.contains(INTERNAL) {
            continue;
        }
        let top = frame.strip_prefix("<eval> (").and_then(|rest| rest.strip_suffix(')'));
        text.push_str("    at ");
        text.push_str(top.unwrap_or(frame));
        text.push('\n');
    }
    text
}
