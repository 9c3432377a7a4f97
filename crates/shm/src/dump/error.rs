//! Why a dump or a load came to no end, and of which file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::stream::Unwanted;
use crate::Error;

/// Why a dump or a load came to no end.
#[derive(Debug)]
#[non_exhaustive]
pub enum DumpError {
    /// The dictionary refused.
    Dictionary(Error),
    /// The dump could not be written or read.
    Io(io::Error),
    /// The dictionary refused the entry of a line.
    Refused {
        /// Its number, from 1.
        number: u64,
        /// Why.
        error: Error,
    },
    /// A line is no entry.
    Line {
        /// Its number, from 1.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Whoever wanted it does not any more.
    Stopped,
}

impl fmt::Display for DumpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::Dictionary(error) => error.fmt(formatter),
            DumpError::Io(error) => error.fmt(formatter),
            DumpError::Refused { number, error } => write!(formatter, "line {number}: {error}"),
            DumpError::Line { number, reason } => write!(formatter, "line {number}: {reason}"),
            DumpError::Stopped => formatter.write_str("it was stopped"),
        }
    }
}

impl std::error::Error for DumpError {}

impl DumpError {
    /// A word for programs, stable over releases.
    pub fn code(&self) -> &'static str {
        match self {
            DumpError::Dictionary(error) | DumpError::Refused { error, .. } => error.code(),
            DumpError::Io(_) => "system",
            DumpError::Line { .. } | DumpError::Stopped => "bad_dump",
        }
    }

    /// The number of the system's error nearest to this one.
    pub fn errno(&self) -> i32 {
        match self {
            DumpError::Dictionary(error) | DumpError::Refused { error, .. } => error.errno(),
            DumpError::Io(error) => error.raw_os_error().unwrap_or_else(|| errno_of(error.kind())),
            DumpError::Line { .. } | DumpError::Stopped => Errno::BADMSG.raw_os_error(),
        }
    }
}

/// The number of an error that is none of the system's.
fn errno_of(kind: io::ErrorKind) -> i32 {
    let errno = if kind == io::ErrorKind::PermissionDenied { Errno::ACCESS } else { Errno::IO };
    errno.raw_os_error()
}

impl From<Error> for DumpError {
    fn from(error: Error) -> DumpError {
        DumpError::Dictionary(error)
    }
}

impl From<io::Error> for DumpError {
    fn from(error: io::Error) -> DumpError {
        match error.get_ref() {
            Some(reason) if reason.is::<Unwanted>() => DumpError::Stopped,
            _ => DumpError::Io(error),
        }
    }
}

/// Why a dictionary was not saved to a file, or loaded from it.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    act: &'static str,
    /// Why.
    pub reason: DumpError,
    /// How many entries were stored before a load failed; `None` of a save.
    pub loaded: Option<u64>,
}

impl FileError {
    pub(super) fn of_save(path: &Path, reason: DumpError) -> FileError {
        FileError { path: path.to_owned(), act: "write", reason, loaded: None }
    }

    pub(super) fn of_load(path: &Path, reason: DumpError, loaded: u64) -> FileError {
        FileError { path: path.to_owned(), act: "read", reason, loaded: Some(loaded) }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.reason {
            DumpError::Line { number, reason } => write!(formatter, "{path}:{number}: {reason}")?,
            DumpError::Refused { number, error } => write!(formatter, "{path}:{number}: {error}")?,
            error => write!(formatter, "cannot {} {path}: {error}", self.act)?,
        }
        match self.loaded {
            Some(count) => write!(formatter, "; {}", super::tell_loaded(count)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {}
