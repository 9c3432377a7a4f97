//! Records under construction: cells are claimed, filled, and exist for nobody until they are committed.
//!
//! A draft that is given up gives its cells back; one whose process dies is found by the repair, because
//! no entry reaches its cells.

use super::cells::{RUN_LIMIT_CELLS, Run};
use super::core::{Core, Key};
use super::geometry::CELL_WORDS;
use super::record::{
    CHAINED, COMMIT, EXPIRES, EXTRA, FIXED_WORDS, FLAGS, FREE, LENGTH, NEXT, Record, SHAPE, SUM,
    Shape, Sum, Words, commit_word, first_word, kind, link_to,
};
use super::shard::{CELLS_USED, Locked, NEAR};
use super::value::Value;
use crate::fault;

/// Words in a cell, as records count them.
const WORDS: u32 = CELL_WORDS as u32;

/// Where the words of a value come from.
#[derive(Clone, Debug)]
pub enum Source<'s> {
    /// Bytes of the caller.
    Bytes(&'s [u8]),
    /// Words of the caller.
    Words([u64; 3], u32),
    /// A record that exists, in this or an older form.
    Record(Words<'s>, u32),
}

impl Source<'_> {
    fn words(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len().div_ceil(8) as u64,
            Self::Words(_, count) | Self::Record(_, count) => u64::from(*count),
        }
    }
}

/// Everything that a record is to say.
#[derive(Clone, Debug)]
pub struct Content<'s> {
    /// The key; for an element the list and the position.
    pub key: &'s [u8],
    /// Bits of its hash.
    pub tag: u16,
    /// What the value is.
    pub kind: u8,
    /// Bytes of the value.
    pub length: u32,
    /// Its words.
    pub source: Source<'s>,
    /// Kept beside it; 0 for an element, whose links take that place.
    pub flags: u32,
    /// When it ends; 0 for never.
    pub expiry_us: u64,
}

impl<'s> Content<'s> {
    /// An entry for a key.
    pub fn new(key: &Key<'s>, value: Value<'s>, flags: u32, expiry_us: u64) -> Self {
        let (kind, length, source) = encode(value);
        Self { key: key.bytes, tag: key.tag, kind, length, source, flags, expiry_us }
    }

    fn payload_words(&self) -> u64 {
        self.key.len().div_ceil(8) as u64 + self.source.words()
    }

    fn extras(&self) -> u8 {
        if self.expiry_us == 0 { 0 } else { EXPIRES }
    }

    /// Cells that the record takes if they lie side by side.
    pub fn cells(&self) -> u64 {
        let header = FIXED_WORDS + u32::from(self.expiry_us != 0);
        (u64::from(header) + self.payload_words()).div_ceil(u64::from(WORDS))
    }
}

/// The kind, length and words of a value.
fn encode(value: Value<'_>) -> (u8, u32, Source<'_>) {
    let none = Source::Bytes(&[]);
    let bytes = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match value {
        Value::Nil => (kind::NIL, 0, none),
        Value::Boolean(false) => (kind::FALSE, 0, none),
        Value::Boolean(true) => (kind::TRUE, 0, none),
        Value::Integer(value) => (kind::INTEGER, 8, Source::Words([value as u64, 0, 0], 1)),
        Value::Double(value) => (kind::DOUBLE, 8, Source::Words([value.to_bits(), 0, 0], 1)),
        Value::Bytes(data) => (kind::BYTES, bytes(data), Source::Bytes(data)),
        Value::Table(data) => (kind::TABLE, bytes(data), Source::Bytes(data)),
    }
}

/// Claimed cells, joined but not filled.
#[derive(Debug)]
pub struct Draft {
    head: Run,
    /// The last further run, if the record has any.
    last: Option<u32>,
    /// Words that still need cells.
    missing: u64,
    /// Cells claimed.
    cells: u64,
}

impl Draft {
    /// The cell it begins in.
    pub fn cell(&self) -> u32 {
        self.head.cell
    }
}

impl<'a> Locked<'a> {
    /// Claims cells for a record. `None` if not one cell is free.
    pub fn begin_draft(&mut self, content: &Content<'_>) -> Option<Draft> {
        let wanted = content.cells().min(u64::from(RUN_LIMIT_CELLS)) as u32;
        let head = self.claim_near(wanted)?;
        let core = self.core;
        // The order matters: the mark says that this word is a commit word.
        core.memory.store(core.geometry.cell_at(head.cell) + COMMIT, FREE);
        core.mark_head(head.cell);
        fault::point();
        let header = FIXED_WORDS + u32::from(content.expiry_us != 0);
        let need = u64::from(header) + content.payload_words();
        let have = u64::from(head.length * WORDS);
        // A record of several runs needs one more word, which leads on.
        let missing = if need <= have { 0 } else { need + 1 - have };
        if missing > 0 {
            core.memory.store_half(core.geometry.cell_at(head.cell) + EXTRA, 0);
        }
        Some(Draft { head, last: None, missing, cells: u64::from(head.length) })
    }

    /// Claims what is still missing. False if there are too few free cells; it can go on later.
    pub fn extend_draft(&mut self, draft: &mut Draft) -> bool {
        while draft.missing > 0 {
            let wanted = (draft.missing + 1).div_ceil(u64::from(WORDS));
            let wanted = wanted.min(u64::from(RUN_LIMIT_CELLS)) as u32;
            let Some(run) = self.claim_near(wanted) else { return false };
            let core = self.core;
            let at = core.geometry.cell_at(run.cell);
            core.memory.store_half(at, 0);
            core.memory.store_half(at + 4, run.length);
            let before = match draft.last {
                None => core.geometry.cell_at(draft.head.cell) + EXTRA,
                Some(last) => core.geometry.cell_at(last),
            };
            core.memory.store_half(before, link_to(run.cell));
            draft.last = Some(run.cell);
            draft.cells += u64::from(run.length);
            draft.missing = draft.missing.saturating_sub(u64::from(run.length * WORDS - 1));
        }
        true
    }

    fn claim_near(&mut self, wanted: u32) -> Option<Run> {
        let run = self.core.claim(self.shard, self.half(NEAR), wanted)?;
        self.set_half(NEAR, run.cell);
        self.count(CELLS_USED, u64::from(run.length));
        Some(run)
    }

    /// Fills a draft that has all its cells.
    pub fn fill_draft(&mut self, draft: &Draft, content: &Content<'_>) -> Record<'a> {
        let core = self.core;
        let at = core.geometry.cell_at(draft.head.cell);
        let chained = draft.last.is_some();
        let shape = Shape {
            key_length: content.key.len() as u16,
            tag: content.tag,
            kind: content.kind,
            extras: content.extras() | if chained { CHAINED } else { 0 },
            run: draft.head.length as u8,
        };
        core.memory.store(at + SHAPE, shape.to_word());
        core.memory.store_half(at + NEXT, 0);
        core.memory.store_half(at + FLAGS, content.flags);
        core.memory.store_half(at + LENGTH, content.length);
        if chained {
            core.memory.store_half(at + EXTRA + 4, draft.cells as u32);
        }
        if content.expiry_us != 0 {
            core.memory.store(at + EXTRA + usize::from(chained) * 8, content.expiry_us);
        }
        let record = core.record(draft.head.cell).expect("its shape was just written");
        let sum = write_payload(core, &record, content);
        core.memory.store_half(at + SUM, sum);
        fault::point();
        record
    }

    /// Gives the cells of a draft back.
    pub fn give_up(&mut self, draft: &Draft) {
        let mut next = match draft.last {
            Some(_) => self.core.memory.load_half(self.core.geometry.cell_at(draft.cell()) + EXTRA),
            None => 0,
        };
        self.release(draft.head);
        while let Some((cell, length)) = self.core.run_at(next) {
            next = self.core.memory.load_half(self.core.geometry.cell_at(cell));
            self.release(Run { cell, length });
        }
    }

    /// Gives cells back and counts them.
    pub fn release(&mut self, run: Run) {
        self.core.release(run);
        self.set_half(NEAR, run.cell);
        self.discount(CELLS_USED, u64::from(run.length));
    }

    /// Makes a filled record exist, with a version that nothing has had.
    pub fn commit(&mut self, record: &Record<'_>, state: u64) -> u64 {
        let version = self.next_version();
        record.set_commit(commit_word(version, state));
        version
    }

    /// Gives back the cells of a record that does not exist any more and that nobody links to.
    pub fn release_record(&mut self, record: &Record<'_>) {
        let is_chained = record.shape.extras & CHAINED != 0;
        let mut next = if is_chained { record.half(EXTRA) } else { 0 };
        let owner = Core::owner_byte(self.shard);
        let is_body = |cell: u32| self.core.owner(cell) == owner;
        // A damaged shape or link must not give away what belongs to others.
        let run = u32::from(record.shape.run);
        let is_whole = (record.cell + 1..record.cell + run).all(is_body);
        self.release(Run { cell: record.cell, length: if is_whole { run } else { 1 } });
        fault::point();
        while let Some((cell, length)) = self.core.run_at(next) {
            if !(cell..cell + length).all(|cell| self.core.owner(cell) == owner) {
                break;
            }
            next = self.core.memory.load_half(self.core.geometry.cell_at(cell));
            self.release(Run { cell, length });
        }
    }
}

impl Record<'_> {
    /// Cells that the record owns.
    pub fn cells(&self) -> u64 {
        match self.shape.extras & CHAINED {
            0 => u64::from(self.shape.run),
            _ => u64::from(self.half(EXTRA + 4)),
        }
    }
}

/// Writes key and value behind the header; returns the checksum.
fn write_payload(core: Core<'_>, record: &Record<'_>, content: &Content<'_>) -> u32 {
    let mut sum = Sum::new(record.shape, content.length, content.flags);
    let mut words = record.words();
    let mut put = |word: u64| {
        let at = words.next_place().expect("the draft has room for every word");
        core.memory.store(at, word);
    };
    let mut rest = content.key;
    while !rest.is_empty() {
        let (word, after) = first_word(rest);
        put(word);
        sum.add(word);
        rest = after;
    }
    let mut summed = record.summed_words();
    let mut put = |word: u64| {
        put(word);
        if summed > 0 {
            sum.add(word);
            summed -= 1;
        }
    };
    match &content.source {
        Source::Bytes(bytes) => {
            let mut rest = *bytes;
            while !rest.is_empty() {
                let (word, after) = first_word(rest);
                put(word);
                rest = after;
            }
        }
        Source::Words(words, count) => words.iter().take(*count as usize).for_each(|w| put(*w)),
        Source::Record(words, count) => {
            let mut words = words.clone();
            // A damaged source that ends early leaves zeros; its checksum has said so before.
            (0..*count).for_each(|_| put(words.next_word().unwrap_or(0)));
        }
    }
    sum.finish()
}
