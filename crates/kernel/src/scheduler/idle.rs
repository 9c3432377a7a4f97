//! Who is out of work: searching, sleeping, on lookout. Wakes as few workers as possible, and
//! never too few.
//!
//! A worker without work is in one of these roles:
//!
//! * **searching**: awake and looking; at most one worker counts as such. It finds whatever is
//!   added while it looks, so nobody needs to be woken.
//! * **sleeping** without a deadline, until told.
//! * **on lookout**: the one sleeper with a duty. It sleeps until the earliest timer. While tasks
//!   are handed to the "run next" slots of busy workers, which nobody may take at once, it also
//!   *watches*: it wakes up after a while and takes a task that is stuck behind a long turn (see
//!   [`slots`](super::slots)).
//!
//! Invariants, whenever no worker searches and somebody sleeps:
//! 1. no task lies in a queue from which a sleeper could take it;
//! 2. somebody is on lookout, and sleeps no longer than until the earliest timer;
//! 3. if a slot is occupied, the lookout watches.
//!
//! How they hold without a lock on the busy side: who adds something stores it, then passes a
//! sequentially consistent fence, then reads `summary`; who goes to sleep writes `summary`, passes
//! such a fence, then looks for work. At least one of the two sees the other. (Fences rather than
//! sequentially consistent accesses, because those loom can check.)
//!
//! Cost on the busy side: one fence and one read (about 10 ns). A wake-up is a system call (2 us)
//! and the sleeper runs about 20 us later.

use std::cell::Cell;
use std::time::Instant;

use super::roles::{SEARCHING, SLEEPER, STOPPING, Set, WATCHING, errands_in};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Covers no time at all: the lookout has not read the timers yet.
const COVERS_NOTHING_MS: u64 = u64::MAX;

/// A slot at the moment when a worker was woken because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotSeen {
    pub(super) worker: usize,
    pub(super) mark: u64,
    /// The turn in front of it lasts.
    pub(super) is_stuck: bool,
}

/// What a worker that has lain down, but not closed its eyes, sees.
pub(super) enum Look {
    /// There is something to do.
    Work,
    /// There is nothing: it may sleep until this moment, if it is on lookout.
    Nothing {
        /// The earliest timer.
        timer_ms: u64,
        /// When to look at the slots again, if they are in use.
        watch_until: Option<Instant>,
    },
}

/// Why a worker does not sleep (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Its own look found something.
    ByLook,
    /// Another worker told it; it counts as searching now.
    Told(Option<SlotSeen>),
    /// The time it was on lookout for has come; if `searching`, it counts as such.
    TimeUp { searching: bool },
    /// The scheduler stops.
    Stopping,
}

/// What a worker does when an [errand](Idle::send_errand) was sent.
pub(super) struct Errand<'a> {
    /// The errands that the worker has begun.
    pub(super) begun: &'a Cell<u8>,
    pub(super) run: &'a dyn Fn(),
}

impl Errand<'_> {
    /// Whether there is one to run, of `errands` so far; then it counts as begun.
    pub(super) fn begin(&self, errands: u8) -> bool {
        self.begun.replace(errands) != errands
    }
}

/// The workers that are out of work.
pub(super) struct Idle {
    /// What busy workers need to know of `set`; written under its lock.
    summary: AtomicUsize,
    /// Until when the lookout sleeps; written under the lock of `set`.
    covered_until_ms: AtomicU64,
    set: Mutex<Set>,
    /// One per worker, waited on with the lock of `set`.
    bells: Box<[Condvar]>,
}

impl Idle {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            summary: AtomicUsize::new(0),
            covered_until_ms: AtomicU64::new(COVERS_NOTHING_MS),
            set: Mutex::new(Set::new(workers)),
            bells: (0..workers).map(|_| Condvar::new()).collect(),
        }
    }

    /// Tasks were put where a sleeper can take them. Returns whether one was woken.
    pub(super) fn work_added(&self) -> bool {
        fence(Ordering::SeqCst);
        let summary = self.summary.load(Ordering::Relaxed);
        summary >= SLEEPER && summary & SEARCHING == 0 && self.wake_for_work()
    }

    /// Worker `seen.worker` has put a task into its slot and goes on with its turn. Returns whether
    /// another one was woken.
    pub(super) fn slot_filled(&self, seen: SlotSeen) -> bool {
        fence(Ordering::SeqCst);
        let summary = self.summary.load(Ordering::Relaxed);
        // Who watches looks after a while only.
        let others = if seen.is_stuck { SEARCHING } else { SEARCHING | WATCHING };
        summary >= SLEEPER && summary & others == 0 && self.wake_to_watch(seen)
    }

    /// A timer was armed. The caller has passed a fence since.
    pub(super) fn timer_armed(&self, deadline_ms: u64) {
        let summary = self.summary.load(Ordering::Relaxed);
        if summary >= SLEEPER && summary & SEARCHING == 0 && !self.covers(deadline_ms) {
            self.wake_for_time(deadline_ms);
        }
    }

    /// Whether the calling worker may count as searching; another one may do so already.
    pub(super) fn begin_search(&self) -> bool {
        if self.summary.load(Ordering::Relaxed) & SEARCHING != 0 {
            return false;
        }
        let mut set = self.set.lock();
        let begun = !set.searching;
        set.searching = true;
        self.publish(&set);
        begun
    }

    /// The calling worker, which was out of work, goes to run a task. Afterwards it must look
    /// itself whether something is left that a sleeper should do, and report that.
    pub(super) fn leave(&self, searching: bool) {
        let mut set = self.set.lock();
        if searching {
            set.searching = false;
        }
        if set.lookout.is_none() {
            // Appointed in its sleep: it covers nothing, so that the first duty wakes it.
            set.lookout = set.sleepers.pop();
            self.covered_until_ms.store(COVERS_NOTHING_MS, Ordering::Relaxed);
        }
        self.publish(&set);
        drop(set);
        fence(Ordering::SeqCst);
    }

    /// Whether anybody sleeps and nobody searches: only then is it worth a look whether there is
    /// something for others to do. The caller has passed a fence since it put it there.
    pub(super) fn wants_work(&self) -> bool {
        let summary = self.summary.load(Ordering::Relaxed);
        summary >= SLEEPER && summary & SEARCHING == 0
    }

    /// Whether the scheduler stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.summary.load(Ordering::Relaxed) & STOPPING != 0
    }

    /// What a worker has to know between two turns: `None` if the scheduler stops, else how many
    /// errands there have been. One that remembers another number has one to run.
    pub(super) fn orders(&self) -> Option<u8> {
        let summary = self.summary.load(Ordering::Relaxed);
        (summary & STOPPING == 0).then(|| errands_in(summary))
    }

    /// Sleeps until there may be something to do. `searching`: the worker counts as searching and
    /// ceases to. `look` is called once others know that the worker sleeps. `instant_of` turns the
    /// time of a timer into an instant. Errands are run without a lock, in the sleep.
    pub(super) fn sleep(
        &self,
        worker: usize,
        searching: bool,
        look: impl FnOnce() -> Look,
        instant_of: impl Fn(u64) -> Option<Instant>,
        errand: &Errand<'_>,
    ) -> Woken {
        if !self.lie_down(worker, searching) {
            return Woken::Stopping;
        }
        let seen = look();
        let mut set = self.set.lock();
        if !set.is_asleep(worker) {
            return set.answer(worker);
        }
        let Look::Nothing { timer_ms, watch_until } = seen else {
            set.get_up(worker);
            self.publish(&set);
            return Woken::ByLook;
        };
        if set.lookout.is_some_and(|lookout| lookout != worker)
            && self.covers(timer_ms)
            && (watch_until.is_none() || set.watch_until.is_some())
        {
            return self.wait(set, worker, None, errand);
        }
        // The caller is the lookout, or sees what the lookout does not know of because a worker
        // that searches is not told: then it takes over. What was covered before stays so: others
        // may have relied on it since the caller looked.
        set.take_over(worker);
        let covered_ms = timer_ms.min(self.covered_until_ms.load(Ordering::Relaxed));
        self.covered_until_ms.store(covered_ms, Ordering::Relaxed);
        set.watch_until = [set.watch_until, watch_until].into_iter().flatten().min();
        self.publish(&set);
        let deadline = [instant_of(covered_ms), set.watch_until].into_iter().flatten().min();
        self.wait(set, worker, deadline, errand)
    }

    /// There is something that every worker has to do for itself, be it asleep or not.
    pub(super) fn send_errand(&self) {
        let mut set = self.set.lock();
        set.errands = set.errands.wrapping_add(1);
        self.publish(&set);
        drop(set);
        for bell in &self.bells {
            bell.notify_one();
        }
    }

    /// Wakes everybody for good.
    pub(super) fn stop(&self) {
        let mut set = self.set.lock();
        set.stop();
        self.publish(&set);
        drop(set);
        for bell in &self.bells {
            bell.notify_one();
        }
    }

    /// Whether the lookout wakes up for a timer of this tick.
    pub(super) fn covers(&self, timer_ms: u64) -> bool {
        let covered_ms = self.covered_until_ms.load(Ordering::Relaxed);
        timer_ms == u64::MAX || (covered_ms <= timer_ms && covered_ms != COVERS_NOTHING_MS)
    }

    /// Lets others know that the worker sleeps. `false`: the scheduler stops.
    fn lie_down(&self, worker: usize, searching: bool) -> bool {
        let mut set = self.set.lock();
        if set.stopping {
            return false;
        }
        if searching {
            set.searching = false;
        }
        set.lie_down(worker);
        if set.lookout == Some(worker) {
            self.covered_until_ms.store(COVERS_NOTHING_MS, Ordering::Relaxed);
        }
        self.publish(&set);
        drop(set);
        fence(Ordering::SeqCst);
        true
    }

    fn wait<'a>(
        &'a self,
        mut set: MutexGuard<'a, Set>,
        worker: usize,
        deadline: Option<Instant>,
        errand: &Errand<'_>,
    ) -> Woken {
        while set.is_asleep(worker) {
            if errand.begin(set.errands) {
                // It stays a sleeper meanwhile: who calls it is answered a little later.
                drop(set);
                (errand.run)();
                set = self.set.lock();
                continue;
            }
            match deadline.filter(|_| set.lookout == Some(worker)) {
                None => self.bells[worker].wait(&mut set),
                Some(deadline) => {
                    self.bells[worker].wait_until(&mut set, deadline);
                    if set.lookout == Some(worker) && Instant::now() >= deadline {
                        set.get_up(worker);
                        let searching = !std::mem::replace(&mut set.searching, true);
                        self.publish(&set);
                        return Woken::TimeUp { searching };
                    }
                }
            }
        }
        set.answer(worker)
    }

    #[cold]
    fn wake_for_work(&self) -> bool {
        let set = self.set.lock();
        let sleeper = set.sleepers.last().copied().or(set.lookout);
        !set.searching && self.wake(set, sleeper, None)
    }

    #[cold]
    fn wake_to_watch(&self, seen: SlotSeen) -> bool {
        let set = self.set.lock();
        let lookout = set.lookout;
        let is_wanted = seen.is_stuck || set.watch_until.is_none();
        !set.searching && is_wanted && self.wake(set, lookout, Some(seen))
    }

    #[cold]
    fn wake_for_time(&self, deadline_ms: u64) {
        let set = self.set.lock();
        let lookout = set.lookout;
        if !set.searching && !self.covers(deadline_ms) {
            self.wake(set, lookout, None);
        }
    }

    fn wake(
        &self,
        mut set: MutexGuard<'_, Set>,
        sleeper: Option<usize>,
        seen: Option<SlotSeen>,
    ) -> bool {
        let Some(sleeper) = sleeper else { return false };
        set.call(sleeper, Woken::Told(seen));
        self.publish(&set);
        drop(set);
        self.bells[sleeper].notify_one();
        true
    }

    fn publish(&self, set: &Set) {
        self.summary.store(set.summary(), Ordering::Release);
    }

    /// Whether the lookout watches the slots.
    #[cfg(all(test, loom))]
    pub(super) fn watches(&self) -> bool {
        self.set.lock().watch_until.is_some()
    }
}
