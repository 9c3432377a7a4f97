//! The start functions of a service of skynet: when they run, and when whoever spawned it goes on.
//!
//! A file asks for one while it runs, as a rule. It may ask for several: each runs in a task of its
//! own, and the first to end answers the spawner. A task of it may ask for one later: the spawner
//! waits for that, unless the service ends before or was not spawned in skynet's way.

use super::Skynet;
use crate::actor::fault::{Fault, fault_of};
use crate::actor::message::{Caller, Message};
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::kept::keep_function;
use crate::actor::task::{Role, Stage, Task};
use crate::actor::turn::Turn;
use crate::message::Payload;
use crate::vm::{Coroutine, Reference, Stack};

/// Runs functions before the start function.
const START_TEXT: &str = include_str!("../../../lua/boot/start.lua");

impl Skynet {
    /// Who waits for something that no task owes: the end of a start function, answers by hand.
    pub(in crate::actor) fn take_callers(&self) -> Vec<Caller> {
        let mut callers = std::mem::take(&mut *self.ignored.lock());
        callers.extend(self.take_spawner());
        callers
    }

    /// Who waits for the end of a start function.
    pub(in crate::actor) fn take_spawner(&self) -> Option<Caller> {
        self.spawner.take()
    }

    /// The file has returned without having asked for a start function. Keeps the spawner if it
    /// waits for one and a task is there that may ask for it.
    pub(in crate::actor) fn keep_spawner(
        &self,
        caller: Option<Caller>,
        has_tasks: bool,
    ) -> Option<Caller> {
        let may_start = self.awaits_start.get() && has_tasks && self.protocols.borrow().any();
        if !may_start {
            return caller;
        }
        self.spawner.set(caller);
        None
    }
}

impl State {
    /// The function at `first` is a start function of a service whose file has returned already.
    ///
    /// # Errors
    /// `overload` at the limit of tasks.
    pub(crate) fn start_late(&self, stack: &mut Stack<'_>, first: i32) -> Result<Key, Fault> {
        self.skynet.started.set(true);
        let coroutine = stack.coroutine();
        let values = stack.top() - first + 1;
        stack.move_to(&coroutine, values);
        let task = Task::new(Stage::Fresh(coroutine, values - 1), Role::Start);
        let key = self.insert_or_release(stack, task)?;
        self.ready.borrow_mut().push_back(key);
        Ok(key)
    }
}

impl Turn<'_, '_> {
    /// The service's file has returned and asked for start functions: runs them. The service serves
    /// from now on; whoever spawned it waits until the first has ended.
    pub(in crate::actor) fn run_starts(&mut self, caller: Option<Caller>, starts: Vec<Reference>) {
        let mut init = self.state.skynet.take_init();
        self.state.skynet.spawner.set(caller);
        for function in starts {
            if self.over.is_none() {
                self.run_start(function, std::mem::take(&mut init));
            }
        }
        self.serve_early();
        if self.state.skynet.starts_late.get() {
            self.serve_before_forks();
        }
    }

    /// The forks of a service's file run when its first message is handled. That is the start
    /// function, unless the file has sent its own service one before.
    pub(in crate::actor) fn serve_before_forks(&mut self) {
        let skynet = &self.state.skynet;
        if !skynet.has_early.get() || !skynet.protocols.borrow().any() {
            return;
        }
        while self.over.is_none()
            && let Some(message) = self.next_message()
        {
            let is_hosts_own =
                matches!(message, Message::Census | Message::LetGo | Message::Inquiry(_));
            self.count_step();
            self.handle(message);
            if !is_hosts_own {
                return;
            }
        }
    }

    fn run_start(&mut self, function: Reference, init: Vec<Reference>) {
        let coroutine = self.stack.coroutine();
        let mut stack = self.stack.in_coroutine(&coroutine);
        if !init.is_empty()
            && let Err(error) = stack.load_embedded("start", START_TEXT)
        {
            self.stack.recycle(coroutine);
            return self.main_failed(None, fault_of(&error));
        }
        for function in std::iter::once(function).chain(init) {
            stack.push_kept(&function);
            stack.release(function);
        }
        let arguments = stack.top() - 1;
        let task = Task::new(Stage::Running, Role::Start);
        if self.state.skynet.starts_late.get() {
            self.begin_behind_messages(task, coroutine);
        } else {
            self.begin(task, coroutine, arguments);
        }
    }

    /// Lets a task wait with what is on its stack until the messages are handled that have come.
    fn begin_behind_messages(&mut self, mut task: Task, coroutine: Coroutine) {
        task.stage = Stage::Armed;
        task.function = Some(keep_function(&mut self.stack.in_coroutine(&coroutine), 1));
        self.stack.recycle(coroutine);
        match self.state.insert(task) {
            Ok(key) => {
                self.state.service.post(Message::Alarm(Alarm::Begin(key.to_bits())));
            }
            Err((fault, task)) => {
                self.state.release_task(self.stack, task);
                self.main_failed(None, fault);
            }
        }
    }

    /// A start function has returned: whoever spawned the service learns that it is there.
    pub(in crate::actor) fn started(&mut self) {
        self.stack.settle();
        let Some(caller) = self.state.skynet.take_spawner() else { return };
        match self.state.start_in_vain() {
            None => caller.answer(Payload::EMPTY),
            Some(fault) => caller.fail(fault),
        };
    }
}
