//! `moonhive shm ls` and `stat`: what there is, and its figures.

use std::fmt::Write;

use clap::Args;
use moonhive_shm::{Cursor, Description, Dictionary, Statistics, Usage, list};
use serde_json::{Map, Value, json};

use super::progress::Progress;
use super::{deliver, deliver_json, failed, open};
use crate::cli::Outcome;
use crate::cli::failure::Failure;
use crate::cli::stats::{bytes, grouped};

const LS_EXAMPLES: &str = "\
Examples:
  moonhive shm ls
  moonhive shm ls --json | jq '.[].name'";

/// List the dictionaries on this machine
#[derive(Debug, Args)]
#[command(after_help = LS_EXAMPLES)]
pub struct Ls {
    /// Print a JSON array instead of a table for people
    #[arg(long)]
    json: bool,
}

impl Ls {
    pub fn run(self) -> Outcome {
        let objects = list().map_err(|error| failed(&error))?;
        if self.json {
            return deliver_json(&objects.iter().map(object_of).collect());
        }
        if objects.is_empty() {
            return deliver("no dictionaries\n");
        }
        let mut text = row(["NAME", "SIZE", "USED", "ENTRIES", "USER", "MODE", "IN USE", "STATE"]);
        for object in &objects {
            text += &row(cells(object).each_ref().map(String::as_str));
        }
        deliver(&text)
    }
}

fn row(cells: [&str; 8]) -> String {
    let [name, size, used, entries, user, mode, attached, state] = cells;
    format!(
        "{name:<24} {size:>10} {used:>10} {entries:>11} {user:>6} {mode:>5} {attached:>6}  {state}\n"
    )
}

/// Figures of an object that can be opened.
fn statistics_of(object: &Description) -> Option<Statistics> {
    object.header.as_ref().ok()?;
    open(object.name.as_str()).ok().map(|dictionary| dictionary.statistics())
}

fn cells(object: &Description) -> [String; 8] {
    let statistics = statistics_of(object);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        object.name.as_str().to_owned(),
        bytes(object.size_bytes),
        or_dash(statistics.as_ref().map(|statistics| bytes(statistics.used_bytes))),
        or_dash(statistics.as_ref().map(|statistics| grouped(statistics.entries))),
        object.user.to_string(),
        format!("{:04o}", object.mode),
        or_dash(object.attached.map(|is| if is { "yes" } else { "no" }.to_owned())),
        object.header.as_ref().map_or_else(ToString::to_string, |_| "ready".to_owned()),
    ]
}

fn object_of(object: &Description) -> Value {
    let header = object.header.as_ref().ok();
    let statistics = statistics_of(object);
    json!({
        "name": object.name.as_str(),
        "size_bytes": object.size_bytes,
        "used_bytes": statistics.as_ref().map(|statistics| statistics.used_bytes),
        "entries": statistics.as_ref().map(|statistics| statistics.entries),
        "user": object.user,
        "group": object.group,
        "mode": format!("{:04o}", object.mode),
        "attached": object.attached,
        "creator_pid": header.map(|header| header.creator_pid),
        "created": header.map(|header| header.created_s),
        "error": object.header.as_ref().err().map(ToString::to_string),
    })
}

const STAT_EXAMPLES: &str = "\
Examples:
  moonhive shm stat sessions
  moonhive shm stat sessions --json | jq .hits
  moonhive shm stat sessions --deep          also what the bytes hold";

/// Show the figures of a dictionary
#[derive(Debug, Args)]
#[command(after_help = STAT_EXAMPLES)]
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
        let deep = usage.map(|usage| deep_figures(&usage));
        let figures = figures(&statistics).into_iter().chain(deep.into_iter().flatten());
        if self.json {
            let mut object = Map::new();
            object.insert("name".to_owned(), self.name.into());
            object.insert("creator_pid".to_owned(), header.creator_pid.into());
            object.insert("created".to_owned(), header.created_s.into());
            object.extend(figures.map(|(name, figure)| (name.to_owned(), figure.into())));
            return deliver_json(&Value::Object(object));
        }
        let mut text = String::new();
        for (name, figure) in figures {
            let (label, value) = match name.strip_suffix("_bytes") {
                Some(label) => (label, bytes(figure)),
                None => (name, grouped(figure)),
            };
            writeln!(text, "{:<14} {value}", label.replace('_', " "))?;
        }
        writeln!(text, "{:<14} by process {}", "made", header.creator_pid)?;
        deliver(&text)
    }
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

fn deep_figures(usage: &Usage) -> [(&'static str, u64); 9] {
    [
        ("values", usage.values),
        ("lists", usage.lists),
        ("overdue", usage.overdue),
        ("key_bytes", usage.key_bytes),
        ("value_bytes", usage.value_bytes),
        ("overhead_bytes", usage.overhead_bytes),
        ("live_bytes", usage.live_bytes),
        ("overdue_bytes", usage.overdue_bytes),
        ("element_bytes", usage.element_bytes),
    ]
}

fn figures(statistics: &Statistics) -> [(&'static str, u64); 15] {
    [
        ("entries", statistics.entries),
        ("elements", statistics.elements),
        ("capacity_bytes", statistics.capacity_bytes),
        ("used_bytes", statistics.used_bytes),
        ("free_bytes", statistics.free_bytes),
        ("segment_bytes", statistics.segment_bytes),
        ("shards", statistics.shards.into()),
        ("hits", statistics.hits),
        ("misses", statistics.misses),
        ("writes", statistics.writes),
        ("refusals", statistics.refusals),
        ("evictions", statistics.evictions),
        ("expiries", statistics.expiries),
        ("lock_waits", statistics.lock_waits),
        ("repairs", statistics.repairs),
    ]
}
