//! Message pointers: bytes outside Lua that a program holds by a light userdata.
//!
//! The userdata carries a key, not an address, so a pointer that was used up, made up or taken from
//! another service finds nothing and is an error instead of a crash.
//!
//! A block is either *owned* by the program, until it is sent or trashed, or *lent* to the running
//! task with the message that brought it, until the task lets go. Nothing survives the service.
//!
//! What a program owns is memory of its VM from the moment it gets the pointer until the block is
//! taken, whoever takes it. What is lent waited in the mailbox, whose limit it counted for, and
//! there is no more of it than one message for the task that runs.

use std::cell::RefCell;

use crate::actor::slots::{Key, Slots};
use crate::message::Payload;
use crate::vm::{Raise, Stack};

/// What a block takes beside its bytes: a slot, and the head of what is counted.
const BLOCK_BYTES: usize = 80;

/// The blocks of one service.
#[derive(Debug)]
pub(crate) struct Blocks(RefCell<Held>);

#[derive(Debug)]
struct Held {
    slots: Slots<Block>,
    /// What the running task was lent.
    lent: Vec<Key>,
}

#[derive(Debug)]
struct Block {
    payload: Payload,
    /// It counts as memory of the VM.
    is_owned: bool,
}

impl Block {
    fn counted_bytes(&self) -> usize {
        if self.is_owned { counted_bytes(&self.payload) } else { 0 }
    }
}

/// Every pointer is taken: more blocks live than one can name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Default for Blocks {
    fn default() -> Self {
        Blocks(RefCell::new(Held { slots: Slots::new(1), lent: Vec::new() }))
    }
}

impl Blocks {
    /// A block of the program's own.
    ///
    /// # Errors
    /// `not enough memory` when the VM is beyond its limit with it, and that too many live; it is
    /// freed then.
    #[inline(always)]
    pub(crate) fn own(&self, stack: &mut Stack<'_>, payload: Payload) -> Result<Key, Raise> {
        let bytes = counted_bytes(&payload);
        stack.count_outside(bytes)?;
        let key = self.0.borrow_mut().insert(payload, true);
        key.map_err(|TooMany| {
            stack.uncount_outside(bytes);
            Raise::message("too many message pointers are alive\nhint: skynet.trash them")
        })
    }

    /// A block that is there until the running task lets go.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(crate) fn lend(&self, payload: Payload) -> Result<Key, TooMany> {
        let mut held = self.0.borrow_mut();
        let key = held.insert(payload, false)?;
        held.lent.push(key);
        Ok(key)
    }

    /// The bytes behind a pointer.
    pub(crate) fn get(&self, key: Key) -> Option<Payload> {
        self.0.borrow_mut().slots.get_mut(key).map(|block| block.payload.clone())
    }

    /// How many they are.
    #[inline(always)]
    pub(crate) fn length(&self, key: Key) -> Option<usize> {
        self.0.borrow_mut().slots.get_mut(key).map(|block| block.payload.len())
    }

    /// Takes the bytes; the pointer leads nowhere from now on.
    #[inline(always)]
    pub(crate) fn take(&self, stack: &Stack<'_>, key: Key) -> Option<Payload> {
        let block = self.0.borrow_mut().slots.remove(key)?;
        stack.uncount_outside(block.counted_bytes());
        Some(block.payload)
    }

    /// Whether the running task was lent anything.
    #[inline]
    pub(crate) fn is_lending(&self) -> bool {
        !self.0.borrow().lent.is_empty()
    }

    /// Takes back what the task that ran was lent.
    #[inline]
    pub(crate) fn reclaim(&self) {
        let Held { slots, lent } = &mut *self.0.borrow_mut();
        for key in lent.drain(..) {
            slots.remove(key);
        }
    }

    /// Blocks that are alive.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().slots.len()
    }
}

impl Held {
    #[inline(always)]
    fn insert(&mut self, payload: Payload, is_owned: bool) -> Result<Key, TooMany> {
        self.slots.insert(Block { payload, is_owned }).map_err(|_| TooMany)
    }
}

/// What a block of a program's own counts for. Large strings beside the bytes may belong to the VM
/// as well: whether the block is the last that holds them nobody knows beforehand.
fn counted_bytes(payload: &Payload) -> usize {
    payload.len() + BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;

    #[test]
    fn a_block_is_there_until_it_is_taken_once() {
        let (mut vm, blocks) = (Vm::builder().build().unwrap(), Blocks::default());
        let mut stack = vm.stack();
        let key = blocks.own(&mut stack, Payload::from(b"abc".as_slice())).unwrap();
        assert_eq!(blocks.get(key).unwrap().to_bytes().as_ref(), b"abc");
        assert_eq!(blocks.take(&stack, key).unwrap().to_bytes().as_ref(), b"abc");
        assert!(blocks.get(key).is_none() && blocks.take(&stack, key).is_none());
        assert_eq!(blocks.len(), 0);
    }

    #[test]
    fn what_was_lent_goes_back_unless_it_was_sent_on() {
        let (mut vm, blocks) = (Vm::builder().build().unwrap(), Blocks::default());
        let mut stack = vm.stack();
        let kept = blocks.own(&mut stack, Payload::EMPTY).unwrap();
        let lent = blocks.lend(Payload::EMPTY).unwrap();
        let sent = blocks.lend(Payload::EMPTY).unwrap();
        blocks.take(&stack, sent);
        let next = blocks.own(&mut stack, Payload::EMPTY).unwrap();
        blocks.reclaim();
        assert!(blocks.get(lent).is_none());
        assert!(blocks.get(kept).is_some() && blocks.get(next).is_some());
        assert_eq!(blocks.len(), 2);
    }

    #[test]
    fn a_block_of_the_program_counts_until_it_is_taken_and_what_is_lent_never_does() {
        let (mut vm, blocks) = (Vm::builder().build().unwrap(), Blocks::default());
        let mut stack = vm.stack();
        let (before, payload) = (stack.used_bytes(), Payload::from([7; 1000].as_slice()));
        let owned = blocks.own(&mut stack, payload.clone()).unwrap();
        assert_eq!(stack.used_bytes(), before + 1000 + BLOCK_BYTES);
        let lent = blocks.lend(payload.clone()).unwrap();
        blocks.take(&stack, lent);
        blocks.lend(payload.clone()).unwrap();
        blocks.reclaim();
        assert_eq!(stack.used_bytes(), before + 1000 + BLOCK_BYTES);
        blocks.take(&stack, owned);
        blocks.take(&stack, owned);
        assert_eq!(stack.used_bytes(), before);
        stack.set_memory_limit(Some(before + 1000));
        assert!(blocks.own(&mut stack, payload).is_err());
        assert_eq!((blocks.len(), stack.top()), (0, 1));
    }
}
