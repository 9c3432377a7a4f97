//! The usual overwriting: a small entry takes the place of a small one.
//!
//! The stores and their order are those of [`write`](super::write); but whatever may be otherwise
//! is asked before the first of them, so that little goes through memory: half of the instructions.

use super::cells::Run;
use super::core::Key;
use super::draft::Content;
use super::record::{ENTRY, FLAGS, Record, kind, state_of, version_of};
use super::shard::{DOOMED, Locked, SPARE_FIRST, WRITES};
use super::spare::{run_of, word_of};
use super::value::{SetOptions, Stored, Value};
use super::write::end_of;
use crate::fault;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

impl<'a> Locked<'a> {
    /// Stores a value over an entry that one short look finds, if the old and the new one take one
    /// cell each, or are a number in its place. `None` in all other cases: then nothing was done.
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
            Value::Bytes(_) | Value::Table(_) => {
                self.overwrite_bytes(key, &old, link, value, options)
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

    /// Replaces an entry by bytes in the cell that the shard has kept last; the new version.
    #[inline(always)]
    fn overwrite_bytes(
        &mut self,
        key: &Key<'_>,
        old: &Record<'a>,
        link: &AtomicU32,
        value: Value<'_>,
        options: SetOptions,
    ) -> Option<u64> {
        let content = Content::new(key, value, options.flags, end_of(options.ttl_ms));
        if content.cells() != 1 {
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
        let record = self.fill_run(run, &content);
        self.open();
        let version = self.commit(&record, ENTRY);
        self.replace(old, link, &record);
        self.close();
        self.touch(run.cell);
        self.note_end(content.expiry_us);
        self.count(WRITES, 1);
        // The one cell takes the place of the other: as many are in use and kept as before.
        self.set_field(SPARE_FIRST, word_of(Run { cell: old.cell, length: 1 }));
        fault::point();
        Some(version)
    }
}
