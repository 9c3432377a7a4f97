//! A file that is being written and takes its place only at the end. Until then it has no name where the file system
//! knows such files, so that nothing is left of it, whoever dies; elsewhere one that is taken away again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

use super::place::folder_of;
use crate::segment::link;

/// Permissions of a file that was not there before: values may be secrets.
const MODE: u32 = 0o600;

/// Permissions that are taken over, without those to run as somebody else; of a file whose group is not ours to give
/// only those of the owner.
const KEPT_MODE: u32 = 0o777;
const OWNERS_MODE: u32 = 0o700;

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
    /// Begins a file of this user, with group and permissions of the one that is there.
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

    /// The file stays ours: whoever owned the former one could read in the new one what he was never given.
    fn take_after(&self) -> io::Result<()> {
        let there = match fs::metadata(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            there => there?,
        };
        let has_group = self.file.metadata()?.gid() == there.gid()
            || fchown(&self.file, None, Some(there.gid())).is_ok();
        let kept = if has_group { KEPT_MODE } else { OWNERS_MODE };
        self.file.set_permissions(Permissions::from_mode(there.mode() & kept))
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

    use super::super::scratch::{Folder, NOBODY, as_nobody, give_away};
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// Takes the place of a file in a folder of its own, once in vain, by drafts that are begun so.
    fn verify(what: &str, begin: fn(&Path) -> Option<File>) {
        let folder = Folder::new(what);
        let path = folder.at("file");
        for (text, mode) in [("first", 0o600), ("second", 0o640)] {
            let draft = Draft::of(&path, begin(&folder.0)).unwrap();
            draft.file().write_all(text.as_bytes()).unwrap();
            draft.finish().unwrap();
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode_of(&path)), (text, mode));
            set_mode(&path, 0o640);
        }
        drop(Draft::of(&path, begin(&folder.0)).unwrap());
        assert_eq!(folder.names(), ["file"]);
    }

    #[test]
    fn a_draft_takes_the_place_of_a_file_and_its_permissions_or_leaves_nothing() {
        verify("draft", unnamed);
    }

    #[test]
    fn so_does_one_where_no_file_is_without_a_name() {
        verify("named-draft", |_| None);
    }

    #[test]
    fn a_file_of_another_user_is_replaced_by_one_of_ours_for_its_group() {
        let folder = Folder::new("draft-owner");
        let path = folder.at("file");
        fs::write(&path, "former").unwrap();
        if !give_away(&path) {
            return;
        }
        set_mode(&path, 0o6640);
        Draft::begin(&path).unwrap().finish().unwrap();
        let there = fs::metadata(&path).unwrap();
        assert_eq!((there.uid(), there.gid(), mode_of(&path)), (0, NOBODY, 0o640));
    }

    #[test]
    fn a_group_that_is_not_ours_to_give_gets_no_permissions() {
        let folder = Folder::new("draft-group");
        let path = folder.at("file");
        fs::write(&path, "former").unwrap();
        if !give_away(&path) {
            return;
        }
        set_mode(&path, 0o664);
        set_mode(&folder.0, 0o777);
        as_nobody(|| Draft::begin(&path).unwrap().finish().unwrap());
        let there = fs::metadata(&path).unwrap();
        assert_eq!((there.uid(), there.gid(), mode_of(&path)), (NOBODY, 0, 0o600));
    }

    #[test]
    fn what_hides_the_former_file_is_told() {
        let folder = Folder::new("draft-hidden");
        std::os::unix::fs::symlink("circle", folder.at("circle")).unwrap();
        let error = Draft::begin(&folder.at("circle")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        assert_eq!(folder.names(), ["circle"]);
    }
}
