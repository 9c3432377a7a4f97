//! Services as values: light userdata whose every field is a method.
//!
//! All light userdata of a VM share one metatable, set when the VM is made: services may come in a
//! message before any code requires `hive`. Methods are made on first use and kept, within a limit,
//! so `counter:add(2)` costs a table lookup more than a plain call.

use moonhive_kernel::address::Address;

use super::call::call_method;
use crate::actor::{Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Stack};

/// Method names for which a VM keeps a function; further ones are made anew for each call.
const METHODS_MAX: u32 = 512;

const METAMETHODS: [(&str, Native); 2] =
    [("__tostring", Native::new(to_string)), ("__close", Native::new(close))];

/// Makes services usable as values in a new VM.
pub(in crate::api) fn prelude(stack: &mut Stack<'_>) {
    stack.push_light(0);
    stack.push_table(0, 3);
    stack.set_natives(&METAMETHODS);
    push_methods(stack);
    stack.raw_set_field(-2, "__index");
    stack.set_metatable(-2);
    stack.pop(1);
}

/// Pushes the table of methods, which fills itself.
fn push_methods(stack: &mut Stack<'_>) {
    stack.push_table(0, 0);
    stack.push_table(0, 1);
    stack.push_native(Native::new(make_method));
    stack.raw_set_field(-2, "__index");
    stack.set_metatable(-2);
}

/// `__index` of the table of methods: the function that calls the method of that name.
fn make_method(stack: &mut Stack<'_>) -> NativeResult {
    if stack.kind(2) != Kind::String {
        stack.push_nil();
        return Ok(Outcome::Return(1));
    }
    let state = State::of(stack)?;
    stack.push_value(2);
    stack.push_native_with(Native::new(call_method), 1);
    if state.count_method() <= METHODS_MAX {
        stack.push_value(2);
        stack.push_value(-2);
        stack.raw_set(1);
    }
    Ok(Outcome::Return(1))
}

fn to_string(stack: &mut Stack<'_>) -> NativeResult {
    let text = match Light::at(stack, 1) {
        Some(Light::Service(address)) => label(State::of(stack)?, address),
        Some(Light::Task(key)) => format!("task: {:#x}", key.to_bits()),
        Some(Light::Scope(number)) => format!("deadline: {number}"),
        Some(Light::Block(key)) => format!("message: {:#x}", key.to_bits()),
        Some(Light::Board(number)) => format!("stm copy: {number}"),
        None => format!("userdata: {:#x}", stack.light(1).unwrap_or(0)),
    };
    stack.push_str(&text);
    Ok(Outcome::Return(1))
}

/// Name and address of a service; of one that ended long ago only the address is known.
fn label(state: &State, address: Address) -> String {
    let core = &state.core;
    let ended = || core.obituary(address).map(|obituary| obituary.label().to_owned());
    let label = core.table.get(address).map(|service| service.label()).or_else(ended);
    label.unwrap_or_else(|| address.to_string())
}

/// `__close`: the end of a deadline. Other light userdata have nothing to close.
fn close(stack: &mut Stack<'_>) -> NativeResult {
    if let Some(Light::Scope(number)) = Light::at(stack, 1) {
        State::of(stack)?.end_scope(number);
    }
    Ok(Outcome::Return(0))
}
