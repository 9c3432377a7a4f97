//! A slab whose keys are never confused with those of an earlier tenant: every key carries the
//! epoch of its slot, so that a late answer, a late timer or a stale handle finds nothing. The
//! epoch rises when a slot is taken and when it is left: it is odd while the slot is taken, and so
//! is that of a key.
//!
//! Napkin: insert, look up and remove are an index and a compare (2 ns); a slot costs its value
//! and 8 bytes, and is used again by the next insert.

use std::hint::black_box;

use moonhive_kernel::chunks::Chunks;

/// Bits of a key that name the slot; the rest is the epoch.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// Bits of the epoch: a key has 56 bits, so that a light userdata of Lua can carry a tag beside it.
const EPOCH_BITS: u32 = 56 - INDEX_BITS;

const _: () = assert!(EPOCH_BITS == u32::BITS);

/// Slot and epoch in the lower 56 bits of a word; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The word that travels in messages.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Back from [`Key::to_bits`]; any word is a key, most of them find nothing, such as those
    /// whose epoch is one of a free slot.
    pub const fn from_bits(bits: u64) -> Key {
        if is_taken((bits >> INDEX_BITS) as u32) { Key(bits) } else { Key::NONE }
    }

    /// Finds nothing: no slot has its index.
    const NONE: Key = Key(1 << INDEX_BITS | INDEX_MASK);

    fn new(index: usize, epoch: u32) -> Key {
        Key(u64::from(epoch) << INDEX_BITS | index as u64)
    }

    /// The slot.
    pub fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    fn epoch(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32
    }
}

#[derive(Debug)]
struct Slot<T> {
    epoch: u32,
    /// There while the slot is taken, and afterwards if it was left to be used again.
    value: Option<T>,
}

/// The slab; see the module's text.
#[derive(Debug)]
pub struct Slots<T> {
    slots: Chunks<Slot<T>>,
    free: Vec<u32>,
    first_epoch: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots::new(1)
    }
}

impl<T> Slots<T> {
    /// Slots that no key can name beyond this.
    pub const CAPACITY_MAX: usize = INDEX_MASK as usize;

    /// An empty slab whose epochs begin at `seed`: keys of slabs with different seeds are unlikely
    /// to find anything in each other.
    pub fn new(seed: u64) -> Slots<T> {
        let first_epoch = seed as u32 | 1;
        Slots { slots: Chunks::default(), free: Vec::new(), first_epoch }
    }

    /// Stores `value` under a key that no earlier value had.
    ///
    /// # Errors
    /// The value itself, when every slot is taken.
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        let Some(key) = self.next_key() else { return Err(value) };
        match self.slots.get_mut(key.index()) {
            Some(slot) => {
                slot.epoch = key.epoch();
                slot.value = Some(value);
                self.free.pop();
            }
            None => self.slots.push(Slot { epoch: key.epoch(), value: Some(value) }),
        }
        Ok(key)
    }

    /// Stores the value that `make` makes of its key. What was [left](Self::leave) in the slot
    /// comes back; `None` when every slot is taken.
    ///
    /// # Errors
    /// What `make` fails with; nothing is stored then.
    #[inline]
    pub fn insert_with<E>(
        &mut self,
        make: impl FnOnce(Key) -> Result<T, E>,
    ) -> Result<Option<(Key, Option<T>)>, E> {
        let Some(&index) = self.free.last() else {
            let index = self.slots.len();
            if index >= Self::CAPACITY_MAX {
                return Ok(None);
            }
            let key = Key::new(index, self.first_epoch);
            self.slots.push(Slot { epoch: key.epoch(), value: Some(make(key)?) });
            return Ok(Some((key, None)));
        };
        let slot = &mut self.slots[index as usize];
        let key = Key::new(index as usize, slot.epoch.wrapping_add(1));
        let left = slot.value.replace(make(key)?);
        slot.epoch = key.epoch();
        self.free.pop();
        Ok(Some((key, left)))
    }

    /// The key that the next value gets; `None` when every slot is taken.
    #[inline]
    pub fn next_key(&self) -> Option<Key> {
        if let Some(index) = self.free.last() {
            let index = *index as usize;
            return Some(Key::new(index, self.slots[index].epoch.wrapping_add(1)));
        }
        let index = self.slots.len();
        (index < Self::CAPACITY_MAX).then(|| Key::new(index, self.first_epoch))
    }

    /// Whether a value was [left](Self::leave) in the slot that is used next.
    #[inline(always)]
    pub fn has_left(&self) -> bool {
        self.free.last().is_some_and(|index| {
            self.slots.get(*index as usize).is_some_and(|slot| slot.value.is_some())
        })
    }

    /// A value that was [left](Self::leave), under a key that no earlier value had, if the slot
    /// that is used next holds one.
    #[inline(always)]
    pub fn revive(&mut self) -> Option<(Key, &mut T)> {
        let index = *self.free.last()? as usize;
        let slot = self.slots.get_mut(index)?;
        let value = slot.value.as_mut()?;
        self.free.pop();
        slot.epoch = slot.epoch.wrapping_add(1);
        Some((Key::new(index, slot.epoch), value))
    }

    /// Leaves the value to whoever uses its slot next; its key and every older one find nothing
    /// from now on. Cheaper than taking it out, for a value that holds nothing any more.
    #[inline(always)]
    pub fn leave(&mut self, key: Key) {
        if let Some(slot) = self.slot_of(key) {
            slot.epoch = slot.epoch.wrapping_add(1);
            self.free.push(key.index() as u32);
        }
    }

    #[inline(always)]
    fn slot_of(&mut self, key: Key) -> Option<&mut Slot<T>> {
        let slot = self.slots.get_mut(key.index())?;
        debug_assert!(is_taken(key.epoch()));
        (slot.epoch == key.epoch()).then_some(slot)
    }

    /// The value that `key` names, while it is there.
    #[inline(always)]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slot_of(key)?.value.as_mut()
    }

    /// The same, to be looked at.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index())?;
        if slot.epoch == key.epoch() { slot.value.as_ref() } else { None }
    }

    /// Reads a part of each of several slots, so that memory answers for all of them at once and
    /// they are at hand afterwards.
    #[inline]
    pub fn touch(&self, keys: impl Iterator<Item = Key>) {
        let epochs = keys.map(|key| self.slots.get(key.index()).map_or(0, |slot| slot.epoch));
        black_box(epochs.fold(0, |all, epoch| all ^ epoch));
    }

    /// Takes the value out; its key and every older one find nothing from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_of(key)?;
        slot.epoch = slot.epoch.wrapping_add(1);
        let value = slot.value.take();
        self.free.push(key.index() as u32);
        value
    }

    /// The value in the slot of that index, whatever its epoch, and its key.
    pub fn at_index(&mut self, index: usize) -> Option<(Key, &mut T)> {
        let slot = self.slots.get_mut(index).filter(|slot| is_taken(slot.epoch))?;
        let key = Key::new(index, slot.epoch);
        slot.value.as_mut().map(|value| (key, value))
    }

    /// The keys of all values, in the order of the slots.
    pub fn keys(&self) -> Vec<Key> {
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| is_taken(slot.epoch));
        taken.map(|(index, slot)| Key::new(index, slot.epoch)).collect()
    }

    /// Values stored.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

const fn is_taken(epoch: u32) -> bool {
    epoch % 2 == 1
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
    fn a_value_is_made_of_its_key_or_not_at_all() {
        let mut slots = Slots::default();
        let failed = slots.insert_with(|_| Err::<u64, &str>("no"));
        assert_eq!((failed, slots.len()), (Err("no"), 0));
        let made = slots.insert_with(|key| Ok::<u64, ()>(key.to_bits()));
        let (key, left) = made.expect("made").expect("there is room");
        assert_eq!((slots.get(key), left), (Some(&key.to_bits()), None));
        slots.leave(key);
        assert_eq!(slots.get(key), None);
        assert_eq!(slots.insert_with(|_| Err::<u64, &str>("no")), Err("no"));
        let (next, left) = slots.insert_with(|_| Ok::<u64, ()>(7)).expect("made").expect("room");
        assert_eq!((next.index(), left), (key.index(), Some(key.to_bits())));
        assert_eq!((slots.get(key), slots.get(next), slots.len()), (None, Some(&7), 1));
    }

    #[test]
    fn no_word_names_what_was_left() {
        let mut slots = Slots::default();
        let old = slots.insert("old").unwrap();
        slots.leave(old);
        for epoch in 0..8 {
            let word = epoch << INDEX_BITS | old.index() as u64;
            assert_eq!(slots.get_mut(Key::from_bits(word)), None);
        }
    }

    #[test]
    fn the_key_of_the_next_value_is_known_before() {
        let mut slots = Slots::default();
        for round in 0..3 {
            let announced = slots.next_key();
            let key = slots.insert(round).unwrap();
            assert_eq!(announced, Some(key));
            if round == 1 {
                slots.remove(key);
            }
        }
        assert_eq!(slots.len(), 2);
    }

    #[test]
    fn keys_of_another_slab_find_nothing() {
        let mut ours = Slots::new(7);
        let mut theirs = Slots::new(9);
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
        let mut slots = Slots::new(u64::MAX);
        let last = slots.insert(1).unwrap();
        assert!(last.epoch() == u32::MAX && last.to_bits() < 1 << 56);
        slots.remove(last);
        assert_eq!(slots.insert(2).map(Key::epoch), Ok(1));
    }
}
