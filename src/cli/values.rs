//! Values that people write in flags, settings files and environment variables.
//!
//! Each type reads one spelling in all three places: it implements [`FromStr`] for flags and the
//! environment, and files use the same through [`from_text`], so an error reads alike everywhere.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use moonhive::actor::limits::SERVICE_MEMORY_MIN_BYTES;
use moonhive::api::size;
use serde::de::{self, Deserializer, Visitor};

/// A number of bytes: `65536`, `64k`, `16MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub bytes: usize,
}

/// A span of time: `250ms`, `2s`, `1.5s`, `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Memory that one service may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit {
    pub bytes: usize,
}

/// Processor time that a piece of Lua may take; `None` for as much as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnLimit(pub Option<Duration>);

/// A number of worker threads, from 1 to [`THREADS_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(pub NonZeroUsize);

/// For what a program was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compat {
    /// Chunks that assign to a loop variable compile with the meaning of Lua 5.4.
    Lua54,
    /// The same, and a configuration file of skynet says what runs.
    Skynet,
    /// Plain Lua 5.5.
    Off,
}

/// Less than this hits services that do nothing wrong, by an ordinary collection of garbage.
pub const TURN_LIMIT_MIN: Duration = Duration::from_millis(1);

/// More threads than any machine has cores; beyond it someone mistook a number.
pub const THREADS_LIMIT: usize = 1024;

const SPAN_UNITS: [(&str, f64); 5] =
    [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// The longest span that makes sense here; beyond it someone mistook a unit.
const SPAN_LIMIT_SECONDS: f64 = 366.0 * 24.0 * 3600.0;

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = size::parse(text).and_then(|bytes| bytes.try_into().ok());
        let refusal = || format!("expected {}, got `{text}`", size::EXPECTED);
        bytes.map(|bytes| Self { bytes }).ok_or_else(refusal)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_number(text);
        let factor = SPAN_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let seconds = number.parse::<f64>().ok().zip(factor).map(|(n, f)| n * f);
        match seconds {
            Some(seconds) if (0.0..=SPAN_LIMIT_SECONDS).contains(&seconds) => {
                Ok(Self(Duration::from_secs_f64(seconds)))
            }
            _ => Err(format!("expected a time like 250ms, 2s or 1m, got `{text}`")),
        }
    }
}

impl FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.parse::<Size>()?.bytes;
        if bytes < SERVICE_MEMORY_MIN_BYTES {
            let least = SERVICE_MEMORY_MIN_BYTES >> 10;
            return Err(format!(
                "`{text}` is too little for a service: expected {least}KiB or more"
            ));
        }
        Ok(Self { bytes })
    }
}

impl FromStr for TurnLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let limit = text.parse::<Span>()?.0;
        if !limit.is_zero() && limit < TURN_LIMIT_MIN {
            return Err(format!(
                "`{text}` is too short for a service: expected {TURN_LIMIT_MIN:?} or more, or 0s for no \
                 limit"
            ));
        }
        Ok(Self((!limit.is_zero()).then_some(limit)))
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.parse::<NonZeroUsize>().ok().filter(|n| n.get() <= THREADS_LIMIT);
        count.map(Self).ok_or_else(|| {
            format!("expected a whole number from 1 to {THREADS_LIMIT}, got `{text}`")
        })
    }
}

impl FromStr for Compat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "5.4" => Ok(Self::Lua54),
            "skynet" => Ok(Self::Skynet),
            "off" => Ok(Self::Off),
            _ => Err(format!("expected 5.4, skynet or off, got `{text}`")),
        }
    }
}

/// Splits `1.5s` into `1.5` and `s`.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// Reads `KEY=VALUE`.
pub fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("expected KEY=VALUE, got `{text}`")),
    }
}

/// Deserialises through [`FromStr`]; whole numbers and floats stand for their own text.
struct FromText<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Reads an optional setting of a file with the spelling that its flag has; for
/// `#[serde(deserialize_with)]`.
pub fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_any(FromText(PhantomData)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_bytes() {
        for (text, bytes) in
            [("0", 0), ("65536", 65536), ("64k", 65536), ("64KiB", 65536), ("2G", 2 << 30)]
        {
            assert_eq!(text.parse::<Size>(), Ok(Size { bytes }), "{text}");
        }
    }

    #[test]
    fn sizes_without_meaning_are_refused_with_examples() {
        for text in ["", "KiB", "64 KiB", "-1", "1.5MiB", "64kb", "99999999999GiB"] {
            let error = text.parse::<Size>().unwrap_err();
            assert!(error.contains("16MiB") && error.contains(text), "{error}");
        }
    }

    #[test]
    fn threads_are_counted_from_one_to_the_limit() {
        assert_eq!("2".parse::<Threads>().unwrap().0.get(), 2);
        for text in ["", "0", "-1", "1.5", "1025", "many"] {
            let error = text.parse::<Threads>().unwrap_err();
            assert!(error.contains("from 1 to 1024"), "{error}");
        }
    }

    #[test]
    fn spans_read_with_their_unit() {
        for (text, ms) in [("250ms", 250), ("2s", 2000), ("1.5s", 1500), ("1m", 60_000)] {
            assert_eq!(text.parse::<Span>(), Ok(Span(Duration::from_millis(ms))), "{text}");
        }
    }

    #[test]
    fn spans_without_a_unit_are_refused() {
        for text in ["", "2", "s", "-1s", "2 s", "1e9h", "infs", "99999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn limits_that_nothing_can_keep_are_refused_with_the_least_that_makes_sense() {
        assert_eq!("64KiB".parse::<MemoryLimit>(), Ok(MemoryLimit { bytes: 64 << 10 }));
        for text in ["0", "63KiB"] {
            let error = text.parse::<MemoryLimit>().unwrap_err();
            assert!(error.contains("64KiB or more") && error.contains(text), "{error}");
        }
        assert_eq!("0s".parse::<TurnLimit>(), Ok(TurnLimit(None)));
        assert_eq!("1ms".parse::<TurnLimit>(), Ok(TurnLimit(Some(Duration::from_millis(1)))));
        let error = "10us".parse::<TurnLimit>().unwrap_err();
        assert!(error.contains("1ms or more, or 0s"), "{error}");
    }

    #[test]
    fn assignments_split_at_the_first_equals_sign() {
        assert_eq!(parse_assignment("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_assignment("a="), Ok(("a".to_owned(), String::new())));
        assert!(parse_assignment("=b").is_err() && parse_assignment("a").is_err());
    }
}
