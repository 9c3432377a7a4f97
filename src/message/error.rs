//! Why a message could not be packed or unpacked.
//!
//! Packing fails because of what a program tried to send, so its errors name the place in the
//! program's own terms (`args[2].cb`). Unpacking fails because the bytes are not a payload of ours,
//! so its errors name offsets.

use super::path::Path;

/// Why values cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A function, a thread, or a userdata that is no handle.
    #[error("{path}: cannot send a {kind}")]
    Unsendable {
        /// Where it stands.
        path: Path,
        /// Its Lua type.
        kind: &'static str,
    },
    /// The same, as a key of the table at `path`.
    #[error("{path}: cannot send a table with a {kind} as a key")]
    UnsendableKey {
        /// The table.
        path: Path,
        /// The key's Lua type.
        kind: &'static str,
    },
    /// A table that is reachable from itself.
    #[error("{path}: cannot send a table that contains itself (it is {ancestor} again)")]
    Cycle {
        /// Where the table appears for the second time.
        path: Path,
        /// Where it appeared first.
        ancestor: Path,
    },
    /// Tables nest too deep.
    #[error("{path}: tables nest deeper than {limit} levels")]
    Depth {
        /// The first table that is too deep.
        path: Path,
        /// [`MAX_DEPTH`](super::MAX_DEPTH).
        limit: usize,
    },
    /// A table of constants that nothing has looked into before has to be filled, and the memory of
    /// the service does not hold what is in it.
    #[error("{path}: not enough memory to read this table")]
    Memory {
        /// The table.
        path: Path,
    },
    /// The payload would become too large.
    #[error("{path}: the message grows beyond {limit_bytes} bytes here")]
    Size {
        /// The value that did not fit.
        path: Path,
        /// The limit that applied.
        limit_bytes: usize,
    },
    /// A `__pairs` metamethod failed, or the table changed while it was being sent.
    #[error("{path}: {message}")]
    Pairs {
        /// The table.
        path: Path,
        /// What Lua said.
        message: String,
    },
    /// The Lua stack has no room for the next value.
    #[error("{path}: stack overflow")]
    Stack {
        /// The value that had no room.
        path: Path,
    },
    /// A Rust value that has no form in Lua, or a `Serialize` implementation that gave up.
    #[error("{path}: {message}")]
    Value {
        /// Where it stands.
        path: Path,
        /// What is wrong with it.
        message: String,
    },
}

impl PackError {
    /// What the author of the message can do about it.
    ///
    /// ```
    /// # use moonhive::message::{to_payload, PackError};
    /// let error = to_payload(&(u64::MAX,)).unwrap_err();
    /// assert_eq!(error.to_string(), "args[1]: 18446744073709551615 is no 64-bit integer of Lua");
    /// assert_eq!(error.hint(), None);
    /// ```
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unsendable { kind: "function", .. }
            | Self::UnsendableKey { kind: "function", .. } => {
                "send data, and the name of what the receiver should call"
            }
            Self::Unsendable { .. } | Self::UnsendableKey { .. } => {
                "send plain data: nil, booleans, numbers, strings and tables of them"
            }
            Self::Cycle { .. } => "send an index or a name in place of the inner reference",
            Self::Depth { .. } => "flatten the data, or send it in parts",
            Self::Size { .. } => "send it in parts, or hand over where it can be read",
            _ => return None,
        })
    }
}

/// Why bytes are not a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// Written by another version of the format, or not by us at all.
    #[error("the message has format {found}, not {}", super::FORMAT_VERSION)]
    Version {
        /// The first byte.
        found: u8,
    },
    /// The bytes end inside a value.
    #[error("the message ends inside a value (after {offset_bytes} bytes)")]
    Truncated {
        /// Where they end.
        offset_bytes: usize,
    },
    /// A byte that announces no value.
    #[error("byte {tag:#04x} at offset {offset_bytes} of the message announces no value")]
    Tag {
        /// The byte.
        tag: u8,
        /// Where it stands.
        offset_bytes: usize,
    },
    /// A table that announces more than the remaining bytes can hold.
    #[error("the table before offset {offset_bytes} of the message announces more than follows")]
    Count {
        /// Where its header ends.
        offset_bytes: usize,
    },
    /// A key that is nil, not a number, or a reference to a key that was not written.
    #[error("no valid table key before offset {offset_bytes} of the message")]
    Key {
        /// Where the key ends.
        offset_bytes: usize,
    },
    /// Tables nest too deep.
    #[error("tables nest deeper than {limit} levels in the message")]
    Depth {
        /// [`MAX_DEPTH`](super::MAX_DEPTH).
        limit: usize,
    },
    /// A light userdata in a message from another process, where its address means nothing.
    #[error("light userdata before offset {offset_bytes} in a message from another process")]
    Pointer {
        /// Where it ends.
        offset_bytes: usize,
    },
    /// A handle of a kind that this host cannot rebuild.
    #[error("handle of unknown kind {kind} before offset {offset_bytes} of the message")]
    Handle {
        /// Its kind.
        kind: u8,
        /// Where it ends.
        offset_bytes: usize,
    },
    /// More values than the Lua stack can take.
    #[error("too many values in the message (stack overflow after {count})")]
    Stack {
        /// Values that did fit.
        count: usize,
    },
    /// The tables of the message need more memory than the VM may use.
    #[error("not enough memory for the tables of the message")]
    Memory,
    /// Longer than any message may be.
    #[error("the message has {size_bytes} bytes, more than {limit_bytes}")]
    Size {
        /// Its length.
        size_bytes: usize,
        /// [`MAX_PAYLOAD_BYTES`](super::MAX_PAYLOAD_BYTES).
        limit_bytes: usize,
    },
}
