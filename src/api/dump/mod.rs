//! Dumps of dictionaries ([`moonhive_shm::dump`]) as a host writes and reads them: it knows what
//! the bytes of a table mean, spells it out for people, and stores none that nobody could read.

mod table;

use std::io::{BufRead, Write};
use std::path::Path;

use moonhive_shm::Dictionary;
use moonhive_shm::dump::{self, Tables};
use serde_json::{Map, Value as Json};

use crate::message::{Payload, from_payload};

pub use moonhive_shm::dump::{
    Content, DumpError, Entry, FileError, line_limit_bytes, list_of, store_entries, tell_loaded,
    unhex,
};

/// Tables in the form of the codec of messages.
struct Codec;

impl Tables for Codec {
    fn spell(&self, bytes: &[u8]) -> Option<Json> {
        from_payload::<(Json,)>(&Payload::from(bytes)).ok().map(|(table,)| table)
    }

    fn check(&self, bytes: &[u8]) -> Result<(), String> {
        table::check(bytes)
    }
}

/// How keys and values are spelled: [`moonhive_shm::dump::form`].
pub mod form {
    use moonhive_shm::Value;
    pub use moonhive_shm::dump::form::{name_of, put_bytes};

    /// A value as people read it.
    pub fn text_of(value: &Value<'_>) -> Vec<u8> {
        moonhive_shm::dump::form::text_of(value, &super::Codec)
    }
}

/// Writes all entries: [`moonhive_shm::dump::write_entries`].
///
/// # Errors
/// [`DumpError`].
pub fn write_entries(
    dictionary: &Dictionary,
    out: impl Write,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    dump::write_entries(dictionary, &Codec, out, goes_on)
}

/// An entry as a dump spells it; `None` if there is none.
///
/// # Errors
/// What the dictionary fails with.
pub fn object_of(
    dictionary: &Dictionary,
    key: &[u8],
) -> Result<Option<Map<String, Json>>, DumpError> {
    dump::object_of(dictionary, &Codec, key)
}

/// The entries of a dump: [`moonhive_shm::dump::entries`].
///
/// # Errors
/// [`DumpError`] of an item.
pub fn entries(
    lines: impl BufRead,
    limit_bytes: u64,
) -> impl Iterator<Item = Result<(u64, Entry), DumpError>> {
    dump::entries(&Codec, lines, limit_bytes)
}

/// Reads all entries and stores none: [`moonhive_shm::dump::check_entries`].
///
/// # Errors
/// [`DumpError`].
pub fn check_entries(
    lines: impl BufRead,
    limit_bytes: u64,
    goes_on: impl FnMut() -> bool,
) -> Result<u64, DumpError> {
    dump::check_entries(&Codec, lines, limit_bytes, goes_on)
}

/// Stores all entries: [`moonhive_shm::dump::read_entries`].
///
/// # Errors
/// [`DumpError`].
pub fn read_entries(
    dictionary: &Dictionary,
    lines: impl BufRead,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    dump::read_entries(dictionary, &Codec, lines, goes_on)
}

/// All entries to a file: [`moonhive_shm::dump::save_file`].
///
/// # Errors
/// [`FileError`].
pub fn save_file(
    dictionary: &Dictionary,
    path: &Path,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, FileError> {
    dump::save_file(dictionary, &Codec, path, goes_on)
}

/// All entries from a file: [`moonhive_shm::dump::load_file`].
///
/// # Errors
/// [`FileError`].
pub fn load_file(
    dictionary: &Dictionary,
    path: &Path,
    goes_on: impl FnMut(Option<u64>) -> bool,
) -> Result<u64, FileError> {
    dump::load_file(dictionary, &Codec, path, goes_on)
}

#[cfg(test)]
mod tests {
    use moonhive_shm::{Options, OwnedValue, SetOptions};

    use super::*;
    use crate::message::to_payload;

    #[test]
    fn a_table_is_spelled_for_people_and_loaded_from_its_bytes() {
        let dictionary = Dictionary::create_unnamed("dump", &Options::new(64 << 10)).unwrap();
        let bytes = to_payload(&([1, 2],)).unwrap().to_bytes().into_owned();
        let table = OwnedValue::Table(bytes);
        dictionary.set("key", table.as_value(), SetOptions::default()).unwrap();
        let mut dump = Vec::new();
        write_entries(&dictionary, &mut dump, |_| true).unwrap();
        let line = String::from_utf8(dump).unwrap();
        assert!(line.contains(r#""value":[1,2]"#), "{line}");
        dictionary.delete("key").unwrap();
        assert_eq!(read_entries(&dictionary, line.as_bytes(), |_| true).unwrap(), 1);
        assert_eq!(dictionary.get("key").unwrap().unwrap().value, table);
    }

    #[test]
    fn files_of_hosts_and_of_programs_without_the_codec_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump.jsonl");
        let dictionary = || Dictionary::create_unnamed("dump", &Options::new(64 << 10)).unwrap();
        let (first, second, third) = (dictionary(), dictionary(), dictionary());
        let table = OwnedValue::Table(to_payload(&([1],)).unwrap().to_bytes().into_owned());
        first.set("key", table.as_value(), SetOptions::default()).unwrap();
        assert_eq!(save_file(&first, &path, |_| true).unwrap(), 1);
        assert_eq!(second.load(&path).unwrap(), 1);
        assert_eq!(second.save(&path).unwrap(), 1);
        assert_eq!(load_file(&third, &path, |_| true).unwrap(), 1);
        assert_eq!(third.get("key").unwrap().unwrap().value, table);
    }

    #[test]
    fn a_table_that_nobody_could_read_is_refused() {
        let line = r#"{"key":"a","type":"table","value_hex":"ffff"}"#;
        let reason = check_entries(line.as_bytes(), 1000, || true).unwrap_err().to_string();
        assert!(reason.starts_with("line 1: `value_hex`: its bytes are no table: "), "{reason}");
    }
}
