//! Writing patches: from a tree that an author edited, or moved to another Lua release.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use moonhive_lua_source::{HEADER_FIELDS, Layout, PatchFile, Sums, Tree};

use super::git::{Commit, Repository};
use super::tree;

/// Takes every patch from the commits of `dir`; what is not committed goes `into` a patch first.
pub fn from_tree(layout: &Layout, dir: &Path, into: Option<&str>) -> Result<()> {
    let repository = Repository::open(dir)?;
    if repository.is_dirty()? {
        let commits = repository.commits()?;
        let last = commits.last().map(|commit| commit.subject.as_str());
        let patch =
            into.or(last).context("there is no patch yet (hint: `cargo xtask patch new`)")?;
        repository.fold_into(patch)?;
    }
    write_patches(layout, &repository)
}

/// Makes a patch of what is not committed in `dir` and appends it to the series.
pub fn add(layout: &Layout, name: &str, dir: &Path) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty() && name.bytes().all(is_plain),
        "`{name}` is no name for a patch: use lower-case letters, digits and `-`"
    );
    let repository = Repository::open(dir)?;
    ensure!(repository.is_dirty()?, "{} has no changes that are not committed", dir.display());
    let number = repository.commits()?.len() + 1;
    let patch = format!("{number:04}-{name}.patch");
    repository.commit(&patch)?;
    append_to_series(layout, &patch)?;
    write_patches(layout, &repository)?;
    println!("hint: say in patches/{patch} why, what it touches, and how it is tested");
    Ok(())
}

/// Moves the series to where it belongs in `pristine`.
pub fn relocate(layout: &Layout, pristine: &Tree) -> Result<()> {
    let dir = tempfile::tempdir().context("no temporary folder")?;
    let series = layout.series()?;
    let repository = tree::apply_anywhere(pristine, &series, &dir.path().join("lua"))?;
    write_patches_onto(layout, &repository, pristine)
}

fn write_patches(layout: &Layout, repository: &Repository) -> Result<()> {
    let pristine = layout.pristine(&crate::workspace::scratch("sources"))?;
    write_patches_onto(layout, repository, &pristine)
}

fn write_patches_onto(layout: &Layout, repository: &Repository, pristine: &Tree) -> Result<()> {
    for commit in repository.commits()? {
        write_patch(layout, repository, &commit)?;
    }
    let mut patched = pristine.clone();
    layout.series()?.apply(&mut patched)?;
    let sums = Sums::of_changed(&patched, pristine);
    write(&layout.patched_sums(), &sums.to_string())?;
    Ok(())
}

fn write_patch(layout: &Layout, repository: &Repository, commit: &Commit) -> Result<()> {
    let name = &commit.subject;
    let path = layout.patches().join(name);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let header = match old.is_empty() {
        true => template(name),
        false => PatchFile::new(name, old.clone()).header().to_owned(),
    };
    let diff = repository.diff(commit)?;
    ensure!(!diff.is_empty(), "{name} changes nothing any more (hint: drop it from the series)");
    let new = header + &diff;
    let verdict = if new == old { "unchanged" } else { "written" };
    write(&path, &new)?;
    println!("{name}: {verdict}");
    Ok(())
}

/// A header to fill in; `check` insists on it.
fn template(name: &str) -> String {
    let title = name.trim_end_matches(".patch").trim_start_matches(|c: char| !c.is_alphabetic());
    let fields: String = HEADER_FIELDS.iter().map(|field| format!("{field}\n")).collect();
    format!("{}\n\n{fields}\n", title.replace('-', " "))
}

fn append_to_series(layout: &Layout, patch: &str) -> Result<()> {
    let path = layout.patches().join("series");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // The patch must lie there before the series may name it.
    write(&layout.patches().join(patch), "")?;
    write(&path, &format!("{text}{patch}\n"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
