//! `doze`: a coroutine sleeps until a key is as it wishes. What the Lua half builds its waiting on.
//!
//! The native hands a ticket to the [`listener`](super::listener) and suspends the coroutine. The
//! other half of the ticket lies on the coroutine's stack: however the wait ends (with a change, by
//! time, with the task or with the service), that half is dropped, and the listener forgets the
//! wish.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::arguments::{fit_key, key};
use super::dict::{Dict, dict};
use super::failure::{bad, refuse};
use super::listener::{self, Watch};
use crate::actor::limits::WAIT_SECONDS_MAX;
use crate::actor::{Code, Fault, Sleeper, State};
use crate::api::{blocking, hive};
use crate::vm::{Continuation, Native, NativeResult, Outcome, Raise, Stack, Userdata};

/// For the Lua half.
pub(super) const NATIVES: [(&str, Native); 1] = [("doze", Native::new(doze))];

/// What a coroutine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Another version than this one; `None` stands for no live entry.
    Change(Option<u64>),
    /// A list.
    Element,
    /// No entry, or a lock whose process has died.
    Unlock,
}

/// A wait under way, shared by the coroutine and the listener. Empty once either has ended it.
#[derive(Clone)]
pub struct Ticket(Arc<Mutex<Option<Sleeper>>>);

impl Ticket {
    /// The half of who wakes, and the coroutine's.
    pub(super) fn new(sleeper: Sleeper) -> (Ticket, Stub) {
        let ticket = Ticket(Arc::new(Mutex::new(Some(sleeper))));
        (ticket.clone(), Stub(ticket))
    }

    /// Wakes the coroutine; false if it waits no more.
    pub fn wake(&self) -> bool {
        let sleeper = self.0.lock().take();
        let waits = sleeper.is_some();
        sleeper.into_iter().for_each(Sleeper::wake);
        waits
    }

    /// True while the coroutine waits.
    pub fn is_wanted(&self) -> bool {
        self.0.lock().is_some()
    }
}

/// The coroutine's half of a ticket.
pub(super) struct Stub(Ticket);

impl Userdata for Stub {
    const NAME: &'static str = "wait for a dictionary";
}

impl Drop for Stub {
    fn drop(&mut self) {
        // Dropped once the lock is given back.
        let sleeper = self.0.0.lock().take();
        drop(sleeper);
    }
}

/// What lies on the stack while it waits: the dictionary, the key and the stub.
const KEPT: isize = 3;
const STUB: i32 = 3;

/// `doze(dict, key, wish, version, seconds)`: true if the wish may have come true, false if time is
/// over.
fn doze(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    blocking::check_dictionary(stack)?;
    let (wish, timeout) = (wish_at(stack)?, timeout_at(stack)?);
    if let Some(fault) = fit_key(stack)? {
        return refuse(stack, fault);
    }
    let opened = stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone();
    let key = Box::from(key(stack));
    stack.set_top(2);
    let sleeper = state.wait_outside(timeout);
    let sleeper = sleeper.map_err(|fault| hive::raise_fault(stack, state, fault))?;
    let (ticket, stub) = Ticket::new(sleeper);
    stack.push_userdata(stub);
    if let Err(error) = listener::add(Watch { opened, key, wish, ticket }) {
        state.cancel_wait();
        let text = format!("cannot start the thread that listens to dictionaries: {error}");
        return Err(hive::raise_fault(stack, state, Fault::new(Code::Overload, text)));
    }
    Ok(Outcome::BlockThen(0, const { Continuation::new(dozed, KEPT) }))
}

/// The wait is over: by a change, which leaves nothing, or by time, which leaves false.
fn dozed(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    let state = State::of(stack)?;
    drop(stack.take_userdata::<Stub>(STUB));
    match state.take_failure() {
        None => {
            let is_timely = stack.top() == kept as i32;
            stack.push_bool(is_timely);
            Ok(Outcome::Return(1))
        }
        Some(fault) => Err(hive::raise_fault(stack, state, *fault)),
    }
}

fn wish_at(stack: &Stack<'_>) -> Result<Wish, Raise> {
    dict(stack)?;
    match stack.check_str(3)? {
        "change" => Ok(Wish::Change(stack.optional_integer(4)?.map(|version| version as u64))),
        "element" => Ok(Wish::Element),
        "unlock" => Ok(Wish::Unlock),
        other => Err(Raise::argument(3, format!("no wish: {other}"))),
    }
}

/// Seconds, as many as the clock has; nil for ever.
fn timeout_at(stack: &Stack<'_>) -> Result<Option<Duration>, Raise> {
    let seconds = stack.optional_number(5)?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, WAIT_SECONDS_MAX))))
}
