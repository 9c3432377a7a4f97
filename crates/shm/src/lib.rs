//! Dictionaries in shared memory that survive the death of any process at any instruction: no Lua.
//!
//! Any process of a machine opens the same dictionary by name, or by a descriptor that it was
//! given, and reads without a lock what others write. What lives where:
//!
//! | module | holds | invariant |
//! |---|---|---|
//! | [`segment`] | memory with a header, by name, in a file or by descriptor | an object never exists half made; what differs is refused politely |
//! | `memory` | words of a segment | only atomics touch them, within bounds |
//! | `lock` | the robust lock between processes | a dead owner is noticed |
//! | `process` | who a process is, and whether it lives | a number that was given out again is another one |
//! | `dictionary` | entries, lists, eviction, repair | see the head of the module |
//! | [`dump`] | all entries as lines of JSON, to a file and back | what is loaded is what was saved |
//!
//! A dictionary in a file ([`segment::File`]) survives a start of the machine; of a loss of power
//! what was synced before and not changed since. Not promised: anything else that a power cut
//! leaves, and safety from a process that may write to the segment and wants to do harm. Checksums
//! and bounds keep damage from crashing us; they cannot make it good.
//!
//! An entry with a key and a value of 16 bytes each takes 71 bytes, everything included. A get or a
//! set of a random key among a million costs three or four cache misses; what that is in time, and
//! what everything else costs, `docs/benchmarks.md` says.

mod clock;
#[cfg_attr(loom, allow(dead_code, reason = "models use a part of it"))]
mod dictionary;
#[cfg(not(loom))]
pub mod dump;
mod error;
#[cfg(feature = "fault-injection")]
pub mod fault;
#[cfg(not(feature = "fault-injection"))]
mod fault;
mod lock;
mod memory;
mod process;
pub mod segment;
mod sync;

#[cfg(not(loom))]
pub use dictionary::{BELLS_MOST, Bell, Heard, OwnBell, Usage, wait_any};
pub use dictionary::{
    Cursor, Dictionary, EXACT_LIMIT_BYTES, Entry, Finding, Held, Incremented, Item,
    KEY_LIMIT_BYTES, KeyLock, ListCursor, Listing, Number, Options, Overdue, OwnedEntry,
    OwnedValue, Reclaimed, Remaining, SHARDS_MOST, SIZE_LEAST_BYTES, SIZE_MOST_BYTES, SetOptions,
    Side, Statistics, Stored, StripedCounter, Swept, Value,
};
pub use error::{Error, Result};
pub use segment::limits::{Limits, limits};
pub use segment::list::{Description, list};
