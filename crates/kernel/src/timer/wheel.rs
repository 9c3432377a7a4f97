//! One hierarchical wheel: ticks of a millisecond, all of `u64`, arm and cancel in constant time.
//!
//! Level 0 has a slot for each of the next 64 ticks, level 1 one for each of the next 64 groups of
//! 64 ticks, and so on; 11 levels of 6 bits cover 64 bits. A timer lies at the level of the highest
//! group of bits in which its deadline differs from the wheel's time, in the slot that its own bits
//! name. When time reaches a slot of a higher level, its timers move down; each does so at most
//! ten times, and once or twice in practice.
//!
//! ```text
//! time      ..... | 000001 | 000010 | 000101        deadline differs from time first
//! deadline  ..... | 000001 | 001000 | 111111   ->   at level 1: slot 8 of level 1
//! ```
//!
//! Invariant: every timer of level L agrees with `now_ms` above L and is greater in L. Hence the
//! lowest level in use holds the earliest timers, and the lowest slot in use there is the next.
//!
//! Timers live in a slab, and their indices in [lists](super::lists). 16 bytes and the payload
//! each, and 5 in a list.

use std::hint::black_box;

use super::lists::{BLOCK_ITEMS, Block, DUE, Links, Lists, NONE, sentinel_of};
use crate::chunks::Chunks;

/// To know the earliest deadline of a slot of a higher level, its list is walked this far.
pub(super) const WALK_LIMIT: usize = 16;
/// A slot of the slab is retired after this many timers, so that no key ever names another timer.
const LAST_GENERATION: u32 = u32::MAX;

/// Two of those with a payload of two words share a cache line.
const _: () = assert!(size_of::<Entry<(std::num::NonZeroU64, u64)>>() == 32);

/// Names one timer of one wheel, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

struct Entry<P> {
    deadline_ms: u64,
    generation: u32,
    /// Where its index lies; of a free entry the next free one.
    place: u32,
    /// `None` while the entry is free.
    payload: Option<P>,
}

/// A wheel of timers with payloads `P`.
pub(crate) struct Wheel<P> {
    entries: Chunks<Entry<P>>,
    free_entry: u32,
    lists: Lists,
    len: usize,
}

impl<P> Wheel<P> {
    /// An empty wheel at tick 0.
    pub(crate) fn new() -> Self {
        Self { entries: Chunks::default(), free_entry: NONE, lists: Lists::new(), len: 0 }
    }

    /// Timers that are armed or due.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Arms a timer. `now_ms` lets an idle wheel catch up, which spares later moves; it may lag.
    #[inline(always)]
    pub(crate) fn arm(&mut self, now_ms: u64, deadline_ms: u64, payload: P) -> Key {
        self.lists.skip_to(now_ms);
        self.len += 1;
        let payload = Some(payload);
        if self.free_entry == NONE {
            let index = self.entries.len() as u32;
            let place = self.lists.append(deadline_ms, index);
            self.entries.push(Entry { deadline_ms, generation: 0, place, payload });
            return Key { index, generation: 0 };
        }
        let index = self.free_entry;
        let place = self.lists.append(deadline_ms, index);
        let entry = &mut self.entries[index as usize];
        self.free_entry = entry.place;
        let generation = entry.generation;
        *entry = Entry { deadline_ms, generation, place, payload };
        Key { index, generation }
    }

    /// Disarms a timer and gives its payload back; `None` if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<P> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let payload = entry.payload.take()?;
        let place = entry.place;
        release(entry, key.index, &mut self.free_entry);
        self.len -= 1;
        self.lists.vacate(place);
        Some(payload)
    }

    /// Moves time on to `now_ms` and passes at most `limit` due payloads to `fire`, earlier
    /// deadlines first, equal ones in the order in which they were armed. Returns whether more
    /// may be due: false only if none is.
    pub(crate) fn expire(&mut self, now_ms: u64, limit: usize, fire: &mut impl FnMut(P)) -> bool {
        let mut left = limit;
        while left > 0 {
            let first = self.lists.links(DUE).next;
            if first != DUE {
                left -= self.fire_of(first, left, fire);
            } else if !self.turn_to_next_slot(now_ms) {
                self.lists.now_ms = self.lists.now_ms.max(now_ms);
                return false;
            }
        }
        self.next_ms().is_some_and(|next_ms| next_ms <= now_ms)
    }

    /// Fires at most `limit` timers of a block; how many those were.
    fn fire_of(&mut self, number: u32, limit: usize, fire: &mut impl FnMut(P)) -> usize {
        let Self { entries, free_entry, lists, .. } = self;
        let block = &mut lists.blocks[number as usize];
        let end = block.end.min(block.start.saturating_add(limit.min(BLOCK_ITEMS) as u8));
        touch(entries, &block.items[usize::from(block.start)..usize::from(end)]);
        let mut fired = 0;
        while block.live > 0 && fired < limit {
            let index = block.items[usize::from(block.start)];
            block.start += 1;
            if index == NONE {
                continue;
            }
            block.live -= 1;
            fired += 1;
            let entry = &mut entries[index as usize];
            let payload = entry.payload.take();
            release(entry, index, free_entry);
            fire(payload.expect("a timer in a list holds its payload"));
        }
        if block.live == 0 {
            self.lists.unlink(number);
        }
        self.len -= fired;
        fired
    }

    /// No timer is due before this tick; `None` when no timer is armed. Exact but for a slot of a
    /// higher level that holds more than a few timers: then the start of that slot.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let due = self.lists.links(DUE).next;
        if due != DUE {
            let first = self.timers_of(&self.lists.blocks[due as usize]).next();
            return first.map(|first| first.deadline_ms.min(self.lists.now_ms));
        }
        let (level, slot, start_ms) = self.lists.next_slot()?;
        if level == 0 {
            return Some(start_ms);
        }
        Some(self.earliest_in(sentinel_of(level, slot)).unwrap_or(start_ms))
    }

    /// The earliest deadline of a list, if it is short.
    fn earliest_in(&self, sentinel: u32) -> Option<u64> {
        let mut earliest_ms = u64::MAX;
        let mut left = WALK_LIMIT;
        let mut number = self.lists.links(sentinel).next;
        while number != sentinel {
            let block = &self.lists.blocks[number as usize];
            left = left.checked_sub(usize::from(block.live))?;
            let deadlines = self.timers_of(block).map(|entry| entry.deadline_ms);
            earliest_ms = deadlines.fold(earliest_ms, u64::min);
            number = block.links.next;
        }
        Some(earliest_ms)
    }

    /// The timers of a block that have not fired.
    fn timers_of<'a>(&'a self, block: &'a Block) -> impl Iterator<Item = &'a Entry<P>> {
        let items = &block.items[usize::from(block.start)..usize::from(block.end)];
        let indices = items.iter().filter(|index| **index != NONE);
        indices.map(|index| &self.entries[*index as usize])
    }

    /// Moves time to the next slot in use, if that is not after `limit_ms`, and its timers to where
    /// they now belong.
    fn turn_to_next_slot(&mut self, limit_ms: u64) -> bool {
        let Some((level, slot, start_ms)) = self.lists.next_slot() else { return false };
        if start_ms > limit_ms {
            return false;
        }
        self.lists.now_ms = start_ms;
        let sentinel = sentinel_of(level, slot);
        self.lists.mark_unused(level, slot);
        if level == 0 {
            self.lists.make_all_due(sentinel);
            return true;
        }
        let mut number = self.lists.links(sentinel).next;
        *self.lists.links_mut(sentinel) = Links { next: sentinel, previous: sentinel };
        while number != sentinel {
            let Block { links, start, end, items, .. } = self.lists.blocks[number as usize];
            // Freed first: its memory is at hand for the next block that is needed.
            self.lists.free(number);
            let items = &items[usize::from(start)..usize::from(end)];
            touch(&self.entries, items);
            for index in items {
                if *index != NONE {
                    let entry = &mut self.entries[*index as usize];
                    entry.place = self.lists.append(entry.deadline_ms, *index);
                }
            }
            number = links.next;
        }
        true
    }
}

/// Reads a part of each of several entries, so that memory answers for all of them at once. Nothing
/// in between has to wait for an answer, as what is done with an entry does.
#[inline]
fn touch<P>(entries: &Chunks<Entry<P>>, indices: &[u32]) {
    let read = |index: &u32| entries.get(*index as usize).map_or(0, |entry| entry.generation);
    black_box(indices.iter().fold(0, |all, index| all ^ read(index)));
}

/// Returns an entry whose payload was taken to the free list.
#[inline]
fn release<P>(entry: &mut Entry<P>, index: u32, free_entry: &mut u32) {
    if entry.generation == LAST_GENERATION {
        return;
    }
    entry.generation += 1;
    entry.place = *free_entry;
    *free_entry = index;
}
