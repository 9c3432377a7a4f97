//! What a worker does without work: look, spin for a moment, watch over slots, sleep.
//!
//! Spinning: a futex wake-up of an idle core takes 20 us to arrive, so a worker that has just run
//! something looks around for a while first. How long adapts: it doubles when looking paid off and
//! halves when it did not, so an occasional timer costs next to nothing.
//!
//! Slots: another worker's slot is left alone while that worker makes progress. A task is taken from
//! it when two looks, apart by [`SLOT_PATIENCE_NS`] or by a wake-up that took as long, find it
//! filled with the same mark. Bound: a task in a slot behind a turn that does not end waits about
//! as long as it takes to wake a sleeper (some 40 us), or [`WATCH_LONGEST`] if a worker was already
//! watching a busy conversation, if any worker is free.

use std::time::{Duration, Instant};

use super::idle::{Look, SlotSeen, Woken};
use super::local::Local;
use super::worker::expire_timers;
use super::{WorkerContext, Workload};
use crate::sync::{Arc, hint};

/// The shortest and the longest time to look around before sleeping.
const SPIN_NS: std::ops::RangeInclusive<u64> = 1_000..=20_000;
/// A filled slot that has not changed for this long is stuck.
const SLOT_PATIENCE_NS: u64 = 10_000;
/// Fills and takes of a slot between two looks that make a conversation.
const CONVERSATION_MARKS: u64 = 8;
/// Wake-ups because of slots that follow each other faster than this make one, too.
const CONVERSATION_NS: u64 = 1_000_000;
/// First and longest pause between two looks of a watching worker.
const WATCH_SHORTEST: Duration = Duration::from_micros(100);
const WATCH_LONGEST: Duration = Duration::from_millis(1);
/// Steps between two looks while spinning: about 100 ns.
const PAUSES: u32 = 16;

/// The searching side of one worker.
pub(super) struct Searcher<'a, W: Workload> {
    local: &'a Local<W>,
    context: &'a WorkerContext<'a, W>,
    workload: &'a W,
    expired: Vec<W::Timer>,
    /// Marks of the slots of all workers as of the last look.
    marks: Vec<u64>,
    /// Marks of slots that were found filled but empty: somebody took the task.
    emptied: Vec<u64>,
    /// The pause until the next look, while slots are in use.
    watch: Option<Duration>,
    called_at_ns: u64,
    spin_ns: u64,
}

impl<'a, W: Workload> Searcher<'a, W> {
    pub(super) fn new(
        local: &'a Local<W>,
        context: &'a WorkerContext<'a, W>,
        workload: &'a W,
    ) -> Self {
        let workers = local.handle().workers();
        Self {
            local,
            context,
            workload,
            expired: Vec::new(),
            marks: vec![0; workers],
            emptied: vec![0; workers],
            watch: None,
            called_at_ns: 0,
            spin_ns: *SPIN_NS.end(),
        }
    }

    /// Waits for a task; `None` when the scheduler stops.
    pub(super) fn search(&mut self) -> Option<Arc<W::Task>> {
        let idle = &self.local.shared().idle;
        let mut searching = idle.begin_search();
        self.read_marks();
        if searching && let Some(task) = self.spin() {
            self.leave(true);
            return Some(task);
        }
        let clock = self.local.shared().clock;
        loop {
            self.local.remote().status.count_sleep();
            let index = self.local.index();
            let woken = idle.sleep(index, searching, || self.look(), |ms| clock.instant_of(ms));
            self.local.read_clock();
            searching = match woken {
                Woken::Stopping => return None,
                Woken::ByLook => false,
                Woken::Told(seen) => {
                    self.read_marks();
                    self.note_call(seen);
                    true
                }
                Woken::TimeUp { searching } => searching,
            };
            if let Some(task) = self.find(woken) {
                self.leave(searching);
                return Some(task);
            }
        }
    }

    /// Expires timers that are due, as a worker does between two turns.
    pub(super) fn expire_timers(&mut self) {
        if self.local.shared().timers.earliest_ms() <= self.local.now_ms() {
            expire_timers(self.local, self.context, self.workload, &mut self.expired);
        }
    }

    /// A task, wherever it is.
    fn find(&mut self, woken: Woken) -> Option<Arc<W::Task>> {
        // The exact time, as in `look`: going by the hint, a worker would run in circles while the
        // thread that arms a timer has not come to lower it.
        if self.local.shared().timers.sleep_until_ms() <= self.local.now_ms() {
            expire_timers(self.local, self.context, self.workload, &mut self.expired);
        }
        if let Some(task) = self.local.next().or_else(|| self.local.steal()) {
            return Some(task);
        }
        let watched = matches!(woken, Woken::TimeUp { .. }) && self.watch.is_some();
        match self.look_at_slots() {
            Slots::Stuck(task) => return Some(task),
            Slots::Changed(changes) if watched => {
                let longer = |pause: Duration| (pause * 2).min(WATCH_LONGEST);
                self.watch = self.watch.filter(|_| changes > 0).map(longer);
            }
            Slots::Changed(changes) => self.expect_conversation(changes),
        }
        None
    }

    /// Looks around for a moment.
    fn spin(&mut self) -> Option<Arc<W::Task>> {
        if cfg!(loom) {
            return None;
        }
        let shared = self.local.shared();
        let started_ns = self.local.now_ns();
        let mut slots_at_ns = started_ns;
        loop {
            for _ in 0..PAUSES {
                hint::spin_loop();
            }
            self.local.read_clock();
            let now_ns = self.local.now_ns();
            let timer_due = shared.timers.earliest_ms() <= self.local.now_ms();
            if (shared.has_stealable_work() || timer_due)
                && let Some(task) = self.find(Woken::ByLook)
            {
                self.spin_ns = (self.spin_ns * 2).min(*SPIN_NS.end());
                return Some(task);
            }
            if now_ns - slots_at_ns >= SLOT_PATIENCE_NS {
                slots_at_ns = now_ns;
                match self.look_at_slots() {
                    Slots::Stuck(task) => return Some(task),
                    Slots::Changed(changes) => self.expect_conversation(changes),
                }
            }
            if now_ns - started_ns >= self.spin_ns || shared.idle.is_stopping() {
                self.spin_ns = (self.spin_ns / 2).max(*SPIN_NS.start());
                return None;
            }
        }
    }

    /// The last look before falling asleep, when others already count on this worker's sleep.
    fn look(&mut self) -> Look {
        let shared = self.local.shared();
        let timer_ms = shared.timers.sleep_until_ms();
        if shared.has_stealable_work() || timer_ms <= shared.clock.now_ms() {
            return Look::Work;
        }
        if self.any_slot_filled() {
            self.watch.get_or_insert(WATCH_SHORTEST);
        }
        Look::Nothing { timer_ms, watch_until: self.watch.map(|pause| Instant::now() + pause) }
    }

    /// Takes a task that has been stuck in a slot since the last look, or says how much the slots
    /// have changed since.
    fn look_at_slots(&mut self) -> Slots<W::Task> {
        let mut changes = 0;
        for (worker, remote) in self.local.shared().remotes.iter().enumerate() {
            let mark = remote.mark();
            changes += mark - self.marks[worker];
            let unchanged = std::mem::replace(&mut self.marks[worker], mark) == mark;
            if unchanged && self.is_filled(worker, mark) {
                if let Some(task) = remote.slot.take() {
                    self.emptied[worker] = mark;
                    self.local.remote().status.count_theft();
                    return Slots::Stuck(task);
                }
                self.emptied[worker] = mark;
            }
        }
        Slots::Changed(changes)
    }

    /// Forgets what the slots did before.
    fn read_marks(&mut self) {
        for (mark, remote) in self.marks.iter_mut().zip(&self.local.shared().remotes) {
            *mark = remote.mark();
        }
    }

    fn any_slot_filled(&self) -> bool {
        let remotes = self.local.shared().remotes.iter().enumerate();
        remotes.into_iter().any(|(worker, remote)| self.is_filled(worker, remote.mark()))
    }

    fn is_filled(&self, worker: usize, mark: u64) -> bool {
        mark % 2 == 1 && self.emptied[worker] != mark
    }

    /// A worker has called for this one because of its slot: what the slot held then has waited as
    /// long as the call took.
    fn note_call(&mut self, seen: Option<SlotSeen>) {
        let Some(SlotSeen { worker, mark }) = seen else { return };
        self.marks[worker] = mark;
        let now_ns = self.local.now_ns();
        if now_ns - self.called_at_ns < CONVERSATION_NS {
            self.watch.get_or_insert(WATCH_SHORTEST);
        }
        self.called_at_ns = now_ns;
    }

    fn expect_conversation(&mut self, changes: u64) {
        if changes >= CONVERSATION_MARKS {
            self.watch.get_or_insert(WATCH_SHORTEST);
        }
    }

    /// Goes to run a task, and sees to it that what is left for others is covered.
    fn leave(&mut self, searching: bool) {
        self.watch = None;
        let shared = self.local.shared();
        shared.idle.leave(searching);
        if !shared.idle.wants_work() {
            return;
        }
        if shared.has_stealable_work() {
            shared.idle.work_added();
        }
        shared.idle.timer_armed(shared.timers.sleep_until_ms());
        for (worker, remote) in shared.remotes.iter().enumerate() {
            let mark = remote.mark();
            if self.is_filled(worker, mark) {
                shared.idle.slot_filled(SlotSeen { worker, mark });
            }
        }
    }
}

/// What a look at the slots has found.
enum Slots<T> {
    Stuck(Arc<T>),
    /// Fills and takes since the last look.
    Changed(u64),
}
