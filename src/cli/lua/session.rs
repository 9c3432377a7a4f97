//! One run of the interpreter: makes the VM and does what the command line asks for, in its order.
//!
//! Everything runs inside one native function, so that tracebacks end as those of stock `lua` do.
//! An error is reported where it happens and ends the run with exit code 1.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use moonhive::code::CodeCache;
use moonhive::vm::{Kind, LoadMode, LuaError, Native, NativeResult, Outcome, Stack, Vm, VmError};

use super::options::{Options, Step};
use super::{repl, report};
use crate::cli::signals;

/// Variables with code to run first; the first one that is set wins.
const INIT_VARIABLES: [&str; 2] = ["LUA_INIT_5_5", "LUA_INIT"];
/// Variable in which users of stock `lua` name a line editor; ours is built in.
const EDITOR_VARIABLE: &str = "LUA_READLINELIB";

/// Something failed, and that has been said.
pub struct Reported;

/// Runs the interpreter whose name is `words[name]`.
pub fn run(words: Vec<OsString>, name: usize) -> ExitCode {
    let program = words[name].to_string_lossy().into_owned();
    // Without it a broken pipe is an error that nobody looks at; there is nothing better to do.
    let _ = signals::end_at_broken_pipe();
    let options = match Options::parse(words, name) {
        Ok(options) => options,
        Err(misuse) => {
            report::misuse(&program, &misuse.0);
            return ExitCode::FAILURE;
        }
    };
    if options.shows_help {
        report::help();
        return ExitCode::SUCCESS;
    }
    if options.shows_version {
        report::version();
    }
    match make_vm(options) {
        Ok(mut vm) => interpret_in(&mut vm, &program),
        Err(error) => {
            report::message(&program, format!("cannot create state: {error}").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn make_vm(options: Options) -> Result<Vm, VmError> {
    let mut builder = Vm::builder()
        .stock_libraries(true)
        .ignore_environment(options.ignores_environment)
        .share_all_chunks(options.share_all)
        .gc_mode(options.gc_mode)
        .compat_54(options.compat_54)
        .interrupt_message(c"interrupted!");
    let cache = options.cache;
    if let Some(mode) = cache {
        builder = builder.code(Arc::new(CodeCache::new()), mode);
    }
    let mut vm = builder.data(options).build()?;
    if cache.is_some() {
        provide_cache(&mut vm.stack());
    }
    Ok(vm)
}

/// Lets `require` find the module `cache`. Only where a code cache was asked for: a script for the
/// stand-alone interpreter may have a module of that name.
fn provide_cache(stack: &mut Stack<'_>) {
    stack.push_globals();
    stack.raw_get_field(-1, "package");
    stack.raw_get_field(-1, "preload");
    stack.push_native(moonhive::api::cache::OPEN);
    stack.raw_set_field(-2, "cache");
    stack.pop(3);
}

fn interpret_in(vm: &mut Vm, program: &str) -> ExitCode {
    let mut stack = vm.stack();
    stack.show_warnings(false);
    stack.push_native(Native::new(interpret));
    let called = stack.call(0, 1);
    if let Err(error) = &called {
        report::message(program, error.message.as_bytes());
    }
    if called.is_ok() && stack.truth(-1) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The body of the interpreter; returns true if nothing failed.
fn interpret(stack: &mut Stack<'_>) -> NativeResult {
    let done = stack.data::<Options>().map(|options| Session { options }.perform(stack));
    stack.push_bool(matches!(done, Some(Ok(()))));
    Ok(Outcome::Return(1))
}

struct Session<'a> {
    options: &'a Options,
}

impl Session<'_> {
    fn perform(&self, stack: &mut Stack<'_>) -> Result<(), Reported> {
        self.set_arg(stack);
        self.run_init(stack)?;
        for step in &self.options.steps {
            self.take(stack, step)?;
        }
        if let Some(script) = self.options.script {
            self.run_script(stack, script)?;
        }
        self.listen(stack)
    }

    /// What messages begin with.
    fn program(&self) -> String {
        self.options.words[self.options.name].to_string_lossy().into_owned()
    }

    /// Makes the global `arg`: the script at 0, its arguments above, all other words below.
    fn set_arg(&self, stack: &mut Stack<'_>) {
        let base = self.options.script.unwrap_or(self.options.name) as i64;
        stack.push_globals();
        stack.push_table(self.options.words.len(), base as usize + 1);
        for (at, word) in (0..).zip(&self.options.words) {
            stack.push_bytes(word.as_bytes());
            stack.raw_set_item(-2, at - base);
        }
        stack.raw_set_field(-2, "arg");
        stack.pop(1);
    }

    fn run_init(&self, stack: &mut Stack<'_>) -> Result<(), Reported> {
        if self.options.ignores_environment {
            return Ok(());
        }
        let found = INIT_VARIABLES.iter().find_map(|&name| Some((name, std::env::var_os(name)?)));
        let Some((name, code)) = found else { return Ok(()) };
        match code.as_bytes() {
            [b'@', path @ ..] => self.run_file(stack, Path::new(OsStr::from_bytes(path))),
            text => self.run_text(stack, text, &format!("={name}")),
        }
    }

    fn take(&self, stack: &mut Stack<'_>, step: &Step) -> Result<(), Reported> {
        match step {
            Step::Execute(text) => self.run_text(stack, text, "=(command line)"),
            Step::Require { global, module } => self.require(stack, global, module),
            Step::WarningsOn => {
                stack.show_warnings(true);
                Ok(())
            }
        }
    }

    fn run_text(&self, stack: &mut Stack<'_>, text: &[u8], name: &str) -> Result<(), Reported> {
        let loaded = stack.load(text, name, LoadMode::Any);
        self.call_loaded(stack, loaded, 0)
    }

    fn run_file(&self, stack: &mut Stack<'_>, path: &Path) -> Result<(), Reported> {
        let loaded = stack.load_file(path, LoadMode::Any);
        self.call_loaded(stack, loaded, 0)
    }

    /// Calls a function that was just loaded, with the `arguments` values that lie above it.
    fn call_loaded(
        &self,
        stack: &mut Stack<'_>,
        loaded: Result<(), LuaError>,
        arguments: i32,
    ) -> Result<(), Reported> {
        let program = self.program();
        loaded.map_err(|error| refuse(&program, error.message.as_bytes()))?;
        let called = stack.call_at_console(arguments, 0);
        called.map_err(|message| refuse(&program, &message))
    }

    /// Runs `global = require(module)`.
    fn require(&self, stack: &mut Stack<'_>, global: &[u8], module: &[u8]) -> Result<(), Reported> {
        stack.push_globals();
        stack.push_bytes(global);
        stack.raw_get_field(-2, "require");
        stack.push_bytes(module);
        let called = stack.call_at_console(1, 1);
        called.map_err(|message| refuse(&self.program(), &message))?;
        stack.raw_set(-3);
        stack.pop(1);
        Ok(())
    }

    fn run_script(&self, stack: &mut Stack<'_>, script: usize) -> Result<(), Reported> {
        let words = &self.options.words;
        let path = Path::new(&words[script]);
        let loaded = if words[script] == "-" && words[script - 1] != "--" {
            stack.load_stdin(LoadMode::Any)
        } else {
            stack.load_file(path, LoadMode::Any)
        };
        if loaded.is_err() {
            return self.call_loaded(stack, loaded, 0);
        }
        let arguments = self.push_arguments(stack)?;
        self.call_loaded(stack, loaded, arguments)
    }

    /// Pushes `arg[1]` to `arg[#arg]`, which code that ran before may have changed.
    fn push_arguments(&self, stack: &mut Stack<'_>) -> Result<i32, Reported> {
        stack.push_globals();
        if stack.raw_get_field(-1, "arg") != Kind::Table {
            return Err(refuse(&self.program(), b"'arg' is not a table"));
        }
        stack.remove(-2);
        let table = stack.absolute(-1);
        let count = i32::try_from(stack.raw_len(table)).unwrap_or(i32::MAX - 1);
        if stack.reserve(count).is_err() {
            return Err(refuse(&self.program(), b"too many arguments to script"));
        }
        for index in 1..=count {
            stack.raw_get_item(table, index.into());
        }
        stack.remove(table);
        Ok(count)
    }

    /// Interactive mode or standard input, if that is what is left to do.
    fn listen(&self, stack: &mut Stack<'_>) -> Result<(), Reported> {
        let options = self.options;
        if options.is_interactive {
            self.talk(stack);
            return Ok(());
        }
        if options.script.is_some() || options.executes() || options.shows_version {
            return Ok(());
        }
        if std::io::stdin().is_terminal() {
            report::version();
            self.talk(stack);
            return Ok(());
        }
        let loaded = stack.load_stdin(LoadMode::Any);
        // Reported, but no failure: stock `lua` exits with 0 here, unlike for `lua -`.
        let _ = self.call_loaded(stack, loaded, 0);
        Ok(())
    }

    fn talk(&self, stack: &mut Stack<'_>) {
        let reads_environment = !self.options.ignores_environment;
        if let Some(library) = std::env::var_os(EDITOR_VARIABLE).filter(|_| reads_environment) {
            let library = library.to_string_lossy();
            stack.warn(&format!("unable to load readline library '{library}'"));
        }
        repl::run(stack, reads_environment);
    }
}

/// Reports a failure.
fn refuse(program: &str, message: &[u8]) -> Reported {
    report::message(program, message);
    Reported
}
