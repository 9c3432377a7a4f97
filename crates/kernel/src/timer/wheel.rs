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
//! Timers live in a slab and are linked into circular lists through sentinels, so a list is moved
//! whole and a timer is unlinked without knowing its list. 24 bytes and the payload each.

use crate::chunks::Chunks;

/// Bits per level.
const LEVEL_BITS: u32 = 6;
/// Slots per level.
const SLOTS: usize = 1 << LEVEL_BITS;
/// Levels that cover `u64`.
const LEVELS: usize = 11;
/// The sentinel of the list of timers that are due.
const DUE: u32 = (LEVELS * SLOTS) as u32;
/// Links at or above this index belong to sentinels, below to timers.
const SENTINELS_START: u32 = u32::MAX - DUE;
/// No entry: the end of the free list.
const NONE: u32 = u32::MAX;
/// To know the earliest deadline of a slot of a higher level, its list is walked this far.
const WALK_LIMIT: usize = 16;
/// A slot of the slab is retired after this many timers, so that no key ever names another timer.
const LAST_GENERATION: u32 = u32::MAX;

const _: () = assert!(LEVELS as u32 * LEVEL_BITS >= u64::BITS);
const _: () = assert!(size_of::<Entry<std::num::NonZeroU64>>() <= 32);

/// Names one timer of one wheel, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

#[derive(Clone, Copy)]
struct Links {
    next: u32,
    previous: u32,
}

struct Entry<P> {
    links: Links,
    deadline_ms: u64,
    generation: u32,
    /// `None` while the entry is free; `links.next` then names the next free one.
    payload: Option<P>,
}

/// A wheel of timers with payloads `P`.
pub(crate) struct Wheel<P> {
    /// Every timer up to and including this tick is due or has fired.
    now_ms: u64,
    entries: Chunks<Entry<P>>,
    sentinels: Box<[Links]>,
    /// Bit `s` of `slots_used[l]`: slot `s` of level `l` is not empty.
    slots_used: [u64; LEVELS],
    /// Bit `l`: level `l` is not empty.
    levels_used: u16,
    free: u32,
    len: usize,
}

impl<P> Wheel<P> {
    /// An empty wheel at tick 0.
    pub(crate) fn new() -> Self {
        let alone = |sentinel| {
            let index = SENTINELS_START + sentinel;
            Links { next: index, previous: index }
        };
        Self {
            now_ms: 0,
            entries: Chunks::default(),
            sentinels: (0..=DUE).map(alone).collect(),
            slots_used: [0; LEVELS],
            levels_used: 0,
            free: NONE,
            len: 0,
        }
    }

    /// Timers that are armed or due.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Arms a timer. `now_ms` lets an idle wheel catch up, which spares later moves; it may lag.
    pub(crate) fn arm(&mut self, now_ms: u64, deadline_ms: u64, payload: P) -> Key {
        self.skip_to(now_ms);
        let key = self.allocate(deadline_ms, payload);
        self.place(key.index);
        self.len += 1;
        key
    }

    /// Disarms a timer and gives its payload back; `None` if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<P> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let payload = entry.payload.take()?;
        self.unlink(key.index);
        self.release(key.index);
        Some(payload)
    }

    /// Moves time on to `now_ms` and passes at most `limit` due payloads to `fire`, earlier
    /// deadlines first, equal ones in the order in which they were armed. Returns whether more
    /// timers are due.
    pub(crate) fn expire(&mut self, now_ms: u64, limit: usize, fire: &mut impl FnMut(P)) -> bool {
        for _ in 0..limit {
            while self.first_due().is_none() && self.turn_to_next_slot(now_ms) {}
            let Some(index) = self.first_due() else {
                self.now_ms = self.now_ms.max(now_ms);
                return false;
            };
            self.unlink(index);
            let payload = self.entries[index as usize].payload.take();
            self.release(index);
            fire(payload.expect("a linked timer holds its payload"));
        }
        self.next_ms().is_some_and(|next_ms| next_ms <= now_ms)
    }

    /// No timer is due before this tick; `None` when no timer is armed. Exact but for a slot of a
    /// higher level that holds more than a few timers: then the start of that slot.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        if let Some(first) = self.first_due() {
            return Some(self.entries[first as usize].deadline_ms.min(self.now_ms));
        }
        let (level, slot, start_ms) = self.next_slot()?;
        if level == 0 {
            return Some(start_ms);
        }
        Some(self.earliest_in(sentinel_of(level, slot)).unwrap_or(start_ms))
    }

    /// The earliest deadline of a list, if it is short.
    fn earliest_in(&self, sentinel: u32) -> Option<u64> {
        let mut earliest_ms = u64::MAX;
        let mut index = self.links(sentinel).next;
        for _ in 0..WALK_LIMIT {
            let entry = &self.entries[index as usize];
            earliest_ms = earliest_ms.min(entry.deadline_ms);
            index = entry.links.next;
            if index == sentinel {
                return Some(earliest_ms);
            }
        }
        None
    }

    /// Lets time pass in which nothing happens.
    fn skip_to(&mut self, now_ms: u64) {
        let reached_ms = match self.next_slot() {
            Some((_, _, start_ms)) => now_ms.min(start_ms - 1),
            None => now_ms,
        };
        self.now_ms = self.now_ms.max(reached_ms);
    }

    /// Level, slot and first tick of the next slot in use.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        if self.levels_used == 0 {
            return None;
        }
        let level = self.levels_used.trailing_zeros() as usize;
        let slot = self.slots_used[level].trailing_zeros() as usize;
        let shift = level as u32 * LEVEL_BITS;
        let above = self.now_ms.checked_shr(shift + LEVEL_BITS).unwrap_or(0);
        let start_ms = above.checked_shl(shift + LEVEL_BITS).unwrap_or(0) | (slot as u64) << shift;
        Some((level, slot, start_ms))
    }

    /// Moves time to the next slot in use, if that is not after `limit_ms`, and its timers to where
    /// they now belong.
    fn turn_to_next_slot(&mut self, limit_ms: u64) -> bool {
        let Some((level, slot, start_ms)) = self.next_slot() else { return false };
        if start_ms > limit_ms {
            return false;
        }
        self.now_ms = start_ms;
        let sentinel = sentinel_of(level, slot);
        self.mark_unused(level, slot);
        if level == 0 {
            self.make_all_due(sentinel);
            return true;
        }
        let mut index = self.links(sentinel).next;
        *self.links_mut(sentinel) = Links { next: sentinel, previous: sentinel };
        while index != sentinel {
            let next = self.links(index).next;
            self.place(index);
            index = next;
        }
        true
    }

    /// Moves a whole list to the end of the list of due timers.
    fn make_all_due(&mut self, sentinel: u32) {
        let Links { next: first, previous: last } = self.links(sentinel);
        *self.links_mut(sentinel) = Links { next: sentinel, previous: sentinel };
        let due = SENTINELS_START + DUE;
        let tail = self.links(due).previous;
        self.links_mut(tail).next = first;
        self.links_mut(first).previous = tail;
        self.links_mut(last).next = due;
        self.links_mut(due).previous = last;
    }

    fn first_due(&self) -> Option<u32> {
        let due = SENTINELS_START + DUE;
        let first = self.links(due).next;
        (first != due).then_some(first)
    }

    /// Links an entry that is in no list into the one its deadline asks for.
    fn place(&mut self, index: u32) {
        let deadline_ms = self.entries[index as usize].deadline_ms;
        let sentinel = if deadline_ms <= self.now_ms {
            SENTINELS_START + DUE
        } else {
            let highest_bit = (deadline_ms ^ self.now_ms).ilog2();
            let level = highest_bit / LEVEL_BITS;
            let slot = (deadline_ms >> (level * LEVEL_BITS)) as usize % SLOTS;
            self.slots_used[level as usize] |= 1 << slot;
            self.levels_used |= 1 << level;
            sentinel_of(level as usize, slot)
        };
        let tail = self.links(sentinel).previous;
        *self.links_mut(index) = Links { next: sentinel, previous: tail };
        self.links_mut(tail).next = index;
        self.links_mut(sentinel).previous = index;
    }

    fn unlink(&mut self, index: u32) {
        let Links { next, previous } = self.links(index);
        self.links_mut(previous).next = next;
        self.links_mut(next).previous = previous;
        if next == previous && next >= SENTINELS_START && next != SENTINELS_START + DUE {
            let list = (next - SENTINELS_START) as usize;
            self.mark_unused(list / SLOTS, list % SLOTS);
        }
    }

    fn mark_unused(&mut self, level: usize, slot: usize) {
        self.slots_used[level] &= !(1 << slot);
        if self.slots_used[level] == 0 {
            self.levels_used &= !(1 << level);
        }
    }

    fn allocate(&mut self, deadline_ms: u64, payload: P) -> Key {
        let links = Links { next: NONE, previous: NONE };
        if self.free == NONE {
            let index = self.entries.len() as u32;
            debug_assert!(index < SENTINELS_START);
            self.entries.push(Entry { links, deadline_ms, generation: 0, payload: Some(payload) });
            return Key { index, generation: 0 };
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.links.next;
        entry.links = links;
        entry.deadline_ms = deadline_ms;
        entry.payload = Some(payload);
        Key { index, generation: entry.generation }
    }

    /// Returns an unlinked entry whose payload was taken to the free list.
    fn release(&mut self, index: u32) {
        self.len -= 1;
        let entry = &mut self.entries[index as usize];
        debug_assert!(entry.payload.is_none());
        if entry.generation == LAST_GENERATION {
            return;
        }
        entry.generation += 1;
        entry.links.next = self.free;
        self.free = index;
    }

    fn links(&self, index: u32) -> Links {
        match index.checked_sub(SENTINELS_START) {
            Some(sentinel) => self.sentinels[sentinel as usize],
            None => self.entries[index as usize].links,
        }
    }

    fn links_mut(&mut self, index: u32) -> &mut Links {
        match index.checked_sub(SENTINELS_START) {
            Some(sentinel) => &mut self.sentinels[sentinel as usize],
            None => &mut self.entries[index as usize].links,
        }
    }
}

fn sentinel_of(level: usize, slot: usize) -> u32 {
    SENTINELS_START + (level * SLOTS + slot) as u32
}
