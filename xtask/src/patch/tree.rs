//! A tree to edit: the patched sources with one commit for each patch.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use moonhive_lua_source::{Layout, PatchFile, Series, Tree};

use super::git::Repository;

/// Writes `pristine` and the series into `dir`, each patch at exactly the line it names.
pub fn apply(layout: &Layout, pristine: &Tree, dir: &Path) -> Result<()> {
    let repository = start(pristine, dir)?;
    let mut tree = pristine.clone();
    let series = layout.series()?;
    for patch in series.patches() {
        patch.apply(&mut tree)?;
        tree.write(dir)?;
        repository.commit(patch.name())?;
    }
    println!("{}: {} patches, one commit each", dir.display(), series.patches().len());
    println!("hint: edit there, then `cargo xtask patch refresh --tree {}`", dir.display());
    Ok(())
}

/// The same with git looking for the place of a hunk whose text moved.
pub fn apply_anywhere(pristine: &Tree, series: &Series, dir: &Path) -> Result<Repository> {
    let repository = start(pristine, dir)?;
    let folder = series.path().parent().context("a series lies in a folder")?;
    for patch in series.patches() {
        apply_one(&repository, folder, patch)?;
    }
    Ok(repository)
}

fn apply_one(repository: &Repository, folder: &Path, patch: &PatchFile) -> Result<()> {
    let failed = || {
        format!(
            "{} no longer fits: take the patches before it with `apply`, make its change by hand, \
             and commit it under that name",
            patch.name()
        )
    };
    repository.apply(&folder.join(patch.name())).with_context(failed)?;
    repository.commit(patch.name())
}

fn start(pristine: &Tree, dir: &Path) -> Result<Repository> {
    let is_free = !dir.exists() || fs::read_dir(dir)?.next().is_none();
    ensure!(is_free, "{} is not empty (hint: name a new folder)", dir.display());
    pristine.write(dir)?;
    let repository = Repository::create(dir)?;
    repository.commit("pristine")?;
    Ok(repository)
}
