//! Whole dictionaries as lines of JSON, one for each entry, spelled as [`form`] says: what `save`
//! and `load` of a [`Dictionary`] do, in every language, and the commands `moonhive shm dump` and
//! `load`.
//!
//! Keys are walked in small steps that stop no writer; each entry is written as it is when its turn
//! comes, a long list in pieces. What is read is checked strictly (`line`) and stored one entry
//! after the other (`load`). Versions are not kept. A file takes its place only when it is whole
//! (`file`, `draft`, `place`); for the other end of a pipe nobody waits longer than he wants
//! (`stream`).
//!
//! What the bytes of a table mean only a host knows: it says so by [`Tables`].

mod draft;
mod error;
mod file;
pub mod form;
mod line;
mod lines;
mod load;
mod place;
#[cfg(all(test, not(miri)))]
mod scratch;
mod stream;
mod twice;

use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use crate::{Cursor, Dictionary, Error, OwnedValue, Remaining};

pub use error::{DumpError, FileError};
pub use file::{load_file, save_file};
pub use line::{Content, Entry, unhex};
pub use lines::line_limit_bytes;
pub use load::{check_entries, entries, read_entries, store_entries};

/// What a program makes of tables, whose bytes mean nothing here.
pub trait Tables: Sync {
    /// A table as JSON, for people, beside its bytes; `None` where JSON has no words for it.
    fn spell(&self, bytes: &[u8]) -> Option<Json>;

    /// Whether bytes are a table.
    ///
    /// # Errors
    /// What is wrong with them.
    fn check(&self, bytes: &[u8]) -> Result<(), String>;
}

/// Tables to a program that knows no host's codec: bytes that it hands on as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opaque;

impl Tables for Opaque {
    fn spell(&self, _: &[u8]) -> Option<Json> {
        None
    }

    fn check(&self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// Keys that one step of a dump asks for.
const STEP_KEYS: usize = 256;

/// Elements of a list that are read while its shard is locked.
const STEP_ELEMENTS: usize = 256;

/// Attempts to read an entry that is replaced by another one meanwhile.
const ATTEMPTS: u32 = 8;

/// Writes all entries; `goes_on` is asked after each, and after each piece of a long list, with the
/// number of entries written since it was asked last: 1 or 0. Returns how many they were.
///
/// # Errors
/// [`DumpError`].
pub fn write_entries(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    mut out: impl Write,
    mut goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let (mut count, mut next) = (0, Some(Cursor::default()));
    let limit_bytes = line_limit_bytes(dictionary.capacity_bytes());
    while let Some(cursor) = next {
        let (items, then) = dictionary.items(cursor, STEP_KEYS)?;
        for item in &items {
            let object = spell(dictionary, tables, &item.key, &mut || goes_on(0))?;
            let Some(object) = object else { continue };
            out.write_all(&line_of(object, limit_bytes)?)?;
            count += 1;
            if !goes_on(1) {
                return Err(DumpError::Stopped);
            }
        }
        next = then;
    }
    out.flush()?;
    Ok(count)
}

/// An object as a line. What it says to people is left out where the line would be too long to be
/// read again: a table may be much longer in words than it is in bytes.
fn line_of(mut object: Map<String, Json>, limit_bytes: u64) -> Result<Vec<u8>, DumpError> {
    let mut line = serde_json::to_vec(&object).map_err(io::Error::from)?;
    if line.len() as u64 >= limit_bytes {
        leave_out_words(&mut object);
        line = serde_json::to_vec(&object).map_err(io::Error::from)?;
    }
    line.push(b'\n');
    Ok(line)
}

/// Takes the words for tables out of an entry and of the elements of a list: their bytes are what
/// counts.
fn leave_out_words(object: &mut Map<String, Json>) {
    if object.contains_key("value_hex") {
        object.remove("value");
    }
    let elements = object.get_mut("elements").and_then(Json::as_array_mut);
    let elements = elements.into_iter().flatten().filter_map(Json::as_object_mut);
    elements.for_each(leave_out_words);
}

/// How much of a dump was loaded before its load ended, for messages.
pub fn tell_loaded(count: u64) -> String {
    match count {
        0 => "nothing was loaded".to_owned(),
        1 => "1 entry was loaded".to_owned(),
        count => format!("{count} entries were loaded"),
    }
}

/// An entry as a dump spells it; `None` if there is none.
///
/// # Errors
/// What the dictionary fails with.
pub fn object_of(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    key: &[u8],
) -> Result<Option<Map<String, Json>>, DumpError> {
    spell(dictionary, tables, key, &mut || true)
}

/// As [`object_of`]; `goes_on` is asked after each piece of a long list.
fn spell(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    key: &[u8],
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Map<String, Json>>, DumpError> {
    for _ in 1..ATTEMPTS {
        match spell_now(dictionary, tables, key, goes_on) {
            // It was a list a moment ago.
            Err(DumpError::Dictionary(Error::ValueNotList)) => {}
            spelled => return spelled,
        }
    }
    spell_now(dictionary, tables, key, goes_on)
}

fn spell_now(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    key: &[u8],
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Map<String, Json>>, DumpError> {
    let mut object = Map::new();
    form::put_bytes(&mut object, "key", key);
    match dictionary.get(key) {
        Ok(None) => return Ok(None),
        Ok(Some(entry)) => {
            form::put_value(&mut object, &entry.value.as_value(), tables);
            if entry.flags != 0 {
                object.insert("flags".to_owned(), entry.flags.into());
            }
        }
        Err(Error::ValueIsList) => {
            let elements = read_list(dictionary, key, goes_on)?;
            if elements.is_empty() {
                return Ok(None);
            }
            object.insert("type".to_owned(), "list".into());
            object.insert("elements".to_owned(), spell_elements(&elements, tables));
        }
        Err(error) => return Err(error.into()),
    }
    match dictionary.ttl(key) {
        Ok(Remaining::Us(left_us)) => {
            object.insert("ttl_ms".to_owned(), left_us.div_ceil(1000).into());
        }
        Ok(Remaining::Forever) => {}
        // It has ended since; without an end it would be loaded to live for ever.
        Err(Error::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(object))
}

fn spell_elements(elements: &[OwnedValue], tables: &dyn Tables) -> Json {
    let objects = elements.iter().map(|element| {
        let mut object = Map::new();
        form::put_value(&mut object, &element.as_value(), tables);
        Json::Object(object)
    });
    objects.collect()
}

/// The elements of a list, read in pieces between which others go on: an element that is there all
/// the time is met once, one that is pushed or taken meanwhile may be met or not. Nothing without a
/// list.
///
/// # Errors
/// [`Error::ValueNotList`], or a lock that could not be had.
pub fn list_of(dictionary: &Dictionary, key: &[u8]) -> Result<Vec<OwnedValue>, DumpError> {
    read_list(dictionary, key, &mut || true)
}

fn read_list(
    dictionary: &Dictionary,
    key: &[u8],
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<OwnedValue>, DumpError> {
    let (mut elements, mut cursor, mut attempt) = (Vec::new(), None, 1);
    loop {
        match dictionary.elements(key, cursor, STEP_ELEMENTS) {
            Ok((piece, next)) => {
                elements.extend(piece);
                cursor = next;
            }
            Err(Error::NotFound) if attempt < ATTEMPTS => {
                // The list has ended: what was read of it is none of what is there now.
                (elements, cursor, attempt) = (Vec::new(), None, attempt + 1);
                continue;
            }
            // Somebody replaces it all the time: a part of one of them is what there is to have.
            Err(Error::NotFound) => return Ok(elements),
            Err(error) => return Err(error.into()),
        }
        if cursor.is_none() {
            return Ok(elements);
        }
        if !goes_on() {
            return Err(DumpError::Stopped);
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::{Options, SetOptions, Side, Value};

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
        assert_eq!(write_entries(&from, &Opaque, &mut dump, |_| true).unwrap(), 2);
        let mut ends = 0;
        let read = read_entries(&to, &Opaque, dump.as_slice(), |ttl_ms| {
            ends += u64::from(ttl_ms > 50_000);
            true
        });
        assert_eq!((read.unwrap(), ends), (2, 1));
        let entry = to.get("key").unwrap().unwrap();
        assert_eq!((entry.value, entry.flags), (OwnedValue::Bytes(vec![255]), 3));
        assert_eq!(to.range("list", 0, -1).unwrap(), [OwnedValue::Double(0.5)]);
    }

    /// Has more to say of a table than a line may hold.
    struct Talker;

    impl Tables for Talker {
        fn spell(&self, _: &[u8]) -> Option<Json> {
            Some("x".repeat(17 << 20).into())
        }

        fn check(&self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn what_a_dump_says_of_tables_keeps_none_from_being_loaded() {
        let (from, to) = (dictionary(), dictionary());
        let table = Value::Table(b"bytes");
        from.set("table", table, SetOptions::default()).unwrap();
        from.push("list", table, Side::Right, SetOptions::default()).unwrap();
        let mut dump = Vec::new();
        assert_eq!(write_entries(&from, &Talker, &mut dump, |_| true).unwrap(), 2);
        assert!(dump.len() < 1000, "{}", dump.len());
        assert_eq!(read_entries(&to, &Talker, dump.as_slice(), |_| true).unwrap(), 2);
        assert_eq!(to.get("table").unwrap().unwrap().value, table.to_owned());
        assert_eq!(to.range("list", 0, -1).unwrap(), [table.to_owned()]);
    }

    #[test]
    fn a_dictionary_full_of_what_takes_most_letters_is_loaded_again() {
        let dictionary = || Dictionary::create_unnamed("dump", &Options::new(4 << 20)).unwrap();
        let (from, to) = (dictionary(), dictionary());
        let control = vec![1; 3 << 20];
        from.set(vec![1; crate::KEY_LIMIT_BYTES], Value::Bytes(&control), SetOptions::default())
            .unwrap();
        let mut dump = Vec::new();
        assert_eq!(write_entries(&from, &Opaque, &mut dump, |_| true).unwrap(), 1);
        assert!(dump.len() > control.len() * 6);
        assert_eq!(read_entries(&to, &Opaque, dump.as_slice(), |_| true).unwrap(), 1);
    }

    fn rpush(dictionary: &Dictionary, numbers: std::ops::Range<i64>) {
        for number in numbers {
            dictionary.push("list", number.into(), Side::Right, SetOptions::default()).unwrap();
        }
    }

    /// A dump of one list of 5,000 numbers, with something done after its first piece; the numbers
    /// in it.
    fn dumped_numbers(meanwhile: impl FnOnce(&Dictionary)) -> Vec<i64> {
        let dictionary = Dictionary::create_unnamed("dump", &Options::new(2 << 20)).unwrap();
        rpush(&dictionary, 0..5000);
        let (mut dump, mut pieces, mut act) = (Vec::new(), 0, Some(meanwhile));
        let count = write_entries(&dictionary, &Opaque, &mut dump, |written| {
            pieces += u64::from(written == 0);
            act.take().into_iter().for_each(|act| act(&dictionary));
            true
        });
        assert_eq!(count.unwrap(), 1);
        assert!(pieces >= 5000 / STEP_ELEMENTS as u64 - 1, "{pieces} pieces");
        let line: Json = serde_json::from_slice(&dump).unwrap();
        let elements = line["elements"].as_array().unwrap().iter();
        elements.map(|element| element["value"].as_i64().unwrap()).collect()
    }

    #[test]
    fn a_long_list_is_read_in_pieces_between_which_writers_go_on() {
        let found = dumped_numbers(|dictionary| {
            dictionary.pop("list", Side::Left).unwrap();
            dictionary.pop("list", Side::Right).unwrap();
            rpush(dictionary, 7000..7001);
        });
        assert_eq!(found, Vec::from_iter((0..4999).chain([7000])));
    }

    #[test]
    fn a_list_that_is_replaced_while_it_is_read_is_read_anew() {
        let found = dumped_numbers(|dictionary| {
            dictionary.delete("list").unwrap();
            rpush(dictionary, 10_000..15_000);
        });
        assert_eq!(found, Vec::from_iter(10_000..15_000));
    }

    #[test]
    fn a_list_that_ends_while_it_is_read_is_left_out() {
        let dictionary = dictionary();
        rpush(&dictionary, 0..500);
        let written = write_entries(&dictionary, &Opaque, io::sink(), |_| {
            dictionary.delete("list").unwrap();
            true
        });
        assert_eq!(written.unwrap(), 0);
        rpush(&dictionary, 0..500);
        let mut dump = Vec::new();
        let written = write_entries(&dictionary, &Opaque, &mut dump, |_| {
            dictionary.set("list", 1.into(), SetOptions::default()).unwrap();
            true
        });
        assert_eq!(written.unwrap(), 1);
        assert_eq!(dump, b"{\"key\":\"list\",\"type\":\"integer\",\"value\":1}\n");
    }

    #[test]
    fn a_dump_can_be_stopped_within_a_list() {
        let dictionary = dictionary();
        rpush(&dictionary, 0..500);
        let stopped = write_entries(&dictionary, &Opaque, io::sink(), |written| written != 0);
        assert!(matches!(stopped, Err(DumpError::Stopped)));
    }

    #[test]
    fn both_ways_can_be_stopped() {
        let dictionary = dictionary();
        for number in 0..10 {
            let options = SetOptions::default();
            dictionary.set(format!("key{number}"), number.into(), options).unwrap();
        }
        let mut left = 3;
        let stopped = write_entries(&dictionary, &Opaque, io::sink(), |_| {
            left -= 1;
            left > 0
        });
        assert!(matches!(stopped, Err(DumpError::Stopped)));
    }
}
