//! The tasks of one service: coroutines that run, wait or are about to begin. Bookkeeping only; no
//! Lua is touched here.
//!
//! A task has a *key* from birth to end (it is what `hive.fork` hands out), and a *session* for each
//! wait (it is what a request carries). Both name the slot, so either finds the task by an index
//! and a comparison, and neither finds anything once it is stale.

use std::sync::Arc;

use moonhive_kernel::timer::TimerKey;

use super::fault::Fault;
use super::message::Caller;
use super::profile::TASKS;
use super::request::{RequestId, Terms};
use super::service::Service;
use super::skynet::Origin;
use super::slots::{Key, Slots};
use super::token::Token;
use crate::vm::{Coroutine, Reference};

/// No deadline.
pub(crate) const NEVER_MS: u64 = u64::MAX;

/// Bits of a session that name the slot; the rest counts waits.
pub(super) const SESSION_INDEX_BITS: u32 = 24;
/// The index of no slot: sessions that no task waits for carry it.
pub(super) const SESSION_INDEX_MASK: u64 = (1 << SESSION_INDEX_BITS) - 1;

/// One task.
pub(crate) struct Task {
    pub(crate) stage: Stage,
    /// What a timer or a monitor will run: a function, or a list of it and its arguments.
    pub(crate) function: Option<Reference>,
    /// The request that the task serves; the answer is owed until it is taken out.
    pub(crate) caller: Option<Caller>,
    /// Its answer was given or taken by the program.
    pub(crate) answered: bool,
    /// Who is named as its sender, where that is not the caller.
    pub(crate) origin: Option<Box<Origin>>,
    pub(crate) role: Role,
    pub(crate) deadlines: Deadlines,
    /// The request to which it belongs, if any.
    pub(crate) request: RequestId,
    /// Whose time it uses.
    pub(crate) handler: u32,
    /// Session of the present wait; 0 when it does not wait.
    session: u64,
    /// What the present wait is for.
    pub(crate) wait: Wait,
    /// What ends the present wait by time, or begins the task.
    pub(crate) alarm: Option<TimerKey>,
    /// The wait ends with this as soon as the task runs again.
    pub(crate) doom: Option<Box<Fault>>,
}

/// What makes a task one that serves a request.
pub(crate) struct Served {
    pub(crate) caller: Caller,
    pub(crate) terms: Terms,
    pub(crate) handler: u32,
}

/// How far a task has come.
pub(crate) enum Stage {
    /// A timer will begin it.
    Armed,
    /// The end of a service will begin it.
    Watching(Arc<Service>),
    /// The answer to a call will begin it.
    Expecting,
    /// It is about to begin, with this many arguments on top of its stack.
    Fresh(Coroutine, i32),
    /// It has waited and is about to go on, with this many values on top of its stack.
    Ready(Coroutine, i32),
    /// It waits.
    Suspended(Coroutine),
    /// It runs; the turn holds its coroutine.
    Running,
}

/// What a task waits for.
pub(crate) enum Wait {
    /// The answer to a call; when its time is over the call fails.
    Answer,
    /// The same, and the answer is taken as a message pointer.
    RawAnswer,
    /// Time to pass.
    Time,
    /// All tasks to run that are ready before it.
    Turn,
    /// `hive.wakeup` with this token.
    Token(Token),
}

/// What a task is for.
pub(crate) enum Role {
    /// The service's file.
    Main,
    /// A request or a one-way message; its method, for log lines, is in the coroutine.
    Handler,
    /// A message of a numbered protocol, which its handler answers by itself or not.
    Dispatch,
    /// The start function: the service has started when it has ended.
    Start,
    /// A fork, a timer or a monitor's function.
    Fork,
    /// A timer that begins again.
    Every(Box<Every>),
    /// The exit handler.
    Exit,
}

/// How a repeated timer goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Every {
    pub(crate) interval_ns: u64,
    pub(crate) due_ns: u64,
    /// It was cancelled while it ran.
    pub(crate) cancelled: bool,
}

impl Every {
    /// The next time it is due after `now_ns`: times that have passed are left out.
    pub(crate) fn next_due_ns(&self, now_ns: u64) -> u64 {
        let late_ns = now_ns.saturating_sub(self.due_ns);
        let missed = late_ns / self.interval_ns;
        self.due_ns.saturating_add(self.interval_ns.saturating_mul(missed + 1))
    }
}

/// The deadlines a task runs under, by the host's clock in milliseconds. Most tasks have none.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(Option<Box<Limits>>);

#[derive(Debug)]
struct Limits {
    /// Of the request that the task serves.
    inherited_ms: u64,
    /// Of `hive.timeout`, innermost last; user coroutines may end them in any order.
    scopes: Vec<(u64, u64)>,
    scopes_begun: u64,
    /// The armed timer and what it is armed for.
    alarm: Option<(TimerKey, u64)>,
}

impl Deadlines {
    /// Those of a task that serves a request.
    pub(crate) fn new(inherited_ms: u64) -> Deadlines {
        let mut deadlines = Deadlines::default();
        if inherited_ms != NEVER_MS {
            deadlines.limits().inherited_ms = inherited_ms;
        }
        deadlines
    }

    fn limits(&mut self) -> &mut Limits {
        self.0.get_or_insert_with(|| {
            let (scopes, scopes_begun) = (Vec::new(), 0);
            Box::new(Limits { inherited_ms: NEVER_MS, scopes, scopes_begun, alarm: None })
        })
    }

    /// The earliest one.
    #[inline]
    pub(crate) fn earliest_ms(&self) -> u64 {
        let Some(limits) = &self.0 else { return NEVER_MS };
        let scopes = limits.scopes.iter().map(|&(_, deadline_ms)| deadline_ms);
        scopes.fold(limits.inherited_ms, u64::min)
    }

    /// Begins a scope; its number ends it.
    pub(crate) fn begin_scope(&mut self, deadline_ms: u64) -> u64 {
        let limits = self.limits();
        limits.scopes_begun += 1;
        limits.scopes.push((limits.scopes_begun, deadline_ms));
        limits.scopes_begun
    }

    pub(crate) fn end_scope(&mut self, scope: u64) {
        if let Some(limits) = &mut self.0 {
            limits.scopes.retain(|&(number, _)| number != scope);
        }
    }

    /// Whether the deadline of the request is over.
    pub(crate) fn inherited_passed(&self, now_ms: u64) -> bool {
        self.0.as_ref().is_some_and(|limits| now_ms >= limits.inherited_ms)
    }

    /// What the timer is armed for.
    pub(crate) fn armed_ms(&self) -> Option<u64> {
        self.0.as_ref()?.alarm.map(|(_, armed_ms)| armed_ms)
    }

    pub(crate) fn set_alarm(&mut self, alarm: TimerKey, armed_ms: u64) {
        self.limits().alarm = Some((alarm, armed_ms));
    }

    pub(crate) fn take_alarm(&mut self) -> Option<TimerKey> {
        self.0.as_mut()?.alarm.take().map(|(alarm, _)| alarm)
    }
}

impl Task {
    pub(crate) fn new(stage: Stage, role: Role) -> Task {
        Task {
            stage,
            function: None,
            caller: None,
            answered: false,
            origin: None,
            role,
            deadlines: Deadlines::default(),
            request: RequestId::NONE,
            handler: TASKS,
            session: 0,
            wait: Wait::Answer,
            alarm: None,
            doom: None,
        }
    }

    /// The task, which holds nothing, begins to serve a request.
    #[inline]
    fn serve(&mut self, served: Served) {
        let Served { caller, terms, handler } = served;
        self.stage = Stage::Running;
        self.role = Role::Handler;
        self.answered = false;
        self.wait = Wait::Answer;
        self.caller = Some(caller);
        self.deadlines = Deadlines::new(terms.deadline_ms);
        self.request = terms.request;
        self.handler = handler;
    }

    /// True if dropping the task would do nothing.
    #[inline]
    fn holds_nothing(&self) -> bool {
        let waits = self.session != 0 || self.alarm.is_some() || !matches!(self.wait, Wait::Answer);
        let owes = self.caller.is_some() || self.doom.is_some() || self.origin.is_some();
        let keeps = self.function.is_some() || self.deadlines.0.is_some();
        !waits && !owes && !keeps && matches!(self.stage, Stage::Running)
    }

    /// Ends the present wait and returns its session; `None` if the task does not wait.
    pub(crate) fn end_wait(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.session)).filter(|session| *session != 0)
    }

    /// The session of the present wait; 0 when it does not wait.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// True if the service lives on for this task's sake.
    pub(crate) fn keeps_alive(&self) -> bool {
        !matches!(self.stage, Stage::Watching(_))
    }
}

/// All tasks of one service.
pub(crate) struct Tasks {
    slots: Slots<Task>,
    waits: u64,
    /// Tasks for whose sake a script lives on.
    alive: usize,
}

impl Tasks {
    pub(crate) fn new(seed: u64) -> Tasks {
        Tasks { slots: Slots::new(seed), waits: 0, alive: 0 }
    }

    /// Adds a task.
    ///
    /// # Errors
    /// The task itself, at the limit.
    #[allow(clippy::result_large_err, reason = "the way of the few, and the task has to live on")]
    pub(crate) fn insert(&mut self, task: Task, limit: usize) -> Result<Key, Task> {
        if self.slots.len() >= limit {
            return Err(task);
        }
        let keeps_alive = task.keeps_alive();
        let key = self.slots.insert(task)?;
        self.alive += usize::from(keeps_alive);
        Ok(key)
    }

    /// Adds the task that serves a request. Most tasks do, so it is made of an earlier one in its place.
    ///
    /// # Errors
    /// The caller, at the limit.
    pub(crate) fn insert_served(&mut self, served: Served, limit: usize) -> Result<Key, Caller> {
        if self.slots.len() >= limit {
            return Err(served.caller);
        }
        let key = match self.slots.revive() {
            Some((key, task)) => {
                debug_assert!(task.holds_nothing());
                task.serve(served);
                key
            }
            None => {
                let mut task = Task::new(Stage::Running, Role::Handler);
                task.serve(served);
                match self.slots.insert(task) {
                    Ok(key) => key,
                    Err(task) => return Err(task.caller.expect("it was given one just now")),
                }
            }
        };
        self.alive += 1;
        Ok(key)
    }

    /// Ends a task that served a request and holds nothing else: what it still owes. `None` if it is
    /// another kind of task or holds more, and has to be taken out.
    #[inline]
    pub(crate) fn end_served(&mut self, key: Key) -> Option<Option<Caller>> {
        let task = self.slots.get_mut(key)?;
        let caller = task.caller.take();
        if !matches!(task.role, Role::Handler) || !task.holds_nothing() {
            task.caller = caller;
            return None;
        }
        self.slots.leave(key);
        self.alive -= 1;
        Some(caller)
    }

    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Task> {
        self.slots.get_mut(key)
    }

    /// Takes a task out.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Task> {
        let task = self.slots.remove(key)?;
        self.alive -= usize::from(task.keeps_alive());
        Some(task)
    }

    /// A watching task begins: from now on the service lives for its sake.
    pub(crate) fn begin_watcher(&mut self, key: Key, coroutine: Coroutine, values: i32) {
        if let Some(task) = self.slots.get_mut(key) {
            debug_assert!(!task.keeps_alive());
            task.stage = Stage::Fresh(coroutine, values);
            self.alive += 1;
        }
    }

    /// Tasks and timers, monitors included.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether a script has anything left to do.
    pub(crate) fn any_alive(&self) -> bool {
        self.alive > 0
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.slots.keys()
    }

    /// The task begins to wait; the session names this wait alone.
    pub(crate) fn begin_wait(&mut self, key: Key) -> u64 {
        self.waits += 1;
        let session = self.waits << SESSION_INDEX_BITS | key.index() as u64;
        if let Some(task) = self.slots.get_mut(key) {
            debug_assert_eq!(task.session, 0, "a task waits for one thing at a time");
            task.session = session;
            // A wait that was asked for and did not come about must not be taken for this one.
            task.wait = Wait::Answer;
        }
        session
    }

    /// Ends the wait of that session, if it goes on, and names its task.
    pub(crate) fn end_wait(&mut self, session: u64) -> Option<(Key, &mut Task)> {
        let index = session & ((1 << SESSION_INDEX_BITS) - 1);
        let (key, task) = self.slots.at_index(index as usize)?;
        if session == 0 || task.session != session {
            return None;
        }
        task.session = 0;
        Some((key, task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks_with_one() -> (Tasks, Key) {
        let mut tasks = Tasks::new(1);
        let key = tasks.insert(Task::new(Stage::Running, Role::Fork), 4).ok().unwrap();
        (tasks, key)
    }

    #[test]
    fn an_answer_finds_the_wait_it_belongs_to_once() {
        let (mut tasks, key) = tasks_with_one();
        let session = tasks.begin_wait(key);
        assert_eq!(tasks.end_wait(session).map(|(key, _)| key), Some(key));
        assert!(tasks.end_wait(session).is_none());
    }

    #[test]
    fn a_late_answer_finds_neither_the_next_wait_nor_the_next_task() {
        let (mut tasks, key) = tasks_with_one();
        let late = tasks.begin_wait(key);
        assert_eq!(tasks.get(key).unwrap().end_wait(), Some(late));
        tasks.begin_wait(key);
        assert!(tasks.end_wait(late).is_none());
        tasks.remove(key);
        let next = tasks.insert(Task::new(Stage::Running, Role::Fork), 4).ok().unwrap();
        assert_eq!(next.index(), key.index());
        tasks.begin_wait(next);
        assert!(tasks.end_wait(late).is_none());
    }

    #[test]
    fn no_session_finds_no_task() {
        let (mut tasks, _) = tasks_with_one();
        assert!(tasks.end_wait(0).is_none());
        assert!(tasks.end_wait(u64::MAX).is_none());
    }

    #[test]
    fn tasks_have_a_limit() {
        let (mut tasks, _) = tasks_with_one();
        assert!(tasks.insert(Task::new(Stage::Running, Role::Fork), 1).is_err());
    }

    #[test]
    fn a_repeated_timer_keeps_its_rhythm_and_leaves_out_what_it_missed() {
        let every = Every { interval_ns: 10, due_ns: 100, cancelled: false };
        assert_eq!(every.next_due_ns(100), 110);
        assert_eq!(every.next_due_ns(109), 110);
        assert_eq!(every.next_due_ns(135), 140);
    }

    #[test]
    fn the_earliest_deadline_counts_and_scopes_may_end_in_any_order() {
        let mut deadlines = Deadlines::new(50);
        let outer = deadlines.begin_scope(20);
        let inner = deadlines.begin_scope(30);
        assert_eq!(deadlines.earliest_ms(), 20);
        deadlines.end_scope(outer);
        assert_eq!(deadlines.earliest_ms(), 30);
        deadlines.end_scope(inner);
        assert_eq!(deadlines.earliest_ms(), 50);
    }
}
