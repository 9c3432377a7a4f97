//! `moonhive run --compat skynet CONFIG`: a configuration file of skynet decides what runs.
//!
//! What the command line says itself wins over the file. Every setting of the file can be read with
//! `skynet.getenv`; those that this host does nothing about are named in one warning.

use std::ffi::OsString;
use std::path::Path;

use moonhive::actor::{Host, HostBuilder, HostError, ShutdownHandle, Spawn};
use moonhive::api::skynet::Config;
use moonhive::ops::log::{self, LogSettings};

use super::Failure;
use super::config::Settings;
use super::failure::USAGE;
use super::values::Threads;

/// What `start` is without a setting.
const START: &str = "main";
/// The name under which a service takes the log over.
const LOGGER: &str = ".logger";

/// Reads the file.
///
/// # Errors
/// With the exit code of wrong usage.
pub fn read(file: &str) -> Result<Config, Failure> {
    if Path::new(file).is_dir() {
        return Err(Failure::new(format!("{file} is a directory"))
            .hint("give the path of the configuration of skynet in it, such as DIR/config")
            .exit_code(USAGE));
    }
    Config::read(Path::new(file)).map_err(|error| {
        Failure::new(format!("cannot read the configuration {file}: {error}"))
            .hint("with `--compat skynet` the file is a configuration of skynet, not a service")
            .exit_code(USAGE)
    })
}

/// The main service and its arguments.
pub fn main_service(config: &Config, arguments: &[OsString]) -> (String, Vec<OsString>) {
    let mut words = config.get("start").unwrap_or(START).split_whitespace();
    let main = words.next().unwrap_or(START).to_owned();
    (main, words.map(OsString::from).chain(arguments.iter().cloned()).collect())
}

/// Where log lines go: to the file that `logger` names, unless a service takes them.
pub fn log_settings(config: &Config, settings: LogSettings) -> LogSettings {
    match config.get("logger") {
        Some(file) if log_service(config).is_none() => settings.to_file(file),
        _ => settings,
    }
}

/// The service that `logservice` and `logger` ask for: `snlua` and the name of a service.
fn log_service(config: &Config) -> Option<&str> {
    config.get("logger").filter(|_| config.get("logservice") == Some("snlua"))
}

/// Adds what the file says to the host that the command line describes.
pub fn apply(config: &Config, settings: &Settings, mut builder: HostBuilder) -> HostBuilder {
    if let Some(threads) = config.get("thread").and_then(|text| text.parse::<Threads>().ok())
        && settings.threads.is_none()
    {
        builder = builder.threads(threads.0.get());
    }
    for (key, value) in config.values() {
        let is_overridden = settings.set.iter().any(|(own, _)| own == key);
        if !is_overridden {
            builder = builder.env_bytes(key, value);
        }
    }
    if let Some(file) = config.get("preload") {
        builder = builder.preload(file);
    }
    if let Some(file) = config.own_loader() {
        builder = builder.loader(file);
    }
    builder
        .service_patterns(config.patterns("luaservice"))
        .module_patterns(config.patterns("lua_path"))
        .c_module_patterns(config.patterns("lua_cpath"))
}

/// Warns of what has no effect or makes no sense, and starts the service that takes the log.
///
/// # Errors
/// When that service does not start.
pub fn prepare(config: &Config, host: &Host) -> Result<(), HostError> {
    if let Some(warning) = config.warning() {
        tracing::warn!("{warning}");
    }
    if let Some(name) = log_service(config) {
        host.spawn(Spawn::named(name).for_skynet().register(LOGGER), ())?;
    }
    Ok(())
}

/// True if the configuration says where the log goes.
pub fn names_log(config: &Config) -> bool {
    config.get("logger").is_some()
}

/// Opens the log file anew, or has the service that takes the log do what it does then. False if
/// there is neither.
pub fn renew_log(host: &ShutdownHandle) -> bool {
    log::reopen() | host.renew_log()
}
