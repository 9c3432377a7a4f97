//! What one service knows while it runs: its tasks, its handlers, what natives ask of it. It is the
//! data of the service's VM, so natives and turns reach it by shared reference; what changes is in
//! cells, and no borrow of a cell lasts while Lua runs.

pub(super) mod begin;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use moonhive_kernel::address::Address;
use moonhive_kernel::clock::NANOSECONDS_PER_MS;
use moonhive_kernel::timer::{TimerKey, TimersFull};

use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::core::Core;
use crate::actor::host::workload::Timer;
use crate::actor::limits::TASKS_MAX;
use crate::actor::message::{Caller, Message};
use crate::actor::record::profile::{HandlerProfile, Profile};
use crate::actor::record::request::{RequestId, Terms};
use crate::actor::service::Service;
use crate::actor::service::memory::MemoryWarning;
use crate::actor::service::plan::Plan;
use crate::actor::skynet::Skynet;
use crate::actor::slots::Key;
use crate::actor::task::alarm::Alarm;
use crate::actor::task::sleeper::Sleeper;
use crate::actor::task::tasks::Tasks;
use crate::actor::task::token::{Token, Waiters};
use crate::actor::task::{Deadlines, NEVER_MS, Role, Stage, Task, Wait};
use crate::actor::turn::method::Methods;
use crate::actor::turn::parting::{Parcel, Parted, Parting};
use crate::actor::turn::peers::Peers;
use crate::message::Payload;
use crate::vm::{Coroutine, Raise, Reference, Stack};

/// See the module's text.
pub(crate) struct State {
    pub(crate) service: Arc<Service>,
    pub(crate) core: Arc<Core>,
    pub(super) tasks: RefCell<Tasks>,
    /// The task whose coroutine runs now.
    pub(super) current: Cell<Option<Key>>,
    /// Tasks that are about to run, first come first served.
    pub(super) ready: RefCell<VecDeque<Key>>,
    pub(super) profile: RefCell<Profile>,
    pub(super) known: RefCell<Methods>,
    pub(super) waiters: RefCell<Waiters>,
    peers: RefCell<Peers>,
    /// What the turn hands over when it ends, if `is_parting`; see [`State::stay`].
    pub(super) parting: Cell<Option<Parting>>,
    pub(super) is_parting: Cell<bool>,
    /// An empty box for the next one.
    pub(super) spare: Cell<Option<Parcel>>,
    /// What the continuation of a resumed native raises in place of returning.
    failure: Cell<Option<Box<Fault>>>,
    pub(super) handlers: RefCell<Option<Reference>>,
    /// The service's file has returned.
    pub(super) main_done: Cell<bool>,
    /// When the present turn began, by the host's clock.
    pub(super) turn_began_ns: Cell<u64>,
    /// Messages that the present turn has handled.
    pub(super) handled: Cell<u32>,
    /// Requests that came before that, in order.
    pub(super) early: RefCell<VecDeque<Message>>,
    /// Callers whose request ended with the service itself.
    pub(super) unanswered: RefCell<Vec<Caller>>,
    /// What to run, until it runs.
    pub(super) plan: Cell<Option<Box<Plan>>>,
    pub(super) exit: Cell<ExitStage>,
    /// How long the look for dropped answers was put off that comes next.
    pub(super) look_pause: Cell<Option<Duration>>,
    /// The exit handler runs for the end of the host, and the service serves on.
    pub(super) preparing: Cell<bool>,
    /// Interruptions of the service that its turns know about.
    interruptions: Cell<u32>,
    /// Requests that began here.
    pub(super) requests: Cell<u32>,
    /// Names of methods that were called on services.
    methods: Cell<u32>,
    /// What the last interruption led to.
    pub(super) offence: RefCell<Option<Fault>>,
    /// Lua memory beyond which the log is told.
    pub(super) memory_warning: Cell<MemoryWarning>,
    /// Protocols, message pointers and the start function of a service that uses them.
    pub(crate) skynet: Skynet,
    /// Set when the service has decided to end.
    pub(super) leaving: RefCell<Option<End>>,
}

/// A wait that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) session: u64,
    /// Until when others may work for it.
    pub(super) deadline_ms: u64,
    /// The request to which the waiting task belongs.
    pub(super) request: RequestId,
}

/// What a service tells of itself.
pub(crate) struct OwnFigures {
    pub(crate) messages: u64,
    pub(crate) tasks: usize,
    pub(crate) mailbox: usize,
    pub(crate) time: Duration,
    pub(crate) handlers: Vec<HandlerProfile>,
}

/// How far the exit handler has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStage {
    Not,
    Running,
    Done,
}

impl State {
    pub(super) fn new(service: Arc<Service>, core: Arc<Core>, plan: Box<Plan>) -> State {
        let seed = service.address().number().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        State {
            service,
            core,
            tasks: RefCell::new(Tasks::new(seed)),
            current: Cell::new(None),
            ready: RefCell::new(VecDeque::new()),
            profile: RefCell::default(),
            known: RefCell::default(),
            waiters: RefCell::new(Waiters::default()),
            peers: RefCell::new(Peers::default()),
            parting: Cell::new(None),
            is_parting: Cell::new(false),
            spare: Cell::new(None),
            failure: Cell::new(None),
            handlers: RefCell::new(None),
            main_done: Cell::new(false),
            turn_began_ns: Cell::new(0),
            handled: Cell::new(0),
            early: RefCell::new(VecDeque::new()),
            unanswered: RefCell::new(Vec::new()),
            plan: Cell::new(Some(plan)),
            exit: Cell::new(ExitStage::Not),
            look_pause: Cell::new(None),
            preparing: Cell::new(false),
            interruptions: Cell::new(0),
            requests: Cell::new(0),
            methods: Cell::new(0),
            offence: RefCell::new(None),
            memory_warning: Cell::default(),
            skynet: Skynet::default(),
            leaving: RefCell::new(None),
        }
    }

    /// The state of the service that runs on this stack.
    ///
    /// # Errors
    /// When the VM belongs to no service.
    #[inline]
    pub(crate) fn of<'vm>(stack: &Stack<'vm>) -> Result<&'vm State, Raise> {
        stack.data::<State>().ok_or_else(|| Raise::message("this VM runs no service"))
    }

    /// One more method of services has been used; returns how many.
    pub(crate) fn count_method(&self) -> u32 {
        let methods = self.methods.get().saturating_add(1);
        self.methods.set(methods);
        methods
    }

    /// What the service knows of itself at this moment.
    pub(crate) fn own_figures(&self) -> OwnFigures {
        let (scale, profile) = (self.core.scale(), self.profile.borrow());
        OwnFigures {
            time: scale.duration(profile.total()),
            handlers: profile.handlers(scale),
            messages: self.service.figures.messages(self.handled.get()),
            tasks: self.tasks.borrow().len(),
            mailbox: self.service.mailbox().counters().depth,
        }
    }

    /// The running task, if one runs.
    pub(crate) fn running_task(&self) -> Option<Key> {
        self.current.get()
    }

    /// The running task.
    pub(super) fn current_task(&self) -> Result<Key, Fault> {
        self.current.get().ok_or_else(|| {
            Fault::new(Code::Argument, "cannot wait here: no task of the service is running")
        })
    }

    // ---- calls ----

    /// The service with that address.
    ///
    /// # Errors
    /// `dead` when it has ended.
    #[inline]
    pub(crate) fn peer(&self, address: Address) -> Result<Arc<Service>, Fault> {
        self.peers.borrow_mut().get(address, |address| self.core.service(address))
    }

    /// Takes a handle of a service back, for the next time that it is wanted.
    #[inline]
    pub(crate) fn give_back(&self, service: Arc<Service>) {
        self.peers.borrow_mut().give_back(service);
    }

    /// Sends a request to `target`; the running task then has to block. The deadline of the task
    /// goes along, and `timeout` shortens this wait alone.
    ///
    /// # Errors
    /// `dead`, `overload`, `timeout` when the task's deadline has passed already.
    pub(crate) fn call(
        &self,
        target: Arc<Service>,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Result<(), Fault> {
        if target.address() == self.service.address() {
            self.check_call_of_self()?;
        }
        let key = self.current_task()?;
        let wait = self.begin_wait_of(key, Some(target.address()), timeout)?;
        let terms = self.terms_of(&wait);
        let claimed = if terms.request.is_traced() { Err(target) } else { self.claim(target) };
        let target = match claimed {
            Ok(claim) => {
                self.part_with(claim, Parted::Request { session: wait.session, payload, terms });
                return Ok(());
            }
            Err(target) => target,
        };
        let caller = Caller::waiting(self.service.clone(), wait.session);
        let sent = self.send_or_trace(&target, key, Message::Request { caller, payload, terms });
        self.give_back(target);
        sent.inspect_err(|_| self.cancel_wait())
    }

    /// What goes along with the request for which a task waits.
    #[inline]
    fn terms_of(&self, wait: &Begun) -> Terms {
        let request = if wait.request.is_none() { self.new_request() } else { wait.request };
        Terms { deadline_ms: wait.deadline_ms, request }
    }

    /// Sends a request of that task through the mailbox.
    fn send_or_trace(
        &self,
        target: &Arc<Service>,
        key: Key,
        request: Message,
    ) -> Result<(), Fault> {
        match &request {
            Message::Request { terms, .. } if terms.request.is_traced() => {
                self.send_traced(target, key, request)
            }
            _ => target.request(request),
        }
    }

    /// Sends a request for whose answer no coroutine waits.
    ///
    /// # Errors
    /// `dead`, `overload`, and `no_handler` as [`State::call`].
    pub(super) fn send_request(
        &self,
        target: &Arc<Service>,
        key: Key,
        wait: Begun,
        payload: Payload,
    ) -> Result<(), Fault> {
        if target.address() == self.service.address() {
            self.check_call_of_self()?;
        }
        let caller = Caller::waiting(self.service.clone(), wait.session);
        let terms = self.terms_of(&wait);
        self.send_or_trace(target, key, Message::Request { caller, payload, terms })
    }

    /// The file of a service cannot wait for handlers that it has not returned yet.
    #[cold]
    fn check_call_of_self(&self) -> Result<(), Fault> {
        let key = self.current_task()?;
        match self.tasks.borrow_mut().get(key) {
            Some(Task { role: Role::Main, .. }) => Err(Fault::new(
                Code::NoHandler,
                "the service calls itself before its file has returned handlers\n\
                 hint: call the function itself, or let hive.fork make the call",
            )),
            _ => Ok(()),
        }
    }

    /// Sends a message that nobody answers.
    ///
    /// # Errors
    /// `dead`, `overload`.
    pub(crate) fn send(&self, target: &Arc<Service>, payload: Payload) -> Result<(), Fault> {
        let caller = Caller::sender(self.service.address());
        let terms = Terms::timeless(self.request());
        if terms.request.is_traced()
            && let Some(key) = self.current.get()
        {
            return self.send_traced(target, key, Message::Request { caller, payload, terms });
        }
        target.request(Message::Request { caller, payload, terms })
    }

    /// The running task begins to wait.
    ///
    /// # Errors
    /// `timeout` when the task's deadline has passed, `overload` when no timer can be armed.
    pub(crate) fn begin_wait(&self, timeout: Option<Duration>) -> Result<Begun, Fault> {
        self.begin_wait_of(self.current_task()?, None, timeout)
    }

    /// The same for any task that does not wait yet, for an answer of the callee if there is one.
    pub(super) fn begin_wait_of(
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
        let begun = Begun { session, deadline_ms, request };
        let Some(timeout) = timeout else { return Ok(begun) };
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

    /// Makes sure that the deadline of a task that is about to wait will wake it.
    fn arm_deadline(&self, key: Key, task: &mut Task) -> Result<u64, Fault> {
        let deadline_ms = task.deadlines.earliest_ms();
        if deadline_ms == NEVER_MS {
            return Ok(NEVER_MS);
        }
        if task.deadlines.armed_ms().is_some_and(|armed_ms| armed_ms <= deadline_ms) {
            return Ok(deadline_ms);
        }
        if let Some(alarm) = task.deadlines.take_alarm() {
            self.core.handle.cancel(alarm);
        }
        if self.core.handle.clock().now_ms() >= deadline_ms {
            return Err(Fault::new(Code::Timeout, "the deadline has passed"));
        }
        let alarm = self.arm_at_ms(deadline_ms, Alarm::Deadline(key.to_bits()))?;
        task.deadlines.set_alarm(alarm, deadline_ms);
        Ok(deadline_ms)
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

    pub(super) fn set_wait(&self, wait: Wait) {
        if let Some(key) = self.current.get()
            && let Some(task) = self.tasks.borrow_mut().get(key)
        {
            task.wait = wait;
        }
    }

    /// What the continuation of a blocked native raises; `None` when it was resumed with values.
    pub(crate) fn take_failure(&self) -> Option<Box<Fault>> {
        self.failure.take()
    }

    pub(super) fn set_failure(&self, fault: Option<Box<Fault>>) {
        self.failure.set(fault);
    }

    /// Takes the coroutine of a task whose wait of that session is over, and calls off whatever
    /// else could have ended the wait. The task counts as running until it gets another stage.
    pub(super) fn unsuspend(&self, task: &mut Task, session: u64) -> Option<Coroutine> {
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

    // ---- deadlines ----

    /// Gives a task the deadlines of the running one, for which it works.
    pub(super) fn inherit_deadlines(&self, heir: &mut Task) {
        let mut tasks = self.tasks.borrow_mut();
        if let Some(task) = self.current.get().and_then(|key| tasks.get(key)) {
            heir.deadlines = Deadlines::new(task.deadlines.earliest_ms());
        }
    }

    /// Begins a deadline for the running task; returns the number that ends it.
    ///
    /// # Errors
    /// When no task runs.
    pub(crate) fn begin_scope(&self, timeout: Duration) -> Result<u64, Fault> {
        let key = self.current_task()?;
        let deadline_ms = self.core.handle.clock().deadline_ms(timeout);
        let mut tasks = self.tasks.borrow_mut();
        Ok(tasks.get(key).map_or(0, |task| task.deadlines.begin_scope(deadline_ms)))
    }

    /// Ends a deadline.
    pub(crate) fn end_scope(&self, scope: u64) {
        if let Some(key) = self.current.get()
            && let Some(task) = self.tasks.borrow_mut().get(key)
        {
            task.deadlines.end_scope(scope);
        }
    }

    // ---- requests ----

    /// The address of the service whose request the running task serves.
    pub(crate) fn caller(&self) -> Option<Address> {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.get(self.current.get()?)?;
        task.caller.as_ref().map(Caller::address)
    }

    /// Takes the answer of the running request out of its handler.
    ///
    /// # Errors
    /// When the running task serves no request, or its answer was taken already.
    pub(crate) fn defer(&self) -> Result<Caller, Fault> {
        let none = || Fault::new(Code::Argument, "no request of this task waits for an answer");
        let key = self.current_task()?;
        let mut tasks = self.tasks.borrow_mut();
        let caller = tasks.get(key).and_then(|task| task.caller.as_mut()).ok_or_else(none)?;
        if caller.waits() { Ok(caller.take()) } else { Err(none()) }
    }

    /// Everybody who waits for something of this service that ends, and calls off its timers.
    pub(super) fn take_callers(&self) -> Vec<Caller> {
        let mut callers = self.unanswered.take();
        callers.extend(self.skynet.take_callers());
        let keys = self.tasks.borrow().keys();
        for key in keys {
            self.disarm_timer(key);
            let Some(mut task) = self.tasks.borrow_mut().remove(key) else { continue };
            callers.extend(task.caller.take());
            if let Stage::Watching(target) = &task.stage {
                target.unwatch(&self.service, key.to_bits());
            }
            self.disarm(&mut task);
        }
        for message in self.early.take() {
            if let Message::Request { caller, .. } | Message::Numbered { caller, .. } = message {
                callers.push(caller);
            }
        }
        callers
    }

    /// One request fewer is being served.
    pub(crate) fn note_request_done(&self) {
        self.service.figures.end_request();
    }

    // ---- timers ----

    /// Arms a timer of this service.
    pub(super) fn arm(&self, delay: Duration, alarm: Alarm) -> Result<TimerKey, Fault> {
        let timer = Timer::Service { service: self.service.clone(), alarm: alarm.pack() };
        self.core.handle.arm(delay, timer).map_err(too_many_timers)
    }

    /// The same for a moment of the host's clock.
    pub(super) fn arm_at_ns(&self, due_ns: u64, alarm: Alarm) -> Result<TimerKey, Fault> {
        let now_ns = self.core.handle.clock().now_ns();
        self.arm(Duration::from_nanos(due_ns.saturating_sub(now_ns)), alarm)
    }

    /// The same for a deadline.
    pub(super) fn arm_at_ms(&self, due_ms: u64, alarm: Alarm) -> Result<TimerKey, Fault> {
        self.arm_at_ns(due_ms.saturating_mul(NANOSECONDS_PER_MS), alarm)
    }

    /// Adds a task, within the limit.
    ///
    /// # Errors
    /// `overload`, and the task.
    pub(super) fn insert(&self, task: Task) -> Result<Key, (Fault, Box<Task>)> {
        let inserted = self.tasks.borrow_mut().insert(task, TASKS_MAX);
        inserted.map_err(|task| (self.too_many_tasks(), task))
    }

    /// The service cannot have more tasks.
    #[cold]
    pub(super) fn too_many_tasks(&self) -> Fault {
        let text = format!("service {} has {TASKS_MAX} tasks", self.service.label());
        Fault::new(Code::Overload, text)
    }

    // ---- the end ----

    /// True if the warden has interrupted the code that ran just now.
    pub(super) fn was_interrupted(&self) -> bool {
        self.service.figures.interruptions() != self.interruptions.get()
    }

    pub(super) fn forget_interruptions(&self) {
        self.interruptions.set(self.service.figures.interruptions());
    }

    /// The service ends as soon as the running task lets go; the first reason counts.
    pub(crate) fn leave(&self, end: End) {
        self.leaving.borrow_mut().get_or_insert(end);
    }
}

#[cold]
pub(super) fn too_many_timers(full: TimersFull<Timer>) -> Fault {
    Fault::new(Code::Overload, format!("cannot arm a timer: {} are armed", full.limit))
}
