//! Bytes on their way from a dictionary to the caller's buffer.
//!
//! Each thread has one vector for them, used again and again. What did not fit into the caller's
//! buffer stays in it until the next call that reads bytes, so that an element that was popped is
//! not lost.

use std::cell::RefCell;
use std::ffi::c_int;

use moonhive_shm::Value;

use crate::argument::{Buffer, Place};
use crate::failure::{Failure, Outcome};
use crate::layout::{bytes_of, parts_of};

/// More than this is given back to the allocator as soon as the caller has the bytes.
const KEPT_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs something with the bytes of this thread.
#[inline]
pub fn with<T>(act: impl FnOnce(&mut Vec<u8>) -> Outcome<T>) -> Outcome<T> {
    let run = |scratch: &RefCell<Vec<u8>>| act(&mut scratch.borrow_mut());
    SCRATCH.try_with(run).unwrap_or(Err(Failure::Argument("the thread has ended")))
}

/// Copies packed bytes to the caller; they stay if they do not fit.
pub fn deliver(
    scratch: &mut Vec<u8>,
    buffer: Buffer<'_>,
    capacity_bytes: usize,
    length_bytes: &Place<'_, usize>,
) -> Outcome {
    length_bytes.write(scratch.len());
    buffer.fill(capacity_bytes, scratch)?;
    trim(scratch);
    Ok(())
}

/// After a read, whose value is the first bytes: what did not fit stays, and nothing else.
#[inline]
pub fn settle(scratch: &mut Vec<u8>, length: usize, outcome: Outcome) -> Outcome {
    match outcome {
        Ok(()) => trim(scratch),
        Err(_) => scratch.truncate(length),
    }
    outcome
}

/// Gives a large buffer back.
#[inline]
pub fn trim(scratch: &mut Vec<u8>) {
    if scratch.capacity() > KEPT_BYTES {
        *scratch = Vec::new();
    }
}

/// A value taken apart: kind, integer, number, bytes.
#[inline]
pub fn apart<'v>(value: &Value<'v>) -> Outcome<(u32, i64, f64, &'v [u8])> {
    let (kind, integer, number) = parts_of(value)?;
    Ok((kind, integer, number, bytes_of(value)))
}

exported! {
    /// The bytes that did not fit before.
    fn mhshm_last_bytes(buffer: Buffer<'_>, capacity_bytes: usize, length_bytes: Place<'_, usize>) {
        with(|scratch| deliver(scratch, buffer, capacity_bytes, &length_bytes))
    }
}

const _: () = assert!(size_of::<c_int>() == 4);
