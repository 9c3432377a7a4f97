//! The state of one task in the scheduler: who owns its next turn, and what belongs to that turn
//! alone.
//!
//! Four states, one byte, one atomic step each:
//!
//! ```text
//!    ┌──────────────────────claim───────────────┐
//!    │       wake                    begin      ▼
//!   idle ───────────▶ queued ─────────────────▶ running ──┐ wake
//!    ▲                  ▲                        │  │     ▼
//!    └──────────────────┼──── end(Idle) ─────────┘  │   running, woken
//!                       └──── end(Again), owe ──────┘     │ end(Idle | Again), owe
//!                       ▲─────────────────────────────────┘
//! ```
//!
//! Who claims a task owns its turn at once and hands it to a worker, without a step in between. If
//! the task has to wait in a queue after all, the turn is owed again and begins there as that of
//! any other: a wake-up that came meanwhile is seen by that turn.
//!
//! Invariants, model-checked: whoever moves idle to queued, and nobody else, puts the task into a
//! queue; whoever moves queued or idle to running, and nobody else, sees to it that it runs; a
//! wake-up that came before a turn ends leads to another turn, and what was written before it is
//! seen there, unless the turn absorbs the wake-up and sees it itself.
//!
//! A turn that has begun is a value, the [`Claim`]: made by the step to running, used up by the
//! step out of it. So a token has one at most, and what the token keeps for the turns of its task
//! needs no lock. This is the only `unsafe` code of the crate; nothing outside this file can move a
//! token to or from running.

use std::ptr::NonNull;

use super::{Scheduled, Turn};
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Arc, UnsafeCell};

/// A turn is owed: the task lies in a queue, or must go there when its turn ends.
const WOKEN: u8 = 1;
/// A worker is inside its turn, or somebody has claimed it.
const RUNNING: u8 = 2;
/// It will not run again.
const ENDED: u8 = 4;

/// The task has had no turn yet.
const UNKNOWN: u8 = 0;
/// Its last turn was over soon.
const SHORT: u8 = 1;
/// Its last turn took long.
const LONG: u8 = 2;

/// What a task embeds so that it can be scheduled, with what only its turns touch.
#[derive(Debug)]
pub struct TokenState<T = ()> {
    state: AtomicU8,
    /// What is known of the task's turns: [`UNKNOWN`], [`SHORT`] or [`LONG`]. Written by turns
    /// alone, and a hint: whoever reads it is right either way.
    habit: AtomicU8,
    own: UnsafeCell<T>,
}

// SAFETY: the state is atomic. `own` is reached through the `Claim` of the token alone, of which
// there is one at a time; its exclusive use goes from thread to thread, by steps that acquire and
// release, so `T` has to be `Send`.
unsafe impl<T: Send> Sync for TokenState<T> {}

impl<T> TokenState<T> {
    /// A task at rest, whose turns will find `own`.
    pub fn new(own: T) -> Self {
        let habit = AtomicU8::new(UNKNOWN);
        Self { state: AtomicU8::new(0), habit, own: UnsafeCell::new(own) }
    }

    /// Whether the task computes for long when it has a turn, by what is known of its last one.
    pub(crate) fn is_busy(&self) -> bool {
        !cfg!(loom) && self.habit.load(Ordering::Relaxed) == LONG
    }

    /// Notes whether a turn took long. The first one does not count: much is made there that lasts.
    pub(crate) fn note_busy(&self, busy: bool) {
        if cfg!(loom) {
            return;
        }
        let before = self.habit.load(Ordering::Relaxed);
        let habit = if busy && before != UNKNOWN { LONG } else { SHORT };
        if habit != before {
            self.habit.store(habit, Ordering::Relaxed);
        }
    }

    /// Whether the task will not run again.
    pub fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) & ENDED != 0
    }

    /// Owes the task a turn. `true`: the caller must queue it.
    pub(crate) fn wake(&self) -> bool {
        self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }

    /// The turn that runs now takes note of the wake-ups so far: whatever was written before them
    /// is visible from here on, and they lead to no other turn. For a turn that is about to look
    /// at everything it could be woken for.
    pub fn absorb(&self) {
        let before = self.state.swap(RUNNING, Ordering::AcqRel);
        debug_assert_eq!(before & !WOKEN, RUNNING, "only a running turn can absorb wake-ups");
    }

    /// Moves the token to running, and says whether it was as expected.
    fn enter(&self, from: u8) -> bool {
        // The exchange, unlike a store, makes every earlier `wake` and turn visible to this one.
        self.state.compare_exchange(from, RUNNING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Moves it from running to `to`.
    fn leave(&self, to: u8) {
        let before = self.state.swap(to, Ordering::AcqRel);
        debug_assert_eq!(before & !WOKEN, RUNNING, "the turn that ends was under way");
    }

    /// Moves it from running to idle, if nobody has woken the task meanwhile.
    fn leave_unless_woken(&self) -> bool {
        self.state.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<T: Default> Default for TokenState<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// A turn of a task that has begun: nobody else has one. Whoever drops it leaves the task without
/// any further turn.
#[must_use = "a task that was claimed and is not scheduled never runs again"]
pub struct Claim<T: Scheduled> {
    task: Arc<T>,
    /// That of the task, which keeps it: asked for once, so that what was moved to running is what
    /// this claims, and the turn ends where it began, whatever the task says the next time.
    token: NonNull<TokenState<T::Own>>,
}

// SAFETY: the handle of the task may be sent, and so may what the token keeps; the token itself is
// `Sync`.
unsafe impl<T: Scheduled> Send for Claim<T> {}

/// What becomes of a task whose turn is over.
pub(crate) enum Left<T> {
    /// It rests or has ended.
    Alone(Arc<T>),
    /// It must be queued.
    Owed(Arc<T>),
}

impl<T: Scheduled> Claim<T> {
    /// Begins the turn of a task at rest: the caller must see to it that the turn runs.
    ///
    /// # Errors
    /// The task, which is owed a turn already, is in one, or has ended.
    #[inline]
    pub(crate) fn of_resting(task: Arc<T>) -> Result<Self, Arc<T>> {
        let token = task.token();
        if !token.enter(0) {
            return Err(task);
        }
        let token = NonNull::from(token);
        Ok(Self { task, token })
    }

    /// A worker begins the turn of a task from a queue.
    ///
    /// # Panics
    /// If the task is not owed one, which would be a bug of the scheduler.
    #[inline]
    pub(crate) fn of_owed(task: Arc<T>) -> Self {
        let token = task.token();
        assert!(token.enter(WOKEN), "a queued task is owed a turn");
        let token = NonNull::from(token);
        Self { task, token }
    }

    /// The task.
    pub fn task(&self) -> &Arc<T> {
        &self.task
    }

    /// Runs the turn.
    #[inline]
    pub(crate) fn run<R>(&mut self, turn: impl FnOnce(&Arc<T>, &mut T::Own) -> R) -> R {
        let task = &self.task;
        // SAFETY: the claim is borrowed exclusively, and as long as it lives the token is running,
        // so there is no other claim of this token and nothing else refers to what it keeps.
        self.token().own.with_mut(|own| turn(task, unsafe { &mut *own }))
    }

    /// The turn is over.
    #[inline]
    pub(crate) fn end(self, turn: Turn) -> Left<T> {
        match turn {
            Turn::Idle if self.token().leave_unless_woken() => Left::Alone(self.task),
            Turn::Idle | Turn::Again => Left::Owed(self.owe()),
            Turn::Ended => {
                self.token().leave(ENDED);
                Left::Alone(self.task)
            }
        }
    }

    /// The turn comes later: the task must be queued.
    pub(crate) fn owe(self) -> Arc<T> {
        self.token().leave(WOKEN);
        self.task
    }

    #[inline]
    fn token(&self) -> &TokenState<T::Own> {
        // SAFETY: the task, which is kept here, is borrowed by nobody exclusively, so what its
        // `token` returned is there for as long as this handle of it.
        unsafe { self.token.as_ref() }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Names another of its tokens each time, in an order that has one come twice as the first of
    /// two.
    #[derive(Default)]
    struct Fickle {
        tokens: [TokenState; 3],
        asked: AtomicUsize,
    }

    impl Scheduled for Fickle {
        type Own = ();

        fn token(&self) -> &TokenState {
            let asked = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            &self.tokens[[0, 1, 0, 2, 1, 0][asked % 6]]
        }
    }

    #[test]
    fn no_token_is_claimed_twice_even_if_a_task_does_not_keep_to_one() {
        let task = Arc::new(Fickle::default());
        let claims: Vec<_> = (0..6).filter_map(|_| Claim::of_resting(task.clone()).ok()).collect();
        let mut tokens: Vec<_> = claims.iter().map(|claim| claim.token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), claims.len(), "each claims a token of its own");
    }
}
