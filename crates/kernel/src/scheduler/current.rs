//! Which worker the current thread is, so that a handle wakes tasks on that worker's own queue.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use super::Workload;
use super::local::Local;
use super::shared::Shared;
use crate::sync::thread_local;

thread_local! {
    /// The `Local` of the scheduler whose worker this thread is. Its type depends on the workload,
    /// of which a process may have several.
    static CURRENT: RefCell<Option<Rc<dyn Any>>> = RefCell::new(None);
}

/// Makes this thread the worker `local` until the guard is dropped.
pub(super) fn enter<W: Workload>(local: Rc<Local<W>>) -> Entered {
    CURRENT.with(|current| *current.borrow_mut() = Some(local));
    Entered
}

/// See [`enter`].
pub(super) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        // At the end of a thread the cell may be gone before the guard.
        let _ = CURRENT.try_with(|current| current.borrow_mut().take());
    }
}

/// Calls `act` with the worker of the scheduler `shared` that this thread is; `None` if it is none.
pub(super) fn with<W: Workload, R>(
    shared: &Shared<W>,
    act: impl FnOnce(&Local<W>) -> R,
) -> Option<R> {
    let found = CURRENT.try_with(|current| {
        let current = current.borrow();
        let local = current.as_ref()?.downcast_ref::<Local<W>>()?;
        std::ptr::eq(local.shared(), shared).then(|| act(local))
    });
    found.ok().flatten()
}
