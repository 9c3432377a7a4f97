//! PUC-Rio's own test suite against our Lua: is it still Lua?
//!
//! Three interpreters run it. `moonhive lua`, what users get: its own tests, and the user mode. The
//! stand-alone interpreter of the distribution, linked with our library, runs all of the suite. The
//! torture build adds Lua's internal tests: assertions, tiny limits, a checking allocator. Each
//! runs three ways: as is and with every chunk turned into an image, both with the incremental
//! collector, and the second with the generational one as well.

mod interpreter;
mod run;
mod sharing;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::outcome;
use crate::suite::Suite;
use interpreter::{Build, Interpreter};
use run::{Run, Script, Way};

const EXAMPLES: &str = "\
Examples:
  cargo xtask puc                         moonhive lua, three ways
  cargo xtask puc --stand-alone           the whole suite with C modules, three ways
  cargo xtask puc --torture               internal assertions on, every chunk shared
  cargo xtask puc --torture --sanitize    the same under AddressSanitizer and UBSan
  cargo xtask puc --torture --seed 7 --way share-all
Logs are in target/xtask/puc.";

/// Runs the official test suite.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// The distribution's interpreter instead of `moonhive lua`; runs the whole suite.
    #[arg(long)]
    stand_alone: bool,
    /// The interpreter with Lua's internal tests; runs the whole suite.
    #[arg(long, conflicts_with = "stand_alone")]
    torture: bool,
    /// Compile with AddressSanitizer and UBSan.
    #[arg(long)]
    sanitize: bool,
    /// Images in memory that is mapped read-only once they are published.
    #[arg(long)]
    read_only: bool,
    /// Another `moonhive` binary than the one that cargo builds.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["stand_alone", "torture"])]
    program: Option<PathBuf>,
    /// Only these ways [default: all; with --torture those that share].
    #[arg(long = "way", value_enum)]
    ways: Vec<Way>,
    /// Seed of hashes and random numbers; not for `moonhive lua`, which draws its own.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u32,
}

impl Options {
    fn build(&self) -> Option<Build> {
        let wanted = self.stand_alone || self.torture || self.sanitize || self.read_only;
        wanted.then_some(Build {
            torture: self.torture,
            sanitize: self.sanitize,
            read_only: self.read_only,
        })
    }

    fn ways(&self) -> Vec<Way> {
        let sharing = &[Way::ShareAll, Way::Generational];
        match (self.ways.is_empty(), self.torture) {
            (false, _) => self.ways.clone(),
            (true, true) => sharing.to_vec(),
            (true, false) => [&[Way::Plain], sharing.as_slice()].concat(),
        }
    }
}

/// Runs the suite as the options say. Skips, loudly, when it cannot be fetched.
///
/// # Errors
/// When an interpreter cannot be built.
pub fn run(options: &Options) -> Result<ExitCode> {
    let suite = match Suite::fetch() {
        Ok(suite) => suite,
        Err(reason) => return Ok(outcome::skip(&reason)),
    };
    let interpreter = match options.build() {
        Some(build) => Interpreter::stand_alone(&suite, build)?,
        None => Interpreter::moonhive(&suite, options.program.clone())?,
    };
    let mut outcomes = Vec::new();
    for way in options.ways() {
        for script in [Script::Main, Script::All] {
            let (suite, interpreter, seed) = (&suite, &interpreter, options.seed);
            outcomes.push(Run { suite, interpreter, way, script, seed }.execute()?);
        }
    }
    Ok(outcome::sum(&outcomes))
}

/// Fetches the suite without running it.
///
/// # Errors
/// Why it cannot be had.
pub fn fetch() -> Result<ExitCode> {
    let suite = Suite::fetch()?;
    println!("{}", suite.tests().display());
    Ok(ExitCode::SUCCESS)
}
