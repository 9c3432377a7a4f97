//! The tasks of one service. Bookkeeping only; no Lua is touched here.
//!
//! A timer that has not begun its task is a record of 24 bytes in the slot that the task will have:
//! a service may have a million of them, and most of what a task is means nothing to it.
//!
//! Napkin: a slot is 32 bytes; a task lies in a box of its own, which goes from task to task.

use moonhive_kernel::address::Address;
use moonhive_kernel::timer::TimerKey;

use super::{Role, SESSION_INDEX_BITS, SESSION_INDEX_MASK, Served, Stage, Task};
use crate::actor::message::Caller;
use crate::actor::record::request::RequestId;
use crate::actor::slots::{Key, Slots};
use crate::vm::{Coroutine, Reference};

/// Boxes that are kept for the next tasks; as many as a VM keeps coroutines.
const SPARE_MAX: usize = 64;
/// Tasks that may be left in their slots. A burst of a million forks must not keep as many for
/// ever.
const LEFT_MAX: usize = 256;

/// A timer that begins a task once.
pub(crate) struct Armed {
    /// What to run: a function, or a list of it and its arguments.
    pub(crate) function: Reference,
    pub(crate) alarm: TimerKey,
    /// The request to which the task will belong, if any.
    pub(crate) request: RequestId,
}

/// Who has a slot.
enum Tenant {
    Armed(Armed),
    Task(Box<Task>),
}

const _: () = assert!(size_of::<Option<Tenant>>() == 24);

/// All tasks of one service.
pub(crate) struct Tasks {
    slots: Slots<Tenant>,
    /// Tasks that have ended and hold nothing, besides those that were left in their slots.
    #[allow(clippy::vec_box, reason = "boxes go from here into slots and back")]
    spare: Vec<Box<Task>>,
    /// Those that were left in their slots.
    left: usize,
    waits: u64,
    /// Tasks for whose sake a script lives on.
    alive: usize,
}

impl Tasks {
    pub(crate) fn new(seed: u64) -> Tasks {
        Tasks { slots: Slots::new(seed), spare: Vec::new(), left: 0, waits: 0, alive: 0 }
    }

    /// Adds a task.
    ///
    /// # Errors
    /// The task itself, at the limit.
    pub(crate) fn insert(&mut self, task: Task, limit: usize) -> Result<Key, Box<Task>> {
        let keeps_alive = task.keeps_alive();
        let Some((key, place)) = self.vacant(limit) else { return Err(Box::new(task)) };
        *place = task;
        self.alive += usize::from(keeps_alive);
        Ok(key)
    }

    /// Adds the task that serves a request. Most tasks do, so it is made of an earlier one in its
    /// place.
    ///
    /// # Errors
    /// The caller, at the limit.
    #[inline(always)]
    pub(crate) fn insert_served(&mut self, served: Served, limit: usize) -> Result<Key, Caller> {
        let Some((key, task)) = self.vacant(limit) else { return Err(served.caller) };
        task.serve(served);
        self.alive += 1;
        Ok(key)
    }

    /// A task that holds nothing, under a key that no earlier one had; `None` at the limit.
    #[inline(always)]
    fn vacant(&mut self, limit: usize) -> Option<(Key, &mut Task)> {
        if self.slots.len() >= limit {
            return None;
        }
        if !self.slots.has_left() {
            return self.vacant_in_new_slot();
        }
        self.left -= 1;
        match self.slots.revive()? {
            (key, Tenant::Task(task)) => Some((key, task)),
            // Nothing but tasks is left in slots.
            (_, Tenant::Armed(_)) => None,
        }
    }

    #[inline(never)]
    fn vacant_in_new_slot(&mut self) -> Option<(Key, &mut Task)> {
        let task = fresh(&mut self.spare);
        let key = self.slots.insert(Tenant::Task(task)).ok()?;
        Some((key, self.get(key)?))
    }

    /// Adds a timer. `arm` gets the key under which its task will run; `None` at the limit.
    ///
    /// # Errors
    /// What `arm` fails with.
    #[inline(always)]
    pub(crate) fn insert_armed<E>(
        &mut self,
        limit: usize,
        arm: impl FnOnce(Key) -> Result<Armed, E>,
    ) -> Result<Option<Key>, E> {
        if self.slots.len() >= limit {
            return Ok(None);
        }
        let inserted = self.slots.insert_with(|key| arm(key).map(Tenant::Armed))?;
        let Some((key, left)) = inserted else { return Ok(None) };
        if let Some(Tenant::Task(task)) = left {
            self.left -= 1;
            self.reuse(task);
        }
        self.alive += 1;
        Ok(Some(key))
    }

    /// Keeps the box of a task that has ended, unless the task still holds something.
    #[inline]
    pub(crate) fn reuse(&mut self, task: Box<Task>) {
        if self.spare.len() < SPARE_MAX && task.holds_nothing() {
            self.spare.push(task);
        }
    }

    /// Ends a task that served a request and holds nothing else: what it still owes; or a fork or
    /// timer that holds nothing. `None` if it is another kind of task, is traced or holds more, and
    /// has to be taken out; so has one that was to answer by itself and did not.
    #[inline(always)]
    pub(crate) fn end_simple(&mut self, key: Key) -> Option<Option<Caller>> {
        let task = self.get(key)?;
        if task.request.is_traced() {
            return None;
        }
        let caller = task.caller.take();
        let owes = caller.as_ref().is_some_and(Caller::waits);
        let may_go = match task.role {
            Role::Handler | Role::Fork => true,
            Role::Dispatch => !owes,
            _ => false,
        };
        if !may_go || !task.holds_nothing() {
            task.caller = caller;
            return None;
        }
        if self.left < LEFT_MAX {
            self.slots.leave(key);
            self.left += 1;
        } else if let Some(Tenant::Task(task)) = self.slots.remove(key)
            && self.spare.len() < SPARE_MAX
        {
            self.spare.push(task);
        }
        self.alive -= 1;
        Some(caller)
    }

    /// The task with that key; `None` as well for a timer that has not begun it.
    #[inline]
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Task> {
        match self.slots.get_mut(key)? {
            Tenant::Task(task) => Some(task),
            Tenant::Armed(_) => None,
        }
    }

    /// Takes a task out.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<Box<Task>> {
        self.get(key)?;
        let Tenant::Task(task) = self.slots.remove(key)? else { return None };
        self.alive -= usize::from(task.keeps_alive());
        Some(task)
    }

    /// Takes out a timer that has not begun its task.
    pub(crate) fn remove_armed(&mut self, key: Key) -> Option<Armed> {
        if !matches!(self.slots.get_mut(key)?, Tenant::Armed(_)) {
            return None;
        }
        let Tenant::Armed(armed) = self.slots.remove(key)? else { return None };
        self.alive -= 1;
        Some(armed)
    }

    /// What timers will run that have not begun their tasks.
    #[inline]
    pub(crate) fn armed_functions(
        &self,
        keys: impl Iterator<Item = Key> + Clone,
    ) -> impl Iterator<Item = &Reference> {
        self.slots.touch(keys.clone());
        keys.filter_map(|key| match self.slots.get(key)? {
            Tenant::Armed(armed) => Some(&armed.function),
            Tenant::Task(_) => None,
        })
    }

    /// A timer is due: begins its task, and returns what that is to run.
    #[inline]
    pub(crate) fn begin_armed(&mut self, key: Key) -> Option<Reference> {
        let tenant = self.slots.get_mut(key)?;
        let Tenant::Armed(armed) = tenant else { return None };
        let mut task = fresh(&mut self.spare);
        task.begin(Role::Fork, armed.request);
        match std::mem::replace(tenant, Tenant::Task(task)) {
            Tenant::Armed(armed) => Some(armed.function),
            Tenant::Task(_) => None,
        }
    }

    /// A watching task begins: from now on the service lives for its sake.
    pub(crate) fn begin_watcher(&mut self, key: Key, coroutine: Coroutine, values: i32) {
        if let Some(task) = self.get(key) {
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

    /// The task begins to wait, maybe for an answer of that service, in a turn that began then; the
    /// session names this wait alone.
    #[inline]
    pub(crate) fn begin_wait(&mut self, key: Key, callee: Option<Address>, now_ns: u64) -> u64 {
        self.waits += 1;
        let session = self.waits << SESSION_INDEX_BITS | key.index() as u64;
        if let Some(task) = self.get(key) {
            task.begin_wait(session, callee, now_ns);
        }
        session
    }

    /// Ends the wait of that session, if it goes on, and names its task.
    #[inline]
    pub(crate) fn end_wait(&mut self, session: u64) -> Option<(Key, &mut Task)> {
        let (key, _, task) = self.end_wait_if(session, |other| other == session)?;
        Some((key, task))
    }

    /// The same for a session of which the last bits are known, those under `mask`; tells the
    /// whole.
    pub(crate) fn end_wait_under(&mut self, mask: u64, bits: u64) -> Option<(Key, u64, &mut Task)> {
        self.end_wait_if(bits, |session| session & mask == bits)
    }

    #[inline]
    fn end_wait_if(
        &mut self,
        bits: u64,
        is_it: impl FnOnce(u64) -> bool,
    ) -> Option<(Key, u64, &mut Task)> {
        let index = bits & SESSION_INDEX_MASK;
        let (key, tenant) = self.slots.at_index(index as usize)?;
        let Tenant::Task(task) = tenant else { return None };
        let session = task.session();
        if session == 0 || !is_it(session) {
            return None;
        }
        task.end_wait();
        Some((key, session, task))
    }
}

/// A box whose task holds nothing.
#[inline]
#[allow(clippy::vec_box, reason = "boxes go from here into slots and back")]
fn fresh(spare: &mut Vec<Box<Task>>) -> Box<Task> {
    spare.pop().unwrap_or_else(|| Box::new(Task::new(Stage::Running, Role::Fork)))
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
        let session = tasks.begin_wait(key, None, 0);
        assert_eq!(tasks.end_wait(session).map(|(key, _)| key), Some(key));
        assert!(tasks.end_wait(session).is_none());
    }

    #[test]
    fn a_late_answer_finds_neither_the_next_wait_nor_the_next_task() {
        let (mut tasks, key) = tasks_with_one();
        let late = tasks.begin_wait(key, None, 0);
        assert_eq!(tasks.get(key).unwrap().end_wait(), Some(late));
        tasks.begin_wait(key, None, 0);
        assert!(tasks.end_wait(late).is_none());
        tasks.remove(key);
        let next = tasks.insert(Task::new(Stage::Running, Role::Fork), 4).ok().unwrap();
        assert_eq!(next.index(), key.index());
        tasks.begin_wait(next, None, 0);
        assert!(tasks.end_wait(late).is_none());
    }

    #[test]
    fn no_more_tasks_than_a_few_are_left_in_their_slots() {
        let mut tasks = Tasks::new(1);
        let insert = |tasks: &mut Tasks| {
            tasks.insert(Task::new(Stage::Running, Role::Fork), 1000).ok().unwrap()
        };
        let count = LEFT_MAX + SPARE_MAX + 2;
        let keys: Vec<Key> = (0..count).map(|_| insert(&mut tasks)).collect();
        assert!(keys.iter().all(|key| tasks.end_simple(*key).is_some()));
        assert!(keys.iter().all(|key| tasks.end_simple(*key).is_none()), "each ends once");
        assert_eq!((tasks.left, tasks.spare.len(), tasks.len()), (LEFT_MAX, SPARE_MAX, 0));
        assert!(!tasks.any_alive());
        let again: Vec<Key> = (0..count).map(|_| insert(&mut tasks)).collect();
        assert_eq!((tasks.left, tasks.spare.len(), tasks.len()), (0, 0, count));
        assert!(again.iter().all(|key| !keys.contains(key)));
    }

    #[test]
    fn no_session_finds_no_task() {
        let (mut tasks, _) = tasks_with_one();
        assert!(tasks.end_wait(0).is_none());
        assert!(tasks.end_wait(u64::MAX).is_none());
    }

    #[test]
    fn an_alarm_finds_its_wait_by_the_last_bits_of_the_session() {
        let (mut tasks, key) = tasks_with_one();
        tasks.waits = u64::MAX >> 24;
        tasks.waits -= 1;
        let session = tasks.begin_wait(key, None, 0);
        let mask = (1 << 56) - 1;
        assert!(tasks.end_wait_under(mask, (session & mask) - (1 << 24)).is_none());
        assert!(tasks.end_wait_under(mask, session & mask).is_some());
        assert!(tasks.end_wait_under(mask, session & mask).is_none());
    }

    fn tasks_with_timer(vm: &mut crate::vm::Vm) -> (Tasks, Key) {
        let mut stack = vm.stack();
        stack.push_bool(true);
        let function = stack.keep();
        let mut tasks = Tasks::new(1);
        let alarm = TimerKey::from_bits(7);
        let armed = Armed { function, alarm, request: RequestId::new(1, 2) };
        let key = tasks.insert_armed(1, |_| Ok::<_, ()>(armed)).unwrap().unwrap();
        (tasks, key)
    }

    #[test]
    fn a_timer_becomes_a_task_of_the_same_key_and_request() {
        let mut vm = crate::vm::Vm::builder().build().unwrap();
        let (mut tasks, key) = tasks_with_timer(&mut vm);
        assert!(tasks.get(key).is_none() && tasks.any_alive());
        assert!(tasks.begin_armed(key).is_some());
        assert!(tasks.begin_armed(key).is_none() && tasks.remove_armed(key).is_none());
        let task = tasks.remove(key).unwrap();
        assert_eq!(task.request, RequestId::new(1, 2));
        assert!(!tasks.any_alive());
    }

    #[test]
    fn a_timer_that_is_taken_out_begins_no_task() {
        let mut vm = crate::vm::Vm::builder().build().unwrap();
        let (mut tasks, key) = tasks_with_timer(&mut vm);
        assert!(tasks.remove(key).is_none());
        assert_eq!(tasks.remove_armed(key).unwrap().alarm, TimerKey::from_bits(7));
        assert!(tasks.remove_armed(key).is_none() && tasks.begin_armed(key).is_none());
        assert_eq!((tasks.len(), tasks.any_alive()), (0, false));
    }

    #[test]
    fn timers_count_among_the_tasks_that_have_a_limit() {
        let mut vm = crate::vm::Vm::builder().build().unwrap();
        let (mut tasks, _) = tasks_with_timer(&mut vm);
        let one_more = tasks.insert_armed(1, |_| -> Result<Armed, ()> { unreachable!("full") });
        assert_eq!(one_more, Ok(None));
        let failed = tasks.insert_armed(2, |_| -> Result<Armed, &str> { Err("no") });
        assert_eq!((failed, tasks.len()), (Err("no"), 1));
    }

    #[test]
    fn a_task_that_held_something_is_not_used_again() {
        let (mut tasks, key) = tasks_with_one();
        tasks.begin_wait(key, None, 0);
        let task = tasks.remove(key).unwrap();
        tasks.reuse(task);
        assert_eq!(tasks.spare.len(), 0);
        let task = fresh(&mut tasks.spare);
        tasks.reuse(task);
        assert_eq!(tasks.spare.len(), 1);
    }

    #[test]
    fn tasks_have_a_limit() {
        let (mut tasks, _) = tasks_with_one();
        assert!(tasks.insert(Task::new(Stage::Running, Role::Fork), 1).is_err());
    }
}
