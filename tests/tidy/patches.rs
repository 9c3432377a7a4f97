//! Rules for the Lua we build: pinned sums in good shape, patches that introduce themselves.
//!
//! That the sums are right and that each patch applies exactly where it says is checked by the
//! build itself (`vendor/lua-source`); here it is that everything is there and in order.

use std::fs;

use crate::tree::{self, File, root};
use crate::{Violation, check_rule, expect_none};

/// What the text above the diff of a patch has to say, by how its paragraphs begin.
const HEADINGS: [&str; 3] = ["Why:", "Touches:", "Tested:"];

/// The longest patch; a longer one holds code that belongs into a C file of ours.
const PATCH_LIMIT_LINES: usize = 250;

/// The pinned sums: one line for each file of Lua's sources.
fn sums() -> File {
    let entries = fs::read_dir(root().join("vendor/lua-sys")).expect("vendor/lua-sys is there");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.into_iter().find(|name| name.ends_with(".sha256"));
    tree::read(&format!("vendor/lua-sys/{}", name.expect("the pinned sums are there")))
}

/// `64 hexadecimal digits, two spaces, a file name`, in order of name; `#` begins a comment.
fn is_list_of_sums(file: &File) -> Vec<Violation> {
    let is_sum = |text: &str| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    let mut previous = "";
    let mut violations = Vec::new();
    for (index, line) in file.lines().filter(|(_, line)| !line.starts_with('#')) {
        match line.split_once("  ") {
            Some((sum, name)) if is_sum(sum) && name > previous => previous = name,
            Some((sum, _)) if is_sum(sum) => {
                violations.push(Violation::at(file, index, "not in order of name"));
            }
            _ => violations.push(Violation::at(file, index, "not a sum, two spaces and a name")),
        }
    }
    violations
}

/// The names in `patches/series`, in the order in which they apply.
fn series() -> Vec<String> {
    let text = tree::read("patches/series").text;
    let names =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.map(str::to_owned).collect()
}

fn introduces_itself(file: &File) -> Vec<Violation> {
    let introduction = file.text.split("\n--- ").next().unwrap_or("");
    let missing = HEADINGS.iter().filter(|heading| {
        !introduction.lines().any(|line| line.trim_start_matches("# ").starts_with(*heading))
    });
    missing.map(|heading| Violation::at(file, 0, format!("no paragraph `{heading}`"))).collect()
}

fn is_short(file: &File) -> Vec<Violation> {
    let count = file.lines().count();
    let fault = || Violation::of(&file.path, format!("{count} lines, {PATCH_LIMIT_LINES} at most"));
    if count > PATCH_LIMIT_LINES { vec![fault()] } else { Vec::new() }
}

#[test]
fn the_pinned_sums_are_well_formed() {
    let sums = sums();
    assert!(sums.lines().count() > 50, "{} does not cover Lua's sources", sums.path);
    expect_none(is_list_of_sums(&sums), "write them with `sha256sum`, sorted by name");
}

#[test]
fn malformed_sums_are_caught() {
    let sum = "a".repeat(64);
    let text = format!("# sums\n{sum}  b.c\n{sum}  a.c\n{sum} c.c\nabc  d.c\n");
    check_rule(is_list_of_sums, "a.sha256", &text, &[3, 4, 5]);
}

#[test]
fn the_series_names_every_patch_once() {
    let entries = fs::read_dir(root().join("patches")).expect("patches is there");
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".patch"))
        .collect();
    files.sort();
    let mut named = series();
    named.sort();
    assert_eq!(named, files, "patches/series and the files beside it differ");
}

#[test]
fn every_patch_says_why_what_and_how_it_is_tested() {
    let patches: Vec<File> =
        series().iter().map(|name| tree::read(&format!("patches/{name}"))).collect();
    expect_none(
        patches.iter().flat_map(introduces_itself).collect(),
        "open the patch with paragraphs `Why:`, `Touches:` and `Tested:`",
    );
    expect_none(
        patches.iter().flat_map(is_short).collect(),
        "put the code into a C file of ours and let the patch call it",
    );
}

#[test]
fn a_patch_without_an_introduction_is_caught() {
    let complete = "# Why: x\n# Touches: y\n# Tested: z\n\n--- a/lgc.c\n+++ b/lgc.c\n";
    check_rule(introduces_itself, "1.patch", complete, &[]);
    check_rule(introduces_itself, "1.patch", "Why: x\n\n--- a/lgc.c\nTouches: y\n", &[1, 1]);
}
