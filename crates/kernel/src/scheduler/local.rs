//! One worker's own side: its queue, its "run next" slot, and the order in which it runs tasks.
//!
//! Order: tasks run in the order in which they were woken. While few wait and none for long, the
//! queue is *private*: other workers take from it only what is stuck behind one long turn (see
//! [`slots`](super::slots)). So what a burst of messages does follows from the program alone, and
//! programs print and test what their services did in this order; and tasks that talk to each other
//! stay together, on warm data, and no other thread is woken for their messages.
//!
//! Beyond [`PRIVATE_LIMIT`] tasks or [`BACKLOG_NS`] the queue is *open* until it is empty: all
//! workers steal from it, and the task that is woken first in a turn, most often the peer of the
//! one that runs, goes into the slot, from which it runs next. That is for throughput, and order is
//! lost.
//!
//! A task that is *handed over* is not shown to others at all: whoever hands it over promises that
//! its turn is about to end. It brings its message along. Two tasks that call each other then pay
//! for no shared memory and no mailbox. It runs next if nothing else waits, if it gets the answer
//! for whoever handed the message of this turn over, or if the queue is open.
//!
//! Fairness: after [`STREAK_LIMIT`] turns from the slot (or handed over) the queue has its turn;
//! every [`INJECTOR_INTERVAL`] turns the injector is asked before all others. So a task with `n`
//! tasks before it in its queue runs after at most `(n + 1) * (STREAK_LIMIT + 1)` turns of that
//! worker, however busy the others are, plus one for each batch of the injector.

use std::cell::{Cell, RefCell};
use std::ptr;

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
/// Tasks that wait in a private queue at most.
pub(super) const PRIVATE_LIMIT: usize = 16;
/// How long a private queue is without an end at most.
const BACKLOG_NS: u64 = 1_000_000;
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
    /// The task whose turn runs takes its time when it has one.
    is_busy: Cell<bool>,
    /// Whether others may steal from the queue at once.
    is_open: Cell<bool>,
    /// Since when something has waited behind each turn; 0 if nothing did.
    waiting_since_ns: Cell<u64>,
    /// The worker has put a task into its slot; another one may have taken it.
    has_slot: Cell<bool>,
    /// The task that was handed over to run next, and what came with it.
    aside: RefCell<Option<Handed<W>>>,
    /// Which task handed it over, and which one did so for the turn under way.
    aside_from: Cell<*const W::Task>,
    giver: Cell<*const W::Task>,
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
            is_busy: Cell::new(false),
            is_open: Cell::new(false),
            waiting_since_ns: Cell::new(0),
            has_slot: Cell::new(false),
            aside: RefCell::new(None),
            aside_from: Cell::new(ptr::null()),
            giver: Cell::new(ptr::null()),
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
        self.shared().clock_was_read(self.now_ms());
    }

    /// The same, but while tasks are in conversation every few turns only: a reading costs as much
    /// as the rest of what the scheduler does for such a turn.
    /// Returns whether it was read.
    pub(super) fn read_clock_between_turns(&self) -> bool {
        let is_due = self.streak.get().is_multiple_of(CLOCK_STRIDE);
        if is_due {
            self.read_clock();
        }
        is_due
    }

    /// A turn begins, of a task that is known to take its time, or not.
    pub(super) fn begin_turn(&self, is_busy: bool) {
        self.in_turn.set(true);
        self.is_busy.set(is_busy);
        self.has_woken.set(false);
    }

    /// It ends.
    pub(super) fn end_turn(&self) {
        self.in_turn.set(false);
        self.is_busy.set(false);
        self.has_woken.set(false);
        self.giver.set(ptr::null());
    }

    /// Takes in a task that was woken on this thread.
    pub(super) fn schedule(&self, task: Arc<W::Task>) {
        if !self.in_turn.get() {
            return self.queue.push(task);
        }
        if self.is_open.get() {
            return self.schedule_openly(task);
        }
        self.has_woken.set(true);
        if self.is_giver(&task) {
            let before = self.fill_slot(task);
            debug_assert!(before.is_none(), "a task is woken once, and the slot was empty");
            return self.show_waiting();
        }
        self.queue.push(task);
        let waiting = self.queue.len();
        if waiting > PRIVATE_LIMIT {
            return self.open();
        }
        if waiting <= 1 {
            // Others have seen the queue empty under the present mark, if they stole the rest.
            self.note_change();
        }
        self.show_waiting();
    }

    /// Whether the task has handed its message over to the turn under way. Had it kept its place
    /// behind that, it would come before whatever this turn wakes.
    fn is_giver(&self, task: &Arc<W::Task>) -> bool {
        ptr::eq(Arc::as_ptr(task), self.giver.get())
    }

    /// The first one of a turn becomes the one to run next; others queue up and are offered to
    /// other workers.
    fn schedule_openly(&self, task: Arc<W::Task>) {
        let before = if self.has_woken.replace(true) { Some(task) } else { self.fill_slot(task) };
        let is_queued = before.is_some();
        if let Some(before) = before {
            self.queue.push(before);
        }
        if is_queued { self.offer() } else { self.show_waiting() }
    }

    /// What waits here is private no longer.
    #[cold]
    fn open(&self) {
        self.is_open.set(true);
        self.remote().is_open.store(true, Ordering::Relaxed);
        self.note_change();
        self.offer();
    }

    /// Lets others have what is queued, if one of them has time.
    fn offer(&self) {
        if !self.alone && self.shared().idle.work_added() {
            self.way.make(&self.shared().clock);
        }
    }

    /// Has somebody watch, if one has time, whether what waits is stuck. Behind a turn that is
    /// known to last it is.
    fn show_waiting(&self) {
        if self.mark.get().is_multiple_of(2) {
            self.note_change();
        }
        let (mark, is_stuck) = (self.mark.get(), self.is_busy.get());
        let seen = SlotSeen { worker: self.index, mark, is_stuck };
        if !self.alone && self.shared().idle.slot_filled(seen) && is_stuck {
            self.way.make(&self.shared().clock);
        }
    }

    /// Whether the queue is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether something waits for the end of the turn under way, what was handed over aside.
    pub(super) fn has_waiting(&self) -> bool {
        self.has_slot.get() || !self.queue.is_empty()
    }

    /// Whether tasks run in the order in which they were woken.
    pub(super) fn is_orderly(&self) -> bool {
        !self.is_open.get()
    }

    /// Takes in a task that was claimed by a turn that is about to end.
    pub(super) fn hand_over(&self, claim: Claim<W::Task>, parcel: W::Parcel) {
        debug_assert!(self.in_turn.get(), "only a turn hands over");
        let mut aside = self.aside.borrow_mut();
        let is_next = if self.is_open.get() {
            !self.has_woken.get()
        } else {
            self.is_giver(claim.task()) || !self.has_woken.get() && !self.has_waiting()
        };
        if aside.is_none() && is_next {
            *aside = Some((claim, parcel));
        } else {
            self.later.borrow_mut().push((claim, parcel));
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
            self.aside_from.set(Arc::as_ptr(&sender));
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
        self.giver.set(self.aside_from.get());
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
    #[inline(always)]
    pub(super) fn next(&self) -> Option<Next<W>> {
        let picks = self.picks.get().wrapping_add(1);
        self.picks.set(picks);
        if picks.is_multiple_of(INJECTOR_INTERVAL)
            && let Some(task) = self.take_injected()
        {
            self.queue_aside();
            self.note_turn();
            return Some(Next::from(task));
        }
        let streak = self.streak.get();
        if streak < STREAK_LIMIT {
            let next = if self.aside.borrow().is_some() {
                self.note_turn();
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
        let task = self.queue.pop().or_else(|| self.take_injected());
        if task.is_none() {
            self.close();
        } else if !self.is_open.get() {
            self.note_change();
        }
        task.map(Next::from)
    }

    /// What waits, waits behind another turn from now on.
    fn note_turn(&self) {
        if !self.mark.get().is_multiple_of(2) {
            self.note_change();
        }
    }

    /// Nothing is queued.
    fn close(&self) {
        if self.is_open.replace(false) {
            self.remote().is_open.store(false, Ordering::Relaxed);
        }
        self.waiting_since_ns.set(0);
        self.note_change();
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
            let Remote { stealer, .. } = &*remotes[other];
            if stealer.is_empty() || !remotes[other].is_open() {
                return None;
            }
            stealer.steal_into(&self.queue)
        });
        if task.is_some() {
            self.remote().status.count_theft();
        }
        task
    }

    /// What is stuck behind a turn of another worker.
    pub(super) fn take_stuck(&self, worker: usize) -> Option<Arc<W::Task>> {
        self.shared().remotes[worker].take_stuck(&self.queue)
    }

    /// Before a turn: lets others have what waits behind it, or know of it.
    pub(super) fn offer_rest(&self) {
        if !self.has_waiting() {
            return self.waiting_since_ns.set(0);
        }
        if self.is_open.get() {
            if !self.queue.is_empty() {
                self.offer();
            }
            return;
        }
        let (now_ns, since_ns) = (self.now_ns.get(), self.waiting_since_ns.get());
        if since_ns == 0 {
            self.waiting_since_ns.set(now_ns);
        }
        let is_backlog = since_ns != 0 && now_ns.saturating_sub(since_ns) > BACKLOG_NS;
        if self.queue.len() > PRIVATE_LIMIT || is_backlog && !self.alone {
            self.open();
        } else {
            self.show_waiting();
        }
    }

    fn take_injected(&self) -> Option<Arc<W::Task>> {
        let injector = &self.shared().injector;
        if injector.is_empty() { None } else { injector.steal_into(&self.queue) }
    }

    fn fill_slot(&self, task: Arc<W::Task>) -> Option<Arc<W::Task>> {
        let before = self.remote().slot.swap(Some(task));
        self.has_slot.set(true);
        self.note_change();
        before
    }

    fn empty_slot(&self) -> Option<Arc<W::Task>> {
        if !self.has_slot.replace(false) {
            return None;
        }
        let task = self.remote().slot.take();
        self.note_change();
        task
    }

    /// Shows others that something else waits now, or nothing.
    fn note_change(&self) {
        let mark = self.mark.get();
        let waits = self.has_slot.get() || !self.is_open.get() && !self.queue.is_empty();
        let next = if waits { (mark + 1) | 1 } else { mark + mark % 2 };
        if next != mark {
            self.mark.set(next);
            self.remote().mark.store(next, Ordering::Release);
        }
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
