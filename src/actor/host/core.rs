//! The shared middle of one host: what every service, every worker and every handle of the host
//! reaches. Nothing here is global to the process.
//!
//! No lock is held while Lua runs; `docs/architecture.md` lists the few that nest.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moonhive_kernel::address::{Address, AddressTable};
use moonhive_kernel::mailbox::Limits;
use moonhive_kernel::scheduler::Handle;
use parking_lot::{Mutex, RwLock};

use super::groups::Groups;
use super::names::Names;
use super::outside::{Outside, Waiting};
use super::own_settings::OwnSettings;
use super::settings::{Settings, WhenFull};
use super::totals::Totals;
use super::warden::Warden;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::RECENT_ENDS_MAX;
use crate::actor::message::{Caller, Message, Obituary};
use crate::actor::record::profile::Scale;
use crate::actor::record::request::RequestId;
use crate::actor::record::trace::Traces;
use crate::actor::service::Service;
use crate::actor::service::life::Life;
use crate::actor::service::plan::{Source, Spawn};
use crate::actor::service::trim::Trim;
use crate::actor::skynet::{self, Boards};
use crate::code::CodeCache;
use crate::message::Payload;
use crate::share::{SharedModules, SharedStats, SharedTables, TableImage};
use crate::vm::ticks::ticks;

/// See the module's text.
pub(crate) struct Core {
    pub(crate) handle: Handle<Core>,
    pub(crate) table: AddressTable<Service>,
    pub(crate) names: Names,
    pub(crate) groups: Groups,
    pub(crate) boards: Arc<Boards>,
    /// The number of the last channel that a service has made.
    pub(crate) last_channel: AtomicU64,
    pub(crate) traces: Traces,
    pub(crate) settings: Settings,
    /// `package.path` of every VM.
    pub(crate) module_path: String,
    pub(crate) code: Arc<CodeCache>,
    pub(crate) shared: SharedTables,
    pub(crate) shared_modules: SharedModules,
    pub(crate) warden: Warden,
    pub(crate) totals: Totals,
    pub(in crate::actor) trim: Trim,
    /// The cycle counter when the host began.
    ticks_at_start: u64,
    pub(crate) waiting: Arc<Waiting>,
    outside: OnceLock<Arc<Service>>,
    /// Address of the main service; 0 without one.
    main: AtomicU64,
    /// Its name, which stays when it ends.
    pub(crate) main_name: OnceLock<String>,
    main_end: OnceLock<Arc<Obituary>>,
    /// Services that are out of the table and whose VM is not closed yet.
    closing: AtomicUsize,
    /// Those of them that were killed and whose last turn is not over.
    killed: Mutex<HashMap<Address, Arc<Service>>>,
    /// Settings that services have made, besides those the host began with.
    own_env: RwLock<OwnSettings>,
    /// When the host began, since 1970.
    pub(crate) started_unix: Duration,
    /// The main service went and left the host to the others: it ends with the last of them.
    ends_when_empty: AtomicBool,
    /// Address of the service that is told of every other's end; 0 without one.
    exit_monitor: AtomicU64,
    /// The last services that ended, so that callers who come late learn why.
    recent_ends: Mutex<VecDeque<Arc<Obituary>>>,
}

impl Core {
    /// How many versions of code and of shared tables were ever replaced or dropped.
    pub(crate) fn retirements(&self) -> u64 {
        self.code.retirements() + self.shared.retirements() + self.shared_modules.retirements()
    }

    /// Whether some service may still use one of them. (Images of tables are counted for the whole
    /// process, so that those of another host count as well; its services have little to do then.)
    pub(crate) fn holds_retired(&self) -> bool {
        self.code.holds_retired() || TableImage::live() > self.shared_stats().count()
    }

    /// Figures of the shared tables.
    pub(crate) fn shared_stats(&self) -> SharedStats {
        SharedStats { modules: self.shared_modules.stats(), ..self.shared.stats() }
    }

    pub(crate) fn new(handle: &Handle<Core>, settings: Settings) -> Core {
        Core {
            handle: handle.clone(),
            table: AddressTable::new(),
            names: Names::default(),
            groups: Groups::default(),
            boards: Arc::default(),
            last_channel: AtomicU64::new(0),
            traces: Traces::default(),
            module_path: settings.module_path(),
            code: Arc::new(CodeCache::new()),
            shared: SharedTables::default(),
            shared_modules: SharedModules::default(),
            warden: Warden::new(handle.workers()),
            totals: Totals::default(),
            trim: Trim::default(),
            ticks_at_start: ticks(),
            waiting: Arc::default(),
            outside: OnceLock::new(),
            main: AtomicU64::new(0),
            main_name: OnceLock::new(),
            main_end: OnceLock::new(),
            closing: AtomicUsize::new(0),
            killed: Mutex::default(),
            recent_ends: Mutex::default(),
            own_env: RwLock::default(),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            ends_when_empty: AtomicBool::new(false),
            exit_monitor: AtomicU64::new(0),
            settings,
        }
    }

    /// How long a tick of a profile lasts.
    pub(crate) fn scale(&self) -> Scale {
        Scale::new(self.ticks_at_start, self.handle.clock().now_ns())
    }

    /// The service that stands for the Rust side.
    ///
    /// # Errors
    /// `shutdown` when it cannot be made any more.
    pub(crate) fn outside(self: &Arc<Self>) -> Result<&Arc<Service>, Fault> {
        if let Some(outside) = self.outside.get() {
            return Ok(outside);
        }
        let life = Life::outside(Outside::new(self.waiting.clone()));
        let (address, service) = self
            .table
            .insert_with(|address| {
                let mailbox = (Limits::default(), WhenFull::Refuse);
                Service::new(address, "host", self.clone(), mailbox, Box::new(life))
            })
            .map_err(|full| Fault::new(Code::Overload, full.to_string()))?;
        if self.outside.set(service).is_err() {
            self.table.remove(address);
        }
        self.outside.get().ok_or_else(|| Fault::new(Code::Shutdown, "the host is shutting down"))
    }

    /// The id of a request that a thread of the program begins under that session.
    pub(crate) fn outside_request(&self, session: u64) -> RequestId {
        let address = self.outside_address().map_or(0, |address| address.number());
        RequestId::new(address, session as u32)
    }

    pub(crate) fn outside_address(&self) -> Option<Address> {
        self.outside.get().map(|outside| outside.address())
    }

    /// Begins a service. `caller` gets the answer when its file has returned.
    ///
    /// # Errors
    /// `not_found`, `name_taken`, `overload`, `shutdown`; the caller is then not told in another
    /// way.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        spawn: &Spawn,
        arguments: Payload,
        caller: Caller,
    ) -> Result<Arc<Service>, Fault> {
        let service = match self.create(spawn) {
            Ok(service) => service,
            Err(fault) => {
                caller.disarm();
                return Err(fault);
            }
        };
        self.start(&service, arguments, caller);
        Ok(service)
    }

    /// Begins the service with which the host ends.
    ///
    /// # Errors
    /// As [`Core::spawn`].
    pub(crate) fn spawn_main(
        self: &Arc<Self>,
        spawn: &Spawn,
        arguments: Payload,
        caller: Caller,
    ) -> Result<(), Fault> {
        let service = self.create(spawn)?;
        self.main.store(service.address().number(), Ordering::Release);
        let _ = self.main_name.set(service.name().to_owned());
        self.start(&service, arguments, caller);
        Ok(())
    }

    /// Begins a service that was created; its first message tells the caller how that went.
    pub(super) fn start(&self, service: &Arc<Service>, arguments: Payload, caller: Caller) {
        self.totals.note_spawn();
        service.post_or_reject(Message::Start { caller, arguments });
    }

    /// Makes a service that has not begun yet, and that others can find.
    pub(super) fn create(self: &Arc<Self>, spawn: &Spawn) -> Result<Arc<Service>, Fault> {
        if self.warden.is_shutting_down() {
            let text = format!("cannot spawn `{}`: the host is shutting down", spawn.name);
            return Err(Fault::new(Code::Shutdown, text));
        }
        let plan = spawn.plan(&self.settings)?;
        let is_standard = matches!(plan.source, Source::Standard(_));
        let mut limits = self.settings.mailbox;
        limits.messages = spawn.mailbox_messages.unwrap_or(limits.messages);
        let mailbox = (limits, spawn.when_full.unwrap_or(self.settings.when_full));
        let name = plan.name.clone();
        let life = Box::new(Life::planned(plan));
        let (address, service) = self
            .table
            .insert_with(|address| Service::new(address, &name, self.clone(), mailbox, life))
            .map_err(|full| Fault::new(Code::Overload, full.to_string()))?;
        service.take_bytes(spawn.mailbox_bytes.unwrap_or(0));
        let registered = match &spawn.register {
            Some(name) if is_standard && *name == spawn.name => self.names.register(name, &service),
            Some(name) => self.register(name, &service),
            None => Ok(()),
        };
        if let Err(fault) = registered {
            self.table.remove(address);
            return Err(fault);
        }
        Ok(service)
    }

    /// The service with that address.
    ///
    /// # Errors
    /// `dead` when it has ended.
    #[inline]
    pub(crate) fn service(&self, address: Address) -> Result<Arc<Service>, Fault> {
        self.table.get(address).ok_or_else(|| self.ended(address))
    }

    /// What a caller of a service is told that is not in the table any more.
    #[cold]
    fn ended(&self, address: Address) -> Fault {
        match self.obituary(address) {
            Some(obituary) => obituary.to_fault(),
            None => Fault::new(Code::Dead, format!("service {address} has ended")),
        }
    }

    /// Name and address of a service, as far as they are still known.
    #[cold]
    pub(crate) fn label_of(&self, address: Address) -> String {
        match self.table.get(address) {
            Some(service) => service.label(),
            None => match self.obituary(address) {
                Some(obituary) => obituary.label().to_owned(),
                None => address.to_string(),
            },
        }
    }

    /// How a service ended, if that was not long ago.
    pub(crate) fn obituary(&self, address: Address) -> Option<Arc<Obituary>> {
        let recent = self.recent_ends.lock();
        recent.iter().rev().find(|obituary| obituary.address == address).cloned()
    }

    /// Notes how a service ends whose last turn is over, unless somebody has killed it before;
    /// nobody finds it from now on.
    pub(in crate::actor) fn conclude(&self, service: &Arc<Service>, end: End) -> Arc<Obituary> {
        let obituary = match service.note_end(end.clone()) {
            Some(obituary) => {
                self.closing.fetch_add(1, Ordering::AcqRel);
                self.remember_end(&obituary);
                obituary
            }
            None => {
                self.killed.lock().remove(&service.address());
                let noted = service.obituary().cloned();
                noted.unwrap_or_else(|| Arc::new(Obituary::new(service, end)))
            }
        };
        // Also of one that was killed: whoever does that may not have come so far yet.
        self.take_out(service);
        obituary
    }

    /// The same for a service that is killed, in the middle of a turn as well. False if it has
    /// ended before; nobody finds it then, either.
    pub(in crate::actor) fn retire(&self, service: &Arc<Service>, end: End) -> bool {
        let mut killed = self.killed.lock();
        let Some(obituary) = service.note_end(end) else {
            drop(killed);
            // Whoever has noted that end may not have come so far yet.
            self.take_out(service);
            return false;
        };
        self.closing.fetch_add(1, Ordering::AcqRel);
        self.remember_end(&obituary);
        killed.insert(service.address(), service.clone());
        drop(killed);
        self.take_out(service);
        true
    }

    /// Takes a service out of the table and its names away.
    fn take_out(&self, service: &Arc<Service>) {
        self.names.forget(service);
        self.groups.forget(service);
        self.table.remove(service.address());
    }

    /// The service of a turn that may still run: one that lives, or that was killed.
    pub(super) fn running(&self, address: Address) -> Option<Arc<Service>> {
        self.table.get(address).or_else(|| self.killed.lock().get(&address).cloned())
    }

    /// The name and address of the service whose turn this thread runs, if it is a worker.
    #[cold]
    pub(in crate::actor) fn in_turn_here(&self) -> Option<String> {
        let address = self.warden.in_turn_at(self.handle.own_worker()?)?;
        self.running(address).map(|service| service.label())
    }

    /// All services that hold memory: those that live, and those that were killed and not closed
    /// yet.
    pub(super) fn all_services(&self) -> Vec<Arc<Service>> {
        let mut all: Vec<_> =
            self.table.snapshot().into_iter().map(|(_, service)| service).collect();
        let killed = self.killed();
        if !killed.is_empty() {
            // One that is killed just now is met twice.
            all.extend(killed);
            all.sort_unstable_by_key(|service| service.address());
            all.dedup_by_key(|service| service.address());
        }
        all
    }

    /// Services that were killed and whose last turn is not over.
    pub(super) fn killed(&self) -> Vec<Arc<Service>> {
        self.killed.lock().values().cloned().collect()
    }

    /// True if no service is left but the one that stands for the Rust side.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.len() <= 1 && self.closing.load(Ordering::Acquire) == 0
    }

    /// True if nobody is left but services that the host brings along. They work for others only.
    fn serves_only_itself(&self) -> bool {
        let services = &self.settings.services;
        if self.table.len() > services.len() + 1 || self.closing.load(Ordering::Acquire) > 0 {
            return false;
        }
        let is_own = |service: &Arc<Service>| {
            Some(service.address()) == self.outside_address()
                || services.iter().any(|(name, _)| {
                    let keeper = self.names.find(name);
                    keeper.is_some_and(|keeper| Arc::ptr_eq(&keeper, service))
                })
        };
        self.table.snapshot().iter().all(|(_, service)| is_own(service))
    }

    fn remember_end(&self, obituary: &Arc<Obituary>) {
        let mut recent = self.recent_ends.lock();
        let oldest = if recent.len() >= RECENT_ENDS_MAX { recent.pop_front() } else { None };
        recent.push_back(obituary.clone());
        drop(recent);
        drop(oldest);
    }

    /// The service with that name, or with the address that the text shows (`:0000002a`).
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Service>> {
        if name.starts_with(':')
            && let Ok(address) = name.parse::<Address>()
        {
            return self.table.get(address);
        }
        self.names.find(name)
    }

    /// The service with that name.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Service>, Fault> {
        self.find(name).ok_or_else(|| {
            Fault::new(Code::NotFound, format!("no service is registered as `{name}`"))
        })
    }

    /// A setting of the host, or one that a service has made.
    pub(crate) fn env(&self, key: &[u8]) -> Option<Vec<u8>> {
        let own = || self.own_env.read().get(key).map(<[u8]>::to_vec);
        self.settings.env.get(key).cloned().or_else(own)
    }

    /// Makes a setting; false if there is one of that name.
    ///
    /// # Errors
    /// `overload` when a host keeps no more.
    pub(crate) fn set_env(&self, key: &[u8], value: &[u8]) -> Result<bool, Fault> {
        if self.settings.env.contains_key(key) {
            return Ok(false);
        }
        self.own_env.write().add(key, value)
    }

    /// Lets a service be told of the end of every other.
    pub(crate) fn set_exit_monitor(&self, service: &Service) {
        self.exit_monitor.store(service.address().number(), Ordering::Release);
    }

    /// Tells it, unless the host ends.
    pub(crate) fn tell_exit_monitor(self: &Arc<Self>, ended: Address) {
        if self.warden.is_shutting_down() {
            return;
        }
        let monitor = Address::from_number(self.exit_monitor.load(Ordering::Acquire));
        let Some(monitor) = monitor.and_then(|monitor| self.table.get(monitor)) else { return };
        if let Ok(outside) = self.outside() {
            monitor.post(skynet::ended(ended, outside.address()));
        }
    }

    /// The service is about to end; should it be the main one, the host lives on for the others.
    pub(crate) fn let_main_go(&self, service: &Service) {
        let main = service.address().number();
        let order = Ordering::AcqRel;
        if self.main.compare_exchange(main, 0, order, Ordering::Relaxed).is_ok() {
            self.ends_when_empty.store(true, Ordering::Release);
        }
    }

    /// How the main service ended.
    pub(crate) fn main_end(&self) -> Option<&Arc<Obituary>> {
        self.main_end.get()
    }

    /// A service has ended and its memory is free.
    pub(crate) fn note_gone(&self, service: &Service, obituary: &Arc<Obituary>) {
        let end = &obituary.end;
        let is_main = self.main.load(Ordering::Acquire) == service.address().number();
        log_end(service, end, is_main);
        if is_main {
            let _ = self.main_end.set(obituary.clone());
            self.warden.request_shutdown(i32::from(!end.is_orderly()));
        }
        self.closing.fetch_sub(1, Ordering::AcqRel);
        if self.ends_when_empty.load(Ordering::Acquire) && self.serves_only_itself() {
            self.warden.request_shutdown(0);
        }
        if self.is_empty() {
            self.warden.note_empty();
        }
    }
}

/// Who looks into the log wants to know of a service that has failed, since its callers may say
/// nothing. Why the main one has is told when the host ends.
fn log_end(service: &Service, end: &End, is_main: bool) {
    let (name, address, reason) = (service.name(), service.log_address(), end.message());
    if matches!(end, End::Failed(_)) && !is_main {
        tracing::warn!(service = name, address, "ended: {reason}");
    } else {
        tracing::debug!(service = name, address, "ended: {reason}");
    }
}
