//! The corpus example on the machine's real licence texts, counted again in Python.
//!
//! A thousand workers require Debian's Penlight, dkjson and inspect, unchanged. The test needs
//! these packages and skips loudly where they are missing.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::support::{Scratch, skip};

const PACKAGES: [&str; 3] = ["lua-penlight", "lua-dkjson", "lua-inspect"];

/// Folders of Debian's Lua packages, the newest Lua first.
const MODULES: [&str; 2] = ["/usr/share/lua/5.4", "/usr/share/lua/5.3"];

fn missing_packages() -> Vec<&'static str> {
    let files = ["pl/List.lua", "dkjson.lua", "inspect.lua"];
    let is_there = |file: &str| MODULES.iter().any(|dir| Path::new(dir).join(file).exists());
    let missing = PACKAGES.iter().zip(files).filter(|(_, file)| !is_there(file));
    missing.map(|(package, _)| *package).collect()
}

#[test]
fn a_thousand_workers_count_what_python_counts() {
    let missing = missing_packages();
    if !missing.is_empty() {
        return skip("corpus", &format!("apt-get install {}", missing.join(" ")));
    }
    let scratch = Scratch::new("corpus");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/corpus");
    let main = example.join("main.lua").display().to_string();
    let paths = MODULES.iter().flat_map(|dir| ["--path", dir]);
    let ended = scratch
        .run(
            ["run", "--stats", "--turn-limit", "30s"]
                .into_iter()
                .chain(paths)
                .chain([main.as_str()]),
        )
        .expect_code(0);
    assert!(ended.stderr.contains("services"), "no figures at exit: {}", ended.stderr);

    assert!(ended.stderr.contains("the first job: {"), "no description: {}", ended.stderr);

    fs::write(scratch.path("report.json"), &ended.stdout).unwrap();
    let mut check = Command::new("python3");
    check.arg(example.join("check.py")).arg(scratch.path("report.json"));
    let check = match check.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return skip("corpus", "python3, which counts again, is missing");
        }
        output => output.expect("python3 can be started"),
    };
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success(), "{said}{}", String::from_utf8_lossy(&check.stderr));
}
