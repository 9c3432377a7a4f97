//! The buffers that packing reuses, one set per thread.
//!
//! A payload is written into the thread's buffer and then copied once, at its exact size. Packing
//! may nest (a `__pairs` function may pack something itself): the inner one finds the buffers taken
//! and makes its own.

use std::cell::Cell;

use super::MAX_DEPTH;
use super::format::Writer;
use super::keys::KeyCache;
use super::payload::Payload;

/// A buffer larger than this is not kept after its payload, in bytes.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    static SPARE: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// What one payload in the making needs.
#[derive(Debug)]
pub(super) struct Scratch {
    pub writer: Writer,
    pub keys: KeyCache,
    /// The tables that are being walked, outermost first; only addresses to compare.
    pub ancestors: [usize; MAX_DEPTH],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { writer: Writer::default(), keys: KeyCache::default(), ancestors: [0; MAX_DEPTH] }
    }
}

impl Scratch {
    /// Starts a payload.
    pub fn begin(&mut self) {
        self.writer.begin();
        self.keys.begin();
    }
}

/// Runs `write` with fresh buffers and makes a payload of what it wrote.
#[inline]
pub(super) fn with_scratch<E>(
    write: impl FnOnce(&mut Scratch) -> Result<(), E>,
) -> Result<Payload, E> {
    let mut scratch = SPARE.take().unwrap_or_default();
    scratch.begin();
    let written = write(&mut scratch);
    let result = match written {
        Ok(()) => Ok(scratch.writer.finish(scratch.keys.referenced())),
        Err(error) => Err(error),
    };
    scratch.writer.forget_attached();
    scratch.writer.shrink(KEPT_BYTES);
    SPARE.set(Some(scratch));
    result
}
