//! `moonhive shm get`, `set` and `keys`: single entries.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use moonhive::api::dump::{DumpError, form, list_of, object_of};
use moonhive_shm::{Cursor, Dictionary, Error, OwnedValue, SetOptions};
use serde_json::{Map, Value as Json, json};

use super::words::{Hex, Show, json_line, key_of, quoted};
use super::{deliver_json, failed, open};
use crate::cli::Outcome;
use crate::cli::failure::{Failure, USAGE};
use crate::cli::values::Span;

/// Keys that one step asks for.
const STEP_KEYS: usize = 1024;

const GET_EXAMPLES: &str = "\
Examples:
  moonhive shm get sessions user:1
  moonhive shm get sessions user:1 --json   with type, flags and time to live
  moonhive shm get sessions --key-hex 00ff  as `keys --json` prints keys that are no text

A terminal is shown control characters as \\x1b; programs, and --raw, get the value as it is.";

const GET_USAGE: &str = "\
moonhive shm get [OPTIONS] <NAME> <KEY>
       moonhive shm get [OPTIONS] <NAME> --key-hex <HEX>";

/// Print the value of a key
#[derive(Debug, Args)]
#[command(after_help = GET_EXAMPLES, override_usage = GET_USAGE)]
pub struct Get {
    /// The dictionary
    name: String,

    /// The key
    #[arg(required_unless_present = "key_hex")]
    key: Option<OsString>,

    /// The key in hexadecimal, in the place of KEY
    #[arg(long, value_name = "HEX", conflicts_with = "key")]
    key_hex: Option<Hex>,

    /// Print one JSON object, as a dump does
    #[arg(long)]
    json: bool,

    /// Print the value as it is, on a terminal too
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

impl Get {
    pub fn run(self) -> Outcome {
        let key = key_of(self.key, self.key_hex);
        let dictionary = open(&self.name)?;
        let object = object_of(&dictionary, &key).map_err(refused)?;
        let Some(object) = object else {
            return Err(Failure::new(format!("no entry has the key {}", quoted(&key))));
        };
        let mut out = io::stdout().lock();
        let text = if self.json {
            json_line(&Json::Object(object))
        } else {
            let text = text_of(&dictionary, &key).map_err(refused)?;
            let mut text = Show::on_output(self.raw, Show::Value).bytes(&text);
            text.push(b'\n');
            text
        };
        out.write_all(&text).and_then(|()| out.flush()).context("cannot write")?;
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
  moonhive shm set sessions user:1 ada --ttl 30m --flags 2
  moonhive shm set sessions --key-hex 00ff ada";

const SET_USAGE: &str = "\
moonhive shm set [OPTIONS] <NAME> <KEY> <VALUE>
       moonhive shm set [OPTIONS] <NAME> --key-hex <HEX> <VALUE>";

/// Store a value
#[derive(Debug, Args)]
#[command(after_help = SET_EXAMPLES, override_usage = SET_USAGE)]
pub struct Set {
    /// The dictionary
    name: String,

    /// The key; with --key-hex the value
    #[arg(required = true, value_name = "KEY")]
    first: Option<OsString>,

    /// The value
    #[arg(
        allow_hyphen_values = true,
        value_name = "VALUE",
        required_unless_present = "key_hex",
        conflicts_with = "key_hex"
    )]
    second: Option<OsString>,

    /// The key in hexadecimal, in the place of KEY
    #[arg(long, value_name = "HEX")]
    key_hex: Option<Hex>,

    /// What the value is
    #[arg(long = "type", value_enum, default_value = "string")]
    kind: Type,

    /// How long it lives, like 250ms, 2s or 1h; 0s is for ever, as if it was not given
    #[arg(long, value_name = "TIME")]
    ttl: Option<Span>,

    /// A number to keep beside the value
    #[arg(long, value_name = "N", default_value_t = 0)]
    flags: u32,

    /// Print a JSON object: the version, and whether others were thrown out
    #[arg(long)]
    json: bool,
}

impl Set {
    pub fn run(mut self) -> Outcome {
        let (key, word) = match self.key_hex.take() {
            Some(hex) => (key_of(None, Some(hex)), self.first.take()),
            None => (key_of(self.first.take(), None), self.second.take()),
        };
        let value = self.value(word.unwrap_or_default())?;
        let ttl_ms = self.ttl.map_or(0, ttl_ms);
        let options = SetOptions::default().flags(self.flags).ttl_ms(ttl_ms);
        let dictionary = open(&self.name)?;
        let stored = dictionary.set(&key, value.as_value(), options);
        let stored = stored.map_err(|error| failed(&error))?;
        if self.json {
            let (version, forcible) = (stored.version, stored.forcible);
            return deliver_json(&json!({ "version": version, "forcible": forcible }));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn value(&self, word: OsString) -> Result<OwnedValue, Failure> {
        let text = word.to_str();
        let value = match self.kind {
            Type::String => return Ok(OwnedValue::Bytes(word.into_vec())),
            Type::Integer => text.and_then(|text| text.parse().ok()).map(OwnedValue::Integer),
            Type::Double => text.map(double).transpose()?.flatten().map(OwnedValue::Double),
            Type::Boolean => text.and_then(|text| text.parse().ok()).map(OwnedValue::Boolean),
        };
        value.ok_or_else(|| {
            let kind = self.kind.to_possible_value().map(|kind| kind.get_name().to_owned());
            let kind = kind.unwrap_or_default();
            Failure::new(format!("`{}` is no {kind}", word.display())).exit_code(USAGE)
        })
    }
}

/// Reads a double. Infinity has a word of its own: no number becomes it.
fn double(text: &str) -> Result<Option<f64>, Failure> {
    match text.parse::<f64>() {
        Ok(number) if number.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
            let reason = format!("`{text}` is more than a double can be (about {:e})", f64::MAX);
            Err(Failure::new(reason).exit_code(USAGE).hint("`inf` and `-inf` are infinity"))
        }
        read => Ok(read.ok()),
    }
}

/// Milliseconds as a dictionary counts them: 0 is for ever, and less than one of them must not
/// become that.
fn ttl_ms(ttl: Span) -> u64 {
    if ttl.0.is_zero() { 0 } else { ttl.0.as_millis().max(1) as u64 }
}

const KEYS_EXAMPLES: &str = "\
Examples:
  moonhive shm keys sessions
  moonhive shm keys sessions --prefix user: --limit 20
  moonhive shm keys sessions --json | jq -r '.key // .key_hex'

A terminal is shown what is no plain text of a key as \\n, \\x1b or \\xff, and a backslash twice;
programs, and --raw, get keys as they are. Keys can hold ends of lines: --json tells them apart.";

/// List keys, in no order
#[derive(Debug, Args)]
#[command(after_help = KEYS_EXAMPLES)]
pub struct Keys {
    /// The dictionary
    name: String,

    /// Only keys that begin with this
    #[arg(long, default_value = "")]
    prefix: OsString,

    /// No more than this many
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,

    /// Print a JSON object on each line: `key`, or `key_hex` of what is no UTF-8
    #[arg(long)]
    json: bool,

    /// Print keys as they are, on a terminal too
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

impl Keys {
    pub fn run(self) -> Outcome {
        let show = Show::on_output(self.raw, Show::Key);
        let dictionary = open(&self.name)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut left = self.limit;
        let mut next = Some(Cursor::default());
        while let Some(cursor) = next.filter(|_| left > 0) {
            let step = dictionary.items_with_prefix(self.prefix.as_bytes(), cursor, STEP_KEYS);
            let (items, then) = step.map_err(|error| failed(&error))?;
            for item in items.iter().take(left) {
                left -= 1;
                out.write_all(&self.line(&item.key, show)).context("cannot write")?;
            }
            next = then;
        }
        out.flush().context("cannot write")?;
        Ok(ExitCode::SUCCESS)
    }

    fn line(&self, key: &[u8], show: Show) -> Vec<u8> {
        if self.json {
            let mut object = Map::new();
            form::put_bytes(&mut object, "key", key);
            return json_line(&Json::Object(object));
        }
        let mut line = show.bytes(key);
        line.push(b'\n');
        line
    }
}
