//! Configuration files of skynet.

use std::collections::BTreeMap;
use std::path::Path;

use crate::vm::{LoadMode, LuaError, Raise, Vm, VmError};

const TEXT: &str = include_str!("../../../lua/compat/skynet/config.lua");

/// Settings that the host takes over.
const KNOWN: [&str; 11] = [
    "logger",
    "logpath",
    "logservice",
    "lua_cpath",
    "lua_path",
    "lualoader",
    "luaservice",
    "preload",
    "snax",
    "start",
    "thread",
];

/// Settings that are whole numbers, with the smallest and the largest.
const NUMBERS: [(&str, u64, u64); 3] =
    [("harbor", 0, 255), ("memlimit", 1, u64::MAX), ("thread", 1, 1024)];
/// Settings that are switches.
const SWITCHES: [&str; 2] = ["enablessl", "profile"];
/// Letters from which on a name is long enough for two slips.
const LONG_NAME: usize = 8;

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

/// Fingerprints of the loaders that come with skynet, which do nothing that this host does not do.
const USUAL_LOADERS: [u64; 2] = [0xa470_c258_6d9e_de4e, 0x26bb_0cfb_540c_0292];
/// Where they stand in the folder of skynet, which a program may have left behind.
const USUAL_LOADER_PLACE: &str = "lualib/loader.lua";

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
    /// The program's own loader of services is not there.
    #[error(
        "cannot read {file}, the setting `lualoader`, without which the host loads services by itself: \
         {error}"
    )]
    Loader {
        /// As the setting names it.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
}

/// What a configuration file of skynet says: every setting as a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    settings: BTreeMap<String, String>,
    /// Those that are no UTF-8, as they are.
    raw: BTreeMap<String, Vec<u8>>,
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
        let (mut settings, mut raw) = (BTreeMap::new(), BTreeMap::new());
        // The visitor cannot fail.
        let _ = stack.for_each(-1, |stack| {
            let (key, bytes) = (stack.text(-2), stack.text_bytes(-1));
            let value = String::from_utf8(bytes).unwrap_or_else(|error| {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                raw.insert(key.clone(), error.into_bytes());
                text
            });
            settings.insert(key, value);
            Ok::<(), Raise>(())
        });
        let config = Config { settings, raw };
        config.check_loader()?;
        Ok(config)
    }

    /// A loader that the program brings has to be there; the one that comes with skynet need not.
    fn check_loader(&self) -> Result<(), ConfigError> {
        let Some(name) = self.get("lualoader") else { return Ok(()) };
        let file = Path::new(name);
        match std::fs::read(file) {
            Err(error) if !file.ends_with(USUAL_LOADER_PLACE) => {
                Err(ConfigError::Loader { file: name.to_owned(), error })
            }
            _ => Ok(()),
        }
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

    /// The file by which the program loads its services itself: `lualoader`, if there is one that
    /// differs from those that come with skynet.
    pub fn own_loader(&self) -> Option<&Path> {
        let file = Path::new(self.get("lualoader")?);
        let text = std::fs::read(file).ok()?;
        (!USUAL_LOADERS.contains(&fingerprint(&text))).then_some(file)
    }

    /// All settings, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The same with the bytes that the file has.
    pub fn values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().map(|(key, text)| (key, self.raw.get(key).map_or(text.as_bytes(), |raw| raw)))
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

    /// Settings that nobody but the program knows and whose names are nearly those of others, with
    /// the others' names.
    pub fn misspelt(&self) -> Vec<(&str, &'static str)> {
        self.not_known().filter_map(|key| Some((key, near_name(key)?))).collect()
    }

    /// The other settings that nobody but the program knows, in the order of their names.
    pub fn unknown(&self) -> Vec<&str> {
        self.not_known().filter(|key| near_name(key).is_none()).collect()
    }

    /// Settings that neither the host nor skynet knows.
    fn not_known(&self) -> impl Iterator<Item = &str> {
        let keys = self.settings.keys().map(String::as_str);
        keys.filter(|key| known_names().all(|name| name != *key))
    }

    /// Settings whose values make no sense, with the value and what is expected.
    pub fn senseless(&self) -> Vec<(&str, &str, String)> {
        let fault = |(key, value): (&'_ str, &'_ str)| expected(key, value);
        self.iter().filter_map(|setting| Some((setting.0, setting.1, fault(setting)?))).collect()
    }

    /// One line about all that a reader of the file should know; nothing if there is nothing.
    pub fn warning(&self) -> Option<String> {
        let misspelt = self.misspelt().into_iter().map(|(key, name)| format!("{key} ({name}?)"));
        let senseless = self.senseless().into_iter();
        let senseless =
            senseless.map(|(key, value, expected)| format!("{key} = {value} ({expected})"));
        let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
        let parts = [
            ("perhaps misspelt", misspelt.collect::<Vec<_>>()),
            ("not understood", senseless.collect()),
            ("without effect here", names(self.without_effect())),
            ("unknown here, read by programs through skynet.getenv", names(self.unknown())),
        ];
        let parts = parts.into_iter().filter(|(_, list)| !list.is_empty());
        let parts: Vec<_> =
            parts.map(|(what, list)| format!("{what}: {}", list.join(", "))).collect();
        let text = format!("settings for skynet {}", parts.join("; "));
        // A name or a value may hold any letter.
        (!parts.is_empty()).then(|| text.replace('\n', "\\n"))
    }
}

/// The names of all settings that the host or skynet knows.
fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().chain(WITHOUT_EFFECT.into_iter().map(|(key, _)| key))
}

/// The known name that this one is perhaps meant to be.
fn near_name(key: &str) -> Option<&'static str> {
    let slips = |name: &str| if name.len() < LONG_NAME { 1 } else { 2 };
    known_names().find(|name| is_near(key, name, slips(name)))
}

/// What is expected in the place of that value; nothing if it is all right.
fn expected(key: &str, value: &str) -> Option<String> {
    let is_switch = ["true", "false"].contains(&value);
    if let Some((_, least, most)) = NUMBERS.into_iter().find(|(name, ..)| *name == key) {
        let is_there = value.parse().is_ok_and(|number| (least..=most).contains(&number));
        let most = if most == u64::MAX { String::new() } else { format!(" to {most}") };
        return (!is_there).then(|| format!("a number from {least}{most} is expected"));
    }
    if SWITCHES.contains(&key) {
        return (!is_switch).then(|| "true or false is expected".to_owned());
    }
    (is_switch && known_names().any(|name| name == key)).then(|| "a text is expected".to_owned())
}

/// Whether so many slips make one name of the other: a letter too many, one too few, another
/// letter, or two neighbours that changed places.
fn is_near(name: &str, other: &str, slips: usize) -> bool {
    let (name, other) = (name.as_bytes(), other.as_bytes());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, letter) in name.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, wanted) in other.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != wanted);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && name[i - 1] == *wanted {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[name.len()][other.len()] <= slips
}

/// A number for a text (FNV-1a), whatever its white space.
fn fingerprint(text: &[u8]) -> u64 {
    let letters = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    letters.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
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

    fn config(settings: &[(&str, &str)]) -> Config {
        let settings = settings.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        Config { settings: settings.collect(), ..Config::default() }
    }

    #[test]
    fn names_that_are_nearly_known_are_told_with_the_known_one() {
        let settings =
            ["thred", "strat", "lua_servic", "luaservices", "daemno", "thread", "logpth"];
        let config = config(&settings.map(|key| (key, "x")));
        let expected = [
            ("daemno", "daemon"),
            ("logpth", "logpath"),
            ("lua_servic", "luaservice"),
            ("luaservices", "luaservice"),
            ("strat", "start"),
            ("thred", "thread"),
        ];
        assert_eq!(config.misspelt(), expected);
    }

    #[test]
    fn a_loader_counts_if_the_program_brings_one_of_its_own() {
        let folder = folder("loader");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("loader.lua");
        let name = file.to_string_lossy().into_owned();
        assert_eq!(config(&[("lualoader", &name)]).own_loader(), None);
        std::fs::write(&file, "return").unwrap();
        assert_eq!(config(&[("lualoader", &name)]).own_loader(), Some(file.as_path()));
        assert_eq!(config(&[]).own_loader(), None);
        assert_eq!(fingerprint(b"local x\n\treturn x"), fingerprint(b"local x\r\n  return x\n"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn settings_of_the_program_are_named_in_the_order_of_their_names() {
        let settings = [("port", "8888"), ("fancy", "3"), ("start", "x"), ("thred", "4")];
        let config = config(&settings);
        assert_eq!(config.unknown(), ["fancy", "port"]);
    }

    #[test]
    fn settings_that_have_effect_are_not_told_of() {
        let settings = KNOWN.map(|key| (key, if key == "thread" { "8" } else { "x" }));
        assert_eq!(config(&settings).warning(), None);
    }

    #[test]
    fn the_warning_is_one_line_whatever_the_settings_hold() {
        let config = config(&[("thread", "a\nb"), ("two\nlines", "x")]);
        assert_eq!(
            config.warning().unwrap(),
            "settings for skynet not understood: thread = a\\nb (a number from 1 to 1024 is \
             expected); unknown here, read by programs through skynet.getenv: two\\nlines"
        );
    }

    #[test]
    fn values_that_make_no_sense_are_told_with_what_is_expected() {
        for (key, value, expected) in [
            ("thread", "abc", Some("a number from 1 to 1024 is expected")),
            ("thread", "0", Some("a number from 1 to 1024 is expected")),
            ("thread", "2.5", Some("a number from 1 to 1024 is expected")),
            ("thread", "8", None),
            ("memlimit", "-1", Some("a number from 1 is expected")),
            ("harbor", "256", Some("a number from 0 to 255 is expected")),
            ("profile", "yes", Some("true or false is expected")),
            ("start", "true", Some("a text is expected")),
            ("start", "5", None),
            ("own", "true", None),
        ] {
            let config = config(&[(key, value)]);
            let told: Vec<String> = config.senseless().into_iter().map(|told| told.2).collect();
            assert_eq!(told, Vec::from_iter(expected), "{key} = {value}");
        }
    }

    #[test]
    fn one_warning_names_all() {
        let config = config(&[("thread", "many"), ("thred", "9"), ("daemon", "./pid"), ("x", "1")]);
        assert_eq!(
            config.warning().unwrap(),
            "settings for skynet perhaps misspelt: thred (thread?); not understood: thread = many \
             (a number from 1 to 1024 is expected); without effect here: daemon; \
             unknown here, read by programs through skynet.getenv: x"
        );
    }

    #[test]
    fn settings_without_effect_are_those_that_ask_for_something() {
        let settings = [("harbor", "0"), ("daemon", "./pid"), ("own", "1"), ("enablessl", "true")];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config { settings: settings.into(), ..Config::default() };
        assert_eq!(config.without_effect(), ["daemon", "enablessl"]);
    }
}
