//! `moonhive shm repair` of a dictionary that cannot be opened because a lock of it is damaged.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use serde_json::json;

use crate::shm::{Named, made};
use crate::support::{Running, Scratch};

/// Where the lock of the first shard lies, as `docs/shm-format.md` draws it.
const LOCK_AT: u64 = 4096 + 2048;

/// A number that no process has: the kernel gives out none beyond 2^22.
const NO_PROCESS: u32 = 999_999_999;

/// Opens the dictionary and says so.
const STAYING: &str = r#"
local hive = require "hive"
local dict = require("shared").open((...))
print(dict:get "user:1")
hive.sleep(60)
print(dict:name())
"#;

/// Overwrites a lock in place, as a stray pointer does.
fn overwrite_lock(path: PathBuf) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0x5a; 40], LOCK_AT).unwrap();
}

fn path_of(name: &Named) -> PathBuf {
    format!("/dev/shm/moonhive.{}", name.as_str()).into()
}

const REASON: &str =
    "error: damaged object: what is in the place of the lock of shard 0 is no lock\n";

#[test]
fn a_repair_makes_a_damaged_lock_anew_and_keeps_the_entries() {
    let scratch = Scratch::new("shm_lock");
    let name = made(&scratch, "lock");
    overwrite_lock(path_of(&name));
    let refused = scratch.run(["shm", "check", name.as_str()]).expect_code(1).stderr;
    let repair = format!("`moonhive shm repair {}`", name.as_str());
    let hint = format!("hint: {repair} makes the lock anew once nobody has it open\n");
    assert_eq!(refused, format!("{REASON}{hint}"));
    let repaired = scratch.run(["shm", "repair", name.as_str(), "--json"]).expect_code(0).stdout;
    let repaired: serde_json::Value = serde_json::from_str(&repaired).unwrap();
    assert_eq!(repaired, json!({ "entries_before": 2, "entries_after": 2 }));
    let check = scratch.run(["shm", "check", name.as_str()]).expect_code(0).stdout;
    assert_eq!(check, "2 entries: healthy\n");
    assert_eq!(scratch.run(["shm", "get", name.as_str(), "user:1"]).expect_code(0).stdout, "ada\n");
    scratch.run(["shm", "set", name.as_str(), "user:1", "eve"]).expect_code(0);
}

#[test]
fn a_repair_of_a_damaged_lock_waits_until_nobody_has_the_dictionary_open_and_says_who_has() {
    let scratch = Scratch::new("shm_lock_in_use");
    let name = made(&scratch, "lock-in-use");
    scratch.file("staying.lua", STAYING);
    let mut staying = Running::start(scratch.moonhive(["run", "staying.lua", name.as_str()]));
    staying.wait_for_line("ada");
    overwrite_lock(path_of(&name));
    let refused = scratch.run(["shm", "repair", name.as_str()]).expect_code(1).stderr;
    let who = format!("process {} has it open; ", staying.id());
    let repair = format!("`moonhive shm repair {}`", name.as_str());
    let hint = format!("hint: {who}{repair} makes the lock anew once nobody has it open\n");
    assert_eq!(refused, format!("{REASON}{hint}"));
    staying.signal("KILL");
    staying.wait();
    let repaired = scratch.run(["shm", "repair", name.as_str()]).expect_code(0).stdout;
    assert_eq!(repaired, "2 entries before, 2 after\n");
    assert_eq!(scratch.run(["shm", "get", name.as_str(), "user:1"]).expect_code(0).stdout, "ada\n");
}

#[test]
fn a_repair_that_waits_in_vain_for_an_overwritten_owner_says_who_has_the_dictionary_open() {
    let scratch = Scratch::new("shm_lock_owner");
    let name = made(&scratch, "lock-owner");
    scratch.file("staying.lua", STAYING);
    let mut staying = Running::start(scratch.moonhive(["run", "staying.lua", name.as_str()]));
    staying.wait_for_line("ada");
    let file = File::options().write(true).open(path_of(&name)).unwrap();
    file.write_all_at(&NO_PROCESS.to_ne_bytes(), LOCK_AT).unwrap();
    let refused = scratch.run(["shm", "repair", name.as_str()]).expect_code(1).stderr;
    let repair = format!("`moonhive shm repair {}`", name.as_str());
    let who = format!("process {} has it open; {repair} makes the lock anew", staying.id());
    assert!(refused.contains(&format!("process {NO_PROCESS}")), "{refused}");
    assert!(refused.contains(&format!("\nhint: {who} once nobody has it open\n")), "{refused}");
    staying.signal("KILL");
    staying.wait();
    let repaired = scratch.run(["shm", "repair", name.as_str()]).expect_code(0).stdout;
    assert_eq!(repaired, "2 entries before, 2 after\n");
}

#[test]
fn a_dictionary_in_a_file_is_mended_as_one_in_memory() {
    let scratch = Scratch::new("shm_lock_file");
    scratch.file("empty.jsonl", "");
    let create = ["shm", "load", "./kept.dict", "empty.jsonl", "--create", "64KiB"];
    scratch.run(create).expect_code(0);
    scratch.run(["shm", "set", "./kept.dict", "key", "value"]).expect_code(0);
    // The lock is not held, or whoever opens the file would make it anew.
    let file = File::options().write(true).open(scratch.path("kept.dict")).unwrap();
    file.write_all_at(&[0x5a; 4], LOCK_AT + 16).unwrap();
    let refused = scratch.run(["shm", "get", "./kept.dict", "key"]).expect_code(1).stderr;
    assert!(refused.starts_with(REASON) && refused.contains("repair ./kept.dict`"), "{refused}");
    scratch.run(["shm", "repair", "./kept.dict"]).expect_code(0);
    assert_eq!(scratch.run(["shm", "get", "./kept.dict", "key"]).expect_code(0).stdout, "value\n");
}
