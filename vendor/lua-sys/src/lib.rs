//! The Lua that Moonhive ships: stock Lua 5.5 from the registry with a few small patches, and our
//! own C for shared images. This crate only builds, links and declares it.
//!
//! Everything of the stock C API is in [`lua`] (the declarations of `mlua-sys`, which links the
//! library built here); what we add is in [`share`], [`host`], [`walk`], [`external`] and
//! [`globals`]; [`quick`] holds the smallest functions of the API once more, inline, and [`inside`]
//! reads tables.

mod abi;

pub use mlua_sys as lua;

pub mod external;
pub mod globals;
pub mod host;
pub mod inside;
pub mod quick;
pub mod row;
pub mod share;
pub mod walk;
