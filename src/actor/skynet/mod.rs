//! What a service adds to [`State`](super::State) that speaks in numbered protocols, as skynet's
//! services do: who handles which protocol, the start function, message pointers, and answers that
//! a program gives by itself.
//!
//! A request of `hive` is one of the protocol [`VALUES`], and so is skynet's `"lua"`: the name of a
//! command and its arguments. That is why services of both kinds can call each other.
//!
//! Invariants: a service that registered no protocol pays for a few empty cells; what is lent to a
//! running task is taken back when the task lets go.

mod answer;
mod blocks;
mod boards;
mod channels;
mod dispatch;
mod ends;
mod filter;
mod protocols;
mod send;
mod start;
mod tasks;
mod ticks;
mod watch;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use moonhive_kernel::address::Address;
use parking_lot::Mutex;

pub(crate) use answer::{OpenAnswer, Owed};
use blocks::Blocks;
pub(crate) use boards::{Boards, Reader, Writer, board_bytes};
pub(super) use dispatch::{COMMAND, Incoming};
pub(crate) use protocols::{Form, Handler, Protocol, Protocols};
pub(crate) use send::{LOADER_ERROR, LOGGER};

use watch::Watch;

use crate::actor::message::{Caller, Message};
use crate::actor::record::request::{RequestId, Terms};
use crate::actor::slots::Key;
use crate::actor::task::{SESSION_INDEX_BITS, SESSION_INDEX_MASK};
use crate::message::Payload;
use crate::vm::Reference;

/// The protocol of calls whose payload is a list of values: `hive.call`, and `"lua"` of skynet.
pub(crate) const VALUES: u8 = 10;
/// The protocol of skynet's clients.
const CLIENT: u8 = 3;

/// What a request carries that was sent in the name of somebody who is no living service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) source: i64,
    pub(crate) session: i64,
}

/// What a request carries that is no call of the protocol [`VALUES`]; rare enough for a box.
pub(crate) struct Envelope {
    pub(crate) protocol: u8,
    /// Who is named as the sender, if it is not the caller.
    pub(crate) origin: Option<Origin>,
    pub(crate) terms: Terms,
}

/// The empty message of the protocol `"client"` by which a monitor is told that a service has
/// ended.
pub(super) fn ended(address: Address, host: Address) -> Message {
    let origin = Some(Origin { source: address.number() as i64, session: 0 });
    let terms = Terms::timeless(RequestId::NONE);
    let envelope = Box::new(Envelope { protocol: CLIENT, origin, terms });
    Message::Numbered { caller: Caller::sender(host), payload: Payload::EMPTY, envelope }
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Skynet {
    pub(crate) protocols: RefCell<Protocols>,
    pub(crate) blocks: Blocks,
    /// The service's file, if it has one.
    file: OnceCell<PathBuf>,
    /// What runs when the service's file has returned, in this order.
    starts: RefCell<Vec<Reference>>,
    /// Whoever spawned the service waits until a start function has ended.
    pub(super) awaits_start: Cell<bool>,
    /// It was started as a service for skynet, whatever its file does.
    pub(super) is_of_skynet: Cell<bool>,
    /// Who that is, once the file has returned.
    spawner: Cell<Option<Caller>>,
    /// What modules want to have run before that.
    init: RefCell<Vec<Reference>>,
    /// The file asked for a start function: the service lives until it exits.
    started: Cell<bool>,
    /// Requests whose answer the program will send by itself, as `redirect` does.
    pub(super) ignored: Arc<Mutex<Vec<Caller>>>,
    /// The answer that a task took out of its request last, and that it may leave open on purpose.
    opened: RefCell<Option<(Key, Weak<AtomicBool>)>>,
    watches: RefCell<Vec<Watch>>,
    watches_begun: Cell<u64>,
    /// Messages go through a filter, or some are traced: rare, so it is asked first.
    pub(super) is_watching: Cell<bool>,
    /// Own sessions under which requests were sent in the service's own name, and to whom.
    pub(super) asked: RefCell<VecDeque<(u64, i64)>>,
    /// Session numbers that were given out for the program's own use.
    sessions: Cell<u64>,
    /// How many of the tasks that are ready were woken: they stand before all others.
    woken: Cell<usize>,
    /// Ready tasks that ran since the last message.
    ran: Cell<u32>,
    /// A task began to wait for a service that it has started, since the last message.
    pub(crate) has_spawned: Cell<bool>,
    /// The service has decided to end.
    is_leaving: Cell<bool>,
    /// The task that decided it, if it does not go on from there.
    leaver: Cell<Option<Key>>,
    /// The file has sent its own service messages: those that come before it asked for its start
    /// function are handled before that runs.
    has_early: Cell<bool>,
    starts_late: Cell<bool>,
}

impl Skynet {
    /// The service lives until it exits, and `function` runs once its file has returned, behind
    /// those that asked for it before.
    pub(crate) fn add_start(&self, function: Reference) {
        self.started.set(true);
        self.starts_late.set(self.has_early.get());
        self.starts.borrow_mut().push(function);
    }

    /// The service's file, if it has one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.get().map(PathBuf::as_path)
    }

    pub(super) fn set_file(&self, file: &Path) {
        // A service runs one file, once.
        let _ = self.file.set(file.to_path_buf());
    }

    /// `function` runs before the start function.
    pub(crate) fn add_init(&self, function: Reference) {
        self.init.borrow_mut().push(function);
    }

    pub(super) fn take_init(&self) -> Vec<Reference> {
        self.init.take()
    }

    pub(super) fn take_starts(&self) -> Vec<Reference> {
        self.starts.take()
    }

    /// Every message is looked at before it finds its handler.
    pub(crate) fn watch_messages(&self) {
        self.is_watching.set(true);
    }

    /// True if the service lives on when its file has returned.
    pub(crate) fn is_started(&self) -> bool {
        self.started.get()
    }

    /// A session that belongs to no wait of any task.
    pub(crate) fn new_session(&self) -> u64 {
        self.sessions.set(self.sessions.get() + 1);
        self.sessions.get() << SESSION_INDEX_BITS | SESSION_INDEX_MASK
    }
}
