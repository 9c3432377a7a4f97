//! Message pointers: bytes outside Lua that a program holds by a light userdata.
//!
//! The userdata carries a key, not an address, so a pointer that was used up, made up or taken from
//! another service finds nothing and is an error instead of a crash.
//!
//! A block is either *owned* by the program, until it is sent or trashed, or *lent* to the running
//! task with the message that brought it, until the task lets go. Nothing survives the service.

use crate::actor::slots::{Key, Slots};
use crate::message::Payload;

/// The blocks of one service.
#[derive(Debug)]
pub(crate) struct Blocks {
    slots: Slots<Payload>,
    /// What the running task was lent.
    lent: Vec<Key>,
}

impl Default for Blocks {
    fn default() -> Self {
        Blocks { slots: Slots::new(1), lent: Vec::new() }
    }
}

impl Blocks {
    /// A block of the program's own.
    ///
    /// # Errors
    /// The bytes, when more blocks live than a pointer can name.
    pub(crate) fn own(&mut self, payload: Payload) -> Result<Key, Payload> {
        self.slots.insert(payload)
    }

    /// A block that is there until the running task lets go.
    ///
    /// # Errors
    /// As [`Blocks::own`].
    pub(crate) fn lend(&mut self, payload: Payload) -> Result<Key, Payload> {
        let key = self.slots.insert(payload)?;
        self.lent.push(key);
        Ok(key)
    }

    /// The bytes behind a pointer.
    pub(crate) fn get(&mut self, key: Key) -> Option<&Payload> {
        self.slots.get_mut(key).map(|payload| &*payload)
    }

    /// Takes the bytes; the pointer leads nowhere from now on.
    pub(crate) fn take(&mut self, key: Key) -> Option<Payload> {
        self.slots.remove(key)
    }

    /// Whether the running task was lent anything.
    #[inline]
    pub(crate) fn is_lending(&self) -> bool {
        !self.lent.is_empty()
    }

    /// Takes back what the task that ran was lent.
    #[inline]
    pub(crate) fn reclaim(&mut self) {
        for key in self.lent.drain(..) {
            self.slots.remove(key);
        }
    }

    /// Blocks that are alive.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_there_until_it_is_taken_once() {
        let mut blocks = Blocks::default();
        let key = blocks.own(Payload::from(b"abc".as_slice())).unwrap();
        assert_eq!(blocks.get(key).unwrap().to_bytes().as_ref(), b"abc");
        assert_eq!(blocks.take(key).unwrap().to_bytes().as_ref(), b"abc");
        assert!(blocks.get(key).is_none() && blocks.take(key).is_none());
        assert_eq!(blocks.len(), 0);
    }

    #[test]
    fn what_was_lent_goes_back_unless_it_was_sent_on() {
        let mut blocks = Blocks::default();
        let kept = blocks.own(Payload::EMPTY).unwrap();
        let lent = blocks.lend(Payload::EMPTY).unwrap();
        let sent = blocks.lend(Payload::EMPTY).unwrap();
        blocks.take(sent);
        let next = blocks.own(Payload::EMPTY).unwrap();
        blocks.reclaim();
        assert!(blocks.get(lent).is_none());
        assert!(blocks.get(kept).is_some() && blocks.get(next).is_some());
        assert_eq!(blocks.len(), 2);
    }
}
