//! Which files to check.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Failure;
use crate::cli::failure::USAGE;

/// The files that `paths` name, and the Lua files below the folders among them, each once and in
/// the order of their names.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let kind = fs::metadata(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(|error| Failure::from(error).exit_code(USAGE))?;
        if kind.is_dir() {
            look_through(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::new(format!("no .lua file below {}", names.join(", ")))
            .hint("hidden files and folders are passed over; name them to check them")
            .exit_code(USAGE));
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    Ok(found)
}

fn look_through(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| !is_hidden(path)) {
        // A link to a folder is passed over: it may lead back here.
        if path.is_dir() && !path.is_symlink() {
            look_through(&path, found)?;
        } else if path.extension() == Some(OsStr::new("lua")) && path.is_file() {
            found.push(without_dot(path));
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// `./a.lua` as `a.lua`, as people would write it.
fn without_dot(path: PathBuf) -> PathBuf {
    path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path)
}
