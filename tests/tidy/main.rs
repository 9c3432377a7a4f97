//! Rules of the house that no compiler checks, as ordinary tests.
//!
//! A rule is a function from one file (or the whole tree) to a list of [`Violation`]s. Each rule
//! has two tests: the tree keeps it, and it catches an example of what it forbids. A failing rule
//! prints `file:line: what is wrong` and one `hint:` that says what to do.

mod layers;
mod licences;
mod lua;
mod manifest;
mod patches;
mod rust;
mod semantics;
mod text;
mod tree;

use std::fmt;

use tree::File;

/// One place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    place: String,
    message: String,
}

impl Violation {
    /// A violation in line `index` (from 0) of a file.
    fn at(file: &File, index: usize, message: impl Into<String>) -> Self {
        Self { place: format!("{}:{}", file.path, index + 1), message: message.into() }
    }

    /// A violation of a file as a whole.
    fn of(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: path.into(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Fails the test with every violation on a line of its own.
#[track_caller]
fn expect_none(violations: Vec<Violation>, hint: &str) {
    let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "\n{}\nhint: {hint}\n", lines.join("\n"));
}

/// Checks a per-file rule over every file of the project with one of these extensions.
#[track_caller]
fn check_tree(extensions: &[&str], hint: &str, rule: impl Fn(&File) -> Vec<Violation>) {
    let files = tree::files(extensions);
    assert!(!files.is_empty(), "no file ends in {extensions:?}; the rule would check nothing");
    expect_none(files.iter().flat_map(rule).collect(), hint);
}

/// Checks that a rule finds exactly these lines (from 1) of a text that pretends to be `path`.
#[track_caller]
fn check_rule(rule: impl Fn(&File) -> Vec<Violation>, path: &str, text: &str, lines: &[usize]) {
    let file = File { path: path.to_owned(), text: text.to_owned() };
    let found: Vec<String> = rule(&file).into_iter().map(|violation| violation.place).collect();
    let expected: Vec<String> = lines.iter().map(|line| format!("{path}:{line}")).collect();
    assert_eq!(found, expected, "in {text:?}");
}
