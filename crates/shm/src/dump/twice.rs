//! Names that an object of a line of JSON has twice: a parser keeps the last value and drops the
//! others unseen.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names of an object so far; nothing in an array.
type Level<'l> = Option<HashSet<Cow<'l, str>>>;

/// The first name that is given twice in one object, at whatever depth. The line must be JSON.
pub fn name_given_twice(line: &str) -> Option<Cow<'_, str>> {
    let (mut levels, mut at) = (Vec::<Level<'_>>::new(), 0);
    while let Some(byte) = line.as_bytes().get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' => levels.push(Some(HashSet::new())),
            b'[' => levels.push(None),
            b'}' | b']' => drop(levels.pop()),
            b'"' => {
                at = end_of_string(line, at);
                let names = levels.last_mut().and_then(Option::as_mut);
                if let Some(names) = names.filter(|_| is_name(&line[at..])) {
                    let name = text_of(&line[start..at]);
                    if let Some(twice) = names.replace(name) {
                        return Some(twice);
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// Behind the quote that ends the string whose first letter is there.
fn end_of_string(line: &str, mut at: usize) -> usize {
    let bytes = line.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    line.len()
}

/// Whether what follows a string in an object makes it a name.
fn is_name(rest: &str) -> bool {
    rest.trim_ascii_start().starts_with(':')
}

/// A string without its quotes and with what its escapes stand for: a name can be spelled in many
/// ways.
fn text_of(quoted: &str) -> Cow<'_, str> {
    match quoted.contains('\\') {
        true => Cow::Owned(serde_json::from_str(quoted).unwrap_or_default()),
        false => Cow::Borrowed(quoted.trim_matches('"')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_twice_is_found_however_it_is_spelled_and_wherever_it_is() {
        let lines = [
            r#"{"key":"a","key":"b"}"#,
            r#"{"key":"a","k\u0065y" : "b"}"#,
            r#"{"a":{"b":1},"c":[1,{"key":[],"d":{"key":1},"key":2}]}"#,
            "{\t\"key\" :\"\\\\\",\"x\":\"\\\"}\", \"key\":1}",
            r#"[{"key":{}},{"key":"key","b":"key","key":null}]"#,
        ];
        for line in lines {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
            assert_eq!(name_given_twice(line).as_deref(), Some("key"), "{line}");
        }
        assert_eq!(name_given_twice(r#"{"":1,"":2}"#).as_deref(), Some(""));
    }

    #[test]
    fn what_only_looks_alike_is_no_name_given_twice() {
        let lines = [
            r#"{"key":"key","Key":["key","key"],"k":{"key":1}}"#,
            r#"[{"key":1},{"key":2}]"#,
            r#"{"a":"\"key\":1,\"key\":2","b":"{\"a\":1","c":"\\","d":"\\\""}"#,
            r#"["a","a"]"#,
            r#""a""#,
            "1",
            "",
        ];
        for line in lines {
            assert_eq!(name_given_twice(line), None, "{line}");
        }
    }
}
