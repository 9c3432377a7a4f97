//! One run of the suite: arguments, a time limit, and the verdict.
//!
//! `main.lua`, which tests the interpreter's options and Ctrl-C, runs apart from the rest: it
//! expects a shell to report the number of a background process before that process prints. A
//! wrapper makes the interpreter start late; where the machine is busy even so, it may try again.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum;

use super::interpreter::Interpreter;
use super::sharing::Sharing;
use crate::outcome::Outcome;
use crate::suite::Suite;
use crate::workspace;

/// How often `main.lua` may try.
const ATTEMPTS: usize = 3;
/// Makes `all.lua` pass over `main.lua`.
const WITHOUT_MAIN: &str = "-elocal real = loadfile; function loadfile(name, ...) \
                            if name == 'main.lua' then return load('') end \
                            return real(name, ...) end";
/// The suite asks for a small C stack, in KiB, so that its stack tests end soon.
const STACK_KIB: u32 = 1100;
/// AddressSanitizer needs about eight times as much for the same depth.
const SANITIZED_STACK_KIB: u32 = 8 * STACK_KIB;
/// A run that takes longer hangs.
const LIMIT_S: u32 = 3600;
/// Lines of the log that a failure shows.
const TAIL_LINES: usize = 30;

/// How Lua handles the chunks of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Like stock Lua; the collector starts in incremental mode, as in every program but `lua`.
    Plain,
    /// The same, and every chunk becomes an image first.
    ShareAll,
    /// Every chunk becomes an image first, and the collector starts in generational mode.
    Generational,
}

impl Way {
    fn shares(self) -> bool {
        self != Self::Plain
    }

    /// The mode of the collector. It is always asked for: the interpreters differ in how they
    /// start.
    fn gc_mode(self) -> &'static str {
        if self == Self::Generational { "generational" } else { "incremental" }
    }

    fn name(self) -> String {
        self.to_possible_value().expect("no way is hidden").get_name().to_owned()
    }
}

/// A script of the suite that runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Everything but `main.lua`.
    All,
    /// The interpreter's own tests.
    Main,
}

impl Script {
    fn file(self) -> &'static str {
        match self {
            Self::All => "all.lua",
            Self::Main => "main.lua",
        }
    }

    /// What the output of a run that went well contains.
    fn success(self) -> &'static str {
        match self {
            Self::All => "final OK",
            Self::Main => "\nOK\n",
        }
    }

    fn attempts(self) -> usize {
        if self == Self::Main { ATTEMPTS } else { 1 }
    }
}

/// One run.
pub struct Run<'a> {
    pub suite: &'a Suite,
    pub interpreter: &'a Interpreter,
    pub way: Way,
    pub script: Script,
    pub seed: u32,
}

impl Run<'_> {
    /// Runs the script and prints one line, or the end of the log when it failed.
    ///
    /// # Errors
    /// When the run cannot be started.
    pub fn execute(&self) -> Result<Outcome> {
        for attempt in 1..=self.script.attempts() {
            let is_last = attempt == self.script.attempts();
            if self.attempt(is_last)? == Outcome::Passed {
                return Ok(Outcome::Passed);
            }
        }
        Ok(Outcome::Failed)
    }

    fn attempt(&self, is_last: bool) -> Result<Outcome> {
        let title = format!("{} {} {}", self.interpreter.name, self.way.name(), self.script.file());
        let log = self.log()?;
        let start = Instant::now();
        let status = run_group(self.command(&log)?)?;
        let seconds = start.elapsed().as_secs_f64();
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let success = self.script.success();
        let verdict = match status.success() && output.contains(success) {
            true => self.sharing(&log),
            false => Err(anyhow!(describe(status))),
        };
        let reason = match verdict {
            Ok(sharing) => {
                println!("{title}: {} after {seconds:.1} s{sharing}", success.trim());
                return Ok(Outcome::Passed);
            }
            Err(reason) => reason,
        };
        let what_next = if is_last { "FAILED" } else { "trying again" };
        println!("{title}: {what_next} ({reason:#}) after {seconds:.1} s");
        if is_last {
            print_tail(&output, &log);
        }
        Ok(Outcome::Failed)
    }

    /// What the interpreter says about sharing, for the line of a run that went well.
    fn sharing(&self, log: &Path) -> Result<String> {
        if self.interpreter.is_moonhive {
            return Ok(String::new());
        }
        let sharing = Sharing::read(&report_beside(log))?;
        sharing.check(self.way.shares())?;
        Ok(format!(" ({})", sharing.summary()))
    }

    fn log(&self) -> Result<PathBuf> {
        let dir = workspace::scratch("puc");
        fs::create_dir_all(&dir)?;
        let name = [&self.interpreter.name, &*self.way.name(), self.script.file()].join("-");
        Ok(dir.join(name + ".log"))
    }

    fn command(&self, log: &Path) -> Result<Command> {
        let output = fs::File::create(log)?;
        let is_sanitized = self.interpreter.name.contains("sanitize");
        let stack = if is_sanitized { SANITIZED_STACK_KIB } else { STACK_KIB };
        let mut command = Command::new("sh");
        // The suite writes to a program that ends meanwhile, now and then before the last byte was
        // written: that is an error that it expects, and no signal.
        let script = format!("trap '' PIPE; ulimit -S -s {stack}; exec timeout {LIMIT_S} \"$@\"");
        command
            .args(["-c", &script, "sh"])
            .arg(match self.script {
                Script::All => &self.interpreter.program,
                Script::Main => &self.interpreter.late_program,
            })
            .args(self.arguments())
            .current_dir(self.suite.tests())
            .env("MOONHIVE_SEED", self.seed.to_string())
            .env("MOONHIVE_SHARE_REPORT", report_beside(log))
            .env("ASAN_OPTIONS", "allocator_may_return_null=1:detect_stack_use_after_return=0")
            .env("UBSAN_OPTIONS", "print_stacktrace=1")
            .env_remove("LUA_INIT")
            .env_remove("LUA_PATH")
            .env_remove("LUA_CPATH")
            // A stream that cannot seek and ends at once, as the suite expects.
            .stdin(Stdio::piped())
            .stderr(output.try_clone()?)
            .stdout(output);
        if self.way.shares() {
            command.env("MOONHIVE_SHARE_ALL", "1");
        }
        Ok(command)
    }

    fn arguments(&self) -> Vec<String> {
        let gc_mode = self.way.gc_mode();
        let mut arguments = Vec::new();
        if self.interpreter.is_moonhive {
            // The late program goes by that name already.
            arguments.extend((self.script == Script::All).then(|| "lua".to_owned()));
            arguments.extend(self.way.shares().then(|| "--share-all".to_owned()));
            arguments.push(format!("--gc={gc_mode}"));
            // The user mode of the suite: what holds on every platform and in every host.
            arguments.push("-e_U=true".to_owned());
        } else if self.script == Script::All {
            arguments.push(WITHOUT_MAIN.to_owned());
            arguments.push(format!("-ecollectgarbage('{gc_mode}')"));
        }
        arguments.extend(["-W", self.script.file()].map(str::to_owned));
        arguments
    }
}

fn report_beside(log: &Path) -> PathBuf {
    log.with_extension("sharing")
}

/// Runs a command and ends whatever it left running in its process group.
fn run_group(mut command: Command) -> Result<ExitStatus> {
    let mut child = command.process_group(0).spawn().context("sh does not start")?;
    let status = child.wait()?;
    let group = format!("-{}", child.id());
    let kill = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    kill.context("kill does not start")?;
    Ok(status)
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(0) => "ended without its last line".into(),
        Some(124) => format!("no end within {LIMIT_S} s"),
        _ => status.to_string(),
    }
}

fn print_tail(output: &str, log: &Path) {
    let lines: Vec<&str> = output.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        println!("  | {line}");
    }
    println!("hint: the whole log is {}", log.display());
}
