//! How a chore that runs several things ends: passed, failed, or skipped for want of a tool.

use std::env;
use std::process::ExitCode;

/// What CI takes for "could not run here", as automake does.
const SKIPPED: u8 = 77;

/// How one run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed,
}

/// Prints why a chore cannot run here. That is a failure where `MOONHIVE_REQUIRE_ALL` says that
/// everything must run, as in CI.
pub fn skip(reason: &anyhow::Error) -> ExitCode {
    println!("SKIPPED: {reason:#}");
    if env::var("MOONHIVE_REQUIRE_ALL").is_ok_and(|value| !value.is_empty() && value != "0") {
        println!("error: MOONHIVE_REQUIRE_ALL is set, so nothing may be skipped");
        return ExitCode::FAILURE;
    }
    ExitCode::from(SKIPPED)
}

/// Prints the sum in the words of a test runner and returns what the process exits with.
pub fn sum(outcomes: &[Outcome]) -> ExitCode {
    let failed = outcomes.iter().filter(|outcome| **outcome == Outcome::Failed).count();
    let passed = outcomes.len() - failed;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
