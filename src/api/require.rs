//! The `require` of services: a module may wait while it loads.

use super::hive::{WAIT, WAKEUP};
use crate::vm::{REQUIRE_PARTS, Stack};

const TEXT: &str = include_str!("../../lua/boot/require.lua");

/// Puts it in the place of Lua's own in a new VM.
pub(super) fn prelude(stack: &mut Stack<'_>) {
    if stack.load_embedded("require", TEXT).is_err() {
        return; // a VM without memory for it keeps Lua's own, and fails soon enough
    }
    stack.push_native(WAIT);
    stack.push_native(WAKEUP);
    if stack.call(2, REQUIRE_PARTS).is_err() {
        return;
    }
    stack.push_require();
    stack.push_globals();
    stack.insert(-2);
    stack.raw_set_field(-2, "require");
}
