//! Whole dictionaries as lines of JSON, one for each entry, spelled as [`form`] says: what
//! `moonhive shm dump` and `load` do, and the methods `save` and `load` of a dictionary.
//!
//! Keys are walked in small steps that stop no writer; each entry is written as it is when its turn comes.
//! What is read is stored one entry after the other. Versions are not kept.

pub mod form;

use std::fmt;
use std::io::{self, BufRead, Write};

use moonhive_shm::{Cursor, Dictionary, Error, Remaining, SetOptions, Side};
use serde_json::{Map, Value as Json};

/// Keys that one step of a dump asks for.
const STEP_KEYS: usize = 256;

/// Why a dump or a load came to no end.
#[derive(Debug)]
#[non_exhaustive]
pub enum DumpError {
    /// The dictionary refused.
    Dictionary(Error),
    /// The dump could not be written or read.
    Io(io::Error),
    /// The dictionary refused the entry of a line.
    Refused {
        /// Its number, from 1.
        number: u64,
        /// Why.
        error: Error,
    },
    /// A line is no entry.
    Line {
        /// Its number, from 1.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Whoever wanted it does not any more.
    Stopped,
}

impl fmt::Display for DumpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::Dictionary(error) => error.fmt(formatter),
            DumpError::Io(error) => error.fmt(formatter),
            DumpError::Refused { number, error } => write!(formatter, "line {number}: {error}"),
            DumpError::Line { number, reason } => write!(formatter, "line {number}: {reason}"),
            DumpError::Stopped => formatter.write_str("it was stopped"),
        }
    }
}

impl std::error::Error for DumpError {}

impl From<Error> for DumpError {
    fn from(error: Error) -> DumpError {
        DumpError::Dictionary(error)
    }
}

impl From<io::Error> for DumpError {
    fn from(error: io::Error) -> DumpError {
        DumpError::Io(error)
    }
}

/// Writes all entries; `goes_on` is asked after each. Returns how many they were.
///
/// # Errors
/// [`DumpError`].
pub fn write_entries(
    dictionary: &Dictionary,
    mut out: impl Write,
    mut goes_on: impl FnMut() -> bool,
) -> Result<u64, DumpError> {
    let (mut count, mut next) = (0, Some(Cursor::default()));
    while let Some(cursor) = next {
        let (items, then) = dictionary.items(cursor, STEP_KEYS)?;
        for item in &items {
            let Some(object) = object_of(dictionary, &item.key)? else { continue };
            writeln!(out, "{}", Json::Object(object))?;
            count += 1;
            if !goes_on() {
                return Err(DumpError::Stopped);
            }
        }
        next = then;
    }
    out.flush()?;
    Ok(count)
}

/// An entry as a dump spells it; `None` if there is none.
///
/// # Errors
/// What the dictionary fails with.
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

/// Stores all entries of a dump, throwing nothing out for them; `goes_on` is asked after each, with the
/// milliseconds that it will live (0 for ever). Returns how many they were.
///
/// # Errors
/// [`DumpError`]; the entries before are stored.
pub fn read_entries(
    dictionary: &Dictionary,
    lines: impl BufRead,
    mut goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let mut count = 0;
    for (number, line) in (1..).zip(lines.lines()) {
        let line = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => line,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(DumpError::Line { number, reason: "it is no UTF-8".to_owned() });
            }
            Err(error) => return Err(error.into()),
        };
        let ttl_ms = store(dictionary, &line).map_err(|flaw| match flaw {
            Flaw::Text(reason) => DumpError::Line { number, reason },
            Flaw::Refused(error) => DumpError::Refused { number, error },
        })?;
        count += 1;
        if !goes_on(ttl_ms) {
            return Err(DumpError::Stopped);
        }
    }
    Ok(count)
}

/// Why a line is not stored.
enum Flaw {
    Text(String),
    Refused(Error),
}

impl From<String> for Flaw {
    fn from(text: String) -> Flaw {
        Flaw::Text(text)
    }
}

impl From<Error> for Flaw {
    fn from(error: Error) -> Flaw {
        Flaw::Refused(error)
    }
}

/// Stores the entry of a line; how many milliseconds it will live.
fn store(dictionary: &Dictionary, line: &str) -> Result<u64, Flaw> {
    let object: Map<String, Json> = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let key = form::take_bytes(&object, "key")?;
    let number = |name: &str| object.get(name).and_then(Json::as_u64).unwrap_or(0);
    let flags = u32::try_from(number("flags")).unwrap_or(0);
    let options = SetOptions::default().never_evict().ttl_ms(number("ttl_ms")).flags(flags);
    let Some(elements) = object.get("elements").and_then(Json::as_array) else {
        let value = form::take_value(&object)?;
        dictionary.set(&key, value.as_value(), options)?;
        return Ok(options.ttl_ms);
    };
    let elements = elements.iter().map(|element| match element.as_object() {
        Some(element) => form::take_value(element),
        None => Err("an element is no object".to_owned()),
    });
    let elements = elements.collect::<Result<Vec<_>, _>>()?;
    dictionary.delete(&key)?;
    for element in &elements {
        dictionary.push(&key, element.as_value(), Side::Right, options)?;
    }
    Ok(options.ttl_ms)
}

#[cfg(test)]
mod tests {
    use moonhive_shm::{Options, OwnedValue, Value};

    use super::*;

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("dump", &Options::new(64 << 10)).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let (from, to) = (dictionary(), dictionary());
        let options = SetOptions::default();
        from.set("key", Value::Bytes(b"\xff"), options.flags(3).ttl_ms(60_000)).unwrap();
        from.push("list", Value::Double(0.5), Side::Left, options).unwrap();
        let mut dump = Vec::new();
        assert_eq!(write_entries(&from, &mut dump, || true).unwrap(), 2);
        let mut ends = 0;
        let read = read_entries(&to, dump.as_slice(), |ttl_ms| {
            ends += u64::from(ttl_ms > 50_000);
            true
        });
        assert_eq!((read.unwrap(), ends), (2, 1));
        let entry = to.get("key").unwrap().unwrap();
        assert_eq!((entry.value, entry.flags), (OwnedValue::Bytes(vec![255]), 3));
        assert_eq!(to.range("list", 0, -1).unwrap(), [OwnedValue::Double(0.5)]);
    }

    #[test]
    fn a_line_that_cannot_be_stored_is_named_and_harms_nothing() {
        let dictionary = dictionary();
        dictionary.push("list", 1.into(), Side::Left, SetOptions::default()).unwrap();
        let read = |text: &str| {
            read_entries(&dictionary, text.as_bytes(), |_| true).unwrap_err().to_string()
        };
        assert!(read("\n{\"key\":1}").starts_with("line 2: `key`"));
        let text = r#"{"key":"list","type":"list","elements":[{"type":"integer"}]}"#;
        assert!(read(text).contains("no integer"));
        assert_eq!(dictionary.length("list"), Ok(1));
        let large = format!(r#"{{"key":"k","type":"string","value":"{}"}}"#, "x".repeat(1 << 20));
        assert_eq!(read(&large), "line 1: no memory");
    }

    #[test]
    fn both_ways_can_be_stopped() {
        let dictionary = dictionary();
        for number in 0..10 {
            let options = SetOptions::default();
            dictionary.set(format!("key{number}"), number.into(), options).unwrap();
        }
        let mut left = 3;
        let stopped = write_entries(&dictionary, io::sink(), || {
            left -= 1;
            left > 0
        });
        assert!(matches!(stopped, Err(DumpError::Stopped)));
    }
}
