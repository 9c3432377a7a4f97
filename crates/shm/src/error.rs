//! What can go wrong, as one enum.
//!
//! Three families: an object that cannot be made or opened, a lock that cannot be had, and answers
//! of an operation ("exists", "no memory"). Programs match on the variant or on [`Error::code`];
//! people read the message, which names the values, and [`Error::hint`], which says what to do. The
//! answers of operations have the words that programs written for nginx's dictionaries compare
//! with.

use std::fmt;

use rustix::io::Errno;

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of an object breaks a rule.
    #[error("invalid name {name:?}: {reason}")]
    InvalidName {
        /// What was given.
        name: String,
        /// The rule.
        reason: &'static str,
    },
    /// An option has a value that cannot be had.
    #[error("invalid {option}: expected {least} to {most}, got {value}")]
    InvalidOption {
        /// The field of the options.
        option: &'static str,
        /// What was given.
        value: u64,
        /// The smallest value taken.
        least: u64,
        /// The largest value taken.
        most: u64,
    },
    /// A number of shards that no dictionary has.
    #[error("invalid shards: expected a power of two up to {most}, got {value}")]
    InvalidShards {
        /// What was given.
        value: u32,
        /// The largest number taken.
        most: u32,
    },
    /// Permissions with more than the nine bits for owner, group and others.
    #[error("invalid mode: expected permissions up to 0{most:o}, got 0{value:o}")]
    InvalidMode {
        /// What was given.
        value: u32,
        /// All of the nine bits.
        most: u32,
    },
    /// Nothing of this name exists.
    #[error("no object is named {name:?}")]
    NoSuchObject {
        /// The name asked for.
        name: String,
    },
    /// The name is taken.
    #[error("an object named {name:?} exists already")]
    AlreadyExists {
        /// The name asked for.
        name: String,
    },
    /// The file system behind shared memory is too full.
    #[error(
        "{place} has {} left, the dictionary needs {}",
        Amount::at_most(*left_bytes),
        Amount::at_least(*wanted_bytes)
    )]
    NoSpace {
        /// Where the memory would have come from.
        place: &'static str,
        /// What is left there.
        left_bytes: u64,
        /// What the object takes, all included.
        wanted_bytes: u64,
    },
    /// A call of the system failed.
    #[error("cannot {act} {name:?}: {errno}")]
    System {
        /// What was tried, as a verb.
        act: &'static str,
        /// The object.
        name: String,
        /// What the system answered.
        errno: Errno,
    },
    /// The object is smaller than its header says, or than a header.
    #[error("the object has {found_bytes} bytes, {expected_bytes} were expected")]
    WrongSize {
        /// Its size.
        found_bytes: u64,
        /// The size it must have.
        expected_bytes: u64,
    },
    /// The object does not begin with our magic number.
    #[error("not one of our objects: it begins with {found:#018x}")]
    WrongMagic {
        /// The first eight bytes, as a number.
        found: u64,
    },
    /// The object was made by another version of the layout.
    #[error("layout version {found}, this program knows {known}")]
    WrongVersion {
        /// The object's version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The object was made on a machine or by a C library unlike ours.
    #[error("made for another machine: {what} is {found:#x}, here it is {expected:#x}")]
    WrongMachine {
        /// What differs.
        what: &'static str,
        /// The object's value.
        found: u64,
        /// Ours.
        expected: u64,
    },
    /// The object uses features that this program does not know.
    #[error("the object uses unknown features: {found:#x}")]
    UnknownFeatures {
        /// The bits that are unknown.
        found: u64,
    },
    /// The locks of the object hold thread numbers of another pid namespace.
    #[error("made in pid namespace {found}, this process lives in {own}")]
    WrongPidNamespace {
        /// The object's namespace (inode number).
        found: u64,
        /// Ours.
        own: u64,
    },
    /// The object was made before the machine was started.
    #[error("made before the last start of the machine")]
    WrongBoot,
    /// A number in the object contradicts another.
    #[error("damaged object: {what}")]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// What lies in the place of a lock is none.
    #[error("damaged object: what is in the place of the lock of shard {shard} is no lock")]
    DamagedLock {
        /// The shard.
        shard: u32,
    },
    /// A lock was not free in time.
    #[error("shard {shard} is locked by process {owner_pid} since over {waited_ms} ms")]
    LockTimeout {
        /// The shard.
        shard: u32,
        /// Who holds it.
        owner_pid: u32,
        /// How long this thread has waited.
        waited_ms: u64,
    },
    /// A lock cannot be used any more.
    #[error("the lock of shard {shard} is broken: {errno}")]
    LockBroken {
        /// The shard.
        shard: u32,
        /// What the C library says.
        errno: Errno,
    },
    /// The key is the empty string.
    #[error("empty key")]
    EmptyKey,
    /// The key has more than 65,535 bytes.
    #[error("key too long")]
    KeyTooLong {
        /// Its length.
        length_bytes: usize,
    },
    /// No such entry, or it has expired.
    #[error("not found")]
    NotFound,
    /// A live entry has this key.
    #[error("exists")]
    Exists,
    /// The value found no room.
    #[error("no memory")]
    NoMemory {
        /// Live entries were thrown out before it turned out that room could not be made.
        forcible: bool,
        /// What the entry takes.
        wanted_bytes: u64,
    },
    /// The entry is a list where a plain value is needed.
    #[error("value is a list")]
    ValueIsList,
    /// The entry is a plain value where a list is needed.
    #[error("value not a list")]
    ValueNotList,
    /// The entry is not a number where one is needed.
    #[error("not a number")]
    NotNumber,
    /// The sum of two integers does not fit into 64 bits.
    #[error("integer overflow")]
    Overflow,
    /// The entry has another version than the caller expects.
    #[error("changed")]
    Changed {
        /// The version that it has.
        version: u64,
    },
    /// What was waited for did not happen in time.
    #[error("timeout")]
    Timeout,
}

impl Error {
    /// A word for programs, stable over releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "invalid_name",
            Self::InvalidOption { .. } | Self::InvalidShards { .. } | Self::InvalidMode { .. } => {
                "invalid_option"
            }
            Self::NoSuchObject { .. } => "no_such_object",
            Self::AlreadyExists { .. } => "already_exists",
            Self::NoSpace { .. } => "no_space",
            Self::System { .. } => "system",
            Self::WrongSize { .. } => "wrong_size",
            Self::WrongMagic { .. } => "wrong_magic",
            Self::WrongVersion { .. } => "wrong_version",
            Self::WrongMachine { .. } => "wrong_machine",
            Self::UnknownFeatures { .. } => "unknown_features",
            Self::WrongPidNamespace { .. } => "wrong_pid_namespace",
            Self::WrongBoot => "wrong_boot",
            Self::Damaged { .. } | Self::DamagedLock { .. } => "damaged",
            Self::LockTimeout { .. } => "lock_timeout",
            Self::LockBroken { .. } => "lock_broken",
            Self::EmptyKey => "empty_key",
            Self::KeyTooLong { .. } => "key_too_long",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::NoMemory { .. } => "no_memory",
            Self::ValueIsList => "value_is_list",
            Self::ValueNotList => "value_not_list",
            Self::NotNumber => "not_number",
            Self::Overflow => "overflow",
            Self::Changed { .. } => "changed",
            Self::Timeout => "timeout",
        }
    }

    /// The number of the system's error nearest to this one.
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::System { errno, .. } | Self::LockBroken { errno, .. } => *errno,
            Self::NoSuchObject { .. } | Self::NotFound => Errno::NOENT,
            Self::AlreadyExists { .. } | Self::Exists => Errno::EXIST,
            Self::NoSpace { .. } => Errno::NOSPC,
            Self::NoMemory { .. } => Errno::NOMEM,
            Self::KeyTooLong { .. } => Errno::NAMETOOLONG,
            Self::Overflow => Errno::OVERFLOW,
            Self::Changed { .. } => Errno::AGAIN,
            Self::Timeout | Self::LockTimeout { .. } => Errno::TIMEDOUT,
            Self::WrongPidNamespace { .. } => Errno::PERM,
            Self::WrongBoot => Errno::STALE,
            Self::InvalidName { .. } | Self::InvalidOption { .. } | Self::EmptyKey => Errno::INVAL,
            Self::InvalidShards { .. } | Self::InvalidMode { .. } => Errno::INVAL,
            Self::ValueIsList | Self::ValueNotList | Self::NotNumber => Errno::INVAL,
            _ => Errno::BADMSG,
        };
        errno.raw_os_error()
    }

    /// What to do about it, where something can be said in general.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoSuchObject { .. } => {
                "create it first, or open it with open_or_create (from Lua: with the option 'size')"
            }
            Self::AlreadyExists { .. } => "open it, or choose another name",
            Self::NoSpace { .. } => {
                "make it smaller, make room there, or raise the size of the tmpfs (mount -o remount,size=..., docker --shm-size)"
            }
            Self::System { errno, .. } if *errno == Errno::ACCESS => {
                "it belongs to another user; its creator chooses the mode"
            }
            Self::WrongVersion { .. } => {
                "let the program that made it save it, remove it, and load it into a new one"
            }
            Self::WrongPidNamespace { .. } => {
                "processes that share a dictionary must share a pid namespace (docker --pid=...)"
            }
            Self::WrongBoot | Self::Damaged { .. } => "remove the object and create it anew",
            Self::DamagedLock { .. } => {
                "close it everywhere and run `moonhive shm repair NAME`, which makes the lock anew"
            }
            Self::LockTimeout { .. } => "the owner is stopped or starved; continue or kill it",
            Self::NoMemory { .. } => "create the dictionary with a larger size",
            _ => return None,
        })
    }

    /// The system refused `act` on the object `name`.
    pub(crate) fn system(act: &'static str, name: &str, errno: Errno) -> Self {
        Self::System { act, name: name.to_owned(), errno }
    }
}

/// An amount of memory as people read it: a tenth at most behind the point, in the largest unit of
/// which there is one. It is cut or rounded up so that what is left never reads like what is
/// needed.
#[derive(Clone, Copy)]
struct Amount {
    bytes: u64,
    rounds_up: bool,
}

impl Amount {
    fn at_most(bytes: u64) -> Self {
        Self { bytes, rounds_up: false }
    }

    fn at_least(bytes: u64) -> Self {
        Self { bytes, rounds_up: true }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let Some((name, unit)) = UNITS.iter().find(|(_, unit)| self.bytes >= *unit) else {
            return write!(formatter, "{} bytes", self.bytes);
        };
        let (tenths, unit) = (u128::from(self.bytes) * 10, u128::from(*unit));
        let tenths = if self.rounds_up { tenths.div_ceil(unit) } else { tenths / unit };
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(formatter, "{whole} {name}"),
            (whole, tenth) => write!(formatter, "{whole}.{tenth} {name}"),
        }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_words_of_nginx() {
        let text = |error: Error| error.to_string();
        assert_eq!(text(Error::NoMemory { forcible: false, wanted_bytes: 1 }), "no memory");
        assert_eq!(text(Error::Exists), "exists");
        assert_eq!(text(Error::NotFound), "not found");
        assert_eq!(text(Error::ValueIsList), "value is a list");
        assert_eq!(text(Error::ValueNotList), "value not a list");
        assert_eq!(text(Error::NotNumber), "not a number");
        assert_eq!(text(Error::KeyTooLong { length_bytes: 70_000 }), "key too long");
    }

    #[test]
    fn a_full_file_system_is_explained() {
        let error =
            Error::NoSpace { place: "/dev/shm", left_bytes: 12 << 20, wanted_bytes: 64 << 20 };
        assert_eq!(error.to_string(), "/dev/shm has 12 MiB left, the dictionary needs 64 MiB");
        assert!(error.hint().is_some_and(|hint| hint.contains("tmpfs")));
        assert_eq!((error.code(), error.errno()), ("no_space", Errno::NOSPC.raw_os_error()));
    }

    #[test]
    fn what_is_left_never_reads_like_what_is_needed() {
        let text = |left_bytes, wanted_bytes| {
            Error::NoSpace { place: "it", left_bytes, wanted_bytes }.to_string()
        };
        let mebibyte = 1 << 20;
        assert_eq!(
            text(64 * mebibyte - 1, 64 * mebibyte + 1),
            "it has 63.9 MiB left, the dictionary needs 64.1 MiB"
        );
        assert_eq!(text(0, 4096), "it has 0 bytes left, the dictionary needs 4 KiB");
        assert_eq!(
            text(25_275_289_600, 47_682_740_224),
            "it has 23.5 GiB left, the dictionary needs 44.5 GiB"
        );
        assert_eq!(
            text(u64::MAX - 1, u64::MAX),
            "it has 16777215.9 TiB left, the dictionary needs 16777216 TiB"
        );
    }
}
