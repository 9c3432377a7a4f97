//! `moonhive shm ls`: what there is on this machine, who has it open, and what room is left.

use std::fmt::Write as _;
use std::fs;

use clap::Args;
use moonhive_shm::segment::header::LAYOUT_VERSION;
use moonhive_shm::{Description, Dictionary, Error, Limits, Options, Statistics};
use serde_json::{Value, json};

use super::processes::{Attached, Maps};
use super::{deliver, deliver_json, failed, size_text};
use crate::cli::Outcome;
use crate::cli::stats::grouped;

/// From this part on something is nearly full.
const NEARLY_FULL_PERCENT: u64 = 90;

/// Processes that a row names.
const SHOWN_PIDS: usize = 4;

const EXAMPLES: &str = "\
Examples:
  moonhive shm ls
  moonhive shm ls --json | jq -r '.dictionaries[] | select(.health == \"stale\") | .name'
  moonhive shm ls --json | jq .limits

HEALTH is what opening tells, `check` looks inside:
  ready          well, and some process has it open
  stale          well, but no process has it open
  other-version  made by a build with another layout
  foreign        made for another machine, another start of it, or another container
  damaged        the header, or what follows from it, does not hold
  unreadable     this user may not open it

PROCESSES are those whose memory maps name the dictionary. A question mark says that there may be
others: processes of other users, or in another container.

USED is what entries take of the size that was asked for, VERSION that of the layout.";

/// List the dictionaries on this machine, and the limits of shared memory
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Ls {
    /// Print a JSON object instead of a table for people
    #[arg(long)]
    json: bool,
}

impl Ls {
    pub fn run(self) -> Outcome {
        let objects = moonhive_shm::list().map_err(|error| failed(&error))?;
        let limits = moonhive_shm::limits().map_err(|error| failed(&error))?;
        let maps = Maps::read();
        let found: Vec<Found> =
            objects.into_iter().filter_map(|object| Found::look(object, &maps)).collect();
        if self.json {
            let spelled: Value = found.iter().map(Found::spell).collect();
            return deliver_json(&json!({ "dictionaries": spelled, "limits": spell(&limits) }));
        }
        deliver(&(table(&found) + &notes(&found) + &tell(&limits)))
    }
}

/// An object, and what opening it tells.
struct Found {
    object: Description,
    attached: Attached,
    statistics: Result<Statistics, Error>,
}

impl Found {
    /// Opens the object; `None` if it has gone since it was listed.
    fn look(object: Description, maps: &Maps) -> Option<Self> {
        let attached = maps.of(&object);
        let opened = match &object.header {
            Ok(_) => Dictionary::open(object.name.as_str(), &Options::default()),
            Err(error) => Err(error.clone()),
        };
        match opened {
            Err(Error::NoSuchObject { .. }) => None,
            opened => {
                let statistics = opened.map(|dictionary| dictionary.statistics());
                Some(Self { object, attached, statistics })
            }
        }
    }

    fn health(&self) -> &'static str {
        match &self.statistics {
            Ok(_) if self.object.attached == Some(false) => "stale",
            Ok(_) => "ready",
            Err(Error::WrongVersion { .. }) => "other-version",
            Err(error) if is_foreign(error) => "foreign",
            Err(Error::System { .. }) => "unreadable",
            Err(_) => "damaged",
        }
    }

    /// The version of its layout, where that can be told.
    fn layout_version(&self) -> Option<u32> {
        match &self.statistics {
            Err(Error::WrongVersion { found, .. }) => Some(*found),
            // The version is compared before these are.
            Err(Error::WrongBoot | Error::WrongPidNamespace { .. }) | Ok(_) => Some(LAYOUT_VERSION),
            Err(_) => None,
        }
    }

    fn kind(&self) -> Option<&'static str> {
        let is_known = matches!(
            &self.statistics,
            Ok(_) | Err(Error::WrongBoot | Error::WrongPidNamespace { .. })
        );
        is_known.then_some("dictionary")
    }

    /// How much of its capacity is taken.
    fn used_percent(&self) -> Option<u64> {
        let statistics = self.statistics.as_ref().ok()?;
        percent(statistics.used_bytes, statistics.capacity_bytes)
    }

    fn is_nearly_full(&self) -> bool {
        self.used_percent().is_some_and(|percent| percent >= NEARLY_FULL_PERCENT)
    }

    fn spell(&self) -> Value {
        let (object, statistics) = (&self.object, self.statistics.as_ref().ok());
        let header = object.header.as_ref().ok();
        json!({
            "name": object.name.as_str(),
            "kind": self.kind(),
            "health": self.health(),
            "layout_version": self.layout_version(),
            "size_bytes": object.size_bytes,
            "capacity_bytes": statistics.map(|statistics| statistics.capacity_bytes),
            "used_bytes": statistics.map(|statistics| statistics.used_bytes),
            "nearly_full": self.is_nearly_full(),
            "entries": statistics.map(|statistics| statistics.entries),
            "user": object.user,
            "owner": owner(object.user),
            "group": object.group,
            "mode": format!("{:04o}", object.mode),
            "attached": object.attached,
            "processes": self.attached.pids,
            "processes_are_all": self.attached.is_all,
            "creator_pid": header.map(|header| header.creator_pid),
            "created": header.map(|header| header.created_s),
            "error": self.statistics.as_ref().err().map(ToString::to_string),
        })
    }

    fn cells(&self) -> [String; COLUMNS] {
        let (object, statistics) = (&self.object, self.statistics.as_ref().ok());
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let used = statistics.zip(self.used_percent()).map(|(statistics, percent)| {
            format!("{} ({percent} %)", size_text(statistics.used_bytes))
        });
        [
            object.name.as_str().to_owned(),
            or_dash(self.kind().map(str::to_owned)),
            size_text(object.size_bytes),
            or_dash(used),
            or_dash(statistics.map(|statistics| grouped(statistics.entries))),
            owner(object.user).unwrap_or_else(|| object.user.to_string()),
            format!("{:04o}", object.mode),
            or_dash(self.layout_version().map(|version| version.to_string())),
            self.health().to_owned(),
            processes(&self.attached),
        ]
    }
}

/// True for what a program elsewhere could use.
fn is_foreign(error: &Error) -> bool {
    matches!(
        error,
        Error::WrongMachine { .. }
            | Error::WrongPidNamespace { .. }
            | Error::WrongBoot
            | Error::UnknownFeatures { .. }
    )
}

fn percent(part: u64, whole: u64) -> Option<u64> {
    let percent = (u128::from(part) * 100).checked_div(u128::from(whole))?;
    u64::try_from(percent).ok()
}

fn processes(attached: &Attached) -> String {
    let mut words: Vec<String> =
        attached.pids.iter().take(SHOWN_PIDS).map(ToString::to_string).collect();
    let others = attached.pids.len().saturating_sub(SHOWN_PIDS);
    if others > 0 {
        words.push(format!("+{others}"));
    }
    if !attached.is_all {
        words.push("?".to_owned());
    }
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

/// The name of a user, where the machine's own list has it.
fn owner(user: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    })
}

const COLUMNS: usize = 10;

const HEADINGS: [&str; COLUMNS] =
    ["NAME", "KIND", "SIZE", "USED", "ENTRIES", "OWNER", "MODE", "VERSION", "HEALTH", "PROCESSES"];

/// Columns of numbers, which end below each other.
const NUMBERS: [bool; COLUMNS] = [false, false, true, true, true, false, false, true, false, false];

fn table(found: &[Found]) -> String {
    if found.is_empty() {
        return "no dictionaries\n".to_owned();
    }
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(found.iter().map(Found::cells));
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let mut line = String::new();
    for ((cell, width), is_number) in row.iter().zip(widths).zip(NUMBERS) {
        // A string takes whatever is written to it.
        let _ = match is_number {
            true => write!(line, "{cell:>width$}  "),
            false => write!(line, "{cell:<width$}  "),
        };
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// A line for each object that cannot be used, or is nearly full.
fn notes(found: &[Found]) -> String {
    let mut text = String::new();
    for found in found {
        let name = found.object.name.as_str();
        if let Err(error) = &found.statistics {
            text += &format!("{name}: {error}\n");
        }
        if let Some(percent) = found.used_percent().filter(|_| found.is_nearly_full()) {
            text += &format!(
                "warning: {name} is {percent} % full: stores throw the least recently used entries \
                 out, or fail where they must not\n"
            );
        }
    }
    text
}

/// How much of the shared memory is used.
fn used_percent(limits: &Limits) -> Option<u64> {
    let left_bytes = limits.left_bytes?;
    percent(limits.used_bytes, limits.used_bytes.saturating_add(left_bytes))
}

fn is_nearly_full(limits: &Limits) -> bool {
    used_percent(limits).is_some_and(|percent| percent >= NEARLY_FULL_PERCENT)
}

fn spell(limits: &Limits) -> Value {
    json!({
        "place": limits.place,
        "size_bytes": limits.size_bytes,
        "used_bytes": limits.used_bytes,
        "left_bytes": limits.left_bytes,
        "nearly_full": is_nearly_full(limits),
    })
}

fn tell(limits: &Limits) -> String {
    let (place, used) = (limits.place, size_text(limits.used_bytes));
    let (Some(size_bytes), Some(left_bytes), Some(percent)) =
        (limits.size_bytes, limits.left_bytes, used_percent(limits))
    else {
        return format!("{place}: {used} used, no limit\n");
    };
    let (size, left) = (size_text(size_bytes), size_text(left_bytes));
    let mut text = format!("{place}: {used} of {size} used ({percent} %), {left} left\n");
    if is_nearly_full(limits) {
        text += &format!(
            "warning: {place} is {percent} % full: a dictionary that takes more than {left} cannot be \
             made\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn limits(used_bytes: u64, left_bytes: u64) -> Limits {
        let size_bytes = Some(used_bytes + left_bytes);
        Limits { place: "/dev/shm", size_bytes, used_bytes, left_bytes: Some(left_bytes) }
    }

    #[test]
    fn shared_memory_that_is_nearly_full_is_warned_of() {
        let roomy = "/dev/shm: 57.0 MiB of 64.0 MiB used (89 %), 7.0 MiB left\n";
        assert_eq!(tell(&limits(57 * MIB, 7 * MIB)), roomy);
        assert_eq!(spell(&limits(57 * MIB, 7 * MIB))["nearly_full"], false);
        let full = tell(&limits(60 * MIB, 4 * MIB));
        assert!(full.contains("warning: /dev/shm is 93 % full") && full.contains("4.0 MiB cannot"));
        assert_eq!(spell(&limits(60 * MIB, 4 * MIB))["nearly_full"], true);
        let endless = Limits { size_bytes: None, left_bytes: None, ..limits(MIB, 0) };
        assert_eq!(tell(&endless), "/dev/shm: 1.0 MiB used, no limit\n");
    }

    fn found(name: &str, fill: impl FnOnce(&Dictionary)) -> Found {
        let name = format!("unit-{}-{name}", std::process::id());
        let dictionary = Dictionary::create(&name, &Options::new(64 << 10)).unwrap();
        fill(&dictionary);
        let objects = moonhive_shm::list().unwrap();
        let object = objects.into_iter().find(|object| object.name.as_str() == name).unwrap();
        let found = Found::look(object, &Maps::default()).unwrap();
        Dictionary::unlink(&name).unwrap();
        found
    }

    #[test]
    fn a_dictionary_that_is_nearly_full_is_warned_of() {
        let full = found("full", |dictionary| {
            let value = vec![0; 1000];
            let options = moonhive_shm::SetOptions::default().never_evict();
            for number in 0.. {
                let stored =
                    dictionary.set(format!("key{number}"), value.as_slice().into(), options);
                if stored.is_err() {
                    break;
                }
            }
        });
        assert!(full.is_nearly_full() && full.spell()["nearly_full"] == true);
        let notes = notes(&[full]);
        assert!(notes.starts_with("warning: unit-") && notes.contains(" % full"), "{notes}");
    }

    #[test]
    fn health_is_one_word_for_each_reason_that_opening_has() {
        let mut found = found("health", |_| ());
        assert_eq!((found.health(), found.layout_version()), ("ready", Some(LAYOUT_VERSION)));
        found.object.attached = Some(false);
        assert_eq!(found.health(), "stale");
        let mut health_of = |error| {
            found.statistics = Err(error);
            (found.health(), found.layout_version(), found.kind())
        };
        let version = Error::WrongVersion { found: 2, known: 3 };
        assert_eq!(health_of(version), ("other-version", Some(2), None));
        let ours = Some(LAYOUT_VERSION);
        assert_eq!(health_of(Error::WrongBoot), ("foreign", ours, Some("dictionary")));
        assert_eq!(health_of(Error::WrongMagic { found: 7 }), ("damaged", None, None));
        let errno = rustix::io::Errno::ACCESS;
        let denied = Error::System { act: "open", name: "x".to_owned(), errno };
        assert_eq!(health_of(denied), ("unreadable", None, None));
        assert!(notes(&[found]).contains("cannot open \"x\""));
    }

    #[test]
    fn processes_are_named_counted_and_admitted_to_be_unknown() {
        let cell = |pids: &[u32], is_all| processes(&Attached { pids: pids.to_vec(), is_all });
        assert_eq!(cell(&[], true), "none");
        assert_eq!(cell(&[], false), "?");
        assert_eq!(cell(&[7, 8], true), "7 8");
        assert_eq!(cell(&[1, 2, 3, 4, 5, 6], false), "1 2 3 4 +2 ?");
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let found = found("columns", |_| ());
        let table = table(&[found]);
        let lines: Vec<&str> = table.lines().collect();
        let [heading, row] = lines[..] else { panic!("{table}") };
        assert_eq!(heading.find("KIND"), row.find("dictionary"));
        assert_eq!(heading.find("HEALTH"), row.find("ready"));
        assert!(row.contains("root") || row.contains("0600"), "{row}");
    }
}
