//! `cargo xtask install-shm`: builds the library of `crates/shm-c` and puts it, its header, its
//! pkg-config file and the binding for LuaJIT where compilers and loaders look.
//!
//! With `--root` everything goes below another folder, as makers of packages want it, while the
//! files themselves speak of the prefix.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// The name under which programs find the library; `crates/shm-c/build.rs` gives it the same one.
const SONAME: &str = "libmoonhive_shm.so.1";

/// Where scripts lie.
const BINDING: &str = "share/moonhive/lua";

/// Where to install.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The folder that include, lib and share lie in.
    #[arg(long, default_value = "/usr/local")]
    prefix: PathBuf,
    /// Put the files below this folder instead, as if it were the root of the file system.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// Builds and installs.
///
/// # Errors
/// The library does not build, or a file cannot be written.
pub fn run(options: &Options) -> Result<()> {
    ensure!(options.prefix.is_absolute(), "the prefix must be an absolute path");
    let built = build()?;
    let sources = workspace::root().join("crates/shm-c");
    let place = Place { folder: folder_of(options) };
    place.copy(&sources.join("include/moonhive_shm.h"), "include", "moonhive_shm.h", 0o644)?;
    place.copy(&built.join("libmoonhive_shm.so"), "lib", SONAME, 0o755)?;
    place.copy(&built.join("libmoonhive_shm.a"), "lib", "libmoonhive_shm.a", 0o644)?;
    place.link(SONAME, "lib/libmoonhive_shm.so")?;
    install_binding(&place)?;
    let template = fs::read_to_string(sources.join("moonhive_shm.pc.in"))?;
    let header = fs::read_to_string(sources.join("include/moonhive_shm.h"))?;
    let text = package_file(&template, &options.prefix, abi_version(&header)?);
    place.write("lib/pkgconfig", "moonhive_shm.pc", &text)
}

/// The binding for LuaJIT: a file to require, and the folder of its parts beside it.
fn install_binding(place: &Place) -> Result<()> {
    let binding = workspace::root().join("lua/ffi");
    place.copy(&binding.join("moonhive_shm.lua"), BINDING, "moonhive_shm.lua", 0o644)?;
    for part in fs::read_dir(binding.join("moonhive_shm")).context("the binding has no parts")? {
        let part = part?;
        let folder = format!("{BINDING}/moonhive_shm");
        place.copy(&part.path(), &folder, &part.file_name().to_string_lossy(), 0o644)?;
    }
    Ok(())
}

/// Builds the release; the folder that it is in.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "moonhive-shm-c", "--target-dir"])
        .arg(workspace::root().join("target"))
        .current_dir(workspace::root())
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "the library does not build");
    Ok(workspace::root().join("target/release"))
}

fn folder_of(options: &Options) -> PathBuf {
    match &options.root {
        // Joining an absolute path would leave the root.
        Some(root) => root.join(options.prefix.strip_prefix("/").unwrap_or(&options.prefix)),
        None => options.prefix.clone(),
    }
}

fn package_file(template: &str, prefix: &Path, abi_version: u32) -> String {
    let prefix = prefix.display().to_string();
    let text = template.replace("@PREFIX@", &prefix);
    let text = text.replace("@ABI_VERSION@", &abi_version.to_string());
    text.replace("@VERSION@", env!("CARGO_PKG_VERSION"))
}

/// The version of the functions that a header declares.
fn abi_version(header: &str) -> Result<u32> {
    let line = header.lines().find_map(|line| line.strip_prefix("#define MHSHM_ABI_VERSION "));
    line.and_then(|number| number.trim().parse().ok()).context("the header has no version")
}

/// The folder that is filled.
struct Place {
    folder: PathBuf,
}

impl Place {
    /// The path of a file in a folder that is made if need be; what was there is taken away, so
    /// that a program that runs keeps its copy of a library.
    fn path(&self, folder: &str, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        println!("{}", path.display());
        Ok(path)
    }

    fn copy(&self, source: &Path, folder: &str, name: &str, mode: u32) -> Result<()> {
        let path = self.path(folder, name)?;
        fs::copy(source, &path).with_context(|| format!("cannot copy {}", source.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    fn link(&self, target: &str, name: &str) -> Result<()> {
        let (folder, name) = name.rsplit_once('/').unwrap_or(("", name));
        Ok(symlink(target, self.path(folder, name)?)?)
    }

    fn write(&self, folder: &str, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path(folder, name)?, text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_file_speaks_of_the_prefix_even_below_another_root() {
        let template = "prefix=@PREFIX@\nabi=@ABI_VERSION@\nVersion: @VERSION@\n";
        let text = package_file(template, Path::new("/opt/x"), 2);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(text, format!("prefix=/opt/x\nabi=2\nVersion: {version}\n"));
        let options = Options { prefix: "/opt/x".into(), root: Some("/tmp/stage".into()) };
        assert_eq!(folder_of(&options), Path::new("/tmp/stage/opt/x"));
    }

    #[test]
    fn the_package_file_tells_the_version_of_the_functions() {
        let header = workspace::root().join("crates/shm-c/include/moonhive_shm.h");
        let version = abi_version(&fs::read_to_string(header).unwrap()).unwrap();
        assert!(version >= 2);
        let template = workspace::root().join("crates/shm-c/moonhive_shm.pc.in");
        let template = fs::read_to_string(template).unwrap();
        let text = package_file(&template, Path::new("/usr"), version);
        assert!(text.contains(&format!("\nabi_version={version}\n")) && !text.contains('@'));
        assert!(abi_version("").is_err());
    }

    #[test]
    fn the_binding_is_installed_with_every_part_that_it_requires() {
        let folder = tempfile::tempdir().unwrap();
        install_binding(&Place { folder: folder.path().to_owned() }).unwrap();
        let scripts = folder.path().join(BINDING);
        let mut names = vec!["moonhive_shm".to_owned()];
        // The first file names its parts in a list, since it loads them twice.
        let main = fs::read_to_string(scripts.join("moonhive_shm.lua")).unwrap();
        let parts = main.split_once("NAMES = {").unwrap().1.split_once('}').unwrap().0;
        let parts = parts.split('"').skip(1).step_by(2);
        names.extend(parts.map(|part| format!("moonhive_shm.{part}")));
        for index in 0.. {
            let Some(name) = names.get(index) else { break };
            let script = scripts.join(format!("{}.lua", name.replace('.', "/")));
            let text = fs::read_to_string(script).expect(name);
            let required = text.split("require(\"").skip(1).filter_map(|it| it.split_once('"'));
            let is_part = |name: &str| name != "ffi" && !name.ends_with('.');
            for (name, _) in required.filter(|(name, _)| is_part(name)) {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        assert!(names.len() > 5, "{names:?}");
    }
}
