//! One idle worker's view of the "run next" slots of the others.
//!
//! A slot belongs to its worker, which empties it as soon as its turn ends. Another worker takes a
//! task from it only when the slot is *stuck*: filled, and with the same mark as at least
//! [`PATIENCE_NS`] before. While slots change often, tasks are in *conversation*, and the view says
//! so: its worker then looks again after a pause instead of being called for every message.

use std::time::{Duration, Instant};

use super::Workload;
use super::idle::SlotSeen;
use super::shared::Shared;
use crate::sync::Arc;

/// A filled slot that has not changed for this long is stuck.
const PATIENCE_NS: u64 = 10_000;
/// Fills and takes of slots between two looks that make a conversation.
const CONVERSATION_MARKS: u64 = 8;
/// Calls because of slots that follow each other faster than this make one, too.
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
    /// Marks under which a slot was found empty although it says filled: somebody took the task.
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
    pub(super) fn look<W: Workload>(
        &mut self,
        shared: &Shared<W>,
        now_ns: u64,
    ) -> Option<Arc<W::Task>> {
        if now_ns.saturating_sub(self.looked_at_ns) < PATIENCE_NS {
            return None;
        }
        self.looked_at_ns = now_ns;
        let mut changes = 0;
        for worker in 0..self.marks.len() {
            let before = self.marks[worker];
            let mark = shared.remotes[worker].mark();
            self.marks[worker] = mark;
            changes += mark - before;
            if mark == before
                && let Some(task) = self.take(shared, worker, mark)
            {
                return Some(task);
            }
        }
        self.note_changes(changes);
        None
    }

    /// The worker was called because of a slot. What lay there then has waited for as long as the
    /// call took; if it still does, it is stuck.
    pub(super) fn answer_call<W: Workload>(
        &mut self,
        shared: &Shared<W>,
        now_ns: u64,
        seen: SlotSeen,
    ) -> Option<Arc<W::Task>> {
        let called_often = now_ns.saturating_sub(self.called_at_ns) < CONVERSATION_NS;
        self.called_at_ns = now_ns;
        self.refresh(shared, now_ns);
        let mark = self.marks[seen.worker];
        if mark == seen.mark
            && let Some(task) = self.take(shared, seen.worker, mark)
        {
            return Some(task);
        }
        if called_often || mark - seen.mark >= CONVERSATION_MARKS {
            self.watch();
        }
        None
    }

    /// A slot that is filled, as far as this view knows.
    pub(super) fn filled<W: Workload>(&self, shared: &Shared<W>) -> Option<SlotSeen> {
        let slots = shared.remotes.iter().enumerate();
        let mut seen = slots.map(|(worker, remote)| SlotSeen { worker, mark: remote.mark() });
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
        shared: &Shared<W>,
        worker: usize,
        mark: u64,
    ) -> Option<Arc<W::Task>> {
        if !self.is_filled(worker, mark) {
            return None;
        }
        self.emptied[worker] = mark;
        shared.remotes[worker].slot.take()
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
