//! Gives back what has expired, in the background, for all hosts of a process.
//!
//! One thread, begun when the first dictionary is opened. It sleeps without an end while no
//! dictionary that is open holds an entry that expires; otherwise until [`GRACE`] after the first
//! end, and never more often than each [`PAUSE`]. A sweep looks at [`STEP_BUCKETS`] buckets at a
//! time and lets others have the processor in between: no shard is locked for longer than 64
//! buckets take.
//!
//! Writers give expired entries back as well, when they need the room. So this thread serves
//! figures and enumerations rather than the next write, and there is no hurry: an entry that has
//! just expired can still be read by `get_stale`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use moonhive_shm::Cursor;
use parking_lot::{Condvar, Mutex};

use super::registry::Opened;

/// How long after its end an entry is left alone.
pub const GRACE: Duration = Duration::from_secs(30);

/// Least time between two sweeps of a dictionary.
const PAUSE: Duration = Duration::from_secs(10);

/// Buckets that one step covers.
const STEP_BUCKETS: u64 = 1024;

/// When a dictionary is to be swept next.
pub struct Plan {
    own: Weak<Opened>,
    /// Milliseconds of [`now_ms`]; `u64::MAX` for never. The agenda has it too: what it looks at
    /// under its lock must not be the dictionary, since whoever has it open last unmaps it.
    due_ms: Arc<AtomicU64>,
}

impl Plan {
    /// No sweep is planned.
    pub fn new(own: Weak<Opened>) -> Plan {
        Plan { own, due_ms: Arc::new(AtomicU64::new(u64::MAX)) }
    }
}

/// A dictionary on the agenda.
struct Entry {
    opened: Weak<Opened>,
    due_ms: Arc<AtomicU64>,
}

/// Dictionaries to sweep, and whether the thread runs.
struct Agenda {
    planned: Vec<Entry>,
    has_thread: bool,
}

static AGENDA: Mutex<Agenda> = Mutex::new(Agenda { planned: Vec::new(), has_thread: false });
static BELL: Condvar = Condvar::new();

/// Milliseconds since this process first asked.
pub fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// An entry will end at this moment. Next to nothing, unless it is the first to end.
#[inline]
pub fn note(opened: &Opened, end_ms: u64) {
    let due_ms = end_ms.saturating_add(GRACE.as_millis() as u64);
    let planned_ms = opened.plan.due_ms.load(Ordering::Relaxed);
    if due_ms.saturating_add(PAUSE.as_millis() as u64) < planned_ms {
        plan(opened, due_ms);
    }
}

/// Puts a dictionary on the agenda, or moves it forward there.
#[cold]
fn plan(opened: &Opened, due_ms: u64) {
    let mut agenda = AGENDA.lock();
    let plan = &opened.plan;
    if plan.due_ms.fetch_min(due_ms, Ordering::Relaxed) == u64::MAX {
        agenda.planned.push(Entry { opened: plan.own.clone(), due_ms: plan.due_ms.clone() });
    }
    let is_first = !std::mem::replace(&mut agenda.has_thread, true);
    drop(agenda);
    if is_first {
        let thread = thread::Builder::new().name("shared-sweep".to_owned()).spawn(run);
        // Without a thread the writers give back what they need; the next plan tries again.
        AGENDA.lock().has_thread = thread.is_ok();
    }
    BELL.notify_one();
}

/// The thread.
fn run() {
    loop {
        let due = next_due();
        if let Some(opened) = due.upgrade() {
            sweep(&opened);
        }
    }
}

/// Sleeps until a dictionary is due, and takes it off the agenda.
fn next_due() -> Weak<Opened> {
    let mut agenda = AGENDA.lock();
    loop {
        agenda.planned.retain(|entry| entry.opened.strong_count() > 0);
        let due_ms = |index: usize| agenda.planned[index].due_ms.load(Ordering::Relaxed);
        let Some(first) = (0..agenda.planned.len()).min_by_key(|&index| due_ms(index)) else {
            BELL.wait(&mut agenda);
            continue;
        };
        let wait_ms = due_ms(first).saturating_sub(now_ms());
        if wait_ms > 0 {
            BELL.wait_for(&mut agenda, Duration::from_millis(wait_ms));
            continue;
        }
        let entry = agenda.planned.swap_remove(first);
        entry.due_ms.store(u64::MAX, Ordering::Relaxed);
        return entry.opened;
    }
}

/// Gives back what is due in a dictionary, and plans the next sweep if anything is left that ends.
fn sweep(opened: &Opened) {
    let (mut next, mut soonest) = (Some(Cursor::default()), None::<Duration>);
    while let Some(cursor) = next {
        // A lock that cannot be had is tried again with the next sweep.
        let Ok(step) = opened.dictionary.reclaim(cursor, STEP_BUCKETS, GRACE) else {
            soonest = Some(GRACE);
            break;
        };
        soonest = [soonest, step.soonest].into_iter().flatten().min();
        next = step.next;
        thread::yield_now();
    }
    if let Some(soonest) = soonest {
        let wait_ms = soonest.max(PAUSE).as_millis() as u64;
        plan(opened, now_ms().saturating_add(wait_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::shared::registry::unite;
    use moonhive_shm::{Dictionary, Options, SetOptions, Value};

    #[test]
    fn a_dictionary_is_swept_again_only_while_something_in_it_ends() {
        let dictionary = Dictionary::create_unnamed("swept", &Options::new(64 << 10)).unwrap();
        let opened = unite("swept", dictionary).unwrap();
        let due = || opened.plan.due_ms.load(Ordering::Relaxed);
        opened.set("lasting", Value::Integer(1), SetOptions::default()).unwrap();
        opened.plan.due_ms.store(u64::MAX, Ordering::Relaxed);
        sweep(&opened);
        assert_eq!(due(), u64::MAX, "nothing ends");
        let options = SetOptions::default().ttl_ms(3_600_000);
        opened.set("ending", Value::Integer(1), options).unwrap();
        sweep(&opened);
        let wait_ms = due() - now_ms();
        assert!((3_600_000..=3_640_000).contains(&wait_ms), "{wait_ms}");
    }
}
