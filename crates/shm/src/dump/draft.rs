//! A file that is being written and takes its place only at the end. Until then it has no name where the file system
//! knows such files, so that nothing is left of it, whoever dies; elsewhere one that is taken away again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

use super::place::folder_of;
use crate::segment::link;

/// Permissions of a file that was not there before: values may be secrets.
const MODE: u32 = 0o600;

/// A file that is not whole yet.
#[derive(Debug)]
pub struct Draft<'p> {
    file: File,
    /// Whose place it takes.
    path: &'p Path,
    /// Its own name beside it, which it has from the beginning or gets at the end.
    own_path: PathBuf,
    has_name: bool,
}

impl<'p> Draft<'p> {
    /// Begins a file, with owner and permissions of the one that is there.
    ///
    /// # Errors
    /// What the system refused.
    pub fn begin(path: &'p Path) -> io::Result<Draft<'p>> {
        Self::of(path, unnamed(folder_of(path)))
    }

    fn of(path: &'p Path, unnamed: Option<File>) -> io::Result<Draft<'p>> {
        let own_path = path.with_file_name(own_name(path)?);
        let has_name = unnamed.is_none();
        let file = unnamed.map_or_else(|| named(&own_path), Ok)?;
        let draft = Draft { file, path, own_path, has_name };
        draft.take_after()?;
        Ok(draft)
    }

    fn take_after(&self) -> io::Result<()> {
        let Ok(there) = fs::metadata(self.path) else { return Ok(()) };
        // Only root can give a file away; whoever may not keeps it for himself.
        let _ = fchown(&self.file, Some(there.uid()), Some(there.gid()));
        self.file.set_permissions(there.permissions())
    }

    /// What is written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Puts the file, which is whole, into its place, and writes all of that to the disk.
    ///
    /// # Errors
    /// What the system refused.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if !self.has_name {
            link(&self.file, &self.own_path)?;
            self.has_name = true;
        }
        fs::rename(&self.own_path, self.path)?;
        self.has_name = false;
        File::open(folder_of(self.path))?.sync_all()
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.has_name {
            let _ = fs::remove_file(&self.own_path);
        }
    }
}

/// A name that no other draft has.
fn own_name(path: &Path) -> io::Result<OsString> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let mut own_name = OsString::from(".");
    own_name.push(name);
    own_name.push(format!(".{}-{number}.saving", std::process::id()));
    Ok(own_name)
}

/// A file without a name; `None` where there are none, or whatever is wrong with the folder.
fn unnamed(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::from_raw_mode(MODE)).ok().map(File::from)
}

fn named(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// Takes the place of a file in a folder of its own, once in vain, by drafts that are begun so.
    fn verify(what: &str, begin: fn(&Path) -> Option<File>) {
        let folder = std::env::temp_dir().join(format!("shm-{}-{what}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("file");
        for (text, mode) in [("first", 0o600), ("second", 0o640)] {
            let draft = Draft::of(&path, begin(&folder)).unwrap();
            draft.file().write_all(text.as_bytes()).unwrap();
            draft.finish().unwrap();
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode_of(&path)), (text, mode));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
        drop(Draft::of(&path, begin(&folder)).unwrap());
        let names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(names, ["file"]);
    }

    #[test]
    fn a_draft_takes_the_place_of_a_file_and_its_permissions_or_leaves_nothing() {
        verify("draft", unnamed);
    }

    #[test]
    fn so_does_one_where_no_file_is_without_a_name() {
        verify("named-draft", |_| None);
    }
}
