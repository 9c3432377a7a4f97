//! The Lua module `shared`: dictionaries in shared memory, which every service, every host and
//! every other program of the machine opens by name. `docs/shared-dictionaries.md` describes it for
//! its users, `lua/meta/shared.lua` for their editors.
//!
//! A dictionary is a userdata whose methods are those of `ngx.shared.DICT`, with its arguments,
//! results and words, and more. What reads and writes is native and allocates nothing but the Lua
//! value that it returns; what waits or calls back is written in Lua (`lua/lib/shared.lua`) and
//! suspends the coroutine, never the thread.
//!
//! | module | holds |
//! |---|---|
//! | `open`, `registry` | opening by name; one mapping for all services of a process |
//! | `dict`, `arguments`, `options`, `failure` | the userdata; what its methods take; how they fail |
//! | `scalar`, `list`, `whole`, `versioned`, `saving` | the methods |
//! | `lock` | locks that end with their owner |
//! | `wish`, `listener` | coroutines that wait for a key, and the thread that wakes them |
//! | `errand` | threads for what takes long: writing to a disk, looking at all of a dictionary |
//! | `sweeper` | gives expired entries back, and sleeps while nothing expires |

mod arguments;
mod counter;
mod dict;
mod errand;
mod failure;
mod list;
mod listener;
mod lock;
mod open;
mod options;
mod registry;
mod saving;
mod scalar;
mod sweeper;
mod versioned;
mod whole;
mod wish;

use crate::vm::{Native, NativeResult, Outcome, Stack};

/// The Lua half of the module: gets the module, the methods of a dictionary and its own natives.
const LUA_HALF: &str = include_str!("../../../lua/lib/shared.lua");

/// `require "shared"`.
pub(super) const OPEN: Native = Native::new(open);

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(0);
    stack.push_table(0, open::NATIVES.len());
    stack.set_natives(&open::NATIVES);
    #[cfg(test)]
    stack.set_natives(&errand::tests::NATIVES);
    stack.load_embedded("shared", LUA_HALF)?;
    stack.push_value(1);
    stack.push_methods::<dict::Dict>();
    stack.push_table(0, 8);
    stack.set_natives(&counter::NATIVES);
    stack.set_natives(&lock::NATIVES);
    stack.set_natives(&options::NATIVES);
    stack.set_natives(&versioned::NATIVES);
    stack.set_natives(&whole::NATIVES);
    stack.set_natives(&wish::NATIVES);
    stack.call(3, 0)?;
    Ok(Outcome::Return(1))
}
