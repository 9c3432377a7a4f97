//! Interactive mode: reads a statement or an expression, runs it, prints its values.

use moonhive::vm::{ErrorKind, Kind, LoadMode, LuaError, Stack, write_line};

use super::reader::Reader;
use super::report;

/// What the chunk name of a line is.
const CHUNK_NAME: &str = "=stdin";
/// How the message ends for a statement that goes on in the next line.
const INCOMPLETE_MARK: &str = "<eof>";

/// Talks until the input ends. `keeps_history` says whether lines are remembered in a file.
pub fn run(stack: &mut Stack<'_>, keeps_history: bool) {
    let base = stack.top();
    let mut reader = Reader::new(keeps_history);
    while let Some(loaded) = load_statement(stack, &mut reader) {
        let message = match loaded {
            Ok(()) => stack.call_at_console(0, Stack::ALL).err(),
            Err(error) => Some(error.message.into_bytes()),
        };
        match message {
            Some(message) => report::message("", &message),
            None => print_values(stack, base),
        }
        stack.set_top(base);
    }
    reader.close();
    write_line(b"\n");
}

/// Reads lines until they make a chunk (pushed) or an error that more lines cannot cure. `None` at
/// the end of the input.
fn load_statement(stack: &mut Stack<'_>, reader: &mut Reader) -> Option<Result<(), LuaError>> {
    let mut text = reader.read(&prompt(stack, "_PROMPT", "> "))?;
    if let [b'=', expression @ ..] = text.as_slice() {
        // What older releases wanted in front of an expression; no statement begins like this.
        text = expression.to_vec();
    }
    let expression = [b"return ", text.as_slice(), b";"].concat();
    let loaded = match stack.load(&expression, CHUNK_NAME, LoadMode::Text) {
        Ok(()) => Ok(()),
        Err(_) => load_lines(stack, reader, &mut text),
    };
    reader.remember(&text);
    Some(loaded)
}

/// Compiles the text as a statement, with as many further lines as it takes.
fn load_lines(
    stack: &mut Stack<'_>,
    reader: &mut Reader,
    text: &mut Vec<u8>,
) -> Result<(), LuaError> {
    if declares_local(text) {
        let warning = b"warning: locals do not survive across lines in interactive mode";
        report::message("", warning);
    }
    loop {
        let loaded = stack.load(text, CHUNK_NAME, LoadMode::Text);
        if !loaded.as_ref().is_err_and(is_incomplete) {
            return loaded;
        }
        let Some(line) = reader.read(&prompt(stack, "_PROMPT2", ">> ")) else { return loaded };
        text.push(b'\n');
        text.extend_from_slice(&line);
    }
}

fn is_incomplete(error: &LuaError) -> bool {
    error.kind == ErrorKind::Syntax && error.message.ends_with(INCOMPLETE_MARK)
}

/// Does the line begin with `local` and a blank?
fn declares_local(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start(), [b'l', b'o', b'c', b'a', b'l', b' ' | b'\t', ..])
}

/// The text of a global, or `default` where there is none.
fn prompt(stack: &mut Stack<'_>, global: &str, default: &str) -> String {
    stack.push_globals();
    let text = match stack.raw_get_field(-1, global) {
        Kind::Nil => default.to_owned(),
        _ => stack.text(-1),
    };
    stack.pop(2);
    text
}

/// Prints the values above `base` with whatever the global `print` is.
fn print_values(stack: &mut Stack<'_>, base: i32) {
    let count = stack.top() - base;
    if count == 0 {
        return;
    }
    stack.push_globals();
    stack.raw_get_field(-1, "print");
    stack.remove(-2);
    stack.insert(base + 1);
    if let Err(error) = stack.call(count, 0) {
        let message = format!("error calling 'print' ({})", error.message);
        report::message("", message.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_declare_locals() {
        for line in ["local x", " \tlocal\tx = 1", "local function f() end"] {
            assert!(declares_local(line.as_bytes()), "{line}");
        }
        for line in ["local1 = 10", "x = local", "locale", "local", ""] {
            assert!(!declares_local(line.as_bytes()), "{line}");
        }
    }
}
