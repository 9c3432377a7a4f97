//! Memory in a plain file: it outlives the processes and, once it was synchronised, the machine's
//! start.
//!
//! Made like an object with a name: without one at first, filled, written to the disk, and linked
//! in as a whole. All of its blocks are reserved, so that a disk that fills up later harms nobody;
//! file systems that write each block to a new place (btrfs, ZFS) cannot promise that. A file is
//! for one machine: no network file system shows two machines one memory.
//!
//! What a file has to be fit for after a start of the machine, or in another pid namespace, is done
//! by [`renew`](crate::dictionary), which puts a renewed copy in its place.

use std::fs;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Gid, Mode, OFlags, SeekFrom, Uid};
use rustix::io::Errno;

use super::backing::{self, Backing};
use crate::error::{Error, Result};

/// What a full disk is called in messages.
const PLACE: &str = "the file system";

/// Bytes that one step of a copy moves.
const COPY_STEP_BYTES: u64 = 16 << 20;

/// A file, existing or not.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    folder: PathBuf,
    label: String,
}

impl File {
    /// The file of that path.
    ///
    /// # Errors
    /// [`Error::InvalidName`] for a path that names no file.
    pub fn new(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let label = path.display().to_string();
        if path.file_name().is_none() || label.ends_with('/') {
            return Err(Error::InvalidName { name: label, reason: "it is the path of no file" });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self { path: path.to_owned(), folder, label })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the path still leads to this open file.
    pub(crate) fn leads_to(&self, file: impl AsFd) -> bool {
        let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let (there, here) = (rustix::fs::lstat(&self.path), rustix::fs::fstat(file));
        matches!((there, here), (Ok(there), Ok(here)) if place(there) == place(here))
    }

    /// Reserves a file without a name, with the rights of another one and its content.
    pub(crate) fn copy_of(&self, file: &OwnedFd) -> Result<OwnedFd> {
        let system = |act| move |errno| Error::system(act, &self.label, errno);
        let stat = rustix::fs::fstat(file).map_err(system("look at"))?;
        let size_bytes = stat.st_size.unsigned_abs();
        let copy = self.allocate(size_bytes, Mode::from_raw_mode(stat.st_mode & 0o777))?;
        // Only root can give a file away; whoever may not keeps it for himself.
        let (user, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        let _ = rustix::fs::fchown(&copy, Some(user), Some(group));
        copy_data(file, &copy, size_bytes).map_err(system("copy"))?;
        Ok(copy)
    }

    /// Puts a finished file without a name in the place of the one that is there.
    pub(crate) fn replace(&self, file: &OwnedFd) -> Result<()> {
        let system = |act| move |errno| Error::system(act, &self.label, errno);
        rustix::fs::fsync(file).map_err(system("write"))?;
        crate::fault::point();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        // One renews at a time: what has this name was left by one who died.
        let waiting = self.folder.join(format!(".{name}.renewed"));
        let _ = rustix::fs::unlink(&waiting);
        link(file, &waiting).map_err(system("name"))?;
        crate::fault::point();
        rustix::fs::rename(&waiting, &self.path).map_err(system("replace"))?;
        crate::fault::point();
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.folder, flags, Mode::empty());
        let synced = folder.and_then(rustix::fs::fsync);
        synced.map_err(|errno| Error::system("write the folder of", &self.label, errno))
    }

    fn missing_or(&self, act: &'static str, errno: Errno) -> Error {
        match errno {
            Errno::NOENT => Error::NoSuchObject { name: self.label.clone() },
            _ => Error::system(act, &self.label, errno),
        }
    }
}

impl Backing for File {
    fn label(&self) -> &str {
        &self.label
    }

    fn exists(&self) -> bool {
        rustix::fs::lstat(&self.path).is_ok()
    }

    fn allocate(&self, size_bytes: u64, mode: Mode) -> Result<OwnedFd> {
        let system = |act| move |errno| Error::system(act, &self.label, errno);
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(&self.folder, flags, mode).map_err(system("make"))?;
        rustix::fs::fchmod(&file, mode).map_err(system("set the mode of"))?;
        backing::check_room(&file, PLACE, size_bytes)?;
        backing::reserve(&file, PLACE, &self.label, size_bytes)?;
        Ok(file)
    }

    fn publish(&self, file: &OwnedFd) -> Result<()> {
        let system = |act| move |errno| Error::system(act, &self.label, errno);
        rustix::fs::fsync(file).map_err(system("write"))?;
        link(file, &self.path).map_err(|errno| match errno {
            Errno::EXIST => Error::AlreadyExists { name: self.label.clone() },
            _ => Error::system("name", &self.label, errno),
        })?;
        self.sync_folder()
    }

    fn open(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::open(&self.path, flags, Mode::empty())
            .map_err(|errno| self.missing_or("open", errno))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| self.missing_or("look at", errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(file),
            _ => Err(Error::Damaged { what: "it is not a regular file" }),
        }
    }

    fn unlink(&self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            self.missing_or("remove", errno)
        })
    }

    fn as_file(&self) -> Option<&File> {
        Some(self)
    }
}

/// Takes the exclusive presence lock: false if anybody has the file open.
pub(crate) fn claim(file: &OwnedFd) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Gives a file without a name one that is free.
pub(crate) fn link(file: impl AsFd, path: &Path) -> rustix::io::Result<()> {
    rustix::fs::linkat(CWD, unnamed_path(file), CWD, path, AtFlags::SYMLINK_FOLLOW)
}

/// False where a file without a name can get none: `/proc` is missing.
pub(crate) fn can_link(file: impl AsFd) -> bool {
    fs::exists(unnamed_path(file)).unwrap_or(false)
}

fn unnamed_path(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// Copies what was ever written; the rest reads as zeros on both sides.
fn copy_data(from: &OwnedFd, to: &OwnedFd, size_bytes: u64) -> rustix::io::Result<()> {
    let mut at = 0;
    while at < size_bytes {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start))?.min(size_bytes);
        copy_range(from, to, start, end)?;
        at = end;
    }
    Ok(())
}

fn copy_range(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> rustix::io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let step = usize::try_from((end - read_at).min(COPY_STEP_BYTES)).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), step) {
            // Somebody has cut the file off.
            Ok(0) => return Err(Errno::IO),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
