//! Which objects of ours are on this machine: what `ipcs` shows for System V and nobody for POSIX.

use std::os::unix::fs::MetadataExt as _;

use rustix::fs::FlockOperation;

use super::header::{Header, Kind};
use super::name::Name;
use super::posix::{FOLDER, Posix};
use super::{Backing as _, HEADER_BYTES, map};
use crate::error::{Error, Result};

/// One object.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its name.
    pub name: Name,
    /// Device and inode: what tells it apart from another object that had the name.
    pub identity: (u64, u64),
    /// Its size.
    pub size_bytes: u64,
    /// User who owns it.
    pub user: u32,
    /// Group that owns it.
    pub group: u32,
    /// Permission bits.
    pub mode: u32,
    /// True if some process has it open; unknown if we may not open it.
    pub attached: Option<bool>,
    /// Its header, or why it cannot be used here.
    pub header: Result<Header>,
}

/// Every object of ours that has a name, in order of name.
///
/// # Errors
/// [`Error::System`] if the folder of shared memory cannot be read.
pub fn list() -> Result<Vec<Description>> {
    let failed = |error: std::io::Error| {
        let errno = rustix::io::Errno::from_io_error(&error);
        Error::system("list", FOLDER, errno.unwrap_or(rustix::io::Errno::IO))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(FOLDER).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_str().and_then(Name::of_file);
        // An object may go between the listing and the look at it.
        let Some((name, data)) = name.zip(entry.metadata().ok()) else { continue };
        found.push(describe(name, &data));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn describe(name: Name, data: &std::fs::Metadata) -> Description {
    let (attached, header) = look_into(&name);
    Description {
        identity: (data.dev(), data.ino()),
        size_bytes: data.len(),
        user: data.uid(),
        group: data.gid(),
        mode: data.mode() & 0o777,
        name,
        attached,
        header,
    }
}

fn look_into(name: &Name) -> (Option<bool>, Result<Header>) {
    let file = match Posix::new(name.as_str()).and_then(|posix| posix.open()) {
        Ok(file) => file,
        Err(error) => return (None, Err(error)),
    };
    let attached = match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Some(true),
        Err(_) => None,
    };
    let _ = rustix::fs::flock(&file, FlockOperation::Unlock);
    let size_bytes = super::file_size(&file, name.as_str());
    let header = size_bytes.and_then(|size_bytes| {
        if size_bytes < HEADER_BYTES as u64 {
            let expected_bytes = HEADER_BYTES as u64;
            return Err(Error::WrongSize { found_bytes: size_bytes, expected_bytes });
        }
        let (_mapping, memory) = map(&file, name.as_str(), size_bytes)?;
        Header::read(&memory, Kind::Dictionary)
    });
    (attached, header)
}
