//! Arguments that several functions of `skynet` take: addresses, names of protocols.

use std::cell::Ref;
use std::sync::Arc;

use moonhive_kernel::address::Address;

use super::spawn;
use crate::actor::skynet::Protocol;
use crate::actor::{Code, Fault, Light, Service, State};
use crate::api::blocking;
use crate::vm::{Kind, Raise, Stack};

/// What an address leads to.
pub(super) enum Target {
    Found(Arc<Service>),
    /// There is no such service (any more).
    Missing(Fault),
}

/// The service that an argument names: a number, also as a text, `":hex"`, a name, or a service of
/// `hive`.
///
/// # Errors
/// A bad argument.
#[inline(always)]
pub(super) fn target(stack: &Stack<'_>, state: &State, argument: i32) -> Result<Target, Raise> {
    let address = match stack.kind(argument) {
        Kind::Number => address_of(stack.check_integer(argument)?),
        Kind::LightUserdata => match Light::at(stack, argument) {
            Some(Light::Service(address)) => Some(address),
            _ => return Err(stack.type_error(argument, "address")),
        },
        Kind::String => return named(stack, state, argument),
        _ => return Err(stack.type_error(argument, "address")),
    };
    let Some(address) = address else { return unnumbered(stack, argument) };
    Ok(match state.peer(address) {
        Ok(service) => Target::Found(service),
        Err(fault) => Target::Missing(fault),
    })
}

/// Makes what can be called a function: as skynet takes them, values that have a `__call`.
const CALLABLE_TEXT: &str = include_str!("../../../lua/boot/callable.lua");

/// Checks that an argument is a function; what can be called becomes one.
///
/// # Errors
/// `function expected, got nil`, for instance.
#[inline]
pub(super) fn check_callable(stack: &mut Stack<'_>, argument: i32) -> Result<(), Raise> {
    if stack.kind(argument) == Kind::Function || become_function(stack, argument)? {
        return Ok(());
    }
    Err(stack.type_error(argument, "function"))
}

/// Puts a function in the place of a value that is none but can be called; false for another.
#[cold]
pub(super) fn become_function(stack: &mut Stack<'_>, index: i32) -> Result<bool, Raise> {
    if !stack.is_callable(index) {
        return Ok(false);
    }
    stack.load_embedded("callable", CALLABLE_TEXT)?;
    stack.push_value(index);
    stack.call_or_raise(1, 1)?;
    stack.replace(index);
    Ok(true)
}

/// What becomes of a number that no service can have. Zero stands for nobody: it comes of a
/// mistake.
#[cold]
fn unnumbered(stack: &Stack<'_>, argument: i32) -> Result<Target, Raise> {
    if stack.integer(argument) == Some(0) {
        return Err(Raise::message("Invalid service address 0"));
    }
    Ok(Target::Missing(Fault::new(Code::Dead, "no service has that number")))
}

fn address_of(number: i64) -> Option<Address> {
    u64::try_from(number).ok().and_then(Address::from_number)
}

#[inline(never)]
fn named(stack: &Stack<'_>, state: &State, argument: i32) -> Result<Target, Raise> {
    let name = stack.check_str(argument)?;
    // A number may have become a text on its way, as an argument of a service does in skynet.
    let number = name.parse().ok().and_then(address_of);
    let found = match name.parse::<Address>().ok().or(number) {
        Some(address) => state.core.service(address),
        None => spawn::named_service(state, name),
    };
    Ok(match found {
        Ok(service) => Target::Found(service),
        Err(fault) => Target::Missing(fault),
    })
}

/// An address as people read it.
pub(super) fn label(stack: &mut Stack<'_>, argument: i32) -> String {
    match stack.kind(argument) {
        Kind::Number => match stack.integer(argument) {
            Some(number) => format!(":{number:08x}"),
            None => stack.text(argument),
        },
        _ => stack.text(argument),
    }
}

/// The protocol that an argument names, by its name or its number.
///
/// # Errors
/// That no such protocol is registered.
#[inline(always)]
pub(super) fn protocol<'vm>(
    stack: &Stack<'vm>,
    state: &'vm State,
    argument: i32,
) -> Result<Ref<'vm, Protocol>, Raise> {
    let protocols = state.skynet.protocols.borrow();
    let found = match stack.bytes(argument) {
        Some(name) => Ref::filter_map(protocols, |protocols| protocols.named(name)),
        None => {
            let number = u8::try_from(stack.check_integer(argument)?);
            Ref::filter_map(protocols, |protocols| protocols.numbered(number.ok()?))
        }
    };
    found.map_err(|_| unknown(stack, argument))
}

/// Makes sure that a native can block here.
///
/// # Errors
/// Says which function cannot wait and why.
#[inline]
pub(super) fn check_can_block(stack: &Stack<'_>, function: &str) -> Result<(), Raise> {
    blocking::check(stack, "skynet", function)
}

#[cold]
fn unknown(stack: &Stack<'_>, argument: i32) -> Raise {
    let name = match stack.bytes(argument) {
        Some(name) => format!("\"{}\"", String::from_utf8_lossy(name)),
        None => stack.integer(argument).unwrap_or(-1).to_string(),
    };
    Raise::argument(
        argument,
        format!("the protocol {name} is not registered\nhint: skynet.register_protocol"),
    )
}
