//! Shows what a check found: for people, coloured on a terminal, or as JSON.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use serde::Serialize;

use super::problem::{Problem, Severity};

/// How many further lines of the same problem are listed.
const MORE_LINES_MAX: usize = 8;

#[derive(Serialize)]
struct Report<'a> {
    files: usize,
    errors: usize,
    warnings: usize,
    problems: &'a [Problem],
}

/// Prints one JSON object.
pub fn json(files: usize, problems: &[Problem]) -> anyhow::Result<()> {
    let (errors, warnings) = count(problems);
    let report = Report { files, errors, warnings, problems };
    let text = serde_json::to_string_pretty(&report)?;
    deliver(io::stdout().lock(), &format!("{text}\n"))
}

/// Prints every problem and a summary.
pub fn text(files: usize, problems: &[Problem]) -> anyhow::Result<()> {
    let mut text: String = problems.iter().map(|problem| spell(problem) + "\n").collect();
    text += &summary(files, problems);
    deliver(anstream::stdout().lock(), &(text + "\n"))
}

/// Writes all of a report: one that is cut short must not pass for a whole one.
fn deliver(mut out: impl Write, text: &str) -> anyhow::Result<()> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write the report")
}

fn count(problems: &[Problem]) -> (usize, usize) {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    (errors, problems.len() - errors)
}

fn summary(files: usize, problems: &[Problem]) -> String {
    let many = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let found = match count(problems) {
        (0, 0) => "no problems".to_owned(),
        (errors, 0) => many(errors, "error"),
        (0, warnings) => many(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    };
    format!("{}: {found}", many(files, "file"))
}

/// ```text
/// error: a.lua:3: unexpected symbol near '!'
///  3 | if x != 1 then
///    |      ^
/// hint: Lua writes `~=` for `not equal`
/// ```
fn spell(problem: &Problem) -> String {
    let (word, colour) = match problem.severity {
        Severity::Error => ("error", AnsiColor::Red),
        Severity::Warning => ("warning", AnsiColor::Yellow),
    };
    let style = bold(colour);
    let place = problem.lines.first().map(|line| format!(":{line}")).unwrap_or_default();
    let mut text = format!("{style}{word}:{style:#} {}{place}: {}", problem.file, problem.message);
    let source = problem.source.as_ref().filter(|source| !source.is_empty());
    if let (Some(line), Some(source)) = (problem.lines.first(), source) {
        text += &show_line(*line, source, problem.mark.clone(), style);
    }
    text += &more_lines(problem.lines.get(1..).unwrap_or_default());
    if let Some(hint) = &problem.hint {
        let style = bold(AnsiColor::Cyan);
        text += &format!("\n{style}hint:{style:#} {hint}");
    }
    text + "\n"
}

fn bold(colour: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(colour.into()))
}

/// The line behind its number, and below it what is meant.
fn show_line(
    line: u32,
    source: &str,
    mark: Option<std::ops::Range<usize>>,
    style: Style,
) -> String {
    let number = line.to_string();
    let mut text = format!("\n {number} | {source}");
    if let Some(mark) = mark {
        let before = source.get(..mark.start).unwrap_or(source);
        // Tabs stay, so that the mark stands right below.
        let blank: String = before.chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
        let length = source.get(mark.clone()).map_or(1, |marked| marked.chars().count()).max(1);
        let (gap, arrows) = (" ".repeat(number.len()), "^".repeat(length));
        text += &format!("\n {gap} | {blank}{style}{arrows}{style:#}");
    }
    text
}

fn more_lines(lines: &[u32]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = lines.iter().take(MORE_LINES_MAX).map(u32::to_string).collect();
    let rest = lines.len() - shown.len();
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let word = if lines.len() == 1 { "line" } else { "lines" };
    format!("\n also in {word} {}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        let message = "unexpected symbol near '!='".to_owned();
        Problem::of_file(Severity::Error, "syntax", "a.lua", message)
            .at(vec![12, 14, 15], format!("{}\tif x != 1", "\n".repeat(11)).as_bytes())
            .pointing_at("!=")
            .hint(Some("say `~=`"))
    }

    #[test]
    fn a_problem_shows_its_line_and_points_at_the_place() {
        let shown = anstream::adapter::strip_str(&spell(&problem())).to_string();
        let expect = "error: a.lua:12: unexpected symbol near '!='\n 12 | \tif x != 1\n    | \t     ^^\n \
            also in lines 14, 15\nhint: say `~=`\n";
        assert_eq!(shown, expect);
    }

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary(1, &[]), "1 file: no problems");
        assert_eq!(summary(20, &[problem()]), "20 files: 1 error");
        let warning = Problem { severity: Severity::Warning, ..problem() };
        assert_eq!(
            summary(2, &[warning.clone(), problem(), warning]),
            "2 files: 1 error, 2 warnings"
        );
    }
}
