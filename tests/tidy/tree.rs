//! The files of the project, as the rules see them.
//!
//! The tree is walked, not asked from git, so that an unpacked source archive can be tested too.

use std::fs;
use std::path::Path;

/// Folders that hold no text of ours: build results and what tools fetched.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "corpus", "artifacts"];

/// One text file: its path from the root of the project, with `/`, and what it says.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    /// The lines with their index, from 0.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate()
    }

    /// The lines that are code: comments, and the rest of a line after `//`, are blank.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().map(|(index, line)| (index, line.split("//").next().unwrap_or("")))
    }
}

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the project that must be there.
pub fn read(path: &str) -> File {
    let text = fs::read_to_string(root().join(path));
    let text = text.unwrap_or_else(|error| panic!("{path} must exist and be text: {error}"));
    File { path: path.to_owned(), text }
}

/// Every file whose name ends in one of these extensions (`rs`), in order of path.
pub fn files(extensions: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    let wanted = |path: &String| {
        let extension = Path::new(path).extension().and_then(|e| e.to_str()).unwrap_or("");
        extensions.contains(&extension)
    };
    let mut paths: Vec<String> = paths.into_iter().filter(wanted).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn walk(dir: &Path, paths: &mut Vec<String>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for entry in entries {
        let path = entry.expect("a folder of the project can be listed").path();
        let relative = path.strip_prefix(root()).expect("below the root").to_string_lossy();
        if path.is_dir() {
            if !is_skipped(&relative) {
                walk(&path, paths);
            }
        } else {
            paths.push(relative.replace('\\', "/"));
        }
    }
}

/// `examples/corpus` is ours; a `corpus` elsewhere holds inputs that a fuzzer found.
fn is_skipped(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    SKIPPED.contains(&name) && relative != "examples/corpus"
}
