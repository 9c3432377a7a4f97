//! Locks of keys: an entry that says which process holds it.
//!
//! The value is the text `lock of process PID@TICKS` (docs/shm-format.md). The lock of a process
//! that has ended is taken by the next one who wants it, without waiting for a time to live. What
//! tells one holding from the next is the version of the entry: who gives a lock back ends the
//! entry only if it still has the version that he was given.
//!
//! A waiter sleeps on the doorbell of the shard, which a release rings. A death rings nothing, so
//! every sleep is bounded ([`wait`](super::wait)), and the waiter looks at the owner again after
//! each.

use std::time::Duration;

use super::handle::Dictionary;
use super::value::{SetOptions, Value};
use crate::error::{Error, Result};
use crate::process::Process;

/// What begins the value of a lock; number and beginning of the process follow.
const PREFIX: &str = "lock of process ";

/// A lock that this process holds, given back when it goes out of scope.
///
/// ```
/// use std::time::Duration;
/// use moonhive_shm::{Dictionary, Error, Options};
///
/// # fn main() -> Result<(), Error> {
/// let jobs = Dictionary::create_unnamed("jobs", &Options::new(1 << 20))?;
/// let lock = jobs.lock("nightly", Duration::from_secs(5), 0)?;
/// assert_eq!(jobs.lock_owner("nightly")?, Some(std::process::id()));
/// // Whoever wants it now waits, in any process of the machine.
/// assert_eq!(jobs.lock("nightly", Duration::ZERO, 0).err(), Some(Error::Timeout));
/// lock.unlock()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct KeyLock<'d> {
    dictionary: &'d Dictionary,
    key: Box<[u8]>,
    /// Of the entry; 0 once the lock was given back.
    version: u64,
}

impl KeyLock<'_> {
    /// Gives the lock back.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Changed`] if it was lost: its time was over, or it was
    /// thrown out of a full dictionary.
    pub fn unlock(mut self) -> Result<()> {
        self.release()
    }

    /// Begins its time to live anew, in milliseconds; 0 for ever.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Changed`] if it was lost; [`Error::NoMemory`].
    pub fn renew(&mut self, ttl_ms: u64) -> Result<()> {
        self.version = self.dictionary.renew_lock(&self.key, self.version, ttl_ms)?;
        Ok(())
    }

    fn release(&mut self) -> Result<()> {
        let version = std::mem::take(&mut self.version);
        self.dictionary.remove(&self.key, version)
    }
}

impl Drop for KeyLock<'_> {
    fn drop(&mut self) {
        if self.version != 0 {
            // Lost meanwhile: nothing to do.
            let _ = self.release();
        }
    }
}

/// Locks of keys. They end with their owner: with `unlock`, with its time to live, and when its
/// process has died, the next one who wants it takes it over. A lock is an entry like any other: a
/// full dictionary throws it out, and whoever stores under its key breaks it.
impl Dictionary {
    /// Takes the lock of a key, waiting until it is free or `timeout` is over, without an end for
    /// [`Duration::MAX`]. It lives for `ttl_ms` milliseconds; 0 for ever. A thread that holds it
    /// and wants it once more waits like any other. That its owner has died is noticed within a
    /// tenth of a second.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::ValueIsList`], [`Error::NoMemory`].
    pub fn lock(
        &self,
        key: impl AsRef<[u8]>,
        timeout: Duration,
        ttl_ms: u64,
    ) -> Result<KeyLock<'_>> {
        let key = key.as_ref();
        let version = self.wait_for_lock(key, timeout, ttl_ms)?;
        Ok(KeyLock { dictionary: self, key: key.into(), version })
    }

    /// As [`lock`](Self::lock), for callers that keep the version which stands for the lock, and
    /// give it back by [`remove`](Self::remove) with it.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn wait_for_lock(
        &self,
        key: impl AsRef<[u8]>,
        timeout: Duration,
        ttl_ms: u64,
    ) -> Result<u64> {
        let key = key.as_ref();
        if let Some(version) = self.try_lock(key, ttl_ms)? {
            return Ok(version);
        }
        let place = self.core().key(key)?;
        self.core().wait_for(&place, timeout, || self.try_lock(key, ttl_ms))
    }

    /// Takes a lock that nobody holds, or whose owner has died: the version that stands for it, or
    /// `None`. It is given back by [`remove`](Self::remove) with that version.
    ///
    /// # Errors
    /// [`Error::ValueIsList`], [`Error::NoMemory`].
    pub fn try_lock(&self, key: impl AsRef<[u8]>, ttl_ms: u64) -> Result<Option<u64>> {
        let (key, options) = (key.as_ref(), SetOptions::default().ttl_ms(ttl_ms));
        let mark = mark_of(Process::own());
        let mark = Value::Bytes(mark.as_bytes());
        match self.add(key, mark, options) {
            Ok(stored) => return Ok(Some(stored.version)),
            Err(Error::Exists) => {}
            Err(error) => return Err(error),
        }
        let Some(held) = self.get(key)? else { return Ok(None) };
        if !owner_in(&held.value.as_value()).is_some_and(Process::has_ended) {
            return Ok(None);
        }
        match self.cas(key, held.version, mark, options) {
            Ok(stored) => Ok(Some(stored.version)),
            Err(Error::Changed { .. } | Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins the time to live of a lock anew, whose version the caller has: the new version. The
    /// process that calls this is its owner from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Changed`] if it was lost; [`Error::NoMemory`].
    pub fn renew_lock(&self, key: impl AsRef<[u8]>, version: u64, ttl_ms: u64) -> Result<u64> {
        let (mark, options) = (mark_of(Process::own()), SetOptions::default().ttl_ms(ttl_ms));
        Ok(self.cas(key, version, Value::Bytes(mark.as_bytes()), options)?.version)
    }

    /// The number of the process that holds the lock of a key; `None` if there is no lock, or if
    /// its owner has died.
    ///
    /// # Errors
    /// [`Error::ValueIsList`].
    pub fn lock_owner(&self, key: impl AsRef<[u8]>) -> Result<Option<u32>> {
        let owner = self.locked_by(key.as_ref())?;
        Ok(owner.filter(|owner| !owner.has_ended()).map(|owner| owner.pid))
    }

    /// True if a key holds the lock of a process that has ended.
    ///
    /// # Errors
    /// [`Error::ValueIsList`].
    pub fn is_lock_left(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let owner = self.locked_by(key.as_ref())?;
        // Of itself a process knows without asking the system.
        Ok(owner.is_some_and(|owner| owner != Process::own() && owner.has_ended()))
    }

    fn locked_by(&self, key: &[u8]) -> Result<Option<Process>> {
        let held = self.get(key)?;
        Ok(held.and_then(|held| owner_in(&held.value.as_value())))
    }
}

/// The value of a lock that a process holds.
fn mark_of(owner: Process) -> String {
    format!("{PREFIX}{}@{}", owner.pid, owner.begun_ticks)
}

/// The process that a value names as the owner of a lock.
fn owner_in(value: &Value<'_>) -> Option<Process> {
    let Value::Bytes(bytes) = value else { return None };
    let (pid, begun) = std::str::from_utf8(bytes).ok()?.strip_prefix(PREFIX)?.split_once('@')?;
    Some(Process { pid: pid.parse().ok()?, begun_ticks: begun.parse().ok()? })
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::Options;

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("locks", &Options::new(64 << 10)).unwrap()
    }

    /// A process that has ended.
    fn ended() -> Process {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        Process { pid, begun_ticks: 1 }
    }

    fn leave(dictionary: &Dictionary, owner: Process) {
        let mark = mark_of(owner);
        dictionary.set("key", Value::Bytes(mark.as_bytes()), SetOptions::default()).unwrap();
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn one_at_a_time_has_a_lock() {
        let (dictionary, inside) = (dictionary(), AtomicU64::new(0));
        let count = || {
            for _ in 0..200 {
                let lock = dictionary.lock("key", PATIENCE, 0).unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                let number = dictionary.get("count").unwrap().map_or(0, |entry| entry.flags);
                let options = SetOptions::default().flags(number + 1);
                dictionary.set("count", Value::Nil, options).unwrap();
                inside.fetch_sub(1, Ordering::SeqCst);
                lock.unlock().unwrap();
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(count))));
        assert_eq!(dictionary.get("count").unwrap().unwrap().flags, 800);
        assert_eq!(dictionary.lock_owner("key"), Ok(None));
    }

    #[test]
    fn a_lock_is_given_back_at_the_end_of_its_scope_and_by_a_panic() {
        let dictionary = dictionary();
        let panicked = std::panic::catch_unwind(|| {
            let _lock = dictionary.lock("key", PATIENCE, 0).unwrap();
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(dictionary.version("key"), Ok(None));
    }

    #[test]
    fn a_lock_that_was_lost_says_so_and_leaves_the_next_owner_alone() {
        let dictionary = dictionary();
        let mut lost = dictionary.lock("key", PATIENCE, 0).unwrap();
        dictionary.delete("key").unwrap();
        assert_eq!(lost.renew(0), Err(Error::NotFound));
        let next = dictionary.lock("key", PATIENCE, 0).unwrap();
        assert!(matches!(lost.renew(0), Err(Error::Changed { .. })));
        assert!(matches!(lost.unlock(), Err(Error::Changed { .. })));
        assert_eq!(dictionary.lock_owner("key"), Ok(Some(std::process::id())));
        next.unlock().unwrap();
    }

    #[test]
    fn a_lock_lives_for_its_time_and_can_be_renewed() {
        let dictionary = dictionary();
        let mut lock = dictionary.lock("key", PATIENCE, 1).unwrap();
        while dictionary.version("key").unwrap().is_some() {
            thread::yield_now();
        }
        assert_eq!(lock.renew(0), Err(Error::NotFound));
        drop(lock);
        let mut lock = dictionary.lock("key", PATIENCE, 3_600_000).unwrap();
        lock.renew(0).unwrap();
        assert_eq!(dictionary.ttl("key"), Ok(crate::Remaining::Forever));
        lock.unlock().unwrap();
    }

    #[test]
    fn the_lock_of_a_process_that_has_ended_is_taken_at_once() {
        let dictionary = dictionary();
        leave(&dictionary, ended());
        assert_eq!(dictionary.lock_owner("key"), Ok(None));
        assert_eq!(dictionary.is_lock_left("key"), Ok(true));
        let lock = dictionary.lock("key", Duration::ZERO, 0).unwrap();
        assert_eq!(dictionary.is_lock_left("key"), Ok(false));
        lock.unlock().unwrap();
        let own = Process::own();
        leave(&dictionary, Process { begun_ticks: own.begun_ticks + 1, ..own });
        dictionary.lock("key", Duration::ZERO, 0).unwrap().unlock().unwrap();
    }

    #[test]
    fn a_value_that_is_no_lock_is_never_taken() {
        let dictionary = dictionary();
        let number = Value::Integer(1);
        for value in [number, "lock of process x@1".into(), "".into(), Value::Bytes(&[255])] {
            dictionary.set("key", value, SetOptions::default()).unwrap();
            assert_eq!(dictionary.lock("key", Duration::ZERO, 0).err(), Some(Error::Timeout));
            assert_eq!(dictionary.get("key").unwrap().unwrap().value.as_value(), value);
        }
        dictionary.push("list", number, crate::Side::Left, SetOptions::default()).unwrap();
        assert_eq!(dictionary.lock("list", PATIENCE, 0).err(), Some(Error::ValueIsList));
    }
}
