//! Files, and pipes and devices whose other end may be missing or stand still: nobody waits for it
//! any longer than somebody wants what comes of it.
//!
//! What is opened here never blocks by itself. What is open already may be shared with other
//! processes, which rely on it to block: it is asked before each write whether it takes one, and
//! gets no more at once than a pipe that says so has room for.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// How often it is asked whether anybody still waits.
const TICK: Duration = Duration::from_millis(20);

/// A pipe that can be written to takes so many bytes without waiting (POSIX's `PIPE_BUF` on Linux).
const AT_ONCE_BYTES: usize = 4096;

/// Nobody waits any more.
#[derive(Debug)]
pub(super) struct Unwanted;

impl fmt::Display for Unwanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody waits for it any more")
    }
}

impl std::error::Error for Unwanted {}

/// Something that is read or written, and who tells whether that is still wanted.
pub(super) struct Stream<'w> {
    file: File,
    /// Files of a disk are always ready.
    is_file: bool,
    is_wanted: &'w dyn Fn() -> bool,
}

impl<'w> Stream<'w> {
    /// Opens something to be read; a pipe before anybody writes to it.
    pub(super) fn read(path: &Path, is_wanted: &'w dyn Fn() -> bool) -> io::Result<Self> {
        Self::of(open(OpenOptions::new().read(true), path, is_wanted)?, is_wanted)
    }

    /// Opens something to write behind what others have written there; a pipe as soon as somebody
    /// reads it.
    pub(super) fn append(path: &Path, is_wanted: &'w dyn Fn() -> bool) -> io::Result<Self> {
        Self::of(open(OpenOptions::new().append(true), path, is_wanted)?, is_wanted)
    }

    /// What is open already.
    pub(super) fn of(file: File, is_wanted: &'w dyn Fn() -> bool) -> io::Result<Self> {
        let is_file = file.metadata()?.is_file();
        Ok(Self { file, is_file, is_wanted })
    }

    /// Whether it can be read twice.
    pub(super) fn is_file(&self) -> bool {
        self.is_file
    }

    pub(super) fn rewind(&mut self) -> io::Result<()> {
        self.file.rewind()
    }

    /// Waits until the other end has something or takes something, or is gone. A pipe that nobody
    /// has written to yet has no end either, as far as the kernel tells; and one that never runs
    /// dry is not read for ever.
    fn wait_for(&self, what: PollFlags) -> io::Result<()> {
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
        loop {
            check_wanted(self.is_wanted)?;
            match poll(&mut [PollFd::new(&self.file, what)], Some(&tick)) {
                Ok(0) | Err(Errno::INTR) => {}
                ready => return Ok(ready.map(drop)?),
            }
        }
    }

    /// Does something once it can be done, again if another process was quicker.
    fn when_ready<T>(
        &mut self,
        what: PollFlags,
        mut act: impl FnMut(&mut File) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            if !self.is_file {
                self.wait_for(what)?;
            }
            match act(&mut self.file) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.when_ready(PollFlags::IN, |file| file.read(buffer))
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most_bytes = if self.is_file { usize::MAX } else { AT_ONCE_BYTES };
        let bytes = &bytes[..bytes.len().min(most_bytes)];
        self.when_ready(PollFlags::OUT, |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens without waiting for the other end of a pipe, or for whoever has a lease of a file; what
/// says that it would have to wait is tried again.
fn open(options: &mut OpenOptions, path: &Path, is_wanted: &dyn Fn() -> bool) -> io::Result<File> {
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    loop {
        match options.open(path) {
            Err(error) if has_to_wait(&error, path) => {
                check_wanted(is_wanted)?;
                thread::sleep(TICK);
            }
            opened => return opened,
        }
    }
}

/// A pipe that nobody reads cannot be opened for writing yet. Of other things the same error says
/// that they cannot be opened at all.
fn has_to_wait(error: &io::Error, path: &Path) -> bool {
    let is_pipe = || fs::metadata(path).is_ok_and(|there| there.file_type().is_fifo());
    error.kind() == io::ErrorKind::WouldBlock
        || Errno::from_io_error(error) == Some(Errno::NXIO) && is_pipe()
}

fn check_wanted(is_wanted: &dyn Fn() -> bool) -> io::Result<()> {
    if is_wanted() { Ok(()) } else { Err(io::Error::other(Unwanted)) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_never_runs_dry_is_read_while_somebody_wants_it() {
        let reads = Cell::new(0);
        let is_wanted = || reads.replace(reads.get() + 1) < 3;
        let mut zeros = Stream::read(Path::new("/dev/zero"), &is_wanted).expect("it is there");
        let mut buffer = [1; 8];
        let error = (0..10).find_map(|_| zeros.read(&mut buffer).err()).expect("it is given up");
        assert_eq!((error.to_string().as_str(), buffer), ("nobody waits for it any more", [0; 8]));
    }
}
