//! The host as the program around it sees it: building, spawning, calling, waiting for the end.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | [`Host`] and [`HostBuilder`] |
//! | `settings`, `own_settings` | what the program decides about a host; what services set while it runs |
//! | `core` | what every service, every worker and every handle reaches: address table, names, code cache |
//! | `workload`, `worker` | what the scheduler asks of a host; what its threads bring along |
//! | `names`, `groups` | services by their names, and many under one |
//! | `outside` | threads of the program that call services |
//! | `warden`, `shutdown` | turns that overrun, and the end of the host, stage by stage |
//! | `retired` | asking those who sleep to let go of code that was replaced |
//! | `view`, `inquiry`, `totals` | the host as an operator sees it; who waits for whom; sums over all services |

pub(super) mod core;
mod groups;
pub(super) mod inquiry;
mod names;
pub(super) mod outside;
mod own_settings;
mod retired;
pub(super) mod settings;
mod shutdown;
pub(super) mod totals;
pub(super) mod view;
mod warden;
pub(super) mod worker;
pub(super) mod workload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moonhive_kernel::scheduler::{Options, Scheduler, StartError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::core::Core;
use self::settings::{Prelude, Settings, StandardService, WhenFull};
use self::totals::HostStats;
use self::view::Observer;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::WAIT_SECONDS_MAX;
use crate::actor::message::{Caller, Message};
use crate::actor::record::request::{RequestId, Terms};
use crate::actor::service::plan::Spawn;
use crate::actor::service::{Leaving, Service};
use crate::actor::task::NEVER_MS;
use crate::code::Mode;
use crate::message::{FromPayloadError, PackError, from_payload, to_payload, to_request};
use crate::vm::Native;

/// Why a host could not do what its embedder asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A worker thread could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The thread that watches the workers could not be started.
    #[error("cannot start the warden thread: {0}")]
    Warden(#[source] std::io::Error),
    /// The call, or what it called, failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The arguments have no form in Lua.
    #[error("cannot send the arguments: {0}")]
    Arguments(#[from] PackError),
    /// The answer is not what the program expected.
    #[error("unexpected answer: {0}")]
    Answer(#[from] FromPayloadError),
}

impl HostError {
    /// The fault, if it is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            HostError::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}

/// Decides how a host is, and starts it. `Host::builder()` begins with the modules that services
/// expect.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct HostBuilder {
    settings: Settings,
}

impl HostBuilder {
    /// A host whose services know Lua's own libraries only.
    pub fn bare() -> HostBuilder {
        HostBuilder::default()
    }

    /// Worker threads; one for each core by default.
    pub fn threads(mut self, threads: usize) -> HostBuilder {
        self.settings.threads = threads.max(1);
        self
    }

    /// Adds a directory in which modules and services are looked up.
    pub fn path(mut self, directory: impl Into<PathBuf>) -> HostBuilder {
        self.settings.path.push(directory.into());
        self
    }

    /// A value that services read with `hive.env(key)`.
    pub fn env(self, key: impl Into<String>, value: impl Into<String>) -> HostBuilder {
        self.env_bytes(key.into(), value.into())
    }

    /// The same for what need not be UTF-8.
    pub fn env_bytes(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> HostBuilder {
        self.settings.env.insert(key.into(), value.into());
        self
    }

    /// The most Lua memory that a service may use; no limit by default. What natives hold for its
    /// program outside Lua counts as well. Not counted are messages that wait for it, dictionaries
    /// in shared memory, code and tables that all services share, and what a native copies of its
    /// arguments while it runs.
    pub fn memory_limit_bytes(mut self, limit: usize) -> HostBuilder {
        self.settings.memory_limit_bytes = Some(limit);
        self
    }

    /// The most messages and bytes that wait in the mailbox of a service.
    pub fn mailbox_limit(mut self, messages: usize, size_bytes: usize) -> HostBuilder {
        self.settings.mailbox.messages = messages;
        self.settings.mailbox.size_bytes = size_bytes;
        self
    }

    /// What happens to a message that does not fit.
    pub fn when_full(mut self, policy: WhenFull) -> HostBuilder {
        self.settings.when_full = policy;
        self
    }

    /// Processor time that a piece of Lua may take before it is interrupted; `None` for as much as
    /// it likes.
    pub fn turn_limit(mut self, limit: Option<Duration>) -> HostBuilder {
        self.settings.turn_limit = limit;
        self
    }

    /// How the allocator of a worker's thread is asked to give free memory back to the system.
    /// Called on every worker some time after services have ended; without it nothing is asked.
    pub fn trim(mut self, trim: fn()) -> HostBuilder {
        self.settings.trim = Some(trim);
        self
    }

    /// Time that services get at shutdown: eight tenths for requests that are being served, one for
    /// exit handlers, one for closing what is open.
    pub fn grace(mut self, grace: Duration) -> HostBuilder {
        // No clock counts further.
        self.settings.grace = grace.min(Duration::from_secs_f64(WAIT_SECONDS_MAX));
        self
    }

    /// How services use the code cache.
    pub fn cache_mode(mut self, mode: Mode) -> HostBuilder {
        self.settings.cache_mode = mode;
        self
    }

    /// Whether chunks that assign to loop variables get the meaning of Lua 5.4; they do by default.
    pub fn compat_54(mut self, compat: bool) -> HostBuilder {
        self.settings.compat_54 = compat;
        self
    }

    /// A module that services can `require`, made by a native function.
    pub fn module(mut self, name: impl Into<String>, open: Native) -> HostBuilder {
        self.settings.modules.push((name.into(), open));
        self
    }

    /// Patterns in which `?` stands for the name of a service: looked up before the directories.
    pub fn service_patterns<I: IntoIterator<Item: Into<String>>>(mut self, patterns: I) -> Self {
        self.settings.service_patterns.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Patterns that `package.path` begins with.
    pub fn module_patterns<I: IntoIterator<Item: Into<String>>>(mut self, patterns: I) -> Self {
        self.settings.module_patterns.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Patterns that `package.cpath` begins with.
    pub fn c_module_patterns<I: IntoIterator<Item: Into<String>>>(mut self, patterns: I) -> Self {
        self.settings.c_module_patterns.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// A Lua file that runs in every service before its own file, with the name of the service,
    /// which services for skynet have, and the same arguments.
    pub fn preload(mut self, file: impl Into<PathBuf>) -> HostBuilder {
        self.settings.preload = Some(file.into());
        self
    }

    /// A Lua file that loads the services of a program for skynet, in the way that skynet has it do
    /// that: those that `skynet.newservice` starts, and those of [`Spawn::for_skynet`].
    pub fn loader(mut self, file: impl Into<PathBuf>) -> HostBuilder {
        self.settings.loader = Some(file.into());
        self
    }

    /// Services that are found by these names before any file is looked for.
    pub fn services(mut self, services: &[StandardService]) -> HostBuilder {
        self.settings.services.extend_from_slice(services);
        self
    }

    /// The same for services that begin when somebody first asks for their names. No other service
    /// can have these names, also before that.
    pub fn named_services(mut self, services: &[StandardService]) -> HostBuilder {
        self.settings.own_names.extend(services.iter().map(|(name, _)| *name));
        self.services(services)
    }

    /// Services as those of [`HostBuilder::services`] that run code of the program: the files of
    /// [`HostBuilder::preload`] and [`HostBuilder::loader`] run there as well.
    pub fn programs(mut self, services: &[StandardService]) -> HostBuilder {
        self.settings.programs.extend_from_slice(services);
        self
    }

    /// Services that programs for skynet get by these names if no file is found for them.
    pub fn stand_ins(mut self, services: &[StandardService]) -> HostBuilder {
        self.settings.stand_ins.extend_from_slice(services);
        self
    }

    /// Prepares every new VM before it runs anything.
    pub fn prelude(mut self, prelude: Prelude) -> HostBuilder {
        self.settings.preludes.push(prelude);
        self
    }

    /// Starts the host.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn build(self) -> Result<Host, HostError> {
        let mut made = None;
        let options = Options {
            workers: self.settings.threads,
            thread_name: "hive".to_owned(),
            ..Options::default()
        };
        let scheduler = Scheduler::start(&options, |handle| {
            let core = Arc::new(Core::new(handle, self.settings));
            made = Some(core.clone());
            core
        })?;
        let core = made.expect("a scheduler that started has made its workload");
        core.outside()?;
        let warden = std::thread::Builder::new().name("hive-warden".to_owned()).spawn({
            let core = core.clone();
            move || warden::main(&core)
        });
        let warden = Some(warden.map_err(HostError::Warden)?);
        Ok(Host { core, scheduler: Some(scheduler), warden })
    }
}

/// The name of a running service for the Rust side: its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceId(moonhive_kernel::address::Address);

impl ServiceId {
    pub(super) fn of(service: &Service) -> ServiceId {
        ServiceId(service.address())
    }
}

impl From<moonhive_kernel::address::Address> for ServiceId {
    fn from(address: moonhive_kernel::address::Address) -> ServiceId {
        ServiceId(address)
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A running host. Dropping it shuts it down.
pub struct Host {
    core: Arc<Core>,
    scheduler: Option<Scheduler<Core>>,
    warden: Option<std::thread::JoinHandle<()>>,
}

/// How a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finish {
    /// The exit code: 0, what `hive.shutdown(code)` or `os.exit(code)` said, or 1 when the main
    /// service failed.
    pub code: i32,
    /// Why the main service failed, if it did.
    pub failure: Option<Fault>,
    /// Figures at the end; those of memory are averages over all services that ever were.
    pub stats: HostStats,
    /// True if workers were still inside a turn when patience with them was over. Their threads
    /// live on.
    pub left_behind: bool,
}

/// A way to end the host from any thread, for instance from a signal handler's.
#[derive(Clone)]
pub struct ShutdownHandle {
    core: Arc<Core>,
}

impl ShutdownHandle {
    /// Asks the host to shut down; the first exit code counts. Does not wait.
    pub fn shutdown(&self, code: i32) {
        self.core.warden.request_shutdown(code);
    }

    /// Tells the service that has taken the log over, if there is one, to begin it anew: it gets an
    /// empty message of skynet's protocol `"system"`. False if there is none.
    pub fn renew_log(&self) -> bool {
        self.core.renew_log()
    }
}

impl Host {
    /// Starts a service, waits until its file has returned, and says where it is.
    ///
    /// # Errors
    /// [`HostError::Fault`]: `not_found`, or what went wrong while its file ran.
    pub fn spawn(
        &self,
        spawn: impl Into<Spawn>,
        arguments: impl Serialize,
    ) -> Result<ServiceId, HostError> {
        let arguments = to_payload(&arguments)?;
        let (caller, pending) = self.core.waiting.begin(self.core.outside()?);
        let service = self.core.spawn(&spawn.into(), arguments, caller)?;
        pending.wait(None)?;
        Ok(ServiceId(service.address()))
    }

    /// Runs a service as the main one and waits for the end of the host: when the service ends,
    /// when some service says so, or by a [`ShutdownHandle`].
    ///
    /// # Errors
    /// [`HostError::Fault`] when there is no such service. What goes wrong later is in [`Finish`].
    pub fn run(
        self,
        spawn: impl Into<Spawn>,
        arguments: impl Serialize,
    ) -> Result<Finish, HostError> {
        let arguments = to_payload(&arguments)?;
        let caller = Caller::sender(self.core.outside()?.address());
        match self.core.spawn_main(&spawn.into(), arguments, caller) {
            // The host was told to end before it began.
            Err(fault) if fault.code == Code::Shutdown => {}
            result => result?,
        }
        Ok(self.wait())
    }

    /// Calls a method of a service and waits for the answer.
    ///
    /// `arguments` is a tuple (or `()`); the answer is a tuple or one value.
    ///
    /// # Errors
    /// [`HostError::Fault`] when the call fails, [`HostError::Arguments`] and [`HostError::Answer`]
    /// when the values do not fit their types.
    pub fn call<R: DeserializeOwned>(
        &self,
        service: ServiceId,
        method: &str,
        arguments: impl Serialize,
    ) -> Result<R, HostError> {
        self.call_within(service, method, arguments, None)
    }

    /// The same with a deadline, which goes along with the calls that the service makes.
    ///
    /// # Errors
    /// As [`Host::call`], and `timeout`.
    pub fn call_within<R: DeserializeOwned>(
        &self,
        service: ServiceId,
        method: &str,
        arguments: impl Serialize,
        timeout: Option<Duration>,
    ) -> Result<R, HostError> {
        let payload = to_request(method, &arguments)?;
        let target = self.core.service(service.0)?;
        let (caller, pending) = self.core.waiting.begin(self.core.outside()?);
        let clock = self.core.handle.clock();
        let deadline_ms = timeout.map_or(NEVER_MS, |timeout| clock.deadline_ms(timeout));
        let request = self.core.outside_request(caller.session());
        let terms = Terms { deadline_ms, request };
        target.request(Message::Request { caller, payload, terms })?;
        Ok(from_payload(&pending.wait(timeout)?)?)
    }

    /// Sends a message that nobody answers.
    ///
    /// # Errors
    /// `dead`, `overload`.
    pub fn send(
        &self,
        service: ServiceId,
        method: &str,
        arguments: impl Serialize,
    ) -> Result<(), HostError> {
        let payload = to_request(method, &arguments)?;
        let caller = Caller::sender(self.core.outside()?.address());
        let target = self.core.service(service.0)?;
        let terms = Terms::timeless(RequestId::NONE);
        Ok(target.request(Message::Request { caller, payload, terms })?)
    }

    /// The service registered under a name.
    pub fn find(&self, name: &str) -> Option<ServiceId> {
        self.core.names.find(name).map(|service| ServiceId(service.address()))
    }

    /// Ends a service at once; false if it has ended already.
    pub fn kill(&self, service: ServiceId, reason: &str) -> bool {
        match self.core.service(service.0) {
            Ok(service) => kill(&service, Some(reason.to_owned())),
            Err(_) => false,
        }
    }

    /// Figures at this moment.
    pub fn stats(&self) -> HostStats {
        HostStats::with_profile(&self.core)
    }

    /// A way to end the host from elsewhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle { core: self.core.clone() }
    }

    /// A way to look at the host from elsewhere.
    pub fn observer(&self) -> Observer {
        Observer::new(self.core.clone())
    }

    /// Shuts the host down with exit code 0 and waits for the end.
    pub fn shutdown(self) -> Finish {
        self.core.warden.request_shutdown(0);
        self.wait()
    }

    /// Waits until the host has shut down.
    pub fn wait(mut self) -> Finish {
        self.finish()
    }

    fn finish(&mut self) -> Finish {
        let (code, workers_deadline) = self.core.warden.wait_until_done();
        let mut left_behind = false;
        if let Some(mut scheduler) = self.scheduler.take()
            && let Err(stuck) =
                scheduler.join(workers_deadline.saturating_duration_since(Instant::now()))
        {
            tracing::error!("{stuck}; they are left behind");
            scheduler.abandon();
            left_behind = true;
        }
        if let Some(warden) = self.warden.take() {
            // A panic of the warden was printed where it happened.
            let _ = warden.join();
        }
        let failure = self.core.main_end().and_then(|obituary| match &obituary.end {
            End::Failed(fault) => Some(fault.clone()),
            End::Killed(_) => Some(obituary.to_fault()),
            _ => None,
        });
        Finish { code, failure, stats: self.stats(), left_behind }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.scheduler.is_some() {
            self.core.warden.request_shutdown(0);
            self.finish();
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("services", &self.core.table.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ShutdownHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ShutdownHandle").finish_non_exhaustive()
    }
}

/// Asks a service to end in order. False if it has ended before.
pub(crate) fn stop(service: &Arc<Service>, reason: Option<String>) -> bool {
    !is_outside(service) && service.control(Message::Stop(Box::new(End::Stopped(reason))))
}

/// True for what stands for the Rust side, which lives as long as the host.
fn is_outside(service: &Arc<Service>) -> bool {
    Some(service.address()) == service.core().outside_address()
}

/// Ends a service without running any more of its code, also in the middle of a turn. When this
/// returns nobody finds it any more, although that turn may still run. False if it has ended
/// before.
pub(crate) fn kill(service: &Arc<Service>, reason: Option<String>) -> bool {
    put_an_end(service, reason, false)
}

/// The same, but a turn that runs goes on until its task waits or ends, and what it sends and
/// answers until then arrives; but not for longer than
/// [`SPARED_TURN`](crate::actor::limits::SPARED_TURN).
pub(crate) fn kill_after_turn(service: &Arc<Service>) -> bool {
    put_an_end(service, None, true)
}

fn put_an_end(service: &Arc<Service>, reason: Option<String>, spares_turn: bool) -> bool {
    if is_outside(service) {
        return false;
    }
    // Whoever spares nothing counts, before or after.
    service.figures.set_spares_turn(spares_turn && !service.is_killed());
    let end = End::Killed(reason);
    service.figures.leave(Leaving::Killed);
    if !service.core().retire(service, end.clone()) {
        return false;
    }
    service.turn_away(Message::Kill(Box::new(end)));
    service.core().warden.hurry();
    true
}

#[cfg(test)]
mod tests;
