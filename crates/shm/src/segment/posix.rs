//! Memory with a name: files in `/dev/shm`, where POSIX shared memory lives.
//!
//! A file is made without a name (`O_TMPFILE`), filled, and linked in as a whole: no opener ever
//! sees a half made object, and a creator that dies before leaves nothing behind.

use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::backing::{self, Backing};
use super::large;
use super::name::Name;
use crate::error::{Error, Result};

/// The folder of shared memory.
pub(super) const FOLDER: &str = "/dev/shm";

/// A named object.
#[derive(Clone, Debug)]
pub struct Posix {
    name: Name,
    path: String,
}

impl Posix {
    /// The object of that name, existing or not.
    ///
    /// # Errors
    /// [`Error::InvalidName`].
    pub fn new(name: &str) -> Result<Self> {
        let name = Name::new(name)?;
        let path = format!("{FOLDER}/{}", name.file_name());
        Ok(Self { name, path })
    }

    fn missing_or(&self, act: &'static str, errno: Errno) -> Error {
        match errno {
            Errno::NOENT => Error::NoSuchObject { name: self.name.as_str().to_owned() },
            _ => Error::system(act, self.name.as_str(), errno),
        }
    }
}

impl Backing for Posix {
    fn label(&self) -> &str {
        self.name.as_str()
    }

    fn exists(&self) -> bool {
        rustix::fs::lstat(&self.path).is_ok()
    }

    fn allocate(&self, size_bytes: u64, mode: Mode) -> Result<OwnedFd> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(FOLDER, flags, mode)
            .map_err(|errno| Error::system("make memory for", self.label(), errno))?;
        // The mode of `open` is cut by the umask; this one is what the caller said.
        rustix::fs::fchmod(&file, mode)
            .map_err(|errno| Error::system("set the mode of", self.label(), errno))?;
        backing::check_room(&file, FOLDER, size_bytes)?;
        large::prepare(&file, size_bytes);
        backing::reserve(&file, FOLDER, self.label(), size_bytes)?;
        Ok(file)
    }

    fn publish(&self, file: &OwnedFd) -> Result<()> {
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        let linked = rustix::fs::linkat(CWD, unnamed, CWD, &self.path, AtFlags::SYMLINK_FOLLOW);
        linked.map_err(|errno| match errno {
            Errno::EXIST => Error::AlreadyExists { name: self.label().to_owned() },
            _ => Error::system("name", self.label(), errno),
        })
    }

    fn open(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(&self.path, flags, Mode::empty())
            .map_err(|errno| self.missing_or("open", errno))
    }

    fn unlink(&self) -> Result<()> {
        rustix::fs::unlink(&self.path).map_err(|errno| self.missing_or("remove", errno))
    }
}
