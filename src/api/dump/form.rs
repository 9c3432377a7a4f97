//! How keys and values are spelled in JSON, so that a load stores exactly what a dump has read.
//!
//! ```json
//! {"key":"user:1","type":"string","value":"ada","flags":3,"ttl_ms":60000}
//! {"key":"n","type":"integer","value":7}
//! {"key_hex":"00ff","type":"double","value":"inf"}
//! {"key":"jobs","type":"list","elements":[{"type":"string","value":"a"}]}
//! ```
//! `flags` and `ttl_ms` are missing where they are zero. Bytes that are no UTF-8 stand in hexadecimal under
//! `key_hex` and `value_hex`, and so does every table: as the bytes of the codec, with a `value` for people
//! beside them where it can be told. Doubles that JSON has no number for are "inf", "-inf" and "nan".

use moonhive_shm::{OwnedValue, Value};
use serde_json::{Map, Value as Json, json};

use crate::message::{Payload, from_payload};

/// Puts bytes under a name, or in hexadecimal under the name with `_hex`.
pub fn put_bytes(object: &mut Map<String, Json>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_hex"), hex(bytes).into()),
    };
}

/// Reads what [`put_bytes`] has put.
pub fn take_bytes(object: &Map<String, Json>, name: &str) -> Result<Vec<u8>, String> {
    if let Some(text) = object.get(name) {
        let text = text.as_str().ok_or_else(|| format!("`{name}` is not a string"))?;
        return Ok(text.as_bytes().to_vec());
    }
    let name = format!("{name}_hex");
    let text = object.get(&name).and_then(Json::as_str).unwrap_or_default();
    unhex(text).filter(|_| object.contains_key(&name)).ok_or_else(|| format!("`{name}` is missing"))
}

/// Puts type and value.
pub fn put_value(object: &mut Map<String, Json>, value: &Value<'_>) {
    object.insert("type".to_owned(), name_of(value).into());
    let plain = match value {
        Value::Bytes(bytes) => return put_bytes(object, "value", bytes),
        Value::Table(bytes) => {
            object.insert("value_hex".to_owned(), hex(bytes).into());
            match table_of(bytes) {
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
pub fn text_of(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Boolean(value) => value.to_string().into_bytes(),
        Value::Integer(value) => value.to_string().into_bytes(),
        Value::Double(value) => format!("{value:?}").into_bytes(),
        Value::Table(bytes) => match table_of(bytes) {
            Some(table) => table.to_string().into_bytes(),
            None => format!("table of {} bytes", bytes.len()).into_bytes(),
        },
        _ => b"nil".to_vec(),
    }
}

/// Reads type and value.
pub fn take_value(object: &Map<String, Json>) -> Result<OwnedValue, String> {
    let value = object.get("value").unwrap_or(&Json::Null);
    let wrong = |name: &str| format!("`value` is no {name}: {value}");
    match object.get("type").and_then(Json::as_str).unwrap_or_default() {
        "nil" => Ok(OwnedValue::Nil),
        "boolean" => value.as_bool().map(OwnedValue::Boolean).ok_or_else(|| wrong("boolean")),
        "integer" => value.as_i64().map(OwnedValue::Integer).ok_or_else(|| wrong("integer")),
        "double" => undouble(value).map(OwnedValue::Double).ok_or_else(|| wrong("double")),
        "string" => take_bytes(object, "value").map(OwnedValue::Bytes),
        "table" => {
            let text = object.get("value_hex").and_then(Json::as_str).and_then(unhex);
            text.map(OwnedValue::Table).ok_or_else(|| "`value_hex` is missing".to_owned())
        }
        other => Err(format!("`type` is none of ours: {other:?}")),
    }
}

/// A table in the form of the codec, as JSON; `None` where JSON has no words for it.
fn table_of(bytes: &[u8]) -> Option<Json> {
    from_payload::<(Json,)>(&Payload::from(bytes)).ok().map(|(table,)| table)
}

fn double(value: f64) -> Json {
    match serde_json::Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => json!("nan"),
        None => json!(if value > 0.0 { "inf" } else { "-inf" }),
    }
}

fn undouble(value: &Json) -> Option<f64> {
    match value.as_str() {
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some("nan") => Some(f64::NAN),
        _ => value.as_f64(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    text.len().is_multiple_of(2).then(|| (0..text.len()).step_by(2).map(pair).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

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
            put_value(&mut object, &value.as_value());
            let text = serde_json::to_string(&object).unwrap();
            let read = take_value(&serde_json::from_str(&text).unwrap());
            assert_eq!(read, Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let read = |text: &str| take_value(&serde_json::from_str(text).unwrap()).unwrap_err();
        assert!(read(r#"{"type":"integer","value":1.5}"#).contains("no integer: 1.5"));
        assert!(read(r#"{"type":"table"}"#).contains("value_hex"));
        assert!(read(r#"{"type":"thing"}"#).contains("thing"));
        assert!(read(r#"{"type":"string"}"#).contains("value_hex"));
    }
}
