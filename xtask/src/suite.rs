//! The official test suite of Lua, fetched and never committed.
//!
//! It travels in the source distribution of the PyPI package `lupa`, with the internal tests
//! (`ltests.c`) and the stand-alone interpreter (`lua.c`), none of which `lua-src` carries. The
//! archive is fetched by name with pip, which refuses any other than the pinned one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use moonhive_lua_source::sha256_hex;

use crate::workspace;

const PACKAGE: &str = "lupa";
const VERSION: &str = "2.8";
const SHA256: &str = "d8022641b9ec8ecf2c5ecbe9f47e5a70e0b87c4b5ae921b92cb02a638e0acd08";
/// Where the archive keeps what we need.
const FOLDER: &str = "third-party/lua55";

/// The unpacked suite.
#[derive(Debug, Clone)]
pub struct Suite {
    dir: PathBuf,
}

impl Suite {
    /// Fetches and unpacks the suite unless it is there.
    ///
    /// # Errors
    /// Why it cannot be had; the caller decides whether that is a skip.
    pub fn fetch() -> Result<Self> {
        let root = workspace::scratch("suite");
        let suite = Self { dir: root.join("lua55") };
        if !suite.tests().join("all.lua").exists() {
            fs::create_dir_all(&root)?;
            let archive = download(&root)?;
            unpack(&archive, &suite.dir)?;
        }
        Ok(suite)
    }

    /// The folder with `all.lua`.
    pub fn tests(&self) -> PathBuf {
        self.dir.join("testes")
    }

    /// A file of the interpreter or of the internal tests.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Returns the archive, from an earlier download if it is the pinned one.
fn download(root: &Path) -> Result<PathBuf> {
    let archive = root.join(format!("{PACKAGE}-{VERSION}.tar.gz"));
    if !archive.exists() {
        eprintln!("fetching {PACKAGE} {VERSION} with pip (about 15 s)");
        run_pip(root)?;
    }
    let bytes = fs::read(&archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let found = sha256_hex(&bytes);
    ensure!(
        found == SHA256,
        "{} has sha-256 {found}, pinned is {SHA256} (hint: remove it)",
        archive.display()
    );
    Ok(archive)
}

/// pip checks the sum before it runs anything of the package. It insists on asking the package for
/// its metadata; `LUPA_NO_BUNDLE` keeps that from compiling six versions of Lua.
fn run_pip(root: &Path) -> Result<()> {
    let wanted = root.join("requirements.txt");
    fs::write(&wanted, format!("{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n"))?;
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--no-binary", PACKAGE, "--quiet"])
        .arg("--disable-pip-version-check")
        .arg("--requirement")
        .arg(&wanted)
        .arg("--dest")
        .arg(root)
        .env("LUPA_NO_BUNDLE", "true")
        .output()
        .context("python3 does not start (hint: apt-get install python3-pip)")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pip cannot fetch {PACKAGE} {VERSION}: {}", words.trim());
    Ok(())
}

fn unpack(archive: &Path, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let status = Command::new("tar")
        .arg("--extract")
        .arg("--file")
        .arg(archive)
        .args(["--gzip", "--strip-components=3", "--directory"])
        .arg(dir)
        .arg(format!("{PACKAGE}-{VERSION}/{FOLDER}"))
        .status()
        .context("tar does not start")?;
    ensure!(status.success(), "tar cannot unpack {}", archive.display());
    Ok(())
}
