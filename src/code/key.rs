//! What identifies a chunk, and how the spelling of a script leads to it.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A chunk, whatever it is called by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Chunk {
    /// A file, by its canonical path.
    File(PathBuf),
    /// A text embedded in the program.
    Named(String),
}

impl fmt::Display for Chunk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chunk::File(path) => path.display().fmt(formatter),
            Chunk::Named(name) => formatter.write_str(name),
        }
    }
}

/// What the store is keyed by: the same text means something else in another dialect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) chunk: Chunk,
    /// Compiled with the meaning of Lua 5.4 where 5.5 would refuse it.
    pub(super) compat_54: bool,
}

/// What a script or the host calls a chunk, with all it takes to find the same chunk again.
#[derive(Debug)]
pub(super) enum Spelling<'a> {
    /// An absolute path: the same file wherever the process stands.
    Absolute(&'a [u8]),
    /// A relative path and the working directory it starts from. Asking for the directory is a
    /// system call (0.5 us), and the only sound way: any C module may change it at any time.
    Relative(&'a [u8], PathBuf),
    /// The name of an embedded text.
    Named(&'a str),
}

impl<'a> Spelling<'a> {
    /// The spelling of a path.
    ///
    /// # Errors
    /// A relative path has no meaning while the working directory is gone.
    pub(super) fn of_path(path: &'a [u8]) -> io::Result<Spelling<'a>> {
        if path.starts_with(b"/") {
            Ok(Spelling::Absolute(path))
        } else {
            Ok(Spelling::Relative(path, std::env::current_dir()?))
        }
    }

    /// What the script wrote.
    pub(super) fn text(&self) -> &'a [u8] {
        match *self {
            Spelling::Absolute(path) | Spelling::Relative(path, _) => path,
            Spelling::Named(name) => name.as_bytes(),
        }
    }

    /// The chunk it stands for: links and dots in a path are resolved.
    ///
    /// # Errors
    /// The path leads to nothing, or to something that cannot be read twice (a pipe, a device).
    pub(super) fn chunk(&self) -> io::Result<Chunk> {
        let path = match self {
            Spelling::Absolute(path) => PathBuf::from(OsStr::from_bytes(path)),
            // Not relative to wherever the process stands by now.
            Spelling::Relative(path, directory) => directory.join(OsStr::from_bytes(path)),
            Spelling::Named(name) => return Ok(Chunk::Named((*name).to_owned())),
        };
        let path = path.canonicalize()?;
        if path.metadata()?.is_file() {
            Ok(Chunk::File(path))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// The chunk name that stock Lua gives to this spelling, for messages and `debug.getinfo`.
    pub(super) fn chunk_name(&self) -> CString {
        let mark = if matches!(self, Spelling::Named(_)) { b"=" } else { b"@" };
        let name = self.text();
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        // The text was cut at its first zero byte, so there is none inside.
        CString::new([mark, &name[..end]].concat()).unwrap_or_default()
    }
}

/// The chunks that a user may mean by `name` when clearing: the file of that path, also one that
/// was deleted meanwhile, and the embedded text of that name.
pub(super) fn chunks_called(name: &Path) -> Vec<Chunk> {
    let mut chunks = vec![Chunk::Named(name.to_string_lossy().into_owned())];
    let canonical = name.canonicalize().ok().or_else(|| {
        let parent = name.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(name.file_name()?))
    });
    chunks.extend(canonical.map(Chunk::File));
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path) -> Chunk {
        Spelling::of_path(path.as_os_str().as_bytes()).unwrap().chunk().unwrap()
    }

    #[test]
    fn dots_and_links_lead_to_the_same_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lua");
        std::fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("link.lua")).unwrap();
        let expected = file(&path);
        assert_eq!(file(&folder.path().join("./x.lua")), expected);
        assert_eq!(file(&folder.path().join("link.lua")), expected);
    }

    #[test]
    fn what_cannot_be_read_twice_is_no_chunk() {
        for path in ["/dev/null", "/tmp", "/nowhere/x.lua", ""] {
            assert!(Spelling::of_path(path.as_bytes()).unwrap().chunk().is_err(), "{path}");
        }
    }

    #[test]
    fn chunk_names_are_those_of_stock_lua() {
        assert_eq!(Spelling::of_path(b"./x.lua").unwrap().chunk_name().as_c_str(), c"@./x.lua");
        assert_eq!(Spelling::Named("hive").chunk_name().as_c_str(), c"=hive");
    }

    #[test]
    fn a_deleted_file_can_still_be_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone.lua");
        std::fs::write(&path, "").unwrap();
        let chunk = file(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(chunks_called(&path).contains(&chunk));
    }
}
