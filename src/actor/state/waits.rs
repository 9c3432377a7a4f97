//! How the running task waits: for an answer, for time to pass, for a token, for something outside
//! the host; and how another task wakes it.
//!
//! A wait begins here and most end elsewhere: a native notes what its task waits for and blocks,
//! and the turn that finds the end of the wait (`turn/deliver.rs`) resumes the coroutine. Each wait
//! has a session of its own, so that whatever comes too late finds nothing.

use std::time::Duration;

use moonhive_kernel::address::Address;

use super::State;
use crate::actor::fault::Fault;
use crate::actor::record::request::RequestId;
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::sleeper::Sleeper;
use crate::actor::task::token::Token;
use crate::actor::task::{NEVER_MS, Stage, Task, Wait};
use crate::vm::{Coroutine, Stack};

/// A wait that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) session: u64,
    /// Until when others may work for it.
    pub(in crate::actor) deadline_ms: u64,
    /// The request to which the waiting task belongs.
    pub(in crate::actor) request: RequestId,
}

impl State {
    /// The running task begins to wait.
    ///
    /// # Errors
    /// `timeout` when the task's deadline has passed, `overload` when no timer can be armed.
    pub(crate) fn begin_wait(&self, timeout: Option<Duration>) -> Result<Begun, Fault> {
        self.begin_wait_of(self.current_task()?, None, timeout)
    }

    /// The same for any task that does not wait yet, for an answer of the callee if there is one.
    #[inline(always)]
    pub(in crate::actor) fn begin_wait_of(
        &self,
        key: Key,
        callee: Option<Address>,
        timeout: Option<Duration>,
    ) -> Result<Begun, Fault> {
        let mut tasks = self.tasks.borrow_mut();
        let (deadline_ms, request) = match tasks.get(key) {
            Some(task) => (self.arm_deadline(key, task)?, task.request),
            None => (NEVER_MS, RequestId::NONE),
        };
        let session = tasks.begin_wait(key, callee, self.turn_began_ns.get());
        drop(tasks);
        let begun = Begun { session, deadline_ms, request };
        match timeout {
            None => Ok(begun),
            Some(timeout) => self.arm_timeout(key, begun, timeout),
        }
    }

    /// The wait of that task that has begun ends after `timeout` at the latest.
    fn arm_timeout(&self, key: Key, begun: Begun, timeout: Duration) -> Result<Begun, Fault> {
        let Begun { session, deadline_ms, .. } = begun;
        let mut tasks = self.tasks.borrow_mut();
        match self.arm(timeout, Alarm::Wait(session)) {
            Ok(alarm) => {
                if let Some(task) = tasks.get(key) {
                    task.alarm = Some(alarm);
                }
                let due_ms = self.core.handle.clock().deadline_ms(timeout);
                Ok(Begun { deadline_ms: deadline_ms.min(due_ms), ..begun })
            }
            Err(fault) => {
                tasks.get(key).map(Task::end_wait);
                Err(fault)
            }
        }
    }

    /// Takes back a wait that could not begin.
    pub(crate) fn cancel_wait(&self) {
        let Some(key) = self.current.get() else { return };
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        task.end_wait();
        if let Some(alarm) = task.alarm.take() {
            self.core.handle.cancel(alarm);
        }
    }

    /// The running task waits for `token`, or until `timeout` has passed.
    ///
    /// # Errors
    /// As [`State::begin_wait`].
    pub(crate) fn wait(&self, token: Token, timeout: Option<Duration>) -> Result<(), Fault> {
        let session = self.begin_wait(timeout)?.session;
        self.waiters.borrow_mut().add(token.clone(), session);
        self.set_wait(Wait::Token(token));
        Ok(())
    }

    /// The running task waits for something outside the host, or until `timeout` has passed. It
    /// goes on with nothing when the sleeper is woken, and with false when time is over.
    ///
    /// # Errors
    /// As [`State::begin_wait`].
    pub(crate) fn wait_outside(&self, timeout: Option<Duration>) -> Result<Sleeper, Fault> {
        let session = self.begin_wait(timeout)?.session;
        self.set_wait(Wait::Bell);
        Ok(Sleeper::new(self.service.clone(), session))
    }

    /// The running task sleeps. Without any time it lets all tasks run that are ready now.
    ///
    /// # Errors
    /// As [`State::begin_wait`].
    pub(crate) fn sleep(&self, duration: Duration) -> Result<(), Fault> {
        if duration.is_zero() {
            return self.step_back();
        }
        self.begin_wait(Some(duration))?;
        self.set_wait(Wait::Time);
        Ok(())
    }

    /// The running task goes to the end of those that are ready, once it blocks.
    fn step_back(&self) -> Result<(), Fault> {
        let key = self.current_task()?;
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return Ok(()) };
        self.arm_deadline(key, task)?;
        task.wait = Wait::Turn;
        Ok(())
    }

    pub(in crate::actor) fn set_wait(&self, wait: Wait) {
        if let Some(key) = self.current.get()
            && let Some(task) = self.tasks.borrow_mut().get(key)
        {
            task.wait = wait;
        }
    }

    /// Wakes the task that has waited longest for `token` with the values from `first` to the top.
    /// False if none waits.
    pub(crate) fn wakeup(&self, stack: &mut Stack<'_>, token: &Token, first: i32) -> bool {
        let woken = self.end_token_wait(stack, token, first);
        self.ready.borrow_mut().extend(woken);
        woken.is_some()
    }

    /// The same without a place among those that are ready; the task, if one waits.
    pub(in crate::actor) fn end_token_wait(
        &self,
        stack: &mut Stack<'_>,
        token: &Token,
        first: i32,
    ) -> Option<Key> {
        let session = self.waiters.borrow_mut().next(token)?;
        let mut tasks = self.tasks.borrow_mut();
        let (key, task) = tasks.end_wait(session)?;
        let coroutine = self.unsuspend(task, session)?;
        let values = stack.top() - first + 1;
        stack.push_bool(true);
        stack.insert(first);
        stack.move_to(&coroutine, values + 1);
        task.stage = Stage::Ready(coroutine, values + 1);
        Some(key)
    }

    /// What the continuation of a blocked native raises; `None` when it was resumed with values.
    pub(crate) fn take_failure(&self) -> Option<Box<Fault>> {
        self.failure.take()
    }

    pub(in crate::actor) fn set_failure(&self, fault: Option<Box<Fault>>) {
        self.failure.set(fault);
    }

    /// Takes the coroutine of a task whose wait of that session is over, and calls off whatever
    /// else could have ended the wait. The task counts as running until it gets another stage.
    #[inline(always)]
    pub(in crate::actor) fn unsuspend(&self, task: &mut Task, session: u64) -> Option<Coroutine> {
        if let Some(alarm) = task.alarm.take() {
            self.core.handle.cancel(alarm);
        }
        if let Wait::Token(token) = std::mem::replace(&mut task.wait, Wait::Answer) {
            self.waiters.borrow_mut().forget(&token, session);
        }
        match std::mem::replace(&mut task.stage, Stage::Running) {
            Stage::Suspended(coroutine) => Some(coroutine),
            other => {
                task.stage = other;
                None
            }
        }
    }
}
