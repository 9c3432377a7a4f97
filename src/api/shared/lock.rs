//! Locks of keys, which the dictionary knows by the process that holds them
//! ([`moonhive_shm::KeyLock`]).
//!
//! Inside a process the lock belongs to a userdata: a service that ends, however it ends, lets go
//! of it.

use std::cell::Cell;
use std::sync::Arc;

use moonhive_shm::Error;

use super::arguments::{fit_key, key, ttl_ms};
use super::dict::{Dict, dict};
use super::failure::{answer, bad, raise, refuse};
use super::registry::Opened;
use crate::vm::{Native, NativeResult, Outcome, Stack, Userdata};

/// For the Lua half.
pub(super) const NATIVES: [(&str, Native); 1] = [("try_lock", Native::new(try_lock))];

/// A lock that a VM holds.
struct Lock {
    dict: Arc<Opened>,
    key: Vec<u8>,
    /// The version of the entry; 0 once the lock was given back.
    version: Cell<u64>,
}

impl Userdata for Lock {
    const NAME: &'static str = "lock";

    fn methods() -> &'static [(&'static str, Native)] {
        const METHODS: [(&str, Native); 2] =
            [("renew", Native::new(renew)), ("unlock", Native::new(unlock))];
        &METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        const METAMETHODS: [(&str, Native); 1] = [("__close", Native::new(unlock))];
        &METAMETHODS
    }
}

impl Lock {
    /// Gives the lock back; an error if it was lost or given back before.
    fn release(&self) -> Result<(), Error> {
        match self.version.replace(0) {
            0 => Err(Error::NotFound),
            version => self.dict.remove(&self.key, version),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Lost to a time to live, or given back: nothing to do either way.
        let _ = self.release();
    }
}

/// `try_lock(dict, key, ttl)`: the lock, or nil if somebody holds it.
fn try_lock(stack: &mut Stack<'_>) -> NativeResult {
    dict(stack)?;
    let ttl_ms = ttl_ms(stack, 3)?;
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let key = key(stack).to_vec();
    let taken = opened.try_lock(&key, ttl_ms);
    opened.note_end(ttl_ms);
    match taken {
        Ok(Some(version)) => {
            stack.push_userdata(Lock { dict: opened, key, version: Cell::new(version) });
        }
        Ok(None) => stack.push_nil(),
        Err(error) => return answer(stack, &error),
    }
    Ok(Outcome::Return(1))
}

/// `lock:unlock()`: true, or nil and `"unlocked"` if it is not held any more.
fn unlock(stack: &mut Stack<'_>) -> NativeResult {
    match stack.check_userdata::<Lock>(1)?.release() {
        Ok(()) => {
            stack.push_bool(true);
            Ok(Outcome::Return(1))
        }
        Err(Error::NotFound | Error::Changed { .. }) => refuse(stack, "unlocked"),
        Err(error) => Err(raise(stack, &error)),
    }
}

/// `lock:renew([ttl])`: begins its time to live anew; true, or nil and `"unlocked"`.
fn renew(stack: &mut Stack<'_>) -> NativeResult {
    let ttl_ms = ttl_ms(stack, 2)?;
    let lock = stack.check_userdata::<Lock>(1)?;
    let renewed = lock.dict.renew_lock(&lock.key, lock.version.get(), ttl_ms);
    lock.dict.note_end(ttl_ms);
    match renewed {
        Ok(version) => {
            lock.version.set(version);
            stack.push_bool(true);
            Ok(Outcome::Return(1))
        }
        Err(Error::NotFound | Error::Changed { .. }) => refuse(stack, "unlocked"),
        Err(error) => answer(stack, &error),
    }
}
