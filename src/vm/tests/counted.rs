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

/// What a script holds of memory outside Lua: so many bytes.
struct Load(usize);

impl Userdata for Load {
    const NAME: &'static str = "load";

    fn counted_bytes(&self) -> usize {
        self.0
    }
}

/// `load(mebibytes)`: a value that counts for so many.
fn load(stack: &mut Stack<'_>) -> NativeResult {
    let bytes = stack.check_integer(1)? as usize * MIB;
    stack.count_outside(bytes)?;
    stack.push_userdata(Load(bytes));
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

#[test]
fn what_a_value_counts_for_is_given_back_once_when_it_is_dropped() {
    fn close(stack: &mut Stack<'_>) -> NativeResult {
        stack.take_userdata::<Load>(1);
        Ok(Outcome::Return(0))
    }
    let mut vm = vm_with(&[("load", Native::new(load)), ("close", Native::new(close))]);
    vm.set_memory_limit(Some(8 * MIB));
    let used = vm.memory().used_bytes;
    check(&mut vm, "kept = load(5)", "");
    assert!(vm.memory().used_bytes >= used + 5 * MIB);
    assert_eq!(check_error(&mut vm, "load(5)").message, "not enough memory");
    check(&mut vm, "close(kept) close(kept) kept = nil collectgarbage()", "");
    assert!(vm.memory().used_bytes < used + MIB);
    // Garbage makes room.
    check(&mut vm, "for _ = 1, 20 do load(5) end collectgarbage()", "");
    assert!(vm.memory().used_bytes < used + MIB);
}

/// `room(mebibytes, ...)`: counts each of these in the place of the one before.
fn room(stack: &mut Stack<'_>) -> NativeResult {
    let mut room = Counted::new(stack);
    for argument in 1..=stack.top() {
        let bytes = stack.check_integer(argument)? as usize * MIB;
        room.set(stack, bytes)?;
        assert!(room.bytes() == bytes && stack.used_bytes() > bytes);
    }
    Ok(Outcome::Return(0))
}

#[test]
fn the_room_of_something_that_grows_and_shrinks_counts_while_the_native_runs() {
    let mut vm = vm_with(&[("room", Native::new(room))]);
    vm.set_memory_limit(Some(8 * MIB));
    let used = vm.memory().used_bytes;
    check(&mut vm, "room(1, 5, 2, 7, 3)", "");
    assert_eq!(check_error(&mut vm, "room(2, 9)").message, "not enough memory");
    assert!(vm.memory().used_bytes < used + MIB);
}

#[test]
fn the_texts_of_values_are_joined_within_the_limit() {
    fn join(stack: &mut Stack<'_>) -> NativeResult {
        let texts = stack.joined_texts(2)?;
        stack.push_bytes(&texts);
        Ok(Outcome::Return(1))
    }
    let mut vm = vm_with(&[("join", Native::new(join))]);
    check(&mut vm, "return join('not', 'a', 1, true, nil)", "a 1 true nil");
    vm.set_memory_limit(Some(8 * MIB));
    let many = "local s = ('x'):rep(1 << 20) join('', s, s, s, s, s, s, s, s, s, s)";
    assert_eq!(check_error(&mut vm, many).message, "not enough memory");
}
