//! What goes along with a request besides its arguments: a deadline and an id.
//!
//! The id is that of the outermost request: whoever calls outside of any request begins a new one,
//! and all calls that follow from it carry the same id, so log lines of many services can be put
//! together. Making one costs an increment of the service's own counter.

use std::fmt;

use super::task::NEVER_MS;

/// Set in ids of requests whose steps are recorded.
const TRACED: u64 = 1 << 63;
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
        RequestId((address << COUNT_BITS | u64::from(count)) & !TRACED)
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

    /// The id as log lines show it, if there is one.
    pub(crate) fn shown(self) -> Option<String> {
        (!self.is_none()).then(|| self.to_string())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 & !TRACED;
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
