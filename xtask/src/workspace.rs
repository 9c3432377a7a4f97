//! Where things are: the repository and the folder for what chores leave behind.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("xtask lies in the root of the repository")
}

/// A folder of this chore below `target/`, which survives between runs.
pub fn scratch(chore: &str) -> PathBuf {
    root().join("target/xtask").join(chore)
}
