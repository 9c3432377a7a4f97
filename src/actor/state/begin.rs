//! Tasks that begin later: forks, timers, monitors and calls that nobody waits in, from where they
//! are asked for (a native) to where their coroutine is made (a turn).

use std::sync::Arc;
use std::time::Duration;

use moonhive_kernel::address::Address;
use moonhive_kernel::timer::TimerKey;

use super::State;
use super::waits::Begun;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::light::Light;
use crate::actor::limits::TASKS_MAX;
use crate::actor::message::Obituary;
use crate::actor::record::request::RequestId;
use crate::actor::record::trace::Step;
use crate::actor::service::Service;
use crate::actor::service::link::LINK;
use crate::actor::skynet::VALUES;
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::every::Every;
use crate::actor::task::tasks::Armed;
use crate::actor::task::token::Token;
use crate::actor::task::{Role, Stage, Task, Wait};
use crate::actor::turn::Turn;
use crate::message::Payload;
use crate::vm::{Coroutine, Kind, Reference, Stack};

impl State {
    /// A task that runs the function at `first` with the arguments above it, soon.
    ///
    /// # Errors
    /// `overload` at the limit of tasks.
    pub(crate) fn fork(&self, stack: &mut Stack<'_>, first: i32) -> Result<Key, Fault> {
        let values = stack.top() - first + 1;
        let coroutine = stack.coroutine();
        stack.move_to(&coroutine, values);
        let mut task = Task::new(Stage::Fresh(coroutine, values - 1), Role::Fork);
        task.request = self.request();
        let key = self.insert_or_release(stack, task)?;
        self.ready.borrow_mut().push_back(key);
        Ok(key)
    }

    /// A task that runs the function at `first` with the arguments above it after `delay`.
    ///
    /// # Errors
    /// `overload` at the limit of tasks or timers.
    pub(crate) fn timer(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        delay: Duration,
    ) -> Result<Key, Fault> {
        self.timer_by(stack, first, |key| self.arm(delay, Alarm::Begin(key.to_bits())))
    }

    /// The same for a task that begins with the alarm which `arm` sets.
    #[inline]
    pub(in crate::actor) fn timer_by(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        arm: impl FnOnce(Key) -> Result<TimerKey, Fault>,
    ) -> Result<Key, Fault> {
        let request = self.request();
        let mut kept = Some(keep_function(stack, first));
        let inserted = self.tasks.borrow_mut().insert_armed(TASKS_MAX, |key| {
            let alarm = arm(key)?;
            let function = kept.take().expect("it was kept just now");
            Ok(Armed { function, alarm, request })
        });
        if let Some(function) = kept {
            stack.release(function);
        }
        inserted?.ok_or_else(|| self.too_many_tasks())
    }

    /// A task that runs the function at `first` with the arguments above it again and again.
    ///
    /// # Errors
    /// `overload` at the limit of tasks or timers.
    pub(crate) fn repeated_timer(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        interval: Duration,
    ) -> Result<Key, Fault> {
        let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let every = Every::new(interval_ns, self.core.handle.clock().now_ns());
        let mut task = Task::new(Stage::Armed, Role::Every(Box::new(every)));
        task.function = Some(keep_function(stack, first));
        let key = self.insert_or_release(stack, task)?;
        match self.arm(interval, Alarm::Begin(key.to_bits())) {
            Ok(alarm) => {
                if let Some(task) = self.tasks.borrow_mut().get(key) {
                    task.alarm = Some(alarm);
                }
                Ok(key)
            }
            Err(fault) => {
                self.drop_task(stack, key);
                Err(fault)
            }
        }
    }

    /// A task that runs the function at `first` when `target` has ended.
    ///
    /// # Errors
    /// `overload` at the limit of tasks or monitors.
    pub(crate) fn monitor(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        target: &Arc<Service>,
    ) -> Result<Key, Fault> {
        let mut task = Task::new(Stage::Watching(target.clone()), Role::Fork);
        task.function = Some(keep_function(stack, first));
        let key = self.insert_or_release(stack, task)?;
        if let Err(fault) = target.watch(&self.service, key.to_bits()) {
            self.drop_task(stack, key);
            return Err(fault);
        }
        Ok(key)
    }

    /// The same for a service that has ended already.
    ///
    /// # Errors
    /// `overload` at the limit of tasks.
    pub(crate) fn monitor_gone(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        address: Address,
    ) -> Result<Key, Fault> {
        Light::Service(address).push(stack);
        match self.core.obituary(address) {
            Some(obituary) => push_end(stack, &obituary.end),
            None => push_unknown_end(stack),
        }
        self.fork(stack, first)
    }

    /// Calls `target` without waiting. The function at `first` with the values above it, and then
    /// the results, runs in a task of its own once the call is over; it begins with a failure to
    /// take if the call failed. The deadline of the running task holds, and `timeout`.
    ///
    /// # Errors
    /// As [`State::call`], and `overload` at the limit of tasks.
    pub(crate) fn begin_call(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        target: &Arc<Service>,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Result<Key, Fault> {
        self.expect(stack, first, target, (Wait::Answer, timeout), |key, wait| {
            self.send_request(target, key, wait, payload)
        })
    }

    /// The same for a request of any protocol, with no time of its own; the answer comes as a
    /// message pointer and its size unless it is to be read as values.
    ///
    /// # Errors
    /// As [`State::begin_call`].
    pub(crate) fn begin_call_by(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        (protocol, takes_values): (u8, bool),
        target: &Arc<Service>,
        payload: Payload,
    ) -> Result<Key, Fault> {
        let answer = if takes_values { Wait::Answer } else { Wait::RawAnswer };
        self.expect(stack, first, target, (answer, None), |key, wait| {
            if protocol == VALUES {
                return self.send_request(target, key, wait, payload);
            }
            target.request(self.numbered_request(protocol, wait, payload))
        })
    }

    /// A task that begins with the function at `first` and the values above it once the answer to
    /// what `send` sends to `target` has come.
    fn expect(
        &self,
        stack: &mut Stack<'_>,
        first: i32,
        target: &Service,
        (answer, timeout): (Wait, Option<Duration>),
        send: impl FnOnce(Key, Begun) -> Result<(), Fault>,
    ) -> Result<Key, Fault> {
        let mut task = Task::new(Stage::Expecting, Role::Fork);
        task.request = self.request();
        self.inherit_deadlines(&mut task);
        task.function = Some(keep_function(stack, first));
        let key = self.insert_or_release(stack, task)?;
        let wait = self.begin_wait_of(key, Some(target.address()), timeout);
        if let Some(task) = self.tasks.borrow_mut().get(key) {
            task.wait = answer;
        }
        match wait.and_then(|wait| send(key, wait)) {
            Ok(()) => Ok(key),
            Err(fault) => {
                self.drop_task(stack, key);
                Err(fault)
            }
        }
    }

    /// Ends a task wherever it stands. False if there was nothing left to end.
    ///
    /// # Errors
    /// When the task is the running one.
    pub(crate) fn cancel(&self, stack: &mut Stack<'_>, key: Key) -> Result<bool, Fault> {
        if self.cancel_timer(stack, key) {
            return Ok(true);
        }
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return Ok(false) };
        if let Role::Every(every) = &mut task.role {
            every.cancelled = true;
        }
        match &task.stage {
            Stage::Running if self.current.get() == Some(key) && !is_repeated(task) => {
                let text = "a task cannot cancel itself\nhint: return, or raise an error";
                Err(Fault::new(Code::Argument, text))
            }
            Stage::Running => Ok(is_repeated(task)),
            Stage::Ready(..) => {
                task.doom.get_or_insert_with(cancelled);
                Ok(true)
            }
            Stage::Suspended(_) => {
                self.interrupt_wait(task, key);
                Ok(true)
            }
            Stage::Fresh(..) | Stage::Armed | Stage::Watching(_) | Stage::Expecting => {
                if let Stage::Watching(target) = &task.stage {
                    target.unwatch(&self.service, key.to_bits());
                }
                drop(tasks);
                self.drop_task(stack, key);
                Ok(true)
            }
        }
    }

    /// Calls off a timer that has not begun its task. False if there is none of that key.
    pub(in crate::actor) fn cancel_timer(&self, stack: &mut Stack<'_>, key: Key) -> bool {
        let function = self.disarm_timer(key);
        let is_timer = function.is_some();
        function.into_iter().for_each(|function| stack.release(function));
        is_timer
    }

    /// The same; what it would have run is left to be released.
    pub(super) fn disarm_timer(&self, key: Key) -> Option<Reference> {
        let armed = self.tasks.borrow_mut().remove_armed(key)?;
        self.core.handle.cancel(armed.alarm);
        Some(armed.function)
    }

    /// A waiting task becomes ready, to be told that it is cancelled.
    fn interrupt_wait(&self, task: &mut Task, key: Key) {
        if let Some(session) = task.end_wait()
            && let Some(coroutine) = self.unsuspend(task, session)
        {
            task.stage = Stage::Ready(coroutine, 0);
            task.doom = Some(cancelled());
            self.ready.borrow_mut().push_back(key);
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

    pub(in crate::actor) fn insert_or_release(
        &self,
        stack: &mut Stack<'_>,
        task: Task,
    ) -> Result<Key, Fault> {
        self.insert(task).map_err(|(fault, task)| {
            self.release_task(stack, task);
            fault
        })
    }

    /// Takes out a task that has not begun.
    fn drop_task(&self, stack: &mut Stack<'_>, key: Key) {
        let task = self.tasks.borrow_mut().remove(key);
        task.into_iter().for_each(|task| self.release_task(stack, task));
    }

    /// Calls off the timers of a task.
    pub(super) fn disarm(&self, task: &mut Task) {
        let deadline = task.deadlines.take_alarm();
        for alarm in task.alarm.take().into_iter().chain(deadline) {
            self.core.handle.cancel(alarm);
        }
    }

    /// Lets go of everything that a task holds.
    pub(in crate::actor) fn release_task(&self, stack: &mut Stack<'_>, mut task: Box<Task>) {
        self.disarm(&mut task);
        if let Some(function) = task.function.take() {
            stack.release(function);
        }
        match task.stage {
            Stage::Fresh(coroutine, _)
            | Stage::Ready(coroutine, _)
            | Stage::Suspended(coroutine) => stack.recycle(coroutine),
            Stage::Watching(_) | Stage::Expecting | Stage::Armed | Stage::Running => {}
        }
    }
}

impl Turn<'_, '_> {
    /// A timer begins its task.
    pub(in crate::actor) fn begin_armed(&mut self, key: Key) {
        let function = self.state.tasks.borrow_mut().begin_armed(key);
        let Some(function) = function else { return self.begin_again(key) };
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        stack.push_released(function);
        let values = spread_list(&mut stack);
        self.resume(key, coroutine, values, None);
    }

    /// The same for one that begins it again and again.
    fn begin_again(&mut self, key: Key) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key).filter(|task| matches!(task.stage, Stage::Armed)) else {
            return;
        };
        task.alarm = None;
        task.stage = Stage::Running;
        let coroutine = self.stack.coroutine();
        let values = self.push_function_of(&coroutine, task);
        drop(tasks);
        self.resume(key, coroutine, values, None);
    }

    /// The coroutine of a task whose wait is over, and how many values it was given already: a call
    /// in which no coroutine waits makes its own now, with the function that takes the results.
    pub(in crate::actor) fn awaken(
        &mut self,
        key: Key,
        task: &mut Task,
        session: u64,
    ) -> Option<(Coroutine, i32)> {
        self.state.trace(key, task.request, || Step::Resume);
        if let Some(coroutine) = self.state.unsuspend(task, session) {
            return Some((coroutine, 0));
        }
        if !matches!(task.stage, Stage::Expecting) {
            return None;
        }
        task.stage = Stage::Running;
        let coroutine = self.stack.coroutine();
        let values = self.push_function_of(&coroutine, task);
        Some((coroutine, values))
    }

    /// A watched service has ended.
    pub(in crate::actor) fn watched_ended(&mut self, watch: u64, obituary: &Obituary) {
        if watch == LINK {
            return self.linked_ended(obituary);
        }
        let key = Key::from_bits(watch);
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        if !matches!(task.stage, Stage::Watching(_)) {
            return;
        }
        let coroutine = self.stack.coroutine();
        let values = self.push_function_of(&coroutine, task);
        let mut stack = self.stack.in_coroutine(&coroutine);
        Light::Service(obituary.address).push(&mut stack);
        push_end(&mut stack, &obituary.end);
        tasks.begin_watcher(key, coroutine, values + 2);
        self.state.ready.borrow_mut().push_back(key);
    }

    /// Pushes the function that a task keeps, and its arguments; returns their number. A task that
    /// runs once lets go of it.
    fn push_function_of(&mut self, coroutine: &Coroutine, task: &mut Task) -> i32 {
        let Some(function) = &task.function else { return 0 };
        let mut stack = self.stack.in_coroutine(coroutine);
        let values = push_function(&mut stack, function);
        if !matches!(task.role, Role::Every(_))
            && let Some(function) = task.function.take()
        {
            stack.release(function);
        }
        values
    }

    /// Tells of a run of a repeated timer that begins again: its task lives on, the request that
    /// the run made does not.
    pub(in crate::actor) fn run_ended(&mut self, key: Key, fault: Option<&Fault>) {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        let request = std::mem::replace(&mut task.request, RequestId::NONE);
        let is_killed = self.state.service.is_killed();
        let failure = fault.filter(|fault| fault.code != Code::Cancelled && !is_killed);
        let clock = self.state.core.handle.clock();
        let told = match &mut task.role {
            Role::Every(every) => failure.and_then(|_| every.note_failure(clock.now_ns())),
            _ => None,
        };
        drop(tasks);
        self.state.trace(key, request, || Step::End { failed: fault.is_some() });
        if let (Some(fault), Some(count)) = (failure, told) {
            self.log_repeated_failure(request, fault, count);
        }
    }

    fn log_repeated_failure(&self, request: RequestId, fault: &Fault, count: u64) {
        if count == 1 {
            return self.log_failure("a repeated timer", request, fault);
        }
        let report = fault.report();
        let text = format!("a repeated timer failed, {count} times by now: {report}");
        self.log_error(request, &text);
    }

    /// Arms a repeated timer again whose run is over. False for every other task.
    pub(in crate::actor) fn rearm(&mut self, key: Key) -> bool {
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return false };
        let Role::Every(every) = &mut task.role else { return false };
        if every.cancelled || self.state.leaving.borrow().is_some() {
            return false;
        }
        every.due_ns = every.next_due_ns(self.state.core.handle.clock().now_ns());
        match self.state.arm_at_ns(every.due_ns, Alarm::Begin(key.to_bits())) {
            Ok(alarm) => {
                task.alarm = Some(alarm);
                task.stage = Stage::Armed;
                true
            }
            Err(fault) => {
                self.log_failure("a repeated timer", RequestId::NONE, &fault);
                false
            }
        }
    }
}

/// Keeps the function at `first` with the arguments above it, and pops them all.
pub(in crate::actor) fn keep_function(stack: &mut Stack<'_>, first: i32) -> Reference {
    let count = stack.top() - first + 1;
    if count == 1 {
        return stack.keep();
    }
    stack.push_table(count.unsigned_abs() as usize, 1);
    for position in 1..=count {
        stack.push_value(first + position - 1);
        stack.raw_set_item(-2, position.into());
    }
    stack.push_integer(count.into());
    stack.raw_set_field(-2, "n");
    let function = stack.keep();
    stack.set_top(first - 1);
    function
}

/// Pushes what [`keep_function`] kept; returns the number of arguments.
fn push_function(stack: &mut Stack<'_>, function: &Reference) -> i32 {
    stack.push_kept(function);
    spread_list(stack)
}

/// Spreads what was kept, if it is a list; returns the number of arguments.
#[inline]
fn spread_list(stack: &mut Stack<'_>) -> i32 {
    if stack.kind(-1) == Kind::Table { spread(stack) } else { 0 }
}

/// Replaces the list on top by the function and the arguments it holds; returns how many those are.
fn spread(stack: &mut Stack<'_>) -> i32 {
    let list = stack.top();
    stack.raw_get_field(list, "n");
    let count = stack.integer(-1).unwrap_or(0);
    stack.pop(1);
    for position in 1..=count {
        stack.raw_get_item(list, position);
    }
    stack.remove(list);
    i32::try_from(count).unwrap_or(1) - 1
}

/// Pushes why a service ended.
fn push_end(stack: &mut Stack<'_>, end: &End) {
    push_end_table(stack, end.code(), &end.message(), end.traceback());
}

/// The same for one that ended so long ago that nobody knows why.
fn push_unknown_end(stack: &mut Stack<'_>) {
    push_end_table(stack, Code::Dead.as_str(), "it has ended", "");
}

fn push_end_table(stack: &mut Stack<'_>, code: &str, message: &str, traceback: &str) {
    stack.push_table(0, 3);
    for (name, text) in [("code", code), ("message", message), ("traceback", traceback)] {
        stack.push_str(text);
        stack.raw_set_field(-2, name);
    }
}

fn is_repeated(task: &Task) -> bool {
    matches!(task.role, Role::Every(_))
}

fn cancelled() -> Box<Fault> {
    Box::new(Fault::new(Code::Cancelled, "the task was cancelled"))
}
