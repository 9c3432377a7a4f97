//! What Lua sees of the host: one file for each Lua module, native functions over [`Stack`].
//!
//! The modules are found by `require` without a file, see [`preload`].

pub mod cache;

use crate::vm::{Native, Stack};

/// The modules written in Rust, by the names that `require` takes.
pub const MODULES: &[(&str, Native)] = &[("cache", cache::OPEN)];

/// Lets `require` find [`MODULES`]; each is made when a script first asks for it.
pub fn preload(stack: &mut Stack<'_>) {
    let top = stack.top();
    stack.push_globals();
    stack.raw_get_field(-1, "package");
    stack.raw_get_field(-1, "preload");
    stack.set_natives(MODULES);
    stack.set_top(top);
}
