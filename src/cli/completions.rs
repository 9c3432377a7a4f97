//! `moonhive completions`: a completion script for a shell, on standard output.

use std::io;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::{Outcome, signals};

const EXAMPLES: &str = "\
Examples:
  moonhive completions bash > /etc/bash_completion.d/moonhive
  moonhive completions zsh  > ~/.zfunc/_moonhive
  moonhive completions fish > ~/.config/fish/completions/moonhive.fish";

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The shell that will read the script.
    shell: Shell,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        signals::end_at_broken_pipe()?;
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "moonhive", &mut script);
        io::Write::write_all(&mut io::stdout(), &script)?;
        Ok(ExitCode::SUCCESS)
    }
}
