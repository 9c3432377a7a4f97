//! Reading a dump: line by line, checked before anything is stored for it.

use std::io::BufRead;

use super::line::{Content, Entry};
use super::lines::Lines;
use super::{DumpError, Opaque, Tables, line_limit_bytes, object_of};
use crate::{Dictionary, Error, Side};

/// The entries of a dump, each with the number of its line, from 1. Blank lines are passed over. No
/// line may be longer than a limit in bytes, which [`line_limit_bytes`] gives.
///
/// # Errors
/// Of an item: [`DumpError::Line`] for a line that is no entry or too long, [`DumpError::Io`] for
/// what reading failed with. Nothing comes after a line that could not be read as one: one that is
/// too long or no UTF-8, or after `Io`.
pub fn entries(
    tables: &dyn Tables,
    lines: impl BufRead,
    limit_bytes: u64,
) -> impl Iterator<Item = Result<(u64, Entry), DumpError>> {
    let mut lines = Lines::new(lines, limit_bytes);
    std::iter::from_fn(move || {
        loop {
            let (number, line) = match lines.next()? {
                Ok((_, line)) if line.trim().is_empty() => continue,
                Ok(numbered) => numbered,
                Err(error) => return Some(Err(error)),
            };
            let entry = Entry::parse(line, tables);
            let wrong = |reason| DumpError::Line { number, reason };
            return Some(entry.map(|entry| (number, entry)).map_err(wrong));
        }
    })
}

/// Reads all entries of a dump and stores none; `goes_on` is asked after each. Returns how many
/// they are. The limit is that of [`entries`].
///
/// # Errors
/// [`DumpError::Line`] for the first line that is no entry, or what reading failed with.
pub fn check_entries(
    tables: &dyn Tables,
    lines: impl BufRead,
    limit_bytes: u64,
    mut goes_on: impl FnMut() -> bool,
) -> Result<u64, DumpError> {
    let mut count = 0;
    for entry in entries(tables, lines, limit_bytes) {
        entry?;
        count += 1;
        if !goes_on() {
            return Err(DumpError::Stopped);
        }
    }
    Ok(count)
}

/// Stores all entries of a dump, throwing nothing out for them; `goes_on` is asked after each, with
/// the milliseconds that it will live (0 for ever). Returns how many they were.
///
/// # Errors
/// [`DumpError`]; the entries before are stored.
pub fn read_entries(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    lines: impl BufRead,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let limit_bytes = line_limit_bytes(dictionary.capacity_bytes());
    store_entries(dictionary, entries(tables, lines, limit_bytes), goes_on)
}

/// The same with what [`entries`] has read.
///
/// # Errors
/// [`DumpError`]; the entries before are stored.
pub fn store_entries(
    dictionary: &Dictionary,
    entries: impl Iterator<Item = Result<(u64, Entry), DumpError>>,
    mut goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let mut count = 0;
    for entry in entries {
        let (number, entry) = entry?;
        store(dictionary, &entry).map_err(|error| match error {
            DumpError::Dictionary(error) => DumpError::Refused { number, error },
            error => error,
        })?;
        count += 1;
        if !goes_on(entry.ttl_ms) {
            return Err(DumpError::Stopped);
        }
    }
    Ok(count)
}

fn store(dictionary: &Dictionary, entry: &Entry) -> Result<(), DumpError> {
    match &entry.content {
        Content::Value(value) => {
            dictionary.set(&entry.key, value.as_value(), entry.options())?;
            Ok(())
        }
        Content::List(_) => replace_by_list(dictionary, entry),
    }
}

/// A list takes several steps; when one of them fails, what was there before comes back.
fn replace_by_list(dictionary: &Dictionary, entry: &Entry) -> Result<(), DumpError> {
    let before = object_of(dictionary, &Opaque, &entry.key)?;
    dictionary.delete(&entry.key)?;
    let pushed = push_all(dictionary, entry);
    if pushed.is_err() {
        // Room for what was there was given back; only another writer can have taken it since.
        let _ = dictionary.delete(&entry.key);
        if let Some(Ok(before)) = before.map(|before| Entry::of(&before, &Opaque)) {
            put_back(dictionary, &before);
        }
    }
    Ok(pushed?)
}

fn put_back(dictionary: &Dictionary, before: &Entry) {
    let _ = match &before.content {
        Content::Value(value) => {
            dictionary.set(&before.key, value.as_value(), before.options()).map(|_| ())
        }
        Content::List(_) => push_all(dictionary, before),
    };
}

fn push_all(dictionary: &Dictionary, entry: &Entry) -> Result<(), Error> {
    let Content::List(elements) = &entry.content else { return Ok(()) };
    for element in elements {
        dictionary.push(&entry.key, element.as_value(), Side::Right, entry.options())?;
    }
    Ok(())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::{Options, OwnedValue, SetOptions};

    const LIMIT_BYTES: u64 = 1000;

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("load", &Options::new(64 << 10)).unwrap()
    }

    fn read(dictionary: &Dictionary, text: &str) -> Result<u64, DumpError> {
        read_entries(dictionary, &Opaque, text.as_bytes(), |_| true)
    }

    #[test]
    fn a_line_that_cannot_be_stored_is_named_and_harms_nothing() {
        let dictionary = dictionary();
        dictionary.push("list", 1.into(), Side::Left, SetOptions::default()).unwrap();
        let refusal = |text: &str| read(&dictionary, text).unwrap_err().to_string();
        assert!(refusal("\n{\"key\":1}").starts_with("line 2: `key`"));
        let text = r#"{"key":"list","type":"list","elements":[{"type":"integer"}]}"#;
        assert_eq!(refusal(text), "line 1: `elements[0].value` is missing");
        assert_eq!(dictionary.length("list"), Ok(1));
        let large = format!(r#"{{"key":"k","type":"string","value":"{}"}}"#, "x".repeat(1 << 20));
        assert_eq!(refusal(&large), "line 1: no memory");
    }

    #[test]
    fn a_check_stores_nothing_and_counts() {
        let lines = "{\"key\":\"a\",\"type\":\"nil\"}\n\n{\"key\":\"b\",\"type\":\"nil\"}\n";
        assert_eq!(check_entries(&Opaque, lines.as_bytes(), LIMIT_BYTES, || true).unwrap(), 2);
        let wrong = format!("{lines}{{\n");
        let error = check_entries(&Opaque, wrong.as_bytes(), LIMIT_BYTES, || true).unwrap_err();
        assert!(matches!(error, DumpError::Line { number: 4, .. }), "{error}");
        assert!(matches!(
            check_entries(&Opaque, lines.as_bytes(), LIMIT_BYTES, || false),
            Err(DumpError::Stopped)
        ));
    }

    /// A list of elements that do not fit.
    fn endless_list() -> String {
        let element = format!(r#"{{"type":"string","value":"{}"}}"#, "x".repeat(1000));
        let elements = vec![element; 100].join(",");
        format!(r#"{{"key":"key","type":"list","elements":[{elements}]}}"#)
    }

    #[test]
    fn a_list_that_finds_no_room_leaves_what_was_there() {
        let dictionary = dictionary();
        let options = SetOptions::default().ttl_ms(60_000);
        for number in 0..3 {
            dictionary.push("key", number.into(), Side::Right, options).unwrap();
        }
        assert_eq!(
            read(&dictionary, &endless_list()).unwrap_err().to_string(),
            "line 1: no memory"
        );
        let numbers = [0, 1, 2].map(OwnedValue::Integer);
        assert_eq!(dictionary.range("key", 0, -1).unwrap(), numbers);
        let left = dictionary.ttl("key").unwrap();
        assert!(matches!(left, crate::Remaining::Us(1..=60_000_000)), "{left:?}");
        dictionary.delete("key").unwrap();
        dictionary.set("key", 7.into(), SetOptions::default().flags(3)).unwrap();
        read(&dictionary, &endless_list()).unwrap_err();
        let entry = dictionary.get("key").unwrap().unwrap();
        assert_eq!((entry.value, entry.flags), (OwnedValue::Integer(7), 3));
        dictionary.delete("key").unwrap();
        read(&dictionary, &endless_list()).unwrap_err();
        assert_eq!(dictionary.statistics().entries, 0);
    }

    #[test]
    fn a_load_can_be_stopped() {
        let dictionary = dictionary();
        let lines = "{\"key\":\"a\",\"type\":\"nil\"}\n{\"key\":\"b\",\"type\":\"nil\"}\n";
        let stopped = read_entries(&dictionary, &Opaque, lines.as_bytes(), |_| false);
        assert!(matches!(stopped, Err(DumpError::Stopped)));
        assert_eq!(dictionary.statistics().entries, 1);
    }
}
