//! Bytes that serde carries beside the encoded arguments of a call, not within them.

use std::{cell::RefCell, fmt, mem, ops::Deref};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

/// Bytes that cross to and from a function in a worker process without being copied through its encoded arguments.
///
/// A `Vec<u8>` works too, and crosses element by element: prefer a `Blob` from some kilobytes on. It dereferences to `[u8]`
/// and is cheap to clone. In any other format than a call's arguments it is serialized as plain bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob(pub Bytes);

thread_local! {
    /// The attachments of the call that this thread is encoding or decoding; `None` at all other times.
    static ATTACHMENTS: RefCell<Option<Vec<Bytes>>> = const { RefCell::new(None) };
}

/// Runs `work` with these attachments and gives back what they are afterwards. May be nested.
pub(super) fn with_attachments<T>(attachments: Vec<Bytes>, work: impl FnOnce() -> T) -> (T, Vec<Bytes>) {
    /// Puts back what was there before, also when `work` panics.
    struct Restore(Option<Vec<Bytes>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ATTACHMENTS.set(self.0.take());
        }
    }

    let _restore = Restore(ATTACHMENTS.replace(Some(attachments)));
    let done = work();
    let attachments = ATTACHMENTS.take().unwrap_or_default();
    (done, attachments)
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = ATTACHMENTS.with_borrow_mut(|attachments| {
            attachments.as_mut().map(|attachments| {
                attachments.push(self.0.clone());
                attachments.len() - 1
            })
        });
        match place.map(u32::try_from) {
            None => serializer.serialize_bytes(&self.0),
            Some(Ok(place)) => serializer.serialize_u32(place),
            Some(Err(too_many)) => Err(S::Error::custom(too_many)),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if ATTACHMENTS.with_borrow(Option::is_none) {
            return serde_bytes::ByteBuf::deserialize(deserializer).map(|bytes| Self(bytes.into_vec().into()));
        }
        let place = u32::deserialize(deserializer)? as usize;
        // Taken, not cloned: its receiver is then the only owner and can turn it into a `Vec` without a copy.
        let taken = ATTACHMENTS.with_borrow_mut(|attachments| attachments.as_mut()?.get_mut(place).map(mem::take));
        taken.map(Self).ok_or_else(|| D::Error::custom("a blob that was not sent along"))
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Bytes>> From<T> for Blob {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}
