//! A thousand callers of one slow service: it is named in the log, and nobody else suffers.

use crate::support::Scratch;

#[test]
fn a_flooded_service_is_bounded_and_named_and_harms_nobody_else() {
    let scratch = Scratch::new("flood");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lua");
    let arguments = ["run", "--threads", "2", "--path", path, "flood.main", "3", "1000"];
    let ended = scratch.run(arguments).expect_code(0);
    let is_named = |line: &str| line.contains(" WARN flood.slow:") && line.contains("is full");
    assert!(ended.stderr.lines().any(is_named), "{}", ended.stderr);
    assert!(ended.stdout.contains("limit 500"), "{}", ended.stdout);
    println!("{}", ended.stdout);
}
