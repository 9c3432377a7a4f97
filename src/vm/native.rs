//! Native functions: safe Rust that Lua calls, through a trampoline that costs nothing extra.
//!
//! A native is a function item (or a closure without captures), that is, a type of size zero. The
//! trampoline is generic over that type, so the call inside it is direct. It has two halves:
//!
//! - [`step`] enters the Rust world, runs the native, catches a panic, drops everything and answers
//!   with a plain number, having noted a [`Step`] where more is to be done;
//! - [`finish`] owns nothing and may therefore raise or yield, which Lua does by `longjmp`.
//!
//! Napkin: a bare C function costs Lua about 30 ns; the trampoline adds below 5 ns.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use moonhive_lua_sys::{host, lua};

use super::context::{Context, set_blocked};
use super::raise::{ErrorValue, Raise, prepare};
use super::stack::{Stack, StackOverflow};

/// What a native function answers.
pub type NativeResult = Result<Outcome, Raise>;

/// How a native function ends when it did not fail.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Outcome {
    /// Returns this many values from the top of the stack.
    Return(c_int),
    /// Blocks the host's coroutine this code runs in, through all coroutines of user code in
    /// between, and hands this many values from the top of the stack to the host. What the host
    /// resumes with becomes the results.
    Block(c_int),
    /// The same, but what the host resumes with is given to a continuation.
    BlockThen(c_int, Continuation),
    /// Yields to whoever resumed the running coroutine, as `coroutine.yield` does.
    Yield(c_int),
    /// The same with a continuation.
    YieldThen(c_int, Continuation),
}

/// A Lua function written in safe Rust; make one with [`Native::new`].
#[derive(Debug, Clone, Copy)]
pub struct Native(pub(super) lua::lua_CFunction);

impl Native {
    /// Makes a Lua function of a function item or of a closure that captures nothing.
    ///
    /// ```
    /// use moonhive::vm::{Native, NativeResult, Outcome, Stack};
    /// fn double(stack: &mut Stack<'_>) -> NativeResult {
    ///     let number = stack.check_integer(1)?;
    ///     stack.push_integer(number * 2);
    ///     Ok(Outcome::Return(1))
    /// }
    /// const DOUBLE: Native = Native::new(double);
    /// # let _ = DOUBLE;
    /// ```
    pub const fn new<F>(function: F) -> Native
    where
        F: Fn(&mut Stack<'_>) -> NativeResult + Copy + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a native function cannot capture anything") };
        let _ = function;
        Native(call::<F>)
    }
}

/// What runs when a blocked or yielded native is resumed; make one with [`Continuation::new`].
#[derive(Debug, Clone, Copy)]
pub struct Continuation {
    function: lua::lua_KFunction,
    context: isize,
}

impl Continuation {
    /// The function gets the stack as the native left it, with the yielded values replaced by
    /// those of the resume, and `context`.
    pub const fn new<F>(function: F, context: isize) -> Continuation
    where
        F: Fn(&mut Stack<'_>, isize) -> NativeResult + Copy + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a continuation cannot capture anything") };
        let _ = function;
        Continuation { function: go_on::<F>, context }
    }
}

/// What [`finish`] has to do. Plain data: nothing to drop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Yield {
        values: c_int,
        blocks: bool,
        then: Option<Continuation>,
    },
    /// The error value is on top of the stack.
    Raise,
    /// A bad argument; what is wrong with it is on top of the stack.
    BadArgument(c_int),
}

/// What [`step`] answers where something else is to be done than to return values: the context says
/// what.
const OTHERWISE: c_int = -1;

/// The trampoline of a native.
///
/// # Safety
/// Only Lua calls it, with a state of one of our VMs.
unsafe extern "C-unwind" fn call<F>(state: *mut lua::lua_State) -> c_int
where
    F: Fn(&mut Stack<'_>) -> NativeResult + Copy + 'static,
{
    // SAFETY: `Native::new` saw a value of `F`, which has size zero, and `F` is `Copy`: any
    // well-aligned address holds one.
    let function = unsafe { NonNull::<F>::dangling().read() };
    // SAFETY: Lua passes the running state; this frame owns nothing when `finish` runs.
    unsafe { finish(state, step(state, lua::LUA_MINSTACK, function)) }
}

/// The trampoline of a continuation.
///
/// # Safety
/// Only Lua calls it, with a state of one of our VMs.
unsafe extern "C-unwind" fn go_on<F>(
    state: *mut lua::lua_State,
    _status: c_int,
    context: lua::lua_KContext,
) -> c_int
where
    F: Fn(&mut Stack<'_>, isize) -> NativeResult + Copy + 'static,
{
    // SAFETY: as in `call`.
    let function = unsafe { NonNull::<F>::dangling().read() };
    // SAFETY: as in `call`.
    unsafe { finish(state, step(state, 0, |stack: &mut Stack<'_>| function(stack, context))) }
}

/// Runs the native in the Rust world and reduces what it answered to plain data: the number of
/// values that it returns, in a register, or [`OTHERWISE`].
///
/// # Safety
/// `state` is the running state of one of our VMs, with room for so many values.
#[inline]
unsafe fn step<F>(state: *mut lua::lua_State, room: c_int, function: F) -> c_int
where
    F: Fn(&mut Stack<'_>) -> NativeResult,
{
    // SAFETY: by contract; the VM outlives the call that runs on it.
    let context = unsafe { Context::of(state) };
    let before = context.enter();
    // SAFETY: `enter` was called, and the state is the running one.
    let mut stack = unsafe { Stack::with_room(state, context, room) };
    let outcome = catch_unwind(AssertUnwindSafe(|| match function(&mut stack) {
        // The usual end, in one comparison: a negative number becomes a large one.
        Ok(Outcome::Return(values)) if values as u32 <= stack.top() as u32 => values,
        Ok(outcome) => end_otherwise(&mut stack, outcome),
        Err(raise) => fail(&mut stack, raise),
    }));
    let values = outcome.unwrap_or_else(|panic| fail_after_panic(&mut stack, panic));
    context.restore(before);
    values
}

/// Does what may jump: returns, yields or raises.
///
/// # Safety
/// `state` is the running state of one of our VMs, prepared by [`step`]; no frame up to the C
/// function that called the trampoline owns anything.
#[inline]
unsafe fn finish(state: *mut lua::lua_State, values: c_int) -> c_int {
    // SAFETY: by contract these calls may jump out of this frame, which owns nothing.
    unsafe {
        let context = Context::of(state);
        if context.memory.is_over_limit() {
            insist_on_memory(state);
        }
        context.poll_collector(state);
        if values < 0 { finish_otherwise(state, context) } else { values }
    }
}

/// The same where no values are returned.
///
/// # Safety
/// As [`finish`].
#[inline(never)]
unsafe fn finish_otherwise(state: *mut lua::lua_State, context: &Context) -> c_int {
    // SAFETY: as in `finish`; a state that `end_otherwise` let yield is a live coroutine.
    unsafe {
        match context.step.get() {
            Step::Raise => lua::lua_error(state),
            Step::BadArgument(index) => {
                lua::luaL_argerror(state, index, lua::lua_tostring(state, -1))
            }
            Step::Yield { values, blocks, then } => {
                if blocks {
                    context.blocking.set(true);
                    set_blocked(state, true);
                }
                match then {
                    None => host::lua_leavek(state, values, 0, None),
                    Some(then) => {
                        host::lua_leavek(state, values, then.context, Some(then.function))
                    }
                }
            }
        }
    }
}

/// The VM grew over its limit while nothing was refused. Asks for a little more: Lua then collects
/// everything it can, and raises its own `not enough memory` if that did not help.
///
/// # Safety
/// As [`finish`].
#[cold]
unsafe fn insist_on_memory(state: *mut lua::lua_State) {
    // SAFETY: by contract this may jump; room for the value is made sure of.
    unsafe {
        if lua::lua_checkstack(state, 1) != 0 {
            lua::lua_newuserdatauv(state, 1, 0);
            lua::lua_settop(state, -2);
        }
    }
}

/// Puts off what [`finish`] does.
fn put_off(stack: &Stack<'_>, step: Step) -> c_int {
    stack.context().step.set(step);
    OTHERWISE
}

#[inline(never)]
fn end_otherwise(stack: &mut Stack<'_>, outcome: Outcome) -> c_int {
    let (values, blocks, then) = match outcome {
        Outcome::Return(values) => return fail_promise(stack, values),
        Outcome::Block(values) => (values, true, None),
        Outcome::BlockThen(values, then) => (values, true, Some(then)),
        Outcome::Yield(values) => (values, false, None),
        Outcome::YieldThen(values, then) => (values, false, Some(then)),
    };
    if !(0..=stack.top()).contains(&values) {
        return fail_promise(stack, values);
    }
    if blocks && !stack.can_block() {
        return fail(stack, Raise::message(refusal(stack)));
    }
    put_off(stack, Step::Yield { values, blocks, then })
}

#[cold]
fn fail_promise(stack: &mut Stack<'_>, values: c_int) -> c_int {
    let top = stack.top();
    fail(stack, Raise::message(format!("native function promised {values} values and has {top}")))
}

/// Why code here cannot block, in stock Lua's words.
fn refusal(stack: &Stack<'_>) -> &'static str {
    if stack.is_main() {
        "attempt to yield from outside a coroutine"
    } else {
        "attempt to yield across a C-call boundary"
    }
}

#[cold]
fn fail(stack: &mut Stack<'_>, raise: Raise) -> c_int {
    let step = match prepare(stack, raise) {
        None => Step::Raise,
        Some(index) => Step::BadArgument(index),
    };
    put_off(stack, step)
}

#[cold]
fn fail_after_panic(stack: &mut Stack<'_>, panic: Box<dyn Any + Send>) -> c_int {
    if panic.is::<StackOverflow>() {
        // What the native pushed is lost anyway, and the message needs room where there may be no
        // more.
        stack.cut_to_minimum();
        return fail(stack, Raise::message("stack overflow"));
    }
    let text = panic_text(&*panic);
    // A panic in the hook must not get past the C frames below; its text is already out.
    let _ = catch_unwind(AssertUnwindSafe(|| stack.context().hooks.native_panicked(&text)));
    fail(stack, Raise::error(ErrorValue::new("panic", format!("native function panicked: {text}"))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
