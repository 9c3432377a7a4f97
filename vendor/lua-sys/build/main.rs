//! Builds the Lua that Moonhive links: stock sources from the registry, our patches, our own C.
//!
//! Steps: find and check the sources, apply `patches/series`, write the result to `OUT_DIR/lua`,
//! compile everything into one archive and link all of it (C modules loaded at run time may need
//! any function of the API). The first three live in `moonhive-lua-source`, shared with the tests
//! and `cargo xtask`.

mod compile;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use moonhive_lua_source::{Layout, SOURCE_VARIABLE, SourceError};

fn main() -> ExitCode {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let layout = Layout::new(root(&package_dir()));
    watch(&layout);
    match write_sources(&layout, &out_dir) {
        Ok(sources) => compile::library(&layout.own_c(), &sources, &out_dir),
        Err(error) => return fail(&error),
    }
    ExitCode::SUCCESS
}

fn package_dir() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
}

/// The repository that holds `vendor/lua-sys`.
fn root(package_dir: &Path) -> &Path {
    package_dir.ancestors().nth(2).expect("the package lies two folders deep")
}

/// Writes the patched sources and returns their folder.
fn write_sources(layout: &Layout, out_dir: &Path) -> Result<PathBuf, SourceError> {
    let pristine = layout.pristine(out_dir)?;
    for (file, _) in pristine.files() {
        println!("cargo::rerun-if-changed={}", pristine.dir().join(file).display());
    }
    let sources = out_dir.join("lua");
    layout.patched(&pristine)?.write(&sources)?;
    Ok(sources)
}

fn watch(layout: &Layout) {
    let own = ["build", "c", "exports.list"].map(|name| layout.lua_sys().join(name));
    let paths = own.into_iter().chain([layout.patches(), layout.sums()]);
    for path in paths {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    println!("cargo::rerun-if-env-changed={SOURCE_VARIABLE}");
}

fn fail(error: &SourceError) -> ExitCode {
    println!("cargo::error={error}");
    println!("cargo::error=hint: {}", error.hint());
    ExitCode::FAILURE
}
