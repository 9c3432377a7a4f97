//! Waiting for a change without polling: a doorbell for each shard.
//!
//! One word: bit 0 says that somebody may sleep, the rest counts rings. Who waits sets the bit,
//! takes the lock and gives it back, looks once more at what he waits for, and sleeps on the word
//! as he saw it. Who changes something looks at the bit after the change; if it is set he counts
//! on, which clears it, and wakes all. A change made before the waiter had the lock he sees; one
//! made after it comes from a thread that had the lock later and so sees the bit. Changes therefore
//! need no fence, which would cost each of them 20 ns. No number counts waiters, so a dead waiter
//! leaves nothing wrong. A ringer may die between change and ring: every sleep is bounded, and the
//! sleeper looks again.

use std::time::{Duration, Instant};

use rustix::io::Errno;
#[cfg(not(loom))]
use rustix::thread::futex;

use super::core::{Core, Key};
use super::shard::DOORBELL;
use crate::error::{Error, Result};
use crate::sync::{AtomicU32, Ordering};

/// Longest single sleep.
const NAP: Duration = Duration::from_millis(100);

/// Mark of somebody who may sleep.
pub(super) const SLEEPER: u32 = 1;

impl<'a> Core<'a> {
    /// The doorbell of a shard.
    #[inline(always)]
    pub(super) fn doorbell(self, shard: u32) -> &'a AtomicU32 {
        self.fields_of(shard).half(DOORBELL)
    }

    /// Wakes who waits for a change in a shard. Called after the change.
    #[inline]
    pub fn ring(self, shard: u32) {
        let bell = self.doorbell(shard);
        if bell.load(Ordering::Relaxed) & SLEEPER != 0 {
            ring_for(bell);
        }
    }

    /// Waits until `look` has an answer.
    ///
    /// # Errors
    /// [`Error::Timeout`], or what `look` fails with.
    pub fn wait_for<T>(
        self,
        key: &Key<'_>,
        timeout: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now().checked_add(timeout);
        let bell = self.doorbell(key.shard);
        loop {
            let seen = bell.fetch_or(SLEEPER, Ordering::SeqCst) | SLEEPER;
            drop(self.lock(key.shard)?);
            if let Some(answer) = look()? {
                return Ok(answer);
            }
            let left = deadline.map_or(NAP, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Error::Timeout);
            }
            sleep_on(bell, seen, left.min(NAP))?;
        }
    }

    /// Waits until the version of a key is another one; `None` stands for no live entry.
    ///
    /// # Errors
    /// [`Error::Timeout`], or a lock that could not be had.
    pub fn wait(
        self,
        key: &Key<'_>,
        version: Option<u64>,
        timeout: Duration,
    ) -> Result<Option<u64>> {
        self.wait_for(key, timeout, || {
            let now = self.version(key)?;
            Ok((now != version).then_some(now))
        })
    }
}

#[cold]
fn ring_for(bell: &AtomicU32) {
    let rung = |word: u32| (word & SLEEPER != 0).then_some((word & !SLEEPER).wrapping_add(2));
    let counted = bell.fetch_update(Ordering::SeqCst, Ordering::SeqCst, rung);
    crate::fault::point();
    #[cfg(not(loom))]
    if counted.is_ok() {
        let _ = futex::wake(bell, futex::Flags::empty(), i32::MAX as u32);
    }
    #[cfg(loom)]
    let _ = counted;
}

fn sleep_on(bell: &AtomicU32, seen: u32, nap: Duration) -> Result<()> {
    let time = rustix::time::Timespec {
        tv_sec: nap.as_secs() as i64,
        tv_nsec: i64::from(nap.subsec_nanos()),
    };
    #[cfg(not(loom))]
    let slept = futex::wait(bell, futex::Flags::empty(), seen, Some(&time));
    #[cfg(loom)]
    let slept: rustix::io::Result<()> = {
        let _ = (bell, seen, time);
        crate::sync::spin();
        Ok(())
    };
    match slept {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => Err(Error::system("wait on", "the doorbell", errno)),
    }
}
