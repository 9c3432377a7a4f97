//! What the compiler says of one file: the first syntax error, because it stops there, or every
//! assignment to a loop variable.

use std::fs;
use std::path::Path;

use moonhive::vm::{GlobalUse, LoadMode, Stack, Vm};

use super::hints;
use super::problem::{Problem, Severity, group};
use crate::cli::Failure;

/// The chunk name; messages begin with it.
const CHUNK_NAME: &str = "?";
/// How the compiler refuses an assignment to a constant, which a loop variable is in Lua 5.5.
const CONSTANT: &str = "attempt to assign to const variable '";

/// A file that was looked at.
#[derive(Debug)]
pub struct Checked {
    pub name: String,
    pub text: Vec<u8>,
    pub problems: Vec<Problem>,
    /// What it does with global variables; nothing if it does not compile or has an environment of
    /// its own.
    pub uses: Vec<GlobalUse>,
}

/// Compiles files, first by the rules of Lua 5.5 and then, if loop variables stand in the way, by
/// those of 5.4.
pub struct Compiler {
    plain: Vm,
    compatible: Vm,
}

/// Why a text does not compile.
struct Refusal {
    line: Option<u32>,
    message: String,
}

impl Compiler {
    pub fn new() -> Result<Self, Failure> {
        let builder = || Vm::builder().ignore_environment(true);
        let (plain, compatible) = (builder().build()?, builder().compat_54(true).build()?);
        Ok(Self { plain, compatible })
    }

    /// The names that every VM defines.
    pub fn standard_globals(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        let mut stack = self.plain.stack();
        stack.push_globals();
        let walked = stack.for_each(-1, |stack| {
            names.extend(stack.str(-2).map(str::to_owned));
            Ok(())
        });
        drop(walked);
        names
    }

    /// Compiles a file.
    pub fn check(&mut self, path: &Path) -> Checked {
        let name = path.display().to_string();
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                let problem = Problem::of_file(Severity::Error, "unreadable", &name, message);
                return Checked { name, text: Vec::new(), problems: vec![problem], uses: vec![] };
            }
        };
        let (problems, uses) = self.compile(&name, &text);
        Checked { name, text, problems, uses }
    }

    fn compile(&mut self, name: &str, text: &[u8]) -> (Vec<Problem>, Vec<GlobalUse>) {
        let refusal = match compile(&mut self.plain.stack(), text) {
            Ok(uses) => return (Vec::new(), uses),
            Err(refusal) => refusal,
        };
        let mut stack = self.compatible.stack();
        if refusal.message.starts_with(CONSTANT)
            && let Ok(uses) = compile(&mut stack, text)
        {
            return (loop_variables(name, text, stack.loop_assignments(-1)), uses);
        }
        let lines = refusal.line.into_iter().collect();
        let problem = Problem::of_file(Severity::Error, "syntax", name, refusal.message);
        (vec![hints::explain(problem.at(lines, text), text)], Vec::new())
    }
}

/// One problem for each name, with all lines that assign to it.
fn loop_variables(name: &str, text: &[u8], assignments: Vec<(String, u32)>) -> Vec<Problem> {
    let places = group(assignments);
    places
        .into_iter()
        .map(|(variable, lines)| loop_variable(name, text, lines, &variable))
        .collect()
}

fn loop_variable(name: &str, text: &[u8], mut lines: Vec<u32>, variable: &str) -> Problem {
    lines.sort_unstable();
    lines.dedup();
    let message = format!("assigns to the loop variable '{variable}', which only Lua 5.4 allows");
    let hint = format!(
        "declare a copy in the loop (`local {variable} = {variable}`); until then the file compiles \
         in `moonhive run`, and elsewhere with --compat 5.4"
    );
    Problem::of_file(Severity::Warning, "loop-variable", name, message)
        .at(lines, text)
        .pointing_at_target(variable)
        .hint(Some(hint))
}

/// Compiles a text and tells what it does with global variables.
fn compile(stack: &mut Stack<'_>, text: &[u8]) -> Result<Vec<GlobalUse>, Refusal> {
    let loaded = stack.load(without_first_comment(text), &format!("={CHUNK_NAME}"), LoadMode::Text);
    let uses = loaded.map(|()| stack.global_uses(-1).unwrap_or_default());
    uses.map_err(|error| locate(&error.message))
}

/// A first line that begins with `#`, and a byte order mark, are not Lua's to read.
fn without_first_comment(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match text {
        [b'#', ..] => {
            let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
            &text[end..]
        }
        _ => text,
    }
}

/// Takes `?:12: message` apart.
fn locate(message: &str) -> Refusal {
    let rest = message.strip_prefix(CHUNK_NAME).and_then(|rest| rest.strip_prefix(':'));
    let parts = rest.and_then(|rest| rest.split_once(": "));
    let located = parts.and_then(|(line, message)| Some((line.parse().ok()?, message)));
    match located {
        Some((line, message)) => Refusal { line: Some(line), message: message.to_owned() },
        None => Refusal { line: None, message: message.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> (Vec<Problem>, Vec<GlobalUse>) {
        Compiler::new().expect("memory for two VMs").compile("x.lua", text.as_bytes())
    }

    fn first_error(text: &str) -> Problem {
        check(text).0.into_iter().next().expect("an error")
    }

    #[test]
    fn a_syntax_error_has_its_line_and_the_text_of_it() {
        let problem = first_error("#!/bin/lua\nlocal a = 1\nif a != 1 then end\n");
        assert_eq!(problem.severity, Severity::Error);
        assert_eq!(problem.lines, [3]);
        assert_eq!(problem.source.as_deref(), Some("if a != 1 then end"));
        assert_eq!(problem.mark, Some(5..6));
    }

    #[test]
    fn assigning_to_a_loop_variable_is_a_warning_and_to_a_constant_an_error() {
        let (problems, uses) = check("for i = 1, 3 do\n  i = i + x\nend\n");
        let problem = problems.first().expect("a warning");
        assert_eq!((problem.severity, problem.lines.as_slice()), (Severity::Warning, &[2][..]));
        assert_eq!(uses.len(), 1, "its globals are known all the same");
        let problem = first_error("local c <const> = 1\nc = 2");
        assert_eq!((problem.severity, problem.lines.as_slice()), (Severity::Error, &[2][..]));
    }

    #[test]
    fn precompiled_code_is_refused() {
        let problem = first_error("\x1bLua");
        assert!(problem.message.contains("binary chunk"), "{}", problem.message);
        assert!(problem.lines.is_empty());
    }
}
