//! The programs in the documents run, and print what the documents say.
//!
//! In a document, a block of Lua that opens with `-- NAME.lua` is a file, and a `console` block is
//! a session: `$ moonhive ...` is run with the files so far, and the lines below it are what it
//! prints on standard output. Files add up down the page, as a reader would type them.

use std::fs;
use std::path::Path;

use crate::shm::Named;
use crate::support::{Running, Scratch};

/// One fenced block: the word after the fence, and the lines inside.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

fn blocks_of(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language, lines: Vec::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The name in a first line like `-- counter.lua: a service`.
fn file_name<'a>(block: &Block<'a>) -> Option<&'a str> {
    let first = block.lines.first()?.strip_prefix("-- ")?;
    let name = first.split([':', ' ']).next()?;
    name.ends_with(".lua").then_some(name)
}

/// Runs each command of a session and compares what it prints.
fn run_session(document: &str, scratch: &Scratch, lines: &[&str]) {
    let mut rest = lines;
    while let Some((command, after)) = rest.split_first() {
        let arguments = command.strip_prefix("$ moonhive ").unwrap_or_else(|| {
            panic!("{document}: a session runs `$ moonhive ...`, not {command:?}")
        });
        let end = after.iter().position(|line| line.starts_with("$ ")).unwrap_or(after.len());
        let ended = scratch.run(arguments.split(' ')).expect_code(0);
        let printed: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(printed, after[..end], "{document}: {command}\n{}", ended.stderr);
        rest = &after[end..];
    }
}

/// Plays one document; `sessions` is how many it has at least, so that none is overlooked.
fn play(document: &str, sessions: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let scratch = Scratch::new(&format!("document_{}", document.replace('/', "_")));
    let mut played = 0;
    for block in blocks_of(&text) {
        match (block.language, file_name(&block)) {
            ("lua", Some(name)) => {
                scratch.file(name, &(block.lines.join("\n") + "\n"));
            }
            ("console", _) => {
                run_session(document, &scratch, &block.lines);
                played += 1;
            }
            _ => {}
        }
    }
    assert!(played >= sessions, "{document} has {played} sessions, expected {sessions}");
}

#[test]
fn the_programs_of_the_readme_run() {
    play("README.md", 1);
}

#[test]
fn the_programs_of_the_tutorial_run() {
    play("docs/tutorial.md", 5);
}

/// The text of a program of a document.
fn program(document: &str, is_it: impl Fn(&Block<'_>) -> bool) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let blocks = blocks_of(&text);
    let found = blocks.iter().find(|block| block.language == "lua" && is_it(block));
    found.unwrap_or_else(|| panic!("{document} has no such program")).lines.join("\n")
}

#[test]
fn the_watcher_of_the_page_on_operations_names_the_largest_service() {
    let watch = program("docs/operations.md", |block| file_name(block) == Some("watch.lua"));
    assert!(watch.contains("hive.every(60,"), "it looks every minute");
    let scratch = Scratch::new("document_watch");
    scratch.file("watch.lua", &watch.replace("hive.every(60,", "hive.every(0.01,"));
    scratch.file("large.lua", "KEPT = ('x'):rep(1e6) return {}");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         hive.spawn 'large'
         hive.spawn 'watch'
         hive.sleep(0.3)
         os.exit(0)",
    );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert!(ended.stderr.contains("largest: :00000003 10"), "{}", ended.stderr);
}

#[test]
fn a_host_of_the_page_on_operations_hands_over_to_the_next() {
    let lobby = program("docs/operations.md", |block| file_name(block) == Some("lobby.lua"));
    let name = Named::new("lobby");
    let scratch = Scratch::new("document_lobby");
    scratch.file("lobby.lua", &lobby.replace("\"lobby\"", &format!("{:?}", name.as_str())));
    let mut old = Running::start(scratch.moonhive(["run", "lobby.lua", "old"]));
    old.wait_for_line("old leads, start 1");
    let mut new = Running::start(scratch.moonhive(["run", "lobby.lua", "new"]));
    old.signal("TERM");
    new.wait_for_line("new leads, start 2");
    new.signal("TERM");
    old.wait().expect_code(0);
    new.wait().expect_code(0);
}

#[test]
fn the_first_program_of_the_page_on_dictionaries_prints_what_it_says() {
    let text = program("docs/shared-dictionaries.md", |_| true);
    let name = Named::new("sessions");
    let scratch = Scratch::new("document_sessions");
    scratch.file("main.lua", &text.replace("\"sessions\"", &format!("{:?}", name.as_str())));
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    let said: Vec<&str> = text.lines().filter_map(|line| line.split("--> ").nth(1)).collect();
    let printed: Vec<String> = ended.stdout.lines().map(|line| line.replace('\t', " ")).collect();
    assert_eq!(printed, said);
}
