//! Where in a message a value stands, written as Lua would: `args[2].rows[17]["a b"]`.
//!
//! A path is only ever built for an error. It grows from the inside out, while the codec unwinds,
//! so the way in costs nothing.

use std::fmt;

/// Longest piece of a string key that a path shows, in bytes.
const SHOWN_KEY_BYTES: usize = 40;

/// The place of a value in a message, from the argument list inwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    root: &'static str,
    /// Innermost first.
    steps: Vec<Step>,
}

impl Path {
    /// A path that starts at the argument list `root` (`args`) and has no steps yet.
    pub(super) fn new(root: &'static str) -> Self {
        Self { root, steps: Vec::new() }
    }

    /// Names the list that the outermost step counts in.
    pub(super) fn rooted(mut self, root: &'static str) -> Self {
        self.root = root;
        self
    }

    /// True before the first step.
    pub(super) fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Puts `step` around what the path holds so far.
    pub(super) fn push_outer(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The path of the value that holds this one and lies `depth` steps from the root.
    pub(super) fn ancestor(&self, depth: usize) -> Self {
        let first = self.steps.len().saturating_sub(depth);
        Self { root: self.root, steps: self.steps[first..].to_vec() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.root)?;
        self.steps.iter().rev().try_for_each(|step| step.fmt(formatter))
    }
}

/// One step of a [`Path`]: a key that was followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A string key, at most [`SHOWN_KEY_BYTES`] of it.
    String(Vec<u8>),
    /// A key that has no spelling: a table, a light userdata.
    Other(&'static str),
}

impl Eq for Step {}

impl Step {
    /// Copies as much of a string key as a path shows.
    pub fn string(key: &[u8]) -> Self {
        Self::String(key[..key.len().min(SHOWN_KEY_BYTES + 1)].to_vec())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(index) => write!(formatter, "[{index}]"),
            Self::Float(key) => write!(formatter, "[{key:?}]"),
            Self::Boolean(key) => write!(formatter, "[{key}]"),
            Self::Other(kind) => write!(formatter, "[<{kind}>]"),
            Self::String(key) => match std::str::from_utf8(key) {
                Ok(name) if is_name(name) => write!(formatter, ".{name}"),
                _ => write!(formatter, "[\"{}\"]", Quoted(key)),
            },
        }
    }
}

/// Can `key` follow a dot in Lua source?
fn is_name(key: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    key.len() <= SHOWN_KEY_BYTES
        && key.starts_with(first)
        && key.chars().all(rest)
        && !RESERVED_WORDS.contains(&key)
}

const RESERVED_WORDS: [&str; 23] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "global", "goto",
    "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Key bytes as they may stand between double quotes, cut after [`SHOWN_KEY_BYTES`].
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN_KEY_BYTES)];
        for chunk in shown.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| write_escaped(formatter, c))?;
            chunk.invalid().iter().try_for_each(|byte| write!(formatter, "\\x{byte:02x}"))?;
        }
        if shown.len() < self.0.len() { formatter.write_str("...") } else { Ok(()) }
    }
}

fn write_escaped(formatter: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '"' | '\\' => write!(formatter, "\\{c}"),
        '\n' => formatter.write_str("\\n"),
        c if c.is_control() && c.is_ascii() => write!(formatter, "\\x{:02x}", c as u32),
        c if c.is_control() => write!(formatter, "\\u{{{:x}}}", c as u32),
        c => write!(formatter, "{c}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(steps: &[Step], expect: &str) {
        let mut path = Path::new("args");
        steps.iter().rev().for_each(|step| path.push_outer(step.clone()));
        assert_eq!(path.to_string(), expect);
    }

    #[test]
    fn names_follow_a_dot_and_everything_else_stands_in_brackets() {
        check(&[Step::Integer(2), Step::string(b"cb")], "args[2].cb");
        check(&[Step::Integer(1), Step::string(b"a b")], r#"args[1]["a b"]"#);
        check(&[Step::Integer(1), Step::string(b"end")], r#"args[1]["end"]"#);
        check(&[Step::Integer(1), Step::string(b"")], r#"args[1][""]"#);
        check(&[Step::Integer(1), Step::string("grün".as_bytes())], r#"args[1]["grün"]"#);
        check(&[Step::Integer(1), Step::Integer(-3), Step::Boolean(true)], "args[1][-3][true]");
        check(&[Step::Integer(1), Step::Float(1.0), Step::Other("table")], "args[1][1.0][<table>]");
    }

    #[test]
    fn bytes_that_would_disturb_a_terminal_are_escaped() {
        check(&[Step::string(b"\x1b[2J\"\\\n\xff")], r#"args["\x1b[2J\"\\\n\xff"]"#);
    }

    #[test]
    fn a_long_key_is_cut() {
        let expect = format!("args[\"{}...\"]", "k".repeat(SHOWN_KEY_BYTES));
        check(&[Step::string(&[b'k'; 1000])], &expect);
    }

    #[test]
    fn an_ancestor_keeps_the_outer_steps() {
        let mut path = Path::new("args");
        [Step::string(b"b"), Step::string(b"a"), Step::Integer(1)]
            .into_iter()
            .for_each(|step| path.push_outer(step));
        assert_eq!(path.to_string(), "args[1].a.b");
        assert_eq!(path.ancestor(2).to_string(), "args[1].a");
    }
}
