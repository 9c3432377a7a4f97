//! Lists: an entry that owns elements.
//!
//! The elements are the truth: each is a record of its own whose key is the identity of its list
//! and its position, and whose commit word makes it exist. The links between them, the two ends and
//! the count are derived, and a repair makes them anew. So a push is done with one store, and so is
//! a pop; an entry without elements is none.
//!
//! Everything here happens under the lock.

use super::cells::HEAD;
use super::core::{Core, Key};
use super::draft::{Content, Source};
use super::geometry::CELL_BYTES;
use super::read::decode;
use super::record::{
    ELEMENT, ENTRY, FREE, NEXT, PREVIOUS, Record, commit_word, kind, link_to, state_of, version_of,
};
use super::room::{Built, Permit};
use super::shard::{DOOMED, ELEMENTS, Locked, WRITES};
use super::value::{OwnedValue, SetOptions, Side, Value};
use super::write::end_of;
use crate::error::{Error, Result};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// A list: the words of its entry's value.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// The entry.
    pub record: Record<'a>,
    /// Identity: what its elements name.
    pub id: u64,
    /// The links of the first element, in the lower half, and of the last one.
    ends: &'a AtomicU64,
    count: &'a AtomicU64,
}

impl List<'_> {
    /// Elements of the list.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The link of the element at an end.
    fn end(&self, side: Side) -> u32 {
        let ends = self.ends.load(Ordering::Relaxed);
        match side {
            Side::Left => ends as u32,
            Side::Right => (ends >> 32) as u32,
        }
    }

    fn set_end(&self, side: Side, link: u32) {
        let other = u64::from(self.end(side.other()));
        let ends = match side {
            Side::Left => other << 32 | u64::from(link),
            Side::Right => u64::from(link) << 32 | other,
        };
        self.ends.store(ends, Ordering::Relaxed);
    }

    /// Writes what is derived: ends and count.
    pub fn set_ends(&self, first: u32, last: u32, count: u64) {
        self.ends.store(u64::from(last) << 32 | u64::from(first), Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
    }
}

/// What an operation on a list finds under a key, with the link that leads to it.
enum Sought<'a> {
    /// A live list.
    List(List<'a>, &'a AtomicU32),
    /// Something whose time is over.
    Over(Record<'a>, &'a AtomicU32),
    /// No entry.
    Nothing,
}

/// What an attempt to take an element has found.
enum Popped {
    /// The kind and word of its value, whose bytes lie in the buffer.
    Element(u8, u64),
    /// No list.
    Nothing,
    /// A list has an element: its links are damaged.
    Damage,
}

/// An element of a list.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// The identity of its list.
    pub list: u64,
    /// Its place: elements are in order of this number, which may have gaps.
    pub position: i64,
}

impl<'a> Core<'a> {
    /// The list in an entry of that kind; `None` if it is cut off.
    #[inline(always)]
    pub fn list_of(self, record: Record<'a>) -> Option<List<'a>> {
        let is_list = record.shape.kind() == kind::LIST;
        let [id, ends, count] = record.value_places().filter(|_| is_list)?;
        Some(List { record, id: id.load(Ordering::Relaxed), ends, count })
    }

    /// What an element says about itself; `None` if it is none.
    #[inline(always)]
    pub fn element_of(self, record: &Record<'_>) -> Option<Element> {
        let is_element = record.shape.key_length() == 16 && state_of(record.commit()) == ELEMENT;
        let [list, position] = record.first_words();
        is_element.then_some(Element { list, position: position as i64 })
    }

    /// The element at an end, if the link is right.
    #[inline(always)]
    pub fn end_of_list(self, shard: u32, list: &List<'_>, side: Side) -> Option<Record<'a>> {
        self.element_at(shard, list.end(side), list.id)
    }

    /// The element of a list that a link leads to.
    #[inline(always)]
    pub fn element_at(self, shard: u32, link: u32, list: u64) -> Option<Record<'a>> {
        self.placed_element(shard, link, list).map(|(record, _)| record)
    }

    /// The same with its position.
    #[inline(always)]
    fn placed_element(self, shard: u32, link: u32, list: u64) -> Option<(Record<'a>, i64)> {
        let record = self.record_at(link)?;
        let is_ours = self.owner(record.cell) == Self::owner_byte(shard) | HEAD;
        let element = self.element_of(&record).filter(|_| is_ours)?;
        (element.list == list).then_some((record, element.position))
    }

    /// The neighbour of an element, away from `side`.
    #[inline(always)]
    pub fn next_element(
        self,
        shard: u32,
        list: &List<'_>,
        element: &Record<'_>,
        side: Side,
    ) -> Option<Record<'a>> {
        self.element_at(shard, element.half(away_from(side)), list.id)
    }

    /// Adds an element at an end. Returns the new length. The time to live counts for a new list
    /// only.
    ///
    /// # Errors
    /// [`Error::ValueNotList`], [`Error::NoMemory`], or a lock that could not be had.
    pub fn push(
        self,
        key: &Key<'_>,
        value: Value<'_>,
        side: Side,
        options: SetOptions,
    ) -> Result<u64> {
        let evict = !options.never_evict;
        let lock = || self.lock(key.shard);
        self.insist(lock, |shard| match shard.seek_list(key)? {
            Sought::List(list, _) => shard.push_to(&list, value, side, evict),
            Sought::Over(record, link) => {
                shard.push_first(key, value, options, Some((record, link)))
            }
            Sought::Nothing => shard.push_first(key, value, options, None),
        })
    }

    /// Takes the element at an end; its bytes go into the buffer.
    ///
    /// # Errors
    /// [`Error::ValueNotList`], or a lock that could not be had.
    pub fn pop<'b>(
        self,
        key: &Key<'_>,
        side: Side,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Value<'b>>> {
        let mut shard = self.lock(key.shard)?;
        match shard.pop(key, side, buffer)? {
            Popped::Element(value_kind, word) => Ok(Some(decode(value_kind, word, buffer))),
            Popped::Nothing => Ok(None),
            Popped::Damage => shard.pop_after_repair(key, side, buffer),
        }
    }

    /// Elements of a list, 0 without one.
    ///
    /// # Errors
    /// [`Error::ValueNotList`], or a lock that could not be had.
    pub fn length(self, key: &Key<'_>) -> Result<u64> {
        let mut shard = self.lock(key.shard)?;
        Ok(shard.list(key)?.map_or(0, |(list, _)| list.count()))
    }

    /// Elements from one index to another, both included; negative ones count from the end.
    ///
    /// # Errors
    /// [`Error::ValueNotList`], or a lock that could not be had.
    pub fn range(self, key: &Key<'_>, start: i64, stop: i64) -> Result<Vec<OwnedValue>> {
        let mut shard = self.lock(key.shard)?;
        let Some((list, _)) = shard.list(key)? else { return Ok(Vec::new()) };
        let count = i64::try_from(list.count()).unwrap_or(i64::MAX);
        let from_end = |index: i64| if index < 0 { index.saturating_add(count) } else { index };
        let (start, stop) = (from_end(start).max(0), from_end(stop).min(count - 1));
        let mut found = Vec::new();
        let mut buffer = Vec::new();
        let mut next = self.end_of_list(key.shard, &list, Side::Left);
        // Links that run in a circle would yield more than all cells can hold.
        let mut left_bytes = self.geometry.cells as usize * CELL_BYTES;
        for index in 0..=stop {
            let Some(element) = next else { break };
            let damaged = Error::Damaged { what: "the links of a list" };
            left_bytes = left_bytes.checked_sub(CELL_BYTES).ok_or(damaged.clone())?;
            if index >= start {
                left_bytes = left_bytes.checked_sub(element.length as usize).ok_or(damaged)?;
                let (value_kind, word) = read_element(&element, &mut buffer)?;
                found.push(decode(value_kind, word, &buffer).to_owned());
            }
            next = self.next_element(key.shard, &list, &element, Side::Left);
        }
        Ok(found)
    }
}

/// What the entry of a list of one element says.
#[inline(always)]
fn head_of_list<'k>(key: &Key<'k>, options: SetOptions, id: u64, link: u32) -> Content<'k> {
    let ends = u64::from(link) << 32 | u64::from(link);
    Content {
        key: key.bytes,
        tag: key.tag,
        kind: kind::LIST,
        length: 24,
        source: Source::Words([id, ends, 1], 3),
        flags: options.flags,
        expiry_us: end_of(options.ttl_ms),
    }
}

/// The key of an element.
#[inline(always)]
fn name_of_element(list: u64, position: i64) -> [u8; 16] {
    let mut name = [0; 16];
    name[..8].copy_from_slice(&list.to_le_bytes());
    name[8..].copy_from_slice(&position.to_le_bytes());
    name
}

/// The link that leads away from an end.
fn away_from(side: Side) -> usize {
    match side {
        Side::Left => NEXT,
        Side::Right => PREVIOUS,
    }
}

/// The link that leads back to an end.
fn towards(side: Side) -> usize {
    match side {
        Side::Left => PREVIOUS,
        Side::Right => NEXT,
    }
}

/// Kind and word of the value of an element; its bytes go into the buffer.
#[inline(always)]
pub fn read_element(element: &Record<'_>, buffer: &mut Vec<u8>) -> Result<(u8, u64)> {
    let damaged = || Error::Damaged { what: "an element of a list" };
    if element.shape.is_number() {
        let [place] = element.value_places().ok_or_else(damaged)?;
        return Ok((element.shape.kind(), place.load(Ordering::Relaxed)));
    }
    let is_whole = element.read_value(buffer);
    is_whole.then_some((element.shape.kind(), 0)).ok_or_else(damaged)
}

impl<'a> Locked<'a> {
    #[inline(always)]
    fn pop(&mut self, key: &Key<'_>, side: Side, buffer: &mut Vec<u8>) -> Result<Popped> {
        let Some((list, link)) = self.list(key)? else { return Ok(Popped::Nothing) };
        let Some(element) = self.core.end_of_list(self.shard, &list, side) else {
            return Ok(Popped::Damage);
        };
        let (value_kind, word) = read_element(&element, buffer)?;
        self.take(&list, link, &element, side);
        Ok(Popped::Element(value_kind, word))
    }

    #[cold]
    fn pop_after_repair<'b>(
        &mut self,
        key: &Key<'_>,
        side: Side,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Value<'b>>> {
        self.repair();
        match self.pop(key, side, buffer)? {
            Popped::Element(value_kind, word) => Ok(Some(decode(value_kind, word, buffer))),
            Popped::Nothing => Ok(None),
            Popped::Damage => {
                self.repair();
                Ok(None)
            }
        }
    }

    /// The live list of a key, and the link that leads to it.
    #[inline(always)]
    pub fn list(&mut self, key: &Key<'_>) -> Result<Option<(List<'a>, &'a AtomicU32)>> {
        match self.seek_list(key)? {
            Sought::List(list, link) => Ok(Some((list, link))),
            Sought::Over(..) | Sought::Nothing => Ok(None),
        }
    }

    /// What a key has for an operation on a list, and the link that leads to it.
    #[inline(always)]
    fn seek_list(&mut self, key: &Key<'_>) -> Result<Sought<'a>> {
        let Some((record, link)) = self.find(key) else { return Ok(Sought::Nothing) };
        if self.is_over(&record, version_of(record.commit())) {
            self.core.touch_dead(self.shard, record.cell);
            return Ok(Sought::Over(record, link));
        }
        self.touch(record.cell);
        let list = self.core.list_of(record).ok_or(Error::ValueNotList)?;
        Ok(Sought::List(list, link))
    }

    #[inline(always)]
    fn push_to(
        &mut self,
        list: &List<'a>,
        value: Value<'_>,
        side: Side,
        evict: bool,
    ) -> Result<u64> {
        let core = self.core;
        let end = core.placed_element(self.shard, list.end(side), list.id);
        let position = end.map_or(0, |(_, position)| match side {
            Side::Left => position.wrapping_sub(1),
            Side::Right => position.wrapping_add(1),
        });
        let end = end.map(|(end, _)| end);
        let element = match self.element_in_spare(list.id, position, value) {
            Some(element) => element,
            None => {
                // The list itself must not be thrown out for its own element.
                let old = Some(list.record);
                let permit = Permit { evict, old, old_is_over: false, may_take_over: false };
                self.build_element(list.id, position, value, permit)?.record
            }
        };
        self.open();
        self.commit(&element, ELEMENT);
        self.link_element(list, &element, end, side);
        self.renew(&list.record);
        self.close();
        self.count(WRITES, 1);
        Ok(list.count())
    }

    /// The version of an entry changes with what it owns.
    fn renew(&mut self, record: &Record<'_>) {
        let version = self.next_version();
        record.set_commit(commit_word(version, ENTRY));
    }

    /// Builds an element in a run that the shard has kept: the usual case.
    #[inline(always)]
    fn element_in_spare(
        &mut self,
        list: u64,
        position: i64,
        value: Value<'_>,
    ) -> Option<Record<'a>> {
        let name = name_of_element(list, position);
        let key = Key { bytes: &name, shard: self.shard, bucket: 0, tag: 0 };
        if self.half(DOOMED) != 0 {
            return None;
        }
        self.build_in_spare(&Content::new(&key, value, 0, 0), 0)
    }

    #[inline(never)]
    fn build_element(
        &mut self,
        list: u64,
        position: i64,
        value: Value<'_>,
        permit: Permit<'a>,
    ) -> Result<Built<'a>> {
        let name = name_of_element(list, position);
        let key = Key { bytes: &name, shard: self.shard, bucket: 0, tag: 0 };
        let content = Content::new(&key, value, 0, 0);
        self.build_beside(&content, permit)
    }

    /// Puts a committed element at an end.
    #[inline(always)]
    fn link_element(
        &mut self,
        list: &List<'a>,
        element: &Record<'_>,
        end: Option<Record<'a>>,
        side: Side,
    ) {
        let link = link_to(element.cell);
        element.set_half(towards(side), 0);
        element.set_half(away_from(side), end.map_or(0, |end| link_to(end.cell)));
        match end {
            Some(end) => {
                end.set_half(towards(side), link);
                list.set_end(side, link);
            }
            None => list.set_ends(link, link, 0),
        }
        list.count.store(list.count().wrapping_add(1), Ordering::Relaxed);
        self.count(ELEMENTS, 1);
        crate::fault::point();
    }

    /// Makes a list of one element, in the place of whatever is over.
    #[inline(always)]
    fn push_first(
        &mut self,
        key: &Key<'_>,
        value: Value<'_>,
        options: SetOptions,
        old: Option<(Record<'a>, &'a AtomicU32)>,
    ) -> Result<u64> {
        let id = self.next_version();
        let new = match old {
            None => self.new_list_in_spares(key, value, options, id),
            Some(_) => None,
        };
        let (head, element) = match new {
            Some((head, element)) => (Built::easily(head), element),
            None => self.build_list(key, value, options, id, old.map(|(old, _)| old))?,
        };
        self.commit(&element, ELEMENT);
        self.count(ELEMENTS, 1);
        crate::fault::point();
        let old = old.filter(|_| !head.old_is_gone);
        self.publish(key, &head, old);
        if let Some((old, _)) = old {
            self.dispose(&old);
        }
        Ok(1)
    }

    /// Builds the head of a list and its only element in runs that the shard has kept: the usual
    /// case of a queue that runs empty.
    #[inline(always)]
    fn new_list_in_spares(
        &mut self,
        key: &Key<'_>,
        value: Value<'_>,
        options: SetOptions,
        id: u64,
    ) -> Option<(Record<'a>, Record<'a>)> {
        if self.half(DOOMED) != 0 || options.ttl_ms != 0 {
            return None;
        }
        let element = self.element_in_spare(id, 0, value)?;
        let head = head_of_list(key, options, id, link_to(element.cell));
        match self.build_in_spare(&head, 0) {
            Some(head) => Some((head, element)),
            None => {
                self.release_record(&element);
                None
            }
        }
    }

    /// Builds the head of a list and its only element, making room for them.
    #[inline(never)]
    fn build_list(
        &mut self,
        key: &Key<'_>,
        value: Value<'_>,
        options: SetOptions,
        id: u64,
        old: Option<Record<'a>>,
    ) -> Result<(Built<'a>, Record<'a>)> {
        let head = head_of_list(key, options, id, 0);
        let evict = !options.never_evict;
        let permit = Permit { evict, old, old_is_over: true, may_take_over: false };
        let mut head = self.build(&head, permit)?;
        let permit = Permit { old: old.filter(|_| !head.old_is_gone), ..permit };
        let element = match self.build_element(id, 0, value, permit) {
            Ok(element) => element,
            Err(error) => {
                self.release_record(&head.record);
                return Err(error);
            }
        };
        head.made_room |= element.made_room;
        head.old_is_gone |= element.old_is_gone;
        let list = self.core.list_of(head.record).expect("it was just built");
        let link = link_to(element.record.cell);
        list.set_ends(link, link, 1);
        Ok((head, element.record))
    }

    /// Ends the element at an end, and the list with its last one.
    #[inline(always)]
    fn take(&mut self, list: &List<'a>, link: &AtomicU32, element: &Record<'a>, side: Side) {
        let next = self.core.next_element(self.shard, list, element, side);
        self.open();
        element.set_commit(FREE);
        self.discount(ELEMENTS, 1);
        match next {
            Some(next) => {
                list.set_end(side, link_to(next.cell));
                list.count.store(list.count().saturating_sub(1), Ordering::Relaxed);
                next.set_half(towards(side), 0);
                self.renew(&list.record);
            }
            None => self.unlink(&list.record, link),
        }
        self.close();
        // What was taken from a queue is put into it again.
        self.release_and_lend(element);
        if next.is_none() {
            self.release_and_lend(&list.record);
        }
        self.count(WRITES, 1);
    }
}
