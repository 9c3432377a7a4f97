//! `moonhive shm dump` and `load`: whole dictionaries as lines of JSON, spelled as `moonhive::api::dump` says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use moonhive::api::dump::{self, DumpError};
use moonhive_shm::{Dictionary, Options};

use super::progress::Progress;
use super::{failed, open};
use crate::cli::Outcome;
use crate::cli::failure::Failure;
use crate::cli::stats::grouped;
use crate::cli::values::Size;

const DUMP_EXAMPLES: &str = "\
Examples:
  moonhive shm dump sessions > sessions.jsonl
  moonhive shm dump sessions --output sessions.jsonl

Each line is a JSON object: key, type (string, integer, double, boolean, nil, table or list), value or
elements, and flags and ttl_ms where they are not zero. Bytes that are no UTF-8 stand in hexadecimal
in key_hex and value_hex. What others change meanwhile is dumped as it is when its turn comes.";

/// Write all entries as lines of JSON
#[derive(Debug, Args)]
#[command(after_help = DUMP_EXAMPLES)]
pub struct Dump {
    /// The dictionary
    name: String,

    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Dump {
    pub fn run(self) -> Outcome {
        let dictionary = open(&self.name)?;
        match &self.output {
            None => dump(&dictionary, io::stdout().lock()),
            Some(path) => {
                let place = || format!("cannot write {}", path.display());
                dump(&dictionary, File::create(path).with_context(place)?)
            }
        }
    }
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
    create: Option<Size>,
}

impl Load {
    pub fn run(self) -> Outcome {
        let dictionary = match self.create {
            None => open(&self.name)?,
            Some(size) => {
                let options = Options::new(size.bytes as u64);
                let opened = Dictionary::open_or_create_in(&*super::place(&self.name)?, &options);
                opened.map_err(|error| failed(&error))?.0
            }
        };
        let count = match &self.file {
            None => load(&dictionary, io::stdin().lock(), "standard input")?,
            Some(path) => {
                let name = path.display().to_string();
                let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
                load(&dictionary, BufReader::new(file), &name)?
            }
        };
        super::deliver(&format!("{} entries loaded\n", grouped(count)))
    }
}

fn load(dictionary: &Dictionary, lines: impl BufRead, name: &str) -> Result<u64, Failure> {
    let mut progress = Progress::new("loaded", 0);
    let read = dump::read_entries(dictionary, lines, |_| {
        progress.step(1);
        true
    });
    read.map_err(|error| match error {
        DumpError::Line { number, reason } => Failure::new(format!("{name}:{number}: {reason}")),
        DumpError::Refused { number, error } => Failure::new(format!("{name}:{number}: {error}")),
        error => Failure::new(format!("cannot read {name}: {error}")),
    })
}
