//! The robust process-shared mutex of the C library: the one thing that the kernel releases when
//! its owner is killed, and tells the next one about.
//!
//! About 14 ns for lock and unlock. The kernel walks a list of held locks when a thread dies; only
//! the C library can put a lock on that list, hence `libc` here and nowhere else.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::{LOCK_BYTES, Taken};
use crate::memory::{Memory, Window};

/// Longest single sleep: the C library sleeps by wall time, which may be set back.
const SLICE: Duration = Duration::from_millis(100);

/// Part of the lock word that holds the owner's thread number.
const THREAD_MASK: u32 = 0x3fff_ffff;

/// Where the lock word lies: first with glibc (`__lock` of `__pthread_mutex_s`), behind the type
/// with musl (`_m_lock` in its `pthread_impl.h`).
const OWNER_AT: usize = if cfg!(target_env = "musl") { 4 } else { 0 };

/// The words that decide whether and how it can be taken: `__lock`, `__owner`, `__kind` with glibc,
/// `_m_type`, `_m_lock`, `_m_waiters` with musl. In others the last use has left something.
const DECIDING: [usize; 3] = if cfg!(target_env = "musl") { [0, 1, 2] } else { [0, 2, 4] };

const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= LOCK_BYTES);

/// Which C library, and how large its mutex is: two libraries must not work on one lock.
pub fn abi() -> u64 {
    let library: u64 = if cfg!(target_env = "musl") { 2 } else { 1 };
    size_of::<libc::pthread_mutex_t>() as u64 | library << 32
}

/// A lock in shared memory.
#[derive(Clone, Copy, Debug)]
pub struct RobustLock<'a>(Window<'a, LOCK_BYTES>);

impl<'a> RobustLock<'a> {
    /// The lock at that place.
    #[inline(always)]
    pub fn at(memory: &'a Memory, offset: usize) -> Self {
        Self(memory.window(offset))
    }

    /// The lock in a window.
    #[inline(always)]
    pub fn of(window: Window<'a, LOCK_BYTES>) -> Self {
        Self(window)
    }

    #[inline(always)]
    fn raw(self) -> *mut libc::pthread_mutex_t {
        self.0.address().as_ptr().cast()
    }

    /// Makes a free lock of zeroed memory that nobody else can see yet.
    pub fn initialise(self) {
        for (index, half) in fresh().iter().enumerate() {
            self.0.store_half(index * 4, *half);
        }
    }

    /// True if this is a lock of our kind, in whatever state: the parts that say so are as in a
    /// fresh one. Keeps the C library from walking into what is not a lock.
    pub fn is_of_our_kind(self) -> bool {
        let load = |index: usize| self.0.load_half(index * 4);
        let is_same = |(index, half): (usize, &u32)| *half == 0 || load(index) == *half;
        fresh().iter().enumerate().all(is_same)
    }

    /// True if it is a lock of our kind that is free.
    pub fn is_sound(self) -> bool {
        let is_same = |index: usize| self.0.load_half(index * 4) == fresh()[index];
        self.is_of_our_kind() && DECIDING.into_iter().all(is_same)
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(self) -> Result<Option<Taken>, Errno> {
        // SAFETY: the mutex was initialised before the segment was published and is never
        // destroyed; `is_of_our_kind` was checked when the segment was opened.
        answer(unsafe { libc::pthread_mutex_trylock(self.raw()) })
    }

    /// Takes the lock, waiting until the deadline.
    pub fn lock_until(self, deadline: Instant) -> Result<Option<Taken>, Errno> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wall = wall_time_after(left.min(SLICE));
            // SAFETY: as in `try_lock`; the time lives through the call.
            let taken = answer(unsafe { libc::pthread_mutex_timedlock(self.raw(), &wall) })?;
            if taken.is_some() || left.is_zero() {
                return Ok(taken);
            }
        }
    }

    /// Takes note of the death of the last owner: from here on the lock tells nobody of it, and is
    /// like any other. A lock that is given back without is lost for good.
    pub fn make_consistent(self) -> Result<(), Errno> {
        // SAFETY: as in `try_lock`; the caller holds the lock, which the call itself checks.
        match unsafe { libc::pthread_mutex_consistent(self.raw()) } {
            0 => Ok(()),
            number => Err(Errno::from_raw_os_error(number)),
        }
    }

    /// Gives the lock back.
    #[inline(always)]
    pub fn unlock(self) {
        // SAFETY: as in `try_lock`; guards call this once, on the thread that took the lock.
        let result = unsafe { libc::pthread_mutex_unlock(self.raw()) };
        debug_assert_eq!(result, 0, "the owner can unlock");
    }

    /// The number of the thread that holds it, 0 if none.
    pub fn owner_thread(self) -> u32 {
        self.0.load_half(OWNER_AT) & THREAD_MASK
    }
}

#[inline(always)]
fn answer(number: libc::c_int) -> Result<Option<Taken>, Errno> {
    match number {
        0 => Ok(Some(Taken::Whole)),
        libc::EOWNERDEAD => Ok(Some(Taken::OwnerDied)),
        libc::EBUSY | libc::ETIMEDOUT => Ok(None),
        _ => Err(Errno::from_raw_os_error(number)),
    }
}

fn wall_time_after(duration: Duration) -> libc::timespec {
    let now = clock_gettime(ClockId::Realtime);
    let nanoseconds = now.tv_nsec + i64::from(duration.subsec_nanos());
    let seconds = now.tv_sec + duration.as_secs() as i64 + nanoseconds / 1_000_000_000;
    libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds % 1_000_000_000 }
}

/// What a free lock looks like.
fn fresh() -> &'static [u32; LOCK_BYTES / 4] {
    static FRESH: OnceLock<[u32; LOCK_BYTES / 4]> = OnceLock::new();
    FRESH.get_or_init(make_fresh)
}

fn make_fresh() -> [u32; LOCK_BYTES / 4] {
    #[repr(C, align(64))]
    struct Place([u32; LOCK_BYTES / 4]);
    let mut place = Place([0; LOCK_BYTES / 4]);
    // SAFETY: all bits zero is a valid attribute object to be initialised.
    let mut attributes: libc::pthread_mutexattr_t = unsafe { std::mem::zeroed() };
    // SAFETY: the attributes and the place are ours alone, large and aligned enough for a mutex.
    // The C library's free lock holds no address of itself, so its bytes may be copied elsewhere.
    let results = unsafe {
        [
            libc::pthread_mutexattr_init(&mut attributes),
            libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED),
            libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST),
            libc::pthread_mutex_init(place.0.as_mut_ptr().cast(), &attributes),
            libc::pthread_mutexattr_destroy(&mut attributes),
        ]
    };
    assert_eq!(results, [0; 5], "every Linux has robust shared mutexes");
    place.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Header, Kind, Memfd, Segment};

    fn segment() -> Segment {
        let header = Header::new(8192, [0; 8]);
        Segment::create(&Memfd::new("lock"), Kind::Dictionary, header, 0o600, |memory, _| {
            RobustLock::at(memory, 4096).initialise();
            Ok(())
        })
        .expect("there is memory")
    }

    #[test]
    fn a_lock_left_by_a_dead_thread_says_so_once() {
        let segment = segment();
        let lock = RobustLock::at(segment.memory(), 4096);
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(lock.try_lock(), Ok(Some(Taken::Whole))));
        });
        let soon = || Instant::now() + Duration::from_secs(10);
        assert_eq!(lock.lock_until(soon()), Ok(Some(Taken::OwnerDied)));
        assert_eq!(lock.make_consistent(), Ok(()));
        lock.unlock();
        assert_eq!(lock.lock_until(soon()), Ok(Some(Taken::Whole)));
        lock.unlock();
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_the_owner_is_known() {
        let segment = segment();
        let lock = RobustLock::at(segment.memory(), 4096);
        assert_eq!(lock.owner_thread(), 0);
        assert_eq!(lock.try_lock(), Ok(Some(Taken::Whole)));
        assert_ne!(lock.owner_thread(), 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_millis(20);
                assert_eq!(lock.lock_until(deadline), Ok(None));
                assert!(Instant::now() >= deadline);
            });
        });
        lock.unlock();
    }

    #[test]
    fn what_is_not_a_lock_is_recognised() {
        let segment = segment();
        assert!(RobustLock::at(segment.memory(), 4096).is_of_our_kind());
        assert!(!RobustLock::at(segment.memory(), 4096 + 128).is_of_our_kind());
    }

    #[test]
    fn a_lock_that_was_given_back_is_sound_and_one_that_is_held_or_overwritten_is_not() {
        let segment = segment();
        let lock = RobustLock::at(segment.memory(), 4096);
        assert_eq!(lock.try_lock(), Ok(Some(Taken::Whole)));
        assert!(!lock.is_sound());
        lock.unlock();
        assert!(lock.is_sound());
        for index in DECIDING {
            lock.initialise();
            assert!(lock.is_sound());
            lock.0.store_half(index * 4, 0xdead_beef);
            assert!(!lock.is_sound(), "word {index}");
        }
    }
}
