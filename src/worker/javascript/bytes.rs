//! Moves bulk bytes between the engine and Rust, with one copy at most.

use std::sync::Arc;

use bytes::Bytes;
use oast_actors::Element;
use rquickjs::{ArrayBuffer, Ctx, Error, Function, Object, Result, TypedArray, U8Clamped, Value};

use super::globals::script;
use crate::pages;

/// Copies what a buffer or a view holds.
const COPY: &str = "(function (target, source) {
    const bytes = ArrayBuffer.isView(source)
        ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
        : new Uint8Array(source);
    new Uint8Array(target).set(bytes);
})";

/// Copies the `length` bytes of an `ArrayBuffer` or a typed array.
///
/// The engine gives no safe view of its memory. So it is the engine that copies, into memory that is lent to it: once its
/// buffer is detached, ours is the only hold of that memory, which `Arc::try_unwrap` checks.
pub(super) fn copy_out<'js>(ctx: &Ctx<'js>, source: &Object<'js>, length: usize) -> Result<Bytes> {
    if length == 0 {
        return Ok(Bytes::new());
    }
    let mut memory = vec![0; length];
    pages::prefer_huge(&mut memory);
    let memory = Arc::<Vec<u8>>::new(memory);
    let mut target = ArrayBuffer::from_source(ctx.clone(), Arc::clone(&memory))?;
    let copied = script::<Function<'js>>(ctx, "bytes", COPY)
        .and_then(|copy| copy.call::<_, ()>((target.clone(), source.clone())));
    target.detach();
    copied?;
    let alone = Arc::try_unwrap(memory).ok();
    alone.map(Bytes::from).ok_or(Error::Unknown)
}

// The trait of what a typed array may hold has no public name, so what is generic in it must be written out.
macro_rules! typed_arrays {
    ($($element:ident: $type:ty,)*) => {
        /// The element type of a typed array and its length in bytes, as the engine knows it; `None` for anything else.
        pub(super) fn element(object: &Object<'_>) -> Option<(Element, usize)> {
            $(if let Some(array) = object.as_typed_array::<$type>() {
                // Without memory the array is detached, and empty.
                return Some((Element::$element, array.as_raw().map_or(0, |raw| raw.len())));
            })*
            None
        }

        /// A typed array of these bytes.
        pub(super) fn typed_array<'js>(ctx: &Ctx<'js>, element: Element, bytes: Bytes) -> Result<Value<'js>> {
            let buffer = buffer(ctx, bytes)?;
            match element {
                $(Element::$element => TypedArray::<$type>::from_arraybuffer(buffer).map(TypedArray::into_value),)*
            }
        }
    };
}

typed_arrays! {
    U8: u8,
    F64: f64,
    F32: f32,
    I32: i32,
    U32: u32,
    I16: i16,
    U16: u16,
    I8: i8,
    I64: i64,
    U64: u64,
    U8Clamped: U8Clamped,
}

/// An `ArrayBuffer` of these bytes. They are not copied when nobody else holds them.
pub(super) fn buffer<'js>(ctx: &Ctx<'js>, bytes: Bytes) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new::<u8>(ctx.clone(), Vec::<u8>::from(bytes))
}
