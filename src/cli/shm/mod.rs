//! `moonhive shm`: dictionaries in shared memory, from a shell.
//!
//! Each command opens the dictionary as any other process does, so it works while others use it.
//! `ls` shows what there is (`processes` who uses it), `stat` the figures of one, `entries` reads
//! and writes single keys (`words` what a shell and a terminal make of bytes), `transfer` dumps and
//! loads, `health` checks and repairs.

mod entries;
mod health;
mod ls;
mod processes;
mod progress;
mod stat;
mod transfer;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use moonhive_shm::segment::{Backing, File, Posix};
use moonhive_shm::{Dictionary, Error, Options};

use super::failure::{Failure, USAGE};
use super::stats::bytes;
use super::{Outcome, signals};

const EXAMPLES: &str = "\
Examples:
  moonhive shm ls                            every dictionary on this machine
  moonhive shm stat sessions                 its figures
  moonhive shm set sessions user:1 ada --ttl 1h
  moonhive shm get sessions user:1
  moonhive shm keys sessions --prefix user:
  moonhive shm dump sessions > sessions.jsonl
  moonhive shm load sessions sessions.jsonl --create 64MiB
  moonhive shm check sessions && echo healthy
  moonhive shm rm sessions
  moonhive shm stat ./sessions.dict          a dictionary in a file: a name with a slash

Keys and values are shown to a terminal without control characters; programs get them as they are.

Exit code: 0 if all is well, 1 if not (no such key, findings of a check, a failure), 2 for wrong
arguments (also a name, a key or a size that no dictionary can have).";

/// Look at dictionaries in shared memory, change, check and remove them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Stat(stat::Stat),
    Get(entries::Get),
    Set(entries::Set),
    Keys(entries::Keys),
    Dump(transfer::Dump),
    Load(transfer::Load),
    Check(health::Check),
    Repair(health::Repair),
    Rm(health::Rm),
}

impl Arguments {
    pub fn run(self) -> Outcome {
        signals::end_at_broken_pipe()?;
        match self.command {
            Command::Ls(arguments) => arguments.run(),
            Command::Stat(arguments) => arguments.run(),
            Command::Get(arguments) => arguments.run(),
            Command::Set(arguments) => arguments.run(),
            Command::Keys(arguments) => arguments.run(),
            Command::Dump(arguments) => arguments.run(),
            Command::Load(arguments) => arguments.run(),
            Command::Check(arguments) => arguments.run(),
            Command::Repair(arguments) => arguments.run(),
            Command::Rm(arguments) => arguments.run(),
        }
    }
}

/// Where a dictionary is: in a file if what the user gave has a slash after its first character, in
/// shared memory otherwise.
fn place(name: &str) -> Result<Box<dyn Backing>, Failure> {
    let is_path = name.char_indices().skip(1).any(|(_, c)| c == '/');
    let place: Result<Box<dyn Backing>, Error> = match is_path {
        true => File::new(name).map(|file| Box::new(file) as _),
        false => Posix::new(name).map(|named| Box::new(named) as _),
    };
    place.map_err(|error| failed(&error))
}

/// Opens a dictionary that exists.
fn open(name: &str) -> Result<Dictionary, Failure> {
    let place = place(name)?;
    Dictionary::open_in(&*place, &Options::default()).map_err(|error| failed_at(&*place, &error))
}

/// An error of a dictionary in some place, which it names; of one that is not there, where to look
/// for it.
fn failed_at(place: &dyn Backing, error: &Error) -> Failure {
    let hint = match (error, place.as_file()) {
        (Error::NoSuchObject { .. }, None) => "`moonhive shm ls` shows what there is",
        (Error::NoSuchObject { .. }, Some(_)) => "a name with a slash is the path of a file",
        (Error::DamagedLock { .. }, _) => return failed(error).hint(mending(place)),
        (Error::WrongSize { .. } | Error::WrongMagic { .. }, _) => {
            return at(place, error).hint("it is no dictionary, or a part of one");
        }
        (error, _) if is_of_header(error) => return hinted(at(place, error), error),
        _ => return failed(error),
    };
    failed(error).hint(hint)
}

/// An error that does not name the object.
fn at(place: &dyn Backing, error: &Error) -> Failure {
    Failure::new(format!("{}: {error}", place.label()))
}

/// What the header of an object says keeps it from being used.
fn is_of_header(error: &Error) -> bool {
    matches!(
        error,
        Error::WrongVersion { .. }
            | Error::WrongMachine { .. }
            | Error::UnknownFeatures { .. }
            | Error::WrongPidNamespace { .. }
            | Error::WrongBoot
            | Error::Damaged { .. }
    )
}

/// How a damaged lock is mended.
fn mending(place: &dyn Backing) -> String {
    format!("`moonhive shm repair {}` makes the lock anew once nobody has it open", place.label())
}

/// An error of a dictionary, with what can be done about it.
fn failed(error: &Error) -> Failure {
    let failure = Failure::new(error.to_string());
    hinted(if is_usage(error) { failure.exit_code(USAGE) } else { failure }, error)
}

/// A failure with what can be done about its reason.
fn hinted(failure: Failure, reason: &Error) -> Failure {
    match reason.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// True for what no dictionary could do.
fn is_usage(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidName { .. }
            | Error::InvalidOption { .. }
            | Error::InvalidShards { .. }
            | Error::InvalidMode { .. }
            | Error::EmptyKey
            | Error::KeyTooLong { .. }
    )
}

/// A size with its unit; below a kibibyte to the byte.
fn size_text(size_bytes: u64) -> String {
    match size_bytes {
        0..1024 => format!("{size_bytes} B"),
        _ => bytes(size_bytes),
    }
}

/// Writes all of an answer.
fn deliver(text: &str) -> Outcome {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write")?;
    Ok(ExitCode::SUCCESS)
}

/// Writes an answer for programs.
fn deliver_json(value: &serde_json::Value) -> Outcome {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write")?;
    Ok(ExitCode::SUCCESS)
}
