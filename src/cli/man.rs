//! `moonhive man`: the manual pages, made from the same description as `--help`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_mangen::Man;

use super::{Outcome, signals};

const EXAMPLES: &str = "\
Examples:
  moonhive man | man -l -                          read it
  moonhive man --dir /usr/local/share/man/man1     install a page for each command";

/// Print the manual page, or write one page for each command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Write `moonhive.1`, `moonhive-run.1` and so on into this directory instead of printing.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        signals::end_at_broken_pipe()?;
        match &self.dir {
            Some(dir) => write_pages(dir)?,
            None => io::stdout().write_all(&page(super::command())?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(text)
}

fn write_pages(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let root = super::command().disable_help_subcommand(true);
    clap_mangen::generate_to(root, dir)
        .with_context(|| format!("cannot write the pages into {}", dir.display()))
}
