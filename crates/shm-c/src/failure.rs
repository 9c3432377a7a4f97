//! Codes, and what a thread can ask about its last failure.
//!
//! A failure is kept as it is and put into words only when somebody asks: "exists" and "not found"
//! are everyday answers, and cost no text.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use moonhive_shm::Error;
use moonhive_shm::dump::FileError;

use crate::argument::Out;
use crate::layout::{ErrorText, copy_text};

/// Why a function of the library did not do what it was asked to.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// There is no such entry: an answer, which leaves the last failure as it was.
    Absent,
    /// The answer has more bytes than the buffer.
    TooSmall,
    /// An argument breaks the rules of the header.
    Argument(&'static str),
    /// The library has a mistake.
    Panic,
    /// What the dictionary says.
    Dictionary(Error),
    /// A file could not be saved or loaded.
    File {
        /// The word of its code.
        word: &'static str,
        /// The error of the system that is nearest.
        errno: c_int,
        /// Which file, which line, why.
        message: String,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Dictionary(error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let (word, errno) = (error.reason.code(), error.reason.errno());
        Self::File { word, errno, message: error.to_string() }
    }
}

/// What the body of a function answers.
pub type Outcome<T = ()> = Result<T, Failure>;

pub const OK: c_int = 0;
pub const NOT_FOUND: c_int = 1;
pub const EXISTS: c_int = 2;
pub const NO_MEMORY: c_int = 3;
pub const TOO_SMALL: c_int = 12;
pub const INVALID_ARGUMENT: c_int = 20;
pub const INTERNAL: c_int = 37;
pub const OTHER: c_int = 38;

/// Every code with its word; the header has the word in capitals. A number is never used again.
pub const CODES: &[(c_int, &CStr)] = &[
    (0, c"ok"),
    (1, c"not_found"),
    (2, c"exists"),
    (3, c"no_memory"),
    (4, c"value_is_list"),
    (5, c"value_not_list"),
    (6, c"not_number"),
    (7, c"overflow"),
    (8, c"changed"),
    (9, c"timeout"),
    (10, c"empty_key"),
    (11, c"key_too_long"),
    (12, c"too_small"),
    (20, c"invalid_argument"),
    (21, c"invalid_name"),
    (22, c"invalid_option"),
    (23, c"no_such_object"),
    (24, c"already_exists"),
    (25, c"no_space"),
    (26, c"system"),
    (27, c"wrong_size"),
    (28, c"wrong_magic"),
    (29, c"wrong_version"),
    (30, c"wrong_machine"),
    (31, c"unknown_features"),
    (32, c"wrong_pid_namespace"),
    (33, c"wrong_boot"),
    (34, c"damaged"),
    (35, c"lock_timeout"),
    (36, c"lock_broken"),
    (37, c"internal"),
    (38, c"other"),
    (39, c"bad_dump"),
];

/// The code of an error of the dictionary.
pub fn code_of_error(error: &Error) -> c_int {
    match error {
        Error::NotFound => NOT_FOUND,
        Error::Exists => EXISTS,
        Error::NoMemory { .. } => NO_MEMORY,
        // The rest is rare enough to be looked up by its word.
        _ => code_of_word(error.code()),
    }
}

fn code_of_word(word: &str) -> c_int {
    let is_it = |(_, name): &&(c_int, &CStr)| name.to_bytes() == word.as_bytes();
    CODES.iter().find(is_it).map_or(OTHER, |(code, _)| *code)
}

impl Failure {
    fn code(&self) -> c_int {
        match self {
            Self::Absent => NOT_FOUND,
            Self::TooSmall => TOO_SMALL,
            Self::Argument(_) => INVALID_ARGUMENT,
            Self::Panic => INTERNAL,
            Self::Dictionary(error) => code_of_error(error),
            Self::File { word, .. } => code_of_word(word),
        }
    }

    fn errno(&self) -> c_int {
        match self {
            Self::Absent => 2,
            Self::TooSmall => 34,
            Self::Argument(_) => 22,
            Self::Panic => 71,
            Self::Dictionary(error) => error.errno(),
            Self::File { errno, .. } => *errno,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Absent => "not found".to_owned(),
            Self::TooSmall => "the buffer is too small".to_owned(),
            Self::Argument(what) => format!("invalid argument: {what}"),
            Self::Panic => "a mistake in the library; the dictionary repairs itself".to_owned(),
            Self::Dictionary(error) => error.to_string(),
            Self::File { message, .. } => message.clone(),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::TooSmall => "mhshm_last_bytes gives the bytes into a larger buffer",
            Self::Dictionary(error) => error.hint().unwrap_or(""),
            _ => "",
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Runs the body of a function: notes its failure, and turns a panic into one.
#[inline]
pub fn guard(act: impl FnOnce() -> Outcome) -> c_int {
    // A panic under a lock marks the shard, and the next one repairs it: nothing is left half done.
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(())) => OK,
        Ok(Err(Failure::Absent)) => NOT_FOUND,
        Ok(Err(failure)) => note(failure),
        Err(_) => note(Failure::Panic),
    }
}

#[cold]
fn note(failure: Failure) -> c_int {
    let code = failure.code();
    // A thread that is ending has no place for it any more.
    let _ = LAST.try_with(|last| last.replace(Some(failure)));
    code
}

exported! {
    /// Tells about the last failure of this thread.
    fn mhshm_last_error(error: Out<ErrorText>) {
        let last = LAST.try_with(|last| last.borrow().clone()).ok().flatten();
        let mut text = ErrorText::default();
        if let Some(failure) = last {
            text.code = failure.code();
            text.errno_value = failure.errno();
            copy_text(&mut text.message, &failure.message());
            copy_text(&mut text.hint, failure.hint());
        }
        error.write(text)
    }
}

/// The word of a code, for logs.
// SAFETY: the prefix is ours; no other symbol of a program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn mhshm_code_name(code: c_int) -> *const c_char {
    let word = CODES.iter().find(|(number, _)| *number == code);
    word.map_or(c"unknown", |(_, word)| word).as_ptr()
}

version_symbol!(mhshm_code_name, "MOONHIVE_SHM_1");
