//! `moonhive run`: starts a host and its main service, and waits for the end.
//!
//! Everything here goes through [`Host::builder`](moonhive::actor::Host), as in any other program
//! that embeds the library; the command only turns settings into a host and its end into an exit
//! code.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use moonhive::actor::{Code, Fault, Finish, Host, HostBuilder, HostError, Spawn};
use moonhive::ops::report::Reporter;
use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use super::config::Settings;
use super::failure::USAGE;
use super::stats::{Report, resident_bytes};
use super::values::Compat;
use super::{Failure, Outcome, signals, skynet};

const EXAMPLES: &str = "\
Examples:
  moonhive run main.lua                          a script or a service, by file
  moonhive run --path services gate 8080         a service, by name, with an argument
  moonhive run --threads 4 --stats main.lua      four workers, figures at exit
  moonhive run --set port=8080 --log debug,json main.lua
  moonhive run --config moonhive.toml main.lua
  moonhive run --compat skynet config            what a configuration of skynet says

Settings are taken from the file given by --config, then from MOONHIVE_* variables, then from
flags; the later ones win. --set has no variable, and an empty variable counts as none.

Modules and services are looked up in the directories of --path, then beside the main file, then in
Lua's own path.

Exit code: 0 when the main service ends, 1 when it fails, 2 for wrong arguments, and whatever
hive.shutdown(CODE) or os.exit(CODE) says. SIGTERM and SIGINT end the host gracefully; a second
signal, at least half a second later, ends it at once. SIGHUP begins a log file anew, or has the
service that takes the log do so; where there is neither it ends the host gracefully, unless it was
ignored from the start (nohup). SIGUSR1 has the log say what the host is at: the services that use
most time and memory or have messages waiting, and where code is that runs now.";

/// How long the end waits for a reader of the log who reads nothing.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// So long after its host the process ends when it was told to, even in the middle of output that
/// nobody reads.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Run a service and all that it spawns.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,

    /// Read settings from a TOML file
    #[arg(long, value_name = "FILE", env = "MOONHIVE_CONFIG")]
    config: Option<PathBuf>,

    /// The main service: a file, or a name looked up in the directories of --path
    #[arg(value_name = "FILE|NAME")]
    main: String,

    /// Arguments of the main service, as strings
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let settings = self.settings.over(file);
        let is_skynet = settings.compat == Some(Compat::Skynet);
        let config = is_skynet.then(|| skynet::read(&self.main)).transpose()?;
        let mut log = settings.log.clone().unwrap_or_default();
        let (mut main, mut arguments) = (self.main, self.arguments);
        let mut builder = builder(&settings, &main);
        if let Some(config) = &config {
            log = skynet::log_settings(config, log);
            builder = skynet::apply(config, &settings, builder);
            (main, arguments) = skynet::main_service(config, &arguments);
        }
        moonhive::ops::log::init(&log).map_err(|error| Failure::from(error).exit_code(USAGE))?;
        tracing::debug!(main, settings = ?settings.without_values(), "starting");

        signals::outlive_failed_writes()?;
        let host = builder.build()?;
        let handle = host.shutdown_handle();
        let logging = host.shutdown_handle();
        let reporter = Arc::new(Mutex::new(Reporter::new(host.observer())));
        signals::on_first(signals::Acts {
            report: move || report(&reporter),
            names_log: config.as_ref().is_some_and(skynet::names_log),
            renew_log: move || skynet::renew_log(&logging),
            shut_down: move || handle.shutdown(0),
        })?;
        if let Some(config) = &config {
            skynet::prepare(config, &host).map_err(not_started)?;
        }
        let arguments: Vec<Word<'_>> = arguments.iter().map(|word| Word(word)).collect();
        let main_service = Spawn::named(main.as_str());
        let run =
            host.run(if is_skynet { main_service.for_skynet() } else { main_service }, &arguments);
        let is_logged = log.is_json() && log_failure(run.as_ref().ok());
        see_to_the_end(run.as_ref().ok())?;
        let finish = run.map_err(|error| not_started_main(&main, error))?;
        if settings.stats == Some(true) {
            let report = Report { stats: &finish.stats, resident_bytes: resident_bytes() };
            // Nobody is left to be told that standard error is closed.
            let _ = write!(std::io::stderr(), "{report}");
        }
        if is_logged {
            return Ok(ExitCode::from(exit_code(finish.code)));
        }
        outcome(&finish)
    }
}

/// Begins a report, unless one is under way: it may have to wait for services, and signals must
/// not.
fn report(reporter: &Arc<Mutex<Reporter>>) {
    let reporter = Arc::clone(reporter);
    let log = move || {
        if let Some(mut reporter) = reporter.try_lock() {
            reporter.log();
        }
    };
    if let Err(error) = thread::Builder::new().name("report".to_owned()).spawn(log) {
        tracing::error!("cannot report: {error}");
    }
}

/// Logs why the main service failed, if it did: who reads JSON has no use for the text that people
/// get.
fn log_failure(finish: Option<&Finish>) -> bool {
    let Some(fault) = finish.and_then(|finish| finish.failure.as_ref()) else { return false };
    let text = format!("{}\n{}", fault.message, fault.traceback);
    tracing::error!("the main service has failed: {}", text.trim_end());
    tracing::enabled!(tracing::Level::ERROR)
}

/// Writes what is left of the log. A process that a signal has asked to end does so soon, whoever
/// reads its output or not; so does one with workers that were left in the middle of writing it.
/// Others wait for their readers, as any program does.
fn see_to_the_end(finish: Option<&Finish>) -> std::io::Result<()> {
    if signals::have_asked() || finish.is_some_and(|finish| finish.left_behind) {
        signals::end_in(END_PATIENCE, finish.map_or(1, |finish| exit_code(finish.code)))?;
    }
    moonhive::ops::log::flush(LOG_PATIENCE);
    Ok(())
}

/// The host that the settings describe; what they leave open keeps the library's default.
fn builder(settings: &Settings, main: &str) -> HostBuilder {
    let mut builder = Host::builder().trim(moonhive::vm::mimalloc::trim);
    if let Some(threads) = settings.threads {
        builder = builder.threads(threads.0.get());
    }
    for dir in settings.path.iter().map(PathBuf::as_path).chain(beside(main)) {
        builder = builder.path(dir);
    }
    for (key, value) in &settings.set {
        builder = builder.env(key, value);
    }
    if let Some(limit) = settings.memory_limit {
        builder = builder.memory_limit_bytes(limit.bytes);
    }
    if let Some(limit) = settings.turn_limit {
        builder = builder.turn_limit(limit.0);
    }
    if let Some(grace) = settings.grace {
        builder = builder.grace(grace.0);
    }
    if let Some(mode) = settings.cache {
        builder = builder.cache_mode(mode);
    }
    builder.compat_54(settings.compat != Some(Compat::Off))
}

/// The directory of the main service, if it is given as a file.
fn beside(main: &str) -> Option<&Path> {
    let parent = Path::new(main).parent().filter(|_| main.ends_with(".lua"))?;
    Some(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// A word of the command line: to Lua a string, whatever its bytes are.
struct Word<'a>(&'a OsStr);

impl Serialize for Word<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_bytes())
    }
}

/// Why the main service did not start.
fn not_started_main(main: &str, error: HostError) -> Failure {
    let is_missing = error.fault().is_some_and(|fault| fault.code == Code::NotFound);
    match std::fs::metadata(main) {
        Ok(found) if is_missing && found.is_dir() => Failure::new(format!("{main} is a directory"))
            .hint("give the path of the file to run in it, such as DIR/main.lua")
            .exit_code(USAGE),
        Ok(found) if is_missing && !found.is_file() => {
            Failure::new(format!("{main} is no regular file"))
                .hint("save the program in a file, or run a plain script with `moonhive lua -`")
                .exit_code(USAGE)
        }
        _ => not_started(error),
    }
}

/// Why there was nothing to run.
fn not_started(error: HostError) -> Failure {
    match error.fault() {
        Some(fault) if fault.code == Code::NotFound => failure_of(fault)
            .hint("name its directory with --path, or give the path of the file")
            .exit_code(USAGE),
        Some(fault) => failure_of(fault),
        None => error.into(),
    }
}

/// The exit code of a host that ran.
fn outcome(finish: &Finish) -> Outcome {
    let code = exit_code(finish.code);
    match &finish.failure {
        Some(fault) => Err(failure_of(fault).exit_code(code)),
        None => Ok(ExitCode::from(code)),
    }
}

/// The low eight bits, which are all that the system passes on.
fn exit_code(code: i32) -> u8 {
    (code & 0xff) as u8
}

/// A fault as people read it: message, traceback, and its hint on a line of its own.
fn failure_of(fault: &Fault) -> Failure {
    let (message, hint) = match fault.message.split_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (fault.message.as_str(), None),
    };
    let text = format!("{message}\n{}", fault.traceback);
    let failure = Failure::new(text.trim_end());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
