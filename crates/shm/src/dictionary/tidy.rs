//! Giving back what has expired as nginx does: with each operation up to two entries, as long as
//! none that lives has been used longer ago. Only where the order of use is exact, and entries are
//! few.
//!
//! An operation must not look at all entries to learn that there is nothing to do. Two hints in the
//! shard, which all processes share, say when a look can find something. `DUE` is the moment at
//! which the first of the entries ends that live. Behind the blocker, an entry that lives, lies
//! everything that has expired: as long as it has been neither used nor changed, nothing of that
//! can go. Hints are written under the lock, and read without it: a reader who takes an old one for
//! a new one looks once too often, or an operation late.

use super::cells::{HEAD, equal_lanes};
use super::core::Core;
use super::handle::Dictionary;
use super::record::{COMMIT, ENTRY, Record, link_to, state_of, version_of};
use super::shard::{BLOCKER, BLOCKER_COMMIT, BLOCKER_STAMP, DUE, EXPIRIES, LIVE, Locked};
use crate::clock::now_us;

/// Entries that each operation gives back.
const WITH_AN_OPERATION: usize = 2;

/// Entries that are given back at once when all have ended.
const WITH_A_FLUSH: usize = 3;

/// Up to so many entries an operation looks at: all of them, under the lock.
const FEW_ENTRIES: u64 = 256;

/// When to see again whether entries have become few.
const LATER_US: u64 = 5000;

/// As `DUE`: nothing ends, and nothing has.
const NEVER: u64 = u64::MAX;

/// As `DUE`: nothing ends, but something has, behind the blocker.
const BLOCKED: u64 = u64::MAX - 1;

/// An entry, and when it was used last.
struct Used<'a> {
    record: Record<'a>,
    stamp: u32,
    age: u32,
    is_over: bool,
}

impl Dictionary {
    /// Gives back up to two expired entries that have not been used for longer than any live one,
    /// as nginx does with each operation; only where the order of use is exact and there are up to
    /// 256 entries. Who promises nginx's answers calls this before each operation; while nothing
    /// expires it is one look at a number. Waits for no lock.
    ///
    /// ```
    /// use moonhive_shm::{Dictionary, Options, SetOptions, Value};
    ///
    /// # fn main() -> Result<(), moonhive_shm::Error> {
    /// let dictionary = Dictionary::create_unnamed("tidied", &Options::new(64 << 10))?;
    /// dictionary.set("brief", Value::Integer(1), SetOptions::default().ttl_ms(1))?;
    /// while dictionary.get("brief")?.is_some() {}
    /// assert_eq!(dictionary.statistics().entries, 1);
    /// dictionary.tidy();
    /// assert_eq!(dictionary.statistics().entries, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn tidy(&self) {
        self.core().tidy();
    }

    /// The same for up to three entries, after [`flush_all`](Self::flush_all).
    pub fn tidy_flushed(&self) {
        self.core().tidy_flushed();
    }
}

impl<'a> Core<'a> {
    /// Gives back up to two expired entries at the end of the order of use. While nothing in the
    /// dictionary ends it is one look at a number. Never waits for a lock.
    #[inline(always)]
    pub fn tidy(self) {
        if self.geometry.exact {
            let due_us = self.fields_of(0).load(DUE);
            if due_us != NEVER {
                self.tidy_if_due(due_us);
            }
        }
    }

    /// Apart, so that the look stays small where it is used.
    #[inline(never)]
    fn tidy_if_due(self, due_us: u64) {
        if now_us() >= due_us || self.is_blocker_gone() {
            self.give_back(WITH_AN_OPERATION);
        }
    }

    /// Gives back up to three entries of those that have just ended.
    pub fn tidy_flushed(self) {
        if self.geometry.exact {
            self.give_back(WITH_A_FLUSH);
        }
    }

    #[cold]
    fn give_back(self, most: usize) {
        // Who finds the lock taken leaves it to the next one.
        if let Some(mut shard) = Locked::if_free(self, 0) {
            shard.tidy(most);
        }
    }

    /// True if something has expired behind an entry that has been used or changed since, or has
    /// gone.
    fn is_blocker_gone(self) -> bool {
        let fields = self.fields_of(0);
        let Some(cell) = fields.load_half(BLOCKER).checked_sub(1) else { return false };
        cell >= self.geometry.cells
            || self.stamp(cell) != fields.load_half(BLOCKER_STAMP)
            || self.head_of(cell).load(COMMIT) != fields.load(BLOCKER_COMMIT)
    }
}

impl<'a> Locked<'a> {
    /// An entry has got an end.
    #[inline(always)]
    pub fn note_end(&self, expiry_us: u64) {
        if expiry_us == 0 {
            return;
        }
        self.note_first_end(expiry_us);
        if self.core.geometry.exact && expiry_us < self.field(DUE) {
            self.set_field(DUE, expiry_us);
        }
    }

    /// Gives back up to `most` expired entries that have not been used for longer than any live
    /// one.
    pub fn tidy(&mut self, most: usize) {
        if self.field(LIVE) > FEW_ENTRIES {
            return self.set_hints(now_us().saturating_add(LATER_US), None);
        }
        let entries = self.in_order_of_use();
        let dead = entries.iter().take_while(|entry| entry.is_over).take(most).count();
        let (dead, left) = entries.split_at(dead);
        self.give_back(dead);
        if dead.len() == most {
            // There may be more: the next operation looks.
            return self.set_hints(0, None);
        }
        let first_dead = left.iter().position(|entry| entry.is_over);
        let blocker = first_dead.and_then(|first| left[..first].last());
        let ends = left.iter().filter(|entry| !entry.is_over).map(|entry| entry.record.expiry_us());
        let rest = if blocker.is_some() { BLOCKED } else { NEVER };
        let due_us = ends.filter(|end_us| *end_us != 0).fold(rest, u64::min);
        self.set_hints(due_us, blocker);
    }

    /// Gives back up to `most` expired entries, those first that have been used longest ago; how
    /// many.
    pub fn give_back_oldest(&mut self, most: u64) -> u64 {
        let mut entries = self.in_order_of_use();
        entries.retain(|entry| entry.is_over);
        entries.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        self.give_back(&entries);
        entries.len() as u64
    }

    fn give_back(&mut self, entries: &[Used<'a>]) {
        for entry in entries {
            self.remove_cell(&entry.record);
            self.count(EXPIRIES, 1);
        }
    }

    fn set_hints(&self, due_us: u64, blocker: Option<&Used<'_>>) {
        let cell = blocker.map_or(0, |entry| link_to(entry.record.cell));
        self.set_half(BLOCKER, cell);
        self.set_half(BLOCKER_STAMP, blocker.map_or(0, |entry| entry.stamp));
        self.set_field(BLOCKER_COMMIT, blocker.map_or(0, |entry| entry.record.commit()));
        self.set_field(DUE, due_us);
    }

    /// The next operation looks, whatever was known.
    pub fn forget_hints(&self) {
        self.set_field(DUE, 0);
    }

    /// All entries, the least recently used first.
    fn in_order_of_use(&self) -> Vec<Used<'a>> {
        let mut entries = Vec::new();
        let own = Core::owner_byte(self.shard) | HEAD;
        let now = self.core.recency(self.shard);
        for first in (0..self.core.geometry.cells).step_by(8) {
            let mut lanes = equal_lanes(self.core.owner_word(first), own);
            while lanes != 0 {
                entries.extend(self.used(first + lanes.trailing_zeros(), now));
                lanes &= lanes - 1;
            }
        }
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.age));
        entries
    }

    /// The entry in a cell, if one begins there, as seen from a moment in the order of use.
    fn used(&self, cell: u32, now: u32) -> Option<Used<'a>> {
        let record = self.core.record(cell)?;
        let commit = record.commit();
        if state_of(commit) != ENTRY {
            return None;
        }
        let stamp = self.core.stamp(cell);
        let age = self.core.age(now, stamp);
        Some(Used { record, stamp, age, is_over: self.is_over(&record, version_of(commit)) })
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::os::fd::AsFd as _;
    use std::time::{Duration, Instant};

    use crate::{Dictionary, Options, SetOptions, Value};

    fn dictionary(size_bytes: u64) -> Dictionary {
        Dictionary::create_unnamed("test", &Options::new(size_bytes)).expect("there is memory")
    }

    fn plain() -> SetOptions {
        SetOptions::default()
    }

    #[track_caller]
    fn check(dictionary: &Dictionary) {
        assert_eq!(dictionary.check(), Ok(Vec::new()));
    }

    #[track_caller]
    fn wait_until_gone(dictionary: &Dictionary, key: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while dictionary.ttl(key).is_ok() {
            assert!(Instant::now() < deadline, "{key} does not expire");
        }
    }

    /// Keys whose entries have ended and are still there. Reading them would be a use.
    fn kept(dictionary: &Dictionary, keys: &[&'static str]) -> Vec<&'static str> {
        let is_kept = |key: &&&str| dictionary.overdue(**key).unwrap().is_some();
        keys.iter().filter(is_kept).copied().collect()
    }

    #[test]
    fn an_operation_gives_back_two_expired_entries_but_none_used_later_than_a_live_one() {
        let dictionary = dictionary(64 << 10);
        for key in ["a", "b", "c"] {
            dictionary.set(key, Value::Integer(1), plain().ttl_ms(1)).unwrap();
        }
        for key in ["live", "lives on"] {
            dictionary.set(key, Value::Integer(1), plain()).unwrap();
        }
        dictionary.set("d", Value::Integer(1), plain().ttl_ms(1)).unwrap();
        let ended = ["a", "b", "c", "d"];
        ended.iter().for_each(|key| wait_until_gone(&dictionary, key));
        let after_tidy = || {
            dictionary.tidy();
            kept(&dictionary, &ended)
        };
        assert_eq!(after_tidy(), ["c", "d"]);
        assert_eq!(after_tidy(), ["d"]);
        assert_eq!(after_tidy(), ["d"], "used later than entries that live");
        for (used, left) in [("live", &["d"][..]), ("lives on", &[])] {
            dictionary.get(used).unwrap();
            assert_eq!(after_tidy(), left, "{used} was used");
        }
        check(&dictionary);
    }

    #[test]
    fn an_entry_that_ends_or_goes_lets_go_what_has_expired_behind_it() {
        let dictionary = dictionary(64 << 10);
        let lets_go: [fn(&Dictionary); 5] = [
            |dictionary| {
                dictionary.delete("first").unwrap();
            },
            |dictionary| {
                dictionary.set("first", 2.into(), plain()).unwrap();
            },
            |dictionary| {
                dictionary.incr("first", 2.into(), None, plain()).unwrap();
            },
            |dictionary| {
                // No clock counts to that end.
                dictionary.expire("first", u64::MAX).unwrap();
                dictionary.tidy();
                dictionary.get("first").unwrap();
            },
            |dictionary| {
                dictionary.expire("first", 1).unwrap();
                wait_until_gone(dictionary, "first");
            },
        ];
        for let_go in lets_go {
            dictionary.set("first", 1.into(), plain()).unwrap();
            dictionary.set("ended", 1.into(), plain().ttl_ms(1)).unwrap();
            wait_until_gone(&dictionary, "ended");
            dictionary.tidy();
            assert_eq!(kept(&dictionary, &["ended"]), ["ended"]);
            let_go(&dictionary);
            dictionary.tidy();
            assert_eq!(kept(&dictionary, &["ended"]), [""; 0]);
            dictionary.flush_all().unwrap();
            dictionary.flush_expired(u64::MAX).unwrap();
        }
        check(&dictionary);
    }

    #[test]
    fn what_one_handle_lets_end_another_gives_back() {
        let one = dictionary(64 << 10);
        let file = one.as_fd().try_clone_to_owned().unwrap();
        let other = Dictionary::from_descriptor(file, &Options::default()).unwrap();
        other.tidy();
        one.set("ended", 1.into(), plain().ttl_ms(1)).unwrap();
        wait_until_gone(&other, "ended");
        other.tidy();
        assert_eq!(kept(&one, &["ended"]), [""; 0]);
    }

    #[test]
    fn a_flush_gives_three_entries_back_and_later_ones_go_in_order_of_use() {
        let dictionary = dictionary(64 << 10);
        let keys = ["a", "b", "c", "d", "e", "f", "g"];
        for key in keys {
            dictionary.set(key, Value::Integer(1), plain()).unwrap();
        }
        dictionary.get("a").unwrap();
        dictionary.flush_all().unwrap();
        dictionary.tidy_flushed();
        assert_eq!(kept(&dictionary, &keys), ["a", "e", "f", "g"]);
        assert_eq!(dictionary.flush_expired(2), Ok(2));
        assert_eq!(kept(&dictionary, &keys), ["a", "g"]);
        assert_eq!(dictionary.flush_expired(u64::MAX), Ok(2));
        check(&dictionary);
    }

    #[test]
    fn many_entries_are_left_to_the_sweeper_until_they_are_few() {
        let dictionary = dictionary(256 << 10);
        dictionary.set("ended", 1.into(), plain().ttl_ms(1)).unwrap();
        for key in 0..300 {
            dictionary.set(format!("{key}"), 1.into(), plain()).unwrap();
        }
        wait_until_gone(&dictionary, "ended");
        dictionary.tidy();
        assert_eq!(kept(&dictionary, &["ended"]), ["ended"]);
        for key in 0..300 {
            dictionary.delete(format!("{key}")).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while !kept(&dictionary, &["ended"]).is_empty() {
            assert!(Instant::now() < deadline, "nobody has looked again");
            dictionary.tidy();
        }
        check(&dictionary);
    }
}
