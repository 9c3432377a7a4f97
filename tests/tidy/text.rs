//! Rules for every text: white space, words that never land, links that lead somewhere.

use std::path::Path;

use crate::tree::{self, File};
use crate::{Violation, check_rule, check_tree};

const TEXTS: [&str; 12] =
    ["rs", "md", "toml", "lua", "sh", "c", "h", "yml", "py", "mjs", "json", "txt"];

/// Tabs are right in C (Lua's own style aligns definitions with them).
const TABS_ALLOWED: [&str; 2] = ["c", "h"];

/// Marks of unfinished work and of somebody's machine, cut in two so that this file passes.
const FORBIDDEN: [(&str, &str); 9] = [
    (concat!("to", "do!"), "unfinished code"),
    (concat!("unim", "plemented!"), "unfinished code"),
    (concat!("TO", "DO"), "an open end: do it, or write an issue"),
    (concat!("FIX", "ME"), "an open end: do it, or write an issue"),
    (concat!("XX", "X"), "an open end: do it, or write an issue"),
    (concat!("db", "g!("), "a trace of debugging"),
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
];

fn has_clean_whitespace(file: &File) -> Vec<Violation> {
    let extension = Path::new(&file.path).extension().and_then(|e| e.to_str()).unwrap_or("");
    let tabs_allowed = TABS_ALLOWED.contains(&extension);
    let fault = |line: &str| match line {
        _ if line.ends_with([' ', '\t', '\r']) => Some("white space at the end of the line"),
        _ if line.contains('\t') && !tabs_allowed => Some("a tab"),
        _ => None,
    };
    let mut violations: Vec<Violation> = file
        .text
        .split('\n')
        .enumerate()
        .filter_map(|(index, line)| Some(Violation::at(file, index, fault(line)?)))
        .collect();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        violations.push(Violation::of(&file.path, "no newline at the end"));
    }
    violations
}

fn has_no_forbidden_word(file: &File) -> Vec<Violation> {
    let faults = |line: &str| FORBIDDEN.iter().find(|(word, _)| contains_word(line, word));
    file.lines()
        .filter_map(|(index, line)| {
            let (word, why) = faults(line)?;
            Some(Violation::at(file, index, format!("`{word}` is {why}")))
        })
        .collect()
}

/// True where the word is not a part of a longer one (`mktemp` takes a row of X).
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word.starts_with(char::is_uppercase) || !is_part(before) && !is_part(after)
    })
}

/// Relative links of a Markdown file lead to a file of the tree, and to a heading it has.
fn has_links_that_resolve(file: &File) -> Vec<Violation> {
    let mut in_fence = false;
    let mut violations = Vec::new();
    for (index, line) in file.lines() {
        in_fence ^= line.trim_start().starts_with("```");
        if in_fence {
            continue;
        }
        for target in link_targets(line) {
            if let Some(fault) = fault_of_link(file, target) {
                violations.push(Violation::at(file, index, fault));
            }
        }
    }
    violations
}

/// What stands between `](` and `)`, without links to other sites.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let is_local = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(is_local)
}

fn fault_of_link(file: &File, target: &str) -> Option<String> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { file.path.clone().into() } else { folder.join(path) };
    let full = tree::root().join(&path);
    let is_own = path == Path::new(&file.path);
    if !is_own && !full.exists() {
        return Some(format!("the link leads to {}, which is not there", path.display()));
    }
    if heading.is_empty() || full.is_dir() {
        return None;
    }
    let text = if is_own { file.text.clone() } else { tree::read(&path.to_string_lossy()).text };
    let headings = text.lines().filter(|line| line.starts_with('#')).map(anchor_of);
    let found = headings.into_iter().any(|anchor| anchor == heading);
    (!found).then(|| format!("{} has no heading #{heading}", path.display()))
}

/// The anchor that a heading gets: lower case, spaces to dashes, punctuation gone.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn white_space_is_clean() {
    check_tree(&TEXTS, "remove it; `cargo fmt` does for Rust", has_clean_whitespace);
}

#[test]
fn unclean_white_space_is_caught() {
    check_rule(has_clean_whitespace, "a.rs", "a\nb \n\tc\nd\r\n", &[2, 3, 4]);
    check_rule(has_clean_whitespace, "a.c", "#define A\t1\n", &[]);
}

#[test]
fn nothing_unfinished_and_no_path_of_a_machine_lands() {
    check_tree(&TEXTS, "finish it or take it out", has_no_forbidden_word);
}

#[test]
fn a_forbidden_word_is_caught() {
    let text = format!("fine\n{}()\n", FORBIDDEN[0].0);
    check_rule(has_no_forbidden_word, "a.rs", &text, &[2]);
}

#[test]
fn links_in_documents_lead_somewhere() {
    check_tree(&["md"], "correct the link or write the page", has_links_that_resolve);
}

#[test]
fn a_dead_link_is_caught() {
    let text = "# One Thing\n[a](#one-thing)\n[b](#other)\n[c](no.md)\n[d](https://x.org/y)\n\
                ```\n[e](no.md)\n```\n";
    check_rule(has_links_that_resolve, "a.md", text, &[3, 4]);
}
