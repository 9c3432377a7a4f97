//! Settings of `moonhive run`, in layers: file, then environment, then flags.
//!
//! [`Settings`] describes every setting once: the field is the key in the file, the flag and the
//! `MOONHIVE_*` variable at the same time; only `--set` has no variable. `clap` lays flags over the
//! environment; [`Settings::over`] lays both over the file. What no layer names keeps the default
//! of [`run`](super::run). A variable that is empty counts as none: that is how people switch one
//! off.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{BoolishValueParser, OsStringValueParser, TypedValueParser};
use moonhive::actor::limits::{SHUTDOWN_GRACE, TURN_LIMIT};
use moonhive::code::Mode;
use moonhive::ops::log::LogSettings;
use serde::{Deserialize, Deserializer};
use toml::de::{DeTable, DeValue};

use super::failure::{Failure, USAGE};
use super::values::{Compat, MemoryLimit, Span, Threads, TurnLimit, from_text, parse_assignment};

/// One layer of settings; `None` and empty lists leave the choice to the layer below.
#[derive(Debug, Default, Clone, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Threads that run services [default: one for each core]
    #[arg(long, value_name = "N", env = "MOONHIVE_THREADS")]
    #[serde(deserialize_with = "from_text")]
    pub threads: Option<Threads>,

    /// Look modules and services up as DIR/?.lua and DIR/?/init.lua, before Lua's own path
    /// (repeatable; a list separated by `:` in the environment)
    #[arg(
        long,
        value_name = "DIR",
        env = "MOONHIVE_PATH",
        value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(PathBuf::from)
    )]
    pub path: Vec<PathBuf>,

    /// How services use the code cache: OFF, EXIST or ON [default: ON]
    #[arg(long, value_name = "MODE", env = "MOONHIVE_CACHE")]
    #[serde(deserialize_with = "from_text")]
    pub cache: Option<Mode>,

    /// Memory one service may use, like 64MiB [default: no limit]
    #[arg(long, value_name = "SIZE", env = "MOONHIVE_MEMORY_LIMIT")]
    #[serde(alias = "memory-limit", deserialize_with = "from_text")]
    pub memory_limit: Option<MemoryLimit>,

    #[allow(missing_docs, reason = "a text here would be its help, which `turn_limit_help` gives")]
    #[arg(long, value_name = "TIME", env = "MOONHIVE_TURN_LIMIT", help = turn_limit_help())]
    #[serde(alias = "turn-limit", deserialize_with = "from_text")]
    pub turn_limit: Option<TurnLimit>,

    #[allow(missing_docs, reason = "a text here would be its help, which `grace_help` gives")]
    #[arg(long, value_name = "TIME", env = "MOONHIVE_GRACE", help = grace_help())]
    #[serde(deserialize_with = "from_text")]
    pub grace: Option<Span>,

    /// What programs were written for: 5.4 (loop variables may be assigned to), off, or skynet (as
    /// 5.4, and FILE is a configuration of skynet) [default: 5.4]
    #[arg(long, value_name = "VERSION", env = "MOONHIVE_COMPAT")]
    #[serde(deserialize_with = "from_text")]
    pub compat: Option<Compat>,

    /// Log level (error, warn, info, debug, trace, off), `json`, or both: debug,json
    /// [default: info]
    #[arg(long, value_name = "LEVEL|json", env = "MOONHIVE_LOG")]
    #[serde(deserialize_with = "from_text")]
    pub log: Option<LogSettings>,

    /// Print services, messages, memory and the code cache's figures at exit
    #[arg(
        long,
        value_name = "BOOL",
        env = "MOONHIVE_STATS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub stats: Option<bool>,

    /// A value that services read with hive.env(KEY) (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_assignment)]
    #[serde(deserialize_with = "read_assignments")]
    pub set: Vec<(String, String)>,
}

fn turn_limit_help() -> String {
    format!(
        "Processor time that a piece of Lua may take between two waits before it is interrupted, like \
         500ms; 0s for no limit [default: {TURN_LIMIT:?}]"
    )
}

fn grace_help() -> String {
    format!(
        "Time that services get at shutdown to finish requests, run exit handlers and close what is \
         open, like 20s [default: {SHUTDOWN_GRACE:?}]"
    )
}

impl Settings {
    /// What may be logged: values of services are often secrets.
    pub fn without_values(&self) -> Self {
        let hide = |(key, _): &(String, String)| (key.clone(), "(hidden)".to_owned());
        Self { set: self.set.iter().map(hide).collect(), ..self.clone() }
    }

    /// These settings, and those of `lower` where these say nothing. Lists add up: the upper
    /// layer's directories are searched first, and its values for a key win.
    pub fn over(self, lower: Self) -> Self {
        Self {
            threads: self.threads.or(lower.threads),
            // An empty one is what a variable like `$MOONHIVE_PATH:/srv` is left with.
            path: [self.path, lower.path]
                .concat()
                .into_iter()
                .filter(|dir| !dir.as_os_str().is_empty())
                .collect(),
            cache: self.cache.or(lower.cache),
            memory_limit: self.memory_limit.or(lower.memory_limit),
            turn_limit: self.turn_limit.or(lower.turn_limit),
            grace: self.grace.or(lower.grace),
            compat: self.compat.or(lower.compat),
            log: self.log.or(lower.log),
            stats: self.stats.or(lower.stats),
            set: [lower.set, self.set].concat(),
        }
    }

    /// Reads a settings file; its directories are relative to where it lies.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file).map_err(|error| {
            Failure::new(format!("cannot read the settings file {}: {error}", file.display()))
                .exit_code(USAGE)
        })?;
        let mut settings = Self::parse(&text).map_err(|error| {
            Failure::new(format!("{}:{error}", file.display()))
                .hint("`moonhive help run` lists the settings; a key is a flag without `--`")
                .exit_code(USAGE)
        })?;
        let base = file.parent().unwrap_or(Path::new(""));
        settings.path = settings.path.iter().map(|dir| base.join(dir)).collect();
        Ok(settings)
    }

    /// Reads the text of a settings file; errors start with the line and name the field.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| describe(text, &error))
    }
}

/// `LINE: FIELD: MESSAGE`, or without the field where the text is not TOML at all.
fn describe(text: &str, error: &toml::de::Error) -> String {
    let span = error.span().unwrap_or(0..0);
    let line = text[..span.start].matches('\n').count() + 1;
    let message = error.message().replace('\n', "; ");
    match field_at(text, &span) {
        Some(field) => format!("{line}: {field}: {message}"),
        None => format!("{line}: {message}"),
    }
}

/// The dotted key whose value holds the span.
fn field_at(text: &str, span: &Range<usize>) -> Option<String> {
    fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
        table.iter().find_map(|(key, value)| {
            let within = value.span().start <= span.start && span.end <= value.span().end;
            let below = match value.get_ref() {
                DeValue::Table(table) => find(table, span),
                _ => None,
            };
            let path = below.or_else(|| within.then(Vec::new))?;
            Some([vec![key.get_ref().to_string()], path].concat())
        })
    }
    let table = DeTable::parse(text).ok()?;
    find(table.get_ref(), span).map(|path| path.join("."))
}

/// Reads the `[set]` table; numbers and booleans stand for their own text.
fn read_assignments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, String)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a string, a number or a boolean")]
    enum Value {
        Text(String),
        Integer(i64),
        Float(f64),
        Boolean(bool),
    }
    let table = std::collections::BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |value| match value {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
    };
    Ok(table.into_iter().map(|(key, value)| (key, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error_of(text: &str) -> String {
        Settings::parse(text).unwrap_err()
    }

    #[test]
    fn a_file_names_settings_as_the_flags_do() {
        let settings = Settings::parse(
            "threads = 3\npath = ['lib']\ncache = 'EXIST'\nmemory_limit = '64MiB'\n\
             turn_limit = '2s'\ngrace = '20s'\ncompat = 5.4\nlog = 'debug,json'\nstats = true\n\
             [set]\nname = 'x'\nport = 80\n",
        )
        .unwrap();
        assert_eq!(settings.threads, "3".parse().ok());
        assert_eq!(settings.cache, Some(Mode::Exist));
        assert_eq!(settings.memory_limit, Some(MemoryLimit { bytes: 64 << 20 }));
        assert_eq!(settings.grace, Some(Span(Duration::from_secs(20))));
        assert_eq!(settings.compat, Some(Compat::Lua54));
        assert_eq!(
            settings.set,
            [("name".to_owned(), "x".to_owned()), ("port".to_owned(), "80".to_owned())]
        );
    }

    #[test]
    fn a_key_may_have_the_dashes_of_its_flag() {
        let settings = Settings::parse("memory-limit = '1MiB'\nturn-limit = '2s'").unwrap();
        assert!(settings.memory_limit.is_some() && settings.turn_limit.is_some());
    }

    #[test]
    fn what_is_logged_holds_no_values_of_services() {
        let settings = Settings::parse("[set]\npassword = 'gold'").unwrap();
        let shown = format!("{:?}", settings.without_values());
        assert!(shown.contains("password") && !shown.contains("gold"), "{shown}");
    }

    #[test]
    fn errors_of_a_file_name_the_line_and_the_field() {
        for (text, expected) in [
            ("threads = 'many'", "1: threads: expected a whole number from 1 to 1024, got `many`"),
            ("\nthreads = 0", "2: threads: expected a whole number"),
            (
                "\n\ncache = 'MAYBE'",
                "3: cache: unknown cache mode 'MAYBE': expected OFF, EXIST or ON",
            ),
            ("memory_limit = '64 megs'", "1: memory_limit: expected a size like"),
            ("stats = true\n[set]\nlist = []", "3: set.list: expected a string, a number"),
            ("treads = 2", "1: unknown field `treads`"),
            ("threads = ", "1: "),
        ] {
            let error = error_of(text);
            assert!(error.starts_with(expected), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn the_upper_layer_wins_and_lists_add_up() {
        let lower = Settings::parse(
            "threads = 1\ncache = 'OFF'\npath = ['low']\n[set]\na = 'low'\nb = 'low'",
        )
        .unwrap();
        let upper = Settings::parse("threads = 2\npath = ['high']\n[set]\na = 'high'").unwrap();
        let merged = upper.over(lower);
        assert_eq!(merged.threads, "2".parse().ok());
        assert_eq!(merged.cache, Some(Mode::Off));
        assert_eq!(merged.path, [PathBuf::from("high"), PathBuf::from("low")]);
        assert_eq!(merged.set.iter().rev().find(|(key, _)| key == "a").unwrap().1, "high");
    }
}
