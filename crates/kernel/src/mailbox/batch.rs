//! What a mailbox has handed to its consumer and the consumer has not yet handled.

use std::collections::VecDeque;

use super::{Mailbox, Measured};
use crate::sync::atomic::Ordering;

/// Messages in the consumer's hand. It lives as long as the task: what one turn leaves, the next
/// one goes on with.
pub struct Batch<T> {
    pub(super) control: VecDeque<T>,
    pub(super) ordinary: VecDeque<T>,
    /// Payload bytes in `ordinary`.
    pub(super) size_bytes: usize,
    /// The last [`Mailbox::take`] left ordinary messages where they were.
    pub(super) left_behind: bool,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            control: VecDeque::new(),
            ordinary: VecDeque::new(),
            size_bytes: 0,
            left_behind: false,
        }
    }
}

impl<T: Measured> Batch<T> {
    /// The next message: control before ordinary, each lane in the order of arrival. `mailbox`
    /// must be the one the batch was taken from; its depth sinks by one.
    #[inline(always)]
    pub fn pop(&mut self, mailbox: &Mailbox<T>) -> Option<T> {
        if let Some(message) = self.pop_control(mailbox) {
            return Some(message);
        }
        let message = self.ordinary.pop_front()?;
        self.size_bytes -= message.size_bytes();
        mailbox.in_hand.messages.store(self.ordinary.len(), Ordering::Relaxed);
        mailbox.in_hand.size_bytes.store(self.size_bytes, Ordering::Relaxed);
        Some(message)
    }

    /// The next ordinary message, where it lies: for a consumer that takes it apart, and
    /// [pops](Self::pop) it with its last part, so that it counts as waiting until then. It must
    /// stay as large as it is.
    #[inline]
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.ordinary.front_mut()
    }

    /// The next control message only.
    #[inline]
    pub fn pop_control(&mut self, mailbox: &Mailbox<T>) -> Option<T> {
        let message = self.control.pop_front()?;
        mailbox.in_hand.control.store(self.control.len(), Ordering::Relaxed);
        Some(message)
    }

    /// Messages in hand, both lanes.
    pub fn len(&self) -> usize {
        self.control.len() + self.ordinary.len()
    }

    /// Whether no message is in hand. Others may still wait in the mailbox: before a task goes to
    /// rest ask [`is_finished`](Self::is_finished).
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.ordinary.is_empty()
    }

    /// Whether the consumer may rest: nothing is in hand, and the last [`Mailbox::take`] left
    /// nothing, so that whatever is pushed from then on wakes it.
    pub fn is_finished(&self) -> bool {
        self.is_empty() && !self.left_behind
    }

    /// Empties the batch, for a consumer that ends: control first.
    pub fn drain(&mut self, mailbox: &Mailbox<T>) -> Vec<T> {
        let rest = self.control.drain(..).chain(self.ordinary.drain(..)).collect();
        self.size_bytes = 0;
        self.report(mailbox);
        rest
    }

    /// Takes over a control lane, after what is in hand.
    pub(super) fn receive_control(&mut self, waiting: &mut VecDeque<T>) {
        if self.control.is_empty() {
            std::mem::swap(&mut self.control, waiting);
        } else {
            self.control.append(waiting);
        }
    }

    /// Tells the mailbox what is in hand, for its limits.
    pub(super) fn report(&self, mailbox: &Mailbox<T>) {
        mailbox.in_hand.messages.store(self.ordinary.len(), Ordering::Relaxed);
        mailbox.in_hand.size_bytes.store(self.size_bytes, Ordering::Relaxed);
        mailbox.in_hand.control.store(self.control.len(), Ordering::Relaxed);
    }
}
