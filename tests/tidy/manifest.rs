//! Rules for manifests: each dependency has a reason, one version for the whole workspace.

use crate::tree::{self, File};
use crate::{Violation, check_tree, expect_none};

/// The names that a manifest depends on, with their line, without our own crates.
fn dependencies(file: &File) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in file.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or("").trim();
        if inside && !name.is_empty() && !name.starts_with('#') && !name.starts_with("moonhive") {
            found.push((index, name.to_owned()));
        }
    }
    found
}

#[test]
fn every_dependency_has_a_reason_in_the_documents() {
    let reasons = tree::read("docs/dependencies.md").text;
    check_tree(&["toml"], "add it to docs/dependencies.md: what for, and why this one", |file| {
        if !file.path.ends_with("Cargo.toml") {
            return Vec::new();
        }
        let missing = dependencies(file)
            .into_iter()
            .filter(|(_, name)| !reasons.contains(&format!("`{name}`")));
        missing
            .map(|(index, name)| Violation::at(file, index, format!("`{name}` has no reason")))
            .collect()
    });
}

#[test]
fn the_toolchain_of_the_manifest_is_the_pinned_one() {
    let pinned = tree::read("rust-toolchain.toml").text;
    let wanted = tree::read("Cargo.toml").text;
    let version = wanted
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .expect("Cargo.toml names a rust-version");
    let message = format!("does not pin {version}, the rust-version of Cargo.toml");
    let violation = || vec![Violation::of("rust-toolchain.toml", message)];
    let agrees = pinned.contains(&format!("\"{version}"));
    expect_none(if agrees { Vec::new() } else { violation() }, "change both together");
}
