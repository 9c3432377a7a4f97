//! A task that waits for something outside the host, as the thread sees it that will wake it.

use std::sync::Arc;

use crate::actor::message::Message;
use crate::actor::service::Service;

/// Wakes the task once. Dropped without that it does nothing: the wait then ends by time, or with
/// the service.
pub(crate) struct Sleeper {
    service: Arc<Service>,
    session: u64,
}

impl Sleeper {
    pub(in crate::actor) fn new(service: Arc<Service>, session: u64) -> Sleeper {
        Sleeper { service, session }
    }

    /// What was waited for has come about. Nothing happens if the wait has ended meanwhile.
    pub(crate) fn wake(self) {
        self.service.post(Message::Rung { session: self.session });
    }
}
