//! `moonhive shm stat`: the figures of one dictionary.

use std::fmt::Write;

use clap::Args;
use moonhive_shm::{Cursor, Dictionary, Usage};
use serde_json::{Map, Value};

use super::progress::Progress;
use super::{deliver, deliver_json, failed, open, size_text};
use crate::cli::Outcome;
use crate::cli::failure::Failure;
use crate::cli::stats::grouped;

const EXAMPLES: &str = "\
Examples:
  moonhive shm stat sessions
  moonhive shm stat sessions --json | jq .hits
  moonhive shm stat sessions --deep          also what the bytes hold";

/// Show the figures of a dictionary
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Stat {
    /// Its name
    name: String,

    /// Walk through all entries, too, and tell what the bytes hold
    #[arg(long)]
    deep: bool,

    /// Print one JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

impl Stat {
    pub fn run(self) -> Outcome {
        let dictionary = open(&self.name)?;
        let usage = if self.deep { Some(measure(&dictionary)?) } else { None };
        let (statistics, header) = (dictionary.statistics(), dictionary.header());
        let deep = usage.map(|usage| usage.figures());
        if self.json {
            let figures = statistics.figures().into_iter().chain(deep.into_iter().flatten());
            let mut object = Map::new();
            object.insert("name".to_owned(), self.name.into());
            object.insert("creator_pid".to_owned(), header.creator_pid.into());
            object.insert("created".to_owned(), header.created_s.into());
            object.extend(figures.map(|(name, figure)| (name.to_owned(), figure.into())));
            return deliver_json(&Value::Object(object));
        }
        let mut text = String::new();
        for (name, figure) in statistics.figures() {
            let label = name.strip_suffix("_bytes").unwrap_or(name);
            writeln!(text, "{:<14} {}", label.replace('_', " "), value_text(name, figure))?;
        }
        for (name, figure) in deep.into_iter().flatten() {
            // Some of these are there as a number and in bytes.
            writeln!(text, "{:<14} {}", name.replace('_', " "), value_text(name, figure))?;
        }
        writeln!(text, "{:<14} by process {}", "made", header.creator_pid)?;
        deliver(&text)
    }
}

/// A figure with its unit.
fn value_text(name: &str, figure: u64) -> String {
    if name.ends_with("_bytes") { size_text(figure) } else { grouped(figure) }
}

/// Buckets that one step of a walk covers.
const STEP_BUCKETS: u64 = 1024;

fn measure(dictionary: &Dictionary) -> Result<Usage, Failure> {
    let (mut usage, mut next) = (Usage::default(), Some(Cursor::default()));
    let mut progress = Progress::new("entries measured", dictionary.statistics().entries);
    while let Some(cursor) = next {
        let before = usage.values + usage.lists;
        let step = dictionary.measure(cursor, STEP_BUCKETS, &mut usage);
        next = step.map_err(|error| failed(&error))?;
        progress.step(usage.values + usage.lists - before);
    }
    Ok(usage)
}
