//! The example of a program that embeds a host is short, and does what it says.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Lines of code that the README's promise of a short program allows.
const CODE_LINES_MAX: usize = 20;

#[test]
fn the_example_of_an_embedding_program_calls_a_service_and_ends() {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--example", "embed"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "12\n14\n16\nended with 0\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
}

#[test]
fn the_example_of_an_embedding_program_is_short() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embed.rs");
    let text = fs::read_to_string(path).expect("the example is there");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.starts_with("//");
    let count = text.lines().filter(is_code).count();
    assert!(count <= CODE_LINES_MAX, "{count} lines");
}
