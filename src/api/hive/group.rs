//! The natives under `hive.group`.

use super::arguments::target;
use super::{call, failure};
use crate::actor::{Light, State};
use crate::vm::{Kind, Native, NativeResult, Outcome, Stack};

pub(super) const NATIVES: [(&str, Native); 5] = [
    ("broadcast", Native::new(broadcast)),
    ("join", Native::new(join)),
    ("leave", Native::new(leave)),
    ("members", Native::new(members)),
    ("next", Native::new(next)),
];

/// `join(name [, target])`: false if it is a member already.
fn join(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let service = match stack.is_none_or_nil(2) {
        true => state.service.clone(),
        false => target(stack, state, 2)?,
    };
    let joined = state.core.groups.join(stack.check_str(1)?, &service);
    match joined {
        Ok(joined) => stack.push_bool(joined),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}

/// `leave(name [, target])`: false if it is no member.
fn leave(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let service = match stack.is_none_or_nil(2) {
        true => Some(state.service.clone()),
        false => match Light::at(stack, 2) {
            Some(Light::Service(address)) => state.core.table.get(address),
            _ => Some(target(stack, state, 2)?),
        },
    };
    let name = stack.check_str(1)?;
    let left = service.is_some_and(|service| state.core.groups.leave(name, &service));
    stack.push_bool(left);
    Ok(Outcome::Return(1))
}

/// `next(name)`: the member whose turn it is.
fn next(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.core.groups.next(stack.check_str(1)?) {
        Ok(member) => Light::Service(member.address()).push(stack),
        Err(fault) => return Err(failure::raise(stack, state, fault)),
    }
    Ok(Outcome::Return(1))
}

/// `members(name)`: a list.
fn members(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let members = state.core.groups.members(stack.check_str(1)?);
    stack.push_table(members.len(), 0);
    for (position, member) in (1..).zip(&members) {
        Light::Service(member.address()).push(stack);
        stack.raw_set_item(-2, position);
    }
    Ok(Outcome::Return(1))
}

/// `broadcast(name, method, ...)`: the number of members whose mailbox has taken the message.
fn broadcast(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if stack.kind(2) != Kind::String {
        return Err(stack.type_error(2, "method name"));
    }
    let payload = call::pack(stack, state, 2)?;
    let members = state.core.groups.members(stack.check_str(1)?);
    let taken = members.iter().filter(|member| state.send(member, payload.clone()).is_ok());
    let taken = taken.count();
    stack.push_integer(taken as i64);
    Ok(Outcome::Return(1))
}
