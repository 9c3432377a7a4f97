//! `moonhive shm check`, `repair` and `rm`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;

use clap::Args;
use moonhive_shm::segment::Backing;
use moonhive_shm::{Dictionary, Error, Options};
use serde_json::json;

use super::processes::Maps;
use super::progress::Progress;
use super::{deliver, deliver_json, failed, failed_at, mending, open, place};
use crate::cli::Outcome;
use crate::cli::failure::Failure;
use crate::cli::stats::grouped;

const CHECK_EXAMPLES: &str = "\
Examples:
  moonhive shm check sessions
  moonhive shm check sessions --json | jq '.findings | length'

Each shard is locked for about a millisecond per 10,000 entries while it is looked at.

Exit code: 0 if every invariant holds, 1 if not.";

/// Verify every invariant of a dictionary that may be in use
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct Check {
    /// The dictionary
    name: String,

    /// Print one JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self) -> Outcome {
        let dictionary = open(&self.name)?;
        let findings = in_shards(&dictionary, "shards checked", Dictionary::check_shard);
        let findings = findings.map_err(|error| failed(&error))?;
        let findings: Vec<_> = findings.into_iter().flatten().collect();
        let entries = dictionary.statistics().entries;
        if self.json {
            let spelled: Vec<_> = findings.iter().map(|finding| {
                json!({ "shard": finding.shard, "cell": finding.cell, "what": finding.what })
            }).collect();
            deliver_json(&json!({ "entries": entries, "findings": spelled }))?;
        } else {
            let mut text = String::new();
            for finding in &findings {
                let cell = finding.cell.map(|cell| format!(", cell {cell}")).unwrap_or_default();
                text += &format!("shard {}{cell}: {}\n", finding.shard, finding.what);
            }
            let verdict = match findings.len() {
                0 => "healthy".to_owned(),
                count => {
                    format!("{count} findings; `moonhive shm repair {}` mends them", self.name)
                }
            };
            deliver(&format!("{text}{} entries: {verdict}\n", grouped(entries)))?;
        }
        Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Does something to every shard, and shows on a terminal how far it is.
fn in_shards<T>(
    dictionary: &Dictionary,
    what: &'static str,
    act: impl Fn(&Dictionary, u32) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut progress = Progress::new(what, dictionary.shards().into());
    let acted = (0..dictionary.shards()).map(|shard| {
        let done = act(dictionary, shard)?;
        progress.step(1);
        Ok(done)
    });
    acted.collect()
}

const REPAIR_EXAMPLES: &str = "\
Examples:
  moonhive shm repair sessions
  moonhive shm repair sessions --json | jq .entries_after

Rebuilds what is derived from the entries, and drops entries whose checksum is wrong. Locks that are
damaged or held are made anew if nobody has the dictionary open; nobody can open it meanwhile.";

/// Rebuild what can be rebuilt
#[derive(Debug, Args)]
#[command(after_help = REPAIR_EXAMPLES)]
pub struct Repair {
    /// The dictionary
    name: String,

    /// Print one JSON object instead of a line for people
    #[arg(long)]
    json: bool,
}

impl Repair {
    pub fn run(self) -> Outcome {
        let place = place(&self.name)?;
        let is_alone =
            Dictionary::mend_locks(&*place).map_err(|error| failed_at(&*place, &error))?;
        let tell = |error| unrepaired(&*place, &error, is_alone);
        let dictionary = Dictionary::open_in(&*place, &Options::default()).map_err(tell)?;
        let before = dictionary.statistics().entries;
        in_shards(&dictionary, "shards repaired", Dictionary::repair_shard).map_err(tell)?;
        let after = dictionary.statistics().entries;
        if self.json {
            return deliver_json(&json!({ "entries_before": before, "entries_after": after }));
        }
        deliver(&format!("{} entries before, {} after\n", grouped(before), grouped(after)))
    }
}

/// Why a repair ended. A lock that something has overwritten may seem to be held, by whatever
/// process or by none; it could be made anew if nobody else had the dictionary open.
fn unrepaired(place: &dyn Backing, error: &Error, is_alone: bool) -> Failure {
    match error {
        Error::DamagedLock { .. } | Error::LockTimeout { .. } | Error::LockBroken { .. }
            if !is_alone =>
        {
            failed(error).hint(in_use(place))
        }
        _ => failed_at(place, error),
    }
}

/// Why a lock was not made anew, and who could let it.
fn in_use(place: &dyn Backing) -> String {
    let users = place.open().ok().and_then(|file| identity_of(file).ok());
    let users = users.map(|identity| Maps::read().pids_of(identity)).unwrap_or_default();
    let users: Vec<String> = users.iter().map(u32::to_string).collect();
    let who = match users.len() {
        0 => "another process has".to_owned(),
        1 => format!("process {} has", users[0]),
        _ => format!("processes {} have", users.join(", ")),
    };
    format!("{who} it open; {}", mending(place))
}

fn identity_of(file: OwnedFd) -> io::Result<(u64, u64)> {
    let found = fs::File::from(file).metadata()?;
    Ok((found.dev(), found.ino()))
}

const RM_EXAMPLES: &str = "\
Examples:
  moonhive shm rm sessions
  moonhive shm rm old older
  moonhive shm rm old older --json | jq -r '.removed[]'

Each name that cannot be removed is reported, and the others are removed all the same.";

/// Take the name away: who has the dictionary open keeps it, others make a new one
#[derive(Debug, Args)]
#[command(after_help = RM_EXAMPLES)]
pub struct Rm {
    /// The dictionaries
    #[arg(required = true)]
    names: Vec<String>,

    /// Print one JSON object: the names that were removed, and those that were not
    #[arg(long)]
    json: bool,
}

impl Rm {
    pub fn run(self) -> Outcome {
        // A name that none can have ends it before anything is removed.
        let places = self.names.iter().map(|name| place(name)).collect::<Result<Vec<_>, _>>()?;
        let (mut removed, mut failures) = (Vec::new(), Vec::new());
        for (name, place) in self.names.iter().zip(&places) {
            match remove(&**place) {
                Ok(()) => removed.push(name),
                Err(error) => {
                    failed_at(&**place, &error).report();
                    let (code, error) = (error.code(), error.to_string());
                    failures.push(json!({ "name": name, "code": code, "error": error }));
                }
            }
        }
        let is_done = failures.is_empty();
        if self.json {
            deliver_json(&json!({ "removed": removed, "failed": failures }))?;
        }
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn remove(place: &dyn Backing) -> Result<(), Error> {
    if place.as_file().is_some() {
        // Not every file is a dictionary.
        Dictionary::open_in(place, &Options::default())?;
    }
    place.unlink()
}
