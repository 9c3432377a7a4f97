//! The file of a service: it is loaded and runs as the first task, and what it returns decides what
//! the service is. A table serves requests; nothing at all is a script, which ends with its last
//! task; a start function of skynet runs when the file is done.
//!
//! Whoever spawned the service waits until then, and is told if the file fails.

use std::sync::atomic::Ordering;

use super::{Over, Turn};
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault, fault_of};
use crate::actor::message::Caller;
use crate::actor::service::plan::{Plan, Source};
use crate::actor::skynet::LOADER_ERROR;
use crate::actor::task::{Role, Stage, Task};
use crate::message::Payload;
use crate::vm::{Coroutine, Kind, LoadMode, LuaError};

/// Runs the host's own file before that of a service.
const PRELOAD_TEXT: &str = include_str!("../../../lua/boot/preload.lua");
/// Runs the program's own loader in the place of that.
const LOADER_TEXT: &str = include_str!("../../../lua/boot/loader.lua");

/// What the log service of a program is told of a start function that failed, in skynet's words.
const INIT_FAILED: &str = "init service failed: ";

impl Turn<'_, '_> {
    /// Runs the service's file with the arguments of its spawn.
    pub(super) fn start(&mut self, caller: Caller, arguments: &Payload) {
        let Some(plan) = self.state.plan.take() else { return };
        self.state.skynet.awaits_start.set(plan.awaits_start);
        let coroutine = self.stack.coroutine();
        self.state.skynet.is_of_skynet.set(plan.is_for_skynet);
        let loaded = self.load_service(&plan);
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
        // A report is to name the service also if its first turn never ends.
        self.state.service.figures.tasks.store(1, Ordering::Relaxed);
        self.begin(task, coroutine, values);
    }

    /// Pushes the main function of a service; below it, if the host has one, the function that runs
    /// the host's own file first. Of a service that the program loads by itself the loader, and
    /// what it gets to know.
    fn load_service(&mut self, plan: &Plan) -> Result<(), LuaError> {
        if let Source::File(path) = &plan.source {
            self.state.skynet.set_file(path);
        }
        let settings = &self.state.core.settings;
        if !plan.is_of_program {
            return self.load_main(plan);
        }
        if let Some(loader) = settings.loader.as_ref().filter(|_| plan.is_for_skynet) {
            self.stack.load_embedded("loader", LOADER_TEXT)?;
            self.stack.load_file(loader, LoadMode::Any).inspect_err(|_| self.stack.pop(1))?;
            self.stack.push_str(&plan.name);
            self.stack.push_str(&settings.service_path());
            match &settings.preload {
                Some(preload) => self.stack.push_str(&preload.to_string_lossy()),
                None => self.stack.push_nil(),
            }
            match &plan.source {
                Source::File(_) => self.stack.push_nil(),
                _ => self.load_main(plan).inspect_err(|_| self.stack.pop(5))?,
            }
            self.stack.push_bool(plan.is_cell);
            return Ok(());
        }
        let Some(preload) = &settings.preload else { return self.load_main(plan) };
        self.stack.load_embedded("preload", PRELOAD_TEXT)?;
        self.stack.load_file(preload, LoadMode::Any).inspect_err(|_| self.stack.pop(1))?;
        self.load_main(plan).inspect_err(|_| self.stack.pop(2))?;
        self.stack.push_bool(plan.is_cell);
        Ok(())
    }

    fn load_main(&mut self, plan: &Plan) -> Result<(), LuaError> {
        match &plan.source {
            Source::File(path) => self.stack.load_file(path, LoadMode::Any),
            Source::Text(text) => {
                self.stack.load(text.as_bytes(), &plan.chunk_name(), LoadMode::Text)
            }
            Source::Standard(text) => self.stack.load_embedded(&plan.name, text),
        }
    }

    /// The service's file has returned. What runs next runs in its coroutine: one less that a
    /// service has.
    pub(super) fn main_finished(
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
        let skynet = &self.state.skynet;
        if skynet.is_of_skynet.get() || skynet.is_started() {
            let what = if self.state.main_done.get() { INIT_FAILED } else { LOADER_ERROR };
            self.state.tell_logger(format!("{what}{}", fault.report()).as_bytes());
        }
        if let Some(caller) = caller.or_else(|| self.state.skynet.take_spawner()) {
            caller.fail(fault.clone().seen_by_caller());
        }
        self.over = Some(Over::new(End::Failed(fault), false));
    }
}
