//! Configuration files of skynet.

use std::collections::BTreeMap;
use std::path::Path;

use crate::vm::{LoadMode, LuaError, Raise, Vm, VmError};

const TEXT: &str = include_str!("../../../lua/compat/skynet/config.lua");

/// Settings that the host takes over.
const KNOWN: [&str; 9] = [
    "logger",
    "logservice",
    "lua_cpath",
    "lua_path",
    "lualoader",
    "luaservice",
    "preload",
    "start",
    "thread",
];

/// Settings of skynet that have no meaning here, and the values that ask for nothing.
const WITHOUT_EFFECT: [(&str, &[&str]); 15] = [
    ("address", &[]),
    ("bootstrap", &["snlua bootstrap"]),
    ("certfile", &[]),
    ("cluster", &[]),
    ("cpath", &[]),
    ("daemon", &[]),
    ("enablessl", &["false"]),
    ("harbor", &["0", "1"]),
    ("keyfile", &[]),
    ("master", &[]),
    ("memlimit", &[]),
    ("profile", &["true", "false"]),
    ("snax_interface_g", &[]),
    ("snax_loader", &[]),
    ("standalone", &[]),
];

/// Why a configuration could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is missing, is no Lua, or raised an error.
    #[error("{0}")]
    File(#[from] LuaError),
    /// There was no memory to read it with.
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// What a configuration file of skynet says: every setting as a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    settings: BTreeMap<String, String>,
}

impl Config {
    /// Reads a file, with what it includes and the variables of the environment it names.
    ///
    /// # Errors
    /// [`ConfigError`] says which file and what is wrong with it.
    pub fn read(file: &Path) -> Result<Config, ConfigError> {
        let mut vm = Vm::builder().build()?;
        let mut stack = vm.stack();
        stack.load(TEXT.as_bytes(), "=config", LoadMode::Text)?;
        stack.push_str(&file.to_string_lossy());
        stack.call(1, 1)?;
        let mut settings = BTreeMap::new();
        // The visitor cannot fail.
        let _ = stack.for_each(-1, |stack| {
            let (key, value) = (stack.text(-2), stack.text(-1));
            settings.insert(key, value);
            Ok::<(), Raise>(())
        });
        Ok(Config { settings })
    }

    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// The parts of a setting that lists patterns.
    pub fn patterns(&self, key: &str) -> Vec<String> {
        let parts = self.get(key).unwrap_or_default().split(';');
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// All settings, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The settings that ask for something that this host does not do.
    pub fn without_effect(&self) -> Vec<&str> {
        let asks = |key: &str, nothing: &[&str]| {
            debug_assert!(!KNOWN.contains(&key));
            self.get(key).is_some_and(|value| !nothing.contains(&value))
        };
        let keys = WITHOUT_EFFECT.iter().filter(|(key, nothing)| asks(key, nothing));
        keys.map(|(key, _)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for one test.
    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("moonhive-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn settings_become_texts_and_includes_are_found_beside_the_file() {
        let folder = folder("config");
        let main = "include 'more/part'\nthread = 8\nflag = true\nroot = '$HOME/x'\n\
                    path = base .. '?.lua;' .. base .. '?/init.lua'";
        std::fs::create_dir_all(folder.join("more")).unwrap();
        std::fs::write(folder.join("config"), main).unwrap();
        std::fs::write(folder.join("more/part"), "include 'leaf'").unwrap();
        std::fs::write(folder.join("more/leaf"), "base = './service/'").unwrap();
        let config = Config::read(&folder.join("config")).unwrap();
        assert_eq!((config.get("thread"), config.get("flag")), (Some("8"), Some("true")));
        let home = std::env::var("HOME").unwrap_or_default();
        assert_eq!(config.get("root"), Some(format!("{home}/x").as_str()));
        assert_eq!(config.patterns("path"), ["./service/?.lua", "./service/?/init.lua"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = folder("bad-config");
        let file = folder.join("config");
        for (text, expected) in [
            ("thread = $NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
            ("thread = = 1", "config:1:"),
            ("include 'nowhere'", "nowhere"),
            ("list = {}", "the setting list is a table"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = Config::read(&file).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Config::read(&folder.join("missing")).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn settings_without_effect_are_those_that_ask_for_something() {
        let settings = [("harbor", "0"), ("daemon", "./pid"), ("own", "1"), ("enablessl", "true")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config { settings: settings.into() };
        assert_eq!(config.without_effect(), ["daemon", "enablessl"]);
    }
}
