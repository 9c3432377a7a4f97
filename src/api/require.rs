//! The `require` of services: a module may wait while it loads.

use super::hive::{WAIT, WAKEUP};
use crate::actor::State;
use crate::vm::{Native, NativeResult, Outcome, REQUIRE_PARTS, Stack};

const TEXT: &str = include_str!("../../lua/boot/require.lua");

/// Puts it in the place of Lua's own in a new VM.
pub(super) fn prelude(stack: &mut Stack<'_>) {
    if stack.load_embedded("require", TEXT).is_err() {
        return; // a VM without memory for it keeps Lua's own, and fails soon enough
    }
    stack.push_native(WAIT);
    stack.push_native(WAKEUP);
    stack.push_native(Native::new(gives_alone));
    if stack.call(3, REQUIRE_PARTS).is_err() {
        return;
    }
    stack.push_require();
    stack.push_globals();
    stack.insert(-2);
    stack.raw_set_field(-2, "require");
}

/// `gives_alone()`: whether a module comes without the place of its file, as it does in a service
/// of skynet whose own file has returned.
fn gives_alone(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let is_alone = state.has_started() && state.skynet.protocols.borrow().any();
    stack.push_bool(is_alone);
    Ok(Outcome::Return(1))
}
