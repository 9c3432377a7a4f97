//! Running coroutines: the tasks that are ready, and the way into a coroutine and out of it, which
//! all tasks take. The time of what runs is measured here.
//!
//! No cell of the service is borrowed while a coroutine runs.

use super::Turn;
use crate::actor::fault::Fault;
use crate::actor::record::profile::{Started, TASKS};
use crate::actor::record::trace::Step;
use crate::actor::slots::Key;
use crate::actor::task::{Stage, Wait};
use crate::vm::{Coroutine, Resumed};

impl Turn<'_, '_> {
    /// Runs the tasks that are ready now; those that become ready meanwhile wait for the next
    /// round. False if there was none.
    pub(super) fn run_ready(&mut self) -> bool {
        let round = self.state.ready.borrow().len();
        for _ in 0..round {
            // Nothing of a service that was killed runs any more.
            if self.state.service.mailbox().control_waits() {
                break;
            }
            let Some(key) = self.state.next_ready() else { break };
            self.steps += 1;
            self.run_ready_task(key);
            if self.over.is_some() || self.state.skynet.is_leaving() || self.is_used_up() {
                break;
            }
        }
        round > 0
    }

    fn run_ready_task(&mut self, key: Key) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        let doom = task.doom.take();
        self.state.trace(key, task.request, || Step::Resume);
        let (coroutine, values) = match std::mem::replace(&mut task.stage, Stage::Running) {
            Stage::Fresh(coroutine, values) | Stage::Ready(coroutine, values) => {
                (coroutine, values)
            }
            other => {
                task.stage = other;
                return;
            }
        };
        drop(tasks);
        if doom.is_some() {
            self.stack.in_coroutine(&coroutine).pop(values);
            self.resume(key, coroutine, 0, doom);
        } else {
            self.resume(key, coroutine, values, None);
        }
    }

    /// Runs a coroutine until it blocks or ends; `failure` is what the native it blocked in raises.
    #[inline(never)]
    pub(in crate::actor) fn resume(
        &mut self,
        key: Key,
        coroutine: Coroutine,
        values: i32,
        failure: Option<Box<Fault>>,
    ) {
        self.resume_here(key, coroutine, values, failure);
    }

    /// The same, where most runs begin.
    #[inline(always)]
    pub(in crate::actor) fn resume_here(
        &mut self,
        key: Key,
        coroutine: Coroutine,
        values: i32,
        failure: Option<Box<Fault>>,
    ) {
        self.state.core.warden.note_beat(self.worker.index());
        self.state.stay();
        self.state.set_failure(failure);
        self.state.current.set(Some(key));
        self.state.skynet.start_watches(key);
        let measured = self.begin_measuring(key);
        let resumed = self.stack.resume(&coroutine, values);
        self.state.current.set(None);
        self.task_paused(key);
        match resumed {
            Resumed::Blocked(left) => {
                self.stack.in_coroutine(&coroutine).pop(left);
                self.suspend(key, coroutine);
            }
            Resumed::Finished(results) => self.finished(key, coroutine, results),
            Resumed::Yielded(_) => self.yielded(key, coroutine),
            Resumed::Failed(error) => self.failed(key, coroutine, &error),
        }
        if let Some((handler, started)) = measured {
            self.state.profile.borrow_mut().spend(handler, started);
        }
        self.look_at_offences();
    }

    /// Whose time is measured from now on, if this run is one of those that are.
    #[inline]
    fn begin_measuring(&self, key: Key) -> Option<(u32, Started)> {
        let started = self.state.profile.borrow_mut().begin()?;
        let mut tasks = self.state.tasks.borrow_mut();
        Some((tasks.get(key).map_or(TASKS, |task| task.handler), started))
    }

    #[inline(always)]
    fn suspend(&mut self, key: Key, coroutine: Coroutine) {
        if let Some(task) = self.state.tasks.borrow_mut().get(key) {
            self.state.trace(key, task.request, || Step::Wait);
            if matches!(task.wait, Wait::Turn) {
                task.wait = Wait::Answer;
                task.stage = Stage::Ready(coroutine, 0);
                self.state.ready.borrow_mut().push_back(key);
                self.state.skynet.let_message_come();
            } else {
                task.stage = Stage::Suspended(coroutine);
            }
            return;
        }
        // A running task is never removed; should it be, its coroutine goes with it.
        self.stack.recycle(coroutine);
    }
}
