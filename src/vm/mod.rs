//! One virtual machine: a `lua_State` of its own with counted memory, interrupts, errors that carry
//! a traceback, and a safe view of its stack for native functions.
//!
//! This module is the project's audited piece of raw Lua FFI. Everything above it writes safe Rust:
//!
//! - [`Vm`] owns one state: creation, closing, memory figures and limit, collection.
//! - [`Stack`] is what a native function (and the host between turns) works on.
//! - [`Native`] turns a safe Rust function into a Lua function at no cost per call.
//! - [`Coroutine`] is a pooled Lua thread that the host starts and resumes.
//! - [`Raise`] is how a native fails; [`LuaError`] is what a failed call tells.
//! - [`interrupt`] stops a turn that runs for too long.
//!
//! # Invariants
//!
//! 1. **No `longjmp` crosses a Rust frame that owns something.** Lua raises errors by `longjmp`.
//!    Whatever can raise runs either in a protected call or in a *plain frame*: a function that
//!    owns nothing (the trampolines of natives, and the C functions behind protected calls).
//! 2. **While Rust code of ours works on a stack, memory is never refused and the collector holds
//!    still.** So raw pushes cannot raise, no finalizer (that is, no Lua code) runs inside a
//!    native, and what a native borrowed stays where it is. A native that made its VM exceed the
//!    limit gets `not enough memory` when it returns.
//! 3. **Lua code always runs with memory limited and the collector on**, whoever called it.
//! 4. A VM is used by one thread at a time; which thread may change between two uses.
//!
//! # What it does not protect from
//!
//! The `debug` library and C modules are as powerful here as in stock Lua: a script that overwrites
//! slots of the registry, or a C module that keeps pointers, can crash the process. Precompiled
//! code is not checked (`load` accepts it, as in stock Lua; [`LoadMode::Text`] does not). A C
//! function that neither returns nor polls cannot be interrupted.

mod alloc;
mod builder;
mod call;
mod check;
mod code;
pub mod console;
mod context;
mod coroutine;
mod counted;
mod ctrl_c;
mod depth;
mod embed;
mod error;
mod globals;
mod held;
pub mod interrupt;
mod library;
#[cfg(feature = "cli")]
pub mod mimalloc;
mod native;
mod payload;
mod place;
mod push;
mod raise;
mod read;
mod reference;
mod share;
#[cfg(feature = "cli")]
pub mod signal;
mod stack;
mod state;
mod table;
pub(crate) mod ticks;
mod userdata;

pub use builder::{GcMode, VmBuilder};
pub use call::LoadMode;
pub use context::Hooks;
pub use coroutine::{Coroutine, Resumed};
pub use counted::CountedBytes;
pub use error::{ErrorKind, LuaError};
pub use globals::{Access, GlobalUse};
pub use held::{Counted, Held};
pub use interrupt::{Interrupter, Interruption, Turn, Worker};
pub use library::{REQUIRE_PARTS, write_line};
pub(crate) use moonhive_lua_sys::quick::Plain;
pub use native::{Continuation, Native, NativeResult, Outcome};
pub use raise::{ErrorValue, Raise};
pub use read::Kind;
pub use reference::Reference;
pub use stack::{Stack, upvalue};
pub use state::{HostStack, MemoryUse, Vm, VmError};
pub use userdata::Userdata;

#[cfg(test)]
mod tests;
