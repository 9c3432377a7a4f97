//! What the bytes of a dictionary hold, found by a walk in small steps that stops no writer.

use super::core::Core;
use super::geometry::CELL_BYTES;
use super::handle::Dictionary;
use super::record::{kind, version_of};
use super::walk::Cursor;
use crate::error::Result;

/// What a walk has met; while others write, about what there is.
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
    /// Bytes of the cells that live entries and the heads of live lists take, with everything that belongs
    /// to them.
    pub live_bytes: u64,
    /// The same of what is overdue, elements of lists not included.
    pub overdue_bytes: u64,
}

impl Dictionary {
    /// A step of a walk that adds to `usage` what about `buckets` buckets hold; where to go on. What the
    /// used bytes of the [`statistics`](Self::statistics) are beyond the live and the overdue ones is taken
    /// by elements of lists.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn measure(
        &self,
        cursor: Cursor,
        buckets: u64,
        usage: &mut Usage,
    ) -> Result<Option<Cursor>> {
        self.core().measure(cursor, buckets, usage)
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
                usage.key_bytes += u64::from(record.shape.key_length());
                usage.live_bytes += taken_bytes;
                if record.shape.kind() == kind::LIST {
                    usage.lists += 1;
                } else {
                    usage.values += 1;
                    usage.value_bytes += u64::from(record.length);
                }
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

    #[test]
    fn every_byte_in_use_is_accounted_for() {
        let dictionary = Dictionary::create_unnamed("usage", &Options::new(1 << 20)).unwrap();
        let plain = SetOptions::default();
        for number in 0..100 {
            let key = format!("key{number:03}");
            dictionary.set(key, Value::Bytes(&[1; 200]), plain).unwrap();
        }
        dictionary.set("large", Value::Bytes(&[1; 100_000]), plain).unwrap();
        let usage = measured(&dictionary);
        assert_eq!((usage.values, usage.lists, usage.overdue), (101, 0, 0));
        assert_eq!((usage.key_bytes, usage.value_bytes), (605, 120_000));
        assert_eq!(usage.live_bytes, dictionary.statistics().used_bytes);
        dictionary.push("list", Value::Bytes(&[1; 300]), Side::Left, plain).unwrap();
        let usage = measured(&dictionary);
        assert_eq!((usage.values, usage.lists), (101, 1));
        assert!(dictionary.statistics().used_bytes >= usage.live_bytes + 300);
        dictionary.flush_all().unwrap();
        let usage = measured(&dictionary);
        assert_eq!((usage.values, usage.lists, usage.overdue), (0, 0, 102));
        assert_eq!((usage.live_bytes, usage.key_bytes), (0, 0));
    }
}
