//! Segments: memory that several processes map, with a header that says what it is.
//!
//! A segment is born whole (see [`backing`]) and checked when it is opened (see [`header`]). Every
//! process that has it open holds a shared `flock` on it, which the kernel drops at death: who gets
//! the exclusive one knows that nobody is there.

pub mod backing;
mod file;
pub mod header;
mod large;
pub mod limits;
pub mod list;
mod machine;
mod memfd;
mod name;
mod posix;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;

pub use backing::Backing;
pub use file::File;
pub(crate) use file::{can_link, claim, link};
pub use header::{HEADER_BYTES, Header, Kind, PARAMETERS};
pub use memfd::Memfd;
pub use name::{NAME_LIMIT_BYTES, Name};
pub use posix::Posix;

use crate::error::{Error, Result};
use crate::memory::{Mapping, Memory};

/// A mapped segment.
#[derive(Debug)]
pub struct Segment {
    /// Views of it are kept by this segment, and by what owns the segment.
    _mapping: Mapping,
    memory: Memory,
    header: Header,
    /// Keeps the presence lock.
    file: OwnedFd,
}

impl Segment {
    /// Makes a segment and publishes it once `initialise` has filled it.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::NoSpace`], or what the system refused.
    pub(crate) fn create(
        backing: &dyn Backing,
        kind: Kind,
        header: Header,
        mode: u32,
        initialise: impl FnOnce(&Memory, &Header) -> Result<()>,
    ) -> Result<Self> {
        if backing.exists() {
            return Err(Error::AlreadyExists { name: backing.label().to_owned() });
        }
        let file = backing.allocate(header.size_bytes, Mode::from_raw_mode(mode & 0o777))?;
        announce(&file, backing.label())?;
        let (mapping, memory) = map(&file, backing.label(), header.size_bytes)?;
        header.write(&memory, kind);
        initialise(&memory, &header)?;
        header::mark_ready(&memory);
        crate::fault::point();
        backing.publish(&file)?;
        Ok(Self { _mapping: mapping, memory, header, file })
    }

    /// Opens a segment that exists.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`], or what differs from what this program understands.
    pub(crate) fn open(backing: &dyn Backing, kind: Kind) -> Result<Self> {
        let file = backing.open()?;
        announce(&file, backing.label())?;
        let size_bytes = file_size(&file, backing.label())?;
        if size_bytes < HEADER_BYTES as u64 {
            let expected_bytes = HEADER_BYTES as u64;
            return Err(Error::WrongSize { found_bytes: size_bytes, expected_bytes });
        }
        let (mapping, memory) = map(&file, backing.label(), size_bytes)?;
        let header = Header::read(&memory, kind)?;
        Ok(Self { _mapping: mapping, memory, header, file })
    }

    /// Its words. A copy of the view must go before the segment does.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What its header said when it was opened.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Takes the shared presence lock. Somebody who looks whether anyone is there may hold the
/// exclusive one for a moment.
fn announce(file: &OwnedFd, label: &str) -> Result<()> {
    loop {
        match rustix::fs::flock(file, FlockOperation::LockShared) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::system("announce use of", label, errno)),
        }
    }
}

pub(crate) fn file_size(file: &OwnedFd, label: &str) -> Result<u64> {
    let stat = rustix::fs::fstat(file).map_err(|errno| Error::system("look at", label, errno))?;
    Ok(stat.st_size.unsigned_abs())
}

pub(crate) fn map(file: &OwnedFd, label: &str, size_bytes: u64) -> Result<(Mapping, Memory)> {
    let system = |errno| Error::system("map", label, errno);
    let size_bytes = usize::try_from(size_bytes).map_err(|_| system(Errno::NOMEM))?;
    let base = large::map(file, size_bytes).map_err(system)?;
    // SAFETY: the mapping was just made, is page aligned, and nobody else knows it.
    let mapping = unsafe { Mapping::new(base, size_bytes) };
    // SAFETY: every caller keeps or drops both together.
    let memory = unsafe { mapping.view() };
    Ok((mapping, memory))
}
