//! What the interpreter says itself: errors, usage, version.

use std::io::Write;

/// What the stand-alone interpreter calls this release; programs look for it.
const VERSION_LINE: &[u8] = b"Lua 5.5.1  Copyright (C) 1994-2026 Lua.org, PUC-Rio\n";

/// Writes a message to standard error, behind the program's name unless that is empty.
pub fn message(program: &str, text: &[u8]) {
    let name = if program.is_empty() { String::new() } else { format!("{program}: ") };
    let line = [name.as_bytes(), text, b"\n"].concat();
    // Nobody is left to be told that standard error is closed.
    let _ = std::io::stderr().write_all(&line);
}

/// Says what is wrong with the command line, and how it should look.
pub fn misuse(program: &str, what: &str) {
    message(program, what.as_bytes());
    message(
        "",
        format!(
            "usage: {program} [options] [script [args]]\n\
             Options: -e STAT, -l MOD, -l g=MOD, -i, -v, -E, -W, --, - and\n\
             --share-all, --gc MODE, --compat 5.4, --cache MODE, --help\n\
             hint: `moonhive lua --help` explains them"
        )
        .as_bytes(),
    );
}

/// Writes the version to standard output.
pub fn version() {
    moonhive::vm::write_line(VERSION_LINE);
}

/// Writes the help to standard output; a reader that is gone does not want it.
pub fn help() {
    let mut command = crate::cli::command();
    command.build();
    if let Some(lua) = command.find_subcommand_mut("lua") {
        let _ = lua.print_help();
    }
}
