//! The one door to atomics, locks and threads: the real ones, or loom's under `--cfg loom`.
//!
//! Why: loom runs a test under every interleaving the memory model allows, but only sees what goes
//! through its own types. Everything in this crate that two threads share is therefore built from
//! the names below. Locks have `parking_lot`'s shape (no poisoning: a panic in a turn is caught by
//! the worker and ends that task alone).

#[cfg(not(loom))]
mod cell;
#[cfg(loom)]
mod model;
mod slot;

pub use slot::Slot;

#[cfg(not(loom))]
pub use cell::UnsafeCell;
#[cfg(not(loom))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub use std::{hint, sync::atomic, thread, thread_local};

#[cfg(loom)]
pub use loom::cell::UnsafeCell;
#[cfg(loom)]
pub use loom::{hint, sync::atomic, thread, thread_local};
#[cfg(loom)]
pub use model::{Condvar, Mutex, MutexGuard};

pub use std::sync::Arc;
