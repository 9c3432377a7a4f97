//! Chores of the project, run as `cargo xtask`: everything a contributor or CI does that is more
//! than one cargo command. One module per chore; this file only lists them.

#![forbid(unsafe_code)]

mod c_program;
mod fuzz;
mod install_shm;
mod instructions;
mod lua_sources;
mod outcome;
mod patch;
mod puc;
mod sanitize;
mod suite;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use moonhive_lua_source::SourceError;

/// Chores of the Moonhive project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Make, check and refresh the patches to Lua.
    #[command(subcommand)]
    Patch(patch::Command),
    /// Run PUC-Rio's official test suite against our Lua.
    Puc(puc::Options),
    /// Fetch the official test suite (`puc` does it by itself).
    FetchSuite,
    /// Run threads over shared code under sanitizers.
    Sanitize(sanitize::Options),
    /// Fuzz a target under coverage guidance and AddressSanitizer.
    Fuzz(fuzz::Options),
    /// Count instructions of patched and stock Lua.
    Instructions(instructions::Options),
    /// Build and install the C library of dictionaries in shared memory.
    InstallShm(install_shm::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

fn run(chore: Chore) -> Result<ExitCode> {
    match chore {
        Chore::Patch(command) => patch::run(command).map(|()| ExitCode::SUCCESS),
        Chore::Puc(options) => puc::run(&options),
        Chore::FetchSuite => puc::fetch(),
        Chore::Sanitize(options) => sanitize::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Instructions(options) => instructions::run(&options),
        Chore::InstallShm(options) => install_shm::run(&options).map(|()| ExitCode::SUCCESS),
    }
}

/// Says what failed, why, and what to do next where the error knows.
fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    if let Some(hint) = error.chain().find_map(|cause| cause.downcast_ref::<SourceError>()) {
        eprintln!("hint: {}", hint.hint());
    }
    ExitCode::FAILURE
}
