//! Tasks that begin later, as natives ask for them: forks, timers, monitors, and calls that nobody
//! waits in. Their coroutines are made by the turns in which they begin (`turn/begin.rs`); a fork
//! alone has its own from the start.

use std::sync::Arc;
use std::time::Duration;

use moonhive_kernel::address::Address;
use moonhive_kernel::timer::TimerKey;

use super::State;
use super::waits::Begun;
use crate::actor::end::{push_end, push_unknown_end};
use crate::actor::fault::{Code, Fault};
use crate::actor::light::Light;
use crate::actor::limits::TASKS_MAX;
use crate::actor::service::Service;
use crate::actor::skynet::VALUES;
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::every::Every;
use crate::actor::task::kept::keep_function;
use crate::actor::task::tasks::Armed;
use crate::actor::task::{Role, Stage, Task, Wait};
use crate::message::Payload;
use crate::vm::Stack;

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

    /// Adds a task, within the limit.
    ///
    /// # Errors
    /// `overload`, and the task.
    pub(in crate::actor) fn insert(&self, task: Task) -> Result<Key, (Fault, Box<Task>)> {
        let inserted = self.tasks.borrow_mut().insert(task, TASKS_MAX);
        inserted.map_err(|task| (self.too_many_tasks(), task))
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

    /// The service cannot have more tasks.
    #[cold]
    pub(in crate::actor) fn too_many_tasks(&self) -> Fault {
        let text = format!("service {} has {TASKS_MAX} tasks", self.service.label());
        Fault::new(Code::Overload, text)
    }
}
