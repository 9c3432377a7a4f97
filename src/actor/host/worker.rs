//! What a worker thread brings along for the VMs it runs: the means to interrupt them.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::vm::{Interrupter, Turn, Vm, Worker};

thread_local! {
    /// The worker that this thread is, from its first turn to its last.
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// The current thread begins to run VMs.
pub(super) fn begin() -> Interrupter {
    WORKER.with_borrow_mut(|worker| worker.get_or_insert_with(Worker::new).interrupter())
}

/// It stops doing so.
pub(super) fn end() {
    WORKER.with_borrow_mut(|worker| *worker = None);
}

/// Runs `work` with the stack of a VM, interruptible.
///
/// # Panics
/// On a thread that is no worker.
pub(in crate::actor) fn with_vm<R>(vm: &mut Vm, work: impl FnOnce(&mut Turn<'_>) -> R) -> R {
    WORKER.with_borrow(|worker| {
        let worker = worker.as_ref().expect("turns run on workers only");
        let mut turn = worker.turn(vm);
        let result = work(&mut turn);
        turn.end();
        result
    })
}

/// Closes a VM; its finalizers can be interrupted.
pub(in crate::actor) fn close(vm: Vm) {
    WORKER.with_borrow(|worker| match worker {
        Some(worker) => worker.close(vm),
        None => drop(vm),
    });
}

/// Runs `work`; a panic in it becomes a text.
pub(super) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("the host panicked: {}", text.unwrap_or_default())
    })
}
