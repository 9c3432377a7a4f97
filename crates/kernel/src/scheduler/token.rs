//! The state of one task in the scheduler: who owns its next turn.
//!
//! Four states, one byte, one atomic step each:
//!
//! ```text
//!    ┌──────────────────────claim───────────────┐
//!    │       wake                    begin      ▼
//!   idle ───────────▶ queued ─────────────────▶ running ──┐ wake
//!    ▲                  ▲                        │  │     ▼
//!    └──────────────────┼──── end(Idle) ─────────┘  │   running, woken
//!                       └──── end(Again) ───────────┘     │ end(Idle | Again)
//!                       ▲─────────────────────────────────┘
//! ```
//!
//! Who claims a task owns its turn at once and hands it to a worker, without a step in between. If the
//! task has to wait in a queue after all, its turn begins there as that of any other: a wake-up that came
//! meanwhile is seen by that turn.
//!
//! Invariants, model-checked: whoever moves idle to queued, and nobody else, puts the task into a
//! queue; whoever moves queued or idle to running, and nobody else, sees to it that it runs; a wake-up that came before a
//! turn ends leads to another turn, and what was written before it is seen there, unless the turn
//! absorbs the wake-up and sees it itself.

use crate::sync::atomic::{AtomicU8, Ordering};

use super::Turn;

/// A turn is owed: the task lies in a queue, or must go there when its turn ends.
const WOKEN: u8 = 1;
/// A worker is inside its turn, or somebody has claimed it.
const RUNNING: u8 = 2;
/// It will not run again.
const ENDED: u8 = 4;

/// What a task embeds so that it can be scheduled.
#[derive(Debug)]
pub struct TokenState {
    state: AtomicU8,
}

impl TokenState {
    /// A task at rest.
    pub fn new() -> Self {
        Self { state: AtomicU8::new(0) }
    }

    /// Whether the task will not run again.
    pub fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) & ENDED != 0
    }

    /// Owes the task a turn. `true`: the caller must queue it.
    pub(crate) fn wake(&self) -> bool {
        self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }

    /// Begins the turn of a task at rest. `true`: the caller must see to it that the turn runs and
    /// [ends](Self::end).
    pub(crate) fn claim(&self) -> bool {
        self.state.compare_exchange(0, RUNNING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// A worker begins the turn of a task from a queue: one that is owed, or was claimed.
    pub(crate) fn begin(&self) {
        // The exchange, unlike a store, makes every earlier `wake` visible to this turn.
        let before = self.state.swap(RUNNING, Ordering::AcqRel);
        debug_assert!(before != 0 && before & ENDED == 0, "a queued task is owed a turn");
    }

    /// The turn that runs now takes note of the wake-ups so far: whatever was written before them
    /// is visible from here on, and they lead to no other turn. For a turn that is about to look
    /// at everything it could be woken for.
    pub fn absorb(&self) {
        let before = self.state.swap(RUNNING, Ordering::AcqRel);
        debug_assert_eq!(before & !WOKEN, RUNNING, "only a running turn can absorb wake-ups");
    }

    /// The turn is over. `true`: the task must be queued again.
    pub(crate) fn end(&self, turn: Turn) -> bool {
        match turn {
            Turn::Again => {
                self.state.swap(WOKEN, Ordering::AcqRel);
                true
            }
            Turn::Idle => {
                let gone_idle =
                    self.state.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire);
                if gone_idle.is_err() {
                    self.state.swap(WOKEN, Ordering::AcqRel);
                }
                gone_idle.is_err()
            }
            Turn::Ended => {
                self.state.swap(ENDED, Ordering::AcqRel);
                false
            }
        }
    }
}

impl Default for TokenState {
    fn default() -> Self {
        Self::new()
    }
}
