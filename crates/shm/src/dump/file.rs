//! Dumps in files: written beside the file whose place they take once they are whole and on the
//! disk (`draft`), so that who dies meanwhile, or finds no room, leaves the old one as it was; read
//! twice, so that a file with a wrong line changes nothing. What is no file is written to and read
//! as it comes.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use super::draft::{Draft, allows_no_draft, in_place};
use super::place::{Place, duplicate};
use super::stream::Stream;
use super::{
    DumpError, FileError, Opaque, Tables, check_entries, line_limit_bytes, read_entries,
    write_entries,
};
use crate::Dictionary;

/// All entries to a file and back.
impl Dictionary {
    /// Writes all entries to a file, in the form of `moonhive shm dump`, without stopping writers:
    /// each as it is when its turn comes. Returns how many they were. The file takes the place of
    /// the one that is there, to which links are followed, once it is whole and on the disk. What
    /// is no file, such as a pipe or a device, is written to as it is, and so is an open descriptor
    /// (`/dev/stdout`, `/dev/fd/3`), wherever it leads.
    ///
    /// ```
    /// use moonhive_shm::{Dictionary, Options, SetOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("doctest-{}.jsonl", std::process::id()));
    /// let users = Dictionary::create_unnamed("users", &Options::new(1 << 20))?;
    /// users.set("user:1", "ada".into(), SetOptions::default())?;
    /// assert_eq!(users.save(&path)?, 1);
    ///
    /// let others = Dictionary::create_unnamed("others", &Options::new(1 << 20))?;
    /// assert_eq!(others.load(&path)?, 1);
    /// # std::fs::remove_file(&path)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A file that cannot be replaced, because its folder may not be written to or something is
    /// mounted on the file, is written in place.
    ///
    /// # Errors
    /// What the system or the dictionary refused; the file is as it was, unless it was written in
    /// place.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64, FileError> {
        save_file(self, &Opaque, path.as_ref(), |_| true)
    }

    /// Stores the entries of a file that was saved or dumped: how many. What is there under the
    /// same keys is replaced, the rest stays, and nothing is thrown out.
    ///
    /// # Errors
    /// A line that is no entry: then nothing is stored (unless the file is a pipe).
    /// [`NoMemory`](crate::Error::NoMemory) and what else the dictionary refuses: the entries
    /// before are stored.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<u64, FileError> {
        load_file(self, &Opaque, path.as_ref(), |_| true)
    }
}

/// As [`Dictionary::save`]; `goes_on` is asked as in [`write_entries`], and with 0 again and again
/// while the other end of a pipe is missing or takes nothing.
///
/// # Errors
/// As [`Dictionary::save`].
pub fn save_file(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    path: &Path,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, FileError> {
    let saved = write_file(dictionary, tables, path, goes_on);
    saved.map_err(|error| FileError::of_save(path, error))
}

fn write_file(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    path: &Path,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    match Place::of(path)? {
        Place::File(path) => replace_file(dictionary, tables, &path, goes_on),
        Place::Descriptor(number) => {
            let file = File::from(duplicate(number)?);
            write_stream(dictionary, tables, |is_wanted| Stream::of(file, is_wanted), goes_on)
        }
        // Somebody else may have a file open so: what he has written stays.
        Place::Stream => {
            write_stream(dictionary, tables, |is_wanted| Stream::append(path, is_wanted), goes_on)
        }
    }
}

fn write_stream(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    open: impl FnOnce(&dyn Fn() -> bool) -> io::Result<Stream<'_>>,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let goes_on = RefCell::new(goes_on);
    let ask = |written| goes_on.borrow_mut()(written);
    let is_wanted = || ask(0);
    write_entries(dictionary, tables, BufWriter::new(open(&is_wanted)?), ask)
}

fn replace_file(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    path: &Path,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let draft = match Draft::begin(path) {
        Err(error) if allows_no_draft(&error) => {
            return overwrite_file(dictionary, tables, path, goes_on);
        }
        draft => draft?,
    };
    let count = write_entries(dictionary, tables, BufWriter::new(draft.file()), goes_on)?;
    draft.finish()?;
    Ok(count)
}

fn overwrite_file(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    path: &Path,
    goes_on: impl FnMut(u64) -> bool,
) -> Result<u64, DumpError> {
    let file = in_place(path)?;
    let count = write_entries(dictionary, tables, BufWriter::new(&file), goes_on)?;
    file.sync_all()?;
    Ok(count)
}

/// As [`Dictionary::load`]; `goes_on` is asked after each entry that was stored, with the
/// milliseconds that it will live (0 for ever), with `None` after each that was only checked, and
/// with `None` again and again while the other end of a pipe is missing or has nothing.
///
/// # Errors
/// As [`Dictionary::load`].
pub fn load_file(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    path: &Path,
    goes_on: impl FnMut(Option<u64>) -> bool,
) -> Result<u64, FileError> {
    let mut loaded = 0;
    let read = read_file(dictionary, tables, path, goes_on, &mut loaded);
    read.map_err(|error| FileError::of_load(path, error, loaded))
}

fn read_file(
    dictionary: &Dictionary,
    tables: &dyn Tables,
    path: &Path,
    goes_on: impl FnMut(Option<u64>) -> bool,
    loaded: &mut u64,
) -> Result<u64, DumpError> {
    let goes_on = RefCell::new(goes_on);
    let ask = |ttl_ms| goes_on.borrow_mut()(ttl_ms);
    let is_wanted = || ask(None);
    let mut stream = Stream::read(path, &is_wanted)?;
    // What comes through a pipe cannot be read twice.
    if stream.is_file() {
        let limit_bytes = line_limit_bytes(dictionary.capacity_bytes());
        check_entries(tables, BufReader::new(&mut stream), limit_bytes, is_wanted)?;
        stream.rewind()?;
    }
    read_entries(dictionary, tables, BufReader::new(stream), |ttl_ms| {
        *loaded += 1;
        ask(Some(ttl_ms))
    })
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::super::scratch::{Folder, as_nobody};
    use super::*;
    use crate::{Error, Options, OwnedValue, SetOptions};

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("saved", &Options::new(64 << 10)).unwrap()
    }

    /// How long to wait for what should be there at once.
    const WATCHDOG: Duration = Duration::from_secs(30);

    /// Does something that waits for others, in a thread that is left behind if it waits in vain.
    fn start<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(act()));
        receiver
    }

    #[test]
    fn what_was_saved_is_loaded_and_the_file_stays_whole_when_a_save_fails() {
        let (folder, from, to) = (Folder::new("save"), dictionary(), dictionary());
        let path = folder.0.join("all.jsonl");
        from.set("key", OwnedValue::Table(vec![1, 2]).as_value(), SetOptions::default()).unwrap();
        assert_eq!(from.save(&path).unwrap(), 1);
        let whole = fs::read(&path).unwrap();
        from.set("other", 1.into(), SetOptions::default()).unwrap();
        let stop = |_| {
            assert_eq!(folder.names(), ["all.jsonl"], "who dies now leaves nothing");
            false
        };
        let stopped = save_file(&from, &Opaque, &path, stop).unwrap_err();
        assert_eq!(stopped.to_string(), format!("cannot write {}: it was stopped", path.display()));
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(folder.names(), ["all.jsonl"], "no draft is left");
        assert_eq!(to.load(&path).unwrap(), 1);
        assert_eq!(to.get("key").unwrap().unwrap().value, OwnedValue::Table(vec![1, 2]));
    }

    #[test]
    fn a_file_in_a_folder_that_is_not_ours_to_change_is_written_in_place() {
        let (folder, from) = (Folder::new("place"), dictionary());
        let path = folder.at("all.jsonl");
        fs::write(&path, "former\n".repeat(100)).unwrap();
        let mode = |mode| fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, mode(0o666)).unwrap();
        fs::set_permissions(&folder.0, mode(0o555)).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let (count, other) =
            as_nobody(|| (from.save(&path).unwrap(), from.save(folder.at("other"))));
        fs::set_permissions(&folder.0, mode(0o755)).unwrap();
        assert_eq!((count, fs::read_to_string(&path).unwrap().as_str()), (0, ""));
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert_eq!(other.unwrap_err().reason.errno(), rustix::io::Errno::ACCESS.raw_os_error());
        assert_eq!(folder.names(), ["all.jsonl"]);
    }

    #[test]
    fn a_name_may_be_as_long_as_names_are() {
        let (folder, from) = (Folder::new("long-name"), dictionary());
        let name = "x".repeat(255);
        assert_eq!(from.save(folder.at(&name)).unwrap(), 0);
        assert_eq!(folder.names(), [name.as_str()]);
    }

    #[test]
    fn a_link_stays_and_the_file_behind_it_is_replaced() {
        let (folder, from) = (Folder::new("link"), dictionary());
        from.set("key", 1.into(), SetOptions::default()).unwrap();
        let (link, path) = (folder.0.join("link.jsonl"), folder.0.join("all.jsonl"));
        std::os::unix::fs::symlink("all.jsonl", &link).unwrap();
        for _ in 0..2 {
            assert_eq!(from.save(&link).unwrap(), 1);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
        }
        assert_eq!(folder.names().len(), 2);
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        let (folder, from, to) = (Folder::new("stream"), dictionary(), dictionary());
        from.set("key", 1.into(), SetOptions::default()).unwrap();
        let pipe = folder.at("pipe");
        make_pipe(&pipe);
        let (from, saving, loading) = (Arc::new(from), pipe.clone(), pipe.clone());
        let saver = from.clone();
        let saved = start(move || saver.save(saving).unwrap());
        let loaded = start(move || to.load(loading).unwrap());
        assert_eq!(saved.recv_timeout(WATCHDOG), Ok(1));
        assert_eq!(loaded.recv_timeout(WATCHDOG), Ok(1));
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(folder.names(), ["pipe"]);
        assert!(from.save(&folder.0).is_err(), "a folder");
        // Whoever could put a file in the place of a device would, if this went wrong.
        let (full, null) = as_nobody(|| (from.save("/dev/full"), from.save("/dev/null")));
        let text = "cannot write /dev/full: No space left on device (os error 28)";
        assert_eq!(full.unwrap_err().to_string(), text);
        assert_eq!(null.unwrap(), 1);
    }

    fn make_pipe(path: &Path) {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    /// A dictionary whose dump does not fit into a pipe.
    fn long() -> Dictionary {
        let dictionary = Dictionary::create_unnamed("long", &Options::new(4 << 20)).unwrap();
        dictionary
            .set("key", vec![b'x'; 1 << 20].as_slice().into(), SetOptions::default())
            .unwrap();
        dictionary
    }

    /// What a load from a path, or a save to it, fails with that is wanted no more once it is asked
    /// the third time.
    fn stopped(path: &Path, saves: bool) -> String {
        let (path, mut left) = (path.to_owned(), 3);
        let ended = start(move || {
            let mut goes_on = move || {
                left -= 1;
                left > 0
            };
            let dictionary = long();
            match saves {
                true => save_file(&dictionary, &Opaque, &path, |_| goes_on()).unwrap_err(),
                false => load_file(&dictionary, &Opaque, &path, |_| goes_on()).unwrap_err(),
            }
        });
        ended.recv_timeout(WATCHDOG).expect("it goes on for ever").reason.to_string()
    }

    #[test]
    fn a_pipe_without_another_end_is_waited_for_as_long_as_it_is_wanted() {
        let folder = Folder::new("alone");
        make_pipe(&folder.at("pipe"));
        assert_eq!(stopped(&folder.at("pipe"), false), "it was stopped");
        assert_eq!(stopped(&folder.at("pipe"), true), "it was stopped");
    }

    #[test]
    fn so_is_one_whose_other_end_stands_still() {
        let folder = Folder::new("still");
        make_pipe(&folder.at("pipe"));
        let other_end = OpenOptions::new().read(true).write(true).open(folder.at("pipe")).unwrap();
        (&other_end).write_all(b"{\"key\":").unwrap();
        assert_eq!(stopped(&folder.at("pipe"), false), "it was stopped");
        assert_eq!(stopped(&folder.at("pipe"), true), "it was stopped");
    }

    #[test]
    fn so_is_an_open_descriptor_that_takes_no_more() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&writer);
        let path = format!("/dev/fd/{number}");
        assert_eq!(stopped(Path::new(&path), true), "it was stopped");
    }

    #[test]
    fn a_pipe_whose_ends_come_late_and_write_in_pieces_is_read_to_its_end() {
        let (folder, from) = (Folder::new("late"), long());
        make_pipe(&folder.at("pipe"));
        let path = folder.at("pipe");
        let loaded = start(move || long().load(path).unwrap());
        let saved = folder.at("saved");
        from.save(&saved).unwrap();
        let dump = fs::read(&saved).unwrap();
        let mut writer = OpenOptions::new().write(true).open(folder.at("pipe")).unwrap();
        for piece in dump.chunks(100_000) {
            writer.write_all(piece).unwrap();
            assert!(loaded.recv_timeout(Duration::from_millis(5)).is_err(), "it goes on");
        }
        drop(writer);
        assert_eq!(loaded.recv_timeout(WATCHDOG), Ok(1));

        let path = folder.at("pipe");
        let saved = start(move || from.save(path).unwrap());
        let mut reader = File::open(folder.at("pipe")).unwrap();
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut read).unwrap();
        assert_eq!((saved.recv_timeout(WATCHDOG), read == dump), (Ok(1), true));
    }

    #[test]
    fn an_open_descriptor_goes_on_where_others_have_written_and_will() {
        let (folder, from) = (Folder::new("descriptor"), dictionary());
        from.set("key", 1.into(), SetOptions::default()).unwrap();
        let path = folder.at("out.txt");
        let mut file = File::create(&path).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        for folder in ["/dev/fd", "/proc/self/fd"] {
            file.write_all(b"before\n").unwrap();
            assert_eq!(from.save(format!("{folder}/{number}")).unwrap(), 1);
            file.write_all(b"after\n").unwrap();
        }
        let dump = "{\"key\":\"key\",\"type\":\"integer\",\"value\":1}\n";
        let expected = format!("before\n{dump}after\n").repeat(2);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(folder.names(), ["out.txt"]);
    }

    #[test]
    fn a_file_with_a_wrong_line_changes_nothing_and_the_line_is_named() {
        let (folder, dictionary) = (Folder::new("wrong"), dictionary());
        let path = folder.0.join("wrong.jsonl");
        fs::write(&path, "{\"key\":\"a\",\"type\":\"nil\"}\n{}\n").unwrap();
        let error = dictionary.load(&path).unwrap_err();
        let text = "`key` or `key_hex` is missing; nothing was loaded";
        assert_eq!(error.to_string(), format!("{}:2: {text}", path.display()));
        assert_eq!((error.reason.code(), error.loaded), ("bad_dump", Some(0)));
        assert_eq!(dictionary.statistics().entries, 0);
    }

    #[test]
    fn a_load_that_finds_no_room_says_how_far_it_came() {
        let (folder, dictionary) = (Folder::new("room"), dictionary());
        let path = folder.0.join("large.jsonl");
        let line = |key: &str, bytes: usize| {
            format!(
                "{{\"key\":\"{key}\",\"type\":\"string\",\"value\":\"{}\"}}\n",
                "x".repeat(bytes)
            )
        };
        fs::write(&path, line("small", 1) + &line("large", 1 << 20)).unwrap();
        let error = dictionary.load(&path).unwrap_err();
        assert!(error.to_string().ends_with(":2: no memory; 1 entry was loaded"), "{error}");
        let expected = Error::NoMemory { forcible: false, wanted_bytes: 0 };
        assert_eq!((error.reason.code(), error.reason.errno()), ("no_memory", expected.errno()));
        let missing = dictionary.load(folder.0.join("missing")).unwrap_err();
        assert_eq!((missing.reason.code(), missing.reason.errno()), ("system", 2));
    }
}
