//! Memory outside Lua: counted while it lives, refused beyond the limit.

use super::{check, check_error, vm_with};
use crate::vm::{CountedBytes, Native, NativeResult, Outcome, Stack};

const MIB: usize = 1 << 20;

/// `fill(mebibytes)`: builds so many; returns how many bytes they were.
fn fill(stack: &mut Stack<'_>) -> NativeResult {
    let count = stack.check_integer(1)?;
    let mut bytes = CountedBytes::new(stack);
    let piece = vec![b'x'; MIB];
    for _ in 0..count {
        bytes.extend(stack, &piece)?;
    }
    assert!(stack.context().memory.used_bytes() > bytes.len());
    stack.push_integer(bytes.len() as i64);
    Ok(Outcome::Return(1))
}

#[test]
fn what_a_native_builds_counts_while_it_lives_and_has_the_limit_of_the_vm() {
    let mut vm = vm_with(&[("fill", Native::new(fill))]);
    let used = vm.memory().used_bytes;
    check(&mut vm, "return fill(3)", "3145728");
    assert!(vm.memory().used_bytes < used + MIB);
    vm.set_memory_limit(Some(8 * MIB));
    assert_eq!(check_error(&mut vm, "fill(100)").message, "not enough memory");
    assert!(vm.memory().used_bytes < used + MIB);
    check(&mut vm, "return fill(2)", "2097152");
}

#[test]
fn garbage_makes_room_for_what_a_native_builds() {
    let mut vm = vm_with(&[("fill", Native::new(fill))]);
    vm.set_memory_limit(Some(8 * MIB));
    check(
        &mut vm,
        "collectgarbage 'stop' local s = ('y'):rep(5 << 20) s = nil return fill(3)",
        "3145728",
    );
}
