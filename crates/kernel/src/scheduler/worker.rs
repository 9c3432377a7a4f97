//! The loop of a worker thread: turns, timers, and a search when there are none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::current;
use super::handle::Handle;
use super::local::{Local, Next};
use super::queue::LocalQueue;
use super::search::Searcher;
use super::token::Left;
use super::{Claim, Scheduled, Turn, WorkerContext, Workload};
use crate::sync::Arc;

/// A task whose turns take longer is busy: what it sends in the middle of one is not to wait.
const LONG_TURN_NS: u64 = 1_000_000;

/// What a worker thread does from its start to its end.
pub(super) fn main<W: Workload>(
    index: usize,
    handle: &Handle<W>,
    queue: LocalQueue<W::Task>,
    workload: &W,
) {
    let _ended = Ended { index, handle };
    let local = Rc::new(Local::new(index, handle.clone(), queue));
    let _entered = current::enter(Rc::clone(&local));
    let context = WorkerContext::new(&local);
    workload.worker_started(&context);
    let mut searcher = Searcher::new(&local, &context, workload);
    local.read_clock();
    while let Some(errands) = local.shared().idle.orders() {
        if local.errands().replace(errands) != errands {
            run_errand(&context, workload);
        }
        searcher.expire_timers();
        let at_hand = local.next().or_else(|| local.steal().map(Next::from));
        let at_hand = at_hand.or_else(|| spare(&local, &context, workload));
        let Some(next) = at_hand.or_else(|| searcher.search()) else { break };
        run_turn(&local, &context, workload, next);
    }
    workload.worker_stopping(&context);
}

/// A task that has a use for the worker while there is no other. It is owed a turn from now on,
/// unless somebody else has woken it meanwhile.
fn spare<W: Workload>(
    local: &Local<W>,
    context: &WorkerContext<'_, W>,
    workload: &W,
) -> Option<Next<W>> {
    while local.is_quiet()
        && let Some(task) = workload.spare(context)
    {
        if task.token().wake() {
            return Some(Next::from(task));
        }
    }
    None
}

/// Gives a task the turn it is owed.
fn run_turn<W: Workload>(
    local: &Local<W>,
    context: &WorkerContext<'_, W>,
    workload: &W,
    next: Next<W>,
) {
    local.offer_rest();
    let status = &local.remote().status;
    status.begin_turn(local.now_ns());
    let (mut claim, parcel) = match next {
        Next::Owed(task) => (Claim::of_owed(task), None),
        Next::Aside => {
            let (claim, parcel) = local.take_aside().expect("nothing runs before it");
            (claim, Some(parcel))
        }
    };
    let began_ns = local.now_ns();
    local.begin_turn(claim.task().token().is_busy());
    let run = || claim.run(|task, own| workload.run(task, own, parcel, context));
    let turn = catch_unwind(AssertUnwindSafe(run));
    local.end_turn();
    status.end_turn();
    if local.read_clock_between_turns() {
        let took_ns = local.now_ns().saturating_sub(began_ns);
        claim.task().token().note_busy(took_ns > LONG_TURN_NS);
    }
    let turn = turn.unwrap_or_else(|panic| {
        workload.turn_panicked(claim.task(), panic, context);
        Turn::Ended
    });
    match claim.end(turn) {
        Left::Alone(task) => local.sign(|| task),
        Left::Owed(task) => {
            local.sign(|| Arc::clone(&task));
            local.requeue(task);
        }
    }
}

/// Calls back for the timers that are due by the worker's last reading of the clock.
pub(super) fn expire_timers<W: Workload>(
    local: &Local<W>,
    context: &WorkerContext<'_, W>,
    workload: &W,
) {
    local.shared().timers.expire_batches(local.now_ms(), |mut timers| {
        // A panic was reported where it happened; the other timers must not suffer.
        while timers.len() > 0 {
            let _ = catch_unwind(AssertUnwindSafe(|| workload.expire_all(&mut timers, context)));
        }
    });
}

/// Runs an errand. Like a turn, it may panic without harm to the worker.
#[cold]
pub(super) fn run_errand<W: Workload>(context: &WorkerContext<'_, W>, workload: &W) {
    // The panic was reported where it happened.
    let _ = catch_unwind(AssertUnwindSafe(|| workload.errand(context)));
}

/// Reports the end of the thread, however it comes about.
struct Ended<'a, W: Workload> {
    index: usize,
    handle: &'a Handle<W>,
}

impl<W: Workload> Drop for Ended<'_, W> {
    fn drop(&mut self) {
        self.handle.shared().worker_ended(self.index);
    }
}
