//! `moonhive lua`: stands in for the stand-alone `lua` 5.5, on our VM.
//!
//! Same options, messages and exit codes, so scripts and other programs may call it in place of
//! `lua`; a link named `lua` (or `lua5.5`) to the binary behaves like `moonhive lua`. The words of
//! the command line therefore never reach `clap`, which knows other rules: it only prints the help.
//!
//! `options` reads the words, `session` does what they ask for, `repl` talks, `reader` listens.

mod options;
mod reader;
mod repl;
mod report;
mod session;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::Outcome;

/// Names under which the binary is the stand-alone interpreter.
const OWN_NAMES: [&str; 3] = ["lua", "lua5.5", "lua55"];

const EXAMPLES: &str = "\
Options of the stand-alone lua:
  -e STAT       run the text STAT
  -l MOD        require MOD into a global of the same name; -l g=MOD into the global g
  -i            go on in interactive mode after the script
  -v            print the version
  -E            ignore environment variables
  -W            turn warnings on
  --            end of the options; what follows is the script
  -             end of the options; the script is standard input

Options of ours:
  --share-all   turn every chunk, strings too, into a shared image before it runs
  --gc MODE     generational (as in lua) or incremental
  --compat 5.4  chunks that assign to a loop variable mean what they meant in Lua 5.4
  --cache MODE  ON or EXIST: take files from a code cache, OFF: not yet; the module `cache`, which
                no file replaces then, changes the mode and tells figures (default: no cache)
  --help        print this

Examples:
  moonhive lua script.lua a b             run a script with two arguments
  moonhive lua                            type Lua; values of expressions are printed
  moonhive lua -e 'print(_VERSION)'
  moonhive lua --compat 5.4 old.lua       a script that 5.5 would refuse to compile
  ln -s \"$(command -v moonhive)\" lua      a `lua` for programs that call one

Environment: LUA_INIT_5_5, LUA_INIT (run first), LUA_PATH_5_5, LUA_PATH, LUA_CPATH_5_5, LUA_CPATH.
Ctrl-C interrupts a script where the next instruction starts; a second one inside library functions
as well; a third one ends the process.";

/// Run Lua like the stand-alone `lua` 5.5.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "moonhive lua [options] [SCRIPT [ARGS]]",
    disable_help_flag = true
)]
pub struct Arguments {
    /// Options, the script and its arguments
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Arguments {
    /// Runs with what `clap` made of the words; [`stands_in`] usually comes first.
    pub fn run(self) -> Outcome {
        let own = ["moonhive", "lua"].map(OsString::from);
        Ok(session::run(own.into_iter().chain(self.words).collect(), 1))
    }
}

/// Runs the interpreter if the words of the process ask for it; `None` leaves them to `clap`.
pub fn stands_in() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_own = |name: &OsString| {
        let name = Path::new(name).file_name();
        OWN_NAMES.iter().any(|own| name == Some(own.as_ref()))
    };
    if words.first().is_some_and(is_own) {
        return Some(session::run(words, 0));
    }
    words.get(1).is_some_and(|word| word == "lua").then(|| session::run(words, 1))
}
