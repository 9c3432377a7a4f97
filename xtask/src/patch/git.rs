//! A git repository that holds Lua's sources, with one commit for each patch. The user's own git
//! configuration plays no part in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// A repository that [`super::tree`] made.
pub struct Repository {
    dir: PathBuf,
}

/// One commit after the first; its subject is the name of a patch.
pub struct Commit {
    pub id: String,
    pub subject: String,
}

impl Repository {
    /// Makes `dir` a repository; it must not be one already.
    pub fn create(dir: &Path) -> Result<Self> {
        ensure!(!dir.join(".git").exists(), "{} is a git repository already", dir.display());
        let repository = Self { dir: dir.to_owned() };
        repository.run(&["init", "--quiet", "--initial-branch=patches"])?;
        Ok(repository)
    }

    /// Opens a repository that [`Repository::create`] made.
    pub fn open(dir: &Path) -> Result<Self> {
        ensure!(
            dir.join(".git").exists() && dir.join("lua.h").exists(),
            "{} holds no patched sources (make them with `cargo xtask patch apply {0}`)",
            dir.display()
        );
        Ok(Self { dir: dir.to_owned() })
    }

    /// Commits everything, also when nothing changed.
    pub fn commit(&self, message: &str) -> Result<()> {
        self.run(&["add", "--all", "--", "*.c", "*.h"])?;
        self.run(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--cleanup=verbatim",
            "--message",
            message,
        ])?;
        Ok(())
    }

    /// Adds what is not committed to the commit whose subject is `patch`.
    pub fn fold_into(&self, patch: &str) -> Result<()> {
        let commits = self.commits()?;
        let Some(commit) = commits.iter().find(|commit| commit.subject == patch) else {
            bail!("the tree has no commit named {patch}");
        };
        self.run(&["add", "--all", "--", "*.c", "*.h"])?;
        self.run(&["commit", "--quiet", "--fixup", &commit.id])?;
        self.run(&["rebase", "--quiet", "--interactive", "--autosquash", "--root"])
            .with_context(|| format!("later patches conflict with the change of {patch}"))?;
        Ok(())
    }

    /// True if a source file differs from the last commit.
    pub fn is_dirty(&self) -> Result<bool> {
        Ok(!self.run(&["status", "--porcelain", "--untracked-files=no"])?.is_empty())
    }

    /// The commits of the patches, oldest first.
    pub fn commits(&self) -> Result<Vec<Commit>> {
        let log = self.run(&["log", "--reverse", "--format=%H %s"])?;
        let commit = |line: &str| {
            let (id, subject) = line.split_once(' ')?;
            Some(Commit { id: id.to_owned(), subject: subject.to_owned() })
        };
        Ok(log.lines().filter_map(commit).skip(1).collect())
    }

    /// What a commit changes, as hunks without git's own lines.
    pub fn diff(&self, commit: &Commit) -> Result<String> {
        let parent = format!("{}^", commit.id);
        let diff = self.run(&["diff", "--no-ext-diff", "--unified=3", &parent, &commit.id])?;
        let ours = |line: &&str| !line.starts_with("diff --git ") && !line.starts_with("index ");
        Ok(diff.split_inclusive('\n').filter(ours).collect())
    }

    /// Applies a patch file, at another line if its text moved.
    pub fn apply(&self, patch: &Path) -> Result<()> {
        self.run(&["apply", "--whitespace=nowarn", &patch.display().to_string()])?;
        Ok(())
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .current_dir(&self.dir)
            .args(["-c", "core.autocrlf=false", "-c", "diff.noprefix=false"])
            .args(arguments)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs([("GIT_EDITOR", "true"), ("GIT_SEQUENCE_EDITOR", "true")])
            .envs([("GIT_AUTHOR_NAME", "Moonhive"), ("GIT_AUTHOR_EMAIL", "")])
            .envs([("GIT_COMMITTER_NAME", "Moonhive"), ("GIT_COMMITTER_EMAIL", "")])
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .output()
            .context("git does not start (hint: patches are edited with git; install it)")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("git {}: {}", arguments[0], words.trim());
        }
        String::from_utf8(output.stdout).context("git answers text that is not UTF-8")
    }
}
