//! Records under construction: cells are claimed, filled, and exist for nobody until they are
//! committed.
//!
//! A draft that is given up gives its cells back; one whose process dies is found by the repair,
//! because no entry reaches its cells.

use super::cells::{RUN_LIMIT_CELLS, Run};
use super::core::{Core, Key};
use super::geometry::CELL_WORDS;
use super::record::{
    CHAINED, COMMIT, EXPIRES, EXTRA, FIXED_WORDS, FLAGS, FREE, LENGTH, NEXT, Record, SHAPE, SUM,
    Shape, commit_word, kind, link_to,
};
use super::shard::{CELLS_USED, Locked, NEAR};
use super::sum::Sum;
use super::value::Value;
use super::words::{Words, last_word};
use crate::fault;
use crate::sync::{AtomicU64, Ordering};

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
    #[inline(always)]
    pub fn new(key: &Key<'s>, value: Value<'s>, flags: u32, expiry_us: u64) -> Self {
        let (kind, length, source) = encode(value);
        Self { key: key.bytes, tag: key.tag, kind, length, source, flags, expiry_us }
    }

    fn extras(&self) -> u8 {
        if self.expiry_us == 0 { 0 } else { EXPIRES }
    }

    /// Words that the record takes if its cells lie side by side.
    #[inline(always)]
    fn words(&self) -> u64 {
        let header = FIXED_WORDS + u32::from(self.expiry_us != 0);
        u64::from(header) + self.key.len().div_ceil(8) as u64 + self.source.words()
    }

    /// Cells that it takes then.
    #[inline(always)]
    pub fn cells(&self) -> u64 {
        self.words().div_ceil(u64::from(WORDS))
    }
}

/// The kind, length and words of a value.
#[inline(always)]
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

    /// Cells claimed for it.
    pub fn cells(&self) -> u64 {
        self.cells
    }
}

impl<'a> Locked<'a> {
    /// Claims cells for a record. `None` if not one cell is free.
    pub fn begin_draft(&mut self, content: &Content<'_>) -> Option<Draft> {
        let need = content.words();
        let wanted = need.div_ceil(u64::from(WORDS)).min(u64::from(RUN_LIMIT_CELLS)) as u32;
        let head = match self.take_spare(u64::from(wanted)) {
            Some(spare) => spare,
            None => self.claim_head(wanted)?,
        };
        let have = u64::from(head.length * WORDS);
        // A record of several runs needs one more word, which leads on.
        let missing = if need <= have { 0 } else { need + 1 - have };
        if missing > 0 {
            self.core.head_of(head.cell).store_half(EXTRA, 0);
        }
        Some(Draft { head, last: None, missing, cells: u64::from(head.length) })
    }

    /// Claims the first run of a record.
    fn claim_head(&mut self, wanted: u32) -> Option<Run> {
        let head = self.claim_near(wanted)?;
        // The order matters: the mark says that this word is a commit word.
        self.core.head_of(head.cell).store(COMMIT, FREE);
        self.core.mark_head(head.cell);
        fault::point();
        Some(head)
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
        self.fill(draft.head, draft.last.map(|_| draft.cells as u32), content)
    }

    /// Fills a run that has room for all words.
    #[inline(always)]
    pub fn fill_run(&mut self, run: Run, content: &Content<'_>) -> Record<'a> {
        self.fill(run, None, content)
    }

    /// Fills the cells of a record that lies in one run, or goes on and has so many cells in all.
    #[inline(always)]
    fn fill(&mut self, run: Run, chained_cells: Option<u32>, content: &Content<'_>) -> Record<'a> {
        let core = self.core;
        let head = core.head_of(run.cell);
        let extras = content.extras() | if chained_cells.is_some() { CHAINED } else { 0 };
        let key_length = content.key.len() as u16;
        let shape = Shape::new(key_length, content.tag, content.kind, extras, run.length as u8);
        head.store(SHAPE, shape.word());
        head.store_half(NEXT, 0);
        head.store_half(FLAGS, content.flags);
        head.store_half(LENGTH, content.length);
        let mut extra = EXTRA;
        if let Some(cells) = chained_cells {
            head.store_half(EXTRA + 4, cells);
            extra += 8;
        }
        if content.expiry_us != 0 {
            head.store(extra, content.expiry_us);
        }
        let record = core.record_in(head, run.cell, shape, content.length);
        let mut sum = Sum::new(shape, content.length, content.flags);
        let is_whole = match chained_cells {
            None => write_side_by_side(&record, content, &mut sum),
            Some(_) => write_in_runs(&record, content, &mut sum),
        };
        assert!(is_whole, "a draft has room for every word");
        head.store_half(SUM, sum.finish());
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
    #[inline(always)]
    pub fn release_record(&mut self, record: &Record<'_>) {
        self.release_whole(record, false);
    }

    /// The same, lending the shard the cells of the first run again.
    #[inline(always)]
    pub fn release_and_lend(&mut self, record: &Record<'_>) {
        self.release_whole(record, true);
    }

    #[inline(always)]
    fn release_whole(&mut self, record: &Record<'_>, lends: bool) {
        if !record.shape.is_single_cell() {
            return self.release_runs(record, lends);
        }
        if lends {
            self.lend(1);
        }
        self.keep_or_release(Run { cell: record.cell, length: 1 });
        fault::point();
    }

    fn release_runs(&mut self, record: &Record<'_>, lends: bool) {
        let mut next = if record.shape.is_chained() { record.half(EXTRA) } else { 0 };
        let owner = Core::owner_byte(self.shard);
        let is_body = |cell: u32| self.core.owner(cell) == owner;
        // A damaged shape or link must not give away what belongs to others.
        let run = record.shape.run();
        let is_whole = (record.cell + 1..record.cell + run).all(is_body);
        let length = if is_whole { run } else { 1 };
        if lends {
            self.lend(length);
        }
        self.keep_or_release(Run { cell: record.cell, length });
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
        match self.shape.is_chained() {
            false => u64::from(self.shape.run()),
            true => u64::from(self.half(EXTRA + 4)),
        }
    }
}

/// Writes key and value of a record that lies in one run. False if it has no room for them.
#[inline(always)]
fn write_side_by_side(record: &Record<'_>, content: &Content<'_>, sum: &mut Sum) -> bool {
    let Some(places) = record.side_by_side() else { return false };
    let key_words = content.key.len().div_ceil(8);
    let Some((key, value)) = places.split_at_checked(key_words) else { return false };
    let Some(value) = value.get(..content.source.words() as usize) else { return false };
    write_bytes(key, content.key, sum);
    match &content.source {
        Source::Bytes(bytes) => write_bytes(value, bytes, sum),
        Source::Words(words, _) => {
            let summed = record.summed_words() as usize;
            for (index, (place, word)) in value.iter().zip(words).enumerate() {
                place.store(*word, Ordering::Relaxed);
                if index < summed {
                    sum.add(*word);
                }
            }
        }
        Source::Record(words, _) => copy_words(value, words, record.summed_words(), sum),
    }
    true
}

/// Writes the words of another record, of which the first `summed` count for the checksum.
fn copy_words(places: &[AtomicU64], source: &Words<'_>, summed: u32, sum: &mut Sum) {
    let mut source = source.clone();
    for (index, place) in places.iter().enumerate() {
        // A damaged source that ends early leaves zeros; its checksum has said so before.
        let word = source.next_word().unwrap_or(0);
        place.store(word, Ordering::Relaxed);
        if index < summed as usize {
            sum.add(word);
        }
    }
}

/// Writes bytes, padded with zeros to words.
#[inline(always)]
fn write_bytes(places: &[AtomicU64], bytes: &[u8], sum: &mut Sum) {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut put = |place: &AtomicU64, word: u64| {
        place.store(word, Ordering::Relaxed);
        sum.add(word);
    };
    for (place, word) in places.iter().zip(words) {
        put(place, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        put(&places[words.len()], last_word(rest));
    }
}

/// Writes key and value of a record of several runs. False if it has no room for them.
fn write_in_runs(record: &Record<'_>, content: &Content<'_>, sum: &mut Sum) -> bool {
    let mut words = record.words();
    if !words.write(content.key, sum) {
        return false;
    }
    match &content.source {
        // Summed as a whole; those that are not all summed are words.
        Source::Bytes(bytes) => words.write(bytes, sum),
        Source::Words(values, count) => {
            let values = values.iter().take(*count as usize).copied();
            write_words(&mut words, values, record.summed_words(), sum)
        }
        Source::Record(source, count) => {
            let mut source = source.clone();
            // As in `copy_words`.
            let values = (0..*count).map(|_| source.next_word().unwrap_or(0));
            write_words(&mut words, values, record.summed_words(), sum)
        }
    }
}

/// Writes words, of which the first `summed` count for the checksum. False if the record ends
/// before.
fn write_words(
    words: &mut Words<'_>,
    values: impl Iterator<Item = u64>,
    summed: u32,
    sum: &mut Sum,
) -> bool {
    for (index, value) in values.enumerate() {
        let Some([place]) = words.stretch(1) else { return false };
        place.store(value, Ordering::Relaxed);
        if index < summed as usize {
            sum.add(value);
        }
    }
    true
}
