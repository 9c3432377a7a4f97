//! `moonhive shm get`, `set` and `keys`: single entries.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use moonhive::api::dump::{DumpError, form, list_of, object_of};
use moonhive_shm::{Cursor, Dictionary, Error, OwnedValue, SetOptions};
use serde_json::{Map, Value as Json};

use super::{failed, open};
use crate::cli::Outcome;
use crate::cli::failure::{Failure, USAGE};
use crate::cli::values::Span;

/// Keys that one step asks for.
const STEP_KEYS: usize = 1024;

const GET_EXAMPLES: &str = "\
Examples:
  moonhive shm get sessions user:1
  moonhive shm get sessions user:1 --json   with type, flags and time to live";

/// Print the value of a key
#[derive(Debug, Args)]
#[command(after_help = GET_EXAMPLES)]
pub struct Get {
    /// The dictionary
    name: String,

    /// The key
    key: String,

    /// Print one JSON object, as a dump does
    #[arg(long)]
    json: bool,
}

impl Get {
    pub fn run(self) -> Outcome {
        let dictionary = open(&self.name)?;
        let object = object_of(&dictionary, self.key.as_bytes()).map_err(refused)?;
        let Some(object) = object else {
            return Err(Failure::new(format!("no entry has the key {:?}", self.key)));
        };
        let mut out = io::stdout().lock();
        let text = if self.json {
            Json::Object(object).to_string().into_bytes()
        } else {
            text_of(&dictionary, self.key.as_bytes()).map_err(refused)?
        };
        let written = out.write_all(&text).and_then(|()| out.write_all(b"\n"));
        written.and_then(|()| out.flush()).context("cannot write")?;
        Ok(ExitCode::SUCCESS)
    }
}

fn refused(error: DumpError) -> Failure {
    match error {
        DumpError::Dictionary(error) => failed(&error),
        error => Failure::new(error.to_string()),
    }
}

/// A value for people; of a list a line for each element.
fn text_of(dictionary: &Dictionary, key: &[u8]) -> Result<Vec<u8>, DumpError> {
    match dictionary.get(key) {
        Ok(entry) => {
            Ok(entry.map_or_else(Vec::new, |entry| form::text_of(&entry.value.as_value())))
        }
        Err(Error::ValueIsList) => {
            let elements = list_of(dictionary, key)?;
            let lines = elements.iter().map(|element| form::text_of(&element.as_value()));
            Ok(lines.collect::<Vec<_>>().join(&b'\n'))
        }
        Err(error) => Err(error.into()),
    }
}

/// The types that a word of the command line can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    String,
    Integer,
    Double,
    Boolean,
}

const SET_EXAMPLES: &str = "\
Examples:
  moonhive shm set sessions user:1 ada
  moonhive shm set sessions visits 7 --type integer
  moonhive shm set sessions user:1 ada --ttl 30m --flags 2";

/// Store a value
#[derive(Debug, Args)]
#[command(after_help = SET_EXAMPLES)]
pub struct Set {
    /// The dictionary
    name: String,

    /// The key
    key: String,

    /// The value
    #[arg(allow_hyphen_values = true)]
    value: String,

    /// What the value is
    #[arg(long = "type", value_enum, default_value = "string")]
    kind: Type,

    /// How long it lives, like 250ms, 2s or 1h [default: for ever]
    #[arg(long, value_name = "TIME")]
    ttl: Option<Span>,

    /// A number to keep beside the value
    #[arg(long, value_name = "N", default_value_t = 0)]
    flags: u32,
}

impl Set {
    pub fn run(self) -> Outcome {
        let value = self.value().ok_or_else(|| {
            let kind = self.kind.to_possible_value().map(|kind| kind.get_name().to_owned());
            let kind = kind.unwrap_or_default();
            Failure::new(format!("`{}` is no {kind}", self.value)).exit_code(USAGE)
        })?;
        let ttl_ms = self.ttl.map_or(0, |ttl| ttl.0.as_millis().max(1) as u64);
        let options = SetOptions::default().flags(self.flags).ttl_ms(ttl_ms);
        let dictionary = open(&self.name)?;
        let stored = dictionary.set(&self.key, value.as_value(), options);
        stored.map_err(|error| failed(&error))?;
        Ok(ExitCode::SUCCESS)
    }

    fn value(&self) -> Option<OwnedValue> {
        let text = &self.value;
        match self.kind {
            Type::String => Some(OwnedValue::Bytes(text.as_bytes().to_vec())),
            Type::Integer => text.parse().ok().map(OwnedValue::Integer),
            Type::Double => text.parse().ok().map(OwnedValue::Double),
            Type::Boolean => text.parse().ok().map(OwnedValue::Boolean),
        }
    }
}

const KEYS_EXAMPLES: &str = "\
Examples:
  moonhive shm keys sessions
  moonhive shm keys sessions --prefix user: --limit 20";

/// List keys, in no order
#[derive(Debug, Args)]
#[command(after_help = KEYS_EXAMPLES)]
pub struct Keys {
    /// The dictionary
    name: String,

    /// Only keys that begin with this
    #[arg(long, default_value = "")]
    prefix: String,

    /// No more than this many
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,

    /// Print a JSON object on each line
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub fn run(self) -> Outcome {
        let dictionary = open(&self.name)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut left = self.limit;
        let mut next = Some(Cursor::default());
        while let Some(cursor) = next.filter(|_| left > 0) {
            let step = dictionary.items(cursor, STEP_KEYS);
            let (items, then) = step.map_err(|error| failed(&error))?;
            let wanted = items.iter().filter(|item| item.key.starts_with(self.prefix.as_bytes()));
            for item in wanted.take(left) {
                left -= 1;
                out.write_all(&self.line(&item.key)).context("cannot write")?;
            }
            next = then;
        }
        out.flush().context("cannot write")?;
        Ok(ExitCode::SUCCESS)
    }

    fn line(&self, key: &[u8]) -> Vec<u8> {
        let mut line = if self.json {
            let mut object = Map::new();
            form::put_bytes(&mut object, "key", key);
            Json::Object(object).to_string().into_bytes()
        } else {
            key.to_vec()
        };
        line.push(b'\n');
        line
    }
}
