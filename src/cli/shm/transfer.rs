//! `moonhive shm dump` and `load`: whole dictionaries as lines of JSON, spelled as
//! `moonhive::api::dump` says.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::Args;
use moonhive::api::dump::{self, DumpError, Entry};
use moonhive_shm::segment::Backing;
use moonhive_shm::{Dictionary, Options, SIZE_LEAST_BYTES, SIZE_MOST_BYTES};
use serde_json::json;

use super::progress::Progress;
use super::{deliver, deliver_json, failed, hinted, open};
use crate::cli::Outcome;
use crate::cli::failure::Failure;
use crate::cli::stats::grouped;
use crate::cli::values::Size;

const DUMP_EXAMPLES: &str = "\
Examples:
  moonhive shm dump sessions > sessions.jsonl
  moonhive shm dump sessions --output sessions.jsonl

Each line is a JSON object: key, type (string, integer, double, boolean, nil, table, list, or
unreadable table), value or elements, and flags and ttl_ms where they are not zero. Bytes that
are no UTF-8 stand in hexadecimal in key_hex and value_hex. What others change meanwhile is
dumped as it is when its turn comes.

A file is written beside the one that is there, and takes its place once it is whole and on the
disk: a dump that fails leaves the former one. It is yours, and readable by you alone, or with
group and permissions of the former one. Only a file that cannot be replaced, as its folder may
not be written to or something is mounted on it, is written in place: a dump that fails leaves
a part of it. What is no file, like a named pipe, is written to as it is, and so are open
descriptors (/dev/stdout, /dev/fd/3), wherever they lead.";

/// Write all entries as lines of JSON
#[derive(Debug, Args)]
#[command(after_help = DUMP_EXAMPLES)]
pub struct Dump {
    /// The dictionary
    name: String,

    /// Write to this file, replacing it once the dump is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Dump {
    pub fn run(self) -> Outcome {
        let dictionary = open(&self.name)?;
        match &self.output {
            None => dump(&dictionary, io::stdout().lock()),
            Some(path) => dump_to_file(&dictionary, path),
        }
    }
}

fn dump_to_file(dictionary: &Dictionary, path: &Path) -> Outcome {
    let mut progress = Progress::new("dumped", dictionary.statistics().entries);
    let saved = dump::save_file(dictionary, path, |written| {
        progress.step(written);
        true
    });
    saved.map(|_| ExitCode::SUCCESS).map_err(|error| {
        let failure = Failure::new(error.to_string());
        match &error.reason {
            DumpError::Dictionary(reason) => hinted(failure, reason),
            _ => failure,
        }
    })
}

fn dump(dictionary: &Dictionary, out: impl Write) -> Outcome {
    let mut progress = Progress::new("dumped", dictionary.statistics().entries);
    let written = dump::write_entries(dictionary, BufWriter::new(out), |written| {
        progress.step(written);
        true
    });
    match written {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(DumpError::Dictionary(error)) => Err(failed(&error)),
        Err(error) => Err(Failure::new(format!("cannot write: {error}"))),
    }
}

const LOAD_EXAMPLES: &str = "\
Examples:
  moonhive shm load sessions sessions.jsonl
  moonhive shm load sessions sessions.jsonl --create 64MiB
  moonhive shm dump old | moonhive shm load new --create 1GiB

A file is checked first: with a line that is no entry nothing of it is loaded, and no
dictionary is made. What comes through a pipe is loaded as it comes; a message says how many
entries were loaded before the load ended.

A table whose bytes no service could read is refused, as a program without the codec may have
saved it; with the type \"unreadable table\" such bytes are loaded as they are.

Entries that are there are replaced, others stay. Nothing is thrown out for what is loaded: a
dictionary that is too small ends the load.";

/// Store the entries of a dump
#[derive(Debug, Args)]
#[command(after_help = LOAD_EXAMPLES)]
pub struct Load {
    /// The dictionary
    name: String,

    /// The dump [default: standard input]
    file: Option<PathBuf>,

    /// Make the dictionary if there is none, with this size
    #[arg(long, value_name = "SIZE")]
    create: Option<Capacity>,

    /// Print one JSON object instead of a line for people
    #[arg(long)]
    json: bool,
}

/// The size of a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capacity(u64);

impl FromStr for Capacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.parse::<Size>()?.bytes as u64;
        if (SIZE_LEAST_BYTES..=SIZE_MOST_BYTES).contains(&bytes) {
            return Ok(Self(bytes));
        }
        let (least, most) = (SIZE_LEAST_BYTES >> 10, SIZE_MOST_BYTES >> 30);
        Err(format!("expected a size from {least}KiB to {most}GiB, got `{text}`"))
    }
}

impl Load {
    pub fn run(self) -> Outcome {
        let place = super::place(&self.name)?;
        // Without leave to make it there is no need to read anything if it is not there.
        let opened = match self.create {
            None => Some(open(&self.name)?),
            // What is wrong with one that is there is told when it is opened for the load.
            Some(_) => Dictionary::open_in(&*place, &Options::default()).ok(),
        };
        let capacity_bytes = opened.as_ref().map(Dictionary::capacity_bytes);
        let made_bytes = self.create.map_or(0, |size| size.0);
        let limit_bytes = dump::line_limit_bytes(capacity_bytes.unwrap_or(made_bytes));
        let mut source = Source::open(self.file.as_deref())?;
        source.check(limit_bytes)?;
        let Source { name, file, .. } = source;
        let mut entries = dump::entries(BufReader::new(file), limit_bytes).peekable();
        // A pipe cannot be checked before; its first line can.
        if let Some(Err(error)) = entries.next_if(Result::is_err) {
            return Err(refused(&name, error, 0));
        }
        let dictionary = match (opened, self.create) {
            (Some(dictionary), _) => dictionary,
            (None, size) => make(&*place, size)?,
        };
        let count = load(&dictionary, entries, &name)?;
        if self.json {
            return deliver_json(&json!({ "entries": count }));
        }
        deliver(&format!("{} entries loaded\n", grouped(count)))
    }
}

fn make(place: &dyn Backing, size: Option<Capacity>) -> Result<Dictionary, Failure> {
    let options = size.map_or_else(Options::default, |size| Options::new(size.0));
    let opened = Dictionary::open_or_create_in(place, &options);
    opened.map(|(dictionary, _)| dictionary).map_err(|error| failed(&error))
}

/// Where a dump comes from.
struct Source {
    name: String,
    file: File,
    /// Where it begins in a file that can be read twice.
    start: Option<u64>,
}

impl Source {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let name = path.map_or("standard input".to_owned(), |path| path.display().to_string());
        let (file, start) = Self::find(path).with_context(|| format!("cannot read {name}"))?;
        Ok(Self { name, file, start })
    }

    fn find(path: Option<&Path>) -> io::Result<(File, Option<u64>)> {
        let mut file = match path {
            Some(path) => File::open(path)?,
            None => io::stdin().as_fd().try_clone_to_owned()?.into(),
        };
        let is_file = file.metadata()?.is_file();
        let start = if is_file { Some(file.stream_position()?) } else { None };
        Ok((file, start))
    }

    /// Reads all of a file, and refuses it if a line is no entry.
    fn check(&mut self, limit_bytes: u64) -> Result<(), Failure> {
        let Some(start) = self.start else { return Ok(()) };
        let mut progress = Progress::new("entries checked", 0);
        let checked = dump::check_entries(BufReader::new(&self.file), limit_bytes, || {
            progress.step(1);
            true
        });
        checked.map_err(|error| refused(&self.name, error, 0))?;
        let sought = self.file.seek(SeekFrom::Start(start));
        sought.with_context(|| format!("cannot read {}", self.name))?;
        Ok(())
    }
}

fn load(
    dictionary: &Dictionary,
    entries: impl Iterator<Item = Result<(u64, Entry), DumpError>>,
    name: &str,
) -> Result<u64, Failure> {
    let mut progress = Progress::new("loaded", 0);
    let mut loaded = 0;
    let stored = dump::store_entries(dictionary, entries, |_| {
        loaded += 1;
        progress.step(1);
        true
    });
    stored.map_err(|error| refused(name, error, loaded))
}

/// Why a load ended, where, and how much of it is there.
fn refused(name: &str, error: DumpError, loaded: u64) -> Failure {
    let loaded = dump::tell_loaded(loaded);
    match error {
        DumpError::Line { number, reason } => {
            Failure::new(format!("{name}:{number}: {reason}")).hint(loaded)
        }
        DumpError::Refused { number, error } => {
            hinted(Failure::new(format!("{name}:{number}: {error}; {loaded}")), &error)
        }
        error => Failure::new(format!("cannot read {name}: {error}")).hint(loaded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_no_dictionary_has_are_refused_with_those_that_one_can_have() {
        assert_eq!("64k".parse(), Ok(Capacity(65536)));
        assert_eq!("64GiB".parse(), Ok(Capacity(64 << 30)));
        for text in ["0", "4095", "65g"] {
            let error = text.parse::<Capacity>().unwrap_err();
            assert_eq!(error, format!("expected a size from 4KiB to 64GiB, got `{text}`"));
        }
        assert!("many".parse::<Capacity>().unwrap_err().contains("16MiB"));
    }
}
