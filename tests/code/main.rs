//! The code cache through the public Rust API: VMs built with a cache, scripts that load files.
//!
//! A test binary of its own because one test changes the working directory of the process: no other
//! test here uses a relative path.

mod c_module;
mod chdir;
mod embedding;
mod reload;
mod stress;
mod support;
