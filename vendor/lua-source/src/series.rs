//! The patches in the order in which they apply.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{PatchFile, SourceError, Tree};

/// `patches/series`: one name of a patch per line; `#` begins a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    path: PathBuf,
    patches: Vec<PatchFile>,
}

impl Series {
    /// Reads the series of a folder and every patch it names.
    ///
    /// # Errors
    /// [`SourceError::Read`], or [`SourceError::Series`] when a patch is named twice or lies in the
    /// folder without being named.
    pub fn read(dir: &Path) -> Result<Self, SourceError> {
        let path = dir.join("series");
        let text = fs::read_to_string(&path)
            .map_err(|cause| SourceError::Read { path: path.clone(), cause })?;
        let names: Vec<&str> =
            text.lines().map(without_comment).filter(|name| !name.is_empty()).collect();
        check_names(&path, &names, &patches_in(dir)?)?;
        let patches =
            names.iter().map(|name| PatchFile::read(dir, name)).collect::<Result<_, _>>()?;
        Ok(Self { path, patches })
    }

    /// The patches in order.
    pub fn patches(&self) -> &[PatchFile] {
        &self.patches
    }

    /// The series file itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Applies every patch in order.
    ///
    /// # Errors
    /// Those of [`PatchFile::apply`]; the tree may then be changed in part.
    pub fn apply(&self, tree: &mut Tree) -> Result<(), SourceError> {
        self.patches.iter().try_for_each(|patch| patch.apply(tree))
    }
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn patches_in(dir: &Path) -> Result<BTreeSet<String>, SourceError> {
    let failed = |cause| SourceError::Read { path: dir.to_owned(), cause };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".patch") {
            names.insert(name);
        }
    }
    Ok(names)
}

fn check_names(path: &Path, named: &[&str], there: &BTreeSet<String>) -> Result<(), SourceError> {
    let wrong = |reason| Err(SourceError::Series { path: path.to_owned(), reason });
    let mut seen = BTreeSet::new();
    if let Some(twice) = named.iter().find(|name| !seen.insert(**name)) {
        return wrong(format!("{twice} is named twice"));
    }
    match there.iter().find(|name| !seen.contains(name.as_str())) {
        Some(unnamed) => wrong(format!("{unnamed} lies beside it and is not named")),
        None => Ok(()),
    }
}
