//! Links: two services of which neither outlives the other's failure.
//!
//! A link is a pair of watches under a key that no task has. What a watcher is told under it is not
//! for one of its tasks but for the service as a whole: it leaves, as if its file had failed. An
//! orderly end says nothing to the other side.

use std::sync::Arc;

use super::Service;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::message::Obituary;
use crate::actor::turn::Turn;

/// In the place of a task's key, which has 56 bits.
pub(in crate::actor) const LINK: u64 = u64::MAX;

/// Makes each of the two end when the other ends in disorder; once more changes nothing.
///
/// # Errors
/// `overload` when one of them has too many watchers.
pub(crate) fn link(one: &Arc<Service>, other: &Arc<Service>) -> Result<(), Fault> {
    unlink(one, other);
    if Arc::ptr_eq(one, other) {
        return Ok(());
    }
    one.watch(other, LINK)?;
    other.watch(one, LINK).inspect_err(|_| one.unwatch(other, LINK))
}

/// The same in one direction: `follower` ends when `leader` does.
///
/// # Errors
/// `overload` when the leader has too many watchers.
pub(crate) fn follow(follower: &Arc<Service>, leader: &Arc<Service>) -> Result<(), Fault> {
    leader.unwatch(follower, LINK);
    leader.watch(follower, LINK)
}

/// Takes the link between two services back, in both directions.
pub(crate) fn unlink(one: &Arc<Service>, other: &Arc<Service>) {
    one.unwatch(other, LINK);
    other.unwatch(one, LINK);
}

impl Turn<'_, '_> {
    /// A service to which this one is linked has ended.
    pub(in crate::actor) fn linked_ended(&mut self, obituary: &Obituary) {
        if obituary.end.is_orderly() {
            return;
        }
        let (who, why) = (obituary.label(), obituary.end.message());
        let text = format!("service {who}, to which it is linked, has ended: {why}");
        let fault = Fault::new(Code::Linked, text).with_traceback(obituary.end.traceback());
        self.state.leave(End::Failed(fault));
    }
}
