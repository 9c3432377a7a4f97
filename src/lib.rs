//! Moonhive: a host for thousands of isolated Lua services that share one copy of their code.

pub mod actor;
pub mod api;
pub mod code;
pub mod message;
#[cfg(feature = "cli")]
pub mod ops;
pub mod share;
pub mod vm;
