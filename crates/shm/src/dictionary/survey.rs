//! What really lies in the cells of a shard: the ground on which repair rebuilds and check
//! compares.
//!
//! A survey believes owner bytes, commit words and checksums, and nothing that is derived. It costs
//! a look at every owner byte of the dictionary (a thousandth of its size) and at every record of
//! the shard. Those lie anywhere: each is a cache miss, and often one of the page tables, so many
//! are fetched at once.

use std::collections::HashMap;

use super::cells::{HEAD, equal_lanes};
use super::core::Core;
use super::geometry::CELL_WORDS;
use super::record::{ELEMENT, ENTRY, LENGTH, Record, SUM, kind, state_of, version_of};

/// Cells that are on their way from memory while one is looked at.
const AHEAD: usize = 16;

impl Core<'_> {
    /// Walks over what lies in some cells, and has the next of them fetched meanwhile.
    pub fn fetching<'s, T>(
        &self,
        items: &'s [T],
        cell_of: impl Fn(&T) -> u32,
    ) -> impl Iterator<Item = &'s T> {
        let fetch = move |item: &T| {
            self.memory.expect_read(self.geometry.cell_at(cell_of(item)));
        };
        items.iter().take(AHEAD).for_each(&fetch);
        items.iter().enumerate().map(move |(index, item)| {
            items.get(index + AHEAD).into_iter().for_each(&fetch);
            item
        })
    }
}

/// The records and cells of one shard.
#[derive(Debug)]
pub struct Survey<'a> {
    core: Core<'a>,
    shard: u32,
    /// Entries, the newest of each key.
    pub entries: Vec<Record<'a>>,
    /// Elements of lists that exist, by list, in order of position.
    pub lists: HashMap<u64, Vec<(i64, Record<'a>)>>,
    /// Records that must go: older entries of a key, elements without a list, lists without
    /// elements, damaged ones.
    pub dropped: Vec<(Record<'a>, &'static str)>,
    /// Cells with the mark of a head that begin no record.
    pub hollow: Vec<u32>,
    /// Cells that the shard owns.
    pub owned: Vec<u32>,
    /// Cells with an owner that no shard is; the first shard answers for them.
    pub strays: Vec<u32>,
    /// Highest version seen.
    pub version: u64,
    /// A bit for each cell that a kept record takes.
    taken: Vec<u64>,
}

impl<'a> Survey<'a> {
    /// Surveys a shard whose lock is held.
    pub fn new(core: Core<'a>, shard: u32) -> Self {
        let mut survey = Self {
            core,
            shard,
            entries: Vec::new(),
            lists: HashMap::new(),
            dropped: Vec::new(),
            hollow: Vec::new(),
            owned: Vec::new(),
            strays: Vec::new(),
            version: 0,
            taken: vec![0; core.geometry.cells.div_ceil(64) as usize],
        };
        let heads = survey.find_cells();
        let records = survey.find_records(&heads);
        survey.keep_newest(&records);
        survey.join_lists();
        survey
    }

    /// Notes the cells of the shard; returns those in which a record begins.
    fn find_cells(&mut self) -> Vec<u32> {
        let own = Core::owner_byte(self.shard);
        let mut heads = Vec::new();
        for first in (0..self.core.geometry.cells).step_by(8) {
            let word = self.core.owner_word(first);
            let begin = equal_lanes(word, own | HEAD);
            let mut lanes = begin | equal_lanes(word, own);
            while lanes != 0 {
                let lane = lanes.trailing_zeros();
                self.owned.push(first + lane);
                if begin >> lane & 1 == 1 {
                    heads.push(first + lane);
                }
                lanes &= lanes - 1;
            }
            if self.shard == 0 && word != 0 {
                self.note_strays(first, word);
            }
        }
        heads
    }

    fn note_strays(&mut self, first: u32, word: u64) {
        let most = Core::owner_byte(self.core.geometry.shards - 1);
        for (cell, owner) in (first..).zip(word.to_le_bytes()) {
            if owner != 0 && !(1..=most).contains(&(owner & !HEAD)) {
                self.strays.push(cell);
            }
        }
    }

    fn find_records(&mut self, heads: &[u32]) -> Vec<Record<'a>> {
        let mut records = Vec::new();
        let core = self.core;
        for cell in core.fetching(heads, |cell| *cell) {
            let at = self.core.geometry.cell_at(*cell);
            let state = state_of(self.core.memory.load(at));
            if state != ENTRY && state != ELEMENT {
                self.hollow.push(*cell);
                continue;
            }
            match self.core.record(*cell) {
                None => self.hollow.push(*cell),
                Some(record) => match self.fault_of(&record) {
                    None => records.push(record),
                    Some(fault) => self.dropped.push((record, fault)),
                },
            }
        }
        records
    }

    /// What is wrong with a record, if anything is.
    fn fault_of(&mut self, record: &Record<'a>) -> Option<&'static str> {
        let is_element = state_of(record.commit()) == ELEMENT;
        if !(kind::NIL..=kind::LIST).contains(&record.shape.kind())
            || record.shape.key_length() == 0
        {
            return Some("a record of an unknown shape");
        }
        let Some(runs) = self.runs_of(record) else { return Some("a record that is cut off") };
        if record.computed_sum(is_element) != Some(record.half(SUM)) {
            return Some("a wrong checksum");
        }
        if record.cells() != runs.iter().map(|(_, length)| u64::from(*length)).sum::<u64>() {
            return Some("a wrong count of its cells");
        }
        let fits = match (is_element, record.shape.kind()) {
            (true, kind::LIST) => false,
            (true, _) => record.shape.key_length() == 16,
            (false, kind::LIST) => self.core.list_of(*record).is_some(),
            (false, kind::INTEGER | kind::DOUBLE) => record.half(LENGTH) == 8,
            (false, _) => true,
        };
        if !fits {
            return Some("a value of an impossible form");
        }
        if runs.iter().flat_map(cells_of).any(|cell| self.is_taken(cell)) {
            return Some("a cell that another record has, too");
        }
        runs.iter().flat_map(cells_of).for_each(|cell| self.take(cell));
        None
    }

    /// The runs of a record; `None` if one is not its own, or they hold too few words.
    fn runs_of(&self, record: &Record<'a>) -> Option<Vec<(u32, u32)>> {
        let mut runs = vec![(record.cell, record.shape.run())];
        let words = u64::from(record.shape.key_words()) + u64::from(record.value_words());
        let first = u64::from(record.shape.run()) * CELL_WORDS as u64;
        let mut have = first.checked_sub(u64::from(record.shape.header_words()))?;
        let is_chained = record.shape.is_chained();
        let mut next = if is_chained { record.half(super::record::EXTRA) } else { 0 };
        while have < words {
            let (cell, length) = self.core.run_at(next)?;
            next = self.core.memory.load_half(self.core.geometry.cell_at(cell));
            runs.push((cell, length));
            // More cells than there are: the links run in a circle.
            if runs.len() as u64 > u64::from(self.core.geometry.cells) {
                return None;
            }
            have += u64::from(length) * CELL_WORDS as u64 - 1;
        }
        let own = Core::owner_byte(self.shard);
        let is_body = |cell: u32| self.core.owner(cell) == own;
        let mut cells = runs.iter().flat_map(cells_of);
        let is_head = cells.next().is_some_and(|cell| self.core.owner(cell) == own | HEAD);
        (is_head && cells.all(is_body)).then_some(runs)
    }

    /// Keeps the newest entry of each key that belongs to this shard.
    fn keep_newest(&mut self, records: &[Record<'a>]) {
        let mut newest: HashMap<Vec<u8>, Record<'a>> = HashMap::with_capacity(records.len());
        let core = self.core;
        for &record in core.fetching(records, |record| record.cell) {
            self.version = self.version.max(version_of(record.commit()));
            if let Some(element) = self.core.element_of(&record) {
                self.lists.entry(element.list).or_default().push((element.position, record));
                continue;
            }
            let mut key = Vec::new();
            record.read_key(&mut key);
            let place = self.core.place(&key);
            if place.shard != self.shard || place.tag != record.shape.tag() {
                self.drop_record(record, "an entry of another shard");
                continue;
            }
            let older = match newest.get(&key) {
                Some(other) if other.commit() > record.commit() => Some(record),
                _ => newest.insert(key, record),
            };
            if let Some(older) = older {
                self.drop_record(older, "an older entry of the same key");
            }
        }
        self.entries = newest.into_values().collect();
    }

    /// Gives elements to their lists, and drops what has no other half.
    fn join_lists(&mut self) {
        let lists = |record: &Record<'a>| self.core.list_of(*record).map(|list| list.id);
        let known: HashMap<u64, u32> =
            self.entries.iter().filter_map(|record| Some((lists(record)?, record.cell))).collect();
        let all = std::mem::take(&mut self.lists);
        for (list, mut elements) in all {
            if known.contains_key(&list) {
                elements.sort_by_key(|(position, _)| *position);
                self.lists.insert(list, elements);
            } else {
                for (_, element) in elements {
                    self.drop_record(element, "an element without a list");
                }
            }
        }
        let entries = std::mem::take(&mut self.entries);
        for record in entries {
            let list = self.core.list_of(record).map(|list| list.id);
            if list.is_some_and(|list| !self.lists.contains_key(&list)) {
                self.drop_record(record, "a list without elements");
            } else {
                self.entries.push(record);
            }
        }
    }

    fn drop_record(&mut self, record: Record<'a>, why: &'static str) {
        for run in self.runs_of(&record).unwrap_or_default() {
            cells_of(&run).for_each(|cell| self.taken[cell as usize / 64] &= !(1 << (cell % 64)));
        }
        self.dropped.push((record, why));
    }

    /// True if a kept record takes this cell.
    pub fn is_taken(&self, cell: u32) -> bool {
        self.taken[cell as usize / 64] >> (cell % 64) & 1 == 1
    }

    fn take(&mut self, cell: u32) {
        self.taken[cell as usize / 64] |= 1 << (cell % 64);
    }

    /// Cells that the shard owns and no kept record takes.
    pub fn lost(&self) -> impl Iterator<Item = u32> + '_ {
        self.owned.iter().copied().filter(|cell| !self.is_taken(*cell))
    }

    /// Cells that kept records take.
    pub fn used(&self) -> u64 {
        self.owned.len() as u64 - self.lost().count() as u64
    }

    /// Elements of all lists.
    pub fn elements(&self) -> u64 {
        self.lists.values().map(|elements| elements.len() as u64).sum()
    }
}

fn cells_of(run: &(u32, u32)) -> std::ops::Range<u32> {
    run.0..run.0 + run.1
}
