//! One service as everybody sees it: its address, its mailbox, and how to reach it. What only its
//! own turns touch (VM, tasks) is its [`Life`], which its token keeps for them.
//!
//! Invariants: at most one turn has the life; once the obituary is written the mailbox takes
//! nothing more, and whoever still holds the service learns from the obituary how it ended.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the service: mailbox, monitors, figures |
//! | `plan` | what a new one will run |
//! | `life`, `boot` | what only its turns touch, and how its VM is made |
//! | `overload` | what becomes of messages that do not fit |
//! | `link` | services that end together |
//! | `memory`, `tidy`, `trim` | telling of services that grow; garbage while a worker rests; memory of those that ended |
//! | `exit` | the way out |

mod boot;
mod exit;
pub(super) mod life;
pub(super) mod link;
pub(super) mod memory;
mod overload;
pub(super) mod plan;
pub(super) mod tidy;
pub(super) mod trim;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use moonhive_kernel::address::Address;
use moonhive_kernel::mailbox::{Limits, Mailbox, Refusal};
use moonhive_kernel::scheduler::{Scheduled, TokenState};
use parking_lot::Mutex;

use self::life::Life;
use self::link::LINK;
use self::overload::Overload;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::core::Core;
use crate::actor::host::settings::WhenFull;
use crate::actor::limits::{TURN_OFFENCE_MEMORY, TURN_OFFENCES_MAX, WATCHERS_MAX};
use crate::actor::message::{Message, Obituary};
use crate::actor::turn::parting::Parcel;

/// A service; see the module's text.
pub(crate) struct Service {
    address: Address,
    name: Box<str>,
    core: Arc<Core>,
    mailbox: Mailbox<Message>,
    /// With the life, until that has ended.
    token: TokenState<Option<Box<Life>>>,
    obituary: OnceLock<Arc<Obituary>>,
    /// Written under its lock by those who watch and, for the last time, by the end.
    watchers: Mutex<Vec<Watcher>>,
    /// Written under the lock of the host's names.
    names: Mutex<Vec<Box<str>>>,
    overload: Overload,
    /// What its spawn was given beside its name, for people.
    arguments: OnceLock<Box<str>>,
    pub(crate) figures: Figures,
}

/// What a service tells of itself: written by its turns, read by statistics.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Lua memory at the end of the last turn.
    pub(crate) memory_bytes: AtomicUsize,
    /// Ticks that it has used; see `profile`.
    pub(crate) ticks: AtomicU64,
    /// Messages handled.
    pub(crate) messages: AtomicU64,
    /// Requests being served, deferred answers included.
    requests: AtomicUsize,
    /// Those of them whose answer outlives its handler. Written by its turns.
    deferred: AtomicUsize,
    /// Coroutines and timers.
    pub(crate) tasks: AtomicUsize,
    /// How far the service has come on its way out; see [`Leaving`].
    leaving: AtomicUsize,
    /// Once it is killed, a turn that runs may go on for a while. Written before the kill.
    spares_turn: AtomicBool,
    /// Turns of it that the warden has interrupted.
    interruptions: AtomicU32,
    /// A worker remembers it, see `tidy`. Written by its turns and by that worker.
    awaits_gap: AtomicBool,
    offences: Mutex<Offences>,
    /// A turn took so long that it may never have ended. Written by the warden and, when asked, by
    /// its turns.
    looped: AtomicBool,
}

/// Turns that ran too long, as far as they are remembered.
#[derive(Debug, Default)]
struct Offences {
    count: u32,
    last: Option<Instant>,
}

/// How far a service has come on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Leaving {
    /// It lives.
    No,
    /// It has been asked to prepare for the end of the host and has not finished that.
    Preparing,
    /// It has run its exit handler.
    Prepared,
    /// It has been told to close everything and end.
    Told,
    /// It must end now, interrupted if need be.
    Killed,
}

impl Figures {
    pub(crate) fn leaving(&self) -> Leaving {
        match self.leaving.load(Ordering::Acquire) {
            0 => Leaving::No,
            1 => Leaving::Preparing,
            2 => Leaving::Prepared,
            3 => Leaving::Told,
            _ => Leaving::Killed,
        }
    }

    /// What the turn that ends leaves.
    pub(crate) fn publish(&self, memory_bytes: usize, tasks: usize, ticks: u64) {
        self.ticks.store(ticks, Ordering::Relaxed);
        self.memory_bytes.store(memory_bytes, Ordering::Relaxed);
        self.tasks.store(tasks, Ordering::Relaxed);
    }

    /// All messages, with those that the present turn has handled.
    pub(super) fn messages(&self, handled: u32) -> u64 {
        self.messages.load(Ordering::Relaxed) + u64::from(handled)
    }

    pub(crate) fn count_messages(&self, handled: u32) {
        let messages = self.messages.load(Ordering::Relaxed);
        self.messages.store(messages + u64::from(handled), Ordering::Relaxed);
    }

    /// One request more is being served. Only turns of the service count.
    pub(crate) fn begin_request(&self) {
        let requests = self.requests.load(Ordering::Relaxed);
        self.requests.store(requests + 1, Ordering::Release);
    }

    pub(crate) fn requests_served(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    /// A turn ran too long; returns how often that happened lately.
    pub(crate) fn note_offence(&self, now: Instant) -> u32 {
        let mut offences = self.offences.lock();
        let is_old = |at: &Instant| now.duration_since(*at) > TURN_OFFENCE_MEMORY;
        offences.count = match &offences.last {
            Some(at) if is_old(at) => 1,
            _ => offences.count + 1,
        };
        offences.last = Some(now);
        self.interruptions.fetch_add(1, Ordering::Release);
        self.note_loop();
        offences.count
    }

    /// A turn takes so long that it may never end.
    pub(super) fn note_loop(&self) {
        self.looped.store(true, Ordering::Relaxed);
    }

    /// Whether one did since this was asked last.
    pub(crate) fn take_loop(&self) -> bool {
        self.looped.swap(false, Ordering::Relaxed)
    }

    /// Interruptions of this service so far.
    pub(crate) fn interruptions(&self) -> u32 {
        self.interruptions.load(Ordering::Acquire)
    }

    /// Whether the turn that runs is not to be interrupted at once because the service is killed.
    pub(crate) fn set_spares_turn(&self, spares: bool) {
        self.spares_turn.store(spares, Ordering::Relaxed);
    }

    /// What was said last.
    pub(crate) fn spares_turn(&self) -> bool {
        self.spares_turn.load(Ordering::Relaxed)
    }

    /// Whether it used up the offences it is allowed.
    pub(crate) fn is_offender(&self) -> bool {
        self.offences.lock().count >= TURN_OFFENCES_MAX
    }

    /// One fewer.
    pub(crate) fn end_request(&self) {
        let requests = self.requests.load(Ordering::Relaxed);
        self.requests.store(requests.saturating_sub(1), Ordering::Release);
    }

    pub(super) fn begin_deferred(&self) {
        self.deferred.store(self.deferred() + 1, Ordering::Relaxed);
    }

    pub(super) fn deferred(&self) -> usize {
        self.deferred.load(Ordering::Relaxed)
    }

    /// The end of a request whose answer was deferred.
    pub(crate) fn end_deferred(&self) {
        self.deferred.store(self.deferred().saturating_sub(1), Ordering::Relaxed);
        self.end_request();
    }

    /// Goes on to `stage`, never back.
    pub(crate) fn leave(&self, stage: Leaving) {
        self.leaving.fetch_max(stage as usize, Ordering::AcqRel);
    }
}

/// Who is told of the end, and the key under which it watches.
struct Watcher {
    service: Arc<Service>,
    watch: u64,
}

impl Scheduled for Service {
    type Own = Option<Box<Life>>;

    fn token(&self) -> &TokenState<Option<Box<Life>>> {
        &self.token
    }
}

impl Service {
    pub(crate) fn new(
        address: Address,
        name: &str,
        core: Arc<Core>,
        (limits, policy): (Limits, WhenFull),
        life: Box<Life>,
    ) -> Service {
        Service {
            address,
            name: name.into(),
            core,
            mailbox: Mailbox::new(limits),
            token: TokenState::new(Some(life)),
            obituary: OnceLock::new(),
            watchers: Mutex::new(Vec::new()),
            names: Mutex::new(Vec::new()),
            overload: Overload::new(policy),
            arguments: OnceLock::new(),
            figures: Figures::default(),
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.address
    }

    /// The name of its file, for people; registered names are another matter.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it was launched, in skynet's words.
    pub(crate) fn launched(&self) -> String {
        match self.arguments.get() {
            Some(arguments) => format!("snlua {} {arguments}", self.name),
            None => format!("snlua {}", self.name),
        }
    }

    /// Notes the arguments of its spawn.
    pub(crate) fn note_arguments(&self, arguments: &str) {
        // Only the spawner notes them, once.
        let _ = self.arguments.set(arguments.into());
    }

    /// Name and address, as messages and log lines show a service.
    pub(crate) fn label(&self) -> String {
        format!("{}{}", self.name, self.address)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn mailbox(&self) -> &Mailbox<Message> {
        &self.mailbox
    }

    /// Whether it has been killed.
    pub(in crate::actor) fn is_killed(&self) -> bool {
        self.figures.leaving() == Leaving::Killed
    }

    /// How it ended, once it has.
    pub(crate) fn obituary(&self) -> Option<&Arc<Obituary>> {
        self.obituary.get()
    }

    /// What a caller is told that comes too late.
    pub(crate) fn dead(&self) -> Fault {
        match self.obituary.get() {
            Some(obituary) => obituary.to_fault(),
            None => Fault::new(Code::Dead, format!("service {} is ending", self.label())),
        }
    }

    /// Sends a request (or a one-way message), within the mailbox's limit.
    ///
    /// # Errors
    /// `overload` or `dead`; the message's caller is then not told in another way.
    #[inline(always)]
    pub(crate) fn request(self: &Arc<Self>, message: Message) -> Result<(), Fault> {
        match self.mailbox.push(message) {
            Ok(pushed) => {
                if self.overload.is_due(pushed.depth) {
                    self.warn_overload(pushed.depth);
                }
                self.wake_if(pushed.wake);
                Ok(())
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Sends an answer, a timer's alarm or another message that was asked for: such messages are
    /// limited by what the service itself has begun. False if the service has ended.
    pub(crate) fn post(self: &Arc<Self>, message: Message) -> bool {
        match self.mailbox.push_past_limit(message) {
            Ok(pushed) => {
                self.wake_if(pushed.wake);
                true
            }
            Err(refusal) => {
                refusal.into_message().disarm();
                false
            }
        }
    }

    /// Posts an alarm or several. Those that nothing has come between lie in one message.
    pub(super) fn post_alarms(self: &Arc<Self>, alarms: Message) {
        if let Ok(pushed) = self.mailbox.push_joining(alarms, Message::join_alarms) {
            self.wake_if(pushed.wake);
        }
    }

    /// The same for the message with which a service begins: whoever waits for it is told if
    /// somebody was quicker and has killed the service.
    pub(crate) fn post_or_reject(self: &Arc<Self>, message: Message) {
        match self.mailbox.push_past_limit(message) {
            Ok(pushed) => self.wake_if(pushed.wake),
            Err(refusal) => refusal.into_message().reject(|| self.dead()),
        }
    }

    /// Puts a message that was on its way without the mailbox before all others.
    pub(super) fn deposit(&self, parcel: Parcel) {
        if let Some(message) = parcel.into_message()
            && let Err(refusal) = self.mailbox.put_first(message)
        {
            refusal.into_message().reject(|| self.dead());
        }
    }

    /// Sends a message that is read before all ordinary ones. False if the service has ended.
    pub(crate) fn control(self: &Arc<Self>, message: Message) -> bool {
        match self.mailbox.push_control(message) {
            Ok(pushed) => {
                self.wake_if(pushed.wake);
                true
            }
            Err(Refusal::Full { messages, .. }) => {
                tracing::error!(
                    service = self.name(),
                    address = self.log_address(),
                    messages,
                    "control messages are lost: too many wait"
                );
                false
            }
            Err(_) => false,
        }
    }

    /// The address as log lines show it.
    pub(crate) fn log_address(&self) -> String {
        format!("{:08x}", self.address.number())
    }

    /// Tells `watcher` under `watch` when this service has ended; at once if it has already.
    ///
    /// # Errors
    /// `overload` when too many watch.
    pub(crate) fn watch(self: &Arc<Self>, watcher: &Arc<Service>, watch: u64) -> Result<(), Fault> {
        let mut watchers = self.watchers.lock();
        if let Some(obituary) = self.obituary.get() {
            drop(watchers);
            watcher.control(Message::Ended { watch, obituary: obituary.clone() });
            return Ok(());
        }
        if watchers.len() >= WATCHERS_MAX {
            let text = format!("{WATCHERS_MAX} monitors watch service {}", self.label());
            return Err(Fault::new(Code::Overload, text));
        }
        watchers.push(Watcher { service: watcher.clone(), watch });
        Ok(())
    }

    /// Takes a watch back.
    pub(crate) fn unwatch(&self, watcher: &Arc<Service>, watch: u64) {
        let is_it =
            |other: &mut Watcher| other.watch == watch && Arc::ptr_eq(&other.service, watcher);
        let mut watchers = self.watchers.lock();
        if let Some(index) = watchers.iter_mut().position(is_it) {
            watchers.swap_remove(index);
        }
    }

    /// Notes the end; nothing if it was noted before.
    pub(super) fn note_end(&self, end: End) -> Option<Arc<Obituary>> {
        let obituary = Arc::new(Obituary::new(self, end));
        // Under the lock, or who begins to watch just now could miss it.
        let _watchers = self.watchers.lock();
        self.obituary.set(obituary.clone()).ok()?;
        Some(obituary)
    }

    /// Refuses messages from now on; the callers of those that wait are told. The turn gets `last`
    /// before all that it has in hand.
    pub(super) fn turn_away(self: &Arc<Self>, last: Message) {
        let Some(sealed) = self.mailbox.seal(last) else { return };
        self.wake_if(sealed.wake);
        for message in sealed.left {
            message.reject(|| self.dead());
        }
    }

    /// Tells those who watch. By now the service's names are free and its address leads nowhere.
    pub(crate) fn tell_watchers(self: &Arc<Self>, obituary: &Arc<Obituary>) {
        let watchers = std::mem::take(&mut *self.watchers.lock());
        for Watcher { service, watch } in watchers {
            // Who watches may be linked the other way as well, and would keep this service for
            // that.
            service.unwatch(self, LINK);
            service.control(Message::Ended { watch, obituary: obituary.clone() });
        }
    }

    pub(crate) fn note_name(&self, name: &str) {
        self.names.lock().push(name.into());
    }

    pub(crate) fn take_names(&self) -> Vec<Box<str>> {
        std::mem::take(&mut *self.names.lock())
    }

    fn wake_if(self: &Arc<Self>, wake: bool) {
        if wake {
            self.core.handle.wake(self);
        }
    }
}
