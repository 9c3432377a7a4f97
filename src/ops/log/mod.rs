//! Log lines on standard error or in a file, for people or as JSON.
//!
//! ```text
//! 2026-11-22T05:01:00.123456Z INFO counter:0000002a started tries=3
//! {"time":"2026-11-22T05:01:00.123456Z","level":"INFO","service":"counter","address":"0000002a","message":"started","tries":3}
//! ```
//!
//! Everything in the host logs through [`tracing`]. An event that concerns a service carries the
//! fields `service` (its name) and `address`; other fields follow the message.
//!
//! A line is written with one call and never split by another, and at once as long as somebody
//! reads it; else it waits in a backlog with a limit (`outlet.rs`). What a file does not take is
//! counted (`file.rs`). A line longer than [`LINE_LIMIT_BYTES`] is cut and says so.

mod file;
mod outlet;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::actor::REPORT;

use file::LogFile;
use outlet::{Outlet, Sink, Stderr};

/// The longest message that is logged whole.
pub const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// Which events are logged, and how: what `--log` takes.
///
/// ```
/// let settings: moonhive::ops::log::LogSettings = "debug,json".parse()?;
/// assert!("loud".parse::<moonhive::ops::log::LogSettings>().is_err());
/// # Ok::<(), moonhive::ops::log::LogError>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogSettings {
    filter: Targets,
    json: bool,
    file: Option<PathBuf>,
}

/// Why there is no log as asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A word of the settings is not a level, `json`, or `target=level`.
    #[error(
        "expected error, warn, info, debug, trace, off, json or target=level, got `{word}` in `{settings}`"
    )]
    Word {
        /// The word that was not understood.
        word: String,
        /// The whole text it was found in.
        settings: String,
    },
    /// The file to log to cannot be opened.
    #[error("cannot open the log file {}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The process has another subscriber of `tracing` already.
    #[error("logging is already set up in this process")]
    AlreadySet,
}

impl Default for LogSettings {
    /// Level `info`, for people.
    fn default() -> Self {
        Self { filter: Targets::new().with_default(LevelFilter::INFO), json: false, file: None }
    }
}

impl FromStr for LogSettings {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        text.split(',').try_fold(Self::default(), |settings, word| {
            settings.with_word(word.trim()).ok_or_else(|| LogError::Word {
                word: word.trim().to_owned(),
                settings: text.to_owned(),
            })
        })
    }
}

impl LogSettings {
    /// Whether each line is a JSON object.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Appends to a file in place of standard error.
    #[must_use]
    pub fn to_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    fn with_word(mut self, word: &str) -> Option<Self> {
        match word.split_once('=') {
            Some((target, level)) => {
                self.filter = self.filter.with_target(target, level_named(level)?);
            }
            None if word == "json" => self.json = true,
            None => self.filter = self.filter.with_default(level_named(word)?),
        }
        Some(self)
    }
}

fn level_named(name: &str) -> Option<LevelFilter> {
    const NAMES: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    NAMES.contains(&name).then(|| name.parse().ok()).flatten()
}

/// Sends the events of this process to standard error from now on.
///
/// # Errors
/// [`LogError::AlreadySet`] if the process has a subscriber already, [`LogError::File`].
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let colour = settings.file.is_none() && io::stderr().is_terminal() && are_colours_wanted();
    let form = Form { json: settings.json, colour };
    let file = settings.file.as_deref().map(|path| LogFile::open(path, form)).transpose()?;
    let sink: Box<dyn Sink> = match &file {
        Some(file) => Box::new(Arc::clone(file)),
        None => Box::new(Stderr),
    };
    let outlet = Outlet::new(sink, if form.json { lost_json } else { lost_human });
    let lines = Lines { form, outlet: Arc::clone(&outlet) };
    tracing_subscriber::registry()
        .with(lines.with_filter(settings.filter.clone().with_target(REPORT, LevelFilter::INFO)))
        .try_init()
        .map_err(|_| LogError::AlreadySet)?;
    // Nobody else gets here: the subscriber is set once.
    let _ = OUTLET.set(outlet);
    if let Some(file) = file {
        let _ = LOG_FILE.set(file);
    }
    Ok(())
}

/// As other programs have it: `NO_COLOR` that is not empty, or a terminal that says it is dumb,
/// means no.
fn are_colours_wanted() -> bool {
    let says_no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !says_no && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Waits until every line is written, as long as the reader takes one in each such time: he may
/// never read them.
pub fn flush(patience: Duration) {
    if let Some(outlet) = OUTLET.get() {
        outlet.flush(patience);
    }
    if let Some(file) = LOG_FILE.get() {
        file.tell_lost();
    }
}

/// Opens the log file anew, as one does after it was moved away. False if there is none. If it
/// cannot be opened, lines go on to where they went before, and both the log and standard error say
/// so: whoever moved the file away looks in its old place.
pub fn reopen() -> bool {
    let Some(file) = LOG_FILE.get() else { return false };
    if let Err(error) = file.reopen() {
        let message = format!("{error}; lines go on to where they went before");
        tracing::error!("{message}");
        file.tell_stderr(&message);
    }
    true
}

/// The way of the lines of this process.
static OUTLET: OnceLock<Arc<Outlet>> = OnceLock::new();

/// The file that the log of this process goes to, if it goes to one.
static LOG_FILE: OnceLock<Arc<LogFile>> = OnceLock::new();

/// Turns each event into one line.
struct Lines {
    form: Form,
    outlet: Arc<Outlet>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = self.form.format(event, &now());
        line.push('\n');
        self.outlet.put(line);
    }
}

/// The line that says how many were lost, for people.
fn lost_human(lines: u64) -> String {
    let mut line = Fields::of_lost(lines).human(&now(), Level::WARN, false);
    line.push('\n');
    line
}

/// The same as JSON.
fn lost_json(lines: u64) -> String {
    let mut line = Fields::of_lost(lines).json(&now(), Level::WARN);
    line.push('\n');
    line
}

/// What a line looks like.
#[derive(Clone, Copy)]
struct Form {
    json: bool,
    colour: bool,
}

impl Form {
    /// A whole line of the log about itself.
    fn own(self, level: Level, message: &str) -> String {
        let fields = Fields { message: message.to_owned(), ..Fields::default() };
        let time = now();
        let mut line =
            if self.json { fields.json(&time, level) } else { fields.human(&time, level, false) };
        line.push('\n');
        line
    }

    fn format(&self, event: &Event<'_>, time: &str) -> String {
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.cut();
        let level = *event.metadata().level();
        if self.json { fields.json(time, level) } else { fields.human(time, level, self.colour) }
    }
}

/// The present time as RFC 3339, in UTC.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string fails only if the clock cannot be formatted; the line stays useful then.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// The fields of one event, those with a place of their own apart.
#[derive(Default)]
struct Fields {
    service: Option<String>,
    address: Option<String>,
    message: String,
    rest: Vec<(&'static str, serde_json::Value)>,
}

impl Fields {
    fn of_lost(lines: u64) -> Self {
        let message = "lines of the log were lost: nobody read it for a while".to_owned();
        Self { message, rest: vec![("lines", lines.into())], ..Self::default() }
    }

    fn put(&mut self, field: &Field, value: serde_json::Value) {
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        match field.name() {
            "service" => self.service = Some(text(value)),
            "address" => self.address = Some(text(value)),
            "message" => self.message = text(value),
            name => self.rest.push((name, value)),
        }
    }

    /// Shortens a message beyond [`LINE_LIMIT_BYTES`].
    fn cut(&mut self) {
        let length = self.message.len();
        if length > LINE_LIMIT_BYTES {
            self.message.truncate(self.message.floor_char_boundary(LINE_LIMIT_BYTES));
            let _ = write!(self.message, " [cut, {length} bytes]");
        }
    }

    fn human(&self, time: &str, level: Level, colour: bool) -> String {
        let mut line = format!("{time} ");
        let (on, off) = if colour { (colour_of(level), "\x1b[0m") } else { ("", "") };
        let _ = write!(line, "{on}{level:>5}{off} ");
        match (&self.service, &self.address) {
            (Some(service), Some(address)) => line += &format!("{}:{address} ", escape(service)),
            (Some(one), None) | (None, Some(one)) => line += &format!("{} ", escape(one)),
            (None, None) => {}
        }
        // Fields are looked for where the event is, not behind a traceback.
        let message = escape(&self.message);
        let (first, more) = message.split_at(message.find('\n').unwrap_or(message.len()));
        line += first;
        for (name, value) in &self.rest {
            let _ = write!(line, " {name}={value}");
        }
        continued(line + more)
    }

    fn json(self, time: &str, level: Level) -> String {
        let mut line = format!("{{\"time\":\"{time}\",\"level\":\"{level}\"");
        let named = [("service", self.service), ("address", self.address)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
        let message = std::iter::once(("message", self.message.into()));
        for (name, value) in named.chain(message).chain(self.rest) {
            let _ = write!(line, ",{}:{value}", serde_json::Value::from(name));
        }
        line.push('}');
        line
    }
}

/// A text as it may reach a terminal: what would move the cursor or change colours is spelled out.
/// Newlines and tabs stay, for the sake of tracebacks.
fn escape(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let spell =
        |c: char| if is_harmful(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(spell).collect())
}

/// A line whose further lines are indented, so that no text can pretend to be another event.
fn continued(line: String) -> String {
    match line.contains('\n') {
        true => line.replace('\n', "\n\t").replace("\n\t\t", "\n\t"),
        false => line,
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects the lines that the code in `body` logs, with a fixed time.
    fn lines_of(json: bool, body: impl FnOnce()) -> Vec<String> {
        struct Collect(Form, Arc<Mutex<Vec<String>>>);
        impl<S: Subscriber> Layer<S> for Collect {
            fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
                self.1.lock().unwrap().push(self.0.format(event, "T"));
            }
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let layer = Collect(Form { json, colour: false }, Arc::clone(&lines));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body);
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn a_line_for_people_has_time_level_service_address_message_and_fields() {
        let lines = lines_of(false, || {
            tracing::info!(service = "counter", address = "0000002a", tries = 3, "started");
            tracing::warn!("alone");
        });
        assert_eq!(lines, ["T  INFO counter:0000002a started tries=3", "T  WARN alone"]);
    }

    #[test]
    fn a_json_line_is_one_object_with_the_same_fields() {
        let lines = lines_of(true, || {
            tracing::error!(service = "a\"b", address = 7, ratio = 0.5, "line\nbreak");
        });
        assert_eq!(
            lines,
            [
                r#"{"time":"T","level":"ERROR","service":"a\"b","address":"7","message":"line\nbreak","ratio":0.5}"#
            ]
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let lines = lines_of(false, || tracing::info!("a\x1b[2Jb\r\u{9b}c\n\td"));
        assert_eq!(lines, ["T  INFO a\\u{1b}[2Jb\\r\\u{9b}c\n\td"]);
    }

    #[test]
    fn a_message_of_several_lines_cannot_pretend_to_be_another_one() {
        let lines =
            lines_of(false, || tracing::info!("bob\nT ERROR bank:00000009 empty\n\tin a call"));
        assert_eq!(lines, ["T  INFO bob\n\tT ERROR bank:00000009 empty\n\tin a call"]);
    }

    #[test]
    fn fields_are_in_the_first_line_of_several() {
        let lines = lines_of(false, || tracing::warn!(request = 7, "failed: x\n\tin a call"));
        assert_eq!(lines, ["T  WARN failed: x request=7\n\tin a call"]);
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        let long = "ä".repeat(LINE_LIMIT_BYTES);
        let lines = lines_of(false, || tracing::info!("{long}"));
        assert!(lines[0].len() < LINE_LIMIT_BYTES + 100);
        assert!(lines[0].ends_with("ä [cut, 131072 bytes]"));
    }

    #[test]
    fn settings_name_a_level_a_format_and_targets() {
        let settings: LogSettings = "warn,json,moonhive=trace".parse().unwrap();
        assert!(settings.json);
        assert!(settings.filter.would_enable("moonhive::actor", &Level::TRACE));
        assert!(!settings.filter.would_enable("other", &Level::INFO));
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_choices() {
        for text in ["loud", "", "info,", "a=loud", "5", "INFO"] {
            let error = text.parse::<LogSettings>().unwrap_err().to_string();
            assert!(error.contains("trace") && error.contains("json"), "{text:?}: {error}");
        }
    }
}
