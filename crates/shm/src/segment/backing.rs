//! Places that memory can come from, behind one trait: each place is a module of its own.
//!
//! Creation has two steps, so that an object never exists half made: `allocate` yields memory that
//! nobody can find, `publish` gives it its name.

use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, Mode};
use rustix::io::Errno;

use super::file::File;
use crate::error::{Error, Result};

/// Where the memory of a segment comes from.
pub trait Backing {
    /// What messages call the object.
    fn label(&self) -> &str;

    /// True if the name is taken already. Only saves work: [`publish`](Self::publish) decides.
    fn exists(&self) -> bool;

    /// Reserves memory that has no name yet, all of it: later there is no SIGBUS for want of pages.
    ///
    /// # Errors
    /// [`Error::NoSpace`] where it does not fit, [`Error::System`] otherwise.
    fn allocate(&self, size_bytes: u64, mode: Mode) -> Result<OwnedFd>;

    /// Makes finished memory findable.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if somebody else was first.
    fn publish(&self, file: &OwnedFd) -> Result<()>;

    /// Opens what is there.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`] if nothing is.
    fn open(&self) -> Result<OwnedFd>;

    /// Takes the name away; who has it open keeps it.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`] if nothing has the name.
    fn unlink(&self) -> Result<()>;

    /// The file, for what outlives the start of the machine.
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// Reserves every page of a file and turns a full file system into a message with figures.
pub(super) fn reserve(
    file: &OwnedFd,
    place: &'static str,
    label: &str,
    wanted_bytes: u64,
) -> Result<()> {
    let full = |left_bytes| Error::NoSpace { place, left_bytes, wanted_bytes };
    let left_bytes = || rustix::fs::fstatvfs(file).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    loop {
        return match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, wanted_bytes) {
            Ok(()) => Ok(()),
            Err(Errno::INTR) => continue,
            Err(Errno::NOSPC | Errno::FBIG | Errno::NOMEM) => Err(full(left_bytes())),
            Err(errno) => Err(Error::system("reserve memory for", label, errno)),
        };
    }
}

/// Refuses early what cannot fit, before any page is touched.
pub(super) fn check_room(file: &OwnedFd, place: &'static str, wanted_bytes: u64) -> Result<()> {
    let Ok(stat) = rustix::fs::fstatvfs(file) else { return Ok(()) };
    let left_bytes = stat.f_bavail * stat.f_frsize;
    // A tmpfs without a limit reports no blocks at all.
    if stat.f_blocks > 0 && wanted_bytes > left_bytes {
        return Err(Error::NoSpace { place, left_bytes, wanted_bytes });
    }
    Ok(())
}
