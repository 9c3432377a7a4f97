//! What programs hold: a dictionary that is open in this process.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::core::{Core, Key, Parts};
use super::geometry::Geometry;
use super::hash::KeyHash;
use super::renew;
use super::statistics::Statistics;
use super::value::{
    Entry, Incremented, Number, OwnedEntry, OwnedValue, Remaining, SetOptions, Side, Stored, Value,
};
use super::walk::{Cursor, Item, Swept};
use super::write::Condition;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::segment::{Backing, Header, Kind, Memfd, Posix, Segment, header};

/// Every permission that an object can give.
const MODE_MOST: u32 = 0o777;

/// Largest buffer that a thread keeps for its next read.
const BUFFER_KEPT_BYTES: usize = 64 << 10;

thread_local! {
    /// What values are copied to before it is known how many bytes they have. None is lost where
    /// reads nest.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How to make a dictionary, and how to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of entries that it holds, overhead of the entries included. Tables that find entries
    /// come on top: about an eighth. A page of 4 KiB at least.
    pub size_bytes: u64,
    /// Parts with a lock of their own, a power of two up to 64. Usually left open: one up to a
    /// mebibyte, where eviction is in exact order of use; then one for each 256 KiB.
    pub shards: Option<u32>,
    /// Permission bits of the object, up to `0o777`.
    pub mode: u32,
    /// Longest wait of this process for a lock that another one holds.
    pub lock_timeout: Duration,
}

impl Options {
    /// The usual options for a size.
    pub fn new(size_bytes: u64) -> Self {
        Self { size_bytes, shards: None, mode: 0o600, lock_timeout: Duration::from_secs(5) }
    }

    /// Where everything lies in what is made with them; fails if nothing can be.
    fn plan(&self) -> Result<Geometry> {
        if self.mode > MODE_MOST {
            return Err(Error::InvalidMode { value: self.mode, most: MODE_MOST });
        }
        Geometry::plan(self.size_bytes, self.shards)
    }
}

impl Default for Options {
    /// A mebibyte; what counts when opening is the time for locks.
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

/// A dictionary in shared memory.
///
/// Threads share it by reference. Each operation is atomic; a process that dies in the middle of
/// one leaves it wholly done or not done.
///
/// ```
/// use moonhive_shm::{Dictionary, Options, OwnedValue, SetOptions, Value};
///
/// # fn main() -> Result<(), moonhive_shm::Error> {
/// # let name = format!("doctest-{}", std::process::id());
/// let options = Options::new(1 << 20);
/// let sessions = Dictionary::create(&name, &options)?;
/// sessions.set("user:1", Value::from("ada"), SetOptions::default().ttl_ms(60_000))?;
/// sessions.incr("logins", 1.into(), Some(0.into()), SetOptions::default())?;
///
/// // Any other process of the machine:
/// let same = Dictionary::open(&name, &options)?;
/// let entry = same.get("user:1")?.expect("it was just stored");
/// assert_eq!(entry.value, OwnedValue::Bytes(b"ada".to_vec()));
/// # Dictionary::unlink(&name)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dictionary {
    /// With a view of the segment's words, which live as long.
    parts: Parts,
    segment: Segment,
}

/// Making, opening, removing.
impl Dictionary {
    /// Makes a dictionary that has a name.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::NoSpace`], [`Error::InvalidName`],
    /// [`Error::InvalidOption`] and its kin, or what the system refused.
    pub fn create(name: &str, options: &Options) -> Result<Self> {
        Self::create_in(&Posix::new(name)?, options)
    }

    /// Opens a dictionary that has a name. Of the options only the time for locks counts.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`], or what differs from what this program understands.
    pub fn open(name: &str, options: &Options) -> Result<Self> {
        Self::open_in(&Posix::new(name)?, options)
    }

    /// Opens a dictionary, making it if it does not exist. The flag says that it was made.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn open_or_create(name: &str, options: &Options) -> Result<(Self, bool)> {
        Self::open_or_create_in(&Posix::new(name)?, options)
    }

    /// The same in a place of any kind.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn open_or_create_in(place: &dyn Backing, options: &Options) -> Result<(Self, bool)> {
        // Not only in the process that happens to make it.
        options.plan()?;
        loop {
            match Self::open_in(place, options) {
                Err(Error::NoSuchObject { .. }) => {}
                opened => return opened.map(|dictionary| (dictionary, false)),
            }
            // Somebody may make it, or take it away again, between the two attempts.
            match Self::create_in(place, options) {
                Err(Error::AlreadyExists { .. }) => {}
                created => return created.map(|dictionary| (dictionary, true)),
            }
        }
    }

    /// Makes a dictionary without a name: other processes get its descriptor, see [`AsFd`].
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::InvalidOption`] and its kin, or what the system refused.
    pub fn create_unnamed(label: &str, options: &Options) -> Result<Self> {
        Self::create_in(&Memfd::new(label), options)
    }

    /// Opens a dictionary whose descriptor another process has handed over.
    ///
    /// # Errors
    /// What differs from what this program understands.
    pub fn from_descriptor(file: OwnedFd, options: &Options) -> Result<Self> {
        Self::open_in(&Memfd::received(file), options)
    }

    /// Takes the name away. Who has the dictionary open keeps it.
    ///
    /// # Errors
    /// [`Error::NoSuchObject`], [`Error::InvalidName`], or what the system refused.
    pub fn unlink(name: &str) -> Result<()> {
        Posix::new(name)?.unlink()
    }

    /// Makes a dictionary in a place of any kind.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_in(place: &dyn Backing, options: &Options) -> Result<Self> {
        let geometry = options.plan()?;
        let header = Header::new(geometry.total_bytes as u64, geometry.parameters());
        let kind = Kind::Dictionary;
        let segment = Segment::create(place, kind, header, options.mode, |memory, header| {
            Core(&parts_of(memory, header, geometry, options)).initialise();
            header::note_clock(memory);
            Ok(())
        })?;
        let parts = parts_of(segment.memory(), segment.header(), geometry, options);
        Ok(Self { parts, segment })
    }

    /// Opens a dictionary in a place of any kind.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(place: &dyn Backing, options: &Options) -> Result<Self> {
        let segment = match place.as_file() {
            Some(file) => renew::open(file, options)?,
            None => Segment::open(place, Kind::Dictionary)?,
        };
        let geometry = Geometry::from_parameters(&segment.header().parameters)?;
        let (found_bytes, expected_bytes) =
            (segment.memory().size_bytes() as u64, geometry.total_bytes as u64);
        if found_bytes != expected_bytes {
            return Err(Error::WrongSize { found_bytes, expected_bytes });
        }
        let parts = parts_of(segment.memory(), segment.header(), geometry, options);
        let opened = Self { parts, segment };
        opened.core().check_locks()?;
        Ok(opened)
    }

    /// What its header says: who made it, when.
    pub fn header(&self) -> &Header {
        self.segment.header()
    }

    /// Device and inode: the same for whoever has the same object open.
    ///
    /// # Errors
    /// What the system refused.
    pub fn identity(&self) -> Result<(u64, u64)> {
        let stat = rustix::fs::fstat(self.as_fd());
        let stat = stat.map_err(|errno| Error::system("look at", "the dictionary", errno))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Writes to the disk what is in memory; for dictionaries in files. No lock is held meanwhile.
    /// What was stored before and is not changed afterwards survives a loss of power.
    ///
    /// # Errors
    /// [`Error::System`] if it could not be written.
    pub fn sync(&self) -> Result<()> {
        header::note_clock(self.segment.memory());
        let synced = rustix::fs::fdatasync(self.as_fd());
        synced.map_err(|errno| Error::system("write", "the dictionary", errno))
    }

    #[inline]
    pub(super) fn core(&self) -> Core<'_> {
        Core(&self.parts)
    }

    /// Runs a change, and wakes who waits for one in that shard.
    #[inline]
    pub(super) fn change<T>(
        &self,
        key: &Key<'_>,
        act: impl FnOnce(Core<'_>) -> Result<T>,
    ) -> Result<T> {
        let done = act(self.core())?;
        self.core().ring(key.shard);
        Ok(done)
    }
}

pub(super) fn parts_of(
    memory: &Memory,
    header: &Header,
    geometry: Geometry,
    options: &Options,
) -> Parts {
    let hash = KeyHash::new(header.hash_key);
    Parts::new(memory.clone(), geometry, hash, options.lock_timeout)
}

impl AsFd for Dictionary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.segment.as_fd()
    }
}

/// Reading. Every operation fails with [`Error::EmptyKey`], [`Error::KeyTooLong`], and, where a
/// lock had to be taken, [`Error::LockTimeout`] or [`Error::LockBroken`].
impl Dictionary {
    /// The live entry of a key.
    ///
    /// # Errors
    /// [`Error::ValueIsList`].
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<OwnedEntry>> {
        let mut buffer = BUFFER.take();
        let entry = self.get_into(key, &mut buffer).map(|entry| entry.map(Entry::to_owned));
        if buffer.capacity() <= BUFFER_KEPT_BYTES {
            BUFFER.set(buffer);
        }
        entry
    }

    /// As [`get`](Self::get), with the bytes in a buffer that is used again and again. It grows as
    /// need be and is not cut: the entry says which bytes are the value.
    ///
    /// # Errors
    /// [`Error::ValueIsList`].
    #[inline]
    pub fn get_into<'b>(
        &self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Entry<'b>>> {
        let core = self.core();
        core.read(&core.key(key.as_ref())?, false, buffer)
    }

    /// The entry of a key even if its time is over, as long as its memory was not needed;
    /// [`Entry::is_stale`] says which.
    ///
    /// # Errors
    /// [`Error::ValueIsList`].
    pub fn get_stale<'b>(
        &self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Entry<'b>>> {
        let core = self.core();
        core.read(&core.key(key.as_ref())?, true, buffer)
    }

    /// The version of a live entry or list.
    ///
    /// # Errors
    /// Those of all reads.
    pub fn version(&self, key: impl AsRef<[u8]>) -> Result<Option<u64>> {
        let core = self.core();
        core.version(&core.key(key.as_ref())?)
    }

    /// How long a live entry or list still lives.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn ttl(&self, key: impl AsRef<[u8]>) -> Result<Remaining> {
        let core = self.core();
        core.remaining(&core.key(key.as_ref())?)
    }

    /// Waits until a key has another version than this one (`None`: no live entry); returns what it
    /// has then. Expiry is noticed within a tenth of a second.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub fn wait(
        &self,
        key: impl AsRef<[u8]>,
        version: Option<u64>,
        timeout: Duration,
    ) -> Result<Option<u64>> {
        let core = self.core();
        core.wait(&core.key(key.as_ref())?, version, timeout)
    }
}

/// Writing. A failed write leaves the old value in place.
impl Dictionary {
    /// Stores a value, whatever was there. With [`SetOptions::never_evict`] this is `safe_set`.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: Value<'_>,
        options: SetOptions,
    ) -> Result<Stored> {
        self.store(key.as_ref(), value, options, Condition::Always)
    }

    /// Stores a value if no live entry has the key.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NoMemory`].
    pub fn add(
        &self,
        key: impl AsRef<[u8]>,
        value: Value<'_>,
        options: SetOptions,
    ) -> Result<Stored> {
        self.store(key.as_ref(), value, options, Condition::Absent)
    }

    /// Stores a value if a live entry has the key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoMemory`].
    pub fn replace(
        &self,
        key: impl AsRef<[u8]>,
        value: Value<'_>,
        options: SetOptions,
    ) -> Result<Stored> {
        self.store(key.as_ref(), value, options, Condition::Present)
    }

    /// Stores a value if the live entry has this version.
    ///
    /// # Errors
    /// [`Error::Changed`] with the version it has, [`Error::NotFound`], [`Error::NoMemory`].
    pub fn cas(
        &self,
        key: impl AsRef<[u8]>,
        version: u64,
        value: Value<'_>,
        options: SetOptions,
    ) -> Result<Stored> {
        self.store(key.as_ref(), value, options, Condition::Version(version))
    }

    fn store(
        &self,
        key: &[u8],
        value: Value<'_>,
        options: SetOptions,
        condition: Condition,
    ) -> Result<Stored> {
        let key = self.core().key(key)?;
        self.change(&key, |core| core.store(&key, value, options, condition))
    }

    /// Ends an entry or a list. True if it was live.
    ///
    /// # Errors
    /// Those of all operations.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let key = self.core().key(key.as_ref())?;
        self.change(&key, |core| core.delete(&key))
    }

    /// Adds to a number and returns the sum. Flags and time of a live number stay. Without a live
    /// entry the number begins as `initial`, if given, with the time of the options.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotNumber`], [`Error::Overflow`], [`Error::NoMemory`].
    #[inline]
    pub fn incr(
        &self,
        key: impl AsRef<[u8]>,
        by: Number,
        initial: Option<Number>,
        options: SetOptions,
    ) -> Result<Incremented> {
        let key = self.core().key(key.as_ref())?;
        self.change(&key, |core| core.incr(&key, by, initial, options))
    }

    /// Lets a live entry or list end in so many milliseconds; 0: never.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoMemory`].
    pub fn expire(&self, key: impl AsRef<[u8]>, ttl_ms: u64) -> Result<()> {
        let key = self.core().key(key.as_ref())?;
        self.change(&key, |core| core.expire(&key, ttl_ms))
    }
}

/// Lists.
impl Dictionary {
    /// Adds an element at an end; returns the new length. `ttl_ms` and `flags` count for a new
    /// list. Live entries are thrown out for it unless [`SetOptions::never_evict`] is set.
    ///
    /// # Errors
    /// [`Error::ValueNotList`], [`Error::NoMemory`].
    pub fn push(
        &self,
        key: impl AsRef<[u8]>,
        value: Value<'_>,
        side: Side,
        options: SetOptions,
    ) -> Result<u64> {
        let key = self.core().key(key.as_ref())?;
        self.change(&key, |core| core.push(&key, value, side, options))
    }

    /// Takes the element at an end. The last one takes the list with it.
    ///
    /// # Errors
    /// [`Error::ValueNotList`].
    pub fn pop(&self, key: impl AsRef<[u8]>, side: Side) -> Result<Option<OwnedValue>> {
        let mut buffer = Vec::new();
        Ok(self.pop_into(key, side, &mut buffer)?.map(Value::to_owned))
    }

    /// As [`pop`](Self::pop), with the bytes in a buffer that is used again and again.
    ///
    /// # Errors
    /// [`Error::ValueNotList`].
    pub fn pop_into<'b>(
        &self,
        key: impl AsRef<[u8]>,
        side: Side,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Value<'b>>> {
        let core = self.core();
        let key = core.key(key.as_ref())?;
        let popped = core.pop(&key, side, buffer)?;
        core.ring(key.shard);
        Ok(popped)
    }

    /// As [`pop`](Self::pop), waiting for an element.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::ValueNotList`].
    pub fn pop_wait(
        &self,
        key: impl AsRef<[u8]>,
        side: Side,
        timeout: Duration,
    ) -> Result<OwnedValue> {
        let key = key.as_ref();
        let place = self.core().key(key)?;
        self.core().wait_for(&place, timeout, || self.pop(key, side))
    }

    /// Elements of a list; 0 without one.
    ///
    /// # Errors
    /// [`Error::ValueNotList`].
    pub fn length(&self, key: impl AsRef<[u8]>) -> Result<u64> {
        let core = self.core();
        core.length(&core.key(key.as_ref())?)
    }

    /// Elements from one index to another, both included, from 0; negative ones count from the end.
    ///
    /// # Errors
    /// [`Error::ValueNotList`].
    pub fn range(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<OwnedValue>> {
        let core = self.core();
        core.range(&core.key(key.as_ref())?, start, stop)
    }
}

/// The whole dictionary.
impl Dictionary {
    /// Live entries from a place on, about `wanted` of them, and where to go on. An entry that
    /// exists all the time is met once.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn items(&self, cursor: Cursor, wanted: usize) -> Result<(Vec<Item>, Option<Cursor>)> {
        self.core().items(&[], cursor, wanted)
    }

    /// Ends every entry that exists now, shard by shard: whoever dies on the way has flushed the
    /// first ones. What they take is given back by writers and sweeps.
    ///
    /// # Errors
    /// A lock that could not be had; some entries may have ended.
    pub fn flush_all(&self) -> Result<()> {
        let core = self.core();
        core.flush()?;
        (0..self.parts.geometry.shards).for_each(|shard| core.ring(shard));
        Ok(())
    }

    /// Gives expired entries back, up to `most` of them; how many. Where the order of use is exact,
    /// those go first that have been used longest ago.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn flush_expired(&self, most: u64) -> Result<u64> {
        let core = self.core();
        let freed = if self.parts.geometry.exact && most != u64::MAX {
            core.lock(0)?.give_back_oldest(most)
        } else {
            core.sweep(Cursor::default(), u64::MAX, most)?.freed
        };
        core.sweep_doomed()?;
        Ok(freed)
    }

    /// One step of a sweep: looks at so many buckets for expired entries. A host calls it now and
    /// then with what the last step returned; shards whose owner died are repaired on the way.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn sweep(&self, cursor: Cursor, buckets: u64) -> Result<Swept> {
        self.core().sweep(cursor, buckets, u64::MAX)
    }

    /// Bytes of entries that it was made for.
    pub fn capacity_bytes(&self) -> u64 {
        self.parts.geometry.capacity_bytes
    }

    /// Bytes that new entries can take.
    pub fn free_bytes(&self) -> u64 {
        self.core().free_cells() * super::geometry::CELL_BYTES as u64
    }

    /// Numbers of the dictionary.
    pub fn statistics(&self) -> Statistics {
        self.core().statistics()
    }
}
