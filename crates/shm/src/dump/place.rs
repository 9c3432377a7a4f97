//! Where a dump goes: into the place of a file, once it is whole, or straight into what nothing can take the place
//! of, such as a pipe, a device or an open descriptor.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Links that lead to one another before they count as a circle, as in the kernel.
const LINKS_MOST: u32 = 40;

/// Where open descriptors have paths; `/dev/stdout` leads there.
const DESCRIPTORS: &str = "/proc";

/// Where a dump goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// The path of a file, or of one to be made, with no link left to follow.
    File(PathBuf),
    /// Something to write to as it is.
    Stream,
}

impl Place {
    /// What a path leads to.
    ///
    /// # Errors
    /// What the system says of the folder; too many links.
    pub fn of(path: &Path) -> io::Result<Place> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Ok(Place::Stream);
        }
        let mut path = path.to_owned();
        for _ in 0..LINKS_MOST {
            let folder = folder_of(&path);
            // A file that somebody has open there may lie anywhere, or have no name any more.
            if fs::canonicalize(folder)?.starts_with(DESCRIPTORS) {
                return Ok(Place::Stream);
            }
            match fs::read_link(&path) {
                Ok(link) => path = folder.join(link),
                Err(_) => return Ok(Place::File(path)),
            }
        }
        Err(Errno::LOOP.into())
    }
}

/// The folder that a path names something in.
pub fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_the_file_that_is_there_or_is_to_be_made() {
        let folder = std::env::temp_dir().join(format!("shm-{}-links", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        symlink("second", at("first")).unwrap();
        symlink(at("third"), at("second")).unwrap();
        symlink("circle", at("circle")).unwrap();
        let found = ["first", "third", "circle"].map(|name| Place::of(&at(name)));
        let absent = Place::of(&at("absent/file"));
        fs::remove_dir_all(&folder).unwrap();
        let [first, third, circle] = found;
        assert_eq!(first.unwrap(), Place::File(at("third")));
        assert_eq!(third.unwrap(), Place::File(at("third")));
        assert_eq!(circle.unwrap_err().raw_os_error(), Some(Errno::LOOP.raw_os_error()));
        assert_eq!(absent.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn devices_and_open_descriptors_are_written_to_as_they_are() {
        for path in ["/dev/null", "/dev/full", "/dev/stdout", "/dev/fd/2", "/proc/self/fd/1"] {
            assert_eq!(Place::of(Path::new(path)).unwrap(), Place::Stream, "{path}");
        }
    }
}
