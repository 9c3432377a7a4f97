//! What an operator sees of a running host.

pub mod log;
pub mod report;
