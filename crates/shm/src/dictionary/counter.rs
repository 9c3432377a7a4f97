//! Counters for many writers: a number in eight entries, of which each thread adds to one.
//!
//! The entries are `NAME#1` to `NAME#8` (docs/shm-format.md), so they lie in different shards of a
//! large dictionary, and writers that would wait for one lock wait for eight. A read adds them up.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use super::handle::Dictionary;
use super::value::{Number, OwnedValue, SetOptions};
use super::write::sum;
use crate::error::{Error, Result};

/// Entries of a counter; a format, since all who use one must agree.
const STRIPES: u32 = 8;

/// A counter that many threads and processes add to at once.
///
/// ```
/// use moonhive_shm::{Dictionary, Number, Options};
///
/// # fn main() -> Result<(), moonhive_shm::Error> {
/// let dictionary = Dictionary::create_unnamed("figures", &Options::new(1 << 20))?;
/// let requests = dictionary.counter("requests");
/// requests.add(1.into())?;
/// requests.add(2.into())?;
/// assert_eq!(requests.read()?, Number::Integer(3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StripedCounter<'d> {
    dictionary: &'d Dictionary,
    name: &'d [u8],
}

impl Dictionary {
    /// The counter of a name, which needs not exist yet: the same for all who ask for it, in any
    /// language.
    pub fn counter<'d>(&'d self, name: &'d (impl AsRef<[u8]> + ?Sized)) -> StripedCounter<'d> {
        StripedCounter { dictionary: self, name: name.as_ref() }
    }
}

/// Every operation fails with [`Error::EmptyKey`] and [`Error::KeyTooLong`].
impl StripedCounter<'_> {
    /// Adds to the counter. What it comes to a [`read`](Self::read) tells. Integers stay exact.
    ///
    /// # Errors
    /// [`Error::NotNumber`] if something else has the key, [`Error::Overflow`],
    /// [`Error::NoMemory`].
    pub fn add(&self, by: Number) -> Result<()> {
        let (key, options) = (self.key(own_stripe())?, SetOptions::default());
        self.dictionary.incr(key, by, Some(Number::Integer(0)), options).map(drop)
    }

    /// The sum of all that was added since the last reset; what is being added meanwhile may be in
    /// it or not.
    ///
    /// # Errors
    /// [`Error::NotNumber`] if something else has a key, [`Error::Overflow`] if the sum of integers
    /// does not fit into 64 bits.
    pub fn read(&self) -> Result<Number> {
        (1..=STRIPES).try_fold(Number::Integer(0), |total, stripe| {
            let part = match self.dictionary.get(self.key(stripe)?)?.map(|entry| entry.value) {
                None => return Ok(total),
                Some(OwnedValue::Integer(part)) => Number::Integer(part),
                Some(OwnedValue::Double(part)) => Number::Double(part),
                Some(_) => return Err(Error::NotNumber),
            };
            sum(total, part)
        })
    }

    /// Begins anew at 0. What others add meanwhile may be lost.
    ///
    /// # Errors
    /// Those of all operations; some of the entries may have ended.
    pub fn reset(&self) -> Result<()> {
        (1..=STRIPES).try_for_each(|stripe| self.dictionary.delete(self.key(stripe)?).map(drop))
    }

    fn key(&self, stripe: u32) -> Result<Vec<u8>> {
        match self.name.is_empty() {
            true => Err(Error::EmptyKey),
            false => Ok([self.name, format!("#{stripe}").as_bytes()].concat()),
        }
    }
}

/// The entry that this thread adds to, from 1: the next one for each thread, beginning somewhere in
/// each process.
fn own_stripe() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static OWN: Cell<u32> = const { Cell::new(0) };
    }
    OWN.with(|own| {
        if own.get() == 0 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id());
            own.set(number % STRIPES + 1);
        }
        own.get()
    })
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::thread;

    use super::*;
    use crate::Options;

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("counters", &Options::new(4 << 20)).unwrap()
    }

    #[test]
    fn a_counter_has_a_name() {
        let dictionary = dictionary();
        let counter = dictionary.counter("");
        assert_eq!(counter.add(1.into()), Err(Error::EmptyKey));
        assert_eq!(counter.read(), Err(Error::EmptyKey));
        assert_eq!(counter.reset(), Err(Error::EmptyKey));
        assert_eq!(dictionary.statistics().entries, 0);
    }

    #[test]
    fn a_counter_loses_nothing_that_threads_add_at_once() {
        let dictionary = dictionary();
        let add = || {
            let counter = dictionary.counter("visits");
            (0..5000).for_each(|_| counter.add(1.into()).unwrap());
        };
        thread::scope(|scope| (0..STRIPES).for_each(|_| drop(scope.spawn(add))));
        assert_eq!(dictionary.counter("visits").read(), Ok(Number::Integer(40_000)));
        assert!(dictionary.statistics().entries > 1, "threads add to different entries");
        dictionary.counter("visits").reset().unwrap();
        assert_eq!(dictionary.counter("visits").read(), Ok(Number::Integer(0)));
        assert_eq!(dictionary.statistics().entries, 0);
    }

    #[test]
    fn the_entries_of_a_counter_are_where_others_look_for_them() {
        let dictionary = dictionary();
        for stripe in 1..=8 {
            dictionary.set(format!("n#{stripe}"), 1.into(), SetOptions::default()).unwrap();
        }
        let counter = dictionary.counter("n");
        counter.add(Number::Double(0.5)).unwrap();
        assert_eq!(counter.read(), Ok(Number::Double(8.5)));
        assert_eq!(dictionary.statistics().entries, 8, "it has no other entries");
    }

    #[test]
    fn what_is_no_counter_is_said_and_kept() {
        let dictionary = dictionary();
        for stripe in 1..=8 {
            dictionary.set(format!("n#{stripe}"), "text".into(), SetOptions::default()).unwrap();
        }
        let counter = dictionary.counter("n");
        assert_eq!(counter.add(1.into()), Err(Error::NotNumber));
        assert_eq!(counter.read(), Err(Error::NotNumber));
        let long = [b'n'; crate::KEY_LIMIT_BYTES];
        assert!(matches!(dictionary.counter(&long).add(1.into()), Err(Error::KeyTooLong { .. })));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error_and_changes_nothing() {
        let dictionary = dictionary();
        dictionary.set("n#1", i64::MAX.into(), SetOptions::default()).unwrap();
        dictionary.set("n#2", 1.into(), SetOptions::default()).unwrap();
        assert_eq!(dictionary.counter("n").read(), Err(Error::Overflow));
    }
}
