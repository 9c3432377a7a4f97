//! What a worker does without work: look, spin for a moment, sleep.
//!
//! Spinning: a futex wake-up of an idle core takes 20 us to arrive, so a worker that has just run
//! something looks around for a while first. How long adapts: it doubles when looking paid off and
//! halves when it did not, so an occasional timer costs next to nothing.
//!
//! Bound: a task that a turn has woken, and that waits behind that turn while another worker is
//! free, waits as long as it takes to wake that worker (some 40 us) if the turn is one of a task
//! that is known to take long ones. Otherwise the worker watches for 50 us more, or up to a
//! millisecond if it was already watching a conversation (see [`slots`](super::slots)).

use super::idle::{Errand, Look, Woken};
use super::local::{Local, Next};
use super::slots::SlotView;
use super::worker::{expire_timers, run_errand};
use super::{WorkerContext, Workload};
use crate::sync::{Arc, hint};

/// The shortest and the longest time to look around before sleeping.
const SPIN_NS: std::ops::RangeInclusive<u64> = 1_000..=20_000;
/// Steps between two looks while spinning: about 100 ns.
const PAUSES: u32 = 16;

/// The searching side of one worker.
pub(super) struct Searcher<'a, W: Workload> {
    local: &'a Local<W>,
    context: &'a WorkerContext<'a, W>,
    workload: &'a W,
    slots: SlotView,
    spin_ns: u64,
}

impl<'a, W: Workload> Searcher<'a, W> {
    pub(super) fn new(
        local: &'a Local<W>,
        context: &'a WorkerContext<'a, W>,
        workload: &'a W,
    ) -> Self {
        let slots = SlotView::new(local.handle().workers());
        Self { local, context, workload, slots, spin_ns: *SPIN_NS.end() }
    }

    /// Between two turns: expires timers that are due, unless another worker is at it.
    pub(super) fn expire_timers(&mut self) {
        let timers = &self.local.shared().timers;
        if timers.earliest_ms() <= self.local.now_ms() && !timers.are_expiring() {
            expire_timers(self.local, self.context, self.workload);
        }
    }

    /// Waits for a task; `None` when the scheduler stops.
    pub(super) fn search(&mut self) -> Option<Next<W>> {
        let shared = self.local.shared();
        let mut searching = shared.idle.begin_search();
        let mut found = self.slots.look_again(self.local).map(Next::from);
        if found.is_none() && searching {
            found = self.spin();
        }
        while found.is_none() {
            let woken = self.sleep(searching);
            self.local.read_clock();
            searching = match woken {
                Woken::Stopping => return None,
                Woken::ByLook => false,
                Woken::Told(_) => true,
                Woken::TimeUp { searching } => searching,
            };
            found = self.find().or_else(|| self.find_in_slots(woken).map(Next::from));
        }
        self.leave(searching);
        found
    }

    /// Looks around for a moment.
    fn spin(&mut self) -> Option<Next<W>> {
        if cfg!(loom) {
            return None;
        }
        let shared = self.local.shared();
        let started_ns = self.local.now_ns();
        while self.local.now_ns() - started_ns < self.spin_ns && !shared.idle.is_stopping() {
            for _ in 0..PAUSES {
                hint::spin_loop();
            }
            self.local.read_clock();
            if let Some(next) = self.find() {
                self.spin_ns = (self.spin_ns * 2).min(*SPIN_NS.end());
                return Some(next);
            }
            if let Some(task) = self.slots.look(self.local) {
                return Some(Next::from(task));
            }
        }
        self.spin_ns = (self.spin_ns / 2).max(*SPIN_NS.start());
        None
    }

    fn sleep(&mut self, searching: bool) -> Woken {
        let shared = self.local.shared();
        self.local.remote().status.count_sleep();
        let instant_of = |time_ms| shared.clock.instant_of(time_ms);
        let (workload, context) = (self.workload, self.context);
        let run = || run_errand(context, workload);
        let errand = Errand { begun: self.local.errands(), run: &run };
        let index = self.local.index();
        shared.idle.sleep(index, searching, || self.look(), instant_of, &errand)
    }

    /// The last look before falling asleep, when others already count on this worker's sleep.
    fn look(&mut self) -> Look {
        let shared = self.local.shared();
        let timer_ms = shared.timers.sleep_until_ms();
        let is_own = !self.local.is_empty();
        if is_own || shared.has_stealable_work() || timer_ms <= shared.clock.now_ms() {
            return Look::Work;
        }
        if self.slots.filled(shared).is_some() {
            self.slots.watch();
        }
        Look::Nothing { timer_ms, watch_until: self.slots.look_again_at() }
    }

    /// A task from any queue, or woken by a timer.
    fn find(&mut self) -> Option<Next<W>> {
        // The exact time, as in `look`: going by the hint, a worker would run in circles while the
        // thread that arms a timer has not come to lower it.
        if self.local.shared().timers.sleep_until_ms() <= self.local.now_ms() {
            expire_timers(self.local, self.context, self.workload);
        }
        self.local.next().or_else(|| self.local.steal().map(Next::from))
    }

    /// A task that is stuck in a slot.
    fn find_in_slots(&mut self, woken: Woken) -> Option<Arc<W::Task>> {
        let (shared, now_ns) = (self.local.shared(), self.local.now_ns());
        let task = match woken {
            Woken::Told(Some(seen)) => self.slots.answer_call(self.local, seen),
            Woken::TimeUp { .. } => self.slots.look(self.local),
            _ => {
                self.slots.refresh(shared, now_ns);
                None
            }
        };
        if task.is_some() {
            self.local.remote().status.count_theft();
        }
        task
    }

    /// Goes to run a task, and sees to it that what is left for others is covered.
    fn leave(&mut self, searching: bool) {
        self.slots.cease_to_watch();
        let shared = self.local.shared();
        shared.idle.leave(searching);
        if !shared.idle.wants_work() {
            return;
        }
        if shared.has_stealable_work() {
            shared.idle.work_added();
        }
        shared.idle.timer_armed(shared.timers.sleep_until_ms());
        if let Some(seen) = self.slots.filled(shared) {
            shared.idle.slot_filled(seen);
        }
    }
}
