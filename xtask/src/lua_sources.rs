//! Lua's sources on disk for chores that compile them without cargo: pristine, and patched with
//! our own C beside them. The flags are those of the real build (`vendor/lua-sys/build`).

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use moonhive_lua_source::{Layout, Tree};

use crate::c_program::{CProgram, files_with_ending};
use crate::workspace;

/// Flags that every C program here shares with the real build.
const FLAGS: [&str; 9] = [
    "-std=gnu11",
    "-g",
    "-fPIC",
    "-DLUA_USE_POSIX",
    "-DLUA_USE_DLOPEN",
    "-fno-common",
    "-fno-crossjumping",
    "-ffunction-sections",
    "-fdata-sections",
];

/// Flags of the real build that the internal tests set by themselves.
const COMPATIBILITY: [&str; 2] = ["-DLUA_COMPAT_GLOBAL=1", "-DLUA_COMPAT_MATHLIB"];

/// Which Lua a program is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As PUC-Rio released it.
    Pristine,
    /// What we ship: patches applied, our own C added.
    Patched,
}

/// Writes the sources and returns a program that compiles all of them; the caller adds its own
/// `main`, flags such as `-O2`, and a name.
pub fn program(kind: Kind, name: &str) -> Result<CProgram> {
    let layout = Layout::new(workspace::root());
    let pristine = layout.pristine(&workspace::scratch("sources"))?;
    let (tree, folder) = match kind {
        Kind::Pristine => (pristine, "pristine"),
        Kind::Patched => (layout.patched(&pristine)?, "patched"),
    };
    let dir = write(&tree, folder)?;
    let mut program = CProgram {
        name: name.to_owned(),
        sources: files_with_ending(&dir, "c")?,
        includes: vec![dir],
        flags: FLAGS.map(str::to_owned).to_vec(),
        link_flags: ["-Wl,--export-dynamic", "-lm", "-ldl", "-lpthread"]
            .map(str::to_owned)
            .to_vec(),
    };
    if kind == Kind::Patched {
        program.sources.extend(files_with_ending(&layout.own_c(), "c")?);
        program.includes.push(layout.own_c());
    }
    Ok(program)
}

/// Adds the compatibility switches of the real build.
pub fn with_compatibility(program: &mut CProgram) {
    program.flags.extend(COMPATIBILITY.map(str::to_owned));
}

/// A folder with the headers of stock Lua, as the author of a C module has them.
pub fn pristine_headers() -> Result<PathBuf> {
    Ok(program(Kind::Pristine, "headers")?.includes.remove(0))
}

/// Writes a tree into a folder that then holds nothing else.
fn write(tree: &Tree, folder: &str) -> Result<PathBuf> {
    let dir = workspace::scratch("lua").join(folder);
    fs::create_dir_all(&dir)?;
    for file in fs::read_dir(&dir)? {
        let path = file?.path();
        let is_known = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| tree.file(name).is_some());
        if !is_known {
            fs::remove_file(&path)?;
        }
    }
    tree.write(&dir)?;
    Ok(dir)
}
