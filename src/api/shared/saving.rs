//! `save` and `load`: all entries to a file and back, in the form of `moonhive shm dump`, by a
//! thread that stops when nobody waits for it any more.

use std::path::PathBuf;

use super::dict::Dict;
use super::errand::{self, Problem, Report};
use super::failure::bad;
use crate::api::dump::{self, FileError};
use crate::vm::{Native, NativeResult, Stack};

pub(super) const METHODS: [(&str, Native); 2] =
    [("load", Native::new(load)), ("save", Native::new(save))];

/// `save(path)`: how many entries the file has.
fn save(stack: &mut Stack<'_>) -> NativeResult {
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let path = PathBuf::from(stack.check_str(2)?);
    errand::send(stack, move |ticket| {
        Ok(Report::Count(dump::save_file(&opened, &path, |_| ticket.is_wanted())?))
    })
}

/// `load(path)`: how many entries were stored. A file with a line that is no entry is not loaded at
/// all.
fn load(stack: &mut Stack<'_>) -> NativeResult {
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let path = PathBuf::from(stack.check_str(2)?);
    errand::send(stack, move |ticket| {
        let loaded = dump::load_file(&opened, &path, |ttl_ms| {
            opened.note_end(ttl_ms.unwrap_or(0));
            ticket.is_wanted()
        });
        Ok(Report::Count(loaded?))
    })
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Problem {
        let (code, errno) = (error.reason.code(), error.reason.errno());
        Problem { code, message: error.to_string(), errno }
    }
}
