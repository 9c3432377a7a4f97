//! Where a dump goes: into the place of a file, once it is whole, or straight into what nothing can
//! take the place of, such as a pipe, a device or an open descriptor. A descriptor of this process
//! is not opened anew: a file that others write to through it, before and after, would be written
//! from its beginning, or over what follows.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;

/// Links that lead to one another before they count as a circle, as in the kernel.
const LINKS_MOST: u32 = 40;

/// Where the system tells of processes.
const PROCESSES: &str = "/proc";

/// Where open descriptors of this process have paths; `/dev/stdout` and `/dev/fd` lead there.
const DESCRIPTORS: [&str; 2] = ["/proc/self/fd", "/proc/thread-self/fd"];

/// Paths of descriptors that are known without `/proc`.
const STANDARD: [&str; 3] = ["/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// Copies of descriptors come after those of standard input, output and errors, whatever of these
/// is closed.
const LEAST_COPY: RawFd = 3;

/// The mode of a folder in which everybody may make names and only their owners remove them, such
/// as `/tmp`.
const FOR_EVERYBODY: u32 = 0o1002;

/// Where a dump goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// The path of a file, or of one to be made, with no link left to follow.
    File(PathBuf),
    /// The number of a descriptor of this process.
    Descriptor(RawFd),
    /// Something to open and to write to as it is.
    Stream,
}

impl Place {
    /// What a path leads to.
    ///
    /// # Errors
    /// What the system says of the folder; too many links, or one that somebody else may have laid
    /// as a trap.
    pub fn of(path: &Path) -> io::Result<Place> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MOST {
            let folder = folder_of(&path);
            let real_folder = fs::canonicalize(folder)?;
            if let Some(number) = descriptor_of(&real_folder, &path) {
                return Ok(Place::Descriptor(number));
            }
            // A file that somebody else has open may lie anywhere, or have no name any more.
            if real_folder.starts_with(PROCESSES) {
                return Ok(Place::Stream);
            }
            let Ok(link) = fs::read_link(&path) else { return Ok(Place::at_the_end(path)) };
            check_link(&path, folder)?;
            path = folder.join(link);
        }
        Err(Errno::LOOP.into())
    }

    fn at_the_end(path: PathBuf) -> Place {
        match fs::metadata(&path) {
            Ok(there) if !there.is_file() => Place::Stream,
            _ => Place::File(path),
        }
    }
}

/// The number of the descriptor of this process that a path in a folder leads to.
fn descriptor_of(folder: &Path, path: &Path) -> Option<RawFd> {
    if let Some(number) = STANDARD.iter().position(|known| path == Path::new(known)) {
        return Some(number as RawFd);
    }
    let is_own = |own: &str| fs::canonicalize(own).is_ok_and(|own| own == folder);
    DESCRIPTORS.into_iter().any(is_own).then(|| path.file_name()?.to_str()?.parse().ok())?
}

/// Another descriptor of what one has open, at the same place of it.
///
/// # Errors
/// There is no such descriptor, or there are too many.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes any number, and refuses those that are no descriptors.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, LEAST_COPY) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Refuses a link that the kernel would not follow either (`fs.protected_symlinks`): where
/// everybody may make links, one of another user can lead to a file of ours that he wants to have
/// replaced.
fn check_link(path: &Path, folder: &Path) -> io::Result<()> {
    let (link, there) = (fs::symlink_metadata(path)?, fs::metadata(folder)?);
    let is_trusted = [geteuid().as_raw(), there.uid()].contains(&link.uid());
    if is_trusted || there.mode() & FOR_EVERYBODY != FOR_EVERYBODY {
        return Ok(());
    }
    let (path, owner) = (path.display(), link.uid());
    let reason = format!("{path} is a link of user {owner} in a folder for everybody");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

/// The folder that a path names something in.
pub fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::scratch::{Folder, give_away};
    use super::*;

    #[test]
    fn links_are_followed_to_the_file_that_is_there_or_is_to_be_made() {
        let folder = Folder::new("links");
        let at = |name: &str| folder.at(name);
        symlink("second", at("first")).unwrap();
        symlink(at("third"), at("second")).unwrap();
        symlink("circle", at("circle")).unwrap();
        let found = ["first", "third", "circle"].map(|name| Place::of(&at(name)));
        let absent = Place::of(&at("absent/file"));
        let [first, third, circle] = found;
        assert_eq!(first.unwrap(), Place::File(at("third")));
        assert_eq!(third.unwrap(), Place::File(at("third")));
        assert_eq!(circle.unwrap_err().raw_os_error(), Some(Errno::LOOP.raw_os_error()));
        assert_eq!(absent.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_link_of_another_user_in_a_folder_for_everybody_is_not_followed() {
        let folder = Folder::new("trap");
        let (link, mode) = (folder.at("link"), |mode| fs::Permissions::from_mode(mode));
        symlink("file", &link).unwrap();
        fs::set_permissions(&folder.0, mode(0o1777)).unwrap();
        assert_eq!(Place::of(&link).unwrap(), Place::File(folder.at("file")), "ours");
        if !give_away(&link) {
            return;
        }
        let error = Place::of(&link).unwrap_err();
        let reason = "is a link of user 65534 in a folder for everybody";
        assert_eq!(error.to_string(), format!("{} {reason}", link.display()));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        fs::set_permissions(&folder.0, mode(0o755)).unwrap();
        assert_eq!(Place::of(&link).unwrap(), Place::File(folder.at("file")), "not for everybody");
        fs::set_permissions(&folder.0, mode(0o1777)).unwrap();
        give_away(&folder.0);
        assert_eq!(Place::of(&link).unwrap(), Place::File(folder.at("file")), "of the owner");
    }

    #[test]
    fn devices_and_what_others_have_open_are_written_to_as_they_are() {
        for path in ["/dev/null", "/dev/full", "/proc/1/fd/1"] {
            assert_eq!(Place::of(Path::new(path)).unwrap(), Place::Stream, "{path}");
        }
    }

    #[test]
    fn open_descriptors_are_known_by_all_their_paths() {
        let paths = [
            ("/dev/stdout", 1),
            ("/dev/stderr", 2),
            ("/dev/fd/2", 2),
            ("/proc/self/fd/1", 1),
            ("/proc/thread-self/fd/0", 0),
        ];
        for (path, number) in paths {
            assert_eq!(Place::of(Path::new(path)).unwrap(), Place::Descriptor(number), "{path}");
        }
        let own = format!("/proc/{}/fd/1", std::process::id());
        assert_eq!(Place::of(Path::new(&own)).unwrap(), Place::Descriptor(1));
        assert!(duplicate(RawFd::MAX).is_err());
    }
}
