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
        // Pages name each other, and there is none for `help`.
        let mut root = super::command().disable_help_subcommand(true);
        root.build();
        match &self.dir {
            Some(dir) => {
                fs::create_dir_all(dir)
                    .with_context(|| format!("cannot create {}", dir.display()))?;
                write_pages(&root, dir)?;
            }
            None => io::stdout().write_all(&page(&root)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The page of one command.
fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(examples) = command.get_after_help() {
        text.extend_from_slice(verbatim(&examples.to_string()).as_bytes());
    }
    if command.get_version().is_some() {
        man.render_version_section(&mut text)?;
    }
    Ok(text)
}

/// A section whose lines stay as they are: an example that is filled and hyphenated cannot be
/// copied.
fn verbatim(examples: &str) -> String {
    let mut section = String::from(".SH EXAMPLES\n.nf\n");
    let body = examples.strip_prefix("Examples:\n").unwrap_or(examples);
    for line in body.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        let is_request = line.starts_with(['.', '\'']);
        section += if is_request { "\\&" } else { "" };
        section += &line;
        section.push('\n');
    }
    section + ".fi\n"
}

fn write_pages(command: &clap::Command, dir: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let file = dir.join(format!("{name}.1"));
    fs::write(&file, page(command)?).with_context(|| format!("cannot write {}", file.display()))?;
    command.get_subcommands().try_for_each(|command| write_pages(command, dir))
}
