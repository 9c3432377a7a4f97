//! Garbage that is collected while a worker has nothing better to do.
//!
//! The collector works when a VM has used up what it may allocate between two collections; that is
//! in the middle of some message, whose sender waits. A service is *untidy* when a collection is
//! under way or near. It collects at the end of its turn, step by step, for as long as the worker
//! would rest otherwise; else the worker remembers the service and comes back to it when it has run
//! out of work, before it sleeps. On a busy worker nothing changes, and nobody wakes up for this.
//!
//! Only VMs that may allocate [`CREDIT_LEAST_BYTES`] between two collections take part: those of
//! others are over in a few microseconds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::Service;
use crate::actor::state::State;
use crate::actor::turn::Progress;
use crate::vm::Stack;

/// What a VM may allocate between two collections for these to be worth the trouble.
const CREDIT_LEAST_BYTES: usize = 16 << 10;
/// How long one turn collects. A large heap takes many.
const GAP_TURN_NS: u64 = 2_000_000;
/// Services that a worker remembers; more are left to themselves.
const REMEMBERED_MAX: usize = 256;

thread_local! {
    /// Untidy services that had their last turn on this worker while it was busy.
    static UNTIDY: RefCell<VecDeque<Weak<Service>>> = const { RefCell::new(VecDeque::new()) };
}

/// Whether a VM should use a gap.
#[inline]
pub(super) fn is_untidy(stack: &Stack<'_>) -> bool {
    stack.is_collection_near(CREDIT_LEAST_BYTES)
}

/// Collects the garbage of a service whose turn has nothing left to do, now or later. What its
/// finalizers began may need the turn to go on.
#[cold]
pub(super) fn tidy(stack: &mut Stack<'_>, state: &State) -> Progress {
    let handle = &state.core.handle;
    let is_gap = || {
        !state.is_parting.get()
            && state.ready.borrow().is_empty()
            && !state.service.mailbox().has_news()
            && handle.is_quiet()
    };
    let mut ends_ns = None;
    while is_gap() {
        let now_ns = handle.clock().now_ns();
        if now_ns > *ends_ns.get_or_insert(now_ns + GAP_TURN_NS) {
            break;
        }
        if !stack.collect_ahead() {
            return go_on(state);
        }
    }
    remember(&state.service);
    go_on(state)
}

fn go_on(state: &State) -> Progress {
    let has_more = !state.ready.borrow().is_empty() || state.leaving.borrow().is_some();
    if has_more { Progress::Again } else { Progress::Idle }
}

fn remember(service: &Arc<Service>) {
    if service.figures.awaits_gap.swap(true, Ordering::Relaxed) {
        return;
    }
    UNTIDY.with_borrow_mut(|untidy| {
        if untidy.len() < REMEMBERED_MAX {
            untidy.push_back(Arc::downgrade(service));
        } else {
            service.figures.awaits_gap.store(false, Ordering::Relaxed);
        }
    });
}

/// The service that should use a gap of this worker.
pub(in crate::actor) fn next() -> Option<Arc<Service>> {
    loop {
        let remembered = UNTIDY.with_borrow_mut(VecDeque::pop_front)?;
        if let Some(service) = remembered.upgrade() {
            service.figures.awaits_gap.store(false, Ordering::Relaxed);
            return Some(service);
        }
    }
}
