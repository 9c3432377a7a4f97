//! Memory outside Lua: counted while it lives, refused beyond the limit.

use super::{check, check_error, vm_with};
use crate::vm::{Counted, CountedBytes, Held, Native, NativeResult, Outcome, Stack, Userdata};

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

/// What a script holds of memory outside.
struct Weight {
    _held: Held,
}

impl Userdata for Weight {
    const NAME: &'static str = "weight";
}

/// `weight(mebibytes)`
fn weight(stack: &mut Stack<'_>) -> NativeResult {
    let count = stack.check_integer(1)?;
    let held = stack.hold_outside(count as usize * MIB)?;
    stack.push_userdata(Weight { _held: held });
    Ok(Outcome::Return(1))
}

/// `count(mebibytes)`: counts so many while it runs.
fn count(stack: &mut Stack<'_>) -> NativeResult {
    let mut counted = Counted::new(stack);
    for mebibytes in 0..stack.check_integer(1)? {
        counted.grow_to(stack, (mebibytes as usize + 1) * MIB)?;
    }
    stack.push_integer(counted.bytes() as i64);
    Ok(Outcome::Return(1))
}

#[test]
fn what_scripts_hold_outside_counts_until_it_is_dropped() {
    let mut vm = vm_with(&[("weight", Native::new(weight))]);
    let used = vm.memory().used_bytes;
    check(&mut vm, "kept = weight(3)", "");
    assert!(vm.memory().used_bytes >= used + 3 * MIB);
    check(&mut vm, "kept = nil collectgarbage()", "");
    assert!(vm.memory().used_bytes < used + MIB);
    vm.set_memory_limit(Some(8 * MIB));
    assert_eq!(
        check_error(&mut vm, "a, b, c = weight(3), weight(3), weight(3)").message,
        "not enough memory"
    );
    // Garbage makes room, for blocks of Lua as well.
    check(
        &mut vm,
        "a, b, c = nil for _ = 1, 100 do weight(3) end return #('x'):rep(2 << 20)",
        "2097152",
    );
}

#[test]
fn what_a_script_holds_may_outlive_its_vm() {
    let mut vm = vm_with(&[]);
    let held = vm.stack().hold_outside(MIB);
    drop(vm);
    drop(held);
}

#[test]
fn what_a_native_counts_ends_with_it() {
    let mut vm = vm_with(&[("count", Native::new(count))]);
    vm.set_memory_limit(Some(8 * MIB));
    check(&mut vm, "for _ = 1, 100 do count(3) end return count(4)", "4194304");
    assert_eq!(check_error(&mut vm, "count(100)").message, "not enough memory");
    check(&mut vm, "return count(4)", "4194304");
}
