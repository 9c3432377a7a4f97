//! `moonhive shm` as a shell sees it: what is refused and how, what has a form for programs, and
//! what becomes of a dictionary that is damaged.

use std::ffi::OsStr;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::shm::{Named, made};
use crate::support::{Ended, Running, Scratch};

fn json_of(ended: Ended) -> Value {
    let ended = ended.expect_code(0);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The row of a dictionary in `ls --json`.
fn listed(scratch: &Scratch, name: &Named) -> Value {
    let all = json_of(scratch.run(["shm", "ls", "--json"]));
    let rows = all["dictionaries"].as_array().expect("an array");
    let row = rows.iter().find(|row| row["name"] == name.as_str());
    row.unwrap_or_else(|| panic!("{all}")).clone()
}

const STAYING: &str = r#"
local hive = require "hive"
local shared = require "shared"
-- Made anew: who makes a dictionary maps it before it has a name.
shared.unlink((...))
local dict = shared.create((...), { size = "1m" })
dict:set("key", 1)
dict:set("other", 2)
print "open"
hive.sleep(60)
print(dict:name())
"#;

#[test]
fn a_list_for_programs_tells_health_version_and_processes() {
    let scratch = Scratch::new("shm_ls");
    let name = made(&scratch, "ls");
    let row = listed(&scratch, &name);
    assert_eq!((&row["kind"], &row["health"]), (&json!("dictionary"), &json!("stale")));
    assert_eq!((&row["processes"], &row["processes_are_all"]), (&json!([]), &json!(true)));
    assert_eq!(
        (&row["entries"], &row["mode"], &row["layout_version"]),
        (&json!(2), &json!("0600"), &json!(3))
    );
    assert!(row["used_bytes"].as_u64() < row["capacity_bytes"].as_u64(), "{row}");
    scratch.file("staying.lua", STAYING);
    let mut staying = Running::start(scratch.moonhive(["run", "staying.lua", name.as_str()]));
    staying.wait_for_line("open");
    let row = listed(&scratch, &name);
    assert_eq!((&row["health"], &row["attached"]), (&json!("ready"), &json!(true)));
    assert!(row["processes"].as_array().unwrap().contains(&json!(staying.id())), "{row}");
    let table = scratch.run(["shm", "ls"]).expect_code(0).stdout;
    let line = table.lines().find(|line| line.starts_with(name.as_str())).unwrap();
    assert!(line.contains(" ready ") && line.contains(&staying.id().to_string()), "{line}");
    staying.signal("KILL");
    staying.wait();
    assert_eq!(listed(&scratch, &name)["health"], "stale");
}

#[test]
fn a_list_tells_what_shared_memory_has_left() {
    let scratch = Scratch::new("shm_limits");
    let limits = json_of(scratch.run(["shm", "ls", "--json"]))["limits"].clone();
    assert_eq!(limits["place"], "/dev/shm");
    assert!(limits["used_bytes"].is_u64() && limits["nearly_full"].is_boolean(), "{limits}");
    let table = scratch.run(["shm", "ls"]).expect_code(0).stdout;
    assert!(table.lines().any(|line| line.starts_with("/dev/shm: ")), "{table}");
}

/// Changes the file of a dictionary.
fn alter(name: &Named, change: impl FnOnce(&mut [u8])) {
    let path = format!("/dev/shm/moonhive.{}", name.as_str());
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
}

#[test]
fn an_object_that_cannot_be_opened_is_listed_with_the_reason() {
    let scratch = Scratch::new("shm_unhealthy");
    let name = made(&scratch, "unhealthy");
    alter(&name, |bytes| bytes[8] = 2);
    let row = listed(&scratch, &name);
    assert_eq!((&row["health"], &row["layout_version"]), (&json!("other-version"), &json!(2)));
    assert_eq!(row["error"], "layout version 2, this program knows 3");
    let table = scratch.run(["shm", "ls"]).expect_code(0).stdout;
    let note = format!("{}: layout version 2, this program knows 3", name.as_str());
    assert!(table.lines().any(|line| line == note), "{table}");
    let told = scratch.run(["shm", "get", name.as_str(), "key"]).expect_code(1).stderr;
    assert!(told.starts_with(&format!("error: {note}\n")), "{told}");
    alter(&name, |bytes| bytes[0] = b'?');
    let told = scratch.run(["shm", "stat", "/etc/passwd"]).expect_code(1).stderr;
    assert!(
        told.starts_with("error: /etc/passwd: the object has ") && told.contains("no dictionary"),
        "{told}"
    );
    let row = listed(&scratch, &name);
    assert_eq!((&row["health"], &row["kind"]), (&json!("damaged"), &Value::Null));
}

#[test]
fn findings_of_a_check_are_told_and_a_repair_mends_them() {
    let scratch = Scratch::new("shm_repair");
    let name = made(&scratch, "repair");
    scratch.run(["shm", "set", name.as_str(), "broken", "a needle in memory"]).expect_code(0);
    alter(&name, |bytes| {
        let needle = b"a needle in memory";
        let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
        bytes[at] ^= 0x20;
    });
    let check = ["shm", "check", name.as_str()];
    let told = scratch.run(check).expect_code(1).stdout;
    assert!(told.starts_with("shard 0, cell ") && told.contains("checksum"), "{told}");
    assert!(
        told.contains(&format!("`moonhive shm repair {}` mends them", name.as_str())),
        "{told}"
    );
    let ended = scratch.run(["shm", "check", name.as_str(), "--json"]).expect_code(1);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&found["entries"], &found["findings"][0]["shard"]), (&json!(3), &json!(0)));
    let repaired = json_of(scratch.run(["shm", "repair", name.as_str(), "--json"]));
    assert_eq!(repaired, json!({ "entries_before": 3, "entries_after": 2 }));
    let check = scratch.run(["shm", "check", name.as_str()]).expect_code(0).stdout;
    assert_eq!(check, "2 entries: healthy\n");
    scratch.run(["shm", "get", name.as_str(), "broken"]).expect_code(1);
    let kept = scratch.run(["shm", "get", name.as_str(), "user:1"]).expect_code(0).stdout;
    assert_eq!(kept, "ada\n");
}

#[test]
fn what_changes_something_has_a_form_for_programs() {
    let scratch = Scratch::new("shm_json");
    let name = made(&scratch, "json");
    let set = json_of(scratch.run(["shm", "set", name.as_str(), "key", "value", "--json"]));
    assert!(set["version"].is_u64() && set["forcible"] == false, "{set}");
    scratch.run(["shm", "dump", name.as_str(), "-o", "dump.jsonl"]).expect_code(0);
    let load = json_of(scratch.run(["shm", "load", name.as_str(), "dump.jsonl", "--json"]));
    assert_eq!(load, json!({ "entries": 3 }));
    let removed = scratch.run(["shm", "rm", name.as_str(), "it-no-such", "--json"]).expect_code(1);
    let removed: Value = serde_json::from_str(&removed.stdout).unwrap();
    assert_eq!(removed["removed"], json!([name.as_str()]));
    assert_eq!(removed["failed"][0]["code"], "no_such_object");
}

/// Dumps into a file while no file may have more than a kibibyte, as on a disk that is full by
/// then.
fn dump_without_room(scratch: &Scratch, name: &Named, file: &str) -> Ended {
    // The signal that comes first is ignored: what is too much is an error of the write.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let inner = scratch.moonhive(["shm", "dump", name.as_str(), "-o", file]);
    let mut outer = Command::new("bash");
    outer.args(["-c", limited]).arg(inner.get_program()).args(inner.get_args());
    outer.current_dir(scratch.path("."));
    Running::start(outer).wait()
}

#[test]
fn a_dump_that_finds_no_room_leaves_the_former_one_and_nothing_beside_it() {
    let scratch = Scratch::new("shm_dump_full");
    let name = made(&scratch, "dump-full");
    fs::create_dir(scratch.path("dumps")).unwrap();
    std::os::unix::fs::symlink("dumps/all.jsonl", scratch.path("link.jsonl")).unwrap();
    scratch.run(["shm", "dump", name.as_str(), "-o", "link.jsonl"]).expect_code(0);
    let former = fs::read(scratch.path("dumps/all.jsonl")).unwrap();
    assert_eq!(former.iter().filter(|byte| **byte == b'\n').count(), 2);
    let large = "x".repeat(64 << 10);
    scratch.run(["shm", "set", name.as_str(), "large", &large]).expect_code(0);
    for file in ["link.jsonl", "dumps/all.jsonl"] {
        let told = dump_without_room(&scratch, &name, file).expect_code(1).stderr;
        assert_eq!(told, format!("error: cannot write {file}: File too large (os error 27)\n"));
        assert_eq!(fs::read(scratch.path("dumps/all.jsonl")).unwrap(), former);
        assert_eq!(fs::read_dir(scratch.path("dumps")).unwrap().count(), 1);
        assert!(scratch.path("link.jsonl").is_symlink());
    }
}

#[test]
fn a_file_that_something_is_mounted_on_is_written_in_place() {
    let scratch = Scratch::new("shm_dump_mounted");
    let name = made(&scratch, "dump-mounted");
    let plain = scratch.run(["shm", "dump", name.as_str()]).expect_code(0).stdout;
    fs::create_dir(scratch.path("dumps")).unwrap();
    scratch.file("outer.jsonl", "former\n").file("dumps/inner.jsonl", "hidden\n");
    // A mount that goes with the process.
    let mount =
        ["--mount", "sh", "-c", "mount --bind outer.jsonl dumps/inner.jsonl && exec \"$@\""];
    let unshare = |words: &[&OsStr]| {
        let mut command = Command::new("unshare");
        command.args(mount).arg("sh").args(words).current_dir(scratch.path("."));
        command
    };
    if !unshare(&["true".as_ref()]).output().is_ok_and(|ended| ended.status.success()) {
        // Even a machine that has all tools may let nobody mount.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED a dump to a mounted file: only root can mount");
        return;
    }
    let inner = scratch.moonhive(["shm", "dump", name.as_str(), "-o", "dumps/inner.jsonl"]);
    let words: Vec<&OsStr> = [inner.get_program()].into_iter().chain(inner.get_args()).collect();
    Running::start(unshare(&words)).wait().expect_code(0);
    let read = |file| fs::read_to_string(scratch.path(file)).unwrap();
    assert_eq!((read("outer.jsonl"), read("dumps/inner.jsonl")), (plain, "hidden\n".to_owned()));
    assert_eq!(fs::read_dir(scratch.path("dumps")).unwrap().count(), 1);
}

#[test]
fn a_dump_into_what_is_no_file_is_written_straight_into_it() {
    let scratch = Scratch::new("shm_dump_stream");
    let name = made(&scratch, "dump-stream");
    let plain = scratch.run(["shm", "dump", name.as_str()]).expect_code(0).stdout;
    let stdout = scratch.run(["shm", "dump", name.as_str(), "-o", "/dev/stdout"]).expect_code(0);
    assert_eq!((stdout.stdout.lines().count(), stdout.stdout), (2, plain.clone()));
    let full = scratch.run(["shm", "dump", name.as_str(), "-o", "/dev/full"]).expect_code(1);
    assert_eq!(
        full.stderr,
        "error: cannot write /dev/full: No space left on device (os error 28)\n"
    );
    // A file that the shell has opened: what was written before stays.
    scratch.file("out.txt", "before\n");
    let mut out = fs::File::options().write(true).open(scratch.path("out.txt")).unwrap();
    out.seek(SeekFrom::End(0)).unwrap();
    for file in ["/dev/stdout", "/dev/fd/1"] {
        let mut dump = scratch.moonhive(["shm", "dump", name.as_str(), "-o", file]);
        assert!(dump.stdout(out.try_clone().unwrap()).status().unwrap().success());
        out.write_all(b"after\n").unwrap();
    }
    let written = fs::read_to_string(scratch.path("out.txt")).unwrap();
    assert_eq!(written, format!("before\n{plain}after\n{plain}after\n"));
}

#[test]
fn a_service_that_saves_to_its_output_loses_nothing_that_is_printed_there() {
    let scratch = Scratch::new("shm_save_output");
    let name = made(&scratch, "save-output");
    let plain = scratch.run(["shm", "dump", name.as_str()]).expect_code(0).stdout;
    scratch.file(
        "main.lua",
        "print 'before' require('shared').open((...)):save '/dev/stdout' print 'after'",
    );
    let out = fs::File::create(scratch.path("out.txt")).unwrap();
    let mut run = scratch.moonhive(["run", "main.lua", name.as_str()]);
    assert!(run.stdout(out).status().unwrap().success());
    let written = fs::read_to_string(scratch.path("out.txt")).unwrap();
    assert_eq!(written, format!("before\n{plain}after\n"));
}

#[test]
fn a_name_that_is_missing_keeps_no_other_from_being_removed() {
    let scratch = Scratch::new("shm_rm");
    let (first, last) = (made(&scratch, "rm-first"), made(&scratch, "rm-last"));
    let (first, last) = (first.as_str(), last.as_str());
    let wrong = scratch.run(["shm", "rm", first, "a b", last]).expect_code(2).stderr;
    assert!(wrong.contains("invalid name \"a b\""), "{wrong}");
    scratch.run(["shm", "stat", first]).expect_code(0);
    let ended = scratch.run(["shm", "rm", first, "it-none", last]).expect_code(1);
    assert_eq!(
        ended.stderr,
        "error: no object is named \"it-none\"\nhint: `moonhive shm ls` shows what there is\n"
    );
    for name in [first, last] {
        scratch.run(["shm", "stat", name]).expect_code(1);
    }
    let path = scratch.run(["shm", "rm", "./none.dict"]).expect_code(1).stderr;
    assert!(path.ends_with("hint: a name with a slash is the path of a file\n"), "{path}");
}

#[test]
fn wrong_arguments_have_an_exit_code_of_their_own() {
    let scratch = Scratch::new("shm_usage");
    let name = made(&scratch, "usage");
    let name = name.as_str();
    let long = "x".repeat(65536);
    let lines: [&[&str]; 12] = [
        &["stat", ""],
        &["stat", "a b"],
        &["get", name, ""],
        &["get", name],
        &["get", name, "key", "--key-hex", "00"],
        &["set", name, "", "x"],
        &["set", name, &long, "x"],
        &["set", name, "key"],
        &["set", name, "--key-hex", "0", "x"],
        &["load", "it-none", "--create", "0"],
        &["load", "it-none", "--create", "1.5m"],
        &["load", "a b", "none.jsonl", "--create", "64k"],
    ];
    for line in lines {
        let ended = scratch.run(["shm"].iter().chain(line).copied());
        assert_eq!(ended.code, Some(2), "{line:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
    let size = ["shm", "load", "it-none", "--create", "0"];
    let refused = scratch.run(size).expect_code(2).stderr;
    assert!(refused.contains("expected a size from 4KiB to 64GiB, got `0`"), "{refused}");
}

#[test]
fn a_time_to_live_of_nothing_is_for_ever() {
    let scratch = Scratch::new("shm_ttl");
    let name = made(&scratch, "ttl");
    for (ttl, key) in [("0s", "zero"), ("0ms", "zero too"), ("1h", "an hour")] {
        let set = ["shm", "set", name.as_str(), key, "value", "--ttl", ttl];
        scratch.run(set).expect_code(0);
        let entry = json_of(scratch.run(["shm", "get", name.as_str(), key, "--json"]));
        assert_eq!(entry["ttl_ms"].is_null(), ttl.starts_with('0'), "{entry}");
    }
    let brief = ["shm", "set", name.as_str(), "brief", "value", "--ttl", "0.001ms"];
    scratch.run(brief).expect_code(0);
    let entry = scratch.run(["shm", "get", name.as_str(), "brief", "--json"]);
    assert!(entry.code == Some(1) || entry.stdout.contains("ttl_ms"), "{entry:?}");
    let help = scratch.run(["shm", "set", "--help"]).expect_code(0).stdout;
    assert!(help.contains("0s is for ever"), "{help}");
}

#[test]
fn a_number_beyond_all_doubles_is_refused_and_infinity_has_a_word() {
    let scratch = Scratch::new("shm_double");
    let name = made(&scratch, "double");
    let set = |word: &str| {
        scratch.run(["shm", "set", name.as_str(), "key", "--type", "double", "--", word])
    };
    for word in ["1e400", "-1e400", "2e308"] {
        let refused = set(word).expect_code(2).stderr;
        let reason =
            format!("error: `{word}` is more than a double can be (about 1.7976931348623157e308)");
        assert_eq!(refused, format!("{reason}\nhint: `inf` and `-inf` are infinity\n"));
    }
    assert_eq!(set("1.5x").expect_code(2).stderr, "error: `1.5x` is no double\n");
    scratch.run(["shm", "get", name.as_str(), "key"]).expect_code(1);
    for (word, stored) in [("inf", "inf\n"), ("-inf", "-inf\n"), ("1e308", "1e308\n")] {
        set(word).expect_code(0);
        let found = scratch.run(["shm", "get", name.as_str(), "key"]).expect_code(0).stdout;
        assert_eq!(found, stored);
    }
}

#[test]
fn sizes_are_read_as_from_lua() {
    let scratch = Scratch::new("shm_sizes");
    for (size, bytes) in [("64k", 65536), ("64KiB", 65536), ("1m", 1 << 20), ("8192", 8192)] {
        let name = Named::new("sizes");
        scratch.file("empty.jsonl", "");
        let load = ["shm", "load", name.as_str(), "empty.jsonl", "--create", size];
        scratch.run(load).expect_code(0);
        let stat = json_of(scratch.run(["shm", "stat", name.as_str(), "--json"]));
        assert_eq!(stat["capacity_bytes"], bytes, "{size}");
    }
}

#[test]
fn a_key_of_any_bytes_is_a_word_or_hexadecimal() {
    let scratch = Scratch::new("shm_bytes");
    let name = made(&scratch, "bytes");
    let name = name.as_str();
    let set = ["shm", "set", name, "--key-hex", "ff00", "--", "-1"];
    scratch.run(set).expect_code(0);
    let get = ["shm", "get", name, "--key-hex", "FF00"];
    assert_eq!(scratch.run(get).expect_code(0).stdout, "-1\n");
    let word = OsStr::from_bytes(b"\xfe");
    let mut set = scratch.moonhive(["shm", "set", name]);
    set.arg(word).arg(OsStr::from_bytes(b"\xff"));
    Running::start(set).wait().expect_code(0);
    let mut get = scratch.moonhive(["shm", "get", name, "--json"]);
    get.arg(word);
    let found = json_of(Running::start(get).wait());
    assert_eq!(found, json!({ "key_hex": "fe", "type": "string", "value_hex": "ff" }));
    let keys = scratch.run(["shm", "keys", name, "--json"]).expect_code(0).stdout;
    assert!(keys.contains("{\"key_hex\":\"ff00\"}\n") && keys.contains("{\"key\":\"visits\"}\n"));
    let none = scratch.run(["shm", "get", name, "--key-hex", "1b07"]).expect_code(1).stderr;
    assert_eq!(none, "error: no entry has the key \"\\x1b\\x07\"\n");
}

const GOOD: &str = r#"{"key":"good","type":"integer","value":1}"#;

/// Lines that are no entries, and what is said of them.
const WRONG: [(&str, &str); 9] = [
    (
        r#"{"key":"x","type":"integer","value":1,"ttl_ms":-5}"#,
        "`ttl_ms`: expected a whole number from 0 to 18446744073709551615, got -5",
    ),
    (
        r#"{"key":"x","type":"integer","value":1,"ttl_ms":"60"}"#,
        "`ttl_ms`: expected a whole number from 0 to 18446744073709551615, got \"60\"",
    ),
    (
        r#"{"key":"x","type":"integer","value":1,"flags":99999999999}"#,
        "`flags`: expected a whole number from 0 to 4294967295, got 99999999999",
    ),
    (
        r#"{"key":"x","type":"table","value_hex":"ffff"}"#,
        "`value_hex`: its bytes are no table: the message has format 255, not 1; \
         `type` \"unreadable table\" loads them as they are",
    ),
    ("{}", "`key` or `key_hex` is missing"),
    (
        r#"{"key_hex":"zz","type":"nil"}"#,
        "`key_hex`: expected pairs of hexadecimal digits, got \"zz\"",
    ),
    (r#"{"key":"x","type":"string"}"#, "`value` or `value_hex` is missing"),
    (r#"{"key":"x"}"#, "`type` is missing"),
    (r#"{"key":"x","key":"y","type":"nil"}"#, "field `key` is given twice"),
];

#[test]
fn a_file_with_a_wrong_line_is_not_loaded_at_all() {
    let scratch = Scratch::new("shm_wrong");
    let name = made(&scratch, "wrong");
    for (line, reason) in WRONG {
        scratch.file("wrong.jsonl", &format!("{GOOD}\n\n{line}\n{GOOD}\n"));
        let ended = scratch.run(["shm", "load", name.as_str(), "wrong.jsonl"]).expect_code(1);
        let expected = format!("error: wrong.jsonl:3: {reason}\nhint: nothing was loaded\n");
        assert_eq!(ended.stderr, expected);
    }
    let ended = scratch.run(["shm", "load", name.as_str(), "/dev/zero"]).expect_code(1).stderr;
    let expected =
        "error: /dev/zero:1: column 1: no JSON: it has a byte 0x00\nhint: nothing was loaded\n";
    assert_eq!(ended, expected, "what has no lines is not read to its end");
    let mut load = scratch.moonhive(["shm", "load", name.as_str()]);
    load.stdin(fs::File::open(scratch.path("wrong.jsonl")).unwrap());
    let ended = Running::start(load).wait().expect_code(1).stderr;
    assert!(ended.ends_with("hint: nothing was loaded\n"), "{ended}");
    scratch.run(["shm", "get", name.as_str(), "good"]).expect_code(1);
    let stat = json_of(scratch.run(["shm", "stat", name.as_str(), "--json"]));
    assert_eq!((&stat["entries"], &stat["writes"]), (&json!(2), &json!(2)));
}

/// Loads what comes through a pipe.
fn load_from_pipe(scratch: &Scratch, name: &Named, text: &str) -> Ended {
    scratch.file("piped.jsonl", text);
    let mut dump = scratch.moonhive(["lua", "-e", "io.write(io.open('piped.jsonl'):read 'a')"]);
    let mut dump = dump.stdout(Stdio::piped()).spawn().unwrap();
    let mut load = scratch.moonhive(["shm", "load", name.as_str(), "--create", "64k"]);
    load.stdin(dump.stdout.take().unwrap());
    let ended = Running::start(load).wait();
    dump.wait().unwrap();
    ended
}

#[test]
fn a_pipe_with_a_wrong_line_is_loaded_up_to_it_and_told_so() {
    let scratch = Scratch::new("shm_pipe");
    let name = Named::new("pipe");
    let ended = load_from_pipe(&scratch, &name, "{}\n").expect_code(1);
    let missing = "error: standard input:1: `key` or `key_hex` is missing";
    assert_eq!(ended.stderr, format!("{missing}\nhint: nothing was loaded\n"));
    scratch.run(["shm", "stat", name.as_str()]).expect_code(1);
    let ended = load_from_pipe(&scratch, &name, &format!("{GOOD}\n{{}}\n")).expect_code(1);
    assert!(ended.stderr.ends_with("hint: 1 entry was loaded\n"), "{}", ended.stderr);
    assert_eq!(scratch.run(["shm", "get", name.as_str(), "good"]).expect_code(0).stdout, "1\n");
}

#[test]
fn a_load_that_is_refused_halfway_tells_how_much_is_there() {
    let scratch = Scratch::new("shm_halfway");
    let name = Named::new("halfway");
    let entry = |number: u32| {
        let value = "x".repeat(900);
        format!("{{\"key\":\"key{number}\",\"type\":\"string\",\"value\":\"{value}\"}}\n")
    };
    scratch.file("many.jsonl", &(0..200).map(entry).collect::<String>());
    let load = ["shm", "load", name.as_str(), "many.jsonl", "--create", "64KiB"];
    let ended = scratch.run(load).expect_code(1);
    let stat = json_of(scratch.run(["shm", "stat", name.as_str(), "--json"]));
    let loaded = stat["entries"].as_u64().unwrap();
    assert!((30..100).contains(&loaded), "{loaded}");
    let expected = format!(
        "error: many.jsonl:{}: no memory; {loaded} entries were loaded\n\
         hint: create the dictionary with a larger size\n",
        loaded + 1
    );
    assert_eq!(ended.stderr, expected);
    assert_eq!(stat["evictions"], 0);
    let first = scratch.run(["shm", "get", name.as_str(), "key0"]).expect_code(0).stdout;
    assert_eq!(first.trim_end().len(), 900);
}

#[test]
fn a_file_that_cannot_be_read_makes_no_dictionary() {
    let scratch = Scratch::new("shm_unmade");
    let name = Named::new("unmade");
    let load = ["shm", "load", name.as_str(), "missing.jsonl", "--create", "64KiB"];
    let ended = scratch.run(load).expect_code(1).stderr;
    assert!(ended.starts_with("error: cannot read missing.jsonl: No such file"), "{ended}");
    scratch.file("wrong.jsonl", "{}\n");
    let load = ["shm", "load", name.as_str(), "wrong.jsonl", "--create", "64KiB"];
    scratch.run(load).expect_code(1);
    scratch.run(["shm", "stat", name.as_str()]).expect_code(1);
}

#[test]
fn figures_of_what_bytes_hold_have_names_and_units_of_their_own() {
    let scratch = Scratch::new("shm_deep");
    let name = made(&scratch, "deep");
    let deep = scratch.run(["shm", "stat", name.as_str(), "--deep"]).expect_code(0).stdout;
    let labels: Vec<&str> = deep.lines().map(|line| line[..14].trim_end()).collect();
    let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
    assert_eq!(labels.len(), distinct.len(), "{deep}");
    for line in
        ["key bytes      12 B", "value bytes    11 B", "overdue        0", "overdue bytes  0 B"]
    {
        assert!(deep.lines().any(|found| found == line), "no {line:?} in\n{deep}");
    }
}
