//! A mailbox that fills up: what becomes of messages that do not fit, and what the log and the
//! figures tell of it.
//!
//! The log warns at a depth of [`OVERLOAD_WARNING_FIRST`] and at each doubling, of a service that
//! takes more bytes than its mailbox at that limit and at each doubling, and when messages are lost
//! at the first one and at each doubling of their number; so a flood costs a few lines, however
//! long it lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use moonhive_kernel::mailbox::{Counters, Measured, Refusal};
use parking_lot::Mutex;

use super::Service;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::settings::WhenFull;
use crate::actor::limits::OVERLOAD_WARNING_FIRST;
use crate::actor::message::Message;

/// What a service knows of its overload.
pub(super) struct Overload {
    policy: WhenFull,
    /// Bytes that may wait even if the mailbox, whose own limit never changes, refuses them.
    extra_bytes_max: AtomicUsize,
    /// Mailbox depth at which the next warning is due.
    warn_depth: AtomicUsize,
    /// The same for bytes beyond the limit of the mailbox.
    warn_bytes: AtomicUsize,
    refused: AtomicU64,
    dropped: AtomicU64,
    look: Mutex<Look>,
}

/// What somebody saw who looked at the mailbox: enough to tell later how long messages wait,
/// without a stamp on each of them.
#[derive(Default)]
struct Look {
    /// Messages taken in by then.
    pushed: u64,
    at_ns: u64,
}

/// What waits for a service at one moment, and what was lost so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backlog {
    pub(crate) messages: usize,
    pub(crate) size_bytes: usize,
    /// The oldest message has waited at least that long: it was there when somebody looked.
    pub(crate) age: Duration,
    pub(crate) refused: u64,
    pub(crate) dropped: u64,
}

impl Overload {
    pub(super) fn new(policy: WhenFull) -> Overload {
        Overload {
            policy,
            extra_bytes_max: AtomicUsize::new(0),
            warn_depth: AtomicUsize::new(OVERLOAD_WARNING_FIRST),
            warn_bytes: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            look: Mutex::default(),
        }
    }

    /// Whether a mailbox of that depth is worth a warning.
    #[inline]
    pub(super) fn is_due(&self, depth: usize) -> bool {
        depth >= self.warn_depth.load(Ordering::Relaxed)
    }

    /// Looks at the mailbox; how long its oldest message waits, as far as earlier looks tell.
    fn age(&self, counters: &Counters, now_ns: u64) -> Duration {
        let mut look = self.look.lock();
        if counters.taken >= look.pushed {
            *look = Look { pushed: counters.pushed, at_ns: now_ns };
        }
        match counters.pushed > counters.taken {
            true => Duration::from_nanos(now_ns.saturating_sub(look.at_ns)),
            false => Duration::ZERO,
        }
    }
}

impl Service {
    /// What waits in the mailbox.
    pub(crate) fn backlog(&self) -> Backlog {
        let counters = self.mailbox().counters();
        let now_ns = self.core().handle.clock().now_ns();
        Backlog {
            messages: counters.depth,
            size_bytes: counters.size_bytes,
            age: self.overload.age(&counters, now_ns),
            refused: self.overload.refused.load(Ordering::Relaxed),
            dropped: self.overload.dropped.load(Ordering::Relaxed),
        }
    }

    /// Lets messages of so many bytes wait, if that is more than the mailbox was made for.
    pub(crate) fn take_bytes(&self, size_bytes: usize) {
        self.overload.extra_bytes_max.fetch_max(size_bytes, Ordering::Relaxed);
    }

    /// Whether the message only has too many bytes for the mailbox, and not too many for the
    /// service.
    fn has_room(&self, message: &Message, messages: usize, size_bytes: usize) -> bool {
        let size_bytes = size_bytes.saturating_add(message.size_bytes());
        size_bytes <= self.overload.extra_bytes_max.load(Ordering::Relaxed)
            && messages < self.mailbox().messages_max()
    }

    /// The next warning of a full mailbox comes early again.
    pub(crate) fn forget_overload(&self) {
        let warn_depth = &self.overload.warn_depth;
        if warn_depth.load(Ordering::Relaxed) != OVERLOAD_WARNING_FIRST {
            warn_depth.store(OVERLOAD_WARNING_FIRST, Ordering::Relaxed);
        }
        let warn_bytes = &self.overload.warn_bytes;
        if warn_bytes.load(Ordering::Relaxed) != 0 {
            warn_bytes.store(0, Ordering::Relaxed);
        }
    }

    #[cold]
    pub(super) fn warn_overload(&self, depth: usize) {
        if is_time(&self.overload.warn_depth, depth) {
            self.tell_overload(depth);
        }
    }

    #[cold]
    fn tell_overload(&self, depth: usize) {
        let backlog = self.backlog();
        tracing::warn!(
            service = self.name(),
            address = self.log_address(),
            sender = self.core().in_turn_here(),
            messages = depth,
            size_bytes = backlog.size_bytes,
            age_ms = backlog.age.as_millis() as u64,
            "messages pile up in the mailbox"
        );
    }

    /// One message more has found no room.
    fn note_lost(&self, count: &AtomicU64, how: &str, messages: usize) {
        let lost = count.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.is_power_of_two() {
            tracing::warn!(
                service = self.name(),
                address = self.log_address(),
                sender = self.core().in_turn_here(),
                messages,
                lost,
                "the mailbox is full: {how}"
            );
        }
    }

    /// What becomes of a message that the mailbox has not taken.
    #[cold]
    pub(super) fn refused(self: &Arc<Self>, refusal: Refusal<Message>) -> Result<(), Fault> {
        match refusal {
            Refusal::Full { message, messages, size_bytes } => {
                self.when_full(message, messages, size_bytes)
            }
            closed => {
                closed.into_message().disarm();
                Err(self.dead())
            }
        }
    }

    /// Applies the service's policy to a message that does not fit.
    fn when_full(
        self: &Arc<Self>,
        message: Message,
        messages: usize,
        size_bytes: usize,
    ) -> Result<(), Fault> {
        match self.overload.policy {
            _ if self.has_room(&message, messages, size_bytes) => {
                if is_time(&self.overload.warn_bytes, size_bytes) {
                    self.tell_overload(messages);
                }
                self.overfill(message, messages)
            }
            WhenFull::Warn => self.overfill(message, messages),
            WhenFull::DropOldest => self.displace(message),
            WhenFull::Refuse => self.refuse(message, messages, size_bytes),
        }
    }

    fn overfill(self: &Arc<Self>, message: Message, messages: usize) -> Result<(), Fault> {
        let alive = self.post(message);
        self.warn_overload(messages);
        if alive { Ok(()) } else { Err(self.dead()) }
    }

    fn refuse(&self, message: Message, messages: usize, size_bytes: usize) -> Result<(), Fault> {
        self.note_lost(&self.overload.refused, "senders are refused", messages);
        message.disarm();
        let text = format!(
            "the mailbox of service {} is full: {messages} messages, {size_bytes} bytes wait",
            self.label()
        );
        Err(Fault::new(Code::Overload, text))
    }

    fn displace(self: &Arc<Self>, message: Message) -> Result<(), Fault> {
        let mut displaced = Vec::new();
        let result = self.mailbox().push_displacing(message, &mut displaced);
        for message in displaced {
            let depth = self.mailbox().counters().depth;
            self.note_lost(&self.overload.dropped, "the oldest messages are dropped", depth);
            message.reject(|| {
                let text = format!("service {} dropped its oldest messages", self.label());
                Fault::new(Code::Overload, text)
            });
        }
        match result {
            Ok(pushed) => {
                self.warn_overload(pushed.depth);
                self.wake_if(pushed.wake);
                Ok(())
            }
            // All that fills the mailbox is being handled.
            Err(Refusal::Full { message, messages, size_bytes }) => {
                self.refuse(message, messages, size_bytes)
            }
            Err(closed) => {
                closed.into_message().disarm();
                Err(self.dead())
            }
        }
    }
}

/// Whether what grows has come to the place where the next warning is due; the one after that is
/// due at the double.
fn is_time(due: &AtomicUsize, now: usize) -> bool {
    let (at, order) = (due.load(Ordering::Relaxed), Ordering::Relaxed);
    now >= at && due.compare_exchange(at, now.saturating_mul(2), order, order).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(pushed: u64, taken: u64) -> Counters {
        Counters { pushed, taken, ..Counters::default() }
    }

    #[test]
    fn the_age_is_that_of_a_message_seen_before_and_not_handled_since() {
        let overload = Overload::new(WhenFull::Refuse);
        let age_ns = |pushed, taken, now_ns| {
            overload.age(&counters(pushed, taken), now_ns).as_nanos() as u64
        };
        assert_eq!(age_ns(10, 5, 1_000), 0, "nobody has looked before");
        assert_eq!(age_ns(12, 9, 1_500), 500, "the tenth message waits still");
        assert_eq!(age_ns(20, 10, 2_000), 0, "it is handled; the present ones were not seen");
        assert_eq!(age_ns(20, 19, 2_300), 300);
        assert_eq!(age_ns(20, 20, 2_400), 0, "nothing waits");
    }
}
