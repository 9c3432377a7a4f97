//! Rules for `docs/semantics.md`: every line is one sentence, and names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tree::{self, File};
use crate::{Violation, expect_none};

const DOCUMENT: &str = "docs/semantics.md";

/// The spans of code in a line that name a test: suite and name.
fn references(line: &str) -> Vec<(&str, &str)> {
    line.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(": ")).collect()
}

/// The files that a suite may be.
fn files_of(suite: &str) -> Vec<PathBuf> {
    let mut files = vec![format!("tests/lua/{suite}.lua"), format!("tests/{suite}.rs")];
    files.extend(suite.starts_with("src/").then(|| format!("{suite}.rs")));
    if let Some((part, rest)) = suite.split_once('/') {
        files.push(format!("crates/{part}/tests/{rest}.rs"));
    }
    files.into_iter().map(PathBuf::from).collect()
}

/// What is wrong with a reference, if anything is.
fn fault_of(root: &Path, suite: &str, test: &str) -> Option<String> {
    let files = files_of(suite);
    let Some(file) = files.iter().map(|file| root.join(file)).find(|file| file.is_file()) else {
        return Some(format!("no suite `{suite}`"));
    };
    let text = fs::read_to_string(&file).unwrap_or_default();
    let is_lua = file.extension().is_some_and(|extension| extension == "lua");
    let wanted = if is_lua { format!("test(\"{test}\"") } else { format!("fn {test}(") };
    (!text.contains(&wanted)).then(|| format!("no test `{test}` in `{suite}`"))
}

/// True if the sentence of a line ends before its references do.
fn is_one_sentence(line: &str) -> bool {
    let spans = line.split('`').step_by(2).collect::<Vec<_>>().join("");
    let text = spans.trim_end();
    text.ends_with('.') && !text.contains(". ")
}

fn pins_every_line(root: &Path, file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in file.lines().filter(|(_, line)| line.starts_with("- ")) {
        let references = references(line);
        if references.is_empty() {
            violations.push(Violation::at(file, index, "names no test"));
        }
        if !is_one_sentence(line) {
            violations.push(Violation::at(file, index, "is not one sentence"));
        }
        let faults = references.iter().filter_map(|(suite, test)| fault_of(root, suite, test));
        violations.extend(faults.map(|fault| Violation::at(file, index, fault)));
    }
    violations
}

#[test]
fn every_line_of_the_semantics_names_tests_that_exist() {
    let root = tree::root();
    let text = fs::read_to_string(root.join(DOCUMENT)).unwrap();
    let file = File { path: DOCUMENT.to_owned(), text };
    assert!(file.lines().filter(|(_, line)| line.starts_with("- ")).count() > 50);
    expect_none(
        pins_every_line(root, &file),
        "end the line with `suite: name of a test`, one sentence a line",
    );
}

#[test]
fn a_line_of_the_semantics_without_a_test_is_caught() {
    let text = "\
- Good. `calls: a late answer is dropped elsewhere`
- Good. `chaos: every_call_ends_exactly_once_whatever_happens_to_the_services`
- Nothing.
- Two. Sentences. `kernel/turns: a_task_that_has_ended_never_runs_again`
- No suite. `nowhere: nothing`
";
    let file = File { path: DOCUMENT.to_owned(), text: text.to_owned() };
    let found: Vec<String> =
        pins_every_line(tree::root(), &file).into_iter().map(|it| it.to_string()).collect();
    let expected = [
        "docs/semantics.md:1: no test `a late answer is dropped elsewhere` in `calls`",
        "docs/semantics.md:3: names no test",
        "docs/semantics.md:4: is not one sentence",
        "docs/semantics.md:5: no suite `nowhere`",
    ];
    assert_eq!(found, expected);
}
