//! A C program that a chore needs: compiled file by file on all cores, and only when something
//! that goes into it changed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail};
use moonhive_lua_source::sha256_hex;

use crate::workspace;

/// What to compile and how. Everything that matters to the result is in here or in the files named.
#[derive(Debug, Clone)]
pub struct CProgram {
    /// Names the program and its folder below `target/xtask/programs`.
    pub name: String,
    /// The `.c` files.
    pub sources: Vec<PathBuf>,
    /// Folders of headers; a change of any header in them builds the program anew.
    pub includes: Vec<PathBuf>,
    /// Compiler flags, also given to the linker.
    pub flags: Vec<String>,
    /// Flags for the linker, after the objects.
    pub link_flags: Vec<String>,
}

impl CProgram {
    /// The folder of the program and its objects.
    fn dir(&self) -> PathBuf {
        workspace::scratch("programs").join(&self.name)
    }

    /// Builds the program if need be and returns its path.
    ///
    /// # Errors
    /// What the compiler says, for the first file that does not compile.
    pub fn build(&self) -> Result<PathBuf> {
        let program = self.dir().join(&self.name);
        let stamp = self.dir().join("stamp");
        let state = self.state()?;
        if program.exists() && fs::read_to_string(&stamp).is_ok_and(|old| old == state) {
            return Ok(program);
        }
        eprintln!("building {} ({} files)", self.name, self.sources.len());
        fs::create_dir_all(self.dir())?;
        self.link(&self.compile()?, &program)?;
        fs::write(stamp, state)?;
        Ok(program)
    }

    /// A digest of everything that goes into the program.
    fn state(&self) -> Result<String> {
        let mut state = format!("{:?} {:?} {:?}", compiler(), self.flags, self.link_flags);
        let mut files = self.sources.clone();
        for dir in &self.includes {
            files.extend(files_with_ending(dir, "h")?);
        }
        for file in files {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            state += &format!("\n{} {}", file.display(), sha256_hex(&bytes));
        }
        Ok(sha256_hex(state.as_bytes()))
    }

    /// Compiles every source; the threads take the next file as they become free.
    fn compile(&self) -> Result<Vec<PathBuf>> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            while let Some(source) = self.sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                run(self.compile_command(source))?;
            }
            Ok(())
        };
        let count = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            let results = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            results.collect::<Result<Vec<()>>>().map(drop)
        })?;
        Ok(self.sources.iter().map(|source| self.object(source)).collect())
    }

    fn compile_command(&self, source: &Path) -> Command {
        let mut command = Command::new(compiler());
        command.args(&self.flags);
        command.args(self.includes.iter().map(|dir| format!("-I{}", dir.display())));
        command.arg("-c").arg(source).arg("-o").arg(self.object(source));
        command
    }

    fn object(&self, source: &Path) -> PathBuf {
        let stem = source.file_stem().expect("a source file has a name");
        self.dir().join(stem).with_extension("o")
    }

    fn link(&self, objects: &[PathBuf], program: &Path) -> Result<()> {
        let mut command = Command::new(compiler());
        command.args(&self.flags).args(objects).args(&self.link_flags).arg("-o").arg(program);
        run(command)
    }
}

/// The files of a folder with that ending, in alphabetical order.
pub fn files_with_ending(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The C compiler: `CC`, or `cc`.
pub fn compiler() -> OsString {
    std::env::var_os("CC").unwrap_or_else(|| OsString::from("cc"))
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| {
        let name = compiler();
        format!("{} does not start (hint: apt-get install gcc libc6-dev)", name.display())
    })?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
