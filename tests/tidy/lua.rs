//! Rules for Lua files: a purpose first, no syntax that formatters cannot read yet.

use crate::tree::File;
use crate::{Violation, check_rule, check_tree};

fn opens_with_purpose(file: &File) -> Vec<Violation> {
    let first = file.lines().find(|(_, line)| !line.starts_with("#!"));
    match first {
        Some((_, line)) if line.starts_with("--") => Vec::new(),
        _ => vec![Violation::at(file, 0, "the file does not open with a comment")],
    }
}

/// `global` declarations are Lua 5.5 only; formatters refuse or corrupt them.
fn uses_no_global_declaration(file: &File) -> Vec<Violation> {
    let opens = |line: &str| {
        let rest = line.trim_start().strip_prefix("global ").unwrap_or("").trim_start();
        rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '<' | '*'))
    };
    file.lines()
        .filter(|(_, line)| opens(line))
        .map(|(index, _)| Violation::at(file, index, "a `global` declaration"))
        .collect()
}

#[test]
fn every_lua_file_opens_by_saying_what_it_is() {
    check_tree(&["lua"], "begin with a comment: what this file is for", opens_with_purpose);
}

#[test]
fn a_lua_file_without_a_purpose_is_caught() {
    check_rule(opens_with_purpose, "a.lua", "local x = 1\n", &[1]);
    check_rule(opens_with_purpose, "a.lua", "#!/usr/bin/env lua\n-- Counts.\n", &[]);
}

#[test]
fn no_lua_file_uses_syntax_that_formatters_corrupt() {
    check_tree(
        &["lua"],
        "use `local`, or assign to `_G`; a test may load such code from a string",
        uses_no_global_declaration,
    );
}

#[test]
fn a_global_declaration_is_caught() {
    check_rule(uses_no_global_declaration, "a.lua", "-- A\nglobal x = 1\nglobal = 2\n", &[2]);
}
