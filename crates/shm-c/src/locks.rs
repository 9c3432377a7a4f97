//! Locks of keys. Since version 3 of the functions.

use std::time::Duration;

use moonhive_shm::Error;

use crate::argument::{Bytes, Handle, Place};
use crate::failure::Failure;

exported! {
    since "MOONHIVE_SHM_3";

    /// Takes the lock of a key, waiting for it.
    fn mhshm_lock(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        timeout_ms: u64,
        ttl_ms: u64,
        lock: Place<'_, u64>,
    ) {
        lock.demand()?;
        let (dictionary, key) = (dictionary.get()?, key.get(key_bytes)?);
        let timeout = match timeout_ms {
            u64::MAX => Duration::MAX,
            timeout_ms => Duration::from_millis(timeout_ms),
        };
        lock.write(dictionary.wait_for_lock(key, timeout, ttl_ms)?);
        Ok(())
    }

    /// Gives a lock back.
    fn mhshm_unlock(dictionary: Handle<'_>, key: Bytes<'_>, key_bytes: usize, lock: u64) {
        Ok(dictionary.get()?.remove(key.get(key_bytes)?, lock)?)
    }

    /// Begins the time to live of a lock anew.
    fn mhshm_renew_lock(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        ttl_ms: u64,
        lock: Place<'_, u64>,
    ) {
        let held = lock.read()?;
        lock.write(dictionary.get()?.renew_lock(key.get(key_bytes)?, held, ttl_ms)?);
        Ok(())
    }

    /// The process that holds the lock of a key.
    fn mhshm_lock_owner(
        dictionary: Handle<'_>,
        key: Bytes<'_>,
        key_bytes: usize,
        pid: Place<'_, u32>,
    ) {
        let owner = match dictionary.get()?.lock_owner(key.get(key_bytes)?) {
            Err(Error::ValueIsList) => None,
            owner => owner?,
        };
        pid.write(owner.ok_or(Failure::Absent)?);
        Ok(())
    }
}
