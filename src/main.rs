//! The `moonhive` command: a thin shell over the library.
//!
//! Everything happens in [`cli`]; this file only names the parts and picks the allocator.

#![forbid(unsafe_code)]

use std::process::ExitCode;

mod cli;

/// Thousands of small VMs allocate from every worker at once, which the system allocator
/// serialises.
#[global_allocator]
static ALLOCATOR: moonhive::vm::mimalloc::Mimalloc = moonhive::vm::mimalloc::Mimalloc;

fn main() -> ExitCode {
    cli::main()
}
