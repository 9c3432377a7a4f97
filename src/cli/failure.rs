//! How a command fails: a message for people, perhaps a hint, and an exit code.
//!
//! ```text
//! error: cannot read moonhive.toml: No such file or directory
//! hint: name another file with --config
//! ```
//! The words `error:` and `hint:` are coloured on a terminal unless `NO_COLOR` is set; the text
//! says everything without colour.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// Exit code of a failure while running.
pub const FAILED: u8 = 1;
/// Exit code of arguments, settings or files that make no sense; the one `clap` uses too.
pub const USAGE: u8 = 2;

/// Why a command ended without doing its job.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    exit_code: u8,
}

impl Failure {
    /// A failure with this message, exit code [`FAILED`] and no hint.
    pub fn new(message: impl Into<String>) -> Self {
        anyhow::Error::msg(message.into()).into()
    }

    /// Says what the reader can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends the process with another exit code than [`FAILED`].
    pub fn exit_code(mut self, exit_code: u8) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// Prints the failure on standard error and answers its exit code.
    pub fn report(&self) -> ExitCode {
        // Nobody is left to be told that standard error is closed.
        let _ = write!(anstream::stderr(), "{self}");
        ExitCode::from(self.exit_code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None, exit_code: FAILED }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_labelled(f, "error", AnsiColor::Red, &with_causes(&self.error))?;
        match &self.hint {
            Some(hint) => write_labelled(f, "hint", AnsiColor::Cyan, hint),
            None => Ok(()),
        }
    }
}

/// The message and its causes, but for those that it tells by itself.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).reduce(tell_cause).unwrap_or_default()
}

fn tell_cause(told: String, cause: String) -> String {
    // The last letters of a word may be a short cause by chance.
    let is_told = told == cause || told.ends_with(&format!(": {cause}"));
    if is_told { told } else { format!("{told}: {cause}") }
}

fn write_labelled(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    colour: AnsiColor,
    text: &str,
) -> fmt::Result {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    writeln!(f, "{style}{label}:{style:#} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.to_string()).to_string()
    }

    #[test]
    fn a_failure_reads_as_error_and_hint_on_lines_of_their_own() {
        let failure = Failure::new("cannot read x.toml").hint("name another file with --config");
        assert_eq!(
            plain(&failure),
            "error: cannot read x.toml\nhint: name another file with --config\n"
        );
    }

    #[test]
    fn causes_follow_the_message_on_the_same_line() {
        let error = anyhow::anyhow!("disk is full").context("cannot write report.json");
        assert_eq!(plain(&error.into()), "error: cannot write report.json: disk is full\n");
    }

    #[test]
    fn a_cause_that_the_message_tells_is_not_told_again() {
        let error = anyhow::anyhow!("disk is full").context("no room: disk is full");
        let error = error.context("cannot write report.json");
        assert_eq!(
            plain(&error.into()),
            "error: cannot write report.json: no room: disk is full\n"
        );
    }

    #[test]
    fn a_cause_that_is_by_chance_the_end_of_a_word_is_told() {
        let error = anyhow::anyhow!("not").context("cannot tie the knot");
        assert_eq!(plain(&error.into()), "error: cannot tie the knot: not\n");
        let error = anyhow::anyhow!("full").context("full");
        assert_eq!(plain(&error.into()), "error: full\n");
    }
}
