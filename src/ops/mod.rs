//! What an operator sees of a running host.

mod chains;
pub mod log;
pub mod report;
