//! Where cargo unpacked the crate that carries Lua's sources.
//!
//! `lua-src` is an ordinary build-dependency, so cargo fetches and unpacks it like any other, from
//! any registry, mirror or vendored folder. It cannot say where its sources lie; `cargo metadata`
//! can. We ask about a probe package that depends on nothing else: the answer then needs no crate
//! that an ordinary build did not fetch (dev-dependencies, other platforms).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::SourceError;

/// The crate that carries the sources.
pub const CRATE_NAME: &str = "lua-src";
/// The version of that crate.
pub const CRATE_VERSION: &str = "551.1.0";
/// The Lua release that the pinned sums describe.
pub const LUA_VERSION: &str = "5.5.1";
/// Environment variable that names a local copy of the sources, for builds without a registry.
pub const SOURCE_VARIABLE: &str = "MOONHIVE_LUA_SRC";

/// Finds the folder with `lua.h` and the rest: in [`SOURCE_VARIABLE`] if that is set, else where
/// cargo unpacked [`CRATE_NAME`]. `package_dir` is where cargo looks for its configuration,
/// `scratch_dir` takes the probe package.
///
/// # Errors
/// [`SourceError::NotASource`] when the variable misleads, [`SourceError::NotFound`] with cargo's
/// own words when cargo cannot help.
pub fn locate(package_dir: &Path, scratch_dir: &Path) -> Result<PathBuf, SourceError> {
    match env::var_os(SOURCE_VARIABLE) {
        Some(dir) if !dir.is_empty() => source_folder(Path::new(&dir)),
        _ => source_folder(&unpacked_crate(package_dir, scratch_dir)?),
    }
}

/// Accepts the folder of the sources and the crate that holds it.
fn source_folder(dir: &Path) -> Result<PathBuf, SourceError> {
    let candidates = [dir.to_owned(), dir.join(format!("lua-{LUA_VERSION}"))];
    let found = candidates.into_iter().find(|dir| dir.join("lua.h").is_file());
    found.ok_or_else(|| SourceError::NotASource { path: dir.to_owned() })
}

fn unpacked_crate(package_dir: &Path, scratch_dir: &Path) -> Result<PathBuf, SourceError> {
    let manifest = write_probe(&scratch_dir.join("lua-src-probe"))?;
    let metadata = run_metadata(package_dir, &manifest)?;
    let missing =
        || not_found(format!("cargo metadata does not list {CRATE_NAME} {CRATE_VERSION}"));
    crate_manifest(&metadata)
        .and_then(|manifest| manifest.parent().map(Path::to_owned))
        .ok_or_else(missing)
}

/// A package that depends on the sources and nothing else; returns its manifest.
fn write_probe(dir: &Path) -> Result<PathBuf, SourceError> {
    let manifest = dir.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = \"probe.rs\"\n\n\
         [dependencies]\n{CRATE_NAME} = \"={CRATE_VERSION}\"\n\n[workspace]\n"
    );
    let failed = |cause| SourceError::Write { path: manifest.clone(), cause };
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(dir.join("probe.rs"), "").map_err(failed)?;
    fs::write(&manifest, text).map_err(failed)?;
    Ok(manifest)
}

fn run_metadata(package_dir: &Path, manifest: &Path) -> Result<serde_json::Value, SourceError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(&cargo)
        .args(["metadata", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .current_dir(package_dir)
        .output()
        .map_err(|cause| not_found(format!("{} does not start: {cause}", cargo.display())))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(not_found(format!("cargo metadata says: {}", words.trim())));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|cause| not_found(format!("cargo metadata answers no JSON: {cause}")))
}

fn crate_manifest(metadata: &serde_json::Value) -> Option<PathBuf> {
    let mut packages = metadata.get("packages")?.as_array()?.iter();
    let package = packages.find(|package| package["name"] == CRATE_NAME)?;
    package["manifest_path"].as_str().map(PathBuf::from)
}

fn not_found(reason: String) -> SourceError {
    SourceError::NotFound { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unpacked_crate_is_found_without_a_network() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = unpacked_crate(Path::new(env!("CARGO_MANIFEST_DIR")), scratch.path()).unwrap();
        assert!(dir.join("lua-5.5.1/lua.h").is_file(), "{}", dir.display());
    }

    #[test]
    fn the_crate_and_its_source_folder_are_both_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("lua-5.5.1");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("lua.h"), "").unwrap();
        assert_eq!(source_folder(dir.path()).unwrap(), inner);
        assert_eq!(source_folder(&inner).unwrap(), inner);
    }

    #[test]
    fn a_folder_without_sources_is_refused_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let error = source_folder(dir.path()).unwrap_err();
        assert!(error.to_string().contains("holds no lua.h"), "{error}");
        assert!(error.hint().contains("MOONHIVE_LUA_SRC"));
    }
}
