//! Rules for Rust files: headers, size (that of C files as well), where `unsafe` may live, reasons
//! for lint exceptions.

use crate::tree::File;
use crate::{Violation, check_rule, check_tree};

/// Longest file; beyond it the file holds two subjects.
const FILE_LIMIT_LINES: usize = 600;

/// Widest comment. The formatter sees to code and leaves comments alone.
const COMMENT_LIMIT_COLUMNS: usize = 100;

/// The only places whose code may be `unsafe`: audited borders to C, and the token that makes what
/// belongs to the turns of a service exclusive.
const UNSAFE_PLACES: [&str; 8] = [
    "crates/kernel/src/scheduler/token.rs",
    "vendor/lua-sys/",
    "crates/shm/src/",
    "crates/shm-c/src/",
    "src/vm/",
    "src/message/",
    "src/code/",
    "src/share/",
];

/// Lines above an `unsafe` item in which its SAFETY comment is looked for.
const SAFETY_DISTANCE_LINES: usize = 12;

/// Lines over which an `allow` attribute may stretch.
const ATTRIBUTE_LIMIT_LINES: usize = 6;

fn opens_with_purpose(file: &File) -> Vec<Violation> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Violation::at(file, 0, "the file does not open with a `//!` comment")]
}

fn is_not_too_long(file: &File) -> Vec<Violation> {
    let count = file.lines().count();
    if count <= FILE_LIMIT_LINES {
        return Vec::new();
    }
    vec![Violation::of(&file.path, format!("{count} lines, {FILE_LIMIT_LINES} at most"))]
}

/// Tables, and what stands between fences, are as wide as they are.
fn keeps_comments_narrow(file: &File) -> Vec<Violation> {
    let mut fenced = false;
    let mut wide = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let comment = line.trim_start();
        let text = comment.trim_start_matches(['/', '!']).trim_start();
        fenced = comment.starts_with("//") && fenced != text.starts_with("```");
        let is_prose = comment.starts_with("//") && !fenced && !text.starts_with('|');
        if is_prose && line.chars().count() > COMMENT_LIMIT_COLUMNS {
            wide.push(Violation::at(file, index, "the comment is wider than 100 columns"));
        }
    }
    wide
}

fn keeps_unsafe_in_its_place(file: &File) -> Vec<Violation> {
    if UNSAFE_PLACES.iter().any(|place| file.path.starts_with(place)) {
        return Vec::new();
    }
    let is_unsafe = |line: &str| has_word(line, "unsafe");
    file.code_lines()
        .filter(|(_, line)| is_unsafe(&without_strings(line)))
        .map(|(index, _)| Violation::at(file, index, "`unsafe` outside the audited places"))
        .collect()
}

/// Clippy checks blocks; this checks `unsafe impl` and `unsafe fn` as well.
fn explains_unsafe_items(file: &File) -> Vec<Violation> {
    let lines: Vec<&str> = file.text.lines().collect();
    let is_item = |line: &str| {
        let code = without_strings(line.split("//").next().unwrap_or(""));
        code.contains("unsafe impl ") || code.contains("unsafe fn ") && !code.contains("=")
    };
    let explained = |index: usize| {
        let above = &lines[index.saturating_sub(SAFETY_DISTANCE_LINES)..index];
        above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
    };
    (0..lines.len())
        .filter(|&index| is_item(lines[index]) && !explained(index))
        .map(|index| Violation::at(file, index, "no `SAFETY:` comment or `# Safety` section above"))
        .collect()
}

fn gives_reasons_for_lint_exceptions(file: &File) -> Vec<Violation> {
    let lines: Vec<&str> = file.text.lines().collect();
    let opens = |line: &str| line.contains("#[allow(") || line.contains("#![allow(");
    let explained = |index: usize| {
        let following = lines[index..].iter().take(ATTRIBUTE_LIMIT_LINES).copied();
        let attribute = following.collect::<String>();
        attribute.split(']').next().is_some_and(|text| text.contains("reason ="))
            || index > 0 && lines[index - 1].trim_start().starts_with("//")
    };
    (0..lines.len())
        .filter(|&index| opens(&without_strings(lines[index])) && !explained(index))
        .map(|index| Violation::at(file, index, "an `allow` without a reason"))
        .collect()
}

/// The line with the contents of its string literals blanked.
fn without_strings(line: &str) -> String {
    line.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    check_tree(
        &["rs"],
        "begin with `//! ` lines: what lives here, why, what always holds",
        opens_with_purpose,
    );
}

#[test]
fn a_file_without_a_header_is_caught() {
    check_rule(opens_with_purpose, "a.rs", "use std::fmt;", &[1]);
    check_rule(opens_with_purpose, "a.rs", "//! A thing.", &[]);
}

#[test]
fn no_file_is_too_long() {
    let hint = "split it by subject; tests may have a file of their own";
    check_tree(&["rs", "c", "h"], hint, is_not_too_long);
}

#[test]
fn no_comment_is_too_wide() {
    check_tree(&["rs"], "go on in the next line", keeps_comments_narrow);
}

#[test]
fn a_wide_comment_is_caught() {
    let wide = "word ".repeat(25);
    check_rule(keeps_comments_narrow, "a.rs", &format!("// {wide}"), &[1]);
    check_rule(keeps_comments_narrow, "a.rs", &format!("/// a\n    /// {wide}"), &[2]);
    check_rule(keeps_comments_narrow, "a.rs", &format!("//! | {wide} |"), &[]);
    check_rule(keeps_comments_narrow, "a.rs", &format!("//! ```\n//! {wide}\n//! ```"), &[]);
    check_rule(keeps_comments_narrow, "a.rs", &format!("let text = \"{wide}\";"), &[]);
}

#[test]
fn unsafe_code_stays_in_the_audited_folders() {
    check_tree(
        &["rs"],
        "express it through `vm::Stack`, or move it into vendor/lua-sys, src/vm, src/message or \
         src/code",
        keeps_unsafe_in_its_place,
    );
}

#[test]
fn unsafe_elsewhere_is_caught() {
    check_rule(keeps_unsafe_in_its_place, "src/actor/a.rs", "fn a() {}\nunsafe { b() }", &[2]);
    check_rule(keeps_unsafe_in_its_place, "src/vm/a.rs", "unsafe { b() }", &[]);
    check_rule(keeps_unsafe_in_its_place, "src/a.rs", "#![forbid(unsafe_code)] // unsafe", &[]);
    check_rule(keeps_unsafe_in_its_place, "src/a.rs", "let text = \"unsafe\";", &[]);
}

#[test]
fn unsafe_items_say_why_they_are_sound() {
    check_tree(
        &["rs"],
        "write `// SAFETY:` above an `unsafe impl`, a `# Safety` section above an `unsafe fn`",
        explains_unsafe_items,
    );
}

#[test]
fn an_unexplained_unsafe_item_is_caught() {
    check_rule(explains_unsafe_items, "a.rs", "unsafe impl Send for Vm {}", &[1]);
    check_rule(explains_unsafe_items, "a.rs", "// SAFETY: owned.\nunsafe impl Send for Vm {}", &[]);
}

#[test]
fn exceptions_from_lints_have_reasons() {
    check_tree(
        &["rs"],
        "write `#[allow(lint, reason = \"...\")]`",
        gives_reasons_for_lint_exceptions,
    );
}

#[test]
fn an_exception_without_a_reason_is_caught() {
    let rule = gives_reasons_for_lint_exceptions;
    check_rule(rule, "a.rs", "\n#[allow(dead_code)]\nfn a() {}", &[2]);
    check_rule(rule, "a.rs", "#[allow(dead_code, reason = \"kept\")]\nfn a() {}", &[]);
    check_rule(rule, "a.rs", "#[allow(\n    dead_code,\n    reason = \"kept\"\n)]", &[]);
    check_rule(rule, "a.rs", "// Kept for x.\n#[allow(dead_code)]", &[]);
}
