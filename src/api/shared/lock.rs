//! Locks in a dictionary: an entry that says who holds it.
//!
//! The value names the process by its number and the moment it began, so that the lock of a process that
//! has died can be taken by the next one who wants it, without waiting for a time to live. Inside a
//! process the lock belongs to a userdata: a service that ends, however it ends, lets go of it.

use std::cell::Cell;
use std::fs;
use std::sync::Arc;
use std::sync::OnceLock;

use moonhive_shm::{Error, SetOptions, Value};

use super::arguments::{fit_key, key, ttl_ms};
use super::dict::{Dict, dict};
use super::failure::{answer, bad, raise, refuse};
use super::registry::Opened;
use crate::vm::{Native, NativeResult, Outcome, Stack, Userdata};

/// For the Lua half.
pub(super) const NATIVES: [(&str, Native); 1] = [("try_lock", Native::new(try_lock))];

/// What begins the value of a lock; the process and its beginning follow.
const PREFIX: &str = "lock of process ";

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
    if let Some(fault) = fit_key(stack) {
        return refuse(stack, fault);
    }
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let key = key(stack).to_vec();
    let taken = take(&opened, &key, SetOptions::default().ttl_ms(ttl_ms));
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

/// Takes a lock that nobody holds, or whose owner is dead; its version.
fn take(dict: &Opened, key: &[u8], options: SetOptions) -> Result<Option<u64>, Error> {
    let owner = Value::Bytes(own_mark().as_bytes());
    match dict.add(key, owner, options) {
        Ok(stored) => return Ok(Some(stored.version)),
        Err(Error::Exists) => {}
        Err(error) => return Err(error),
    }
    let Some(held) = dict.get(key)? else { return Ok(None) };
    if !is_abandoned(&held.value.as_value()) {
        return Ok(None);
    }
    match dict.cas(key, held.version, owner, options) {
        Ok(stored) => Ok(Some(stored.version)),
        Err(Error::Changed { .. } | Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// True if what a key holds is the lock of a process that has ended.
pub(super) fn is_left(dict: &Opened, key: &[u8]) -> bool {
    let held = dict.get(key).ok().flatten();
    let is_own =
        |value: &Value<'_>| matches!(value, Value::Bytes(bytes) if *bytes == own_mark().as_bytes());
    held.is_some_and(|held| !is_own(&held.value.as_value()) && is_abandoned(&held.value.as_value()))
}

/// True if the value names a process that has ended.
fn is_abandoned(value: &Value<'_>) -> bool {
    let Value::Bytes(bytes) = value else { return false };
    let mark = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_prefix(PREFIX));
    let Some((pid, begun)) = mark.and_then(|mark| mark.split_once('@')) else { return false };
    match pid.parse::<u32>().map(begun_of) {
        Ok(Some(now)) => now != begun,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// How this process marks what it holds.
fn own_mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        let pid = std::process::id();
        format!("{PREFIX}{pid}@{}", begun_of(pid).unwrap_or_default())
    })
}

/// When a process began, in ticks since the machine was started; `None` if there is no such process, or
/// only what its parent has not collected yet.
fn begun_of(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets that may hold anything; the state follows it.
    let mut fields = status.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
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
    let options = SetOptions::default().ttl_ms(ttl_ms(stack, 2)?);
    let lock = stack.check_userdata::<Lock>(1)?;
    let owner = Value::Bytes(own_mark().as_bytes());
    let stored = lock.dict.cas(&lock.key, lock.version.get(), owner, options);
    lock.dict.note_end(options.ttl_ms);
    match stored {
        Ok(stored) => {
            lock.version.set(stored.version);
            stack.push_bool(true);
            Ok(Outcome::Return(1))
        }
        Err(Error::NotFound | Error::Changed { .. }) => refuse(stack, "unlocked"),
        Err(error) => answer(stack, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_outlives_its_process_but_is_known_as_abandoned() {
        assert!(!is_abandoned(&Value::Bytes(own_mark().as_bytes())));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let mark = format!("{PREFIX}{pid}@1");
        assert!(is_abandoned(&Value::Bytes(mark.as_bytes())));
    }

    #[test]
    fn a_process_with_the_number_of_a_dead_one_is_another() {
        let mark = format!("{PREFIX}{}@1", std::process::id());
        assert!(is_abandoned(&Value::Bytes(mark.as_bytes())));
    }

    #[test]
    fn a_value_that_is_no_lock_is_never_taken() {
        for value in [Value::Integer(1), Value::Bytes(b"lock of process x@1"), Value::Bytes(b"")] {
            assert!(!is_abandoned(&value), "{value:?}");
        }
    }
}
