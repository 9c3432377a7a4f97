//! Whether bytes are a table that Lua can read: looked at without a VM, by the rules of those who
//! unpack what another process may have written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::message::{Payload, from_payload};

/// Checks that bytes are one table of plain values.
///
/// # Errors
/// What is wrong with them.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let read = from_payload::<(Table,)>(&Payload::from(bytes));
    read.map(|_| ()).map_err(|error| error.to_string())
}

/// A table, and nothing else.
struct Table;

/// Any value that means the same in every process.
struct Plain;

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TableVisitor).map(|()| Self)
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(|()| Self)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        PlainVisitor.visit_seq(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        PlainVisitor.visit_map(fields)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a plain value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    /// An address: integers of Lua come signed.
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom("an address of another process"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }

    /// A handle.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom("a service or a task of another process"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element::<Plain>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_entry::<Plain, Plain>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::{Handle, MAX_DEPTH, to_payload};

    fn bytes_of(value: &impl serde::Serialize) -> Vec<u8> {
        to_payload(value).unwrap().to_bytes().into_owned()
    }

    #[test]
    fn tables_of_plain_values_pass() {
        let tables = [
            json!([{}]),
            json!([[1, 2.5, true, null, "text", [[]]]]),
            json!([{ "a": { "b": [1] }, "c": -1 }]),
        ];
        for table in tables {
            assert_eq!(check(&bytes_of(&table)), Ok(()), "{table}");
        }
    }

    #[test]
    fn what_lua_could_not_read_is_named() {
        let handle = (vec![Handle { kind: 1, value: 2 }],);
        let cases = [
            (vec![0xff, 0xff], "format 255"),
            (bytes_of(&json!([])), "expected a table"),
            (bytes_of(&json!([7])), "expected a table"),
            (bytes_of(&json!([[1], [2]])), "more values"),
            (bytes_of(&handle), "a service or a task"),
        ];
        for (bytes, reason) in cases {
            let error = check(&bytes).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
        let whole = bytes_of(&json!([["text"]]));
        for length in 0..whole.len() {
            assert!(check(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn tables_too_deep_for_a_message_are_refused() {
        let nested = |levels: usize| {
            // A list of one list of one list: each level is a byte.
            let mut bytes = bytes_of(&json!([[]]));
            let empty = bytes.pop().unwrap();
            let single = *bytes_of(&json!([[1]])).get(bytes.len()).unwrap();
            bytes.extend(std::iter::repeat_n(single, levels - 1));
            bytes.push(empty);
            bytes
        };
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert!(check(&nested(MAX_DEPTH + 1)).is_err());
    }

    /// Every byte of a table with some of everything in it, changed to every other one.
    fn mutants() -> impl Iterator<Item = Vec<u8>> {
        let whole = bytes_of(&json!([[1, -300, 2.5, "ab", { "k": [true], "l": { "k": null } }]]));
        (0..whole.len()).flat_map(move |at| {
            let whole = whole.clone();
            (0..=u8::MAX).map(move |byte| {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                bytes
            })
        })
    }

    #[test]
    fn what_passes_is_what_a_service_can_read() {
        use moonhive_shm::{Dictionary, Options, SetOptions, Value};

        use crate::actor::{Host, Spawn};

        let name = format!("unit-{}-mutants", std::process::id());
        let dictionary = Dictionary::create(&name, &Options::new(4 << 20)).unwrap();
        let mut verdicts = Vec::new();
        for (number, bytes) in (1..).zip(mutants()) {
            let key = format!("{number}");
            dictionary.set(key, Value::Table(&bytes), SetOptions::default()).unwrap();
            verdicts.push(check(&bytes).is_ok());
        }
        assert!(verdicts.contains(&true) && verdicts.contains(&false));
        let text = "local name, verdicts = ...
            local dict = require('shared').open(name)
            require('shared').unlink(name)
            for number, verdict in ipairs(verdicts) do
              local ok, value = pcall(dict.get, dict, number)
              assert((ok and type(value) == 'table') == verdict, number .. ': ' .. tostring(value))
            end
            return {}";
        let host = Host::builder().threads(1).build().unwrap();
        host.spawn(Spawn::text("reader", text), (name, verdicts)).unwrap();
    }
}
