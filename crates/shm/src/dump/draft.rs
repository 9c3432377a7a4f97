//! A file that is being written and takes its place only at the end. Until then it has no name
//! where the file system knows such files, so that nothing is left of it, whoever dies; elsewhere
//! one that is taken away again.
//!
//! Some files can be written and not replaced: others are mounted on, or their folder is not ours
//! to change. These are written to in place, at the cost of what they held when that fails.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::place::folder_of;
use crate::segment::{can_link, link};

/// Permissions of a file that was not there before: values may be secrets.
const MODE: u32 = 0o600;

/// Permissions that are taken over, without those to run as somebody else; of a file whose group is
/// not ours to give only those of the owner.
const KEPT_MODE: u32 = 0o777;
const OWNERS_MODE: u32 = 0o700;

/// Names that are tried beside those which dead processes of the same number have left.
const NAMES_MOST: u32 = 1000;

/// A file that is not whole yet.
#[derive(Debug)]
pub struct Draft<'p> {
    file: File,
    /// Whose place it takes.
    path: &'p Path,
    /// Its own name beside it, which it has from the beginning or gets at the end.
    own_path: Option<PathBuf>,
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
        let (file, own_path) = match unnamed {
            Some(file) => (file, None),
            None => named(path).map(|(file, own_path)| (file, Some(own_path)))?,
        };
        let draft = Draft { file, path, own_path };
        draft.take_after()?;
        Ok(draft)
    }

    /// The file stays ours: whoever owned the former one could read in the new one what he was
    /// never given.
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
        // What can fail does so before the former file is gone.
        let folder = opened(folder_of(self.path))?;
        match self.take_place() {
            Err(error) if allows_no_draft(&error) => self.copy_into_place(),
            Err(error) => Err(error),
            Ok(()) => folder.map_or(Ok(()), |folder| sync(&folder)),
        }
    }

    fn take_place(&mut self) -> io::Result<()> {
        let own_path = match self.own_path.take() {
            Some(own_path) => own_path,
            None => beside(self.path, |own_path| Ok(link(&self.file, own_path)?))?.1,
        };
        let renamed = fs::rename(&own_path, self.path);
        self.own_path = renamed.is_err().then_some(own_path);
        renamed
    }

    fn copy_into_place(&self) -> io::Result<()> {
        let (mut draft, mut there) = (&self.file, in_place(self.path)?);
        draft.rewind()?;
        io::copy(&mut draft, &mut there)?;
        there.sync_all()
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(own_path) = &self.own_path {
            let _ = fs::remove_file(own_path);
        }
    }
}

/// True for what the system says where a file can perhaps be written, but none beside it, or not be
/// replaced.
pub fn allows_no_draft(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| {
        [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::BUSY].contains(&errno)
    })
}

/// Empties a file to be written in place.
///
/// # Errors
/// What the system refused.
pub fn in_place(path: &Path) -> io::Result<File> {
    // Asked to make it, the kernel refuses files that others have laid into a folder for everybody.
    OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)
}

/// Makes something under a name beside a path that nothing else has.
fn beside<T>(path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    for _ in 0..NAMES_MOST {
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        // Short, however long the other name is.
        let own_path = path.with_file_name(format!(".{}-{number}.saving", std::process::id()));
        match make(&own_path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|made| (made, own_path)),
        }
    }
    Err(Errno::EXIST.into())
}

/// A file without a name; `None` where there are none, or none can get a name, or whatever is wrong
/// with the folder.
fn unnamed(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(MODE)).ok()?;
    can_link(&file).then(|| file.into())
}

fn named(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(MODE);
    beside(path, |own_path| options.open(own_path))
}

/// A folder, to write its names to the disk; `None` if we may change and not read it.
fn opened(folder: &Path) -> io::Result<Option<File>> {
    match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        opened => opened.map(Some),
    }
}

fn sync(folder: &File) -> io::Result<()> {
    match folder.sync_all() {
        // Some file systems write no folders.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        synced => synced,
    }
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
    fn a_folder_that_cannot_be_read_is_no_hindrance() {
        let folder = Folder::new("draft-blind");
        set_mode(&folder.0, 0o333);
        as_nobody(|| Draft::begin(&folder.at("file")).unwrap().finish().unwrap());
        set_mode(&folder.0, 0o700);
        assert_eq!(folder.names(), ["file"]);
    }

    #[test]
    fn names_that_dead_processes_have_left_are_passed_over() {
        let folder = Folder::new("draft-left");
        let path = folder.at("file");
        let first = beside(&path, |_| Ok(())).unwrap().1.display().to_string();
        let (start, rest) = first.rsplit_once('-').unwrap();
        let number: u64 = rest.strip_suffix(".saving").unwrap().parse().unwrap();
        let left = (number..number + 50).map(|number| format!("{start}-{number}.saving"));
        left.for_each(|left| fs::write(left, "left").unwrap());
        for begin in [unnamed, |_: &Path| None] {
            Draft::of(&path, begin(&folder.0)).unwrap().finish().unwrap();
        }
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), folder.names().len()), ("", 51));
    }

    #[test]
    fn a_draft_of_what_cannot_be_replaced_is_copied_into_it() {
        let folder = Folder::new("draft-copy");
        let path = folder.at("file");
        fs::write(&path, "former, and longer").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        for begin in [unnamed, |_: &Path| None] {
            let draft = Draft::of(&path, begin(&folder.0)).unwrap();
            draft.file().write_all(b"whole").unwrap();
            draft.copy_into_place().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        }
        assert_eq!((fs::metadata(&path).unwrap().ino(), folder.names().len()), (inode, 1));
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
