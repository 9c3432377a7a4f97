//! The command line of `moonhive lua`, read as the stand-alone `lua` reads its own.
//!
//! By hand, because stock rules fit no parser: options may be glued to their argument (`-e1`), the
//! first word that is none is the script, and everything before it stays visible in `arg`. Our own
//! options are long ones, which stock `lua` has not.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use moonhive::code::Mode;
use moonhive::vm::GcMode;

/// Something to do before the script, in the order of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `-e`: run this text.
    Execute(Vec<u8>),
    /// `-l`: require `module` into a global.
    Require { global: Vec<u8>, module: Vec<u8> },
    /// `-W`
    WarningsOn,
}

/// What the words of the command line ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// All words, the program's own names included.
    pub words: Vec<OsString>,
    /// Which word is the interpreter's name.
    pub name: usize,
    /// Which word is the script's name.
    pub script: Option<usize>,
    pub steps: Vec<Step>,
    pub is_interactive: bool,
    pub shows_version: bool,
    pub shows_help: bool,
    pub ignores_environment: bool,
    pub share_all: bool,
    pub gc_mode: GcMode,
    pub compat_54: bool,
    /// The mode of the code cache, if there is one.
    pub cache: Option<Mode>,
}

/// A command line that makes no sense, in words that follow the program's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misuse(pub String);

impl Options {
    /// Reads the words; the one at `name` is the interpreter's name.
    pub fn parse(words: Vec<OsString>, name: usize) -> Result<Self, Misuse> {
        let mut options = Self {
            words,
            name,
            script: None,
            steps: Vec::new(),
            is_interactive: false,
            shows_version: false,
            shows_help: false,
            ignores_environment: false,
            share_all: false,
            // As in the stand-alone interpreter.
            gc_mode: GcMode::Generational,
            compat_54: false,
            cache: None,
        };
        let mut at = name + 1;
        while options.script.is_none() && at < options.words.len() {
            at = options.read(at)?;
        }
        Ok(options)
    }

    /// True if there is code to run besides a script.
    pub fn executes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Execute(_)))
    }

    /// Reads the word at `at`; answers where the next one is.
    fn read(&mut self, at: usize) -> Result<usize, Misuse> {
        let word = self.words[at].as_bytes().to_vec();
        match word.as_slice() {
            b"-" => self.script = Some(at),
            b"--" => {
                self.script = (at + 1 < self.words.len()).then_some(at + 1);
                return Ok(self.words.len());
            }
            [b'-', b'-', long @ ..] => return self.read_long(at, long),
            b"-E" => self.ignores_environment = true,
            b"-W" => self.steps.push(Step::WarningsOn),
            b"-v" => self.shows_version = true,
            b"-i" => (self.is_interactive, self.shows_version) = (true, true),
            [b'-', option @ (b'e' | b'l'), glued @ ..] => {
                return self.read_step(at, *option, glued);
            }
            [b'-', ..] => return Err(unrecognized(&word)),
            _ => self.script = Some(at),
        }
        Ok(at + 1)
    }

    /// `-e` and `-l`: the argument is glued to the option or the next word, if that is no option.
    fn read_step(&mut self, at: usize, option: u8, glued: &[u8]) -> Result<usize, Misuse> {
        let next = self.words.get(at + 1).filter(|word| !word.as_bytes().starts_with(b"-"));
        let (argument, end) = match (glued, next) {
            ([], None) => {
                return Err(Misuse(format!("'-{}' needs argument", char::from(option))));
            }
            ([], Some(word)) => (word.as_bytes().to_vec(), at + 2),
            (glued, _) => (glued.to_vec(), at + 1),
        };
        self.steps.push(if option == b'e' { Step::Execute(argument) } else { library(&argument) });
        Ok(end)
    }

    /// Our own options, as `--name=value` or `--name value`.
    fn read_long(&mut self, at: usize, long: &[u8]) -> Result<usize, Misuse> {
        let (name, glued) = match long.iter().position(|&byte| byte == b'=') {
            Some(end) => (&long[..end], Some(String::from_utf8_lossy(&long[end + 1..]))),
            None => (long, None),
        };
        match (name, &glued) {
            (b"share-all", None) => self.share_all = true,
            (b"help", None) => self.shows_help = true,
            _ => return self.read_setting(at, name, glued.as_deref()),
        }
        Ok(at + 1)
    }

    /// Options with a value.
    fn read_setting(
        &mut self,
        at: usize,
        name: &[u8],
        glued: Option<&str>,
    ) -> Result<usize, Misuse> {
        if !matches!(name, b"gc" | b"compat" | b"cache") {
            return Err(unrecognized(self.words[at].as_bytes()));
        }
        let end = if glued.is_some() { at + 1 } else { at + 2 };
        let next = || Some(self.words.get(at + 1)?.to_string_lossy().into_owned());
        let value = glued.map(str::to_owned).or_else(next).unwrap_or_default();
        self.set(name, &value)?;
        Ok(end)
    }

    fn set(&mut self, name: &[u8], value: &str) -> Result<(), Misuse> {
        match (name, value) {
            (b"gc", "generational") => self.gc_mode = GcMode::Generational,
            (b"gc", "incremental") => self.gc_mode = GcMode::Incremental,
            (b"gc", _) => return Err(refused("gc", value, "generational or incremental")),
            (b"compat", "5.4") => self.compat_54 = true,
            (b"compat", "5.5") => self.compat_54 = false,
            (b"compat", _) => return Err(refused("compat", value, "5.4 or 5.5")),
            _ => {
                let mode = value.to_ascii_uppercase().parse();
                let mode = mode.map_err(|_| refused("cache", value, "OFF, EXIST or ON"))?;
                self.cache = Some(mode);
            }
        }
        Ok(())
    }
}

fn unrecognized(word: &[u8]) -> Misuse {
    Misuse(format!("unrecognized option '{}'", String::from_utf8_lossy(word)))
}

fn refused(name: &str, value: &str, choices: &str) -> Misuse {
    Misuse(format!("'--{name}' must be {choices}, not '{value}'"))
}

/// `-l g=mod`, `-l mod`; of `mod-v2` the global is `mod`.
fn library(argument: &[u8]) -> Step {
    let split = |mark| argument.iter().position(|&byte| byte == mark);
    let (global, module) = match (split(b'='), split(b'-')) {
        (Some(end), _) => (&argument[..end], &argument[end + 1..]),
        (None, Some(end)) => (&argument[..end], argument),
        (None, None) => (argument, argument),
    };
    Step::Require { global: global.to_vec(), module: module.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Options, Misuse> {
        let words = std::iter::once("lua").chain(line.iter().copied());
        Options::parse(words.map(OsString::from).collect(), 0)
    }

    fn options(line: &[&str]) -> Options {
        parse(line).expect("a command line that makes sense")
    }

    fn check_script(line: &[&str], expect: Option<usize>) {
        assert_eq!(options(line).script, expect, "{line:?}");
    }

    #[track_caller]
    fn check_misuse(line: &[&str], expect: &str) {
        assert_eq!(parse(line), Err(Misuse(expect.to_owned())));
    }

    fn require(global: &str, module: &str) -> Step {
        Step::Require { global: global.into(), module: module.into() }
    }

    #[test]
    fn the_first_word_that_is_no_option_is_the_script() {
        check_script(&[], None);
        check_script(&["x.lua", "-v"], Some(1));
        check_script(&["-v", "-"], Some(2));
        check_script(&["--", "-i"], Some(2));
        check_script(&["--"], None);
        check_script(&["-e", "x", "x.lua"], Some(3));
        check_script(&["--gc", "incremental", "x.lua"], Some(3));
        assert!(!options(&["x.lua", "-i"]).is_interactive, "what follows is the script's");
    }

    #[test]
    fn steps_keep_their_order_and_take_glued_arguments() {
        let steps = options(&["-e", "a", "-lm", "-W", "-eb", "-l", "g=m", "-lm-v2", "-l=m"]).steps;
        let execute = |text: &str| Step::Execute(text.into());
        let expect = [
            execute("a"),
            require("m", "m"),
            Step::WarningsOn,
            execute("b"),
            require("g", "m"),
            require("m", "m-v2"),
            require("", "m"),
        ];
        assert_eq!(steps, expect);
    }

    #[test]
    fn mistakes_read_as_in_the_stock_interpreter() {
        check_misuse(&["-e"], "'-e' needs argument");
        check_misuse(&["-l", "-v"], "'-l' needs argument");
        check_misuse(&["-h"], "unrecognized option '-h'");
        check_misuse(&["---"], "unrecognized option '---'");
        check_misuse(&["-Ex", "--"], "unrecognized option '-Ex'");
        check_misuse(&["-vv"], "unrecognized option '-vv'");
        check_misuse(&["-iv"], "unrecognized option '-iv'");
        check_misuse(&["--share-all=1"], "unrecognized option '--share-all=1'");
    }

    #[test]
    fn our_own_options_take_their_value_either_way() {
        let both = options(&["--gc=incremental", "--cache", "on", "--compat=5.4", "--share-all"]);
        assert_eq!((both.gc_mode, both.cache), (GcMode::Incremental, Some(Mode::On)));
        assert!(both.compat_54 && both.share_all && !both.shows_help);
        assert!(options(&["-e", "x", "--help"]).shows_help);
        check_misuse(&["--gc"], "'--gc' must be generational or incremental, not ''");
        check_misuse(&["--cache=x"], "'--cache' must be OFF, EXIST or ON, not 'x'");
    }
}
