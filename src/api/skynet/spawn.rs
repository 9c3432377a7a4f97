//! The life of services: `skynet.newservice`, `kill`, `exit`, `abort`, and the services that the
//! module brings along.

use std::path::Path;
use std::sync::Arc;

use super::absent;
use super::arguments::{Target, check_can_block, target};
use super::block;
use crate::actor::skynet::{LOADER_ERROR, LOGGER};
use crate::actor::{
    Caller, Code, End, Fault, Light, Service, Spawn, StandardService, State, kill as kill_service,
    kill_after_turn,
};
use crate::vm::{Continuation, Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 5] = [
    ("abort", Native::new(abort)),
    ("exit", Native::new(exit)),
    ("kill", Native::new(kill)),
    ("launch", Native::new(launch)),
    ("newservice", Native::new(newservice)),
];

/// The service that keeps those who wait for a name.
pub(super) const NAME_KEEPER: &str = ".cslave";

/// Services that begin when somebody first asks for their name, which nobody else can have.
pub(in crate::api) const SERVICES: [StandardService; 6] = [
    (NAME_KEEPER, include_str!("../../../lua/compat/skynet/cslave.lua")),
    (".launcher", include_str!("../../../lua/compat/skynet/launcher.lua")),
    ("hive.provider", include_str!("../../../lua/compat/skynet/provider.lua")),
    (".service", include_str!("../../../lua/compat/skynet/service_mgr.lua")),
    ("hive.sharedata", include_str!("../../../lua/compat/skynet/sharedatad.lua")),
    ("DATACENTER", include_str!("../../../lua/compat/skynet/datacenterd.lua")),
];

/// The one whose name a program may take, which gets the log then.
pub(in crate::api) const LOG_SERVICE: [StandardService; 1] =
    [(LOGGER, include_str!("../../../lua/compat/skynet/logger.lua"))];

/// Those of all of them that a program for skynet finds by `skynet.localname`.
pub(super) const ALWAYS_THERE: [&str; 3] = [".launcher", LOGGER, ".service"];

/// Services of the host's own that are started by their file's name.
pub(in crate::api) const PROGRAMS: [StandardService; 1] =
    [("snaxd", include_str!("../../../lua/compat/skynet/snaxd.lua"))];

/// In the place of services that nearly every program starts and that need sockets.
pub(in crate::api) const STAND_INS: [StandardService; 2] =
    [("console", NO_CONSOLE), ("debug_console", NO_CONSOLE)];

const NO_CONSOLE: &str = include_str!("../../../lua/compat/skynet/no_console.lua");

/// The file of a service that begins with a function.
const CELL: &str = include_str!("../../../lua/compat/skynet/cell.lua");

/// `newcell(name, code, ...)`: as `newservice`, from the code of a function.
pub(super) const NEW_CELL: Native = Native::new(newcell);

/// The service of a name; one of our own services begins now if it has not yet.
///
/// # Errors
/// `not_found`, and whatever keeps a service from beginning.
pub(super) fn named_service(state: &State, name: &str) -> Result<Arc<Service>, Fault> {
    if SERVICES.iter().chain(&LOG_SERVICE).any(|(own, _)| *own == name) {
        return state.core.standard(name);
    }
    state.core.named(name)
}

/// Sets the globals that tell a service what it is called and where it lies.
pub(super) fn set_service_name(stack: &mut Stack<'_>, state: &State) {
    let service = &state.service;
    let top = stack.top();
    stack.push_globals();
    if stack.raw_get_field(-1, "SERVICE_NAME") == Kind::Nil {
        stack.push_str(service.name());
        stack.raw_set_field(-3, "SERVICE_NAME");
    }
    stack.pop(1);
    // The program's own loader has said both.
    if stack.raw_get_field(-1, "SERVICE_PATH") != Kind::Nil {
        return stack.set_top(top);
    }
    stack.pop(1);
    let directory = service_path(state);
    stack.push_str(&directory);
    stack.raw_set_field(-2, "SERVICE_PATH");
    if has_own_folder(state) && stack.raw_get_field(-1, "package") == Kind::Table {
        stack.raw_get_field(-1, "path");
        let path = format!("{directory}?.lua;{}", stack.text(-1));
        stack.pop(1);
        stack.push_str(&path);
        stack.raw_set_field(-2, "path");
    }
    stack.set_top(top);
}

/// The folder in which the service's name leads to its file, with a slash behind it: of
/// `world/zone` the one that holds `world`. For a service with a folder of its own, that folder.
fn service_path(state: &State) -> String {
    let Some(file) = state.skynet.file() else { return "./".to_owned() };
    let named = file.with_extension("");
    let named = named.to_string_lossy();
    let above = named.strip_suffix(state.service.name());
    let directory = match above.filter(|above| above.is_empty() || above.ends_with('/')) {
        Some(above) => Path::new(above),
        None => file.parent().unwrap_or(Path::new("")),
    };
    if directory.as_os_str().is_empty() {
        return "./".to_owned();
    }
    format!("{}/", directory.to_string_lossy().trim_end_matches('/'))
}

/// True if the service's file lies in a folder that is called like the service, in which its
/// modules are looked up first.
fn has_own_folder(state: &State) -> bool {
    let is_own = |folder: &std::ffi::OsStr| {
        let name = state.service.name();
        folder.to_str().is_some_and(|folder| name.ends_with(folder))
    };
    let file = state.skynet.file();
    let is_named = file.and_then(Path::file_stem).is_some_and(is_own);
    !is_named && file.and_then(Path::parent).and_then(Path::file_name).is_some_and(is_own)
}

/// `skynet.newservice(name, ...)`: the address, once the start function has ended. Nothing for a
/// service that has exited until then: it has done what it was for.
fn newservice(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "newservice")?;
    begin(stack, state, 1, Start::IsAwaited)
}

/// `skynet.launch("snlua", name, ...)` or `skynet.launch "snlua name ..."`: the address, before the
/// start function has run. Nil for other programs, which are written in C there.
fn launch(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let text = stack.check_str(1)?.trim().to_owned();
    let (kind, rest) = text.split_once(is_space).unwrap_or((&text, ""));
    if kind != "snlua" {
        state.warn_line(&format!(
            "cannot launch a \"{kind}\": services written in C have no place here"
        ));
        return Ok(Outcome::Return(0));
    }
    if rest.is_empty() {
        return begin(stack, state, 2, Start::IsLeftAlone);
    }
    stack.push_str(rest);
    stack.replace(1);
    begin(stack, state, 1, Start::IsLeftAlone)
}

/// Whether who spawns a service waits for its start function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    IsAwaited,
    IsLeftAlone,
}

/// Spawns the service whose name is in that argument, with the words behind the name and the
/// arguments behind it.
fn begin(stack: &mut Stack<'_>, state: &State, argument: i32, start: Start) -> NativeResult {
    let line = stack.check_str(argument)?.to_owned();
    let mut words = line.split(is_space).filter(|word| !word.is_empty());
    let Some(name) = words.next() else {
        return Err(Raise::argument(argument, "the name of a service must not be empty"));
    };
    let spawn = Spawn::by_skynet_name(name);
    for (place, word) in (argument + 1..).zip(words) {
        stack.push_str(word);
        stack.insert(place);
    }
    if start == Start::IsLeftAlone {
        return spawn_alone(stack, state, &spawn, argument + 1);
    }
    spawn_and_wait(stack, state, &spawn, argument + 1, true)
}

/// Spawns a service with the arguments from `first` to the top; what becomes of it, the log says.
fn spawn_alone(stack: &mut Stack<'_>, state: &State, spawn: &Spawn, first: i32) -> NativeResult {
    let arguments = block::pack_values(stack, first)?;
    let texts = stack.joined_texts(first)?;
    let texts = String::from_utf8_lossy(&texts);
    let caller = Caller::sender(state.service.address());
    let service = state
        .core
        .spawn(spawn, arguments, caller)
        .map_err(|fault| not_found(state, spawn, &fault))?;
    if !texts.is_empty() {
        service.note_arguments(&texts);
    }
    stack.push_integer(service.address().number() as i64);
    Ok(Outcome::Return(1))
}

/// Why there is no such service.
fn not_found(state: &State, spawn: &Spawn, fault: &Fault) -> Raise {
    let absent = (fault.code == Code::NotFound).then(|| absent::service(&spawn.name));
    let hint = absent.flatten().map(|why| format!("\nhint: {why}")).unwrap_or_default();
    state.tell_logger(format!("{LOADER_ERROR}{}", fault.message).as_bytes());
    not_started(&format!("{}{hint}", fault.message))
}

/// What separates words in C.
fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\x0b'
}

fn newcell(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "newservice")?;
    let spawn = Spawn::cell(stack.check_str(1)?, CELL);
    stack.check_bytes(2)?;
    spawn_and_wait(stack, state, &spawn, 1, false)
}

/// Spawns a service with the arguments from `first` to the top, and blocks until it has started.
fn spawn_and_wait(
    stack: &mut Stack<'_>,
    state: &State,
    spawn: &Spawn,
    first: i32,
    shows_arguments: bool,
) -> NativeResult {
    let arguments = block::pack_values(stack, first)?;
    let texts = stack.joined_texts(first)?;
    let texts = String::from_utf8_lossy(&texts);
    let wait = state.begin_wait(None).map_err(|fault| Raise::message(fault.message))?;
    let caller = Caller::waiting(state.service.clone(), wait.session);
    match state.core.spawn(spawn, arguments, caller) {
        Ok(service) => {
            if shows_arguments && !texts.is_empty() {
                service.note_arguments(&texts);
            }
            state.expects_of(service.address());
            state.skynet.has_spawned.set(true);
            stack.set_top(0);
            Light::Service(service.address()).push(stack);
            Ok(Outcome::BlockThen(0, const { Continuation::new(spawned, 1) }))
        }
        Err(fault) => {
            state.cancel_wait();
            Err(not_found(state, spawn, &fault))
        }
    }
}

/// Why `newservice` failed, which on skynet is a call to the launcher.
fn not_started(reason: &str) -> Raise {
    Raise::message(format!("call failed: cannot start the service: {reason}"))
}

/// The new service has started, or the host left a fault.
fn spawned(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    let state = State::of(stack)?;
    stack.set_top(kept as i32);
    if let Some(fault) = state.take_failure() {
        if has_exited(stack, state) {
            return Ok(Outcome::Return(0));
        }
        if matches!(fault.code, Code::Timeout | Code::Cancelled) {
            kill_unknown(stack, state, fault.code.as_str());
        }
        return Err(not_started(&fault.report()));
    }
    if let Some(Light::Service(address)) = Light::at(stack, 1) {
        stack.push_integer(address.number() as i64);
    }
    Ok(Outcome::Return(1))
}

/// Ends the service in the first argument, whose address nobody will ever know.
fn kill_unknown(stack: &Stack<'_>, state: &State, why: &str) {
    if let Some(Light::Service(address)) = Light::at(stack, 1)
        && let Ok(service) = state.core.service(address)
    {
        kill_service(&service, Some(format!("its spawn ended with `{why}`")));
    }
}

/// True if the service in the first argument has ended by its own will.
fn has_exited(stack: &Stack<'_>, state: &State) -> bool {
    let Some(Light::Service(address)) = Light::at(stack, 1) else { return false };
    let obituary = state.core.obituary(address);
    obituary.is_some_and(|obituary| matches!(obituary.end, End::Exited(_)))
}

/// `skynet.kill(address)`: ends a service once the task that runs in it, if one does, waits or
/// ends; its callers are told. The host lives on without its main service.
fn kill(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if stack.integer(1) == Some(0) {
        return Ok(Outcome::Return(0));
    }
    let Target::Found(service) = target(stack, state, 1)? else { return Ok(Outcome::Return(0)) };
    state.core.let_main_go(&service);
    if service.address() == state.service.address() {
        state.kill_own();
    } else {
        kill_after_turn(&service);
    }
    Ok(Outcome::Return(0))
}

/// `skynet.exit()`: ends this service; does not return.
fn exit(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    state.exit_own();
    stop_here(stack)
}

/// `skynet.abort()`: ends the host at once.
fn abort(stack: &mut Stack<'_>) -> NativeResult {
    State::of(stack)?.core.warden.request_abort(0);
    Ok(Outcome::Return(0))
}

/// The running task goes no further.
fn stop_here(stack: &mut Stack<'_>) -> NativeResult {
    if stack.can_block() {
        stack.set_top(0);
        return Ok(Outcome::Block(0));
    }
    Err(Raise::message("the service exits"))
}
