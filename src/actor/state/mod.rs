//! What one service knows while it runs: its tasks, its handlers, what natives ask of it. It is the
//! data of the service's VM, so natives and turns reach it by shared reference; what changes is in
//! cells, and no borrow of a cell lasts while Lua runs.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the state: what it is made of, and what ends it |
//! | `begin` | tasks that begin later: forks, timers, monitors, calls that nobody waits in |
//! | `calls` | messages to other services, with an answer or without one |
//! | `waits` | how the running task waits, for what, and what wakes it |
//! | `deadlines` | until when a task may work |
//! | `arming` | timers, set and called off |
//! | `cancel` | tasks that are called off, and what they let go of |
//! | `callers` | who is owed an answer |

pub(super) mod arming;
mod begin;
mod callers;
mod calls;
mod cancel;
mod deadlines;
pub(super) mod waits;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::core::Core;
use crate::actor::message::{Caller, Message};
use crate::actor::record::profile::{HandlerProfile, Profile};
use crate::actor::service::Service;
use crate::actor::service::memory::MemoryWarning;
use crate::actor::service::plan::Plan;
use crate::actor::skynet::Skynet;
use crate::actor::slots::Key;
use crate::actor::task::tasks::Tasks;
use crate::actor::task::token::Waiters;
use crate::actor::turn::method::Methods;
use crate::actor::turn::parting::{Parcel, Parting};
use crate::actor::turn::peers::Peers;
use crate::vm::{Raise, Reference, Stack};

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
    /// Many messages waited when the mailbox was last looked into.
    pub(in crate::actor) has_backlog: Cell<bool>,
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
            has_backlog: Cell::new(false),
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
