//! Cursors over entries with what they hold.
//!
//! The keys come from a walk, and each value is read for itself afterwards, as any reader does: no
//! lock is held while a large one is copied.

use super::handle::Dictionary;
use super::value::OwnedValue;
use super::walk::{Cursor, Item};
use crate::error::{Error, Result};

/// Attempts to read an entry that is replaced by one of another kind meanwhile.
const ATTEMPTS: u32 = 8;

/// An entry that a walk has met, with what it held when its turn came.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Its key.
    pub key: Vec<u8>,
    /// Its flags.
    pub flags: u32,
    /// Its version.
    pub version: u64,
    /// What it holds.
    pub held: Held,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// A value.
    Value(OwnedValue),
    /// A list, whose elements [`Dictionary::elements`] reads in pieces.
    List {
        /// How many they are.
        length: u64,
    },
}

impl Dictionary {
    /// As [`items_with_prefix`](Self::items_with_prefix), with what the entries hold. One that ends
    /// before its turn comes is left out. An empty prefix is that of all.
    ///
    /// ```
    /// use moonhive_shm::{Cursor, Dictionary, Held, Options, OwnedValue, SetOptions};
    ///
    /// # fn main() -> Result<(), moonhive_shm::Error> {
    /// let dictionary = Dictionary::create_unnamed("users", &Options::new(1 << 20))?;
    /// dictionary.set("user:1", "ada".into(), SetOptions::default())?;
    /// let (entries, _next) = dictionary.entries("user:", Cursor::default(), 100)?;
    /// assert_eq!(entries[0].key, b"user:1");
    /// assert_eq!(entries[0].held, Held::Value(OwnedValue::Bytes(b"ada".to_vec())));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn entries(
        &self,
        prefix: impl AsRef<[u8]>,
        cursor: Cursor,
        wanted: usize,
    ) -> Result<(Vec<Listing>, Option<Cursor>)> {
        let (items, next) = self.items_with_prefix(prefix, cursor, wanted)?;
        let listings = items.into_iter().map(|item| self.listing_of(item));
        Ok((listings.filter_map(Result::transpose).collect::<Result<_>>()?, next))
    }

    /// What an entry is now; `None` if it has ended.
    fn listing_of(&self, item: Item) -> Result<Option<Listing>> {
        let Item { key, flags, version, .. } = item;
        for _ in 0..ATTEMPTS {
            match self.get(&key) {
                Ok(None) => return Ok(None),
                Ok(Some(entry)) => {
                    let (flags, version) = (entry.flags, entry.version);
                    return Ok(Some(Listing {
                        key,
                        flags,
                        version,
                        held: Held::Value(entry.value),
                    }));
                }
                Err(Error::ValueIsList) => {}
                Err(error) => return Err(error),
            }
            match self.length(&key) {
                // It was a list a moment ago.
                Ok(0) | Err(Error::ValueNotList) => {}
                Ok(length) => {
                    return Ok(Some(Listing { key, flags, version, held: Held::List { length } }));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::{Options, SetOptions, Side};

    fn all(dictionary: &Dictionary, prefix: &str) -> Vec<Listing> {
        let (mut found, mut next) = (Vec::new(), Some(Cursor::default()));
        while let Some(cursor) = next {
            let (listings, then) = dictionary.entries(prefix, cursor, 3).unwrap();
            found.extend(listings);
            next = then;
        }
        found.sort_by(|one, other| one.key.cmp(&other.key));
        found
    }

    #[test]
    fn entries_come_with_what_they_hold_when_their_turn_comes() {
        let dictionary = Dictionary::create_unnamed("entries", &Options::new(64 << 10)).unwrap();
        let plain = SetOptions::default();
        for number in 0..20 {
            dictionary.set(format!("n:{number:02}"), number.into(), plain.flags(3)).unwrap();
        }
        dictionary.push("list", 1.into(), Side::Left, plain).unwrap();
        dictionary.push("list", 2.into(), Side::Left, plain).unwrap();
        let numbers = all(&dictionary, "n:");
        assert_eq!(numbers.len(), 20);
        for (number, listing) in (0..).zip(&numbers) {
            assert_eq!(listing.held, Held::Value(OwnedValue::Integer(number)));
            assert_eq!(dictionary.version(&listing.key), Ok(Some(listing.version)));
            assert_eq!(listing.flags, 3);
        }
        let list = all(&dictionary, "l");
        assert_eq!((list.len(), &list[0].held), (1, &Held::List { length: 2 }));
        assert_eq!(all(&dictionary, "").len(), 21);
    }

    #[test]
    fn an_entry_that_ends_before_its_turn_is_left_out() {
        let dictionary = Dictionary::create_unnamed("entries", &Options::new(64 << 10)).unwrap();
        dictionary.set("key", 1.into(), SetOptions::default()).unwrap();
        let (items, _) = dictionary.items(Cursor::default(), 1).unwrap();
        let item = || items[0].clone();
        dictionary.delete("key").unwrap();
        assert_eq!(dictionary.listing_of(item()), Ok(None));
        dictionary.push("key", 1.into(), Side::Left, SetOptions::default()).unwrap();
        let held = dictionary.listing_of(item()).unwrap().map(|listing| listing.held);
        assert_eq!(held, Some(Held::List { length: 1 }));
    }
}
