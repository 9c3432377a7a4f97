//! `moonhive check`: every error with its line, globals across files, exit codes, JSON.

use serde_json::Value;

use crate::support::Scratch;

#[test]
fn every_file_with_an_error_is_reported_with_its_line() {
    let scratch = Scratch::new("check_errors");
    scratch
        .file("a.lua", "local x = 1\nif x != 1 then end\n")
        .file("sub/b.lua", "local function f()\n  return 1\n")
        .file("fine.lua", "return {}\n");
    let ended = scratch.run(["check", "."]).expect_code(1);
    let expect = "error: a.lua:2: 'then' expected near '!'\n 2 | if x != 1 then end\n   |      ^\n\
        hint: Lua writes `~=` for `not equal`\n\n\
        error: sub/b.lua:3: 'end' expected (to close 'function' at line 1) near <eof>\n\
        hint: no `end` ends what begins in line 1: local function f()\n";
    assert!(ended.stdout.starts_with(expect), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("\n3 files: 2 errors\n"), "{}", ended.stdout);
}

#[test]
fn files_without_problems_are_counted() {
    let scratch = Scratch::new("check_fine");
    scratch
        .file("a.lua", "#!/usr/bin/lua\nprint(#arg)\n")
        .file("b.txt", "=")
        .file(".hidden.lua", "=");
    let ended = scratch.run(["check", "."]).expect_code(0);
    assert_eq!(ended.stdout, "1 file: no problems\n");
}

#[test]
fn what_one_file_defines_another_may_use() {
    let scratch = Scratch::new("check_globals");
    scratch
        .file("defines.lua", "CONFIG = {}\nfunction helper() end\n_G.version = 1\n")
        .file("uses.lua", "helper(CONFIG, version, SERVICE_NAME)\npirnt(unpack {})\n")
        .file(
            "forgets.lua",
            "local M = {}\nfunction M.f()\n  count = 1\n  count = 2\nend\nreturn M\n",
        );
    let ended = scratch.run(["check", "defines.lua", "uses.lua", "forgets.lua"]).expect_code(0);
    for expect in [
        "warning: forgets.lua:3: the global variable 'count' is assigned to inside a function",
        " 3 |   count = 1\n   |   ^^^^^\n also in line 4\n",
        "warning: uses.lua:2: the global variable 'pirnt' is read, but nothing here defines it",
        "hint: did you mean `print`?",
        "hint: Lua 5.5 has no `unpack`: use table.unpack",
        "3 files: 3 warnings",
    ] {
        assert!(ended.stdout.contains(expect), "{expect}\nin {}", ended.stdout);
    }
    scratch.run(["check", "--strict", "uses.lua"]).expect_code(1);
    let known = ["--global", "helper", "--global", "CONFIG", "--global", "version"];
    let line = ["check"].into_iter().chain(known).chain(["uses.lua"]);
    let ended = scratch.run(line).expect_code(0);
    assert!(ended.stdout.ends_with("1 file: 2 warnings\n"), "{}", ended.stdout);
}

#[test]
fn loop_variables_of_older_code_are_a_warning() {
    let scratch = Scratch::new("check_loops");
    let text = "for i = 1, 3 do\n  i = i * 2\n  print(i)\nend\n\
        for k in pairs {} do\n  k = 1\nend\nfor i = 1, 3 do\n  i = nil\nend\n";
    scratch.file("old.lua", text);
    let ended = scratch.run(["check", "old.lua"]).expect_code(0);
    let expect = "warning: old.lua:2: assigns to the loop variable 'i', which only Lua 5.4 allows\n \
        2 |   i = i * 2\n   |   ^\n also in line 9\n";
    assert!(ended.stdout.starts_with(expect), "{}", ended.stdout);
    let expect = "warning: old.lua:6: assigns to the loop variable 'k'";
    assert!(ended.stdout.contains(expect), "{}", ended.stdout);
}

#[test]
fn programs_get_one_json_object() {
    let scratch = Scratch::new("check_json");
    scratch.file("a.lua", "x = = 1").file("b.lua", "print(nothing)\n");
    let ended = scratch.run(["check", "--json", "."]).expect_code(1);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(
        (&report["files"], &report["errors"], &report["warnings"]),
        (&Value::from(2), &Value::from(1), &Value::from(1))
    );
    let problems = report["problems"].as_array().expect("a list");
    assert_eq!(problems[0]["file"], "a.lua");
    assert_eq!(problems[0]["code"], "syntax");
    assert_eq!(problems[0]["lines"], Value::from(vec![1]));
    assert_eq!(problems[0]["source"], "x = = 1");
    assert_eq!(problems[1]["code"], "undefined-global");
    assert_eq!(problems[1]["severity"], "warning");
}

#[test]
fn colour_is_for_terminals_and_may_be_forced() {
    let scratch = Scratch::new("check_colour");
    scratch.file("a.lua", "x =");
    assert!(!scratch.run(["check", "."]).stdout.contains('\x1b'));
    let mut forced = scratch.moonhive(["check", "."]);
    forced.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
    let ended = crate::support::Running::start(forced).wait();
    assert!(ended.stdout.contains("\x1b[1m\x1b[31merror:"), "{:?}", ended.stdout);
}

#[test]
fn paths_that_cannot_be_checked_are_failures() {
    let scratch = Scratch::new("check_paths");
    let gone = scratch.run(["check", "gone"]).expect_code(2);
    assert!(gone.stderr.starts_with("error: cannot read gone: "), "{}", gone.stderr);
    scratch.file("empty/readme.txt", "");
    let empty = scratch.run(["check", "empty"]).expect_code(2);
    assert!(
        empty.stderr.starts_with("error: no .lua file below empty\nhint: "),
        "{}",
        empty.stderr
    );
}

#[test]
fn a_path_that_is_not_there_is_wrong_usage() {
    let scratch = Scratch::new("check_missing");
    let ended = scratch.run(["check", "nowhere"]).expect_code(2);
    assert!(ended.stderr.starts_with("error: cannot read nowhere: "), "{}", ended.stderr);
    let help = scratch.run(["check", "--help"]).expect_code(0).stdout;
    assert!(help.contains("2 for a path"), "{help}");
}
