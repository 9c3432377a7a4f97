//! Direction of imports: a layer uses only the layers below it.
//!
//! `cli -> ops -> api -> actor -> vm -> {code, message, share} -> {kernel, lua-sys}`, as
//! docs/architecture.md draws it. Tests inside a file keep the rule like the code around them.

use crate::tree::File;
use crate::{Violation, check_rule, check_tree};

/// Each layer of the root package and the modules that it may name.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("cli", &["cli", "ops", "api", "actor", "vm", "code", "message", "share"]),
    ("ops", &["ops", "api", "actor", "vm", "code", "message", "share"]),
    ("api", &["api", "actor", "vm", "code", "message", "share"]),
    ("actor", &["actor", "vm", "code", "message", "share"]),
    ("vm", &["vm", "code", "message", "share"]),
    ("code", &["code"]),
    ("message", &["message"]),
    ("share", &["share"]),
];

/// Words that never appear in the code of a folder, and why.
const BANNED: [(&str, &[&str], &str); 8] = [
    ("crates/kernel/src/", &["mlua", "moonhive_lua_sys", "moonhive::"], "the kernel knows no Lua"),
    (
        "crates/kernel/src/",
        &["std::fs", "std::net", "std::io::std", "std::process", "println!"],
        "the kernel does no I/O",
    ),
    (
        "crates/shm/src/",
        &["mlua", "moonhive_lua_sys", "moonhive_kernel", "moonhive::"],
        "shared memory stands alone",
    ),
    ("crates/shm-c/", &["mlua", "moonhive_lua_sys", "moonhive_kernel", "moonhive::"], "see above"),
    ("vendor/lua-sys/src/", &["moonhive::", "moonhive_kernel"], "the Lua crate knows no host"),
    ("src/message/", &["parking_lot", "spin::"], "a codec holds no lock"),
    ("src/actor/", &["clap", "anyhow"], "the command line is above"),
    ("src/cli/", &["moonhive_kernel", "moonhive_lua_sys", "mlua"], "commands use the library"),
];

const HINT: &str = "move the code down, or hand what it needs in from above (a trait, a closure); \
                    docs/architecture.md draws the layers";

/// A file below `src/` names only modules that its layer may use.
fn looks_down(file: &File) -> Vec<Violation> {
    let Some(layer) = layer_of(&file.path) else { return Vec::new() };
    let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == layer).expect("known layer");
    let is_layer = |name: &str| MAY_USE.iter().any(|(layer, _)| *layer == name);
    let code: Vec<&str> = file.code_lines().map(|(_, line)| line).collect();
    let code = code.join("\n");
    let named = modules_named(&code);
    let wrong = named.into_iter().filter(|(_, name)| is_layer(name) && !allowed.contains(name));
    let mut wrong: Vec<(usize, &str)> = wrong.collect();
    wrong.sort_unstable();
    let violation = |(at, name): (usize, &str)| {
        let index = code[..at].matches('\n').count();
        Violation::at(file, index, format!("`{layer}` must not use `{name}`"))
    };
    wrong.into_iter().map(violation).collect()
}

/// The layer a file belongs to; files directly in `src/` tie the layers together and have none.
fn layer_of(path: &str) -> Option<&'static str> {
    let inside = path.strip_prefix("src/")?;
    let top = inside.split(['/', '.']).next()?;
    MAY_USE.iter().map(|(name, _)| *name).find(|name| *name == top)
}

/// The first segment after each `crate::` and `moonhive::`, and those of a brace group, over
/// however many lines it goes; each with where it stands.
fn modules_named(code: &str) -> Vec<(usize, &str)> {
    let mut named = Vec::new();
    for prefix in ["crate::", "moonhive::"] {
        for (at, _) in code.match_indices(prefix) {
            let start = at + prefix.len();
            match code[start..].strip_prefix('{') {
                Some(group) => {
                    named.extend(items_of(group).map(|at| word_at(code, start + 1 + at)))
                }
                None => named.push(word_at(code, start)),
            }
        }
    }
    named
}

/// Where the items of a brace group begin that is open; groups in it belong to their items.
fn items_of(group: &str) -> impl Iterator<Item = usize> {
    let mut depth = 1;
    let ends = group.char_indices().map_while(move |(at, character)| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth > 0).then_some((character == ',' && depth == 1).then_some(at + 1))
    });
    std::iter::once(0).chain(ends.flatten())
}

fn word_at(code: &str, start: usize) -> (usize, &str) {
    let rest = &code[start..];
    let word = rest.trim_start();
    let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
    (start + rest.len() - word.len(), &word[..end])
}

fn has_no_banned_word(file: &File) -> Vec<Violation> {
    let bans = BANNED.iter().filter(|(folder, _, _)| file.path.starts_with(folder));
    let mut violations = Vec::new();
    for (_, words, why) in bans {
        for (index, line) in file.code_lines() {
            for word in words.iter().filter(|word| line.contains(*word)) {
                violations.push(Violation::at(file, index, format!("names `{word}`, but {why}")));
            }
        }
    }
    violations
}

#[test]
fn a_layer_uses_only_the_layers_below_it() {
    check_tree(&["rs"], HINT, looks_down);
}

#[test]
fn an_import_from_above_is_caught() {
    check_rule(looks_down, "src/vm/state.rs", "use crate::code::Cache;", &[]);
    check_rule(looks_down, "src/vm/state.rs", "use std::fmt;\nuse crate::actor::Host;", &[2]);
    check_rule(looks_down, "src/code.rs", "use crate::{message, code};", &[1]);
    check_rule(looks_down, "src/message/read.rs", "// crate::actor\nlet x = 1;", &[]);
    let wrapped = "use crate::{\n    code::Cache, // above\n    message::{\n        api, Payload,\n    },\n    actor::Host,\n};\nuse cli::x;";
    check_rule(looks_down, "src/vm/state.rs", wrapped, &[6]);
}

#[test]
fn no_layer_names_what_it_must_not_know() {
    check_tree(&["rs"], HINT, has_no_banned_word);
}

#[test]
fn a_banned_word_is_caught() {
    check_rule(has_no_banned_word, "crates/kernel/src/run.rs", "use std::net::TcpStream;", &[1]);
    check_rule(has_no_banned_word, "crates/kernel/src/run.rs", "// unlike std::net", &[]);
}
