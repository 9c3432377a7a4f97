//! One mapping for all services of a process that open the same dictionary.
//!
//! A dictionary is opened anew each time and then compared with those that are open: the same name
//! may lead to another object after somebody has removed the first one. What tells objects apart is
//! their inode. The lock here is a leaf; no system call is made while it is held.

use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use moonhive_shm::{Dictionary, EXACT_LIMIT_BYTES, Error};
use parking_lot::Mutex;

use super::sweeper::{self, Plan};

/// The dictionaries that are open. Those that have been closed are noticed at the next opening.
static OPEN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// What a dictionary is known by. None that is another one is touched: whoever has it open last
/// unmaps it.
struct Known {
    name: String,
    identity: (u64, u64),
    opened: Weak<Opened>,
}

/// A dictionary that this process has open.
pub struct Opened {
    /// The dictionary.
    pub dictionary: Dictionary,
    name: String,
    /// When the sweeper looks at it.
    pub(super) plan: Plan,
}

impl Opened {
    /// The name that it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An entry has got an end, so many milliseconds from now; 0 for none. Before it has, the
    /// sweeper might come by, find nothing and forget about it.
    #[inline]
    pub fn note_end(&self, ttl_ms: u64) {
        if ttl_ms != 0 {
            sweeper::note(self, sweeper::now_ms().saturating_add(ttl_ms));
        }
    }

    /// True if the order of use is exact, so that the least recently used entry is known.
    pub fn is_exact(&self) -> bool {
        self.dictionary.capacity_bytes() <= EXACT_LIMIT_BYTES
    }
}

/// The one object of this process for a dictionary that was just opened.
///
/// # Errors
/// What the system refused.
pub fn unite(name: &str, dictionary: Dictionary) -> Result<Arc<Opened>, Error> {
    let identity = dictionary.identity()?;
    let is_same = |known: &&Known| known.name == name && known.identity == identity;
    let mut open = OPEN.lock();
    open.retain(|known| known.opened.strong_count() > 0);
    let known = open.iter().filter(is_same).find_map(|known| known.opened.upgrade());
    if let Some(known) = known {
        // Declared first, so unmapped last: the lock is given back before.
        drop(open);
        return Ok(known);
    }
    let opened = Arc::new_cyclic(|own: &Weak<Opened>| Opened {
        dictionary,
        name: name.to_owned(),
        plan: Plan::new(own.clone()),
    });
    open.push(Known { name: name.to_owned(), identity, opened: Arc::downgrade(&opened) });
    drop(open);
    // Others may have left entries that end.
    sweeper::note(&opened, sweeper::now_ms());
    Ok(opened)
}

/// Milliseconds since 1970.
pub fn unix_time_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
