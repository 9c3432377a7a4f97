//! Tasks: `skynet.fork`, `timeout`, `sleep`, `wait`, `wakeup`.

use super::arguments::{check_callable, check_can_block};
use crate::actor::{Fault, Key, Light, State, Token};
use crate::vm::{Continuation, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 6] = [
    ("fork", Native::new(fork)),
    ("sleep", Native::new(sleep)),
    ("timeout", Native::new(timeout)),
    ("wait", Native::new(wait)),
    ("wakeup", Native::new(wakeup)),
    ("yield", Native::new(yield_)),
];

/// What a wait that `wakeup` ended leaves of a sleep.
const BREAK: &str = "BREAK";

/// `skynet.fork(f, ...)`: the coroutine that will run it.
fn fork(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_callable(stack, 1)?;
    let key = state.fork(stack, 1).map_err(failed)?;
    state.push_coroutine_of(stack, key);
    Ok(Outcome::Return(1))
}

/// `skynet.timeout(ticks, f)`: a task, which `task:cancel()` calls off.
fn timeout(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let ticks = ticks(stack, 1)?;
    check_callable(stack, 2)?;
    stack.set_top(2);
    let key: Result<Key, Fault> = if ticks == 0 {
        state.fork_behind_messages(stack, 2)
    } else {
        state.timer_in_ticks(stack, 2, ticks)
    };
    Light::Task(key.map_err(failed)?).push(stack);
    Ok(Outcome::Return(1))
}

/// `skynet.sleep(ticks [, token])`: `"BREAK"` if `wakeup` ended it, else nothing.
fn sleep(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "sleep")?;
    let ticks = ticks(stack, 1)?;
    stack.set_top(2);
    stack.remove(1);
    begin_sleep(stack, state, ticks)
}

/// `skynet.yield()`: a sleep without time. Everything runs that is ready now, and every message is
/// handled that waits.
fn yield_(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "yield")?;
    stack.set_top(0);
    stack.push_nil();
    begin_sleep(stack, state, 0)
}

/// Sleeps; the token is the only argument.
fn begin_sleep(stack: &mut Stack<'_>, state: &State, ticks: u64) -> NativeResult {
    let token = own_token(stack)?;
    if ticks == 0 {
        state.wait_behind_messages(token).map_err(failed)?;
    } else {
        state.wait_ticks(token, ticks).map_err(failed)?;
    }
    Ok(Outcome::BlockThen(0, const { Continuation::new(slept, 1) }))
}

/// `skynet.wait([token])`.
fn wait(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    check_can_block(stack, "wait")?;
    stack.set_top(1);
    let token = own_token(stack)?;
    state.wait(token, None).map_err(failed)?;
    Ok(Outcome::BlockThen(0, const { Continuation::new(waited, 1) }))
}

/// The token in the only argument, by default the running coroutine. It stays on the stack, so that
/// its address is not used for another object.
fn own_token(stack: &mut Stack<'_>) -> Result<Token, Raise> {
    if stack.is_none_or_nil(1) {
        stack.push_this_thread();
        stack.replace(1);
    }
    Token::of(stack, 1)
}

/// A sleep is over: above the token lies whether it was woken.
fn slept(stack: &mut Stack<'_>, kept: isize) -> NativeResult {
    fail_or_go_on(stack)?;
    if !stack.truth(kept as i32 + 1) {
        return Ok(Outcome::Return(0));
    }
    stack.push_str(BREAK);
    Ok(Outcome::Return(1))
}

fn waited(stack: &mut Stack<'_>, _kept: isize) -> NativeResult {
    fail_or_go_on(stack)?;
    Ok(Outcome::Return(0))
}

fn fail_or_go_on(stack: &mut Stack<'_>) -> Result<(), Raise> {
    match State::of(stack)?.take_failure() {
        None => Ok(()),
        Some(fault) => Err(failed(*fault)),
    }
}

/// `skynet.wakeup(token)`: true if somebody waited for it.
fn wakeup(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    stack.set_top(1);
    if stack.is_none_or_nil(1) {
        return Ok(Outcome::Return(0));
    }
    let token = Token::of(stack, 1)?;
    if !state.wakeup_next(stack, &token, 2) && !wake_timer(stack, state) {
        return Ok(Outcome::Return(0));
    }
    stack.push_bool(true);
    Ok(Outcome::Return(1))
}

/// Wakes the task of a timer, if the only argument is what `timeout` returned.
fn wake_timer(stack: &mut Stack<'_>, state: &State) -> bool {
    let Some(Light::Task(key)) = Light::at(stack, 1) else { return false };
    state.push_coroutine_of(stack, key);
    let token = Token::of(stack, 2);
    stack.set_top(1);
    token.is_ok_and(|token| state.wakeup_next(stack, &token, 2))
}

/// An argument in ticks; a negative one counts as none.
fn ticks(stack: &Stack<'_>, argument: i32) -> Result<u64, Raise> {
    Ok(u64::try_from(stack.check_integer(argument)?).unwrap_or(0))
}

#[cold]
fn failed(fault: Fault) -> Raise {
    Raise::message(fault.message)
}
