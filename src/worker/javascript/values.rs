//! Values both ways. What JavaScript has and [`Value`] has not, leaves as a [`Handle`]: functions, promises, symbols,
//! errors, instances of classes, cycles, and what lies too deep.
//!
//! | JavaScript | `Value` |
//! |---|---|
//! | `undefined`, `null` | `Null` |
//! | whole number up to 2^53 - 1, save `-0` | `Int` |
//! | other number | `Float` |
//! | `BigInt` | `BigInt` |
//! | `ArrayBuffer`, `SharedArrayBuffer` | `Bytes` |
//! | typed array | `Array` |
//! | `Array`, `Set` | `List` |
//! | plain object, `Map` | `Map` |
//! | `Date` | `Date` |

use oast_actors::{Array as Packed, BigInt, Handle, Value};
use rquickjs::{
    ArrayBuffer, Coerced, Ctx, Error, Exception, Filter, Function, Object, Result, Type, Value as Js,
    function::{Constructor, This},
    object::Property,
};

use super::{
    bytes,
    inspect::{self, class_name, is_a, lossy},
};

/// How deep a value may be nested: whoever decodes it recurses too.
const DEPTH: usize = 100;
/// How many parts a value may have. A value that holds another many times over has that many parts.
const PARTS: usize = 1 << 22;
/// How many bytes of text and data they may have together.
const BYTES: usize = 1 << 30;
/// Beyond this a double does not hold every whole number.
const MOST_SAFE: f64 = 9_007_199_254_740_991.0;

/// Takes a value out of the engine. Runs getters of plain objects; what they throw is thrown.
pub(super) fn from_js<'js>(ctx: &Ctx<'js>, value: &Js<'js>) -> Result<Value> {
    if let Some(value) = scalar(value) {
        return Ok(value);
    }
    let plain = ctx.globals().get::<_, Object<'js>>("Object")?.get("prototype")?;
    Leaving { ctx, plain, above: Vec::new(), parts: PARTS, bytes: BYTES }.value(value)
}

/// The values that need no look at anything else.
fn scalar(value: &Js<'_>) -> Option<Value> {
    if let Some(int) = value.as_int() {
        return Some(Value::Int(i64::from(int)));
    }
    match value.type_of() {
        Type::Undefined | Type::Null => Some(Value::Null),
        Type::Bool => value.as_bool().map(Value::Bool),
        Type::Float => value.as_float().map(number),
        _ => None,
    }
}

fn number(number: f64) -> Value {
    let whole = number.fract() == 0.0 && number.abs() <= MOST_SAFE;
    let is_minus_zero = number == 0.0 && number.is_sign_negative();
    if whole && !is_minus_zero { Value::Int(number as i64) } else { Value::Float(number) }
}

struct Leaving<'a, 'js> {
    ctx: &'a Ctx<'js>,
    plain: Object<'js>,
    above: Vec<Js<'js>>,
    parts: usize,
    bytes: usize,
}

impl<'js> Leaving<'_, 'js> {
    /// Counts a part with so many bytes.
    fn spend(&mut self, bytes: usize) -> Result<()> {
        match (self.parts.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(parts), Some(bytes)) => {
                (self.parts, self.bytes) = (parts, bytes);
                Ok(())
            }
            (None, _) => Err(Exception::throw_range(self.ctx, "the value has too many parts to leave the worker")),
            (_, None) => Err(Exception::throw_range(self.ctx, "the value has too many bytes to leave the worker")),
        }
    }

    fn value(&mut self, value: &Js<'js>) -> Result<Value> {
        self.spend(0)?;
        if let Some(value) = scalar(value) {
            return Ok(value);
        }
        match value.type_of() {
            Type::String => {
                let text = lossy(value);
                self.spend(text.len())?;
                Ok(Value::Text(text))
            }
            Type::BigInt => {
                let digits = value.get::<Coerced<String>>()?.0;
                self.spend(digits.len())?;
                let digits = BigInt::parse(&digits).ok_or(Error::Unknown)?;
                Ok(Value::BigInt(digits))
            }
            Type::Array | Type::Object => self.object(value),
            other => Ok(self.handle(value, other.as_str(), None)),
        }
    }

    fn object(&mut self, value: &Js<'js>) -> Result<Value> {
        let Some(object) = value.as_object() else {
            return Ok(self.handle(value, "object", None));
        };
        if self.above.contains(value) {
            return Ok(self.handle(value, "Object", Some("[Circular]")));
        }
        if value.is_proxy() || self.above.len() >= DEPTH {
            return Ok(self.handle(value, "Object", None));
        }
        self.above.push(value.clone());
        let result = match value.as_array() {
            Some(array) => {
                array.iter::<Js<'js>>().map(|item| self.value(&item?)).collect::<Result<_>>().map(Value::List)
            }
            None => self.not_array(object),
        };
        self.above.pop();
        result
    }

    fn not_array(&mut self, object: &Object<'js>) -> Result<Value> {
        match object.get_prototype() {
            None => return self.plain(object),
            Some(prototype) if prototype == self.plain => return self.plain(object),
            Some(_) => {}
        }
        if let Some((element, length)) = bytes::element(object) {
            self.spend(length)?;
            let data = bytes::copy_out(self.ctx, object, length)?;
            return Packed::new(element, data).map(Value::Array).or(Err(Error::Unknown));
        }
        if is_a(object, "ArrayBuffer") || is_a(object, "SharedArrayBuffer") {
            return self.buffer(object);
        }
        if is_a(object, "Date") {
            let time: Function<'js> = object.get("getTime")?;
            return time.call((This(object.clone()),)).map(Value::Date);
        }
        if is_a(object, "Set") {
            let items = inspect::list_of(self.ctx, object, "Set", PARTS).unwrap_or_default();
            return items.iter().map(|item| self.value(item)).collect::<Result<_>>().map(Value::List);
        }
        if is_a(object, "Map") {
            let pairs = inspect::list_of(self.ctx, object, "Map", PARTS).unwrap_or_default();
            let pair = |pair: &Js<'js>| {
                let pair = pair.as_array().ok_or(Error::Unknown)?;
                Ok((self.value(&pair.get(0)?)?, self.value(&pair.get(1)?)?))
            };
            return pairs.iter().map(pair).collect::<Result<_>>().map(Value::Map);
        }
        Ok(self.handle(object.as_value(), "Object", None))
    }

    fn plain(&mut self, object: &Object<'js>) -> Result<Value> {
        let mut pairs = Vec::new();
        for pair in object.own_props::<Js<'js>, Js<'js>>(Filter::new().string().enum_only()) {
            let (key, value) = pair?;
            let key = lossy(&key);
            self.spend(key.len())?;
            pairs.push((Value::Text(key), self.value(&value)?));
        }
        Ok(Value::Map(pairs))
    }

    fn buffer(&mut self, object: &Object<'js>) -> Result<Value> {
        // A buffer that was detached holds nothing.
        let length = ArrayBuffer::from_object(object.clone()).map_or(0, |buffer| buffer.len());
        drop(self.ctx.catch());
        self.spend(length)?;
        bytes::copy_out(self.ctx, object, length).map(Value::Bytes)
    }

    fn handle(&mut self, value: &Js<'js>, kind: &str, text: Option<&str>) -> Value {
        let kind = match value.as_object() {
            Some(_) if value.is_proxy() => "Proxy".to_owned(),
            Some(object) => class_name(object).unwrap_or_else(|| kind.to_owned()),
            None => kind.to_owned(),
        };
        let text = text.map_or_else(|| inspect::text(self.ctx, value), str::to_owned);
        self.bytes = self.bytes.saturating_sub(text.len());
        Value::Handle(Handle { id: 0, kind, text })
    }
}

/// Brings a value into the engine. Whole numbers beyond 2^53 - 1 become `BigInt`s, maps whose keys are all text become
/// plain objects, and a handle becomes an object with its kind and text.
pub(super) fn to_js<'js>(ctx: &Ctx<'js>, value: Value) -> Result<Js<'js>> {
    to_js_at(ctx, value, 0)
}

fn to_js_at<'js>(ctx: &Ctx<'js>, value: Value, depth: usize) -> Result<Js<'js>> {
    if depth > DEPTH {
        return Err(Exception::throw_range(ctx, "the value is nested too deep"));
    }
    match value {
        Value::Null => Ok(Js::new_null(ctx.clone())),
        Value::Bool(truth) => Ok(Js::new_bool(ctx.clone(), truth)),
        Value::Int(int) if (int as f64).abs() <= MOST_SAFE => Ok(Js::new_number(ctx.clone(), int as f64)),
        Value::Int(int) => Js::new_big_int(ctx.clone(), int),
        Value::BigInt(digits) => ctx.globals().get::<_, Function<'js>>("BigInt")?.call((digits.as_str(),)),
        // Not `new_number`: it makes an integer of `-0`.
        Value::Float(float) => Ok(Js::new_float(ctx.clone(), float)),
        Value::Text(text) => rquickjs::String::from_str(ctx.clone(), &text).map(rquickjs::String::into_value),
        Value::Bytes(data) => bytes::buffer(ctx, data).map(ArrayBuffer::into_value),
        Value::Array(array) => bytes::typed_array(ctx, array.element(), array.data().clone()),
        Value::Date(time) => ctx.globals().get::<_, Constructor<'js>>("Date")?.construct((time,)),
        Value::List(items) => {
            let array = rquickjs::Array::new(ctx.clone())?;
            for (at, item) in items.into_iter().enumerate() {
                array.set(at, to_js_at(ctx, item, depth + 1)?)?;
            }
            Ok(array.into_value())
        }
        Value::Map(pairs) => map(ctx, pairs, depth + 1),
        Value::Handle(handle) => {
            let object = Object::new(ctx.clone())?;
            object.set("kind", handle.kind)?;
            object.set("text", handle.text)?;
            Ok(object.into_value())
        }
    }
}

fn map<'js>(ctx: &Ctx<'js>, pairs: Vec<(Value, Value)>, depth: usize) -> Result<Js<'js>> {
    if pairs.iter().all(|(key, _)| matches!(key, Value::Text(_))) {
        let object = Object::new(ctx.clone())?;
        for (key, value) in pairs {
            let (Value::Text(key), value) = (key, to_js_at(ctx, value, depth)?) else {
                continue;
            };
            // Defined, not set: `__proto__` is a key like any other.
            object.prop(key, Property::from(value).writable().enumerable().configurable())?;
        }
        return Ok(object.into_value());
    }
    let map: Object<'js> = ctx.globals().get::<_, Constructor<'js>>("Map")?.construct(())?;
    let set: Function<'js> = map.get("set")?;
    for (key, value) in pairs {
        let (key, value) = (to_js_at(ctx, key, depth)?, to_js_at(ctx, value, depth)?);
        set.call::<_, Js<'js>>((This(map.clone()), key, value))?;
    }
    Ok(map.into_value())
}
