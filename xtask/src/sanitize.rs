//! Many threads that compile, share, clone, run, collect and close VMs, with images replaced and
//! dropped in between, under everything that finds races and wrong memory accesses.
//!
//! The program is `vendor/lua-sys/tests/c/share_stress.c`, which checks every answer and that
//! nothing is left at the end; a seed repeats what each thread does (not how they interleave).
//! ThreadSanitizer judges the races: valgrind's helgrind does not know C11 atomics and reports
//! every lock-free read.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::c_program::CProgram;
use crate::lua_sources::{self, Kind};
use crate::outcome::{self, Outcome};
use crate::workspace;

const EXAMPLES: &str = "\
Examples:
  cargo xtask sanitize                        every tool
  cargo xtask sanitize --tool thread --runs 20
  cargo xtask sanitize --tool address --seed 42 --threads 16";

/// A run that takes longer hangs.
const LIMIT_S: u32 = 1800;

/// Runs threads over shared code under sanitizers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Only these tools [default: all].
    #[arg(long = "tool", value_enum)]
    tools: Vec<Tool>,
    /// Seed of the first run; each further run adds one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs of each tool.
    #[arg(long, default_value_t = 3)]
    runs: u64,
    /// Threads of the program.
    #[arg(long, default_value_t = 8)]
    threads: u32,
}

/// What looks for mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// gcc's ThreadSanitizer.
    Thread,
    /// gcc's AddressSanitizer and UBSan, with Lua's internal assertions.
    Address,
    /// Images in pages that are mapped read-only after publication, with Lua's internal assertions.
    ReadOnly,
    /// valgrind's memcheck.
    Memcheck,
}

impl Tool {
    fn name(self) -> String {
        self.to_possible_value().expect("no tool is hidden").get_name().to_owned()
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Thread => &["-O1", "-fsanitize=thread"],
            Self::Address => &[
                "-O1",
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
                "-DLUAI_ASSERT",
                "-DLUA_USE_APICHECK",
            ],
            Self::ReadOnly => {
                &["-O2", "-DLUAI_SHARE_READONLY", "-DLUAI_ASSERT", "-DLUA_USE_APICHECK"]
            }
            Self::Memcheck => &["-O1"],
        }
    }

    /// Steps of each thread: some seconds for each tool on one core.
    fn rounds(self) -> u32 {
        match self {
            Self::Thread => 2_000,
            Self::Address => 4_000,
            Self::ReadOnly => 20_000,
            Self::Memcheck => 250,
        }
    }

    /// The program that runs the program.
    fn wrapper(self) -> &'static [&'static str] {
        match self {
            Self::Memcheck => &[
                "valgrind",
                "--quiet",
                "--error-exitcode=99",
                "--leak-check=full",
                "--show-leak-kinds=definite",
                "--errors-for-leak-kinds=definite",
            ],
            _ => &[],
        }
    }

    /// The program for this tool.
    fn program(self) -> Result<CProgram> {
        let mut program = lua_sources::program(Kind::Patched, &format!("stress-{}", self.name()))?;
        lua_sources::with_compatibility(&mut program);
        program.sources.push(workspace::root().join("vendor/lua-sys/tests/c/share_stress.c"));
        program.flags.extend(self.flags().iter().map(|flag| (*flag).to_owned()));
        // Threads that replace strings give others the time to publish some.
        program
            .flags
            .extend(["-include", "unistd.h", "-Dluai_sharepause()=usleep(200)"].map(String::from));
        Ok(program)
    }
}

/// Runs every tool and prints a line for each run.
///
/// # Errors
/// When a program does not build or start.
pub fn run(options: &Options) -> Result<ExitCode> {
    let tools = if options.tools.is_empty() { Tool::value_variants() } else { &options.tools };
    let mut outcomes = Vec::new();
    for &tool in tools {
        let program = tool.program()?.build()?;
        for seed in options.seed..options.seed + options.runs {
            let mut words: Vec<String> = vec!["timeout".into(), LIMIT_S.to_string()];
            words.extend(tool.wrapper().iter().map(|word| (*word).to_owned()));
            words.push(program.display().to_string());
            words.extend([
                seed.to_string(),
                options.threads.to_string(),
                tool.rounds().to_string(),
            ]);
            outcomes.push(execute(tool, seed, &words)?);
        }
    }
    Ok(outcome::sum(&outcomes))
}

fn execute(tool: Tool, seed: u64, words: &[String]) -> Result<Outcome> {
    let start = Instant::now();
    let output = Command::new(&words[0])
        .args(&words[1..])
        .env("TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1")
        .env("UBSAN_OPTIONS", "print_stacktrace=1")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} does not start (hint: apt-get install valgrind)", words[2]))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said.lines().rev().nth(1).unwrap_or_default();
    let seconds = start.elapsed().as_secs_f64();
    if output.status.success() && said.ends_with("OK\n") {
        println!("{} seed {seed}: OK after {seconds:.1} s ({summary})", tool.name());
        return Ok(Outcome::Passed);
    }
    println!("{} seed {seed}: FAILED ({}) after {seconds:.1} s", tool.name(), output.status);
    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("hint: repeat with {}", words.join(" "));
    Ok(Outcome::Failed)
}
