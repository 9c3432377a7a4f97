//! Programs in C and Python that share a dictionary with this one, and the library as a linker sees
//! it.

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use moonhive_shm::segment::File;
use moonhive_shm::{Dictionary, Options, OwnedValue, SetOptions, Side, Value};

use common::{Named, compiled, example, found, library, output_of, root};

const VISITS: i64 = 20_000;

/// Longest wait for a program.
const PATIENCE: Duration = Duration::from_secs(60);

/// Leaves a greeting, lets the program and a thread of ours visit at once, and looks at what came
/// of it.
fn shares_with(named: &Named, guest: &str, mut command: Command) -> String {
    let long = "hello ".repeat(100);
    named.dictionary.set("greeting", Value::from(&*long), SetOptions::default()).unwrap();
    let visit = || {
        for _ in 0..VISITS {
            named
                .dictionary
                .incr("visits", 1.into(), Some(0.into()), SetOptions::default())
                .unwrap();
        }
    };
    let output = thread::scope(|scope| {
        scope.spawn(visit);
        output_of(command.arg(&named.name).arg(VISITS.to_string()))
    });
    assert!(output.contains("visits counted"), "{output}");
    assert!(output.contains(&format!("greeting {long}")), "{output}");
    let visits = named.dictionary.get("visits").unwrap().unwrap().value;
    assert_eq!(visits, OwnedValue::Integer(2 * VISITS));
    let guests = named.dictionary.range("guests", 0, -1).unwrap();
    assert_eq!(guests, [OwnedValue::Bytes(guest.as_bytes().to_vec())]);
    output
}

#[test]
fn a_program_in_c_shares_a_dictionary_with_us() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(&folder, &example("visits.c")) else { return };
    let named = Named::new("visits-c", 4 << 20);
    let output = shares_with(&named, "C", Command::new(program));
    for line in ["key visits", "key guests", "key greeting", "entries 3, findings 0"] {
        assert!(output.contains(line), "{line} in {output}");
    }
}

#[test]
fn a_program_in_c_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(&folder, &example("visits.c")) else { return };
    let output = Command::new(program).args(["no/name", "1"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(text.starts_with("open: invalid name \"no/name\": only letters"), "{text}");
    assert!(text.contains("(invalid_name)"), "{text}");
}

#[test]
fn a_program_in_python_shares_a_dictionary_with_us() {
    let Some(python) = found("python3", "apt-get install python3") else { return };
    let named = Named::new("visits-python", 4 << 20);
    let mut command = Command::new(python);
    command.env("MOONHIVE_SHM_LIBRARY", library()).arg(example("visits.py"));
    let output = shares_with(&named, "Python", command);
    assert!(output.contains("findings 0"), "{output}");
}

/// A folder with a dictionary in a file, in which no visit was counted yet.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let dictionary = Dictionary::create_in(&files.file(), &Options::new(64 << 10)).unwrap();
        dictionary.set("visits", 0.into(), SetOptions::default()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> File {
        File::new(self.path("kept.dict")).unwrap()
    }

    /// Lets a program use the file, which exists and is there afterwards; what it prints.
    fn shown_by(&self, command: &mut Command) -> String {
        output_of(command.arg(self.path("kept.dict")).arg(self.path("absent.dict")))
    }

    fn visits(&self) -> OwnedValue {
        let dictionary = Dictionary::open_in(&self.file(), &Options::default()).unwrap();
        assert_eq!(dictionary.check().unwrap(), []);
        dictionary.get("visits").unwrap().unwrap().value
    }
}

/// A script or a program of the tests about files.
fn kept(name: &str) -> PathBuf {
    root().join("crates/shm-c/tests/kept").join(name)
}

#[test]
fn a_program_in_c_keeps_a_dictionary_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(&folder, &kept("kept.c")) else { return };
    let files = Files::new();
    assert_eq!(files.shown_by(&mut Command::new(&program)), "found, visit 1\n");
    assert_eq!(files.visits(), OwnedValue::Integer(1));
    std::fs::remove_file(files.path("kept.dict")).unwrap();
    assert_eq!(files.shown_by(&mut Command::new(&program)), "made, visit 1\n");
    assert_eq!(files.shown_by(&mut Command::new(&program)), "found, visit 2\n");
    assert_eq!(files.visits(), OwnedValue::Integer(2));
}

#[test]
fn a_program_in_python_opens_a_dictionary_in_a_file() {
    let Some(python) = found("python3", "apt-get install python3") else { return };
    let files = Files::new();
    let mut command = Command::new(python);
    assert_eq!(files.shown_by(command.arg(kept("kept.py")).arg(library())), "found\n");
}

#[test]
fn the_binding_keeps_a_dictionary_in_a_file() {
    let Some(luajit) = found("luajit", "apt-get install luajit2") else { return };
    let files = Files::new();
    let mut command = Command::new(luajit);
    command.env("LUA_PATH", root().join("lua/ffi/?.lua")).arg(kept("kept.lua")).arg(library());
    assert_eq!(files.shown_by(&mut command), "visit 1\n");
    assert_eq!(files.visits(), OwnedValue::Integer(1));
}

/// Waits until the script says so.
fn expect_ready(named: &Named, word: &str) {
    let said = named.dictionary.pop_wait("ready", Side::Left, PATIENCE).unwrap();
    assert_eq!(said, OwnedValue::Bytes(word.as_bytes().to_vec()));
}

#[test]
fn the_binding_waits_in_a_plain_luajit() {
    let Some(mut command) = luajit_with("waiting.lua") else { return };
    let named = Named::new("luajit", 1 << 20);
    let (dictionary, options) = (&named.dictionary, SetOptions::default());
    dictionary.set("scalar", 1.into(), options).unwrap();
    command.arg(&named.name).stdout(Stdio::piped()).stderr(Stdio::piped());
    let script = command.spawn().unwrap();
    expect_ready(&named, "for elements");
    for job in ["first", "last"] {
        dictionary.push("jobs", job.into(), Side::Right, options).unwrap();
    }
    expect_ready(&named, "for news");
    dictionary.set("news", "good".into(), options).unwrap();
    expect_ready(&named, "for the end of news");
    dictionary.delete("news").unwrap();
    let output = script.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "done\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// A LuaJIT that runs a script of the tests about the binding.
fn luajit_with(script: &str) -> Option<Command> {
    let mut command = Command::new(found("luajit", "apt-get install luajit2")?);
    command.env("LUA_PATH", root().join("lua/ffi/?.lua")).arg(binding(script)).arg(library());
    Some(command)
}

fn binding(script: &str) -> PathBuf {
    root().join("crates/shm-c/tests/binding").join(script)
}

#[test]
fn the_binding_enumerates_reads_versions_and_pushes_with_options() {
    let Some(mut luajit) = luajit_with("beyond.lua") else { return };
    let named = Named::new("luajit-beyond", 1 << 20);
    let small = Named::exactly(&format!("{}-small", named.name), 64 << 10);
    let large = Named::exactly(&format!("{}-large", named.name), 4 << 20);
    let (dictionary, table) = (&named.dictionary, Value::Table(b"of a host"));
    dictionary.set("of a host", table, SetOptions::default()).unwrap();
    dictionary.push("mixed", table, Side::Right, SetOptions::default()).unwrap();
    assert_eq!(output_of(luajit.arg(&named.name)), "done\n");
    for dictionary in [dictionary, &small.dictionary, &large.dictionary] {
        assert_eq!(dictionary.check().unwrap(), []);
    }
}

#[test]
fn a_call_within_another_one_changes_nothing_of_it() {
    let Some(mut luajit) = luajit_with("interrupted.lua") else { return };
    let named = Named::new("luajit-interrupted", 1 << 20);
    let small = Named::exactly(&format!("{}-small", named.name), 32 << 10);
    let options = SetOptions { never_evict: true, ..SetOptions::default() };
    let text = "x".repeat(300);
    let is_full = |index: &u32| {
        small.dictionary.set(format!("live {index}"), Value::from(&*text), options).is_err()
    };
    assert!((0..1000).any(|index| is_full(&index)), "it is never full");
    assert_eq!(output_of(luajit.arg(&named.name)), "done\n");
    assert_eq!(named.dictionary.check().unwrap(), []);
    assert_eq!(small.dictionary.check().unwrap(), []);
}

/// What a host runs to store under numbers, or to look for what was stored there.
const NUMBERS: &str = r#"
local how, name, mark, script = ...
local shared = require "shared"
assert(loadfile(script))(how, shared.open(name), mark)
require("hive").exit()
"#;

#[test]
fn a_number_is_one_key_for_the_binding_and_for_a_host() {
    let Some(host) = common::host() else { return };
    let named = Named::new("luajit-numbers", 1 << 20);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("numbers_of_a_host.lua");
    std::fs::write(&script, NUMBERS).unwrap();
    for (how, mark) in [("write", "of LuaJIT "), ("read", "of a host ")] {
        let Some(mut luajit) = luajit_with("numbers_of_luajit.lua") else { return };
        let in_host = if how == "write" { "read" } else { "write" };
        let mut host = Command::new(&host);
        host.arg("run").arg(&script).args([in_host, &named.name, mark]).arg(binding("numbers.lua"));
        luajit.args([how, &named.name, mark]).arg(binding("numbers.lua"));
        let order =
            if how == "write" { [&mut luajit, &mut host] } else { [&mut host, &mut luajit] };
        for command in order {
            output_of(command);
        }
    }
}

/// What a tool of the linker says about the library.
fn inspected(tool: &str, arguments: &[&str]) -> Option<String> {
    let tool = found(tool, "apt-get install binutils")?;
    Some(output_of(Command::new(tool).args(arguments).arg(library())))
}

/// What came after version 1 of the functions: the list of each later version, from the script of
/// the linker.
fn later_versions() -> Vec<(String, String)> {
    let script = std::fs::read_to_string(root().join("crates/shm-c/moonhive_shm.map")).unwrap();
    let nodes = script.split("MOONHIVE_SHM_").skip(1).filter_map(|node| node.split_once(" {"));
    let functions = nodes.flat_map(|(version, rest)| {
        let listed = rest.split('}').next().unwrap_or_default().lines();
        let names = listed.filter_map(|line| line.trim().strip_suffix(';'));
        let names = names.filter(|name| name.starts_with("mhshm_") && !name.contains('*'));
        names.map(move |name| (name.to_owned(), version.to_owned()))
    });
    functions.collect()
}

/// A function as the dynamic linker knows it: with the version that brought it.
fn versioned(name: &str, later: &[(String, String)]) -> String {
    let found = later.iter().find(|(later, _)| later == name);
    let version = found.map_or("1", |(_, version)| version);
    format!("{name}@@MOONHIVE_SHM_{version}")
}

#[test]
fn every_symbol_is_ours_and_has_the_version_that_brought_it() {
    let Some(text) = inspected("nm", &["-D", "--defined-only"]) else { return };
    let has_versions = cfg!(target_arch = "x86_64");
    let later = later_versions();
    let count = |wanted: &str| later.iter().filter(|(_, version)| version == wanted).count();
    assert!(count("2") == 5 && count("3") > 3, "{later:?}");
    let is_right = |symbol: &str| match symbol.split_once('@') {
        Some((name, _)) => name.starts_with("mhshm_") && symbol == versioned(name, &later),
        None => symbol.starts_with("mhshm_") && !has_versions,
    };
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .filter(|name| !name.starts_with("MOONHIVE_SHM_"))
        .collect();
    assert!(names.len() > 30, "{text}");
    assert!(names.iter().all(|name| is_right(name)), "{text}");
    assert!(later.iter().all(|(name, _)| text.contains(name)), "{text}");
}

#[test]
fn the_loader_knows_the_library_by_its_name_and_version() {
    let Some(text) = inspected("readelf", &["-d"]) else { return };
    assert!(text.contains("soname: [libmoonhive_shm.so.1]"), "{text}");
}

#[test]
fn the_header_declares_every_function_of_the_library() {
    let header =
        std::fs::read_to_string(root().join("crates/shm-c/include/moonhive_shm.h")).unwrap();
    let Some(text) = inspected("nm", &["-D", "--defined-only"]) else { return };
    let names = text.lines().filter_map(|line| line.split(" T ").nth(1));
    for name in names.filter_map(|name| name.split('@').next()) {
        assert!(header.contains(&format!("{name}(")), "{name} is not declared");
    }
    let calls = header.split("mhshm_").skip(1).filter_map(|rest| rest.split_once('('));
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    for (name, _) in calls.filter(|(name, _)| is_word(name)) {
        assert!(text.contains(&format!("mhshm_{name}")), "mhshm_{name} is not in the library");
    }
}
