//! The Lua module `skynet`: the programming interface of the actor framework skynet, over the
//! services of this host. `docs/porting-from-skynet.md` tells its users what to expect.
//!
//! The module is a table that fills itself: a function is looked up in `NATIVES`, or in the Lua
//! files of `lua/compat/skynet` that `LUA` names, when the program first asks for it. A service
//! pays for what it uses, and one that never requires the module for nothing.

pub(super) mod absent;
mod answer;
mod arguments;
pub(in crate::api) mod block;
mod call;
mod clock;
mod config;
mod core;
mod host;
pub(super) mod multicast;
mod name;
mod profile;
mod protocol;
mod request;
mod spawn;
pub(super) mod stm;
mod task;

pub use config::{Config, ConfigError};
pub(super) use profile::OPEN as PROFILE;
pub(super) use spawn::{LOG_SERVICE, PROGRAMS, SERVICES, STAND_INS};

use crate::actor::State;
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

/// `require "skynet"`.
pub(super) const OPEN: Native = Native::new(open);
/// `require "skynet.core"`: natives for the Lua files of this module, and what programs call there.
pub(super) const CORE: Native = Native::new(open_core);
/// `require "skynet.manager"`: the functions it adds are there already.
pub(super) const MANAGER: Native = Native::new(require_skynet);

/// Functions written in Rust.
const NATIVES: [&[(&str, Native)]; 9] = [
    &answer::NATIVES,
    &block::NATIVES,
    &call::NATIVES,
    &clock::NATIVES,
    &host::NATIVES,
    &name::NATIVES,
    &protocol::NATIVES,
    &spawn::NATIVES,
    &task::NATIVES,
];

/// Functions written in Lua, and the file that defines them: it gets the module and fills in its
/// part.
type Part = (&'static [&'static str], &'static str, &'static str);

const LUA: &[Part] = &[
    (
        &["init", "require"],
        "skynet.loading",
        include_str!("../../../lua/compat/skynet/loading.lua"),
    ),
    (
        &["info_func", "killthread", "pcall", "task", "uniqtask"],
        "skynet.tasks",
        include_str!("../../../lua/compat/skynet/tasks.lua"),
    ),
    (&["term"], "skynet.waits", include_str!("../../../lua/compat/skynet/waits.lua")),
    (
        &["trace", "trace_timeout", "tracecall", "tracelog", "tracetag"],
        "skynet.trace",
        include_str!("../../../lua/compat/skynet/trace.lua"),
    ),
    (&["monitor"], "skynet.monitor", include_str!("../../../lua/compat/skynet/monitor.lua")),
    (&["request"], "skynet.request", include_str!("../../../lua/compat/skynet/request.lua")),
    (
        &["uniqueservice", "queryservice"],
        "skynet.unique",
        include_str!("../../../lua/compat/skynet/unique.lua"),
    ),
];

/// The functions of `skynet.core` that programs call themselves; it gets the module and fills them
/// in.
const COMMANDS: &str = include_str!("../../../lua/compat/skynet/commands.lua");

/// Fields that are modules of their own.
const MODULES: &[(&str, &str)] = &[("cache", "skynet.codecache"), ("queue", "skynet.queue")];

/// Numbers of protocols, as `skynet.PTYPE_*`.
const PROTOCOL_NUMBERS: [(&str, u8); 13] = [
    ("PTYPE_TEXT", 0),
    ("PTYPE_RESPONSE", 1),
    ("PTYPE_MULTICAST", 2),
    ("PTYPE_CLIENT", 3),
    ("PTYPE_SYSTEM", 4),
    ("PTYPE_HARBOR", 5),
    ("PTYPE_SOCKET", 6),
    ("PTYPE_ERROR", 7),
    ("PTYPE_QUEUE", 8),
    ("PTYPE_DEBUG", 9),
    ("PTYPE_LUA", 10),
    ("PTYPE_SNAX", 11),
    ("PTYPE_TRACE", 12),
];

/// Functions of the module that its table has room for before it grows: a service with little to do
/// uses as many.
const USED_AT_FIRST: usize = 8;

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(0);
    if let Ok(state) = State::of(stack) {
        protocol::register_own(state);
        spawn::set_service_name(stack, state);
    }
    stack.push_table(0, USED_AT_FIRST);
    stack.push_table(0, 2);
    stack.set_natives(&[("__index", Native::new(index)), ("__pairs", Native::new(pairs))]);
    stack.set_metatable(-2);
    if let Ok(state) = State::of(stack) {
        stack.push_value(-1);
        let module = stack.keep();
        protocol::keep_module(stack, state, module);
    }
    Ok(Outcome::Return(1))
}

fn open_core(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, core::NATIVES.len());
    stack.set_natives(&core::NATIVES);
    stack.push_table(0, 1);
    stack.set_natives(&[("__index", Native::new(index_core))]);
    stack.set_metatable(-2);
    Ok(Outcome::Return(1))
}

/// `__index` of `skynet.core`: the functions for programs, all at once.
fn index_core(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(2);
    stack.push_nil();
    stack.set_metatable(1);
    stack.load_embedded("skynet.core.commands", COMMANDS)?;
    stack.push_value(1);
    stack.call_or_raise(1, 0)?;
    stack.raw_get(1);
    Ok(Outcome::Return(1))
}

fn require_skynet(stack: &mut Stack<'_>) -> NativeResult {
    push_module(stack, "skynet")?;
    Ok(Outcome::Return(1))
}

/// `__index` of the module: finds a function, keeps it, and returns it.
fn index(stack: &mut Stack<'_>) -> NativeResult {
    let Some(name) = stack.str(2) else { return Ok(Outcome::Return(0)) };
    if let Some(native) = native_named(name) {
        stack.push_native(native);
    } else if let Some(&(_, number)) = PROTOCOL_NUMBERS.iter().find(|(own, _)| *own == name) {
        stack.push_integer(number.into());
    } else if let Some(part) = LUA.iter().find(|(names, ..)| names.contains(&name)) {
        fill_in(stack, part)?;
        stack.push_value(2);
        stack.raw_get(1);
        return Ok(Outcome::Return(1));
    } else if let Some(&(_, module)) = MODULES.iter().find(|(own, _)| *own == name) {
        push_module(stack, module)?;
    } else {
        return Ok(Outcome::Return(0));
    }
    stack.push_value(2);
    stack.push_value(-2);
    stack.raw_set(1);
    Ok(Outcome::Return(1))
}

/// Has a file define its part of the module in the first argument. What the program has put into
/// the places of it stays.
fn fill_in(stack: &mut Stack<'_>, (names, file, text): &Part) -> Result<(), Raise> {
    let first = stack.top() + 1;
    for name in *names {
        stack.raw_get_field(1, name);
    }
    stack.load_embedded(file, text)?;
    stack.push_value(1);
    stack.call_or_raise(1, 0)?;
    for (place, name) in (first..).zip(*names) {
        if stack.kind(place) != Kind::Nil {
            stack.push_value(place);
            stack.raw_set_field(1, name);
        }
    }
    stack.set_top(first - 1);
    Ok(())
}

/// `__pairs` of the module: all of it, for programs that copy its functions.
fn pairs(stack: &mut Stack<'_>) -> NativeResult {
    let natives = NATIVES.iter().flat_map(|natives| natives.iter().map(|(name, _)| *name));
    let in_lua = LUA.iter().flat_map(|(names, ..)| names.iter().copied());
    let numbers = PROTOCOL_NUMBERS.iter().map(|(name, _)| *name);
    let modules = MODULES.iter().map(|(name, _)| *name);
    stack.set_top(1);
    for name in natives.chain(in_lua).chain(numbers).chain(modules) {
        stack.get_field(1, name)?;
        stack.set_top(1);
    }
    stack.push_globals();
    stack.raw_get_field(-1, "next");
    stack.push_value(1);
    stack.push_nil();
    Ok(Outcome::Return(3))
}

fn native_named(name: &str) -> Option<Native> {
    let mut all = NATIVES.iter().flat_map(|natives| natives.iter());
    all.find(|(own, _)| *own == name).map(|&(_, native)| native)
}

/// Pushes a module as `require` gives it.
fn push_module(stack: &mut Stack<'_>, name: &str) -> Result<(), Raise> {
    stack.push_globals();
    let kind = stack.raw_get_field(-1, "require");
    if kind != Kind::Function {
        return Err(Raise::message("the global `require` is not a function any more"));
    }
    stack.remove(stack.top() - 1);
    stack.push_str(name);
    stack.call_or_raise(1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_described_to_editors() {
        let meta = include_str!("../../../lua/meta/skynet.lua");
        let natives = NATIVES.iter().flat_map(|natives| natives.iter().map(|(name, _)| *name));
        let in_lua = LUA.iter().flat_map(|(names, ..)| names.iter().copied());
        let missing: Vec<&str> = natives
            .chain(in_lua)
            .filter(|name| !meta.contains(&format!("function skynet.{name}(")))
            .collect();
        assert!(missing.is_empty(), "describe in lua/meta/skynet.lua: {}", missing.join(", "));
    }

    #[test]
    fn every_function_has_one_place() {
        let natives = NATIVES.iter().flat_map(|natives| natives.iter().map(|(name, _)| *name));
        let in_lua = LUA.iter().flat_map(|(names, ..)| names.iter().copied());
        let mut names: Vec<&str> = natives.chain(in_lua).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
