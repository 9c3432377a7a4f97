//! Waiting for changes of many keys at once, in one thread: the doorbells of [`wait`](super::wait)
//! as something that a program listens to itself.
//!
//! A program that has many waiters (a host of coroutines) asks for the [`Bell`] of each key,
//! listens to it, looks at the keys, and sleeps in [`wait_any`] until one of the bells rings. The
//! order matters: what was changed before the listening is seen by the look, what is changed after
//! it rings. A ring says only that something in the shard has changed; a ringer that dies between
//! change and ring, and an entry that expires, ring nothing. Whoever waits therefore looks again
//! from time to time, whatever he hears.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex::{self, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::handle::Dictionary;
use super::shard::Locked;
use super::wait::SLEEPER;
use crate::error::{Error, Result};

/// Bells that one thread can wait for: the system takes 128 words, one of which is the thread's
/// own.
pub const BELLS_MOST: usize = 127;

/// Longest sleep where the system cannot wait for several words (before Linux 5.16).
const NAP_WITHOUT_WAITV: Duration = Duration::from_millis(2);

/// The doorbell that rings when something changes in the shard of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bell(u32);

/// A bell as it was when somebody began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard(u32);

impl Dictionary {
    /// The bell that rings with changes of this key, among others.
    ///
    /// # Errors
    /// [`Error::EmptyKey`], [`Error::KeyTooLong`].
    pub fn bell(&self, key: impl AsRef<[u8]>) -> Result<Bell> {
        Ok(Bell(self.core().key(key.as_ref())?.shard))
    }

    /// Begins to listen: every change from now on rings. `None` while somebody holds the lock of
    /// the shard: then a change may be under way that does not ring, and one has to ask again soon.
    pub fn listen(&self, bell: Bell) -> Option<Heard> {
        let seen = self.core().doorbell(bell.0).fetch_or(SLEEPER, Ordering::SeqCst) | SLEEPER;
        drop(Locked::if_free(self.core(), bell.0)?);
        Some(Heard(seen))
    }

    /// True if the bell has rung since.
    pub fn has_rung(&self, bell: Bell, heard: Heard) -> bool {
        self.core().doorbell(bell.0).load(Ordering::SeqCst) != heard.0
    }
}

/// A word by which other threads of this process wake the one that waits in [`wait_any`].
#[derive(Debug, Default)]
pub struct OwnBell(AtomicU32);

impl OwnBell {
    /// A bell that nobody has rung.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// How often it was rung. Asked for before the look at what the ringers have left.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Wakes the thread that waits, or lets its next wait end at once.
    pub fn ring(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        let _ = futex::wake(&self.0, futex::Flags::PRIVATE, 1);
    }
}

/// Sleeps until one of the bells rings, the own one is rung beyond `count`, or time is over.
///
/// # Errors
/// [`Error::InvalidOption`] for more than [`BELLS_MOST`] bells, or what the system refused.
pub fn wait_any(
    own: &OwnBell,
    count: u32,
    bells: &[(&Dictionary, Bell, Heard)],
    timeout: Option<Duration>,
) -> Result<()> {
    if bells.len() > BELLS_MOST {
        let (value, most) = (bells.len() as u64, BELLS_MOST as u64);
        return Err(Error::InvalidOption { option: "bells", value, least: 0, most });
    }
    static IS_REFUSED: AtomicBool = AtomicBool::new(false);
    if !IS_REFUSED.load(Ordering::Relaxed) {
        match wait_for_words(own, count, bells, timeout) {
            // Old kernels do not know the call, sandboxes that are older than it refuse it.
            Err(Errno::NOSYS | Errno::PERM) => IS_REFUSED.store(true, Ordering::Relaxed),
            waited => return accept(waited),
        }
    }
    accept(nap(own, count, bells, timeout))
}

fn accept(waited: rustix::io::Result<()>) -> Result<()> {
    match waited {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => Err(Error::system("wait on", "doorbells", errno)),
    }
}

fn wait_for_words(
    own: &OwnBell,
    count: u32,
    bells: &[(&Dictionary, Bell, Heard)],
    timeout: Option<Duration>,
) -> rustix::io::Result<()> {
    let mut words = Vec::with_capacity(bells.len() + 1);
    words.push(word(&own.0, count, WaitFlags::SIZE_U32 | WaitFlags::PRIVATE));
    for (dictionary, bell, heard) in bells {
        words.push(word(dictionary.core().doorbell(bell.0), heard.0, WaitFlags::SIZE_U32));
    }
    let end = timeout.and_then(moment_after);
    futex::waitv(&words, WaitvFlags::empty(), end.as_ref(), ClockId::Monotonic).map(|_| ())
}

fn word(word: &AtomicU32, expected: u32, flags: WaitFlags) -> futex::Wait {
    let mut wait = futex::Wait::new();
    wait.val = expected.into();
    wait.uaddr = WaitPtr::new(word.as_ptr().cast());
    wait.flags = flags;
    wait
}

/// The monotonic clock after so much time; `None` for a moment that never comes.
fn moment_after(time: Duration) -> Option<Timespec> {
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = now.tv_nsec + i64::from(time.subsec_nanos());
    let seconds = i64::try_from(time.as_secs()).ok()?.checked_add(now.tv_sec)?;
    let tv_sec = seconds.checked_add(nanoseconds / 1_000_000_000)?;
    Some(Timespec { tv_sec, tv_nsec: nanoseconds % 1_000_000_000 })
}

/// The same where only one word can be waited for: the own one, and a look at the others now and
/// then.
fn nap(
    own: &OwnBell,
    count: u32,
    bells: &[(&Dictionary, Bell, Heard)],
    timeout: Option<Duration>,
) -> rustix::io::Result<()> {
    let end = timeout.and_then(|time| Instant::now().checked_add(time));
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let has_rung =
            bells.iter().any(|(dictionary, bell, heard)| dictionary.has_rung(*bell, *heard));
        if has_rung || own.count() != count || left.is_some_and(|left| left.is_zero()) {
            return Ok(());
        }
        let nap = if bells.is_empty() {
            left
        } else {
            Some(left.unwrap_or(NAP_WITHOUT_WAITV).min(NAP_WITHOUT_WAITV))
        };
        let time = nap.map(|nap| Timespec {
            tv_sec: nap.as_secs() as i64,
            tv_nsec: nap.subsec_nanos().into(),
        });
        match futex::wait(&own.0, futex::Flags::PRIVATE, count, time.as_ref()) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Options, SetOptions, Side, Value};

    /// Longest wait of a test that does not fail.
    const LONG: Option<Duration> = Some(Duration::from_secs(20));
    const SHORT: Option<Duration> = Some(Duration::from_millis(5));

    /// Both ways to wait.
    type Way = fn(
        &OwnBell,
        u32,
        &[(&Dictionary, Bell, Heard)],
        Option<Duration>,
    ) -> rustix::io::Result<()>;
    const WAYS: [Way; 2] = [wait_for_words, nap];

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("bells", &Options::new(64 << 10)).expect("there is memory")
    }

    fn listen(dictionary: &Dictionary) -> (&Dictionary, Bell, Heard) {
        let bell = dictionary.bell("key").unwrap();
        (dictionary, bell, dictionary.listen(bell).expect("nobody holds the lock"))
    }

    fn took(wait: impl FnOnce() -> rustix::io::Result<()>) -> Duration {
        let start = Instant::now();
        assert!(accept(wait()).is_ok());
        start.elapsed()
    }

    /// Waits until a thread of this process sleeps.
    fn wait_until_asleep(thread: rustix::thread::Pid) {
        let place = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = std::fs::read_to_string(&place).expect("the thread is there");
            if text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')) {
                return;
            }
            assert!(Instant::now() < deadline, "it does not sleep: {text}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_change_of_any_of_several_dictionaries_ends_the_wait() {
        for way in WAYS {
            let (one, other, own) = (dictionary(), dictionary(), OwnBell::new());
            let bells = [listen(&one), listen(&other)];
            assert!(took(|| way(&own, 0, &bells, SHORT)) >= Duration::from_millis(5));
            thread::scope(|scope| {
                let waiter = rustix::thread::gettid();
                let other = &other;
                scope.spawn(move || {
                    wait_until_asleep(waiter);
                    other.push("key", Value::Integer(1), Side::Left, SetOptions::default())
                });
                assert!(took(|| way(&own, 0, &bells, LONG)) < Duration::from_secs(10));
            });
            assert!(!one.has_rung(bells[0].1, bells[0].2));
            assert!(other.has_rung(bells[1].1, bells[1].2));
        }
    }

    #[test]
    fn a_change_between_listening_and_sleeping_is_not_slept_through() {
        for way in WAYS {
            let (one, own) = (dictionary(), OwnBell::new());
            let bells = [listen(&one)];
            one.set("key", Value::Nil, SetOptions::default()).unwrap();
            assert!(took(|| way(&own, 0, &bells, LONG)) < Duration::from_secs(10));
        }
    }

    #[test]
    fn the_own_bell_ends_the_wait() {
        for way in WAYS {
            let (one, own) = (dictionary(), &OwnBell::new());
            let bells = [listen(&one)];
            thread::scope(|scope| {
                let waiter = rustix::thread::gettid();
                scope.spawn(move || {
                    wait_until_asleep(waiter);
                    own.ring();
                });
                assert!(took(|| way(own, 0, &bells, None)) < Duration::from_secs(10));
            });
            assert!(took(|| way(own, 0, &[], LONG)) < Duration::from_secs(10));
            assert_eq!(own.count(), 1);
        }
    }

    #[test]
    fn nobody_listens_while_the_lock_is_held() {
        let one = dictionary();
        let bell = one.bell("key").unwrap();
        let locked = one.core().lock(bell.0).unwrap();
        assert_eq!(one.listen(bell), None);
        drop(locked);
        assert!(one.listen(bell).is_some());
    }

    #[test]
    fn more_bells_than_the_system_takes_are_refused() {
        let (one, own) = (dictionary(), OwnBell::new());
        let bells = vec![listen(&one); BELLS_MOST + 1];
        assert!(wait_any(&own, 1, &bells[..BELLS_MOST], LONG).is_ok(), "it was rung before");
        let refused = wait_any(&own, 0, &bells, SHORT);
        assert_eq!(refused.unwrap_err().code(), "invalid_option");
    }
}
