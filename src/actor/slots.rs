//! A slab whose keys are never confused with those of an earlier tenant: every key carries the
//! epoch of its slot, so that a late answer, a late timer or a stale handle finds nothing.
//!
//! Napkin: insert, look up and remove are an index and a compare (2 ns); a slot costs its value
//! and 16 bytes, and is used again by the next insert.

/// Bits of a key that name the slot; the rest is the epoch.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// Bits of the epoch: a key has 56 bits, so that a light userdata of Lua can carry a tag beside it.
const EPOCH_BITS: u32 = 56 - INDEX_BITS;
const EPOCH_MASK: u64 = (1 << EPOCH_BITS) - 1;

/// Slot and epoch in the lower 56 bits of a word; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The word that travels in messages.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Back from [`Key::to_bits`]; any word is a key, most of them find nothing.
    pub const fn from_bits(bits: u64) -> Key {
        Key(bits)
    }

    fn new(index: usize, epoch: u64) -> Key {
        Key(epoch << INDEX_BITS | index as u64)
    }

    /// The slot, which stays the same over [`Slots::renew`].
    pub fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    fn epoch(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

#[derive(Debug)]
struct Slot<T> {
    epoch: u64,
    is_taken: bool,
    /// There while the slot is taken, and afterwards if it was left to be used again.
    value: Option<T>,
}

/// The slab; see the module's text.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    first_epoch: u64,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots::new(1)
    }
}

impl<T> Slots<T> {
    /// Slots that no key can name beyond this.
    pub const CAPACITY_MAX: usize = 1 << INDEX_BITS;

    /// An empty slab whose epochs begin at `seed`: keys of slabs with different seeds are unlikely
    /// to find anything in each other.
    pub fn new(seed: u64) -> Slots<T> {
        Slots { slots: Vec::new(), free: Vec::new(), first_epoch: next_epoch(seed) }
    }

    /// Stores `value` under a key that no earlier value had.
    ///
    /// # Errors
    /// The value itself, when every slot is taken.
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            debug_assert!(!slot.is_taken);
            slot.is_taken = true;
            slot.value = Some(value);
            return Ok(Key::new(index as usize, slot.epoch));
        }
        let index = self.slots.len();
        if index >= Self::CAPACITY_MAX {
            return Err(value);
        }
        self.slots.push(Slot { epoch: self.first_epoch, is_taken: true, value: Some(value) });
        Ok(Key::new(index, self.first_epoch))
    }

    /// The value that `key` names, while it is there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.epoch == key.epoch() && slot.is_taken { slot.value.as_mut() } else { None }
    }

    /// A value that was [left](Self::leave), under a key that no earlier value had, if the slot that is
    /// used next holds one.
    pub fn revive(&mut self) -> Option<(Key, &mut T)> {
        let index = *self.free.last()? as usize;
        let slot = &mut self.slots[index];
        let value = slot.value.as_mut()?;
        self.free.pop();
        slot.is_taken = true;
        Some((Key::new(index, slot.epoch), value))
    }

    /// Leaves the value to whoever uses its slot next; its key and every older one find nothing from now
    /// on. Cheaper than taking it out, for a value that holds nothing any more.
    pub fn leave(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key.index())
            && slot.epoch == key.epoch()
            && std::mem::take(&mut slot.is_taken)
        {
            slot.epoch = next_epoch(slot.epoch);
            self.free.push(key.index() as u32);
        }
    }

    /// Takes the value out; its key and every older one find nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.epoch != key.epoch() {
            return None;
        }
        if !std::mem::take(&mut slot.is_taken) {
            return None;
        }
        let value = slot.value.take()?;
        slot.epoch = next_epoch(slot.epoch);
        self.free.push(key.index() as u32);
        Some(value)
    }

    /// The value in the slot of that index, whatever its epoch, and its key.
    pub fn at_index(&mut self, index: usize) -> Option<(Key, &mut T)> {
        let slot = self.slots.get_mut(index).filter(|slot| slot.is_taken)?;
        let key = Key::new(index, slot.epoch);
        slot.value.as_mut().map(|value| (key, value))
    }

    /// The keys of all values, in the order of the slots.
    pub fn keys(&self) -> Vec<Key> {
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_taken);
        taken.map(|(index, slot)| Key::new(index, slot.epoch)).collect()
    }

    /// Values stored.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

fn next_epoch(epoch: u64) -> u64 {
    let next = epoch.wrapping_add(1) & EPOCH_MASK;
    if next == 0 { 1 } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_value_until_it_is_removed() {
        let mut slots = Slots::default();
        let key = slots.insert("a").unwrap();
        assert_eq!(slots.get_mut(key), Some(&mut "a"));
        assert_eq!(slots.remove(key), Some("a"));
        assert_eq!(slots.get_mut(key), None);
        assert_eq!(slots.remove(key), None);
    }

    #[test]
    fn a_stale_key_does_not_find_the_next_tenant() {
        let mut slots = Slots::default();
        let old = slots.insert(1).unwrap();
        slots.remove(old);
        let new = slots.insert(2).unwrap();
        assert_eq!(old.index(), new.index());
        assert_eq!(slots.get_mut(old), None);
        assert_eq!(slots.get_mut(new), Some(&mut 2));
    }

    #[test]
    fn a_slot_tells_the_key_of_its_tenant() {
        let mut slots = Slots::default();
        let keys: Vec<Key> = (0..4).map(|n| slots.insert(n).unwrap()).collect();
        slots.remove(keys[1]);
        assert_eq!(slots.at_index(2), Some((keys[2], &mut 2)));
        assert_eq!(slots.at_index(1), None);
        assert_eq!(slots.keys(), vec![keys[0], keys[2], keys[3]]);
        assert_eq!(slots.len(), 3);
    }

    #[test]
    fn a_value_that_was_left_is_found_by_the_next_tenant_only() {
        let mut slots = Slots::default();
        let old = slots.insert("old").unwrap();
        assert!(slots.revive().is_none(), "nothing was left");
        slots.leave(old);
        slots.leave(old);
        assert_eq!((slots.len(), slots.keys()), (0, vec![]));
        assert_eq!(slots.get_mut(old), None);
        assert_eq!(slots.remove(old), None);
        assert_eq!(slots.at_index(old.index()), None);
        let (new, value) = slots.revive().expect("one was left");
        assert_eq!(std::mem::replace(value, "new"), "old");
        assert_eq!((new.index(), slots.len()), (old.index(), 1));
        assert_eq!(slots.get_mut(old), None);
        assert_eq!(slots.get_mut(new), Some(&mut "new"));
        assert!(slots.revive().is_none());
        assert_eq!(slots.remove(new), Some("new"));
        assert!(slots.revive().is_none(), "what was taken out is gone");
    }

    #[test]
    fn keys_of_another_slab_find_nothing() {
        let mut ours = Slots::new(7);
        let mut theirs = Slots::new(8);
        ours.insert(1).unwrap();
        assert_eq!(ours.get_mut(theirs.insert(2).unwrap()), None);
    }

    #[test]
    fn keys_survive_the_way_through_a_message_and_are_never_zero() {
        let mut slots = Slots::default();
        let key = slots.insert(()).unwrap();
        assert_ne!(key.to_bits(), 0);
        assert_eq!(Key::from_bits(key.to_bits()), key);
        assert_eq!(slots.get_mut(Key::from_bits(0)), None);
    }

    #[test]
    fn an_epoch_wraps_past_zero() {
        assert_eq!(next_epoch(EPOCH_MASK), 1);
        assert!(Key::new((1 << INDEX_BITS) - 1, EPOCH_MASK).to_bits() < 1 << 56);
    }
}
