//! How keys and values are spelled in JSON, so that a load stores exactly what a dump has read.
//!
//! ```json
//! {"key":"user:1","type":"string","value":"ada","flags":3,"ttl_ms":60000}
//! {"key":"n","type":"integer","value":7}
//! {"key_hex":"00ff","type":"double","value":"inf"}
//! {"key":"jobs","type":"list","elements":[{"type":"string","value":"a"}]}
//! ```
//! `flags` and `ttl_ms` are missing where they are zero. Bytes that are no UTF-8 stand in
//! hexadecimal under `key_hex` and `value_hex`, and so does every table: as the bytes of the codec,
//! with a `value` for people beside them where it can be told. Bytes of which a host can make no
//! table (another program has stored them) are of the type "unreadable table" and loaded as they
//! are, so that they do not keep a whole dump from being loaded. Doubles that JSON has no number
//! for are "inf", "-inf" and "nan".

use serde_json::{Map, Value as Json, json};

use super::Tables;
use crate::Value;

/// The type of bytes that were stored as a table and are none.
pub(super) const UNREADABLE: &str = "unreadable table";

/// Puts bytes under a name, or in hexadecimal under the name with `_hex`.
pub fn put_bytes(object: &mut Map<String, Json>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_hex"), hex(bytes).into()),
    };
}

/// Puts type and value.
pub fn put_value(object: &mut Map<String, Json>, value: &Value<'_>, tables: &dyn Tables) {
    let is_unreadable = matches!(value, Value::Table(bytes) if tables.check(bytes).is_err());
    let name = if is_unreadable { UNREADABLE } else { name_of(value) };
    object.insert("type".to_owned(), name.into());
    let plain = match value {
        Value::Bytes(bytes) => return put_bytes(object, "value", bytes),
        Value::Table(bytes) => {
            object.insert("value_hex".to_owned(), hex(bytes).into());
            match tables.spell(bytes) {
                Some(table) => table,
                None => return,
            }
        }
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Double(value) => double(*value),
        _ => Json::Null,
    };
    object.insert("value".to_owned(), plain);
}

/// The name of a value's type.
pub fn name_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Boolean(_) => "boolean",
        Value::Integer(_) => "integer",
        Value::Double(_) => "double",
        Value::Bytes(_) => "string",
        Value::Table(_) => "table",
        _ => "nil",
    }
}

/// A value as people read it.
pub fn text_of(value: &Value<'_>, tables: &dyn Tables) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Boolean(value) => value.to_string().into_bytes(),
        Value::Integer(value) => value.to_string().into_bytes(),
        Value::Double(value) => format!("{value:?}").into_bytes(),
        Value::Table(bytes) => match tables.spell(bytes) {
            Some(table) => table.to_string().into_bytes(),
            None => format!("table of {} bytes", bytes.len()).into_bytes(),
        },
        _ => b"nil".to_vec(),
    }
}

fn double(value: f64) -> Json {
    match serde_json::Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => json!("nan"),
        None => json!(if value > 0.0 { "inf" } else { "-inf" }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Entry, Opaque};
    use super::*;
    use crate::OwnedValue;

    #[test]
    fn every_value_is_read_as_it_was_spelled() {
        let values = [
            OwnedValue::Nil,
            OwnedValue::Boolean(false),
            OwnedValue::Integer(i64::MAX),
            OwnedValue::Double(0.1),
            OwnedValue::Double(3.0),
            OwnedValue::Double(f64::NEG_INFINITY),
            OwnedValue::Bytes(b"text".to_vec()),
            OwnedValue::Bytes(vec![0, 255]),
            OwnedValue::Table(vec![1, 2]),
        ];
        for value in values {
            let mut object = Map::new();
            put_value(&mut object, &value.as_value(), &Opaque);
            put_bytes(&mut object, "key", b"\xff");
            let text = serde_json::to_string(&object).unwrap();
            let read = Entry::parse(&text, &Opaque).unwrap();
            assert_eq!((read.key, read.content), (vec![0xff], Content::Value(value)), "{text}");
        }
    }
}
