//! Lists.

use std::ffi::c_int;
use std::time::Duration;

use moonhive_shm::Value;

use crate::argument::{Buffer, Bytes, Handle, In, Out, Place, ValueIn};
use crate::failure::{Failure, Outcome};
use crate::layout::{Entry, StoreOptions, append_element, bytes_of, side_of};
use crate::{reading, scratch};

/// Hands an element to C. If it does not fit, its bytes stay with the thread: it was taken.
fn deliver(
    value: Value<'_>,
    buffer: Buffer<'_>,
    capacity_bytes: usize,
    entry: Out<'_, Entry>,
) -> Outcome {
    let found = moonhive_shm::Entry { value, flags: 0, version: 0, is_stale: false };
    reading::deliver(&found, buffer, capacity_bytes, entry)
}

exported! {
    /// Adds an element at an end.
    fn mhshm_push(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        value: ValueIn<'_>,
        side: c_int,
        options: In<'_, StoreOptions>,
        length: Place<'_, u64>,
    ) {
        let (dictionary, key) = (dictionary.tidied()?, key.get(key_bytes)?);
        let options = options.get()?.into();
        length.write(dictionary.push(key, value.get()?, side_of(side)?, options)?);
        Ok(())
    }

    /// Takes the element at an end.
    fn mhshm_pop(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        side: c_int,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        entry: Out<'_, Entry>,
    ) {
        entry.check()?;
        let (dictionary, key) = (dictionary.tidied()?, key.get(key_bytes)?);
        scratch::with(|scratch| {
            let value = dictionary.pop_into(key, side_of(side)?, scratch)?;
            deliver(value.ok_or(Failure::Absent)?, buffer, capacity_bytes, entry)?;
            scratch::trim(scratch);
            Ok(())
        })
    }

    /// Takes the element at an end, waiting for one.
    fn mhshm_pop_wait(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        side: c_int,
        timeout_ms: u64,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        entry: Out<'_, Entry>,
    ) {
        entry.check()?;
        let (dictionary, key) = (dictionary.get()?, key.get(key_bytes)?);
        let timeout = Duration::from_millis(timeout_ms);
        let value = dictionary.pop_wait(key, side_of(side)?, timeout)?;
        scratch::with(|scratch| {
            scratch.clear();
            scratch.extend(bytes_of(&value.as_value()));
            deliver(value.as_value(), buffer, capacity_bytes, entry)
        })
    }

    /// Elements of a list.
    fn mhshm_length(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        length: Place<'_, u64>,
    ) {
        length.write(dictionary.tidied()?.length(key.get(key_bytes)?)?);
        Ok(())
    }

    /// Elements from one index to another.
    fn mhshm_range(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        start: i64,
        stop: i64,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        length_bytes: Place<'_, usize>,
        count: Place<'_, usize>,
    ) {
        let elements = dictionary.get()?.range(key.get(key_bytes)?, start, stop)?;
        count.write(elements.len());
        scratch::with(|scratch| {
            scratch.clear();
            elements.iter().try_for_each(|element| append_element(scratch, element))?;
            scratch::deliver(scratch, buffer, capacity_bytes, &length_bytes)
        })
    }
}
