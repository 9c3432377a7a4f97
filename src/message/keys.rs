//! Which table keys this payload already holds, so that a hundred rows spell their field names
//! once.
//!
//! Keys are recognised by address, never by content: strings of Lua that are as short as field
//! names are unique per VM, and so are the names in a `Serialize` implementation. A lookup costs
//! about 1 ns. None is lost up to the limit of the format: one field that is spelled anew in each
//! row would double what the reader does for all of the row (see `rows.rs`).
//!
//! Invariant: an address in the cache stays valid and unchanged for the whole payload; whoever lets
//! foreign code run in between must call [`KeyCache::forget`].

use super::format::MAX_REMEMBERED_KEYS;

const SLOTS: usize = 256;

/// There is always an empty slot, where a search ends.
const _: () = assert!(SLOTS >= 2 * MAX_REMEMBERED_KEYS);
const _: () = assert!(size_of::<Slot>() == 16);

/// Numbers the keys of one payload in the order they are written.
#[derive(Debug)]
pub(super) struct KeyCache {
    /// Slots of other generations are empty.
    generation: u16,
    /// Keys written in full so far, up to [`MAX_REMEMBERED_KEYS`].
    written: usize,
    /// One more than the highest number referred to.
    referenced: usize,
    /// A key lies in the slot that its address names, or else in one of those after it that are
    /// full.
    slots: Box<[Slot; SLOTS]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    address: usize,
    length: u32,
    generation: u16,
    index: u8,
}

impl Default for KeyCache {
    fn default() -> Self {
        let slots = Box::new([Slot::default(); SLOTS]);
        Self { generation: 1, written: 0, referenced: 0, slots }
    }
}

impl KeyCache {
    /// Starts a payload.
    #[inline]
    pub fn begin(&mut self) {
        (self.written, self.referenced) = (0, 0);
        self.forget();
    }

    /// Forgets every address; numbers go on.
    #[inline]
    pub fn forget(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.slots.fill(Slot::default());
            self.generation = 1;
        }
    }

    /// The number of `key` if this payload holds it; otherwise the caller must write it in full.
    #[inline]
    pub fn find_or_remember(&mut self, key: &[u8]) -> Option<u8> {
        let address = key.as_ptr() as usize;
        let mut place = (address >> 4) ^ (address >> 12);
        let slot = loop {
            let slot = &mut self.slots[place % SLOTS];
            if slot.generation != self.generation {
                break slot;
            }
            if slot.address == address && slot.length as usize == key.len() {
                self.referenced = self.referenced.max(usize::from(slot.index) + 1);
                return Some(slot.index);
            }
            place += 1;
        };
        if self.written < MAX_REMEMBERED_KEYS
            && let Ok(length) = u32::try_from(key.len())
        {
            *slot =
                Slot { address, length, generation: self.generation, index: self.written as u8 };
        }
        self.count_unremembered();
        None
    }

    /// Counts a key that is written in full and whose address means nothing.
    #[inline]
    pub fn count_unremembered(&mut self) {
        self.written = (self.written + 1).min(MAX_REMEMBERED_KEYS);
    }

    /// How many keys the reader must remember.
    #[inline]
    pub fn referenced(&self) -> usize {
        self.referenced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once_and_then_referred_to() {
        let mut keys = KeyCache::default();
        let text = b"id______________name";
        let (id, name) = (&text[..2], &text[16..20]);
        assert_eq!(keys.find_or_remember(id), None);
        assert_eq!(keys.find_or_remember(name), None);
        assert_eq!(keys.referenced(), 0, "nothing was referred to yet");
        assert_eq!(keys.find_or_remember(name), Some(1));
        assert_eq!(keys.find_or_remember(id), Some(0));
        assert_eq!(keys.referenced(), 2);
    }

    #[test]
    fn keys_that_want_the_same_slot_are_all_remembered() {
        let mut keys = KeyCache::default();
        let text = [b'k'; 16];
        // At one address, or at two that follow each other: few slots for all of them.
        let all: Vec<&[u8]> = (1..=MAX_REMEMBERED_KEYS / 8).map(|length| &text[..length]).collect();
        for key in &all {
            assert_eq!(keys.find_or_remember(key), None);
        }
        for (number, key) in all.iter().enumerate() {
            assert_eq!(keys.find_or_remember(key), Some(number as u8));
        }
    }

    #[test]
    fn every_key_up_to_the_limit_is_remembered_wherever_it_lies() {
        let mut keys = KeyCache::default();
        let text = vec![b'k'; 300 * 48];
        let all: Vec<&[u8]> = text.chunks(48).map(|chunk| &chunk[..5]).collect();
        assert!(all.iter().all(|key| keys.find_or_remember(key).is_none()));
        let found: Vec<Option<u8>> = all.iter().map(|key| keys.find_or_remember(key)).collect();
        let expected =
            (0..300).map(|number| u8::try_from(number).ok().filter(|number| *number < 128));
        assert_eq!(found, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_prefix_at_the_same_address_is_another_key() {
        let mut keys = KeyCache::default();
        let text = b"identity";
        assert_eq!(keys.find_or_remember(&text[..2]), None);
        assert_eq!(keys.find_or_remember(text), None);
    }

    #[test]
    fn a_new_payload_knows_no_keys() {
        let mut keys = KeyCache { generation: u16::MAX, ..KeyCache::default() };
        let key = b"id";
        assert_eq!(keys.find_or_remember(key), None);
        keys.begin();
        assert_eq!(keys.find_or_remember(key), None);
        assert_eq!(keys.find_or_remember(key), Some(0));
    }

    #[test]
    fn numbers_stop_at_the_limit_and_the_first_keys_stay_known() {
        let mut keys = KeyCache::default();
        let first = b"first";
        assert_eq!(keys.find_or_remember(first), None);
        (0..300).for_each(|_| keys.count_unremembered());
        assert_eq!(keys.find_or_remember(first), Some(0));
        let late = b"late";
        assert_eq!(keys.find_or_remember(late), None);
        assert_eq!(keys.find_or_remember(late), None, "beyond the limit nothing is remembered");
    }
}
