//! Reading one key.

use std::time::Duration;

use moonhive_shm::{Overdue, Remaining};

use crate::argument::{Buffer, Bytes, Handle, Out, Place};
use crate::failure::{Failure, Outcome};
use crate::layout::{Entry, FLUSHED, FOREVER, bytes_of};
use crate::scratch;

/// Hands an entry to C: first what it is, so that the caller learns how many bytes he needs.
#[inline]
pub fn deliver(
    found: &moonhive_shm::Entry<'_>,
    buffer: Buffer<'_>,
    capacity_bytes: usize,
    entry: Out<'_, Entry>,
) -> Outcome {
    let (kind, integer, number, bytes) = scratch::apart(&found.value)?;
    entry.write(Entry {
        struct_bytes: 0,
        kind,
        integer,
        number,
        length_bytes: bytes.len() as u64,
        version: found.version,
        flags: found.flags,
        is_stale: u32::from(found.is_stale),
    })?;
    buffer.fill(capacity_bytes, bytes)
}

exported! {
    /// The live entry of a key.
    fn mhshm_get(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        entry: Out<'_, Entry>,
    ) {
        let (dictionary, key) = (dictionary.tidied()?, key.get(key_bytes)?);
        scratch::with(|scratch| {
            let found = dictionary.get_into(key, scratch)?.ok_or(Failure::Absent)?;
            let length = bytes_of(&found.value).len();
            let outcome = deliver(&found, buffer, capacity_bytes, entry);
            scratch::settle(scratch, length, outcome)
        })
    }

    /// The entry of a key even if its time is over.
    fn mhshm_get_stale(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        entry: Out<'_, Entry>,
    ) {
        let (dictionary, key) = (dictionary.get()?, key.get(key_bytes)?);
        scratch::with(|scratch| {
            let found = dictionary.get_stale(key, scratch)?.ok_or(Failure::Absent)?;
            let length = bytes_of(&found.value).len();
            let outcome = deliver(&found, buffer, capacity_bytes, entry);
            scratch::settle(scratch, length, outcome)
        })
    }

    /// The version of a live entry or list.
    fn mhshm_entry_version(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        version: Place<'_, u64>,
    ) {
        let found = dictionary.get()?.version(key.get(key_bytes)?)?;
        version.write(found.ok_or(Failure::Absent)?);
        Ok(())
    }

    /// How long a live entry or list still lives.
    fn mhshm_ttl(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        ttl_us: Place<'_, u64>,
    ) {
        let remaining = match dictionary.get()?.ttl(key.get(key_bytes)?) {
            Err(moonhive_shm::Error::NotFound) => return Err(Failure::Absent),
            remaining => remaining?,
        };
        ttl_us.write(match remaining {
            Remaining::Forever => FOREVER,
            Remaining::Us(ttl_us) => ttl_us,
        });
        Ok(())
    }

    /// Waits until a key has another version.
    fn mhshm_wait(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        version: u64,
        timeout_ms: u64,
        now: Place<'_, u64>,
    ) {
        let known = (version != 0).then_some(version);
        let timeout = Duration::from_millis(timeout_ms);
        let found = dictionary.get()?.wait(key.get(key_bytes)?, known, timeout)?;
        now.write(found.unwrap_or(0));
        Ok(())
    }
}

exported! {
    since "MOONHIVE_SHM_2";

    /// How long ago the time of an entry or a list was over.
    fn mhshm_overdue(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        past_us: Place<'_, u64>,
    ) {
        let overdue = dictionary.get()?.overdue(key.get(key_bytes)?)?;
        past_us.write(match overdue.ok_or(Failure::Absent)? {
            Overdue::Flushed => FLUSHED,
            Overdue::For(past) => u64::try_from(past.as_micros()).unwrap_or(FLUSHED - 1),
        });
        Ok(())
    }
}
