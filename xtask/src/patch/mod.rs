//! The patches to Lua: an author edits real sources, never a patch.
//!
//! `apply` writes the patched sources into a git repository with one commit for each patch; `new`
//! and `refresh --tree` turn commits back into patches; `refresh` moves the patches to where they
//! belong in another release; `check` is what CI and the build enforce.

mod check;
mod git;
mod refresh;
mod tree;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use moonhive_lua_source::{Layout, Tree};

use crate::workspace;

const EXAMPLES: &str = "\
Examples:
  cargo xtask patch check                       what CI runs
  cargo xtask patch apply /tmp/lua              patched sources, one commit for each patch
  cargo xtask patch refresh --tree /tmp/lua     edits there become part of the last patch
  cargo xtask patch refresh --tree /tmp/lua --into 0003-images.patch
  cargo xtask patch new profiler --tree /tmp/lua
  cargo xtask patch check --source lua-5.5.2/src    would they fit another release?
  cargo xtask patch refresh --source lua-5.5.2/src  move them to their new lines";

/// The commands below `cargo xtask patch`.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Check headers, positions and results of every patch; exit 1 on the first problem of each.
    Check {
        #[command(flatten)]
        source: Source,
    },
    /// Write the patched sources into DIR, a new git repository with one commit for each patch.
    Apply {
        /// A folder that does not exist yet, or is empty.
        dir: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Make a patch of the changes in a tree that are not committed, at the end of the series.
    New {
        /// What it does in a word or two, such as `file-loader`.
        name: String,
        /// A folder that `apply` made.
        #[arg(long, value_name = "DIR")]
        tree: PathBuf,
    },
    /// Write the patches and the sums of their results anew.
    Refresh {
        /// Take the patches from the commits of a folder that `apply` made.
        #[arg(long, value_name = "DIR", conflicts_with = "source")]
        tree: Option<PathBuf>,
        /// The patch that takes changes of the tree that are not committed [default: the last].
        #[arg(long, value_name = "PATCH", requires = "tree")]
        into: Option<String>,
        #[command(flatten)]
        source: Source,
    },
}

/// Which pristine sources to work on.
#[derive(Debug, Args)]
pub struct Source {
    /// Sources of another Lua release, not checked against the pinned sums.
    #[arg(id = "source", long = "source", value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Source {
    fn read(&self, layout: &Layout) -> Result<Tree> {
        match &self.dir {
            Some(dir) => Ok(Tree::read(dir)?),
            None => Ok(layout.pristine(&workspace::scratch("sources"))?),
        }
    }

    /// True for the release that the repository pins.
    fn is_pinned(&self) -> bool {
        self.dir.is_none()
    }
}

/// Runs one of the commands.
///
/// # Errors
/// Whatever stops it, with a hint where there is one.
pub fn run(command: Command) -> Result<()> {
    let layout = Layout::new(workspace::root());
    match command {
        Command::Check { source } => check::run(&layout, &source),
        Command::Apply { dir, source } => tree::apply(&layout, &source.read(&layout)?, &dir),
        Command::New { name, tree } => refresh::add(&layout, &name, &tree),
        Command::Refresh { tree: Some(tree), into, .. } => {
            refresh::from_tree(&layout, &tree, into.as_deref())
        }
        Command::Refresh { tree: None, source, .. } => {
            refresh::relocate(&layout, &source.read(&layout)?)
        }
    }
}
