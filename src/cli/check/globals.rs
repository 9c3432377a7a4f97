//! Global variables that are probably not meant, across all files that are checked together.
//!
//! A global counts as defined if a VM has it from the start, if some file assigns to it at its top
//! level, or if some file writes it as a field of `_G`. An assignment by the bare name inside a
//! function is more often a forgotten `local`.

use std::collections::BTreeSet;

use moonhive::vm::Access;

use super::compile::Checked;
use super::problem::{Problem, Severity, group};

/// Names that hosts and frameworks define.
const HOSTED: [&str; 8] = [
    "arg",
    "_PROMPT",
    "_PROMPT2",
    "SERVICE_NAME",
    "SERVICE_PATH",
    "LUA_PATH",
    "LUA_CPATH",
    "LUA_SERVICE",
];

/// Names that earlier versions of Lua had, and what to use instead.
const EARLIER: [(&str, &str); 9] = [
    ("unpack", "table.unpack"),
    ("loadstring", "load"),
    ("setfenv", "the environment argument of load, or a local _ENV"),
    ("getfenv", "_ENV"),
    ("module", "a table that the file returns"),
    ("newproxy", "a table with a metatable"),
    ("gcinfo", "collectgarbage('count')"),
    ("bit32", "the operators & | ~ << >>"),
    ("bit", "the operators & | ~ << >>"),
];

/// Longest distance, in edits, at which another name is suggested.
const SIMILAR_EDITS_MAX: usize = 2;

/// Warns of suspicious globals; `known` are those that need no definition.
pub fn compare(files: &[Checked], mut known: BTreeSet<String>) -> Vec<Problem> {
    known.extend(HOSTED.map(str::to_owned));
    let all = || files.iter().flat_map(|file| &file.uses);
    let defined = all().filter(|item| match item.access {
        Access::Write => !item.is_nested,
        Access::WriteField => true,
        _ => false,
    });
    known.extend(defined.map(|item| item.name.clone()));
    let written = all().filter(|item| item.access == Access::Write).map(|item| item.name.as_str());
    let written: BTreeSet<&str> = written.collect();
    files.iter().flat_map(|file| of_file(file, &known, &written)).collect()
}

fn of_file(file: &Checked, known: &BTreeSet<String>, written: &BTreeSet<&str>) -> Vec<Problem> {
    let unknown = file.uses.iter().filter(|item| !known.contains(&item.name));
    let suspicious = unknown.filter(|item| match item.access {
        Access::Read => !written.contains(item.name.as_str()),
        _ => true,
    });
    let places =
        group(suspicious.map(|item| ((item.access == Access::Read, &item.name), item.line)));
    places
        .into_iter()
        .map(|((is_read, name), mut lines)| {
            lines.sort_unstable();
            lines.dedup();
            let problem = if is_read { undefined(name, known) } else { accidental(name) };
            let problem = Problem { file: file.name.clone(), ..problem }.at(lines, &file.text);
            if is_read { problem.pointing_at(name) } else { problem.pointing_at_target(name) }
        })
        .collect()
}

fn undefined(name: &str, known: &BTreeSet<String>) -> Problem {
    let message = format!("the global variable '{name}' is read, but nothing here defines it");
    Problem::of_file(Severity::Warning, "undefined-global", "", message).hint(advice(name, known))
}

fn accidental(name: &str) -> Problem {
    let message = format!("the global variable '{name}' is assigned to inside a function");
    let hint = "write `local` in front of it; if it is meant, define it once at the top of a file";
    Problem::of_file(Severity::Warning, "accidental-global", "", message).hint(Some(hint))
}

fn advice(name: &str, known: &BTreeSet<String>) -> Option<String> {
    if let Some((_, instead)) = EARLIER.iter().find(|(earlier, _)| *earlier == name) {
        return Some(format!("Lua 5.5 has no `{name}`: use {instead}"));
    }
    let distance = |other: &&String| edits(name, other);
    let nearest = known.iter().min_by_key(distance)?;
    let is_similar = distance(&nearest) <= SIMILAR_EDITS_MAX.min(name.len() / 3);
    is_similar.then(|| format!("did you mean `{nearest}`?"))
}

/// How many letters must be inserted, deleted, replaced or swapped with their neighbour to make one
/// name of the other.
fn edits(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    // Rows of the table of distances between beginnings of both: the last two.
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            let is_swap =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if is_swap {
                best = best.min(older[j - 2] + 1);
            }
            row.push(best);
        }
        older = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_letters() {
        for (left, right, expect) in
            [("print", "print", 0), ("pirnt", "print", 1), ("prnt", "print", 1), ("", "abc", 3)]
        {
            assert_eq!(edits(left, right), expect, "{left} {right}");
        }
    }

    #[test]
    fn advice_names_what_was_probably_meant() {
        let known = ["print", "pairs", "require"].map(str::to_owned).into();
        assert_eq!(advice("pirnt", &known).as_deref(), Some("did you mean `print`?"));
        assert_eq!(advice("x", &known), None);
        assert!(advice("unpack", &known).is_some_and(|hint| hint.contains("table.unpack")));
    }
}
