//! Memory without a name: a memfd, handed to other processes as a descriptor.
//!
//! The better choice between a host and the processes that it starts: nothing is left behind, and
//! the seals promise that nobody shrinks it under its users. A descriptor comes by inheritance or
//! over a Unix socket.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, Mode, SealFlags};

use super::backing::{self, Backing};
use super::large;
use crate::error::{Error, Result};

/// What a full machine is called in messages.
const PLACE: &str = "memory";

/// An unnamed object. `open` takes the descriptor that it was given.
#[derive(Debug)]
pub struct Memfd {
    label: String,
    file: Option<OwnedFd>,
}

impl Memfd {
    /// An object to be made; the label is for those who look into `/proc`.
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), file: None }
    }

    /// An object that another process made.
    pub fn received(file: OwnedFd) -> Self {
        Self { label: "memfd".to_owned(), file: Some(file) }
    }
}

impl Backing for Memfd {
    fn label(&self) -> &str {
        &self.label
    }

    fn exists(&self) -> bool {
        false
    }

    fn allocate(&self, size_bytes: u64, _mode: Mode) -> Result<OwnedFd> {
        let system = |act| move |errno| Error::system(act, &self.label, errno);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create(self.label.as_str(), flags)
            .map_err(system("make memory for"))?;
        rustix::fs::ftruncate(&file, size_bytes).map_err(system("size"))?;
        large::prepare(&file, size_bytes);
        backing::reserve(&file, PLACE, &self.label, size_bytes)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals).map_err(system("seal"))?;
        Ok(file)
    }

    fn publish(&self, _file: &OwnedFd) -> Result<()> {
        Ok(())
    }

    fn open(&self) -> Result<OwnedFd> {
        let missing = || Error::NoSuchObject { name: self.label.clone() };
        let file = self.file.as_ref().ok_or_else(missing)?;
        let copied = file.try_clone();
        copied.map_err(|_| Error::system("copy", &self.label, rustix::io::Errno::MFILE))
    }

    fn unlink(&self) -> Result<()> {
        Err(Error::NoSuchObject { name: self.label.clone() })
    }
}
