//! `moonhive shm dump` and `load`: whole dictionaries as lines of JSON, spelled as `form` says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use moonhive_shm::{Cursor, Dictionary, Error, Options, Remaining, SetOptions, Side};
use serde_json::{Map, Value as Json};

use super::progress::Progress;
use super::{failed, form, open};
use crate::cli::Outcome;
use crate::cli::failure::Failure;
use crate::cli::stats::grouped;
use crate::cli::values::Size;

/// Keys that one step of a dump asks for.
const STEP_KEYS: usize = 256;

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
    let mut out = BufWriter::new(out);
    let mut progress = Progress::new("dumped", dictionary.statistics().entries);
    let mut next = Some(Cursor::default());
    while let Some(cursor) = next {
        let step = dictionary.items(cursor, STEP_KEYS);
        let (items, then) = step.map_err(|error| failed(&error))?;
        for item in &items {
            let object = object_of(dictionary, &item.key).map_err(|error| failed(&error))?;
            if let Some(object) = object {
                writeln!(out, "{}", Json::Object(object)).context("cannot write")?;
                progress.step(1);
            }
        }
        next = then;
    }
    out.flush().context("cannot write")?;
    Ok(ExitCode::SUCCESS)
}

/// An entry as a dump spells it; `None` if there is none.
pub fn object_of(dictionary: &Dictionary, key: &[u8]) -> Result<Option<Map<String, Json>>, Error> {
    let mut object = Map::new();
    form::put_bytes(&mut object, "key", key);
    match dictionary.get(key) {
        Ok(None) => return Ok(None),
        Ok(Some(entry)) => {
            form::put_value(&mut object, &entry.value.as_value());
            if entry.flags != 0 {
                object.insert("flags".to_owned(), entry.flags.into());
            }
        }
        Err(Error::ValueIsList) => {
            object.insert("type".to_owned(), "list".into());
            object.insert("elements".to_owned(), elements_of(dictionary, key)?);
        }
        Err(error) => return Err(error),
    }
    if let Ok(Remaining::Us(left_us)) = dictionary.ttl(key) {
        object.insert("ttl_ms".to_owned(), left_us.div_ceil(1000).into());
    }
    Ok(Some(object))
}

fn elements_of(dictionary: &Dictionary, key: &[u8]) -> Result<Json, Error> {
    let elements = dictionary.range(key, 0, -1)?;
    let spelled = elements.iter().map(|element| {
        let mut object = Map::new();
        form::put_value(&mut object, &element.as_value());
        Json::Object(object)
    });
    Ok(spelled.collect())
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
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let stored = store(dictionary, &line);
        stored.map_err(|reason| Failure::new(format!("{name}:{number}: {reason}")))?;
        progress.step(1);
    }
    Ok(progress.done())
}

/// Stores the entry of a line.
fn store(dictionary: &Dictionary, line: &str) -> Result<(), String> {
    let object: Map<String, Json> = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let key = form::take_bytes(&object, "key")?;
    let number = |name: &str| object.get(name).and_then(Json::as_u64).unwrap_or(0);
    let flags = u32::try_from(number("flags")).unwrap_or(0);
    let options = SetOptions::default().never_evict().ttl_ms(number("ttl_ms")).flags(flags);
    let spelled = |error: Error| error.to_string();
    let Some(elements) = object.get("elements").and_then(Json::as_array) else {
        let value = form::take_value(&object)?;
        return dictionary.set(&key, value.as_value(), options).map(|_| ()).map_err(spelled);
    };
    dictionary.delete(&key).map_err(spelled)?;
    for element in elements {
        let element = element.as_object().ok_or("an element is no object")?;
        let value = form::take_value(element)?;
        dictionary.push(&key, value.as_value(), Side::Right, options).map_err(spelled)?;
    }
    Ok(())
}
