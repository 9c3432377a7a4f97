//! `save` and `load`: all entries to a file and back, in the form of `moonhive shm dump`.
//!
//! A file is written beside the one that it replaces and renamed once it is whole and on the disk: who dies
//! meanwhile, or finds no room, leaves the old one as it was.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use moonhive_shm::Error;

use super::dict::Dict;
use super::errand::{self, Problem, Report};
use super::failure::bad;
use super::registry::Opened;
use super::wish::Ticket;
use crate::api::dump::{self, DumpError};
use crate::vm::{Native, NativeResult, Stack};

pub(super) const METHODS: [(&str, Native); 2] =
    [("load", Native::new(load)), ("save", Native::new(save))];

/// Permissions of a file that was not there before: values may be secrets.
const MODE: u32 = 0o600;

/// `save(path)`: how many entries the file has.
fn save(stack: &mut Stack<'_>) -> NativeResult {
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let path = PathBuf::from(stack.check_str(2)?);
    errand::send(stack, move |ticket| {
        let saved = write_file(&opened, &path, ticket);
        Ok(Report::Count(saved.map_err(|error| problem("write", &path, error, None))?))
    })
}

/// `load(path)`: how many entries were stored. A file with a line that is no entry is not loaded at all.
fn load(stack: &mut Stack<'_>) -> NativeResult {
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let path = PathBuf::from(stack.check_str(2)?);
    errand::send(stack, move |ticket| {
        let mut loaded = 0;
        let read = read_file(&opened, &path, ticket, &mut loaded);
        Ok(Report::Count(read.map_err(|error| problem("read", &path, error, Some(loaded)))?))
    })
}

/// Stores the entries of a file, and counts them even if it fails.
fn read_file(
    opened: &Opened,
    path: &Path,
    ticket: &Ticket,
    loaded: &mut u64,
) -> Result<u64, DumpError> {
    let mut file = File::open(path)?;
    // What comes through a pipe cannot be read twice.
    if file.metadata()?.is_file() {
        dump::check_entries(BufReader::new(&file), || ticket.is_wanted())?;
        file.rewind()?;
    }
    dump::read_entries(opened, BufReader::new(file), |ttl_ms| {
        *loaded += 1;
        opened.note_end(ttl_ms);
        ticket.is_wanted()
    })
}

fn write_file(opened: &Opened, path: &Path, ticket: &Ticket) -> Result<u64, DumpError> {
    let draft = Draft::beside(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&draft.0)?;
    if let Ok(there) = fs::metadata(path) {
        file.set_permissions(there.permissions())?;
    }
    let count = dump::write_entries(opened, BufWriter::new(&file), |_| ticket.is_wanted())?;
    file.sync_all()?;
    fs::rename(&draft.0, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(count)
}

/// The path of a file that is not whole yet; what is left there goes away.
struct Draft(PathBuf);

impl Draft {
    fn beside(path: &Path) -> io::Result<Draft> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}-{number}.saving", std::process::id()));
        Ok(Draft(path.with_file_name(draft)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Renamed by now, unless it failed.
        let _ = fs::remove_file(&self.0);
    }
}

/// Why it failed; of a load also how much of it is there.
fn problem(act: &str, path: &Path, error: DumpError, loaded: Option<u64>) -> Problem {
    let path = path.display();
    let (code, errno) = match &error {
        DumpError::Dictionary(error) | DumpError::Refused { error, .. } => {
            (error.code(), error.errno())
        }
        DumpError::Io(error) => ("system", error.raw_os_error().unwrap_or(libc::EIO)),
        _ => ("bad_dump", Error::Damaged { what: "a dump" }.errno()),
    };
    let message = match error {
        DumpError::Line { number, reason } => format!("{path}:{number}: {reason}"),
        DumpError::Refused { number, error } => format!("{path}:{number}: {error}"),
        error => format!("cannot {act} {path}: {error}"),
    };
    let message = match loaded {
        None => message,
        Some(count) => format!("{message}; {}", dump::tell_loaded(count)),
    };
    Problem { code, message, errno }
}
