//! What a program may ask about the tasks of its own service, and the order in which they run: a
//! task that is woken goes on before all others that are ready, and what waits for no time at all
//! goes on behind the messages that have come until then.

use std::sync::Arc;

use moonhive_kernel::timer::TimerKey;

use super::Skynet;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::SKYNET_TASKS_BEFORE_MESSAGE_MAX;
use crate::actor::message::Message;
use crate::actor::service::Service;
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::token::Token;
use crate::actor::task::{Role, Stage, Wait};
use crate::vm::{Coroutine, Stack};

impl Skynet {
    /// A message is handled.
    #[inline]
    pub(in crate::actor) fn note_message(&self) {
        self.ran.set(0);
        self.has_spawned.set(false);
    }

    /// A task gave way to everything else: the next message has its turn as soon as the tasks that
    /// are ready have run.
    #[inline]
    pub(in crate::actor) fn let_message_come(&self) {
        self.ran.set(SKYNET_TASKS_BEFORE_MESSAGE_MAX);
    }
}

impl State {
    /// True once the service's file has returned.
    pub(crate) fn has_started(&self) -> bool {
        self.main_done.get()
    }

    /// A message goes to `target`: if that is this service while its file runs, it comes before the
    /// start function.
    #[inline]
    pub(crate) fn note_sent(&self, target: &Arc<Service>) {
        if !self.has_started() && Arc::ptr_eq(target, &self.service) {
            self.skynet.has_early.set(true);
        }
    }

    /// Pushes the coroutine of a task that has one, or nil.
    pub(crate) fn push_coroutine_of(&self, stack: &mut Stack<'_>, key: Key) {
        match self.tasks.borrow_mut().get(key).map(|task| &task.stage) {
            Some(
                Stage::Fresh(coroutine, _)
                | Stage::Ready(coroutine, _)
                | Stage::Suspended(coroutine),
            ) => stack.push_coroutine(coroutine),
            _ => stack.push_nil(),
        }
    }

    /// The task that runs next.
    #[inline]
    pub(in crate::actor) fn next_ready(&self) -> Option<Key> {
        let Skynet { woken, ran, .. } = &self.skynet;
        woken.set(woken.get().saturating_sub(1));
        ran.set(ran.get().saturating_add(1));
        self.ready.borrow_mut().pop_front()
    }

    /// Whether no message is handled yet: in a service of skynet all forks run before that, also
    /// those of forks. Those that never end do not keep messages away for ever.
    #[inline]
    pub(in crate::actor) fn tasks_come_first(&self) -> bool {
        self.skynet.is_started()
            && self.skynet.ran.get() < SKYNET_TASKS_BEFORE_MESSAGE_MAX
            && !self.ready.borrow().is_empty()
            && !self.service.mailbox().control_waits()
    }

    /// A task has failed. Those that were woken wait for the next task that ends or waits as it
    /// should: the first fork comes before them.
    #[cold]
    pub(in crate::actor) fn put_fork_first(&self) {
        let (woken, mut ready) = (self.skynet.woken.get(), self.ready.borrow_mut());
        if woken > 0
            && self.skynet.is_started()
            && let Some(fork) = ready.remove(woken)
        {
            ready.push_front(fork);
            self.skynet.woken.set(woken + 1);
        }
    }

    /// As [`State::wakeup`], but the task goes on as soon as the running one waits or ends, behind
    /// those only that were woken before.
    pub(crate) fn wakeup_next(&self, stack: &mut Stack<'_>, token: &Token, first: i32) -> bool {
        let Some(key) = self.end_token_wait(stack, token, first) else { return false };
        let woken = self.skynet.woken.get();
        self.ready.borrow_mut().insert(woken, key);
        self.skynet.woken.set(woken + 1);
        true
    }

    /// The running task waits for `token`, or until every message is handled that waits now.
    ///
    /// # Errors
    /// As [`State::begin_wait`].
    pub(crate) fn wait_behind_messages(&self, token: Token) -> Result<(), Fault> {
        let session = self.begin_wait(None)?.session;
        self.waiters.borrow_mut().add(token.clone(), session);
        self.set_wait(Wait::Token(token));
        let alarm = Alarm::Wait(session & Alarm::SESSION_MASK);
        self.service.post_alarms(Message::Alarm(alarm));
        Ok(())
    }

    /// A task that runs the function at `first` with the arguments above it once every message is
    /// handled that waits now.
    ///
    /// # Errors
    /// `overload` at the limit of tasks.
    pub(crate) fn fork_behind_messages(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
    ) -> Result<Key, Fault> {
        let key = self.timer_by(stack, first, |_| Ok(TimerKey::NONE))?;
        self.service.post_alarms(Message::Alarm(Alarm::Begin(key.to_bits())));
        self.note_sent(&self.service);
        Ok(key)
    }

    /// Timers that have not begun their task.
    pub(crate) fn timers(&self) -> Vec<Key> {
        let mut tasks = self.tasks.borrow_mut();
        let mut keys = tasks.keys();
        keys.retain(|key| match tasks.get(*key) {
            Some(task) => matches!(task.stage, Stage::Armed),
            None => true,
        });
        keys
    }

    /// Calls `visit` with each task that waits: its session and its coroutine.
    pub(crate) fn for_each_waiting(&self, mut visit: impl FnMut(u64, &Coroutine)) {
        let mut tasks = self.tasks.borrow_mut();
        for key in tasks.keys() {
            if let Some(task) = tasks.get(key)
                && let Stage::Suspended(coroutine) = &task.stage
            {
                visit(task.session(), coroutine);
            }
        }
    }

    /// The task whose coroutine is the thread at `index`, unless that runs.
    pub(crate) fn task_in_thread(&self, stack: &mut Stack<'_>, index: i32) -> Option<Key> {
        let keys = self.tasks.borrow().keys();
        keys.into_iter().find(|key| {
            self.push_coroutine_of(stack, *key);
            let is_it = stack.raw_equal(index, -1);
            stack.pop(1);
            is_it
        })
    }

    /// Pushes the coroutine of the task that starts the service, or nil once it has started.
    pub(crate) fn push_starter(&self, stack: &mut Stack<'_>) {
        let keys = self.tasks.borrow().keys();
        let starter = keys.into_iter().find(|key| {
            let mut tasks = self.tasks.borrow_mut();
            tasks.get(*key).is_some_and(|task| matches!(task.role, Role::Main | Role::Start))
        });
        match starter {
            Some(key) if self.current.get() == Some(key) => {
                stack.push_this_thread();
            }
            Some(key) => self.push_coroutine_of(stack, key),
            None => stack.push_nil(),
        }
    }

    /// Takes a task away without running it any further; only `__close` methods run. Whoever waits
    /// for its answer is told. False for one that runs, or that starts or ends the service.
    pub(crate) fn kill_task(&self, stack: &mut Stack<'_>, key: Key) -> bool {
        if self.cancel_timer(stack, key) {
            return true;
        }
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return false };
        let may_go = matches!(task.role, Role::Dispatch | Role::Fork | Role::Every(_));
        if !may_go || matches!(task.stage, Stage::Running) {
            return false;
        }
        if let Some(session) = task.end_wait()
            && let Wait::Token(token) = &task.wait
        {
            self.waiters.borrow_mut().forget(token, session);
        }
        if let Stage::Watching(target) = &task.stage {
            target.unwatch(&self.service, key.to_bits());
        }
        let Some(mut task) = tasks.remove(key) else { return false };
        drop(tasks);
        self.skynet.drop_watch(key);
        if let Some(caller) = task.caller.take().filter(|caller| caller.waits()) {
            self.note_request_done();
            caller.fail(Fault::new(Code::Cancelled, "the task that served the request was killed"));
        }
        self.release_task(stack, task);
        true
    }
}
