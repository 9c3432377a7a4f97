//! Where the indices of the timers of a wheel lie, by their deadlines.
//!
//! A list holds indices in blocks of a cache line, so that whoever walks it knows where the next
//! timers lie before it has read this one: memory answers for several at once, which links from
//! timer to timer would ask one by one. Blocks are linked into circular lists through sentinels, so
//! a list is moved whole; a timer knows its place, and what is cancelled leaves a hole. A block
//! goes when its last timer does.

use crate::chunks::Chunks;

/// Bits per level.
const LEVEL_BITS: u32 = 6;
/// Slots per level.
const SLOTS: usize = 1 << LEVEL_BITS;
/// Levels that cover `u64`.
const LEVELS: usize = 11;
/// The sentinel of the list of timers that are due.
pub(super) const DUE: u32 = SENTINELS_START + (LEVELS * SLOTS) as u32;
/// Links at or above this index belong to sentinels, below to blocks.
const SENTINELS_START: u32 = u32::MAX - (LEVELS * SLOTS) as u32;
/// No timer, and no block: a hole in a block, the end of a list of free ones.
pub(super) const NONE: u32 = u32::MAX;
/// Indices in one block, which fills a cache line.
pub(super) const BLOCK_ITEMS: usize = 13;
/// Bits of a place that name the index within its block; the others name the block.
const PLACE_BITS: u32 = 4;
const _: () = assert!(LEVELS as u32 * LEVEL_BITS >= u64::BITS);
const _: () = assert!(BLOCK_ITEMS <= 1 << PLACE_BITS);
const _: () = assert!(size_of::<Block>() == 64);

#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) next: u32,
    pub(super) previous: u32,
}

/// A part of a list: the indices of timers in their order, or holes.
pub(super) struct Block {
    pub(super) links: Links,
    /// Where what has not fired begins.
    pub(super) start: u8,
    /// Where what was put in ends.
    pub(super) end: u8,
    /// How many of those are no holes.
    pub(super) live: u8,
    pub(super) items: [u32; BLOCK_ITEMS],
}

/// Where the indices of timers lie, by their deadlines.
pub(super) struct Lists {
    /// Every timer up to and including this tick is due or has fired.
    pub(super) now_ms: u64,
    pub(super) blocks: Chunks<Block>,
    sentinels: Box<[Links]>,
    /// Bit `s` of `slots_used[l]`: slot `s` of level `l` is not empty.
    slots_used: [u64; LEVELS],
    /// Bit `l`: level `l` is not empty.
    levels_used: u16,
    free_block: u32,
}

impl Lists {
    /// No lists, at tick 0.
    pub(super) fn new() -> Self {
        let alone = |sentinel| Links { next: sentinel, previous: sentinel };
        Self {
            now_ms: 0,
            blocks: Chunks::default(),
            sentinels: (SENTINELS_START..=DUE).map(alone).collect(),
            slots_used: [0; LEVELS],
            levels_used: 0,
            free_block: NONE,
        }
    }

    /// Lets time pass in which nothing happens.
    pub(super) fn skip_to(&mut self, now_ms: u64) {
        if now_ms <= self.now_ms {
            return;
        }
        let reached_ms = match self.next_slot() {
            Some((_, _, start_ms)) => now_ms.min(start_ms - 1),
            None => now_ms,
        };
        self.now_ms = self.now_ms.max(reached_ms);
    }

    /// Level, slot and first tick of the next slot in use.
    pub(super) fn next_slot(&self) -> Option<(usize, usize, u64)> {
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

    /// Moves a whole list to the end of the list of due timers.
    pub(super) fn make_all_due(&mut self, sentinel: u32) {
        let Links { next: first, previous: last } = self.links(sentinel);
        *self.links_mut(sentinel) = Links { next: sentinel, previous: sentinel };
        let tail = self.links(DUE).previous;
        self.links_mut(tail).next = first;
        self.links_mut(first).previous = tail;
        self.links_mut(last).next = DUE;
        self.links_mut(DUE).previous = last;
    }

    /// Puts an index into the list that a deadline asks for; its place.
    #[inline(always)]
    pub(super) fn append(&mut self, deadline_ms: u64, index: u32) -> u32 {
        let sentinel = if deadline_ms <= self.now_ms {
            DUE
        } else {
            let highest_bit = (deadline_ms ^ self.now_ms).ilog2();
            let level = highest_bit / LEVEL_BITS;
            let slot = (deadline_ms >> (level * LEVEL_BITS)) as usize % SLOTS;
            self.slots_used[level as usize] |= 1 << slot;
            self.levels_used |= 1 << level;
            sentinel_of(level as usize, slot)
        };
        let tail = self.links(sentinel).previous;
        if tail < SENTINELS_START {
            let block = &mut self.blocks[tail as usize];
            if let Some(item) = block.items.get_mut(usize::from(block.end)) {
                *item = index;
                let place = tail << PLACE_BITS | u32::from(block.end);
                block.end += 1;
                block.live += 1;
                return place;
            }
        }
        self.append_block(sentinel, tail, index) << PLACE_BITS
    }

    /// Adds a block with one timer to the end of a list; its number.
    pub(super) fn append_block(&mut self, sentinel: u32, tail: u32, index: u32) -> u32 {
        let links = Links { next: sentinel, previous: tail };
        let mut items = [NONE; BLOCK_ITEMS];
        items[0] = index;
        let block = Block { links, start: 0, end: 1, live: 1, items };
        let number = if self.free_block == NONE {
            self.blocks.push(block);
            self.blocks.len() as u32 - 1
        } else {
            let number = self.free_block;
            let place = &mut self.blocks[number as usize];
            self.free_block = place.links.next;
            *place = block;
            number
        };
        debug_assert!(number < SENTINELS_START >> PLACE_BITS);
        self.links_mut(tail).next = number;
        self.links_mut(sentinel).previous = number;
        number
    }

    /// Makes a hole of a place.
    pub(super) fn vacate(&mut self, place: u32) {
        let number = place >> PLACE_BITS;
        let block = &mut self.blocks[number as usize];
        let item = (place % (1 << PLACE_BITS)) as u8;
        block.items[usize::from(item)] = NONE;
        block.live -= 1;
        // Whoever arms and calls off all the time needs no block after block.
        if item + 1 == block.end {
            block.end = item;
        }
        if block.live == 0 {
            self.unlink(number);
        }
    }

    /// Takes a block without timers out of its list.
    pub(super) fn unlink(&mut self, number: u32) {
        let Links { next, previous } = self.links(number);
        self.links_mut(previous).next = next;
        self.links_mut(next).previous = previous;
        if next == previous && (SENTINELS_START..DUE).contains(&next) {
            let list = (next - SENTINELS_START) as usize;
            self.mark_unused(list / SLOTS, list % SLOTS);
        }
        self.free(number);
    }

    pub(super) fn free(&mut self, number: u32) {
        self.blocks[number as usize].links.next = self.free_block;
        self.free_block = number;
    }

    pub(super) fn mark_unused(&mut self, level: usize, slot: usize) {
        self.slots_used[level] &= !(1 << slot);
        if self.slots_used[level] == 0 {
            self.levels_used &= !(1 << level);
        }
    }

    pub(super) fn links(&self, index: u32) -> Links {
        match index.checked_sub(SENTINELS_START) {
            Some(sentinel) => self.sentinels[sentinel as usize],
            None => self.blocks[index as usize].links,
        }
    }

    pub(super) fn links_mut(&mut self, index: u32) -> &mut Links {
        match index.checked_sub(SENTINELS_START) {
            Some(sentinel) => &mut self.sentinels[sentinel as usize],
            None => &mut self.blocks[index as usize].links,
        }
    }
}

/// The sentinel of the list of a slot.
pub(super) fn sentinel_of(level: usize, slot: usize) -> u32 {
    SENTINELS_START + (level * SLOTS + slot) as u32
}
