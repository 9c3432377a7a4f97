//! Shared tables: data that all VMs of a host read in place, without a copy.
//!
//! *Publishing* turns a tree of tables into a *table image*: immutable, in one block, in the form
//! of Lua's own tables, so that reading it is reading a table. A name stands for the *version*
//! published last. Functions that refer to globals only may be in it: their code is shared, and
//! each VM runs them with its own globals. A VM that takes a version keeps it until it refers to
//! nothing of it any more; the last VM to let go frees the memory. How that works, and why it is
//! safe, is told in `docs/shared-tables.md`; the work is done in `vendor/lua-sys/c/lshare*.c`.
//!
//! # Parts
//!
//! - [`TableImage`]: a counted handle of one image.
//! - [`SharedTables`]: names and their versions; one per host.
//! - [`SharedModules`]: results of modules that were run once for the whole host.
//!
//! # Invariants
//!
//! - A version that is replaced or dropped is *retired* first: from then on VMs look whether they
//!   still use it. What is published is never retired.
//! - No lock is held while an image is made or freed, or Lua runs; who waits for a module sleeps.
//! - This layer knows no VM type of ours and sits below `vm`.
//!
//! Napkin: getting a table by name is a lock for reading, a lookup and two counters: 150 ns.

mod error;
mod image;
mod modules;
mod stats;
mod tables;

pub use error::ShareError;
pub use image::TableImage;
pub use modules::{Claim, Loaded, Module, SharedModules};
pub use stats::{SharedStats, TableStats};
pub use tables::{SharedTables, Version};
