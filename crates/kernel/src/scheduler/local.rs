//! One worker's own side: its queue, its "run next" slot, and the order in which it runs tasks.
//!
//! The slot holds the task that was woken first during a turn: most often the peer of the one that
//! runs, whose data is warm. It runs next, on the same worker, so two tasks that talk to each other
//! stay together and no other thread is woken for their messages. Other workers leave a slot
//! alone unless it has been stuck behind one long turn (see [`slots`](super::slots)).
//!
//! A task that is *handed over* runs next, too, and is not shown to others at all: whoever hands it
//! over promises that its turn is about to end. It brings its message along. Two tasks that call
//! each other then pay for no shared memory and no mailbox.
//!
//! Order: what else a turn wakes queues up, and behind that what it hands over when it ends, so
//! that all run in the order in which they were woken, unless another worker takes a part. Programs
//! print and test what their services did in this order.
//!
//! Fairness: after [`STREAK_LIMIT`] turns from the slot (or handed over) the queue has its turn;
//! every [`INJECTOR_INTERVAL`] turns the injector is asked before all others. So a task with `n`
//! tasks before it in its queue runs after at most `(n + 1) * (STREAK_LIMIT + 1)` turns of that
//! worker, however busy the others are, plus one for each batch of the injector.

use std::cell::{Cell, RefCell};

use super::handle::Handle;
use super::idle::SlotSeen;
use super::queue::LocalQueue;
use super::shared::{Remote, Shared};
use super::way::Way;
use super::{Claim, Workload};
use crate::clock::NANOSECONDS_PER_MS;
use crate::sync::Arc;
use crate::sync::atomic::Ordering;

/// Turns from the slot in a row while others wait in the queue.
pub(super) const STREAK_LIMIT: u32 = 16;
/// Turns from the slot in a row for one reading of the clock.
const CLOCK_STRIDE: u32 = 4;
/// Turns after which the injector goes before the worker's own tasks.
pub(super) const INJECTOR_INTERVAL: u32 = 32;

/// A task whose turn comes next.
pub(super) enum Next<W: Workload> {
    /// It is owed one.
    Owed(Arc<W::Task>),
    /// It lies aside: in its turn since it was claimed.
    Aside,
}

impl<W: Workload> From<Arc<W::Task>> for Next<W> {
    fn from(task: Arc<W::Task>) -> Self {
        Self::Owed(task)
    }
}

/// A task that was handed over, and what came with it.
type Handed<W> = (Claim<<W as Workload>::Task>, <W as Workload>::Parcel);

/// A task that was handed over, as others may have it: what came with it waits at the task itself.
fn unpacked<W: Workload>((claim, parcel): Handed<W>) -> Arc<W::Task> {
    W::deposit(claim.task(), parcel);
    claim.owe()
}

/// What one worker thread owns. Never leaves its thread.
pub(super) struct Local<W: Workload> {
    index: usize,
    handle: Handle<W>,
    queue: LocalQueue<W::Task>,
    /// There is no other worker, hence nobody to share with.
    alone: bool,
    /// A turn runs: whoever is woken now waits for its end, if no other worker helps.
    in_turn: Cell<bool>,
    /// The task that was handed over to run next, and what came with it.
    aside: RefCell<Option<Handed<W>>>,
    /// What the turn under way has handed over although something else runs next.
    later: RefCell<Vec<Handed<W>>>,
    /// The turn under way has woken a task.
    has_woken: Cell<bool>,
    /// The worker's own copy of its slot's mark.
    mark: Cell<u64>,
    streak: Cell<u32>,
    picks: Cell<u32>,
    now_ns: Cell<u64>,
    /// Errands that this worker has begun.
    errands: Cell<u8>,
    way: Way,
}

impl<W: Workload> Local<W> {
    pub(super) fn new(index: usize, handle: Handle<W>, queue: LocalQueue<W::Task>) -> Self {
        let alone = handle.workers() == 1;
        Self {
            index,
            handle,
            queue,
            alone,
            in_turn: Cell::new(false),
            aside: RefCell::new(None),
            later: RefCell::new(Vec::new()),
            has_woken: Cell::new(false),
            mark: Cell::new(0),
            streak: Cell::new(0),
            picks: Cell::new(0),
            now_ns: Cell::new(0),
            errands: Cell::new(0),
            way: Way::new(),
        }
    }

    /// Errands that this worker has begun.
    pub(super) fn errands(&self) -> &Cell<u8> {
        &self.errands
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn handle(&self) -> &Handle<W> {
        &self.handle
    }

    pub(super) fn shared(&self) -> &Shared<W> {
        self.handle.shared()
    }

    /// What others see of this worker.
    pub(super) fn remote(&self) -> &Remote<W::Task> {
        &self.shared().remotes[self.index]
    }

    /// The last reading of the clock.
    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_ns.get() / NANOSECONDS_PER_MS
    }

    pub(super) fn read_clock(&self) {
        self.now_ns.set(self.shared().clock.now_ns());
    }

    /// The same, but while tasks are in conversation every few turns only: a reading costs as much
    /// as the rest of what the scheduler does for such a turn.
    pub(super) fn read_clock_between_turns(&self) {
        if self.streak.get().is_multiple_of(CLOCK_STRIDE) {
            self.read_clock();
        }
    }

    /// Marks begin and end of a turn.
    pub(super) fn set_in_turn(&self, in_turn: bool) {
        self.in_turn.set(in_turn);
        self.has_woken.set(false);
    }

    /// Takes in a task that was woken on this thread. The first one of a turn becomes the one to
    /// run next; others, and those between turns, queue up and are offered to other workers.
    pub(super) fn schedule(&self, task: Arc<W::Task>) {
        if !self.in_turn.get() {
            return self.queue.push(task);
        }
        let before = if self.has_woken.replace(true) { Some(task) } else { self.fill_slot(task) };
        if self.alone {
            if let Some(before) = before {
                self.queue.push(before);
            }
            return;
        }
        let idle = &self.shared().idle;
        let has_woken_worker = match before {
            Some(before) => {
                self.queue.push(before);
                idle.work_added()
            }
            None => idle.slot_filled(SlotSeen { worker: self.index, mark: self.mark.get() }),
        };
        if has_woken_worker {
            self.way.make(&self.shared().clock);
        }
    }

    /// Takes in a task that was claimed by a turn that is about to end.
    pub(super) fn hand_over(&self, claim: Claim<W::Task>, parcel: W::Parcel) {
        debug_assert!(self.in_turn.get(), "only a turn hands over");
        let mut aside = self.aside.borrow_mut();
        if aside.is_some() || self.has_woken.get() {
            self.later.borrow_mut().push((claim, parcel));
        } else {
            *aside = Some((claim, parcel));
        }
    }

    /// The turn is over that has handed over what lies aside, if anything does, and more.
    pub(super) fn sign(&self, sender: impl FnOnce() -> Arc<W::Task>) {
        let has_later = !self.later.borrow().is_empty();
        let mut aside = self.aside.borrow_mut();
        if aside.is_none() && !has_later {
            return;
        }
        let sender = sender();
        if has_later {
            self.queue_later(&sender);
        }
        if let Some((_, parcel)) = &mut *aside {
            W::sign(parcel, sender);
        }
    }

    /// What does not run next is signed before others may get it.
    #[cold]
    fn queue_later(&self, sender: &Arc<W::Task>) {
        for (claim, mut parcel) in self.later.take() {
            W::sign(&mut parcel, Arc::clone(sender));
            self.queue.push(unpacked::<W>((claim, parcel)));
        }
    }

    /// What was handed over, and is [about to run](Next::Aside).
    pub(super) fn take_aside(&self) -> Option<Handed<W>> {
        self.aside.take()
    }

    /// Whether there is nothing to run: not here, and not at other workers, whose slots count as
    /// well, since what lies there may be stuck.
    pub(super) fn is_quiet(&self) -> bool {
        let has_aside = self.aside.borrow().is_some();
        let shared = self.shared();
        let are_slots_empty =
            || shared.remotes.iter().all(|remote| remote.mark().is_multiple_of(2));
        !has_aside && self.queue.is_empty() && are_slots_empty() && !shared.has_stealable_work()
    }

    /// Puts a task that wants another turn behind all others.
    pub(super) fn requeue(&self, task: Arc<W::Task>) {
        self.queue.push(task);
    }

    /// The task to run next, from what lies at hand.
    pub(super) fn next(&self) -> Option<Next<W>> {
        let picks = self.picks.get().wrapping_add(1);
        self.picks.set(picks);
        if picks.is_multiple_of(INJECTOR_INTERVAL)
            && let Some(task) = self.take_injected()
        {
            self.queue_aside();
            return Some(Next::from(task));
        }
        let streak = self.streak.get();
        if streak < STREAK_LIMIT {
            let next = if self.aside.borrow().is_some() {
                Some(Next::Aside)
            } else {
                self.empty_slot().map(Next::from)
            };
            if next.is_some() {
                self.streak.set(streak + 1);
                return next;
            }
        } else {
            // What lies in the slot has waited for as long as the conversation lasts.
            if let Some(task) = self.empty_slot() {
                self.queue.push(task);
            }
            self.queue_aside();
        }
        self.streak.set(0);
        self.queue.pop().or_else(|| self.take_injected()).map(Next::from)
    }

    /// What was handed over does not run next after all.
    fn queue_aside(&self) {
        if let Some(next) = self.aside.take() {
            self.queue.push(unpacked::<W>(next));
        }
    }

    /// A task of another worker's queue, with some more.
    pub(super) fn steal(&self) -> Option<Arc<W::Task>> {
        let remotes = &self.shared().remotes;
        let others = (1..remotes.len()).map(|step| (self.index + step) % remotes.len());
        let task = others.into_iter().find_map(|other| {
            let stealer = &remotes[other].stealer;
            if stealer.is_empty() { None } else { stealer.steal_into(&self.queue) }
        });
        if task.is_some() {
            self.remote().status.count_theft();
        }
        task
    }

    /// Before a turn: lets others have what waits behind it.
    pub(super) fn offer_rest(&self) {
        if !self.alone && !self.queue.is_empty() && self.shared().idle.work_added() {
            self.way.make(&self.shared().clock);
        }
    }

    fn take_injected(&self) -> Option<Arc<W::Task>> {
        let injector = &self.shared().injector;
        if injector.is_empty() { None } else { injector.steal_into(&self.queue) }
    }

    fn fill_slot(&self, task: Arc<W::Task>) -> Option<Arc<W::Task>> {
        let before = self.remote().slot.swap(Some(task));
        let filled = self.mark.get() | 1;
        self.set_mark(if filled == self.mark.get() { filled + 2 } else { filled });
        before
    }

    fn empty_slot(&self) -> Option<Arc<W::Task>> {
        if self.mark.get().is_multiple_of(2) {
            return None;
        }
        let task = self.remote().slot.take();
        self.set_mark(self.mark.get() + 1);
        task
    }

    fn set_mark(&self, mark: u64) {
        self.mark.set(mark);
        self.remote().mark.store(mark, Ordering::Release);
    }
}

impl<W: Workload> Drop for Local<W> {
    /// What this worker did not run is dropped here, on its thread.
    fn drop(&mut self) {
        drop(self.aside.take());
        drop(self.remote().slot.take());
        while self.queue.pop().is_some() {}
    }
}
