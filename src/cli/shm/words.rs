//! Keys and values on their way between a shell and a dictionary: bytes from words, and bytes that
//! a terminal may see.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStringExt as _;
use std::str::FromStr;

use moonhive::api::dump::unhex;
use serde_json::Value as Json;

/// Bytes in hexadecimal.
#[derive(Clone, Debug)]
pub struct Hex(pub Vec<u8>);

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = unhex(text).map(Self);
        bytes.ok_or_else(|| format!("expected pairs of hexadecimal digits, got `{text}`"))
    }
}

/// The key that was given, as a word or in hexadecimal.
pub fn key_of(word: Option<OsString>, hex: Option<Hex>) -> Vec<u8> {
    match hex {
        Some(Hex(bytes)) => bytes,
        None => word.map(OsString::into_vec).unwrap_or_default(),
    }
}

/// What may go to standard output: a terminal obeys control characters, so it sees them only if it
/// is asked for; a program gets the bytes as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Bytes as they are.
    Raw,
    /// Keys: whatever is not plain text as `\n` or `\xff`, a backslash twice.
    Key,
    /// Values: the same, but for ends of lines, tabs and backslashes.
    Value,
}

impl Show {
    /// As it is where a program reads or the user wants it raw, else as `shown`.
    pub fn on_output(is_raw: bool, shown: Show) -> Show {
        if is_raw || !io::stdout().is_terminal() { Show::Raw } else { shown }
    }

    /// The bytes to write.
    pub fn bytes(self, bytes: &[u8]) -> Vec<u8> {
        if self == Show::Raw {
            return bytes.to_vec();
        }
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|c| self.push(&mut text, c));
            for byte in chunk.invalid() {
                // A string takes whatever is written to it.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        text.into_bytes()
    }

    fn push(self, text: &mut String, c: char) {
        match c {
            '\n' | '\t' if self == Show::Value => text.push(c),
            '\\' if self == Show::Key => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() || is_direction(c) => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(c));
            }
            c => text.push(c),
        }
    }
}

/// Characters that turn the text around them: a key with one is read as another key.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON on one line, in which no terminal meets a control character, either.
pub fn json_line(value: &Json) -> Vec<u8> {
    let mut line = String::new();
    for c in value.to_string().chars() {
        if c.is_control() || is_direction(c) {
            // A string takes whatever is written to it.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line.into_bytes()
}

/// A key in a message.
pub fn quoted(key: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(&Show::Key.bytes(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(show: Show, bytes: &[u8]) -> String {
        String::from_utf8(show.bytes(bytes)).unwrap()
    }

    #[test]
    fn a_terminal_sees_no_control_characters_of_a_key() {
        assert_eq!(shown(Show::Key, b"\x1b]0;title\x07"), "\\x1b]0;title\\x07");
        assert_eq!(shown(Show::Key, b"a\nb\tc\\\r\x7f"), "a\\nb\\tc\\\\\\r\\x7f");
        assert_eq!(shown(Show::Key, b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(shown(Show::Key, "\u{9b}31m\u{202e}".as_bytes()), "\\u{9b}31m\\u{202e}");
        assert_eq!(shown(Show::Key, "caf\u{e9}: 1".as_bytes()), "caf\u{e9}: 1");
    }

    #[test]
    fn a_value_keeps_its_lines() {
        assert_eq!(shown(Show::Value, b"a\\b\n\tc\x1b\r"), "a\\b\n\tc\\x1b\\r");
    }

    #[test]
    fn raw_bytes_are_what_they_are() {
        assert_eq!(Show::Raw.bytes(b"\x1b\xff"), b"\x1b\xff");
    }

    #[test]
    fn json_names_control_characters_in_its_own_way() {
        let text = "\u{9b}31m\u{1b}\u{202e}\u{e9}";
        let line = String::from_utf8(json_line(&text.into())).unwrap();
        assert_eq!(line, "\"\\u009b31m\\u001b\\u202e\u{e9}\"\n");
        assert_eq!(serde_json::from_str::<Json>(&line).unwrap(), text);
    }

    #[test]
    fn hexadecimal_is_read_or_refused_with_what_was_given() {
        assert_eq!("00fF".parse::<Hex>().unwrap().0, [0, 255]);
        assert!("abc".parse::<Hex>().unwrap_err().contains("`abc`"));
    }
}
