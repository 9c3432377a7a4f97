//! The Lua module `hive`: services, calls, tasks, time. `docs/hive.md` describes it for its users,
//! `lua/meta/hive.lua` for their editors.
//!
//! The module is a table of natives without upvalues, so it costs a VM little more than the table.
//! What must call Lua functions and let them block is written in Lua (`lua/lib/hive.lua`). What
//! only few services use is a part of its own, loaded when its first name is asked for (`parts`).

mod arguments;
mod call;
mod failure;
mod group;
mod link;
mod log;
mod parts;
mod registry;
mod reply;
mod select;
mod service;
mod share;
mod spawn;
mod stats;
mod task;
mod trace;
mod unique;
mod wait;

use crate::vm::{Native, NativeResult, Outcome, Stack};

/// The Lua half of the module: gets the natives, returns the module.
const LUA_HALF: &str = include_str!("../../../lua/lib/hive.lua");

/// `require "hive"`.
pub(super) const OPEN: Native = Native::new(open);

pub(super) use failure::raise as raise_fault;
pub(super) use service::prelude;
pub(super) use wait::{WAIT, WAKEUP};

const NATIVES: [&[(&str, Native)]; 7] = [
    &call::NATIVES,
    &registry::NATIVES,
    &reply::NATIVES,
    &spawn::NATIVES,
    &stats::NATIVES,
    &task::NATIVES,
    &wait::NATIVES,
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(0);
    stack.load_embedded("hive", LUA_HALF)?;
    stack.push_table(0, NATIVES.iter().map(|natives| natives.len()).sum::<usize>() + 2);
    for natives in NATIVES {
        stack.set_natives(natives);
    }
    log::push(stack);
    stack.raw_set_field(-2, "log");
    stack.call(1, 1)?;
    parts::attach(stack);
    Ok(Outcome::Return(1))
}
