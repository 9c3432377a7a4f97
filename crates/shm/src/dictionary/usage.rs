//! What the bytes of a dictionary hold, found by a walk in small steps that stops no writer.

use super::core::Core;
use super::geometry::CELL_BYTES;
use super::handle::Dictionary;
use super::record::{kind, version_of};
use super::walk::Cursor;
use crate::error::Result;

/// What a walk has met; while others write, about what there is.
///
/// Every byte that entries may take belongs to one of six: `key_bytes`, `value_bytes`,
/// `overhead_bytes`, `element_bytes`, `overdue_bytes`, `free_bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Live entries that are not lists.
    pub values: u64,
    /// Live lists.
    pub lists: u64,
    /// Entries whose time is over, or that were flushed, and that nobody has given back yet.
    pub overdue: u64,
    /// Bytes of the keys of live entries and lists.
    pub key_bytes: u64,
    /// Bytes of the values of live entries, without those of lists.
    pub value_bytes: u64,
    /// Bytes of the cells that live entries and the heads of live lists take, with everything that
    /// belongs to them.
    pub live_bytes: u64,
    /// The same of what is overdue, elements of lists not included.
    pub overdue_bytes: u64,
    /// Those of the live bytes that hold neither key nor value: heads, links, ends, and what is
    /// left over of cells of 64 bytes.
    pub overhead_bytes: u64,
    /// Bytes that the elements of lists take, with everything that belongs to them; those included
    /// of lists that have ended and were not given back yet. Known after the last step.
    pub element_bytes: u64,
    /// Bytes that new entries can take. Known after the last step.
    pub free_bytes: u64,
}

impl Usage {
    /// Every figure by its name, for reports.
    pub fn figures(&self) -> [(&'static str, u64); 9] {
        [
            ("values", self.values),
            ("lists", self.lists),
            ("overdue", self.overdue),
            ("key_bytes", self.key_bytes),
            ("value_bytes", self.value_bytes),
            ("overhead_bytes", self.overhead_bytes),
            ("live_bytes", self.live_bytes),
            ("overdue_bytes", self.overdue_bytes),
            ("element_bytes", self.element_bytes),
        ]
    }
}

impl Dictionary {
    /// A step of a walk that adds to `usage` what about `buckets` buckets hold; where to go on, or
    /// `None` after the last one. No lock is held for longer than a few dozen entries take.
    ///
    /// ```
    /// use moonhive_shm::{Cursor, Dictionary, Options, SetOptions, Usage};
    ///
    /// # fn main() -> Result<(), moonhive_shm::Error> {
    /// let dictionary = Dictionary::create_unnamed("usage", &Options::new(1 << 20))?;
    /// dictionary.set("user:1", "ada".into(), SetOptions::default())?;
    /// let (mut usage, mut next) = (Usage::default(), Some(Cursor::default()));
    /// while let Some(cursor) = next {
    ///     next = dictionary.measure(cursor, 1024, &mut usage)?;
    /// }
    /// assert_eq!((usage.key_bytes, usage.value_bytes, usage.overhead_bytes), (6, 3, 55));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn measure(
        &self,
        cursor: Cursor,
        buckets: u64,
        usage: &mut Usage,
    ) -> Result<Option<Cursor>> {
        let next = self.core().measure(cursor, buckets, usage)?;
        if next.is_none() {
            // Lists are not walked through under the lock: their elements take what is left.
            let statistics = self.statistics();
            let others = usage.live_bytes + usage.overdue_bytes;
            usage.element_bytes = statistics.used_bytes.saturating_sub(others);
            usage.free_bytes = statistics.free_bytes;
        }
        Ok(next)
    }
}

impl Core<'_> {
    fn measure(self, cursor: Cursor, buckets: u64, usage: &mut Usage) -> Result<Option<Cursor>> {
        let mut left = buckets;
        self.walk_buckets(cursor, |shard, bucket| {
            for (record, _) in shard.bucket(bucket) {
                let taken_bytes = record.cells() * CELL_BYTES as u64;
                if self.is_over(shard.shard, &record, version_of(record.commit())) {
                    usage.overdue += 1;
                    usage.overdue_bytes += taken_bytes;
                    continue;
                }
                let key_bytes = u64::from(record.shape.key_length());
                let value_bytes = match record.shape.kind() {
                    kind::LIST => 0,
                    _ => u64::from(record.length),
                };
                usage.key_bytes += key_bytes;
                usage.value_bytes += value_bytes;
                usage.live_bytes += taken_bytes;
                usage.overhead_bytes += taken_bytes.saturating_sub(key_bytes + value_bytes);
                let is_list = record.shape.kind() == kind::LIST;
                usage.lists += u64::from(is_list);
                usage.values += u64::from(!is_list);
            }
            left = left.saturating_sub(1);
            left == 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, SetOptions, Side, Value};

    fn measured(dictionary: &Dictionary) -> Usage {
        let (mut usage, mut next) = (Usage::default(), Some(Cursor::default()));
        while let Some(cursor) = next {
            next = dictionary.measure(cursor, 10, &mut usage).unwrap();
        }
        usage
    }

    fn sum_of(usage: &Usage) -> u64 {
        let live = usage.key_bytes + usage.value_bytes + usage.overhead_bytes;
        live + usage.element_bytes + usage.overdue_bytes + usage.free_bytes
    }

    #[test]
    fn every_byte_in_use_is_accounted_for() {
        let dictionary = Dictionary::create_unnamed("usage", &Options::new(1 << 20)).unwrap();
        let plain = SetOptions::default();
        let whole = dictionary.free_bytes();
        for number in 0..100 {
            let key = format!("key{number:03}");
            dictionary.set(key, Value::Bytes(&[1; 200]), plain).unwrap();
        }
        dictionary.set("large", Value::Bytes(&[1; 100_000]), plain).unwrap();
        let usage = measured(&dictionary);
        assert_eq!((usage.values, usage.lists, usage.overdue), (101, 0, 0));
        assert_eq!((usage.key_bytes, usage.value_bytes), (605, 120_000));
        assert_eq!(usage.live_bytes, dictionary.statistics().used_bytes);
        assert_eq!(sum_of(&usage), whole, "each byte belongs to one class");
        dictionary.push("list", Value::Bytes(&[1; 300]), Side::Left, plain).unwrap();
        let usage = measured(&dictionary);
        assert_eq!((usage.values, usage.lists), (101, 1));
        assert!(dictionary.statistics().used_bytes >= usage.live_bytes + 300);
        assert!((300..700).contains(&usage.element_bytes), "{usage:?}");
        assert_eq!(sum_of(&usage), whole);
        dictionary.flush_all().unwrap();
        let usage = measured(&dictionary);
        assert_eq!((usage.values, usage.lists, usage.overdue), (0, 0, 102));
        assert_eq!((usage.live_bytes, usage.key_bytes, usage.overhead_bytes), (0, 0, 0));
        assert_eq!(sum_of(&usage), whole);
    }
}
