//! From a request to its answer: the service's file, its handlers, and what becomes of them.

use std::path::Path;

use super::{Over, Turn};
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::{INDEX_CHAIN_MAX, TASKS_MAX};
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::RequestId;
use crate::actor::record::trace::Step;
use crate::actor::service::plan::{Plan, Source};
use crate::actor::skynet::{COMMAND, Envelope, Incoming, VALUES};
use crate::actor::slots::Key;
use crate::actor::task::{Role, Served, Stage, Task};
use crate::message::{PackError, Payload, PlainRequest, UnpackError};
use crate::vm::{Coroutine, ErrorKind, Kind, LoadMode, LuaError};

/// Names that begin like this are the service's own and not to be called.
const RESERVED_PREFIX: &[u8] = b"__";
/// Runs the host's own file before that of a service.
const PRELOAD_TEXT: &str = include_str!("../../../lua/boot/preload.lua");
/// Runs the program's own loader in the place of that.
const LOADER_TEXT: &str = include_str!("../../../lua/boot/loader.lua");

impl Turn<'_, '_> {
    // ---- the file ----

    /// Runs the service's file with the arguments of its spawn.
    pub(super) fn start(&mut self, caller: Caller, arguments: &Payload) {
        let Some(plan) = self.state.plan.take() else { return };
        self.state.skynet.awaits_start.set(plan.awaits_start);
        let coroutine = self.stack.coroutine();
        let loaded = match &plan.source {
            Source::File(path) => self.load_service(path, &plan),
            Source::Text(text) => {
                self.stack.load(text.as_bytes(), &plan.chunk_name(), LoadMode::Text)
            }
            Source::Standard(text) => self.stack.load_embedded(&plan.name, text),
        };
        if let Err(error) = loaded {
            self.stack.recycle(coroutine);
            return self.main_failed(Some(caller), fault_of(&error));
        }
        let before = self.stack.top() - 1;
        self.stack.move_to(&coroutine, before + 1);
        let values = match self.stack.in_coroutine(&coroutine).unpack(arguments) {
            Ok(values) => before + values,
            Err(error) => {
                self.stack.recycle(coroutine);
                let text = format!("cannot read the arguments: {error}");
                return self.main_failed(Some(caller), Fault::new(Code::Argument, text));
            }
        };
        let mut task = Task::new(Stage::Running, Role::Main);
        task.caller = Some(caller);
        self.begin(task, coroutine, values);
    }

    /// Pushes the main function of a service's file; below it, if the host has one, the function
    /// that runs the host's own file first. Of a service that the program loads by itself the
    /// loader, and what it gets to know.
    fn load_service(&mut self, path: &Path, plan: &Plan) -> Result<(), LuaError> {
        self.state.skynet.set_file(path);
        let settings = &self.state.core.settings;
        if let Some(loader) = settings.loader.as_ref().filter(|_| plan.is_for_skynet) {
            self.stack.load_embedded("loader", LOADER_TEXT)?;
            self.stack.load_file(loader, LoadMode::Any).inspect_err(|_| self.stack.pop(1))?;
            self.stack.push_str(&plan.name);
            self.stack.push_str(&settings.service_path());
            match &settings.preload {
                Some(preload) => self.stack.push_str(&preload.to_string_lossy()),
                None => self.stack.push_nil(),
            }
            return Ok(());
        }
        if let Some(preload) = &self.state.core.settings.preload {
            self.stack.load_embedded("preload", PRELOAD_TEXT)?;
            self.stack.load_file(preload, LoadMode::Any).inspect_err(|_| self.stack.pop(1))?;
            return self.stack.load_file(path, LoadMode::Any).inspect_err(|_| self.stack.pop(2));
        }
        self.stack.load_file(path, LoadMode::Any)
    }

    /// Adds a task and runs it at once.
    pub(in crate::actor) fn begin(&mut self, task: Task, coroutine: Coroutine, values: i32) {
        let is_traced = task.request.is_traced();
        match self.state.insert(task) {
            Ok(key) => {
                if is_traced {
                    self.trace_begin(key, &coroutine);
                }
                self.resume(key, coroutine, values, None);
            }
            Err((fault, mut task)) => {
                self.stack.recycle(coroutine);
                if matches!(task.role, Role::Start) {
                    self.main_failed(None, fault);
                } else if let Some(caller) = task.caller.take() {
                    caller.fail(fault);
                }
            }
        }
    }

    /// The same for the task that serves a request.
    pub(in crate::actor) fn begin_served(
        &mut self,
        served: Served,
        coroutine: Coroutine,
        values: i32,
    ) {
        let (is_traced, is_owed) = (served.terms.request.is_traced(), served.caller.waits());
        let inserted = self.state.tasks.borrow_mut().insert_served(served, TASKS_MAX);
        match inserted {
            Ok(key) => {
                if is_owed {
                    self.state.service.figures.begin_request();
                }
                if is_traced {
                    self.trace_begin(key, &coroutine);
                }
                self.resume(key, coroutine, values, None);
            }
            Err(caller) => {
                self.stack.recycle(coroutine);
                caller.fail(self.state.too_many_tasks());
            }
        }
    }

    /// Records that a handler begins; below it lies the name of its method.
    #[cold]
    fn trace_begin(&mut self, key: Key, coroutine: &Coroutine) {
        let mut stack = self.stack.in_coroutine(coroutine);
        let named = if stack.kind(1) == Kind::Function { COMMAND } else { 1 };
        let method = stack.text(named).into_boxed_str();
        let mut tasks = self.state.tasks.borrow_mut();
        let Some(task) = tasks.get(key) else { return };
        let Some(caller) = &task.caller else { return };
        let from = self.state.core.label_of(caller.address()).into_boxed_str();
        let session = caller.session();
        self.state.trace(key, task.request, || Step::Begin { method, from, session });
    }

    /// Keeps what the file returned. Returns who is to be told, if anybody, that the service is
    /// there; `None` if it is not, because the file returned nonsense.
    fn keep_returned(
        &mut self,
        caller: Option<Caller>,
        coroutine: &Coroutine,
        results: i32,
    ) -> Option<Option<Caller>> {
        let mut stack = self.stack.in_coroutine(coroutine);
        let first = stack.top() - results + 1;
        match if results == 0 { Kind::Nil } else { stack.kind(first) } {
            Kind::Nil => {
                let has_tasks = self.state.tasks.borrow().any_alive();
                Some(self.state.skynet.keep_spawner(caller, has_tasks))
            }
            Kind::Table => {
                stack.push_value(first);
                *self.state.handlers.borrow_mut() = Some(stack.keep());
                Some(caller)
            }
            other => {
                let text = format!(
                    "the file of service {} returned a {}\n\
                     hint: return a table of handlers, or nothing at all",
                    self.state.service.label(),
                    other.name()
                );
                self.main_failed(caller, Fault::new(Code::Error, text));
                None
            }
        }
    }

    /// Serves what came while the file was running.
    pub(in crate::actor) fn serve_early(&mut self) {
        while self.over.is_none() {
            let Some(message) = self.state.early.borrow_mut().pop_front() else { return };
            self.handle(message);
        }
    }

    pub(in crate::actor) fn main_failed(&mut self, caller: Option<Caller>, fault: Fault) {
        // Whoever is told may try again at once, and under the same name.
        self.state.core.names.forget(&self.state.service);
        if let Some(caller) = caller.or_else(|| self.state.skynet.take_spawner()) {
            caller.fail(fault.clone().seen_by_caller());
        }
        self.over = Some(Over::new(End::Failed(fault), false));
    }

    // ---- requests ----

    /// Finds the handler and runs it in a coroutine of its own.
    pub(super) fn serve(&mut self, incoming: Incoming<'_>) {
        if self.state.leaving.borrow().is_some() {
            incoming.caller.fail(self.state.service.dead());
            return;
        }
        if !self.state.main_done.get() {
            return self.keep_for_later(incoming);
        }
        if self.has_passed(incoming.terms.deadline_ms) {
            let text = "the deadline passed before the request could be served";
            incoming.caller.fail(Fault::new(Code::Timeout, text));
            return;
        }
        if self.state.skynet.protocols.borrow().any() && self.state.handlers.borrow().is_none() {
            return self.dispatch(incoming);
        }
        let Incoming { protocol, caller, payload, terms, .. } = incoming;
        if protocol != VALUES {
            let label = self.label();
            let text = format!("service {label} handles no messages of protocol {protocol}");
            return self.refuse(caller, terms.request, Fault::new(Code::NoHandler, text));
        }
        let coroutine = self.stack.coroutine();
        let request = PlainRequest::new(payload);
        if let Some(request) = &request
            && let Some((values, handler)) = self.prepare_known(&coroutine, request)
        {
            let (role, origin) = (Role::Handler, None);
            let served = Served { role, caller, origin, terms, handler };
            return self.begin_served(served, coroutine, values);
        }
        match self.prepare(&coroutine, payload) {
            Ok((values, handler)) => {
                if let Some(request) = request {
                    self.learn(&coroutine, 1, request.name(), handler);
                }
                let (role, origin) = (Role::Handler, None);
                let served = Served { role, caller, origin, terms, handler };
                self.begin_served(served, coroutine, values);
            }
            Err(fault) => {
                self.stack.recycle(coroutine);
                self.refuse(caller, terms.request, fault);
            }
        }
    }

    fn keep_for_later(&mut self, incoming: Incoming<'_>) {
        let mut early = self.state.early.borrow_mut();
        let limit = self.state.service.mailbox().messages_max();
        let Incoming { protocol, caller, origin, payload, terms } = incoming;
        if early.len() < limit {
            let payload = payload.clone();
            early.push_back(match (protocol, origin) {
                (VALUES, None) => Message::Request { caller, payload, terms },
                _ => {
                    let envelope = Box::new(Envelope { protocol, origin, terms });
                    Message::Numbered { caller, payload, envelope }
                }
            });
            return;
        }
        drop(early);
        let text = format!("{limit} requests wait for service {} to start", self.label());
        self.refuse(caller, terms.request, Fault::new(Code::Overload, text));
    }

    /// As [`prepare`](Self::prepare), for a method that was asked for lately and arguments that
    /// hold no others. `None`, and nothing done, if it is not that simple.
    #[inline]
    fn prepare_known(
        &mut self,
        coroutine: &Coroutine,
        request: &PlainRequest<'_>,
    ) -> Option<(i32, u32)> {
        let (methods, handlers) = (self.state.known.borrow(), self.state.handlers.borrow());
        let (known, handlers) = (methods.find(request.name())?, handlers.as_ref()?);
        let mut stack = self.stack.in_coroutine(coroutine);
        if stack.push_method(handlers, &known.name, INDEX_CHAIN_MAX)
            && let Some(values) = stack.unpack_arguments(request)
            && stack.is_within_memory()
        {
            self.state.profile.borrow_mut().call_again(known.handler);
            return Some((values, known.handler));
        }
        stack.set_top(0);
        None
    }

    /// Keeps the name of a method for the next time; it lies at `place` on the coroutine's stack.
    pub(in crate::actor) fn learn(
        &mut self,
        coroutine: &Coroutine,
        place: i32,
        name: &[u8],
        handler: u32,
    ) {
        let mut methods = self.state.known.borrow_mut();
        if !methods.has_room_for(name) {
            return;
        }
        let mut stack = self.stack.in_coroutine(coroutine);
        stack.push_value(place);
        let kept = stack.keep();
        if let Some(before) = methods.keep(name, kept, handler) {
            stack.release(before);
        }
    }

    /// Puts the method's name, its handler and the arguments onto the coroutine's stack. Returns
    /// the number of arguments, and where the time of the handler is noted.
    fn prepare(&mut self, coroutine: &Coroutine, payload: &Payload) -> Result<(i32, u32), Fault> {
        let mut stack = self.stack.in_coroutine(coroutine);
        stack.push_nil();
        let values = stack.unpack(payload).map_err(|error| match error {
            UnpackError::Memory => no_memory(&self.state.service.label(), payload),
            error => Fault::new(Code::Argument, format!("cannot read the request: {error}")),
        })?;
        if !stack.is_within_memory() {
            return Err(no_memory(&self.state.service.label(), payload));
        }
        if values == 0 || stack.kind(2) != Kind::String {
            return Err(Fault::new(Code::Argument, "a request begins with the name of a method"));
        }
        // From `nil method arguments` to `method handler arguments`.
        stack.copy(2, 1);
        let is_reserved = stack.bytes(1).is_some_and(|name| name.starts_with(RESERVED_PREFIX));
        let handlers = self.state.handlers.borrow();
        let found = !is_reserved
            && handlers
                .as_ref()
                .is_some_and(|handlers| stack.find_method(handlers, 1, 2, INDEX_CHAIN_MAX));
        if !found {
            let method = String::from_utf8_lossy(stack.bytes(1).unwrap_or_default()).into_owned();
            let what = match &*handlers {
                Some(_) => format!("has no handler `{method}`"),
                None => format!("has no handlers (called: `{method}`)"),
            };
            let text = format!("service {} {what}", self.state.service.label());
            return Err(Fault::new(Code::NoHandler, text));
        }
        let handler = self.state.profile.borrow_mut().call(stack.bytes(1).unwrap_or_default());
        Ok((values - 1, handler))
    }

    /// Tells the caller why its request is not served; a sender gets a log line in its place.
    fn refuse(&mut self, caller: Caller, request: RequestId, fault: Fault) {
        if caller.waits() {
            caller.fail(fault);
            return;
        }
        let service = &self.state.service;
        tracing::warn!(
            service = service.name(),
            address = service.log_address(),
            sender = self.state.core.label_of(caller.address()),
            request = request.shown(),
            "a message was not handled: {fault}"
        );
    }

    // ---- what becomes of a task ----

    /// The task's function returned.
    pub(super) fn finished(&mut self, key: Key, coroutine: Coroutine, results: i32) {
        let simple = self.end_simple(key);
        if let Some(caller) = simple {
            self.answer(caller, &coroutine, results);
        } else if let Some(mut task) = self.remove(key) {
            self.state.trace(key, task.request, || Step::End { failed: false });
            let caller = task.caller.take();
            match &task.role {
                Role::Main => return self.main_finished((task, caller), coroutine, results),
                Role::Handler => self.answer(caller, &coroutine, results),
                Role::Dispatch => self.dispatched(caller, &task),
                Role::Start => self.started(),
                Role::Exit => self.exit_finished(),
                Role::Fork | Role::Every(_) => {}
            }
            self.end_task(task);
        } else {
            self.run_ended(key, None);
        }
        self.stack.recycle(coroutine);
    }

    /// The service's file has returned. What runs next runs in its coroutine: one less that a
    /// service has.
    fn main_finished(
        &mut self,
        (task, caller): (Box<Task>, Option<Caller>),
        coroutine: Coroutine,
        results: i32,
    ) {
        let starts = self.state.skynet.take_starts();
        let kept = if starts.is_empty() {
            self.keep_returned(caller, &coroutine, results)
        } else {
            Some(caller)
        };
        self.end_task(task);
        self.stack.recycle(coroutine);
        let Some(caller) = kept else { return };
        self.state.main_done.set(true);
        if !starts.is_empty() {
            return self.run_starts(caller, starts);
        }
        self.stack.settle();
        match caller {
            Some(caller) if self.state.service.is_killed() => {
                caller.fail(self.state.service.dead())
            }
            Some(caller) => caller.answer(Payload::EMPTY),
            None => false,
        };
        self.serve_early();
        self.serve_before_forks();
    }

    /// The short way out of a task that holds nothing but whom it owes an answer.
    #[inline]
    fn end_simple(&mut self, key: Key) -> Option<Option<Caller>> {
        let caller = self.state.tasks.borrow_mut().end_simple(key)?;
        self.state.skynet.drop_watch(key);
        Some(caller)
    }

    /// The task's function raised an error; the coroutine is closed already.
    pub(super) fn failed(&mut self, key: Key, coroutine: Coroutine, error: &LuaError) {
        let mut fault = fault_of(error);
        if self.state.was_interrupted() {
            fault.code = Code::TurnLimit;
            *self.state.offence.borrow_mut() = Some(fault.clone());
        }
        let ran_out_of_memory = fault.code == Code::Memory;
        self.task_failed(key, fault);
        self.stack.recycle(coroutine);
        if ran_out_of_memory {
            // What it held is garbage only now, and the collector would wait for as much again.
            self.stack.collect();
        }
    }

    /// Ends a service that was interrupted too often.
    pub(super) fn look_at_offences(&mut self) {
        if self.over.is_none() && self.state.was_interrupted() {
            self.state.forget_interruptions();
            if self.state.service.figures.is_offender() {
                let fault = self.state.offence.borrow_mut().take().unwrap_or_else(|| {
                    Fault::new(Code::TurnLimit, "its turns ran too long again and again")
                });
                self.over = Some(Over::new(End::Failed(fault), true));
            }
        }
    }

    /// User code yielded to the host, which has nothing to give it.
    pub(super) fn yielded(&mut self, key: Key, coroutine: Coroutine) {
        let hint = match self.state.skynet.is_started() {
            true => "skynet.wait and skynet.sleep suspend a task",
            false => "hive.wait and hive.sleep suspend a task",
        };
        let text = format!("attempt to yield from outside a coroutine\nhint: {hint}");
        let (text, traceback) = self.stack.locate(&coroutine, &text);
        self.task_failed(key, Fault::new(Code::Error, text).with_traceback(traceback));
        self.stack.recycle(coroutine);
    }

    fn task_failed(&mut self, key: Key, fault: Fault) {
        self.state.put_fork_first();
        let Some(mut task) = self.remove(key) else { return self.run_ended(key, Some(&fault)) };
        self.state.trace(key, task.request, || Step::End { failed: true });
        let caller = task.caller.take();
        if self.state.service.is_killed() {
            // Why it failed is told by the end that is on its way.
            self.state.unanswered.borrow_mut().extend(caller);
            return self.end_task(task);
        }
        match &task.role {
            Role::Main | Role::Start => self.main_failed(caller, fault),
            Role::Dispatch => self.dispatch_failed(caller, &task, fault),
            Role::Handler => self.handler_failed(caller, &task, fault),
            Role::Exit => {
                self.log_failure("the exit handler", task.request, &fault);
                self.exit_finished();
            }
            Role::Fork | Role::Every(_) if fault.code == Code::Cancelled => {}
            Role::Fork => self.log_failure("a task", task.request, &fault),
            Role::Every(_) => self.log_failure("a repeated timer", task.request, &fault),
        }
        self.end_task(task);
    }

    fn handler_failed(&mut self, caller: Option<Caller>, task: &Task, fault: Fault) {
        match caller {
            Some(caller) if caller.waits() => {
                self.state.note_request_done();
                let now_ms = self.state.core.handle.clock().now_ms();
                let ran_out =
                    fault.code == Code::Timeout && task.deadlines.inherited_passed(now_ms);
                caller.fail(if ran_out { fault } else { fault.seen_by_caller() });
            }
            _ => self.log_failure("a handler", task.request, &fault),
        }
    }

    /// Sends what a handler returned; below it lies the name of the method.
    fn answer(&mut self, caller: Option<Caller>, coroutine: &Coroutine, results: i32) {
        let Some(caller) = caller.filter(Caller::waits) else { return };
        self.state.note_request_done();
        if results == 0 {
            // Not even the name is left: the coroutine was closed by the code that ran in it.
            let text = "the handler closed its own coroutine in the place of returning";
            caller.fail(Fault::new(Code::Error, text).seen_by_caller());
            return;
        }
        let mut stack = self.stack.in_coroutine(coroutine);
        match stack.pack(2, results - 1, "results") {
            Ok(payload) => _ = self.state.answer(caller, payload),
            Err(error) => _ = caller.fail(unsendable("the answer", &error, "").seen_by_caller()),
        }
    }

    /// Takes a task out, unless it is a timer that begins again.
    fn remove(&mut self, key: Key) -> Option<Box<Task>> {
        self.state.skynet.drop_watch(key);
        if self.rearm(key) { None } else { self.state.tasks.borrow_mut().remove(key) }
    }

    /// Lets go of what a task held besides its coroutine.
    pub(super) fn end_task(&mut self, mut task: Box<Task>) {
        if let Some(alarm) = task.deadlines.take_alarm() {
            self.state.core.handle.cancel(alarm);
        }
        if let Some(function) = task.function.take() {
            self.stack.release(function);
        }
        self.state.tasks.borrow_mut().reuse(task);
    }

    pub(in crate::actor) fn log_failure(&self, what: &str, request: RequestId, fault: &Fault) {
        self.log_error(request, &format!("{what} failed: {}", fault.report()));
    }

    /// Tells the log of a failure, or the service that takes the log in programs of skynet.
    pub(super) fn log_error(&self, request: RequestId, text: &str) {
        if self.state.skynet.is_started() && self.state.tell_logger(text) {
            return;
        }
        let service = &self.state.service;
        tracing::error!(
            service = service.name(),
            address = service.log_address(),
            request = request.shown(),
            "{text}"
        );
    }

    fn label(&self) -> String {
        self.state.service.label()
    }
}

/// An error of Lua as what travels between services.
pub(in crate::actor) fn fault_of(error: &LuaError) -> Fault {
    let code = match error.kind {
        ErrorKind::Memory => Code::Memory,
        kind if error.code == kind.code() => Code::Error,
        _ => Code::named(&error.code),
    };
    Fault::new(code, error.message.clone()).with_traceback(error.traceback.clone())
}

/// A message that does not fit into the memory of the service it is for.
pub(in crate::actor) fn no_memory(label: &str, payload: &Payload) -> Fault {
    let bytes = payload.len();
    let text = format!("service {label} has no memory for a message of {bytes} bytes");
    Fault::new(Code::Memory, text)
}

/// Why values could not be sent, an aside to that, and what to do about it.
pub(crate) fn unsendable(what: &str, error: &PackError, aside: &str) -> Fault {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    Fault::new(Code::Argument, format!("cannot send {what}: {error}{aside}{hint}"))
}
