//! What goes along with a request besides its arguments: a deadline and an id.
//!
//! The id is that of the outermost request: whoever calls outside of any request begins a new one,
//! and all calls that follow from it carry the same id, so log lines of many services can be put
//! together. Making one costs an increment of the service's own counter.

use std::fmt;
use std::sync::Arc;

use super::trace::{self, Step};
use crate::actor::fault::Fault;
use crate::actor::message::Message;
use crate::actor::service::Service;
use crate::actor::slots::Key;
use crate::actor::state::State;
use crate::actor::task::NEVER_MS;

/// Set in ids of requests whose steps are recorded.
const TRACED: u64 = 1 << 63;
/// Set in ids of requests that `skynet.trace` follows by log lines.
const TOLD: u64 = 1 << 62;
/// Bits of an id that count the requests of one service; above them lies the service's address.
const COUNT_BITS: u32 = 32;

/// The id of a request and of all that follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// Of what belongs to no request.
    pub(crate) const NONE: RequestId = RequestId(0);

    /// The `count`-th request that the service with that address number begins.
    pub(crate) fn new(address: u64, count: u32) -> RequestId {
        RequestId((address << COUNT_BITS | u64::from(count)) & !(TRACED | TOLD))
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// True if its steps are recorded.
    #[inline]
    pub(crate) fn is_traced(self) -> bool {
        self.0 & TRACED != 0
    }

    #[must_use]
    pub(crate) fn traced(self) -> RequestId {
        RequestId(self.0 | TRACED)
    }

    /// The same request, of which no steps are recorded.
    #[must_use]
    pub(crate) fn untraced(self) -> RequestId {
        RequestId(self.0 & !TRACED)
    }

    /// True if `skynet.trace` follows it.
    pub(crate) fn is_told(self) -> bool {
        self.0 & TOLD != 0
    }

    #[must_use]
    pub(crate) fn told(self) -> RequestId {
        RequestId(self.0 | TOLD)
    }

    /// The same request; `skynet.trace` follows it if it follows `other`.
    #[must_use]
    pub(crate) fn told_as(self, other: RequestId) -> RequestId {
        RequestId(self.0 | (other.0 & TOLD))
    }

    /// The id under which its steps are recorded, whether `skynet.trace` follows it or not.
    #[must_use]
    pub(crate) fn recorded(self) -> RequestId {
        RequestId(self.0 & !TOLD)
    }

    /// The id as log lines show it, if there is one.
    pub(crate) fn shown(self) -> Option<String> {
        (!self.is_none()).then(|| self.to_string())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 & !(TRACED | TOLD);
        write!(formatter, "{:08x}-{}", number >> COUNT_BITS, number & ((1 << COUNT_BITS) - 1))
    }
}

/// What a request is made under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// By the host's clock.
    pub(crate) deadline_ms: u64,
    pub(crate) request: RequestId,
}

impl Terms {
    /// Of a message that nobody waits for.
    pub(crate) fn timeless(request: RequestId) -> Terms {
        Terms { deadline_ms: NEVER_MS, request }
    }
}

impl State {
    /// The request to which the running task belongs.
    pub(crate) fn request(&self) -> RequestId {
        let mut tasks = self.tasks.borrow_mut();
        let task = self.current.get().and_then(|key| tasks.get(key));
        task.map_or(RequestId::NONE, |task| task.request)
    }

    /// Puts the running task to a request; returns the one to which it belonged.
    pub(crate) fn set_request(&self, request: RequestId) -> RequestId {
        let mut tasks = self.tasks.borrow_mut();
        let task = self.current.get().and_then(|key| tasks.get(key));
        task.map_or(RequestId::NONE, |task| std::mem::replace(&mut task.request, request))
    }

    /// The id of a request that begins here.
    pub(crate) fn new_request(&self) -> RequestId {
        let count = self.requests.get().wrapping_add(1);
        self.requests.set(count);
        RequestId::new(self.service.address().number(), count)
    }

    /// Records a step of a task, if its request is traced.
    #[inline]
    pub(in crate::actor) fn trace(
        &self,
        key: Key,
        request: RequestId,
        step: impl FnOnce() -> Step,
    ) {
        if request.is_traced() {
            trace::record(&self.core, request, &self.service, key, step());
        }
    }

    /// Sends a request whose steps are recorded.
    ///
    /// # Errors
    /// As [`Service::request`].
    #[cold]
    pub(in crate::actor) fn send_traced(
        &self,
        target: &Arc<Service>,
        key: Key,
        message: Message,
    ) -> Result<(), Fault> {
        let Message::Request { caller, payload, terms } = &message else { return Ok(()) };
        let (request, to) = (terms.request, target.label().into_boxed_str());
        let (method, session) = (trace::method_of(payload), caller.session());
        self.trace(key, request, || Step::Send { to: to.clone(), method, session });
        target.request(message)?;
        let before = target.mailbox().counters().depth.saturating_sub(1);
        self.trace(key, request, || Step::Queued { to, before });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_service_that_began_the_request_and_its_count() {
        let id = RequestId::new(0x2a, 17);
        assert_eq!(id.to_string(), "0000002a-17");
        assert_eq!(id.shown(), Some("0000002a-17".to_owned()));
        assert_eq!(RequestId::NONE.shown(), None);
    }

    #[test]
    fn a_traced_id_looks_the_same() {
        let id = RequestId::new(u64::MAX, 1);
        assert!(!id.is_traced() && id.traced().is_traced());
        assert_eq!(id.traced().to_string(), id.to_string());
    }
}
