//! Which role each worker without work has; the part of [`idle`](super::idle) under its lock.
//!
//! A worker is in `sleepers`, or the lookout, or awake. Invariant: whoever is not asleep any more
//! and did not get up by itself finds in `told` why.

use std::time::Instant;

use super::idle::Woken;

/// In `summary`: a worker searches.
pub(super) const SEARCHING: usize = 1;
/// In `summary`: the lookout watches the slots.
pub(super) const WATCHING: usize = 2;
/// In `summary`: the scheduler stops.
pub(super) const STOPPING: usize = 4;
/// In `summary`: one errand. They are counted in 8 bits, so that 256 in the time of one turn would
/// go unnoticed.
const ERRAND: usize = 8;
/// In `summary`: one sleeper, the lookout included.
pub(super) const SLEEPER: usize = ERRAND << 8;

/// The workers that are out of work.
pub(super) struct Set {
    /// A worker counts as searching.
    pub(super) searching: bool,
    /// Sleepers without a duty, last in first out: the one that ran last has the warmest caches.
    pub(super) sleepers: Vec<usize>,
    pub(super) lookout: Option<usize>,
    /// When the lookout looks at the slots again, while it watches them.
    pub(super) watch_until: Option<Instant>,
    pub(super) stopping: bool,
    /// Errands so far.
    pub(super) errands: u8,
    /// Why a worker was woken, until it has read it.
    told: Box<[Option<Woken>]>,
}

impl Set {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            searching: false,
            sleepers: Vec::with_capacity(workers),
            lookout: None,
            watch_until: None,
            stopping: false,
            errands: 0,
            told: vec![None; workers].into_boxed_slice(),
        }
    }

    pub(super) fn is_asleep(&self, worker: usize) -> bool {
        self.lookout == Some(worker) || self.sleepers.contains(&worker)
    }

    /// A worker goes to sleep, on lookout if nobody is.
    pub(super) fn lie_down(&mut self, worker: usize) {
        self.told[worker] = None;
        if self.lookout.is_none() {
            self.lookout = Some(worker);
        } else {
            self.sleepers.push(worker);
        }
    }

    /// Makes a sleeper the lookout in place of the one there is.
    pub(super) fn take_over(&mut self, worker: usize) {
        self.sleepers.retain(|&sleeper| sleeper != worker);
        if let Some(before) = self.lookout.replace(worker)
            && before != worker
        {
            self.sleepers.insert(0, before);
        }
    }

    /// A sleeper is none any more.
    pub(super) fn get_up(&mut self, worker: usize) {
        if self.lookout == Some(worker) {
            self.lookout = None;
            self.watch_until = None;
        } else {
            self.sleepers.retain(|&sleeper| sleeper != worker);
        }
    }

    /// Gets a sleeper up to search.
    pub(super) fn call(&mut self, sleeper: usize, why: Woken) {
        self.get_up(sleeper);
        self.searching = true;
        self.told[sleeper] = Some(why);
    }

    /// Gets everybody up for good.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.sleepers.clear();
        self.lookout = None;
        self.watch_until = None;
        self.told.fill(Some(Woken::Stopping));
    }

    /// Why a worker that was got up is up.
    pub(super) fn answer(&mut self, worker: usize) -> Woken {
        self.told[worker].take().unwrap_or(Woken::ByLook)
    }

    /// What busy workers need to know.
    pub(super) fn summary(&self) -> usize {
        let flag = |set: bool, bit| if set { bit } else { 0 };
        let sleepers = self.sleepers.len() + usize::from(self.lookout.is_some());
        (sleepers * SLEEPER)
            | (usize::from(self.errands) * ERRAND)
            | flag(self.searching, SEARCHING)
            | flag(self.watch_until.is_some(), WATCHING)
            | flag(self.stopping, STOPPING)
    }
}

/// How many errands a summary counts.
pub(super) fn errands_in(summary: usize) -> u8 {
    (summary / ERRAND % 256) as u8
}
