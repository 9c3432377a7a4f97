//! The text of Lua on its way into our build: found, checked, patched.
//!
//! None of Lua's own text is in our repository. The build takes it from the registry crate
//! `lua-src` ([`locate`]), compares every file with pinned SHA-256 sums ([`Sums`]), and applies
//! `patches/series` ([`Series`]) at exactly the lines the patches name. The build script of
//! `moonhive-lua-sys`, `cargo xtask` and the tests share this crate, so that what an author
//! checks is what the build does.
//!
//! Invariant: sources are only ever used after [`Sums::check`] passed. Nothing here is fuzzy: a
//! hunk that would apply one line lower is an error.

#![forbid(unsafe_code)]

mod error;
mod hunk;
mod layout;
mod locate;
mod patch;
mod series;
mod sums;
mod tree;

pub use error::SourceError;
pub use layout::Layout;
pub use locate::{CRATE_NAME, CRATE_VERSION, LUA_VERSION, SOURCE_VARIABLE, locate};
pub use patch::{Changes, HEADER_FIELDS, PatchFile};
pub use series::Series;
pub use sums::{Sums, sha256_hex};
pub use tree::Tree;
