//! A log file: appended to line by line, opened anew when asked to, and honest about what did not
//! fit.
//!
//! On a full disk a line may be written in part or not at all. Such lines are counted and never
//! tried again; standard error hears of it once when it begins, and the file says how many were
//! lost before the next line that is written whole. A line that was torn is ended first, so that no
//! two lines share one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Level;

use super::outlet::{Sink, Stderr};
use super::{Form, LogError};

/// A file to log to, opened for appending, so that each line is written whole.
pub(super) struct LogFile {
    path: PathBuf,
    form: Form,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// The file ends in the middle of a line.
    is_torn: bool,
    /// Lines not written since the file last told of them.
    lost: u64,
    /// Why the last of them was not.
    cause: Option<io::Error>,
}

impl LogFile {
    pub(super) fn open(path: &Path, form: Form) -> Result<Arc<LogFile>, LogError> {
        let state = State { file: open(path)?, is_torn: false, lost: 0, cause: None };
        Ok(Arc::new(LogFile { path: path.to_owned(), form, state: Mutex::new(state) }))
    }

    pub(super) fn reopen(&self) -> Result<(), LogError> {
        let file = open(&self.path)?;
        // It may be the old one. A new one begins with a line of its own.
        let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let mut state = self.state.lock();
        state.is_torn &= !is_empty;
        state.file = file;
        Ok(())
    }

    /// Tells of lines that were lost, if there is room by now.
    pub(super) fn tell_lost(&self) {
        let mut state = self.state.lock();
        if state.lost > 0 {
            let _ = state.write(self.form, b"");
        }
    }

    /// Writes a line about the log to standard error, unless nobody reads that: who logs waits for
    /// no reader.
    pub(super) fn tell_stderr(&self, message: &str) {
        let line = self.form.own(Level::ERROR, message);
        if Stderr.takes(line.len()) {
            Stderr.write(line.as_bytes());
        }
    }

    fn complain(&self, cause: &io::Error) {
        let path = self.path.display();
        self.tell_stderr(&format!(
            "cannot write to the log file {path}: {cause}; its lines are lost until it can be written to"
        ));
    }
}

impl State {
    /// Writes a line, behind what has to be said before it. Nothing is done about an empty one.
    fn write(&mut self, form: Form, line: &[u8]) -> io::Result<()> {
        let before = self.before(form);
        let text = if before.is_empty() { line } else { &[before.as_bytes(), line].concat() };
        let (written, outcome) = write_as_much(&self.file, text);
        if let Some(last) = written.checked_sub(1) {
            self.is_torn = text[last] != b'\n';
        }
        if written >= before.len() {
            self.lost = 0;
        }
        outcome
    }

    /// The end of a torn line, and what tells of lost ones.
    fn before(&self, form: Form) -> String {
        let end = if self.is_torn { "\n" } else { "" };
        match &self.cause {
            Some(cause) if self.lost > 0 => {
                format!("{end}{}", form.own(Level::WARN, &lost(self.lost, cause)))
            }
            _ => end.to_owned(),
        }
    }
}

fn lost(lines: u64, cause: &io::Error) -> String {
    match lines {
        1 => format!("1 log line was lost: {cause}"),
        _ => format!("{lines} log lines were lost: {cause}"),
    }
}

/// The disk is waited for.
impl Sink for Arc<LogFile> {
    fn takes(&self, _length: usize) -> bool {
        true
    }

    fn write(&self, line: &[u8]) {
        let mut state = self.state.lock();
        match state.write(self.form, line) {
            Ok(()) => state.cause = None,
            Err(cause) => {
                if state.cause.is_none() {
                    self.complain(&cause);
                }
                state.lost += 1;
                state.cause = Some(cause);
            }
        }
    }
}

/// Writes until all is written or something is wrong: how many bytes, and what.
fn write_as_much(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return (written, Err(cause)),
        }
    }
    (written, Ok(()))
}

fn open(file: &Path) -> Result<File, LogError> {
    let opened = File::options().create(true).append(true).open(file);
    opened.map_err(|cause| LogError::File { file: file.to_owned(), cause })
}
