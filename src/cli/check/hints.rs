//! What to do about a syntax error, by how the compiler words it and by what stands in the line.

use super::problem::{Problem, source_line};

/// A part of the message, a part of the source line (empty for any), and the advice.
const ADVICE: [(&str, &str, &str); 24] = [
    ("", "!=", "Lua writes `~=` for `not equal`"),
    ("", "&&", "Lua writes `and`"),
    ("", "||", "Lua writes `or`"),
    ("", "+=", "Lua has no `+=`: write `x = x + ...`"),
    ("", "-=", "Lua has no `-=`: write `x = x - ...`"),
    ("", "++", "Lua has no `++`: write `x = x + 1`"),
    ("", "//", "a comment begins with `--`; `//` is integer division"),
    ("", "else if", "`elseif` is one word; `else if` needs an `end` of its own"),
    ("", "continue", "Lua has no `continue`: use `goto continue` and a label `::continue::`"),
    ("", "null", "Lua's value for nothing is `nil`"),
    ("", "try", "Lua has no `try`: use `pcall(function() ... end)`"),
    ("near '!'", "", "Lua writes `not`"),
    ("'then' expected near '='", "", "`==` compares; `=` assigns"),
    ("'then' expected", "", "a condition ends with `then`"),
    ("'do' expected", "", "the head of a loop ends with `do`"),
    ("'=' expected", "", "a statement is a call or an assignment, not an expression"),
    ("syntax error near", "", "a statement is a call or an assignment, not an expression"),
    (
        "unfinished string",
        "",
        "close the quote in the same line, or write [[...]] for several lines",
    ),
    (
        "unfinished long",
        "",
        "the closing brackets `]]` (with as many `=` as the opening ones) are missing",
    ),
    ("invalid escape sequence", "", "write `\\\\` for a backslash"),
    ("attempt to assign to const variable", "", "assign to a variable that is not <const>"),
    ("no visible label", "", "write the label as `::name::` in the same block or around it"),
    ("not declared", "", "declare it (`global name` or `local name`)"),
    ("binary chunk", "", "check the source that it was compiled from"),
];

/// Adds to a syntax error of `text` where in its line it is, and a hint if there is one.
pub fn explain(mut problem: Problem, text: &[u8]) -> Problem {
    let line = problem.source.clone().unwrap_or_default();
    let near = problem.message.split_once("near ").map(|(_, near)| near.to_owned());
    if let Some(token) = near.as_deref().and_then(|near| near.strip_prefix('\'')) {
        let token = token.strip_suffix('\'').unwrap_or(token);
        problem = problem.pointing_at(token);
    } else if near.as_deref() == Some("<eof>") && !line.is_empty() {
        problem.mark = Some(line.len()..line.len() + 1);
    }
    let hint = opened_at(&problem.message, text).or_else(|| advice(&problem.message, &line));
    problem.hint(hint)
}

/// `'end' expected (to close 'function' at line 3) near <eof>` names what was left open.
fn opened_at(message: &str, text: &[u8]) -> Option<String> {
    let (_, rest) = message.split_once("(to close '")?;
    let (_, rest) = rest.split_once("' at line ")?;
    let line = rest.split(')').next()?;
    let (closer, _) = message.strip_prefix('\'')?.split_once('\'')?;
    let source = source_line(text, line.parse().ok()?);
    Some(format!("no `{closer}` ends what begins in line {line}: {}", source.trim_start()))
}

fn advice(message: &str, line: &str) -> Option<String> {
    let code = line.split("--").next().unwrap_or_default();
    let fits = |text: &str, part: &str| part.is_empty() || contains(text, part);
    ADVICE
        .iter()
        .find(|(said, written, _)| fits(message, said) && fits(code, written))
        .map(|(_, _, advice)| (*advice).to_owned())
}

/// Is `part` in the text; words only as whole words.
fn contains(text: &str, part: &str) -> bool {
    let is_word = part.chars().all(char::is_alphabetic);
    if !is_word {
        return text.contains(part);
    }
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == part)
}

#[cfg(test)]
mod tests {
    use super::super::problem::Severity;
    use super::*;

    #[track_caller]
    fn check(line: &str, message: &str, mark: Option<&str>, hint: Option<&str>) {
        let problem = Problem::of_file(Severity::Error, "syntax", "x.lua", message.to_owned());
        let problem = explain(problem.at(vec![1], line.as_bytes()), line.as_bytes());
        let marked = problem.mark.map(|mark| line.get(mark).unwrap_or("<end>"));
        assert_eq!((marked, problem.hint.as_deref()), (mark, hint));
    }

    #[test]
    fn habits_of_other_languages_are_recognised() {
        let not_equal = Some("Lua writes `~=` for `not equal`");
        check("if a != 1 then", "unexpected symbol near '!'", Some("!"), not_equal);
        check(
            "x += 1",
            "syntax error near '+'",
            Some("+"),
            Some("Lua has no `+=`: write `x = x + ...`"),
        );
        let equals = Some("`==` compares; `=` assigns");
        check("if a = 1 then", "'then' expected near '='", Some("="), equals);
        check("x = a -- b != c", "unexpected symbol near <eof>", Some("<end>"), None);
    }

    #[test]
    fn what_was_left_open_is_named() {
        let message = "'end' expected (to close 'do' at line 1) near <eof>";
        let hint = Some("no `end` ends what begins in line 1: do f()");
        check("  do f()", message, Some("<end>"), hint);
    }
}
