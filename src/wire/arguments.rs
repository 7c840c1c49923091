//! The encoding of arguments and results of functions of the same program: bincode's, with [`Blob`](super::Blob)s beside it.

use bincode::error::{DecodeError, EncodeError};
use bytes::Bytes;
use oast_actors::Value;
use serde::{Serialize, de::DeserializeOwned};

use super::{LAYOUT, blob::with_attachments, body::Body};

/// Encoded arguments, or an encoded result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// All but the blobs.
    pub(crate) bytes: Bytes,
    /// The blobs, in the order in which they were met.
    pub(crate) attachments: Vec<Bytes>,
}

impl Encoded {
    /// As an evaluation's value: bytes, or a list of bytes when there are blobs.
    pub(crate) fn into_value(self) -> Value {
        if self.attachments.is_empty() {
            return Value::Bytes(self.bytes);
        }
        let all = [self.bytes].into_iter().chain(self.attachments);
        Value::List(all.map(Value::Bytes).collect())
    }

    /// The way back. `None` when the value is anything else.
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        let values = match value {
            Value::Bytes(bytes) => {
                let attachments = Vec::new();
                return Some(Self { bytes, attachments });
            }
            Value::List(values) => values,
            _ => return None,
        };
        let mut all = values.into_iter().map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        });
        let bytes = all.next()??;
        let attachments = all.collect::<Option<_>>()?;
        Some(Self { bytes, attachments })
    }
}

/// Encodes arguments or a result.
///
/// # Errors
/// A type's own `Serialize` refuses, or asks for what bincode does not have, such as a sequence of unknown length.
pub(crate) fn encode_arguments<T: Serialize + ?Sized>(value: &T) -> Result<Encoded, EncodeError> {
    let (bytes, attachments) = with_attachments(Vec::new(), || bincode::serde::encode_to_vec(value, LAYOUT));
    Ok(Encoded { bytes: bytes?.into(), attachments })
}

/// Decodes arguments or a result. The bytes may come from a process that is not trusted.
///
/// # Errors
/// The bytes are not an encoded `T`, or `T` is nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
pub(crate) fn decode_arguments<T: DeserializeOwned>(encoded: Encoded) -> Result<T, DecodeError> {
    let Encoded { bytes, attachments } = encoded;
    let (value, _unused) = with_attachments(attachments, || {
        let mut body = Body::new(&bytes, Bytes::new());
        let value = body.serde()?;
        body.finish()?;
        Ok(value)
    });
    value
}
