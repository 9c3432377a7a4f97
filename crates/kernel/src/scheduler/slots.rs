//! One idle worker's view of what the others keep for themselves: their "run next" slots, and their
//! queues while these are private.
//!
//! What lies there runs as soon as the turn of its worker ends. Another worker takes a task only
//! when it is *stuck*: something waits, under the same mark as at least [`PATIENCE_NS`] before.
//! While marks change often, tasks are in *conversation*, and the view says so: its worker then
//! looks again after a pause instead of being called for every message.

use std::time::{Duration, Instant};

use super::Workload;
use super::idle::SlotSeen;
use super::local::Local;
use super::shared::Shared;
use crate::sync::Arc;

/// What has not changed for this long is stuck. A turn that sends and then says so is over by then.
const PATIENCE_NS: u64 = 50_000;
/// When a worker looks that was called.
const PAUSE_AFTER_CALL: Duration = Duration::from_nanos(PATIENCE_NS);
/// Growth of marks between two looks that makes a conversation.
const CONVERSATION_MARKS: u64 = 8;
/// Calls that follow each other faster than this make one, too.
const CONVERSATION_NS: u64 = 1_000_000;
/// First and longest pause between two looks of a watching worker.
const PAUSE_SHORTEST: Duration = Duration::from_micros(100);
const PAUSE_LONGEST: Duration = Duration::from_millis(1);

/// What one worker knows of all slots.
pub(super) struct SlotView {
    /// Marks as of the last look.
    marks: Vec<u64>,
    /// When that was.
    looked_at_ns: u64,
    /// Marks under which nothing was found although they say that something waits: it was stolen.
    emptied: Vec<u64>,
    /// The pause until the next look, while there is a conversation.
    pause: Option<Duration>,
    called_at_ns: u64,
}

impl SlotView {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            marks: vec![0; workers],
            looked_at_ns: 0,
            emptied: vec![0; workers],
            pause: None,
            called_at_ns: 0,
        }
    }

    /// Forgets what the slots did before.
    pub(super) fn refresh<W: Workload>(&mut self, shared: &Shared<W>, now_ns: u64) {
        for (mark, remote) in self.marks.iter_mut().zip(&shared.remotes) {
            *mark = remote.mark();
        }
        self.looked_at_ns = now_ns;
    }

    /// Looks at all slots, unless the last look was just now. Returns a task that is stuck.
    pub(super) fn look<W: Workload>(&mut self, local: &Local<W>) -> Option<Arc<W::Task>> {
        let now_ns = local.now_ns();
        if now_ns.saturating_sub(self.looked_at_ns) < PATIENCE_NS {
            return None;
        }
        self.looked_at_ns = now_ns;
        let mut changes = 0;
        for worker in 0..self.marks.len() {
            let before = self.marks[worker];
            let mark = local.shared().remotes[worker].mark();
            self.marks[worker] = mark;
            changes += mark - before;
            if mark == before
                && let Some(task) = self.take(local, worker, mark)
            {
                return Some(task);
            }
        }
        self.note_changes(changes);
        None
    }

    /// As [`look`](Self::look), when the worker comes back from other work: how much has changed
    /// since its last look tells of no conversation.
    pub(super) fn look_again<W: Workload>(&mut self, local: &Local<W>) -> Option<Arc<W::Task>> {
        let now_ns = local.now_ns();
        let is_due = now_ns.saturating_sub(self.looked_at_ns) >= PATIENCE_NS;
        self.looked_at_ns = now_ns;
        let mut found = None;
        for worker in 0..self.marks.len() {
            let mark = local.shared().remotes[worker].mark();
            let is_stuck = is_due && found.is_none() && mark == self.marks[worker];
            self.marks[worker] = mark;
            if is_stuck {
                found = self.take(local, worker, mark);
            }
        }
        found
    }

    /// The worker was called because something waits. If it still does, and is not known to be
    /// stuck, a look will tell.
    pub(super) fn answer_call<W: Workload>(
        &mut self,
        local: &Local<W>,
        seen: SlotSeen,
    ) -> Option<Arc<W::Task>> {
        let now_ns = local.now_ns();
        let called_often = now_ns.saturating_sub(self.called_at_ns) < CONVERSATION_NS;
        self.called_at_ns = now_ns;
        self.refresh(local.shared(), now_ns);
        let mark = self.marks[seen.worker];
        if mark != seen.mark {
            if called_often || mark - seen.mark >= CONVERSATION_MARKS {
                self.watch();
            }
            return None;
        }
        if seen.is_stuck {
            return self.take(local, seen.worker, mark);
        }
        self.pause = Some(PAUSE_AFTER_CALL);
        None
    }

    /// A worker with which something waits, as far as this view knows.
    pub(super) fn filled<W: Workload>(&self, shared: &Shared<W>) -> Option<SlotSeen> {
        let slots = shared.remotes.iter().enumerate();
        let mut seen =
            slots.map(|(worker, remote)| SlotSeen { worker, mark: remote.mark(), is_stuck: false });
        seen.find(|seen| self.is_filled(seen.worker, seen.mark))
    }

    /// Expects a conversation from now on.
    pub(super) fn watch(&mut self) {
        self.pause.get_or_insert(PAUSE_SHORTEST);
    }

    /// Expects none any more.
    pub(super) fn cease_to_watch(&mut self) {
        self.pause = None;
    }

    /// When to look again, if there is a conversation.
    pub(super) fn look_again_at(&self) -> Option<Instant> {
        self.pause.map(|pause| Instant::now() + pause)
    }

    fn take<W: Workload>(
        &mut self,
        local: &Local<W>,
        worker: usize,
        mark: u64,
    ) -> Option<Arc<W::Task>> {
        if !self.is_filled(worker, mark) {
            return None;
        }
        let task = local.take_stuck(worker);
        if task.is_none() {
            self.emptied[worker] = mark;
        }
        task
    }

    fn is_filled(&self, worker: usize, mark: u64) -> bool {
        mark % 2 == 1 && self.emptied[worker] != mark
    }

    fn note_changes(&mut self, changes: u64) {
        self.pause = match self.pause {
            Some(_) if changes == 0 => None,
            Some(pause) => Some((pause * 2).min(PAUSE_LONGEST)),
            None if changes >= CONVERSATION_MARKS => Some(PAUSE_SHORTEST),
            None => None,
        };
    }
}
