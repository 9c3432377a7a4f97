//! The command line: one file per command, and what all of them share.
//!
//! A command is a struct of arguments with a `run` method that answers the exit code or a
//! [`Failure`]. Nothing here is reachable from the library, so whatever a command can do, a program
//! that embeds the library can do as well.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod check;
mod completions;
mod config;
mod failure;
mod lua;
mod man;
mod run;
mod shm;
mod signals;
mod skynet;
mod stats;
mod values;

pub use failure::Failure;

/// What every command answers: the exit code, or why there is none.
pub type Outcome = Result<ExitCode, Failure>;

const EXAMPLES: &str = "\
Examples:
  moonhive run main.lua                 run a service and all that it spawns
  moonhive run --threads 4 main.lua 10  the same on four threads, with an argument
  moonhive help run                     every option of `run`, with examples";

/// A host for thousands of isolated Lua services that share one copy of their code.
#[derive(Debug, Parser)]
#[command(name = "moonhive", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Lua(lua::Arguments),
    Shm(shm::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Reads the arguments of the process, runs the command they name, and reports its failure.
///
/// Exit codes: what the command answers; 1 for a failure, 2 for arguments that make no sense.
pub fn main() -> ExitCode {
    if let Some(code) = lua::stands_in() {
        return code;
    }
    let outcome = read_words().and_then(|cli| match cli.command {
        Command::Run(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Lua(arguments) => arguments.run(),
        Command::Shm(arguments) => arguments.run(),
        Command::Completions(arguments) => arguments.run(),
        Command::Man(arguments) => arguments.run(),
    });
    outcome.unwrap_or_else(|failure| failure.report())
}

/// Reads the words of the command line, and the variables of its settings.
fn read_words() -> Result<Cli, Failure> {
    let mut command = without_empty_variables(command());
    let read = command
        .try_get_matches_from_mut(std::env::args_os())
        .and_then(|matches| Cli::from_arg_matches(&matches));
    read.map_err(|error| match blame_variable(&command, &error) {
        Some(failure) => failure,
        None => error.format(&mut command).exit(),
    })
}

/// A variable that is set to nothing counts as not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|sub| {
        sub.mut_args(|argument| {
            let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|v| v.is_empty());
            let unset = argument.get_env().is_some_and(is_empty);
            if unset { argument.env(None::<&'static str>) } else { argument }
        })
    })
}

/// The refusal of a value that no word of the command line gave, in the name of its variable:
/// `clap` blames the flag.
fn blame_variable(command: &clap::Command, error: &clap::Error) -> Option<Failure> {
    let Some(ContextValue::String(blamed)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = blamed.split([' ', '=', '[']).next()?;
    let is_given = std::env::args_os().skip(1).any(|word| {
        let word = word.to_string_lossy();
        word.split('=').next() == Some(flag)
    });
    if is_given {
        return None;
    }
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut named = arguments.filter(|argument| argument.get_long() == flag.strip_prefix("--"));
    let variable = named.find_map(clap::Arg::get_env)?.to_string_lossy();
    let cause = std::error::Error::source(error)?;
    Some(Failure::new(format!("{variable}: {cause}")).exit_code(failure::USAGE))
}

/// The whole command line as data: completions and manual pages are made from it.
fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn no_line_behind_the_options_is_longer_than_a_help_is_wide() {
        fn check(command: &clap::Command) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        let without: Vec<String> = command()
            .get_subcommands()
            .filter(|sub| !sub.get_after_help().is_some_and(|h| h.to_string().contains("Example")))
            .map(|sub| sub.get_name().to_owned())
            .collect();
        assert!(without.is_empty(), "add `after_help = EXAMPLES` to: {}", without.join(", "));
    }
}
