//! Values on their way between VMs: from the Lua stack to bytes and back.
//!
//! Every message of the host carries a [`Payload`]: a list of values in a compact, versioned format
//! (`docs/message-format.md`). [`pack`] and [`unpack`] work straight on the stack of a VM;
//! [`to_payload`] and [`from_payload`] do the same for Rust values through serde.
//!
//! What travels: nil, booleans, integers, floats (each keeps its subtype and every bit), strings,
//! light userdata, tables of these to [`MAX_DEPTH`], and [`Handle`]s. Functions, threads and other
//! userdata are refused with the path to them. Metatables stay behind: a receiver runs other code
//! and would not know them; refusing them would make every object unsendable.
//!
//! Strings of [`LARGE_BYTES`] and more are not copied between VMs of a process: they lie in counted
//! buffers that the receiver's strings point into.
//!
//! Napkin numbers: one to three plain arguments 15 to 30 ns each way and no allocation up to
//! [`INLINE_BYTES`]; a table of 100 rows with three fields and a list each (3 KB) about 14 us to
//! pack and 20 us to unpack.
//!
//! Invariants: packing neither changes the VM nor runs any of its code (unless `__pairs` is asked
//! for); unpacking is total: any bytes give values or an error. `unsafe` here is stack access only.

mod buffer;
mod error;
mod fault;
mod format;
mod handle;
mod keys;
mod large;
mod pack;
mod packed;
mod pairs;
mod path;
mod payload;
mod plain;
mod rows;
mod scratch;
mod tree;
mod typed;
mod unpack;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use buffer::BLOCK_ALIGNMENT;
pub use error::{PackError, UnpackError};
pub use format::FORMAT_VERSION;
pub use handle::{Handle, RebuildHandle, set_handle_kind};
pub use large::{Charge, Heap, LARGE_BYTES};
pub use pack::{PackOptions, pack, pack_long};
pub use packed::Packed;
pub use pairs::ProtectedCall;
pub use path::Path;
pub use payload::{INLINE_BYTES, Payload};
pub use plain::{PlainRequest, pack_plain, unpack_short};
pub use typed::{FromPayloadError, from_payload, to_payload, to_request};
pub use unpack::{HasRoom, UnpackOptions, unpack};

/// Most levels of tables: a table and 32 levels within it, which programs for skynet count on.
pub const MAX_DEPTH: usize = 33;

/// Longest payload, in bytes (64 MiB).
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

const _: () = assert!(size_of::<usize>() == 8, "addresses and counts are taken to have 64 bits");
