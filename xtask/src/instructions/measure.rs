//! One Lua to measure, and one measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::lua_sources::{self, Kind};

/// How a script gets its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Compiled into the VM, as in stock Lua.
    Private,
    /// From an image.
    Shared,
}

/// The driver linked with one Lua.
#[derive(Debug)]
pub struct Lua {
    program: PathBuf,
}

/// Bytes of an empty VM with all libraries.
#[derive(Debug)]
pub struct Memory {
    /// Right after the libraries were opened.
    pub opened: u64,
    /// After a full collection.
    pub collected: u64,
}

impl Lua {
    /// Lua without our patches.
    pub fn stock(driver_dir: &Path) -> Result<Self> {
        Self::build(driver_dir, Kind::Pristine, "count-stock", &[])
    }

    /// Lua as we ship it.
    pub fn patched(driver_dir: &Path) -> Result<Self> {
        Self::build(driver_dir, Kind::Patched, "count-patched", &["-DMOONHIVE_PATCHED"])
    }

    fn build(driver_dir: &Path, kind: Kind, name: &str, flags: &[&str]) -> Result<Self> {
        let mut program = lua_sources::program(kind, name)?;
        lua_sources::with_compatibility(&mut program);
        program.sources.push(driver_dir.join("driver.c"));
        program.flags.push("-O2".into());
        program.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Ok(Self { program: program.build()? })
    }

    /// Instructions that the script needs with this seed, without starting and compiling.
    pub fn count(&self, code: Code, script: &Path, seed: u32) -> Result<u64> {
        let mode = if code == Code::Shared { "shared" } else { "private" };
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=measured")
            .arg(&self.program)
            .args([&seed.to_string(), mode])
            .arg(script)
            .output()
            .context("valgrind does not start (hint: apt-get install valgrind)")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} failed: {said}", script.display());
        match collected(&said) {
            Some(count) => Ok(count),
            None => bail!("callgrind counted nothing: {said}"),
        }
    }

    /// What an empty VM needs.
    pub fn memory(&self, seed: u32) -> Result<Memory> {
        let output = Command::new(&self.program).args([&seed.to_string(), "memory"]).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut bytes = said.lines().map(str::parse);
        match (bytes.next(), bytes.next()) {
            (Some(Ok(opened)), Some(Ok(collected))) => Ok(Memory { opened, collected }),
            _ => bail!("{} tells no memory: {said}", self.program.display()),
        }
    }
}

/// The number after `Collected :`.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_read_from_what_callgrind_says() {
        let said = "==1== Events    : Ir\n==1== Collected : 117094393\n==1==\n";
        assert_eq!(collected(said), Some(117_094_393));
        assert_eq!(collected("==1== Collected :\n"), None);
    }
}
