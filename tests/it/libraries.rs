//! The libraries beside other implementations of the same: LPeg itself, Python's libraries,
//! PyCryptodome, PyMongo, the original sproto. Where one is missing its test skips loudly.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Scratch, skip};

/// Where the checks put Python's modules.
const PYTHON_MODULES: &str = "target/tools/python";

fn source(file: &str) -> String {
    let path = root().join("tests/it/libraries").join(file);
    fs::read_to_string(path).expect("a file of ours")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a Lua file prints when a service runs it.
fn printed(scratch: &Scratch, file: &str) -> String {
    scratch.file(file, &source(file));
    scratch.run(["run", file]).expect_code(0).stdout
}

#[test]
fn patterns_match_what_lpeg_itself_matches() {
    let lua = |script: &[&str]| Command::new("lua5.4").args(script).output();
    let is_there = lua(&["-e", "require 'lpeg' require 're'"]);
    if !is_there.is_ok_and(|output| output.status.success()) {
        return skip("lpeg", "apt-get install lua5.4 lua-lpeg");
    }
    let scratch = Scratch::new("libraries_lpeg");
    let ours = printed(&scratch, "patterns.lua");
    let path = scratch.path("patterns.lua").display().to_string();
    let theirs = lua(&[&path]).expect("lua5.4 was there");
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    let theirs = String::from_utf8_lossy(&theirs.stdout).into_owned();
    assert!(theirs.lines().count() > 200, "only {} lines", theirs.lines().count());
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs, "left ours, right LPeg's");
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

/// Python with the modules that the checks have put aside.
fn python(script: PathBuf) -> Command {
    let mut command = Command::new("python3");
    command.arg(script).env("PYTHONPATH", root().join(PYTHON_MODULES));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn bytes_are_those_of_other_implementations() {
    let scratch = Scratch::new("libraries_python");
    scratch.file("modules.py", "import bson, pymongo, pysproto, Crypto\n");
    let is_there = python(scratch.path("modules.py")).output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        let why = format!(
            "python3 -m pip install --target {PYTHON_MODULES} pymongo pysproto pycryptodome"
        );
        return skip("libraries", &why);
    }
    let values = printed(&scratch, "values.lua");
    let lines = values.lines().count();
    let check = root().join("tests/it/libraries/check.py");
    let mut child = python(check).spawn().expect("python3 was there");
    let mut input = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || input.write_all(values.as_bytes()));
    let output = child.wait_with_output().expect("it can be waited for");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{wrong}");
    writer.join().unwrap().expect("Python reads all lines");
    assert_eq!(said.trim(), lines.to_string());
}
