//! The dictionary: keys and values that any process of the machine reads and writes.
//!
//! # What always holds
//! 1. **The cells are the truth, the index is derived.** A record exists from the store of its
//!    commit word until that word is overwritten. Buckets, links of lists, counters and the summary
//!    can be made anew from owner bytes, commit words and checksums alone ([`survey`], [`repair`]).
//! 2. **Copy, then commit.** A record is filled while nobody can find it. Of two entries of a key,
//!    which only a death can leave, the one with the higher version counts.
//! 3. **A version is never given out twice** in a shard: it is taken before the commit that uses
//!    it.
//! 4. **Whoever holds a lock writes; readers look at the sequence** ([`read`]). The sequence is odd
//!    while records are linked, unlinked or given back.
//! 5. **A cell has one owner.** It is taken with a compare-and-swap and given back with an `and` by
//!    the holder of its shard's lock; a dead holder's are found by the repair of that shard
//!    ([`cells`]).
//! 6. **A dead owner is noticed by the lock**, a panicking one by the dirty mark; either way the
//!    next one repairs before he does anything else ([`shard`]).
//! 7. **No number from the segment is believed** before it was compared with the geometry, which
//!    was checked once and is kept outside the segment ([`geometry`]).
//!
//! | module | holds |
//! |---|---|
//! | [`geometry`] | what lies where |
//! | [`hash`] | from keys to numbers |
//! | [`cells`], [`spare`] | the allocator; what each shard keeps beside it |
//! | [`record`], [`draft`], [`sum`] | the form of an entry, and how one comes to be |
//! | [`shard`], [`index`], [`stamps`] | lock, buckets, order of use |
//! | [`read`], [`write`], [`overwrite`], [`list`], [`walk`], [`wait`], `entries` | the operations |
//! | `lock_of_key` | locks that end with their owner, made of entries |
//! | `counter` | numbers that many writers add to |
//! | `update` | replacing a value by what a function makes of it |
//! | `pieces` | reading long lists, a piece at a time |
//! | `bell` | waiting for changes of many keys in one thread |
//! | [`statistics`], `usage` | figures |
//! | [`room`], [`evict`], [`doomed`] | what happens when it is full |
//! | [`survey`], [`repair`], [`check`] | what happens after a death |
//! | `reclaim`, `tidy` | giving back what has expired: in steps, and with each operation |
//! | `renew` | what happens to a file after a start of the machine |

#[cfg(not(loom))]
mod bell;
pub(crate) mod cells;
pub(crate) mod check;
pub(crate) mod core;
mod counter;
pub(crate) mod doomed;
pub(crate) mod draft;
mod entries;
pub(crate) mod evict;
pub(crate) mod geometry;
mod handle;
pub(crate) mod hash;
pub(crate) mod index;
pub(crate) mod list;
mod lock_of_key;
pub(crate) mod overwrite;
mod pieces;
pub(crate) mod read;
mod reclaim;
pub(crate) mod record;
mod renew;
pub(crate) mod repair;
pub(crate) mod room;
pub(crate) mod shard;
pub(crate) mod spare;
pub(crate) mod stamps;
pub(crate) mod statistics;
pub(crate) mod sum;
pub(crate) mod survey;
mod sweep;
mod tidy;
mod update;
#[cfg(not(loom))]
mod usage;
pub(crate) mod value;
pub(crate) mod wait;
pub(crate) mod walk;
pub(crate) mod words;
pub(crate) mod write;

#[cfg(all(test, miri))]
mod interpreted;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(any(loom, miri))))]
mod tests;

#[cfg(not(loom))]
pub use bell::{BELLS_MOST, Bell, Heard, OwnBell, wait_any};
pub use check::Finding;
pub use core::KEY_LIMIT_BYTES;
pub use counter::StripedCounter;
pub use entries::{Held, Listing};
pub use geometry::{EXACT_LIMIT_BYTES, SHARDS_MOST, SIZE_LEAST_BYTES, SIZE_MOST_BYTES};
pub use handle::{Dictionary, Options};
pub use lock_of_key::KeyLock;
pub use pieces::ListCursor;
pub use reclaim::{Overdue, Reclaimed};
pub use statistics::Statistics;
#[cfg(not(loom))]
pub use usage::Usage;
pub use value::{
    Entry, Incremented, Number, OwnedEntry, OwnedValue, Remaining, SetOptions, Side, Stored, Value,
};
pub use walk::{Cursor, Item, Swept};
