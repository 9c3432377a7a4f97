//! What a mailbox is told and what it answers: limits, outcomes of a push, counters.

/// When a mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages in the ordinary lane.
    pub messages: usize,
    /// Payload bytes in the ordinary lane. A message larger than this on its own still fits into
    /// an empty mailbox: the limit bounds what piles up, not what can be said.
    pub size_bytes: usize,
    /// Messages in the control lane.
    pub control_messages: usize,
}

impl Default for Limits {
    /// 65,536 messages, 64 MiB, and 1,048,576 control messages (each service that ends tells those
    /// that watch it, so one watcher of very many must be able to hear of all of them).
    fn default() -> Self {
        Self { messages: 1 << 16, size_bytes: 64 << 20, control_messages: 1 << 20 }
    }
}

/// What a push has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a consumer that is not woken never reads the message"]
pub struct Pushed {
    /// The consumer was at rest: the caller must wake its task now.
    pub wake: bool,
    /// Messages of this lane that wait in the mailbox, this one included.
    pub depth: usize,
}

/// What closing a mailbox with a last message has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a consumer that is not woken never reads the message"]
pub struct Sealed<T> {
    /// The consumer was at rest: the caller must wake its task now.
    pub wake: bool,
    /// What waited, control lane first.
    pub left: Vec<T>,
}

/// Why a message was not taken. The message comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal<T> {
    /// The lane is at its limit.
    #[error("mailbox is full: {messages} messages of {size_bytes} bytes wait")]
    Full {
        /// The message that was not taken.
        message: T,
        /// Messages that wait in this lane.
        messages: usize,
        /// Payload bytes that wait in the ordinary lane.
        size_bytes: usize,
    },
    /// The consumer has ended.
    #[error("mailbox is closed")]
    Closed(T),
}

impl<T> Refusal<T> {
    /// The message, back in the sender's hand.
    pub fn into_message(self) -> T {
        match self {
            Self::Full { message, .. } | Self::Closed(message) => message,
        }
    }
}

impl<T> std::fmt::Debug for Refusal<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { messages, size_bytes, .. } => f
                .debug_struct("Full")
                .field("messages", messages)
                .field("size_bytes", size_bytes)
                .finish_non_exhaustive(),
            Self::Closed(_) => f.write_str("Closed(..)"),
        }
    }
}

/// Counters of one mailbox, read at one moment.
///
/// The age of the oldest message costs no clock reading per message: who looks twice, at `t0` and
/// `t1`, knows that whatever waited at `t0` is handled once `taken` at `t1` has reached `pushed` at
/// `t0`; otherwise the oldest is older than `t1 - t0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that wait in the ordinary lane, those in the consumer's batch included.
    pub depth: usize,
    /// Their payload bytes.
    pub size_bytes: usize,
    /// Messages that wait in the control lane.
    pub control_depth: usize,
    /// Messages taken in since the start, both lanes.
    pub pushed: u64,
    /// Messages that left: handled, displaced or given back by `close`; both lanes.
    pub taken: u64,
    /// Pushes refused because a lane was full.
    pub refused: u64,
    /// Messages given back to make room ([`push_displacing`](super::Mailbox::push_displacing)).
    pub displaced: u64,
}
