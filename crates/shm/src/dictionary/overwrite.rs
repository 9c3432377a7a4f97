//! The usual overwriting: a small entry takes the place of a small one.
//!
//! The stores and their order are those of [`write`](super::write); but whatever may be otherwise is asked before
//! the first of them, so that little goes through memory: half of the instructions.

use super::cells::Run;
use super::core::Key;
use super::draft::write_bytes;
use super::geometry::CELL_WORDS;
use super::record::{
    ENTRY, EXPIRES, EXTRA, FIXED_WORDS, FLAGS, LENGTH, NEXT, Record, SHAPE, SUM, Shape, kind,
    state_of, version_of,
};
use super::shard::{DOOMED, Locked, SPARE_FIRST, WRITES};
use super::spare::{run_of, word_of};
use super::sum::Sum;
use super::value::{SetOptions, Stored, Value};
use super::write::end_of;
use crate::fault;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

impl<'a> Locked<'a> {
    /// Stores a value over an entry that one short look finds, if the old and the new one take one cell each, or
    /// are a number in its place. `None` in all other cases: then nothing was done.
    #[inline(always)]
    pub fn overwrite_at_once(
        &mut self,
        key: &Key<'_>,
        value: Value<'_>,
        options: SetOptions,
    ) -> Option<Stored> {
        let first = self.core.bucket(self.shard, key.bucket);
        let (old, words, link) = self.core.at_once(key, first)?;
        let version = match value {
            Value::Bytes(bytes) => {
                self.overwrite_bytes(key, &old, link, kind::BYTES, bytes, options)
            }
            Value::Table(bytes) => {
                self.overwrite_bytes(key, &old, link, kind::TABLE, bytes, options)
            }
            Value::Integer(value) => {
                self.overwrite_number(&old, words.first()?, kind::INTEGER, value as u64, options)
            }
            Value::Double(value) => {
                let word = value.to_bits();
                self.overwrite_number(&old, words.first()?, kind::DOUBLE, word, options)
            }
            Value::Nil | Value::Boolean(_) => None,
        };
        Some(Stored { forcible: false, version: version? })
    }

    /// Replaces a live number without an end by one of its kind in its place; the new version.
    #[inline(always)]
    fn overwrite_number(
        &mut self,
        old: &Record<'a>,
        place: &AtomicU64,
        value_kind: u8,
        word: u64,
        options: SetOptions,
    ) -> Option<u64> {
        let commit = old.commit();
        let is_endless = options.ttl_ms == 0 && !old.shape.expires();
        let is_same = old.shape.kind() == value_kind && old.half(FLAGS) == options.flags;
        if state_of(commit) != ENTRY || !is_endless || !is_same {
            return None;
        }
        if self.is_over(old, version_of(commit)) {
            return None;
        }
        self.touch(old.cell);
        Some(self.set_word(old, place, word))
    }

    /// Replaces an entry by bytes, in the cell that the shard has kept last; the new version.
    #[inline(always)]
    fn overwrite_bytes(
        &mut self,
        key: &Key<'_>,
        old: &Record<'a>,
        link: &AtomicU32,
        value_kind: u8,
        bytes: &[u8],
        options: SetOptions,
    ) -> Option<u64> {
        let extras = if options.ttl_ms == 0 { 0 } else { EXPIRES };
        let before = FIXED_WORDS as usize + usize::from(extras != 0);
        let (key_words, value_words) = (key.bytes.len().div_ceil(8), bytes.len().div_ceil(8));
        if before + key_words + value_words > CELL_WORDS {
            return None;
        }
        // What belongs to a list goes with it, and what has gone before is given back first.
        let owns_more = old.shape.kind() == kind::LIST || self.half(DOOMED) != 0;
        if owns_more || state_of(old.commit()) != ENTRY {
            return None;
        }
        let run = run_of(self.field(SPARE_FIRST));
        if run.length != 1 || !self.is_spare(run) {
            return None;
        }
        self.set_field(SPARE_FIRST, 0);
        // As in a claim: orders what fills this cell after the sequence that closed what freed it.
        fence(Ordering::Release);
        fault::point();
        let head = self.core.head_of(run.cell);
        let shape = Shape::new(key.bytes.len() as u16, key.tag, value_kind, extras, 1);
        let (length, expiry_us) = (bytes.len() as u32, end_of(options.ttl_ms));
        head.store(SHAPE, shape.word());
        head.store_half(NEXT, 0);
        head.store_half(FLAGS, options.flags);
        head.store_half(LENGTH, length);
        let words: &[AtomicU64; CELL_WORDS] = head.words();
        if extras != 0 {
            head.store(EXTRA, expiry_us);
        }
        let mut sum = Sum::new(shape, length, options.flags);
        let (key_places, value_places) = words[before..].split_at(key_words);
        write_bytes(key_places, key.bytes, &mut sum);
        write_bytes(value_places, bytes, &mut sum);
        head.store_half(SUM, sum.finish());
        fault::point();
        let record = self.core.record_in(head, run.cell, shape, length);
        self.open();
        let version = self.commit(&record, ENTRY);
        self.replace(old, link, &record);
        self.close();
        self.touch(run.cell);
        self.note_end(expiry_us);
        self.count(WRITES, 1);
        // The one cell takes the place of the other: as many are in use and kept as before.
        self.set_field(SPARE_FIRST, word_of(Run { cell: old.cell, length: 1 }));
        fault::point();
        Some(version)
    }
}
