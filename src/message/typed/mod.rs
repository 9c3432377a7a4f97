//! Typed messages: what a Rust program sends to services and gets from them, through serde.
//!
//! A tuple, a sequence or `()` is the list of values of a message; anything else is a message of
//! one value. Inside, sequences are tables with elements, structs and maps are tables with pairs,
//! `None` and `()` are nil, enum variants are their name or a table `{Name = contents}`.

mod access;
mod de;
mod key;
mod ser;

use std::fmt;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use de::FromPayloadError;

use super::error::PackError;
use super::handle::Handle;
use super::payload::Payload;
use super::scratch::with_scratch;

/// The newtype name by which this codec recognises a [`Handle`].
const HANDLE_NAME: &str = "$moonhive::Handle";
const HANDLE_BYTES: usize = 9;

/// Packs a Rust value as a message.
///
/// ```
/// # use moonhive::message::to_payload;
/// #[derive(serde::Serialize)]
/// struct Position {
///     x: f64,
///     y: f64,
/// }
/// // Arrives as: "move", { x = 1.5, y = -2.0 }
/// let payload = to_payload(&("move", Position { x: 1.5, y: -2.0 }))?;
/// assert_eq!(payload.len(), 30);
/// # Ok::<(), moonhive::message::PackError>(())
/// ```
///
/// # Errors
/// [`PackError`] names the first part that has no form in Lua (an integer beyond 64 bits, a map key
/// that is a sequence), nests too deep or makes the message too long.
pub fn to_payload<T: Serialize + ?Sized>(value: &T) -> Result<Payload, PackError> {
    with_scratch(|scratch| ser::write(value, scratch)).map_err(|fault| fault.into_error("args"))
}

/// Packs a request: the name of a method, then its arguments as [`to_payload`] packs them.
///
/// # Errors
/// As [`to_payload`].
pub fn to_request<T: Serialize + ?Sized>(
    method: &str,
    arguments: &T,
) -> Result<Payload, PackError> {
    let write = |scratch: &mut _| {
        ser::write(method, scratch)?;
        ser::write(arguments, scratch)
    };
    with_scratch(write).map_err(|fault| fault.into_error("args"))
}

/// Unpacks a message into a Rust value.
///
/// Values that a tuple expects beyond those of the message are nil, as in a call of Lua; more
/// values than it expects are an error. A float that is a whole number serves as an integer.
///
/// ```
/// # use moonhive::message::{from_payload, to_payload};
/// let reply = to_payload(&(12, "ok"))?;
/// let (sum, note, missing): (i64, String, Option<bool>) = from_payload(&reply)?;
/// assert_eq!((sum, note.as_str(), missing), (12, "ok", None));
///
/// let error = from_payload::<(i64, i64)>(&reply).unwrap_err();
/// assert_eq!(error.to_string(), r#"values[2]: invalid type: string "ok", expected i64"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`FromPayloadError`] names the first value of another type than expected.
pub fn from_payload<T: DeserializeOwned>(payload: &Payload) -> Result<T, FromPayloadError> {
    de::read(payload.packed())
}

impl Handle {
    fn to_bytes(self) -> [u8; HANDLE_BYTES] {
        let mut bytes = [self.kind; HANDLE_BYTES];
        bytes[1..].copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; HANDLE_BYTES]) -> Self {
        let [kind, value @ ..] = bytes;
        Self { kind, value: u64::from_le_bytes(value) }
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(HANDLE_NAME, &HandleBytes(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(HANDLE_NAME, HandleVisitor)
    }
}

/// A handle as its newtype holds it; as bytes, because serde has no type of its own for it.
struct HandleBytes([u8; HANDLE_BYTES]);

impl Serialize for HandleBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

struct HandleVisitor;

impl<'de> Visitor<'de> for HandleVisitor {
    type Value = Handle;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a handle")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Handle, D::Error> {
        inner.deserialize_bytes(self)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Handle, E> {
        let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(Handle::from_bytes(bytes))
    }
}
