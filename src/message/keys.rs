//! Which table keys this payload already holds, so that a hundred rows spell their field names once.
//!
//! Keys are recognised by address, never by content: strings of Lua that are as short as field
//! names are unique per VM, and so are the names in a `Serialize` implementation. A lookup costs
//! about 1 ns, a missed repetition only bytes. Invariant: an address in the cache stays valid and
//! unchanged for the whole payload; whoever lets foreign code run in between must call
//! [`KeyCache::forget`].

use super::format::MAX_REMEMBERED_KEYS;

const SLOTS: usize = 128;

/// Numbers the keys of one payload in the order they are written.
#[derive(Debug)]
pub(super) struct KeyCache {
    /// Slots of other generations are empty.
    generation: u32,
    /// Keys written in full so far, up to [`MAX_REMEMBERED_KEYS`].
    written: usize,
    /// One more than the highest number referred to.
    referenced: usize,
    slots: Box<[Slot; SLOTS]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    address: usize,
    length: u32,
    generation: u32,
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
        let slot = &mut self.slots[((address >> 4) ^ (address >> 11)) % SLOTS];
        if slot.generation == self.generation
            && slot.address == address
            && slot.length as usize == key.len()
        {
            self.referenced = self.referenced.max(usize::from(slot.index) + 1);
            return Some(slot.index);
        }
        if self.written < MAX_REMEMBERED_KEYS && key.len() <= u32::MAX as usize {
            let (length, index) = (key.len() as u32, self.written as u8);
            *slot = Slot { address, length, generation: self.generation, index };
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

    /// Two keys whose places differ in nothing but bit 4 of their address: they never want the same
    /// slot, wherever a linker puts them.
    #[repr(align(32))]
    struct Apart([u8; 32]);

    #[test]
    fn a_key_is_written_once_and_then_referred_to() {
        let mut keys = KeyCache::default();
        let Apart(text) = Apart(*b"id______________name____________");
        let (id, name) = (&text[..2], &text[16..20]);
        assert_eq!(keys.find_or_remember(id), None);
        assert_eq!(keys.find_or_remember(name), None);
        assert_eq!(keys.referenced(), 0, "nothing was referred to yet");
        assert_eq!(keys.find_or_remember(name), Some(1));
        assert_eq!(keys.find_or_remember(id), Some(0));
        assert_eq!(keys.referenced(), 2);
    }

    #[test]
    fn a_key_that_lost_its_slot_is_written_again() {
        let mut keys = KeyCache::default();
        let Apart(text) = Apart(*b"id-name-________________________");
        let (id, name) = (&text[..2], &text[3..7]);
        assert_eq!((keys.find_or_remember(id), keys.find_or_remember(name)), (None, None));
        assert_eq!((keys.find_or_remember(id), keys.referenced()), (None, 0));
        assert_eq!(
            keys.find_or_remember(id),
            Some(2),
            "the number of the last time it was written"
        );
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
        let mut keys = KeyCache { generation: u32::MAX, ..KeyCache::default() };
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
