//! What an embedder or the command line decides about a host.

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use moonhive_kernel::mailbox::Limits;

use crate::actor::limits::{SHUTDOWN_GRACE, TURN_LIMIT};
use crate::code::Mode;
use crate::vm::{Native, Stack};

/// What happens to a message that does not fit into a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// The sender gets the error `overload`.
    #[default]
    Refuse,
    /// The message is taken all the same, and the log warns.
    Warn,
    /// The oldest messages make room; their callers get the error `overload`.
    DropOldest,
}

/// A name that no policy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no policy of a full mailbox (expected refuse, warn, drop_oldest)")]
pub struct WhenFullError(String);

impl FromStr for WhenFull {
    type Err = WhenFullError;

    fn from_str(name: &str) -> Result<WhenFull, WhenFullError> {
        match name {
            "refuse" => Ok(WhenFull::Refuse),
            "warn" => Ok(WhenFull::Warn),
            "drop_oldest" => Ok(WhenFull::DropOldest),
            _ => Err(WhenFullError(name.to_owned())),
        }
    }
}

/// A service that is part of the host, found by its name before any file: the name and its Lua
/// text.
pub type StandardService = (&'static str, &'static str);

/// Prepares a new VM: what it leaves on the stack is removed.
pub type Prelude = fn(&mut Stack<'_>);

/// Everything decided before a host starts.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) threads: usize,
    /// Directories, for modules and services alike.
    pub(crate) path: Vec<PathBuf>,
    /// Where services are looked up before that: patterns in which `?` stands for the name.
    pub(crate) service_patterns: Vec<String>,
    /// What `package.path` begins with, and `package.cpath`.
    pub(crate) module_patterns: Vec<String>,
    pub(crate) c_module_patterns: Vec<String>,
    /// A file that runs before that of every service.
    pub(crate) preload: Option<PathBuf>,
    /// A file that loads services for skynet in the host's place.
    pub(crate) loader: Option<PathBuf>,
    pub(crate) env: HashMap<Vec<u8>, Vec<u8>>,
    pub(crate) memory_limit_bytes: Option<usize>,
    pub(crate) mailbox: Limits,
    pub(crate) when_full: WhenFull,
    pub(crate) turn_limit: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) cache_mode: Mode,
    pub(crate) compat_54: bool,
    /// Modules for `require`, by name.
    pub(crate) modules: Vec<(String, Native)>,
    pub(crate) services: Vec<StandardService>,
    /// The same, of those that run code of the program: what runs before every file does there too.
    pub(crate) programs: Vec<StandardService>,
    /// Those that programs for skynet get for which no file is found.
    pub(crate) stand_ins: Vec<StandardService>,
    /// The names of those that have them also while nobody has asked for them.
    pub(crate) own_names: Vec<&'static str>,
    /// Called in every new VM, in order.
    pub(crate) preludes: Vec<Prelude>,
    /// Has the allocator of the calling thread give back what is free.
    pub(crate) trim: Option<fn()>,
}

impl Settings {
    /// The patterns and the directories as patterns of `package.path`.
    pub(crate) fn module_path(&self) -> String {
        let patterns = |directory: &PathBuf| {
            let directory = directory.display();
            format!("{directory}/?.lua;{directory}/?/init.lua")
        };
        let own = self.module_patterns.iter().cloned();
        own.chain(self.path.iter().map(patterns)).collect::<Vec<_>>().join(";")
    }

    /// The patterns and the directories as a program for skynet finds them in one string.
    pub(crate) fn service_path(&self) -> String {
        let patterns = |directory: &PathBuf| {
            let directory = directory.display();
            format!("{directory}/?.lua;{directory}/?/main.lua;{directory}/?/init.lua")
        };
        let own = self.service_patterns.iter().cloned();
        own.chain(self.path.iter().map(patterns)).collect::<Vec<_>>().join(";")
    }

    /// The text of the standard service of that name.
    pub(crate) fn standard_service(&self, name: &str) -> Option<&'static str> {
        let mut all = self.services.iter().chain(&self.programs);
        all.find(|(own, _)| *own == name).map(|(_, text)| *text)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            path: Vec::new(),
            service_patterns: Vec::new(),
            module_patterns: Vec::new(),
            c_module_patterns: Vec::new(),
            preload: None,
            loader: None,
            env: HashMap::new(),
            memory_limit_bytes: None,
            mailbox: Limits::default(),
            when_full: WhenFull::default(),
            turn_limit: Some(TURN_LIMIT),
            grace: SHUTDOWN_GRACE,
            cache_mode: Mode::default(),
            compat_54: true,
            modules: Vec::new(),
            services: Vec::new(),
            programs: Vec::new(),
            stand_ins: Vec::new(),
            own_names: Vec::new(),
            preludes: Vec::new(),
            trim: None,
        }
    }
}
