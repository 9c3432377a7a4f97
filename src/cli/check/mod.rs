//! `moonhive check`: compiles everything, runs nothing, and says what will not work.
//!
//! Errors are what Lua refuses to compile; of each file the first one, where the compiler stops.
//! Warnings are what compiles and is probably not meant: globals that nothing defines, globals
//! assigned by accident inside functions, loop variables that only Lua 5.4 lets code assign to. All
//! files are looked at together, because what one of them defines another may use.
//!
//! `files` finds them, `compile` asks the compiler, `globals` compares, `hints` helps, `report`
//! shows.

mod compile;
mod files;
mod globals;
mod hints;
mod problem;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Outcome, signals};
use compile::Compiler;
use problem::{Problem, Severity};

const EXAMPLES: &str = "\
Examples:
  moonhive check .                      every .lua file below this folder
  moonhive check services lib main.lua  two folders and a file
  moonhive check --global CONFIG .      a global that the host defines
  moonhive check --json . | jq .        the same for programs

Of each file the first syntax error is reported: the compiler stops there.

Exit code: 0 without errors (warnings are no errors, but see --strict), 1 with errors, 2 for a path
that cannot be read and for wrong arguments.";

/// Compile Lua files and report errors and suspicious globals
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Files, and folders to look through for *.lua (hidden ones are passed over)
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// A global variable that something else defines; repeatable
    #[arg(long = "global", value_name = "NAME")]
    globals: Vec<String>,

    /// Exit with 1 on warnings, too
    #[arg(long)]
    strict: bool,

    /// Print one JSON object instead of text for people
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        signals::end_at_broken_pipe()?;
        let paths = files::find(&self.paths)?;
        let mut compiler = Compiler::new()?;
        let checked: Vec<_> = paths.iter().map(|path| compiler.check(path)).collect();
        let known = compiler.standard_globals().into_iter().chain(self.globals).collect();
        let mut problems: Vec<Problem> =
            checked.iter().flat_map(|file| file.problems.iter().cloned()).collect();
        problems.extend(globals::compare(&checked, known));
        problems.sort_by(|a, b| (&a.file, a.lines.first()).cmp(&(&b.file, b.lines.first())));
        if self.json {
            report::json(paths.len(), &problems)?;
        } else {
            report::text(paths.len(), &problems)?;
        }
        Ok(verdict(&problems, self.strict))
    }
}

fn verdict(problems: &[Problem], strict: bool) -> ExitCode {
    let fails = |problem: &Problem| strict || problem.severity == Severity::Error;
    if problems.iter().any(fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
