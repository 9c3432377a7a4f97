//! One line of a dump, read strictly: a number that was mistyped must not make an entry that lives
//! for ever.
//!
//! Every refusal names the field, what it holds and what it may hold.

use serde_json::{Map, Value as Json};

use super::Tables;
use super::form::UNREADABLE;
use super::twice::name_given_twice;
use crate::{KEY_LIMIT_BYTES, OwnedValue, SetOptions};

/// Fields of an entry.
const FIELDS: [&str; 8] =
    ["key", "key_hex", "type", "value", "value_hex", "elements", "flags", "ttl_ms"];

/// Fields of an element of a list.
const ELEMENT_FIELDS: [&str; 3] = ["type", "value", "value_hex"];

/// What `type` may be, for messages.
const TYPES: &str = "string, integer, double, boolean, nil, table, list or unreadable table";
const ELEMENT_TYPES: &str = "string, integer, double, boolean, nil, table or unreadable table";

/// Letters of a value that a message shows.
const SHOWN_LETTERS: usize = 60;

/// An entry as a dump spells it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its key.
    pub key: Vec<u8>,
    /// Its flags.
    pub flags: u32,
    /// How many milliseconds it lives; 0 for ever.
    pub ttl_ms: u64,
    /// What it holds.
    pub content: Content,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// One value.
    Value(OwnedValue),
    /// The elements of a list, at least one.
    List(Vec<OwnedValue>),
}

impl Entry {
    /// Reads a line.
    ///
    /// ```
    /// use moonhive_shm::dump::{Entry, Opaque};
    ///
    /// let entry = Entry::parse(r#"{"key":"n","type":"integer","value":7,"ttl_ms":500}"#, &Opaque).unwrap();
    /// assert_eq!((entry.key.as_slice(), entry.ttl_ms), (b"n".as_slice(), 500));
    ///
    /// let error = Entry::parse(r#"{"key":"n","type":"integer","value":7,"ttl_ms":-5}"#, &Opaque);
    /// let expected = "`ttl_ms`: expected a whole number from 0 to 18446744073709551615, got -5";
    /// assert_eq!(error.unwrap_err(), expected);
    /// ```
    ///
    /// # Errors
    /// Which field is wrong, what it holds, and what it may hold.
    pub fn parse(line: &str, tables: &dyn Tables) -> Result<Entry, String> {
        let object: Json = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            format!("column {}: no JSON: {what}", error.column())
        })?;
        if let Some(name) = name_given_twice(line) {
            let name: String = name.chars().take(SHOWN_LETTERS).collect();
            return Err(format!("field `{}` is given twice", name.escape_debug()));
        }
        match &object {
            Json::Object(object) => Entry::of(object, tables),
            other => Err(format!("expected a JSON object, got {}", shown(other))),
        }
    }

    /// Reads an entry that is an object already.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn of(object: &Map<String, Json>, tables: &dyn Tables) -> Result<Entry, String> {
        let fields = Fields { object, path: String::new(), tables };
        fields.check_names(&FIELDS)?;
        Ok(Entry {
            key: fields.key()?,
            flags: fields.number("flags", u32::MAX.into())? as u32,
            ttl_ms: fields.number("ttl_ms", u64::MAX)?,
            content: fields.content()?,
        })
    }

    /// How it is stored: nothing is thrown out for it.
    pub(super) fn options(&self) -> SetOptions {
        SetOptions::default().never_evict().ttl_ms(self.ttl_ms).flags(self.flags)
    }
}

/// The fields of an entry, or of an element.
struct Fields<'a> {
    object: &'a Map<String, Json>,
    /// What stands before the name of a field in a message.
    path: String,
    tables: &'a dyn Tables,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Json> {
        self.object.get(name)
    }

    fn name(&self, field: &str) -> String {
        format!("`{}{field}`", self.path)
    }

    fn wrong(&self, field: &str, expected: &str, found: &Json) -> String {
        format!("{}: expected {expected}, got {}", self.name(field), shown(found))
    }

    fn missing(&self, field: &str) -> String {
        format!("{} is missing", self.name(field))
    }

    /// A typing error must not go unnoticed.
    fn check_names(&self, known: &[&str]) -> Result<(), String> {
        match self.object.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let name = self.name(&name.chars().take(SHOWN_LETTERS).collect::<String>());
                Err(format!(
                    "unknown field {} (expected {})",
                    name.escape_debug(),
                    known.join(", ")
                ))
            }
        }
    }

    /// A whole number, 0 if it is missing.
    fn number(&self, field: &str, most: u64) -> Result<u64, String> {
        let Some(found) = self.get(field) else { return Ok(0) };
        let number = found.as_u64().filter(|number| *number <= most);
        number.ok_or_else(|| self.wrong(field, &format!("a whole number from 0 to {most}"), found))
    }

    fn key(&self) -> Result<Vec<u8>, String> {
        let key = self.bytes("key")?;
        let field = if self.get("key").is_some() { "key" } else { "key_hex" };
        match key.len() {
            1..=KEY_LIMIT_BYTES => Ok(key),
            length => Err(format!(
                "{}: expected 1 to {KEY_LIMIT_BYTES} bytes, got {length}",
                self.name(field)
            )),
        }
    }

    /// Bytes under a name, or in hexadecimal under the name with `_hex`.
    fn bytes(&self, field: &str) -> Result<Vec<u8>, String> {
        let hex_field = format!("{field}_hex");
        match (self.get(field), self.get(&hex_field)) {
            (None, None) => {
                Err(format!("{} or {} is missing", self.name(field), self.name(&hex_field)))
            }
            (Some(_), Some(_)) => {
                Err(format!("{} and {} are both given", self.name(field), self.name(&hex_field)))
            }
            (Some(found), None) => match found.as_str() {
                Some(text) => Ok(text.as_bytes().to_vec()),
                None => Err(self.wrong(field, "a string", found)),
            },
            (None, Some(_)) => self.hexadecimal(&hex_field),
        }
    }

    fn hexadecimal(&self, field: &str) -> Result<Vec<u8>, String> {
        let found = self.get(field).ok_or_else(|| self.missing(field))?;
        let bytes = found.as_str().and_then(unhex);
        bytes.ok_or_else(|| self.wrong(field, "pairs of hexadecimal digits", found))
    }

    fn content(&self) -> Result<Content, String> {
        if self.get("type").and_then(Json::as_str) == Some("list") {
            self.check_absent("value", "a list has `elements`")?;
            self.check_absent("value_hex", "a list has `elements`")?;
            return self.elements().map(Content::List);
        }
        self.check_absent("elements", "only a list has them")?;
        self.value(TYPES).map(Content::Value)
    }

    fn check_absent(&self, field: &str, why: &str) -> Result<(), String> {
        match self.get(field) {
            None => Ok(()),
            Some(_) => Err(format!("{} makes no sense here: {why}", self.name(field))),
        }
    }

    fn elements(&self) -> Result<Vec<OwnedValue>, String> {
        let expected = "an array of at least one element";
        let found = self.get("elements").ok_or_else(|| self.missing("elements"))?;
        let elements = found.as_array().filter(|elements| !elements.is_empty());
        let elements = elements.ok_or_else(|| self.wrong("elements", expected, found))?;
        let read = |(index, element): (usize, &Json)| {
            let name = format!("elements[{index}]");
            let Json::Object(object) = element else {
                return Err(self.wrong(&name, "an object", element));
            };
            let fields = Fields { object, path: format!("{name}."), tables: self.tables };
            fields.check_names(&ELEMENT_FIELDS)?;
            fields.value(ELEMENT_TYPES)
        };
        elements.iter().enumerate().map(read).collect()
    }

    /// Type and value.
    fn value(&self, types: &str) -> Result<OwnedValue, String> {
        let found = self.get("type").ok_or_else(|| self.missing("type"))?;
        match found.as_str().unwrap_or_default() {
            "string" => self.bytes("value").map(OwnedValue::Bytes),
            "table" => self.table(),
            UNREADABLE => self.hexadecimal("value_hex").map(OwnedValue::Table),
            "integer" => {
                let expected = "a whole number from -9223372036854775808 to 9223372036854775807";
                self.plain(expected, |value| value.as_i64().map(OwnedValue::Integer))
            }
            "double" => {
                let expected = "a number, \"inf\", \"-inf\" or \"nan\"";
                self.plain(expected, |value| double(value).map(OwnedValue::Double))
            }
            "boolean" => {
                self.plain("true or false", |value| value.as_bool().map(OwnedValue::Boolean))
            }
            "nil" if self.get("value").is_none() => Ok(OwnedValue::Nil),
            "nil" => self.plain("null", |value| value.is_null().then_some(OwnedValue::Nil)),
            _ => Err(self.wrong("type", types, found)),
        }
    }

    /// A value that stands under `value` and nowhere else.
    fn plain(
        &self,
        expected: &str,
        read: impl Fn(&Json) -> Option<OwnedValue>,
    ) -> Result<OwnedValue, String> {
        self.check_absent("value_hex", "only strings and tables are spelled so")?;
        let found = self.get("value").ok_or_else(|| self.missing("value"))?;
        read(found).ok_or_else(|| self.wrong("value", expected, found))
    }

    /// The bytes of a table; a `value` beside them is for people. A program without the codec calls
    /// bytes a table that are none: who wants them all the same is told how.
    fn table(&self) -> Result<OwnedValue, String> {
        let bytes = self.hexadecimal("value_hex")?;
        self.tables.check(&bytes).map_err(|reason| {
            let (field, kind) = (self.name("value_hex"), self.name("type"));
            format!("{field}: its bytes are no table: {reason}; {kind} \"{UNREADABLE}\" loads them as they are")
        })?;
        Ok(OwnedValue::Table(bytes))
    }
}

/// A value as a message shows it.
fn shown(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_LETTERS) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

fn double(value: &Json) -> Option<f64> {
    match value.as_str() {
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some("nan") => Some(f64::NAN),
        _ => value.as_f64(),
    }
}

/// Bytes from pairs of hexadecimal digits.
///
/// ```
/// use moonhive_shm::dump::unhex;
/// assert_eq!(unhex("00fF"), Some(vec![0, 255]));
/// assert_eq!(unhex("0"), None);
/// ```
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| Some(digit(&pair[0])? << 4 | digit(&pair[1])?);
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks_exact(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::super::Opaque;
    use super::super::form::put_value;
    use super::*;

    fn refusal(line: &str) -> String {
        Entry::parse(line, &Opaque).expect_err(line)
    }

    #[test]
    fn every_field_is_read() {
        let line =
            r#"{"key_hex":"00ff","type":"string","value":"x","flags":4294967295,"ttl_ms":9}"#;
        let entry = Entry::parse(line, &Opaque).unwrap();
        let content = Content::Value(OwnedValue::Bytes(b"x".to_vec()));
        assert_eq!(entry, Entry { key: vec![0, 255], flags: u32::MAX, ttl_ms: 9, content });
        let line = r#"{"key":"k","type":"list","elements":[{"type":"nil"},{"type":"double","value":"-inf"}]}"#;
        let elements = vec![OwnedValue::Nil, OwnedValue::Double(f64::NEG_INFINITY)];
        assert_eq!(Entry::parse(line, &Opaque).unwrap().content, Content::List(elements));
    }

    #[test]
    fn numbers_that_cannot_be_kept_are_refused_rather_than_left_out() {
        let entry = |field: &str| format!(r#"{{"key":"k","type":"integer","value":1,{field}}}"#);
        for (field, found) in [("-5", "-5"), ("\"60\"", "\"60\""), ("1.5", "1.5"), ("null", "null")]
        {
            let expected = "expected a whole number from 0 to 18446744073709551615";
            let line = entry(&format!("\"ttl_ms\":{field}"));
            assert_eq!(refusal(&line), format!("`ttl_ms`: {expected}, got {found}"));
        }
        for (field, found) in
            [("99999999999", "99999999999"), ("-1", "-1"), ("4294967296", "4294967296")]
        {
            let line = entry(&format!("\"flags\":{field}"));
            let expected = "expected a whole number from 0 to 4294967295";
            assert_eq!(refusal(&line), format!("`flags`: {expected}, got {found}"));
        }
    }

    #[test]
    fn what_is_missing_wrong_or_unknown_is_named() {
        let cases = [
            ("{}", "`key` or `key_hex` is missing"),
            (r#"{"key_hex":"zz"}"#, r#"`key_hex`: expected pairs of hexadecimal digits, got "zz""#),
            (r#"{"key_hex":"+f"}"#, r#"`key_hex`: expected pairs of hexadecimal digits, got "+f""#),
            (r#"{"key":1}"#, "`key`: expected a string, got 1"),
            (r#"{"key":"","type":"nil"}"#, "`key`: expected 1 to 65535 bytes, got 0"),
            (r#"{"key":"k","key_hex":"00"}"#, "`key` and `key_hex` are both given"),
            (r#"{"key":"k"}"#, "`type` is missing"),
            (r#"{"key":"k","type":"string"}"#, "`value` or `value_hex` is missing"),
            (r#"{"key":"k","type":"table"}"#, "`value_hex` is missing"),
            (r#"{"key":"k","type":"nil","value":1}"#, "`value`: expected null, got 1"),
            (r#"{"key":"k","type":"boolean","value":1}"#, "`value`: expected true or false, got 1"),
            (r#"{"key":"k","type":"list"}"#, "`elements` is missing"),
            (
                r#"{"key":"k","type":"list","elements":[]}"#,
                "`elements`: expected an array of at least one element, got []",
            ),
            (
                r#"{"key":"k","type":"list","elements":[{"type":"nil"},{"type":"list"}]}"#,
                "`elements[1].type`: expected string, integer, double, boolean, nil, table or unreadable table, got \"list\"",
            ),
            (
                r#"{"key":"k","type":"thing"}"#,
                "`type`: expected string, integer, double, boolean, nil, table, list or unreadable table, got \"thing\"",
            ),
            (
                r#"{"key":"k","type":"nil","elements":[]}"#,
                "`elements` makes no sense here: only a list has them",
            ),
            (
                r#"{"key":"k","type":"nil","tll_ms":5}"#,
                "unknown field `tll_ms` (expected key, key_hex, type, value, value_hex, elements, flags, ttl_ms)",
            ),
            (r#"{"key":"a","key":"b","type":"nil"}"#, "field `key` is given twice"),
            (r#"{"key":"k","type":"nil","type":"nil"}"#, "field `type` is given twice"),
            (
                r#"{"key":"k","type":"list","elements":[{"type":"nil","value":null,"value":1}]}"#,
                "field `value` is given twice",
            ),
            ("[1]", "expected a JSON object, got [1]"),
            ("{\"key\"", "column 6: no JSON: EOF while parsing an object"),
        ];
        for (line, reason) in cases {
            assert_eq!(refusal(line), reason, "{line}");
        }
    }

    #[test]
    fn a_table_that_nobody_could_read_is_refused() {
        struct Nobody;
        impl Tables for Nobody {
            fn spell(&self, _: &[u8]) -> Option<Json> {
                None
            }

            fn check(&self, bytes: &[u8]) -> Result<(), String> {
                Err(format!("{} bytes too many", bytes.len()))
            }
        }
        let line = r#"{"key":"a","type":"table","value_hex":"ffff"}"#;
        let reason = Entry::parse(line, &Nobody).unwrap_err();
        let hint = "`type` \"unreadable table\" loads them as they are";
        let expected = format!("`value_hex`: its bytes are no table: 2 bytes too many; {hint}");
        assert_eq!(reason, expected);
        assert!(Entry::parse(line, &Opaque).is_ok(), "to others they are bytes");
        let entry =
            Entry::parse(&line.replace("table", UNREADABLE), &Nobody).expect("the hint holds");
        assert_eq!(entry.content, Content::Value(OwnedValue::Table(vec![255, 255])));

        let stored = OwnedValue::Table(vec![255, 255]);
        let mut object = Map::new();
        put_value(&mut object, &stored.as_value(), &Nobody);
        object.insert("key".to_owned(), "a".into());
        let entry = Entry::of(&object, &Nobody).expect("a dump can be loaded, whatever was stored");
        assert_eq!(entry.content, Content::Value(stored));
    }

    #[test]
    fn a_message_shows_the_beginning_of_a_long_value() {
        let line = format!(r#"{{"key":"k","type":"integer","value":"{}"}}"#, "\u{e4}".repeat(500));
        let reason = refusal(&line);
        assert!(reason.ends_with("\u{e4}...") && reason.len() < 300, "{reason}");
    }
}
