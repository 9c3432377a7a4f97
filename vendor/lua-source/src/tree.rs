//! The source files of one Lua release, in memory. About one megabyte, so no cleverness.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::SourceError;

/// The `.c` and `.h` files of one folder by name, in alphabetical order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    dir: PathBuf,
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every `.c` and `.h` file of `dir`; other files do not matter to a build.
    ///
    /// # Errors
    /// [`SourceError::Read`] when the folder or a file cannot be read as UTF-8 text.
    pub fn read(dir: &Path) -> Result<Self, SourceError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| SourceError::Read { path, cause }
        };
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(failed(dir))? {
            let path = entry.map_err(failed(dir))?.path();
            if let Some(name) = source_name(&path) {
                files.insert(name, fs::read_to_string(&path).map_err(failed(&path))?);
            }
        }
        Ok(Self { dir: dir.to_owned(), files })
    }

    /// Writes every file into `dir`, which is made if need be. A file that is already there with
    /// the same text is left alone, time stamp included.
    ///
    /// # Errors
    /// [`SourceError::Write`] names what could not be written.
    pub fn write(&self, dir: &Path) -> Result<(), SourceError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| SourceError::Write { path, cause }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        for (name, text) in &self.files {
            let path = dir.join(name);
            if fs::read_to_string(&path).is_ok_and(|old| old == *text) {
                continue;
            }
            fs::write(&path, text).map_err(failed(&path))?;
        }
        Ok(())
    }

    /// Where the files came from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The text of one file.
    pub fn file(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(String::as_str)
    }

    /// Every name with its text, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Puts `text` in the place of a file.
    pub(crate) fn replace(&mut self, name: &str, text: String) {
        self.files.insert(name.to_owned(), text);
    }
}

fn source_name(path: &Path) -> Option<String> {
    let is_source = path.extension().is_some_and(|ending| ending == "c" || ending == "h");
    let name = path.file_name()?.to_str()?;
    (is_source && path.is_file()).then(|| name.to_owned())
}
