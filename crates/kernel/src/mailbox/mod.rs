//! The queue of messages of one task: many producers, one consumer, two lanes.
//!
//! Why a mutex and a swap: producers push under a short lock, the consumer exchanges its empty
//! buffer for the full one under the same lock, so a turn that handles N messages takes one lock,
//! and at rest nothing is allocated (each buffer is kept and used again). Napkin: an uncontended
//! lock and unlock 10 ns, so push 12 ns, and a pop 2 ns plus 12 ns shared by the batch. Measured:
//! push, take and pop of one message 20 ns, of 64 messages 12 ns each.
//!
//! Who may do what:
//! * [`Mailbox::push`] and its kin: anybody, from any thread.
//! * [`Mailbox::take`] and the [`Batch`]: the consumer alone, that is the turn that runs now. The
//!   token of a task keeps two turns from running at once, and `&mut Batch` says so in the types.
//!
//! Waking: a push says [`Pushed::wake`] exactly when the consumer has been told that nothing is
//! left. So the consumer is woken once per batch, however many messages come in; it must not go to
//! sleep while [`Batch::is_finished`] is false. A consumer that is still awake sees with one read
//! whether such a push has come ([`Mailbox::has_news`]) and needs no lock to find out that none
//! has.
//!
//! Limits: messages and bytes of the ordinary lane, counted until the consumer has taken the
//! message out of its batch, and messages of the control lane. Reaching one is an outcome
//! ([`Refusal::Full`]) with the message in hand, never silent growth; what to do about it is the
//! caller's policy: refuse the sender, [`Mailbox::push_displacing`] the oldest, or go past the
//! limit with a warning ([`Mailbox::push_past_limit`]).

mod batch;
#[cfg(all(test, loom))]
mod models;
mod outcome;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::VecDeque;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub use batch::Batch;
pub use outcome::{Counters, Limits, Pushed, Refusal, Sealed};

/// A buffer that grew past this many messages in a burst is given back when the burst is over.
const KEPT_CAPACITY_MESSAGES: usize = 256;

/// What a mailbox must know of a message.
pub trait Measured {
    /// Bytes this message keeps alive beyond its own fixed size: its payload. Must not change while
    /// the message lies in a mailbox.
    fn size_bytes(&self) -> usize;

    /// Whether it may be [displaced](Mailbox::push_displacing) by newer ones. What somebody counts
    /// on, such as the answer to a question, may not.
    fn is_displaceable(&self) -> bool {
        true
    }
}

/// Both lanes; written by producers and the consumer, always under the lock.
struct Lanes<T> {
    control: VecDeque<T>,
    ordinary: VecDeque<T>,
    /// Payload bytes in `ordinary`.
    size_bytes: usize,
    /// The consumer was told that nothing is left; the next push wakes it.
    at_rest: bool,
    closed: bool,
    pushed: u64,
    refused: u64,
    displaced: u64,
}

/// What the consumer holds in its batch: written by it alone, read by producers for the limits.
#[derive(Default)]
struct InHand {
    messages: AtomicUsize,
    size_bytes: AtomicUsize,
    control: AtomicUsize,
}

/// Where messages for one task wait. See the [module](self) for the protocol.
///
/// ```
/// use moonhive_kernel::mailbox::{Batch, Limits, Mailbox, Measured};
///
/// struct Text(&'static str);
/// impl Measured for Text {
///     fn size_bytes(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// let mailbox = Mailbox::new(Limits::default());
/// let mut batch = Batch::default();
/// assert!(mailbox.push(Text("first")).unwrap().wake);
/// assert!(!mailbox.push(Text("second")).unwrap().wake, "one wake-up for the batch");
///
/// mailbox.take(&mut batch);
/// assert_eq!(batch.pop(&mailbox).unwrap().0, "first");
/// assert_eq!(batch.pop(&mailbox).unwrap().0, "second");
/// assert!(batch.is_finished());
/// ```
pub struct Mailbox<T> {
    lanes: Mutex<Lanes<T>>,
    limits: Limits,
    /// The limit of messages, which may be raised.
    messages_max: AtomicUsize,
    /// Whether the control lane may hold something; a hint that costs no lock.
    control_waits: AtomicBool,
    /// Whether a push has asked for the consumer since it last took; written under the lock.
    has_news: AtomicBool,
    in_hand: InHand,
}

impl<T: Measured> Mailbox<T> {
    /// An empty mailbox whose consumer is at rest.
    pub fn new(limits: Limits) -> Self {
        let lanes = Lanes {
            control: VecDeque::new(),
            ordinary: VecDeque::new(),
            size_bytes: 0,
            at_rest: true,
            closed: false,
            pushed: 0,
            refused: 0,
            displaced: 0,
        };
        Self {
            lanes: Mutex::new(lanes),
            messages_max: AtomicUsize::new(limits.messages),
            limits,
            control_waits: AtomicBool::new(false),
            has_news: AtomicBool::new(false),
            in_hand: InHand::default(),
        }
    }

    /// Messages that may wait in the ordinary lane.
    pub fn messages_max(&self) -> usize {
        self.messages_max.load(Ordering::Relaxed)
    }

    /// Raises that limit; a lower one than before changes nothing.
    pub fn raise_messages_max(&self, messages: usize) {
        self.messages_max.fetch_max(messages, Ordering::Relaxed);
    }

    /// Appends an ordinary message.
    ///
    /// # Errors
    /// [`Refusal::Full`] at a limit, [`Refusal::Closed`] after [`close`](Self::close).
    pub fn push(&self, message: T) -> Result<Pushed, Refusal<T>> {
        let size_bytes = message.size_bytes();
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Refusal::Closed(message));
        }
        if let Some((messages, waiting_bytes)) = self.fullness(&lanes, size_bytes) {
            lanes.refused += 1;
            return Err(Refusal::Full { message, messages, size_bytes: waiting_bytes });
        }
        Ok(self.append(&mut lanes, message, size_bytes))
    }

    /// Appends an ordinary message even past the limits, for the policy that warns instead of
    /// refusing. [`Pushed::depth`] says how far it has come.
    ///
    /// # Errors
    /// [`Refusal::Closed`] after [`close`](Self::close).
    pub fn push_past_limit(&self, message: T) -> Result<Pushed, Refusal<T>> {
        let size_bytes = message.size_bytes();
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Refusal::Closed(message));
        }
        Ok(self.append(&mut lanes, message, size_bytes))
    }

    /// The same, but the message may become a part of the one that came last: `join` gets both, and
    /// gives back what does not go together.
    ///
    /// # Errors
    /// [`Refusal::Closed`] after [`close`](Self::close).
    pub fn push_joining(
        &self,
        message: T,
        join: impl FnOnce(&mut T, T) -> Option<T>,
    ) -> Result<Pushed, Refusal<T>> {
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Refusal::Closed(message));
        }
        let message = match lanes.ordinary.back_mut() {
            None => message,
            Some(last) => {
                let before_bytes = last.size_bytes();
                let left = join(last, message);
                let after_bytes = last.size_bytes();
                lanes.size_bytes = lanes.size_bytes - before_bytes + after_bytes;
                // Who sent the last one has woken the consumer.
                let Some(message) = left else {
                    let depth =
                        lanes.ordinary.len() + self.in_hand.messages.load(Ordering::Relaxed);
                    return Ok(Pushed { wake: false, depth });
                };
                message
            }
        };
        let size_bytes = message.size_bytes();
        Ok(self.append(&mut lanes, message, size_bytes))
    }

    /// Puts an ordinary message before all others, past the limits: for one that was on its way
    /// without the mailbox, to a consumer that was at rest, and comes here after all. Whoever sent
    /// it has seen to the wake-up.
    ///
    /// # Errors
    /// [`Refusal::Closed`] after [`close`](Self::close).
    pub fn put_first(&self, message: T) -> Result<(), Refusal<T>> {
        let size_bytes = message.size_bytes();
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Refusal::Closed(message));
        }
        lanes.ordinary.push_front(message);
        lanes.size_bytes += size_bytes;
        lanes.pushed += 1;
        self.end_rest(&mut lanes);
        Ok(())
    }

    /// Appends an ordinary message and makes room for it: the oldest messages that may be displaced
    /// are appended to `displaced` until the new one fits. Messages the consumer already holds in
    /// its batch are not displaced, so this can fail when they alone reach the limit.
    ///
    /// # Errors
    /// [`Refusal::Full`] when nothing is left to displace, [`Refusal::Closed`] after
    /// [`close`](Self::close).
    pub fn push_displacing(
        &self,
        message: T,
        displaced: &mut Vec<T>,
    ) -> Result<Pushed, Refusal<T>> {
        let size_bytes = message.size_bytes();
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Refusal::Closed(message));
        }
        while let Some((messages, waiting_bytes)) = self.fullness(&lanes, size_bytes) {
            let place = lanes.ordinary.iter().position(Measured::is_displaceable);
            let Some(oldest) = place.and_then(|place| lanes.ordinary.remove(place)) else {
                lanes.refused += 1;
                return Err(Refusal::Full { message, messages, size_bytes: waiting_bytes });
            };
            lanes.size_bytes -= oldest.size_bytes();
            lanes.displaced += 1;
            displaced.push(oldest);
        }
        Ok(self.append(&mut lanes, message, size_bytes))
    }

    /// Appends a control message (kill, stop, supervision): it is read before every ordinary one.
    ///
    /// # Errors
    /// [`Refusal::Full`] at the limit of control messages, [`Refusal::Closed`] after
    /// [`close`](Self::close).
    pub fn push_control(&self, message: T) -> Result<Pushed, Refusal<T>> {
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Refusal::Closed(message));
        }
        let messages = lanes.control.len() + self.in_hand.control.load(Ordering::Relaxed);
        if messages >= self.limits.control_messages {
            lanes.refused += 1;
            let size_bytes = lanes.size_bytes + self.in_hand.size_bytes.load(Ordering::Relaxed);
            return Err(Refusal::Full { message, messages, size_bytes });
        }
        lanes.control.push_back(message);
        lanes.pushed += 1;
        self.control_waits.store(true, Ordering::Release);
        let wake = self.end_rest(&mut lanes);
        Ok(Pushed { wake, depth: messages + 1 })
    }

    /// Whether a control message may have come since the last [`take`](Self::take): one read, no
    /// lock, meant to be asked between two messages of a turn.
    pub fn control_waits(&self) -> bool {
        self.control_waits.load(Ordering::Acquire)
    }

    /// Whether a message may have come since the last [`take`](Self::take) that left nothing: one
    /// read, no lock. Whoever pushed it wakes the consumer as well, so one that reads `false` and
    /// goes to rest gets another turn.
    ///
    /// A sender that reads `false` and then [claims](crate::scheduler::Handle::claim) the
    /// consumer's turn has no earlier message of its own in here: it was taken in a turn that is
    /// over.
    pub fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// Hands over what waits: control messages always, ordinary ones once those handed over before
    /// are used up. The consumer's side alone.
    pub fn take(&self, batch: &mut Batch<T>) {
        let mut lanes = self.lanes.lock();
        self.control_waits.store(false, Ordering::Relaxed);
        self.has_news.store(false, Ordering::Relaxed);
        batch.receive_control(&mut lanes.control);
        if batch.ordinary.is_empty() {
            std::mem::swap(&mut batch.ordinary, &mut lanes.ordinary);
            batch.size_bytes = std::mem::take(&mut lanes.size_bytes);
            let burst_is_over = batch.ordinary.len() < KEPT_CAPACITY_MESSAGES / 4;
            if lanes.ordinary.capacity() > KEPT_CAPACITY_MESSAGES && burst_is_over {
                lanes.ordinary = VecDeque::new();
            }
        }
        batch.left_behind = !lanes.ordinary.is_empty();
        lanes.at_rest = !batch.left_behind;
        batch.report(self);
    }

    /// Refuses all messages from now on and gives back those that wait, control lane first. The
    /// ones in the consumer's batch stay there.
    pub fn close(&self) -> Vec<T> {
        let mut lanes = self.lanes.lock();
        lanes.closed = true;
        lanes.at_rest = false;
        lanes.size_bytes = 0;
        let control = std::mem::take(&mut lanes.control);
        let ordinary = std::mem::take(&mut lanes.ordinary);
        drop(lanes);
        control.into_iter().chain(ordinary).collect()
    }

    /// The same, but the consumer still gets `last`, a control message that no limit refuses.
    /// Nothing if the mailbox was closed before.
    pub fn seal(&self, last: T) -> Option<Sealed<T>> {
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return None;
        }
        lanes.closed = true;
        lanes.size_bytes = 0;
        let control = std::mem::take(&mut lanes.control);
        let ordinary = std::mem::take(&mut lanes.ordinary);
        lanes.control.push_back(last);
        lanes.pushed += 1;
        self.control_waits.store(true, Ordering::Release);
        let wake = self.end_rest(&mut lanes);
        drop(lanes);
        Some(Sealed { wake, left: control.into_iter().chain(ordinary).collect() })
    }

    /// Whether [`close`](Self::close) or [`seal`](Self::seal) was called.
    pub fn is_closed(&self) -> bool {
        self.lanes.lock().closed
    }

    /// Counters at this moment.
    pub fn counters(&self) -> Counters {
        let lanes = self.lanes.lock();
        let depth = lanes.ordinary.len() + self.in_hand.messages.load(Ordering::Relaxed);
        let control_depth = lanes.control.len() + self.in_hand.control.load(Ordering::Relaxed);
        let waiting = (depth + control_depth) as u64;
        Counters {
            depth,
            size_bytes: lanes.size_bytes + self.in_hand.size_bytes.load(Ordering::Relaxed),
            control_depth,
            pushed: lanes.pushed,
            taken: lanes.pushed.saturating_sub(waiting),
            refused: lanes.refused,
            displaced: lanes.displaced,
        }
    }

    /// Messages and bytes that wait, if `more_bytes` do not fit any more.
    fn fullness(&self, lanes: &Lanes<T>, more_bytes: usize) -> Option<(usize, usize)> {
        let messages = lanes.ordinary.len() + self.in_hand.messages.load(Ordering::Relaxed);
        let size_bytes = lanes.size_bytes + self.in_hand.size_bytes.load(Ordering::Relaxed);
        let too_large = size_bytes.saturating_add(more_bytes) > self.limits.size_bytes;
        let full = messages >= self.messages_max() || (messages > 0 && too_large);
        full.then_some((messages, size_bytes))
    }

    /// A message has come: whether the consumer must be woken for it.
    fn end_rest(&self, lanes: &mut Lanes<T>) -> bool {
        let wake = std::mem::take(&mut lanes.at_rest);
        if wake {
            self.has_news.store(true, Ordering::Release);
        }
        wake
    }

    fn append(&self, lanes: &mut Lanes<T>, message: T, size_bytes: usize) -> Pushed {
        lanes.ordinary.push_back(message);
        lanes.size_bytes += size_bytes;
        lanes.pushed += 1;
        let wake = self.end_rest(lanes);
        let depth = lanes.ordinary.len() + self.in_hand.messages.load(Ordering::Relaxed);
        Pushed { wake, depth }
    }
}
