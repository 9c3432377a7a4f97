//! `hive.link` and `hive.unlink`.

use super::arguments::target;
use super::{failure, task};
use crate::actor::{State, follow, link, unlink};
use crate::vm::{Kind, Native, NativeResult, Outcome, Stack};

pub(super) const NATIVES: [(&str, Native); 2] =
    [("link", Native::new(link_services)), ("unlink", Native::new(unlink_services))];

/// `hive.link(target [, f])`: with `f`, which is told of the target's end, only the target follows.
fn link_services(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let target = target(stack, state, 1)?;
    if stack.is_none_or_nil(2) {
        return match link(&state.service, &target) {
            Ok(()) => Ok(Outcome::Return(0)),
            Err(fault) => Err(failure::raise(stack, state, fault)),
        };
    }
    stack.check_kind(2, Kind::Function)?;
    if let Err(fault) = follow(&target, &state.service) {
        return Err(failure::raise(stack, state, fault));
    }
    stack.set_top(2);
    let task = state.monitor(stack, 2, &target);
    task::push_task(stack, state, task)
}

/// `hive.unlink(target)`: false if it has ended already.
fn unlink_services(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let target = super::registry::existing(stack, state)?;
    if let Some(target) = &target {
        unlink(&state.service, target);
    }
    stack.push_bool(target.is_some());
    Ok(Outcome::Return(1))
}
