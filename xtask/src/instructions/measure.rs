//! One Lua to measure, and one measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::lua_sources::{self, Kind};

/// What of a script is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Running it, compiled into the VM as in stock Lua.
    Private,
    /// Running it from an image.
    Shared,
    /// Loading it as stock Lua does.
    Load,
    /// Loading it as a miss of the cache does.
    Image,
}

impl Work {
    fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Load => "load",
            Self::Image => "image",
        }
    }
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

    /// Instructions of this work with this seed, without what surrounds it.
    pub fn count(&self, work: Work, script: &Path, seed: u32) -> Result<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=measured*")
            .arg(&self.program)
            .args([&seed.to_string(), work.word()])
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
