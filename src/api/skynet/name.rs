//! Addresses and names: `skynet.self`, `address`, `localname`, `register`, `name`.

use std::sync::Arc;

use super::arguments::{Target, target};
use super::block;
use super::spawn::{ALWAYS_THERE, NAME_KEEPER, named_service};
use crate::actor::skynet::LOGGER;
use crate::actor::{Service, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 6] = [
    ("address", Native::new(address)),
    ("harbor", Native::new(harbor)),
    ("localname", Native::new(localname)),
    ("name", Native::new(name)),
    ("register", Native::new(register)),
    ("self", Native::new(own)),
];

/// `skynet.self()`.
fn own(stack: &mut Stack<'_>) -> NativeResult {
    let number = State::of(stack)?.service.address().number();
    stack.push_integer(number as i64);
    Ok(Outcome::Return(1))
}

/// `skynet.address(address)`: `":0000002a"`; a name stays as it is.
fn address(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let text = match stack.kind(1) {
        Kind::Number => format!(":{:08x}", stack.check_integer(1)?),
        Kind::LightUserdata => match target(stack, state, 1)? {
            Target::Found(service) => service.address().to_string(),
            Target::Missing(_) => stack.text(1),
        },
        _ => stack.text(1),
    };
    stack.push_str(&text);
    Ok(Outcome::Return(1))
}

/// `skynet.localname(name)`: the address of that name; no value if there is none, nor for names
/// that would be those of all nodes.
fn localname(stack: &mut Stack<'_>) -> NativeResult {
    match stack.check_str(1)?.as_bytes() {
        [b'.' | b':', ..] => named(stack),
        _ => Ok(Outcome::Return(0)),
    }
}

/// The same for all names.
pub(super) const NAMED: Native = Native::new(named);

fn named(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let name = stack.check_str(1)?;
    let found = if ALWAYS_THERE.contains(&name) {
        named_service(state, name).ok()
    } else {
        state.core.find(name)
    };
    let Some(service) = found else { return Ok(Outcome::Return(0)) };
    stack.push_integer(service.address().number() as i64);
    Ok(Outcome::Return(1))
}

/// `skynet.register(name)`: gives this service a name.
fn register(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    take_name(stack, state, &state.service)
}

/// `skynet.name(name, address)`: gives another service a name.
fn name(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let name = stack.check_str(1)?;
    match target(stack, state, 2)? {
        Target::Found(service) => take_name(stack, state, &service),
        Target::Missing(fault) => Err(Raise::message(format!(
            "cannot name a service \"{name}\" that is not there: {}",
            fault.message
        ))),
    }
}

/// The service has the name in the first argument from now on.
fn take_name(stack: &mut Stack<'_>, state: &State, service: &Arc<Service>) -> NativeResult {
    let name = stack.check_str(1)?;
    if name == LOGGER {
        state.core.give_log_away();
    }
    state.core.register(name, service).map_err(|fault| Raise::message(fault.message))?;
    // Whoever waits for the name asked the keeper after looking for it in vain, so it runs by now.
    if let Some(keeper) = state.core.find(NAME_KEEPER) {
        stack.set_top(1);
        stack.push_str("NAMED");
        stack.insert(1);
        let payload = block::pack_values(stack, 1)?;
        // A keeper that has ended keeps nobody.
        let _ = state.send(&keeper, payload);
    }
    Ok(Outcome::Return(0))
}

/// `skynet.harbor(address)`: the upper part of an address, and false, since there is one node.
fn harbor(stack: &mut Stack<'_>) -> NativeResult {
    stack.check_any(1)?;
    stack.push_integer(0);
    stack.push_bool(false);
    Ok(Outcome::Return(2))
}
