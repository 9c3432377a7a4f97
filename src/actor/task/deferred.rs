//! Answers that a service still owes when the handler has returned (`hive.defer`,
//! `skynet.response`).
//!
//! One that the program drops is found by the collector, which tells the caller. But a service at
//! rest makes no garbage and so collects none: while it owes such answers it looks by itself, after
//! a second and then less and less often. A service with much memory is left to its own
//! collections, since a whole one takes too long.

use std::time::Duration;

use super::alarm::Alarm;
use crate::actor::state::State;
use crate::actor::turn::Turn;

/// Time from the first deferred answer to the first look.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Longest time between two looks; each takes twice as long as the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// Lua memory that is collected as a whole within a few milliseconds.
const MEMORY_MAX_BYTES: usize = 4 << 20;

impl State {
    /// An answer is from now on owed by whoever holds what the handler got for it.
    pub(crate) fn note_deferred(&self) {
        self.service.figures.begin_deferred();
        if self.look_pause.get().is_none() {
            self.look_in(FIRST_LOOK);
        }
    }

    /// Without room for a timer the answers are left to the collector.
    fn look_in(&self, pause: Duration) {
        let armed = self.arm(pause, Alarm::LookForDropped);
        self.look_pause.set(armed.ok().map(|_| pause));
    }
}

impl Turn<'_, '_> {
    /// Collects garbage if answers are owed that it may hold.
    pub(in crate::actor) fn look_for_dropped(&mut self) {
        let pause = self.state.look_pause.take().unwrap_or(FIRST_LOOK);
        let figures = &self.state.service.figures;
        if figures.deferred() > 0 && self.stack.used_bytes() <= MEMORY_MAX_BYTES {
            self.stack.collect();
        }
        if figures.deferred() > 0 {
            self.state.look_in((pause * 2).min(LONGEST_PAUSE));
        }
    }
}
