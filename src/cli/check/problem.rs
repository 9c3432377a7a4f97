//! What a check finds: one place in one file, with what is wrong and what to do.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file does not work.
    Error,
    /// It works, but perhaps not as meant.
    Warning,
}

/// Something to report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// A stable word for programs, such as `syntax` or `undefined-global`.
    pub code: &'static str,
    pub file: String,
    /// The lines it stands in, from 1; the first one is shown. None for the file as a whole.
    pub lines: Vec<u32>,
    pub message: String,
    /// The text of the first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which bytes of it to point at.
    #[serde(skip)]
    pub mark: Option<Range<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(severity: Severity, code: &'static str, file: &str, message: String) -> Self {
        let (file, lines) = (file.to_owned(), Vec::new());
        Self { severity, code, file, lines, message, source: None, mark: None, hint: None }
    }

    /// Says in which lines it stands and shows the first of them.
    pub fn at(mut self, lines: Vec<u32>, text: &[u8]) -> Self {
        self.source = lines.first().map(|&line| source_line(text, line));
        self.lines = lines;
        self
    }

    /// Points at the last place of the first line where `what` stands as a word of its own.
    pub fn pointing_at(mut self, what: &str) -> Self {
        self.mark = self.source.as_deref().and_then(|line| find_words(line, what).pop());
        self
    }

    /// Points at the first such place, where a target of an assignment stands.
    pub fn pointing_at_target(mut self, what: &str) -> Self {
        let first = |line| find_words(line, what).into_iter().next();
        self.mark = self.source.as_deref().and_then(first);
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }
}

/// Collects values under their key, in the order of the keys.
pub fn group<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_insert_with(Vec::new).push(value);
    }
    groups
}

/// Line number `line` of a text, from 1.
pub fn source_line(text: &[u8], line: u32) -> String {
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    let line = text.split(|&byte| byte == b'\n').nth(index).unwrap_or_default();
    String::from_utf8_lossy(line).trim_end().to_owned()
}

/// The places where `what` does not touch other letters of a name.
fn find_words(line: &str, what: &str) -> Vec<Range<usize>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let joins = |edge: Option<char>, next: Option<char>| {
        edge.is_some_and(is_name) && next.is_some_and(is_name)
    };
    let stands_alone = |place: &Range<usize>| {
        let (before, after) = (&line[..place.start], &line[place.end..]);
        !joins(what.chars().next(), before.chars().next_back())
            && !joins(what.chars().next_back(), after.chars().next())
    };
    let places = line.match_indices(what).map(|(start, _)| start..start + what.len());
    places.filter(|place| !place.is_empty() && stands_alone(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_stand_alone() {
        let starts = |line, what| -> Vec<usize> {
            find_words(line, what).into_iter().map(|place| place.start).collect()
        };
        assert_eq!(starts("pint(print)", "print"), [5]);
        assert!(starts("printf(print1)", "print").is_empty());
        assert_eq!(starts("a != b != c", "!="), [2, 7]);
        assert!(starts("x", "").is_empty());
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(source_line(b"a\r\nb  \n", 1), "a");
        assert_eq!(source_line(b"a\nb  \n", 2), "b");
        assert_eq!(source_line(b"a\n", 7), "");
    }
}
