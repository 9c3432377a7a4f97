//! The methods that a service was asked for lately: their names as the VM's own strings.
//!
//! A request names its method. To look the name up, the VM must first have it as a string of its
//! own, which takes as long as all the rest of finding a handler. Services serve few methods often,
//! so a few names are kept. Handlers are not: scripts replace them, and the next request must get
//! the new one.

use std::cell::Cell;

use crate::vm::Reference;

/// Names kept.
const PLACES: usize = 4;
/// Other names in a row that make a name give up its place.
const MISSES_MAX: u8 = 8;

/// A method that was called before.
pub(in crate::actor) struct Known {
    bytes: Box<[u8]>,
    /// Its name, a string of the VM.
    pub(in crate::actor) name: Reference,
    /// Where the time of its handler is noted.
    pub(in crate::actor) handler: u32,
    /// Lookups of other names in this place since the last of this one.
    misses: Cell<u8>,
}

/// The methods of one service that are known.
#[derive(Default)]
pub(in crate::actor) struct Methods(Option<Box<[Option<Known>; PLACES]>>);

impl Methods {
    /// The method of that name, if it is known.
    #[inline(always)]
    pub(in crate::actor) fn find(&self, name: &[u8]) -> Option<&Known> {
        let known = self.0.as_ref()?[place(name)].as_ref()?;
        if *known.bytes == *name {
            known.misses.set(0);
            return Some(known);
        }
        known.misses.set(known.misses.get().saturating_add(1));
        None
    }

    /// Whether it is worth while to keep a name that was not found.
    pub(super) fn has_room_for(&self, name: &[u8]) -> bool {
        let Some(places) = &self.0 else { return true };
        places[place(name)].as_ref().is_none_or(|known| known.misses.get() >= MISSES_MAX)
    }

    /// Keeps a name; returns the one that had its place.
    #[must_use = "the VM keeps the string until it is released"]
    pub(super) fn keep(
        &mut self,
        bytes: &[u8],
        name: Reference,
        handler: u32,
    ) -> Option<Reference> {
        let known = Known { bytes: bytes.into(), name, handler, misses: Cell::new(0) };
        let before = self.0.get_or_insert_default()[place(bytes)].replace(known);
        before.map(|known| known.name)
    }
}

/// Where a name may be kept.
#[inline]
fn place(name: &[u8]) -> usize {
    let (first, last) = (name.first().unwrap_or(&0), name.last().unwrap_or(&0));
    (usize::from(first ^ last) ^ name.len()) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;

    #[test]
    fn a_name_gives_up_its_place_to_one_that_is_asked_for_more_often() {
        let mut vm = Vm::builder().build().unwrap();
        let mut stack = vm.stack();
        let mut methods = Methods::default();
        let mut keep = |methods: &mut Methods, bytes: &[u8]| {
            stack.push_bytes(bytes);
            let name = stack.keep();
            if let Some(before) = methods.keep(bytes, name, 7) {
                stack.release(before);
            }
        };
        let (one, other) = (b"add".as_slice(), b"aed".as_slice());
        assert_eq!(place(one), place(other), "both want the same place");
        assert!(methods.find(one).is_none() && methods.has_room_for(one));
        keep(&mut methods, one);
        assert_eq!(methods.find(one).map(|known| known.handler), Some(7));
        for _ in 1..MISSES_MAX {
            assert!(methods.find(other).is_none() && !methods.has_room_for(other));
        }
        assert!(methods.find(one).is_some(), "which starts the count anew");
        for _ in 0..MISSES_MAX {
            assert!(methods.find(other).is_none());
        }
        assert!(methods.has_room_for(other));
        keep(&mut methods, other);
        assert!(methods.find(other).is_some() && methods.find(one).is_none());
    }
}
