//! Fuzzing under coverage guidance: builds a target of `fuzz/` with libFuzzer and AddressSanitizer
//! and runs it.
//!
//! The pinned stable toolchain suffices: its AddressSanitizer is unlocked by `RUSTC_BOOTSTRAP`. C
//! and Rust are both instrumented (gcc and rustc agree on AddressSanitizer's interface;
//! `fuzz/coverage.c` joins gcc's coverage with libFuzzer). Inputs that reached something new stay
//! in `fuzz/corpus/TARGET`, those that failed in `fuzz/artifacts/TARGET`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::workspace;

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz codec                        a minute
  cargo xtask fuzz codec --seconds 3600 --seed 1
  cargo xtask fuzz source --input fuzz/artifacts/source/crash-...    one input again";

/// What tells rustc to count edges and to record comparisons, in a form that libFuzzer reads.
const COVERAGE_FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

const RUST_FLAGS: &[&str] = &["-Zsanitizer=address", "-Cforce-frame-pointers=yes"];

const C_FLAGS: &str =
    "-fsanitize=address -fsanitize-coverage=trace-pc,trace-cmp -fno-omit-frame-pointer -g1";

/// Memory of a run beyond which an input counts as a finding, in MiB.
const MEMORY_LIMIT_MIB: u32 = 2048;

/// An input that takes longer is a finding, in seconds.
const INPUT_LIMIT_S: u32 = 20;

/// Runs a fuzz target.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// What is fuzzed.
    #[arg(value_enum)]
    target: Target,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the mutations [default: another one each time].
    #[arg(long)]
    seed: Option<u32>,
    /// Runs this input alone.
    #[arg(long, conflicts_with_all = ["seconds", "seed"])]
    input: Option<PathBuf>,
}

/// The targets, each a file in `fuzz/targets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The message codec on arbitrary bytes.
    Codec,
    /// Arbitrary text as a Lua chunk, compiled and shared.
    Source,
    /// Damaged segments of shared memory: attach, and every operation.
    #[value(name = "shared_memory")]
    SharedMemory,
}

impl Target {
    fn name(self) -> String {
        self.to_possible_value().expect("no target is hidden").get_name().to_owned()
    }

    /// Longest input that is tried: what fits while thousands are tried in a second.
    fn input_limit_bytes(self) -> u32 {
        match self {
            Self::Codec => 4096,
            Self::Source | Self::SharedMemory => 1024,
        }
    }

    /// Folders with inputs to begin with, as seen from `fuzz`.
    fn seeds(self) -> &'static [&'static str] {
        match self {
            Self::Codec | Self::SharedMemory => &[],
            Self::Source => &["../lua", "../tests/lua", "../examples"],
        }
    }
}

/// Builds and runs a target; fails when it finds something.
///
/// # Errors
/// When the target does not build or start.
pub fn run(options: &Options) -> Result<ExitCode> {
    let name = options.target.name();
    let program = build(&name)?;
    let mut command = Command::new(program);
    command.current_dir(workspace::root().join("fuzz"));
    command
        .args([format!("-rss_limit_mb={MEMORY_LIMIT_MIB}"), format!("-timeout={INPUT_LIMIT_S}")]);
    match &options.input {
        Some(input) => {
            command.arg(input.canonicalize().with_context(|| format!("{}", input.display()))?);
        }
        None => add_search(&mut command, &name, options)?,
    }
    let status = command.status().with_context(|| format!("the target {name} does not start"))?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("{name}: FAILED ({status})");
    println!("hint: cargo xtask fuzz {name} --input fuzz/artifacts/{name}/... repeats an input");
    Ok(ExitCode::FAILURE)
}

/// Arguments of a run that looks for inputs.
fn add_search(command: &mut Command, name: &str, options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(seed_of_the_moment);
    println!("{name}: fuzzing for {} s with seed {seed}", options.seconds);
    let folder = workspace::root().join("fuzz");
    for kind in ["corpus", "artifacts"] {
        let path = folder.join(kind).join(name);
        fs::create_dir_all(&path).with_context(|| format!("{}", path.display()))?;
    }
    command.args([
        format!("-max_total_time={}", options.seconds),
        format!("-seed={seed}"),
        format!("-artifact_prefix=artifacts/{name}/"),
        format!("-max_len={}", options.target.input_limit_bytes()),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
        format!("corpus/{name}"),
    ]);
    command.args(options.target.seeds());
    Ok(())
}

/// A seed that differs from run to run; never 0, for which libFuzzer takes one that nobody sees.
fn seed_of_the_moment() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.subsec_nanos().max(1)
}

/// Builds a target and returns its program.
fn build(name: &str) -> Result<PathBuf> {
    let host = host()?;
    let folder = workspace::root().join("target/fuzz");
    let flags: Vec<&str> = RUST_FLAGS.iter().chain(COVERAGE_FLAGS).copied().collect();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--bin", name, "--target", &host])
        .arg("--manifest-path")
        .arg(workspace::root().join("fuzz/Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags.join(" "))
        .env(format!("CFLAGS_{}", host.replace('-', "_")), C_FLAGS)
        .status()
        .context("cargo does not start")?;
    if !status.success() {
        bail!("the target {name} does not build (libFuzzer needs a C++ compiler: g++)");
    }
    Ok(program(&folder, &host, name))
}

fn program(folder: &Path, host: &str, name: &str) -> PathBuf {
    folder.join(host).join("release").join(name)
}

/// The platform, which cargo must be told for build scripts to stay without instrumentation.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc does not start")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}
