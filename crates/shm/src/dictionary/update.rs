//! `update`: a value replaced by what a function makes of it, without a lock that anybody else
//! would wait for.

use super::handle::Dictionary;
use super::value::{Entry, OwnedValue, SetOptions, Stored};
use crate::error::{Error, Result};

/// Attempts before it gives up: so often others were faster.
const ATTEMPTS: u32 = 1000;

impl Dictionary {
    /// Stores what `make` makes of the live entry of a key (`None`: there is none), unless another
    /// writer is faster: then `make` is called again with what that one has stored. So no change is
    /// lost, and `make` may be called often. Where it returns nothing, the entry stays and nothing
    /// is returned. End and flags of a live entry stay, too, unless the options have a time or
    /// flags.
    ///
    /// ```
    /// use moonhive_shm::{Dictionary, Options, OwnedValue, SetOptions, Value};
    ///
    /// # fn main() -> Result<(), moonhive_shm::Error> {
    /// let dictionary = Dictionary::create_unnamed("names", &Options::new(1 << 20))?;
    /// for name in ["ada", "bob"] {
    ///     dictionary.update("names", SetOptions::default(), |old| {
    ///         let mut names = match old.map(|entry| entry.value) {
    ///             Some(Value::Bytes(names)) => names.to_vec(),
    ///             _ => Vec::new(),
    ///         };
    ///         names.extend(format!("{name};").into_bytes());
    ///         Some(OwnedValue::Bytes(names))
    ///     })?;
    /// }
    /// let names = dictionary.get("names")?.expect("it was just stored");
    /// assert_eq!(names.value, OwnedValue::Bytes(b"ada;bob;".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ValueIsList`], [`Error::NoMemory`]; [`Error::Changed`] if others were faster a
    /// thousand times.
    pub fn update(
        &self,
        key: impl AsRef<[u8]>,
        options: SetOptions,
        mut make: impl FnMut(Option<&Entry<'_>>) -> Option<OwnedValue>,
    ) -> Result<Option<Stored>> {
        let (key, mut buffer) = (key.as_ref(), Vec::new());
        let mut attempt = 1;
        loop {
            let old = self.get_into(key, &mut buffer)?;
            let Some(new) = make(old.as_ref()) else { return Ok(None) };
            let stored = match &old {
                Some(old) => self.cas(key, old.version, new.as_value(), kept_of(old, options)),
                None => self.add(key, new.as_value(), options),
            };
            match stored {
                Ok(stored) => return Ok(Some(stored)),
                Err(Error::Changed { .. } | Error::NotFound | Error::Exists)
                    if attempt < ATTEMPTS => {}
                Err(Error::NotFound | Error::Exists) => return Err(Error::Changed { version: 0 }),
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }
}

/// The options of a store that leaves an entry what they say nothing about.
fn kept_of(old: &Entry<'_>, options: SetOptions) -> SetOptions {
    SetOptions {
        keep_ttl: options.keep_ttl || options.ttl_ms == 0,
        flags: if options.flags == 0 { old.flags } else { options.flags },
        ..options
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Options, Remaining, Side, Value};

    fn dictionary() -> Dictionary {
        Dictionary::create_unnamed("update", &Options::new(64 << 10)).unwrap()
    }

    fn plus_one(old: Option<&Entry<'_>>) -> Option<OwnedValue> {
        match old.map(|entry| entry.value) {
            Some(Value::Integer(number)) => Some(OwnedValue::Integer(number + 1)),
            _ => Some(OwnedValue::Integer(1)),
        }
    }

    fn end_us(dictionary: &Dictionary) -> u64 {
        match dictionary.ttl("key").unwrap() {
            Remaining::Us(left_us) => crate::clock::now_us() + left_us,
            Remaining::Forever => panic!("it has an end"),
        }
    }

    #[test]
    fn update_loses_no_change_of_others() {
        let dictionary = dictionary();
        let count = || {
            for _ in 0..500 {
                dictionary.update("key", SetOptions::default(), plus_one).unwrap();
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(count))));
        assert_eq!(dictionary.get("key").unwrap().unwrap().value, OwnedValue::Integer(2000));
    }

    #[test]
    fn update_keeps_end_and_flags_unless_it_has_others() {
        let (dictionary, plain) = (dictionary(), SetOptions::default());
        let ends = plain.ttl_ms(3_600_000).flags(7);
        dictionary.set("key", "text".into(), ends).unwrap();
        let before_us = end_us(&dictionary);
        dictionary.update("key", plain, plus_one).unwrap();
        dictionary.update("key", plain, plus_one).unwrap();
        assert!(
            end_us(&dictionary).abs_diff(before_us) < 1_000_000,
            "the same to the clock's reading"
        );
        assert_eq!(dictionary.get("key").unwrap().unwrap().flags, 7);
        dictionary.update("key", plain.ttl_ms(7_200_000).flags(8), plus_one).unwrap();
        assert!(end_us(&dictionary) > before_us + 3_000_000_000);
        assert_eq!(dictionary.get("key").unwrap().unwrap().flags, 8);
    }

    #[test]
    fn an_end_that_is_kept_is_the_same_however_often_and_by_whom() {
        let (dictionary, plain) = (dictionary(), SetOptions::default());
        dictionary.set("key", 1.into(), plain.ttl_ms(50)).unwrap();
        let keep = plain.keep_ttl().ttl_ms(3_600_000);
        // Each time that began anew, by a millisecond even, would let it live for ever.
        let mut stores = 0u64;
        while dictionary.replace("key", Value::Integer(stores as i64), keep).is_ok() {
            stores += 1;
        }
        dictionary.set("key", "new".into(), keep).unwrap();
        assert!(end_us(&dictionary) > crate::clock::now_us() + 3_000_000_000, "a new entry");
    }

    #[test]
    fn update_leaves_alone_what_it_is_not_to_change() {
        let (dictionary, plain) = (dictionary(), SetOptions::default());
        assert_eq!(dictionary.update("key", plain, |_| None), Ok(None));
        assert_eq!(dictionary.version("key"), Ok(None));
        dictionary.push("list", 1.into(), Side::Left, plain).unwrap();
        assert_eq!(dictionary.update("list", plain, plus_one), Err(Error::ValueIsList));
    }

    #[test]
    fn update_gives_up_when_others_are_always_faster() {
        let (dictionary, plain) = (dictionary(), SetOptions::default());
        let mut calls = 0;
        let updated = dictionary.update("key", plain, |_| {
            calls += 1;
            dictionary.set("key", calls.into(), plain).unwrap();
            Some(OwnedValue::Nil)
        });
        assert!(matches!(updated, Err(Error::Changed { .. })), "{updated:?}");
        assert_eq!(calls, 1000);
    }
}
