//! Licences and sources of everything we link, checked against `deny.toml` without `cargo deny`.
//!
//! `cargo deny` knows more (licence texts, duplicates, advisories) and runs in CI where it is
//! installed. This test needs nothing but cargo, so that the promise holds on every machine.

use std::process::Command;

use serde_json::Value;

use crate::tree::{self, root};
use crate::{Violation, expect_none};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every package of the lock file that is not ours, as cargo describes it.
fn foreign_packages() -> Vec<Value> {
    // Packages for other systems may not be on this machine.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages").clone();
    packages.into_iter().filter(|package| !package["source"].is_null()).collect()
}

fn allowed_licences() -> Vec<String> {
    let text = tree::read("deny.toml").text;
    let table: toml::Table = text.parse().expect("deny.toml is TOML");
    let allowed = table["licenses"]["allow"].as_array().expect("a list of licences");
    allowed.iter().filter_map(|licence| Some(licence.as_str()?.to_owned())).collect()
}

/// True if the licence expression leaves a choice that is allowed throughout. Understands `OR`,
/// `AND`, `WITH` and one level of brackets, and the old `/` for `OR`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let one = |licence: &str| allowed.iter().any(|known| known == licence.trim());
    let alternatives = |text: &str| text.replace('/', " OR ").split(" OR ").any(one);
    expression.split(" AND ").all(|part| {
        let balanced = part.trim().trim_start_matches('(').trim_end_matches(')');
        alternatives(balanced)
    })
}

#[test]
fn everything_we_link_has_an_allowed_licence() {
    let allowed = allowed_licences();
    let faults = foreign_packages().into_iter().filter_map(|package| {
        let licence = package["license"].as_str().unwrap_or("none");
        let message = format!("its licence is {licence}");
        let name = format!("{} {}", package["name"], package["version"]).replace('"', "");
        (!is_allowed(licence, &allowed)).then(|| Violation::of(name, message))
    });
    expect_none(faults.collect(), "choose another crate, or allow the licence in deny.toml");
}

#[test]
fn everything_we_link_comes_from_the_registry() {
    let faults = foreign_packages().into_iter().filter_map(|package| {
        let source = package["source"].as_str().unwrap_or_default();
        let message = format!("comes from {source}");
        (source != REGISTRY).then(|| Violation::of(package["name"].to_string(), message))
    });
    expect_none(faults.collect(), "use the published crate");
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND Apache-2.0 WITH LLVM-exception", true),
        ("GPL-3.0", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
