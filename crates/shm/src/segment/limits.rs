//! How much shared memory this machine has, and what is left of it: what decides whether an object
//! can be made.

use rustix::io::Errno;

use super::posix::FOLDER;
use crate::error::{Error, Result};

/// The file system that objects with a name live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Where it is mounted.
    pub place: &'static str,
    /// What fits into it, in bytes; `None` for a file system without a limit of its own.
    pub size_bytes: Option<u64>,
    /// What is taken there, by objects of ours and by everything else, in bytes.
    pub used_bytes: u64,
    /// What an object may still take, in bytes; `None` without a limit.
    pub left_bytes: Option<u64>,
}

/// The limits of shared memory on this machine.
///
/// ```
/// # fn main() -> Result<(), moonhive_shm::Error> {
/// let limits = moonhive_shm::limits()?;
/// if let Some(left_bytes) = limits.left_bytes {
///     println!("{} has {left_bytes} bytes left", limits.place);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::System`] if there is no such file system.
pub fn limits() -> Result<Limits> {
    let failed = |errno: Errno| Error::system("look at", FOLDER, errno);
    let found = rustix::fs::statvfs(FOLDER).map_err(failed)?;
    let in_bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    // A tmpfs without a limit reports no blocks at all.
    let is_limited = found.f_blocks > 0;
    Ok(Limits {
        place: FOLDER,
        size_bytes: is_limited.then(|| in_bytes(found.f_blocks)),
        used_bytes: in_bytes(found.f_blocks.saturating_sub(found.f_bfree)),
        left_bytes: is_limited.then(|| in_bytes(found.f_bavail)),
    })
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_and_what_is_left_are_parts_of_the_whole() {
        let limits = limits().expect("shared memory is mounted");
        assert_eq!(limits.place, "/dev/shm");
        let Some(size_bytes) = limits.size_bytes else { return };
        assert!(limits.used_bytes + limits.left_bytes.unwrap() <= size_bytes, "{limits:?}");
        assert!(size_bytes > 0);
    }
}
