//! What a new service will run, and where it is found.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::actor::fault::{Code, Fault};
use crate::actor::host::settings::{Settings, WhenFull};
use crate::actor::limits::{
    SERVICE_MEMORY_MIN_BYTES, SKYNET_MAILBOX_BYTES, SKYNET_MAILBOX_MESSAGES,
};
use crate::code::Mode;

/// How a service is started.
///
/// ```
/// use moonhive::actor::Spawn;
///
/// let spawn = Spawn::named("counter").register("main-counter").memory_limit_bytes(1 << 20);
/// # let _ = spawn;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Spawn {
    pub(crate) name: String,
    pub(crate) text: Option<String>,
    pub(crate) register: Option<String>,
    pub(crate) memory_limit_bytes: Option<usize>,
    pub(crate) mailbox_messages: Option<usize>,
    pub(crate) mailbox_bytes: Option<usize>,
    pub(crate) when_full: Option<WhenFull>,
    pub(crate) cache_mode: Option<Mode>,
    lookup: Lookup,
    is_for_skynet: bool,
    is_cell: bool,
}

/// Where the file of a service is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lookup {
    /// As modules are.
    Modules,
    /// As skynet does first: the name stands in patterns as it is, whatever it holds.
    Patterns,
}

impl Spawn {
    /// A service by its name, looked up in the host's path, or by the path of its file (a name that
    /// holds a `/` or ends in `.lua`).
    pub fn named(name: impl Into<String>) -> Spawn {
        Spawn {
            name: name.into(),
            text: None,
            register: None,
            memory_limit_bytes: None,
            mailbox_messages: None,
            mailbox_bytes: None,
            when_full: None,
            cache_mode: None,
            lookup: Lookup::Modules,
            is_for_skynet: false,
            is_cell: false,
        }
    }

    /// A service by the name that skynet would find it by, with the mailbox of such a service.
    pub(crate) fn by_skynet_name(name: impl Into<String>) -> Spawn {
        Spawn {
            lookup: Lookup::Patterns,
            mailbox_messages: Some(SKYNET_MAILBOX_MESSAGES),
            mailbox_bytes: Some(SKYNET_MAILBOX_BYTES),
            ..Spawn::named(name)
        }
        .for_skynet()
    }

    /// The service is one for skynet: it is loaded by the host's loader, if that has one.
    pub fn for_skynet(mut self) -> Spawn {
        self.is_for_skynet = true;
        self
    }

    /// A service whose file is this text.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Spawn {
        Spawn { text: Some(text.into()), ..Spawn::named(name) }
    }

    /// A service of skynet that runs a function of the program, whose name and code are its first
    /// arguments; what runs before every file does there too.
    pub(crate) fn cell(name: impl Into<String>, text: &'static str) -> Spawn {
        Spawn { is_cell: true, ..Spawn::text(name, text) }.for_skynet()
    }

    /// Registers the service under a name before its file runs.
    pub fn register(mut self, name: impl Into<String>) -> Spawn {
        self.register = Some(name.into());
        self
    }

    /// The most Lua memory it may use, in place of the host's setting. What counts and what does
    /// not: [`HostBuilder::memory_limit_bytes`](crate::actor::HostBuilder::memory_limit_bytes).
    pub fn memory_limit_bytes(mut self, limit: usize) -> Spawn {
        self.memory_limit_bytes = Some(limit);
        self
    }

    /// The most messages its mailbox holds, in place of the host's setting.
    pub fn mailbox_messages(mut self, limit: usize) -> Spawn {
        self.mailbox_messages = Some(limit);
        self
    }

    /// What happens to messages that do not fit, in place of the host's setting.
    pub fn when_full(mut self, policy: WhenFull) -> Spawn {
        self.when_full = Some(policy);
        self
    }

    /// How it uses the code cache, in place of the host's setting.
    pub fn cache_mode(mut self, mode: Mode) -> Spawn {
        self.cache_mode = Some(mode);
        self
    }

    /// What to run.
    ///
    /// # Errors
    /// `not_found`, with the files that were tried; `argument` for a limit under which nothing
    /// could run.
    pub(crate) fn plan(&self, settings: &Settings) -> Result<Plan, Fault> {
        self.check_memory_limit()?;
        let source = match (&self.text, settings.standard_service(&self.name)) {
            (Some(text), _) => Source::Text(text.clone()),
            (None, Some(text)) => Source::Standard(text),
            (None, None) => match (self.file(settings), self.stand_in(settings)) {
                (Err(_), Some(text)) => Source::Standard(text),
                (file, _) => Source::File(file?),
            },
        };
        let name = match self.lookup {
            Lookup::Modules => short_name(&self.name),
            Lookup::Patterns => self.name.clone(),
        };
        let is_of_program = match source {
            Source::File(_) => true,
            Source::Text(_) => self.is_cell,
            Source::Standard(_) => settings.programs.iter().any(|(own, _)| *own == self.name),
        };
        Ok(Plan {
            source,
            name,
            memory_limit_bytes: self.memory_limit_bytes,
            cache_mode: self.cache_mode,
            awaits_start: self.lookup == Lookup::Patterns,
            is_for_skynet: self.is_for_skynet,
            is_of_program,
            is_cell: self.is_cell,
        })
    }

    fn check_memory_limit(&self) -> Result<(), Fault> {
        match self.memory_limit_bytes {
            Some(limit) if limit < SERVICE_MEMORY_MIN_BYTES => {
                let least = SERVICE_MEMORY_MIN_BYTES;
                let text = format!(
                    "a memory_limit of {limit} bytes is too little for a service: expected {least} (64 KiB) or \
                     more"
                );
                Err(Fault::new(Code::Argument, text))
            }
            _ => Ok(()),
        }
    }

    /// What runs if there is no file of that name.
    fn stand_in(&self, settings: &Settings) -> Option<&'static str> {
        let is_for = |name: &str| self.lookup == Lookup::Patterns && name == self.name;
        settings.stand_ins.iter().find(|(name, _)| is_for(name)).map(|(_, text)| *text)
    }

    fn file(&self, settings: &Settings) -> Result<PathBuf, Fault> {
        let name = &self.name;
        let by_pattern = settings.service_patterns.iter().map(|pattern| pattern.replace('?', name));
        let by_pattern = by_pattern.map(PathBuf::from);
        let usual = match self.lookup {
            Lookup::Patterns => settings.path.as_slice(),
            Lookup::Modules => &[],
        };
        let candidates = by_pattern.chain(by_usual_patterns(name, usual));
        if is_path(name) {
            find_file(name, candidates.chain(paths_of(name, &settings.path)))
        } else {
            find_file(name, candidates.chain(files_of(name, &settings.path)))
        }
    }
}

impl<T: Into<String>> From<T> for Spawn {
    fn from(name: T) -> Spawn {
        Spawn::named(name)
    }
}

/// What a service that is not born yet will run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) source: Source,
    pub(crate) name: String,
    pub(crate) memory_limit_bytes: Option<usize>,
    pub(crate) cache_mode: Option<Mode>,
    /// Its spawner waits for the end of a start function, also if a task asks for that later.
    pub(crate) awaits_start: bool,
    /// The host's loader loads it.
    pub(crate) is_for_skynet: bool,
    /// It runs code of the program: what runs before every file does.
    pub(crate) is_of_program: bool,
    /// See [`Spawn::cell`].
    pub(crate) is_cell: bool,
}

/// Where its code comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    File(PathBuf),
    Text(String),
    /// A service that is part of the host; its code is shared like that of a file.
    Standard(&'static str),
}

impl Plan {
    /// Lua's name for a text that is no file.
    pub(crate) fn chunk_name(&self) -> String {
        format!("={}", self.name)
    }
}

/// The name of a service as log lines show it: that of a file without directories and `.lua`.
fn short_name(name: &str) -> String {
    let path = Path::new(name);
    let names_file = name.ends_with(".lua") || name.starts_with(['.', '/']);
    if !names_file {
        return name.to_owned();
    }
    let stem = |path: &Path| Some(path.file_stem()?.to_string_lossy().into_owned());
    match stem(path) {
        Some(own) if own == "init" => path.parent().and_then(stem).unwrap_or(own),
        Some(own) => own,
        None => name.to_owned(),
    }
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".lua")
}

/// The file of a service, the first of these that is one. They are made as they are tried.
fn find_file(name: &str, candidates: impl Iterator<Item = PathBuf>) -> Result<PathBuf, Fault> {
    let mut tried = Vec::new();
    for file in candidates {
        if file.is_file() {
            return Ok(file);
        }
        tried.push(file);
    }
    let mut seen = HashSet::new();
    tried.retain(|file| seen.insert(file.clone()));
    let hint = match tried.len() {
        0 => "\nhint: name a directory with --path, or give the path of the file",
        _ => "",
    };
    let lines = tried.iter().map(|file| format!("\n\tno file '{}'", file.display()));
    let text = format!("service `{name}` not found{}{hint}", lines.collect::<String>());
    Err(Fault::new(Code::NotFound, text))
}

/// Where the services of a program for skynet lie that has no patterns of its own.
fn by_usual_patterns(name: &str, path: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let ends = [".lua", "/main.lua", "/init.lua"];
    path.iter().flat_map(move |directory| {
        ends.into_iter().map(move |end| directory.join([name, end].concat()))
    })
}

/// Where a service may lie that is named by a path: there, or below the directories.
fn paths_of(name: &str, path: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let suffix = if name.ends_with(".lua") { "" } else { ".lua" };
    let is_below = Path::new(name).is_relative() && !name.starts_with('.');
    let path = if is_below { path } else { &[] };
    let below = path.iter().map(move |directory| directory.join([name, suffix].concat()));
    std::iter::once(PathBuf::from(name)).chain(below)
}

/// Where a service of that name may lie: dots separate directories, as in `require`.
fn files_of(name: &str, path: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let relative = name.replace('.', "/");
    path.iter().flat_map(move |directory| {
        [directory.join([&relative, ".lua"].concat()), directory.join(&relative).join("init.lua")]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_as_modules_are() {
        let path = [PathBuf::from("a"), PathBuf::from("b")];
        let files: Vec<PathBuf> = files_of("game.player", &path).collect();
        let expected = [
            "a/game/player.lua",
            "a/game/player/init.lua",
            "b/game/player.lua",
            "b/game/player/init.lua",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }

    /// Why there is no service of that name.
    fn refused(name: &str, patterns: &[&str], directory: &str) -> Fault {
        let settings = Settings {
            service_patterns: patterns.iter().map(ToString::to_string).collect(),
            path: vec![PathBuf::from(directory)],
            ..Settings::default()
        };
        Spawn::named(name).file(&settings).unwrap_err()
    }

    #[test]
    fn a_missing_service_is_reported_with_the_places_that_were_tried() {
        let fault = refused("nobody", &[], "/nowhere");
        assert_eq!(fault.code, Code::NotFound);
        assert!(fault.message.contains("no file '/nowhere/nobody.lua'"), "{fault}");
        let fault = Spawn::named("nobody").file(&Settings::default()).unwrap_err();
        assert!(fault.message.contains("hint: name a directory with --path"), "{fault}");
    }

    #[test]
    fn a_place_that_is_named_twice_is_reported_once() {
        let fault = refused("nobody", &["/nowhere/?.lua", "/nowhere/?.lua"], "/nowhere");
        assert_eq!(fault.message.matches("'/nowhere/nobody.lua'").count(), 1, "{fault}");
    }

    #[test]
    fn patterns_come_before_directories() {
        let fault = refused("game/agent", &["./service/?.lua", "./?/main.lua"], "a");
        let places = ["./service/game/agent.lua", "./game/agent/main.lua", "game/agent", "a/game"];
        let place_of = |place| fault.message.find(&format!("no file '{place}")).unwrap();
        let found = places.map(place_of);
        assert!(found.is_sorted(), "{fault}");
    }

    #[test]
    fn a_stand_in_runs_for_a_service_of_skynet_without_a_file() {
        let settings = Settings { stand_ins: vec![("console", "text")], ..Settings::default() };
        let plan = Spawn::by_skynet_name("console").plan(&settings).unwrap();
        assert!(matches!(plan.source, Source::Standard("text")), "{plan:?}");
        assert!(Spawn::named("console").plan(&settings).is_err());
        assert!(Spawn::by_skynet_name("gate").plan(&settings).is_err());
    }

    #[test]
    fn log_lines_name_a_service_without_its_directory() {
        assert_eq!(short_name("counter"), "counter");
        assert_eq!(short_name("game.player"), "game.player");
        assert_eq!(short_name("game/player"), "game/player");
        assert_eq!(short_name("services/counter.lua"), "counter");
        assert_eq!(short_name("services/counter/init.lua"), "counter");
    }
}
