//! Natives: results, arguments, errors, panics.

use super::{check, check_error, run, vm_with};
use crate::vm::{
    ErrorKind, ErrorValue, Kind, Native, NativeResult, Outcome, Raise, Stack, upvalue,
};

fn add(stack: &mut Stack<'_>) -> NativeResult {
    let sum = stack.check_integer(1)? + stack.check_integer(2)?;
    stack.push_integer(sum);
    Ok(Outcome::Return(1))
}

fn fail_with(stack: &mut Stack<'_>) -> NativeResult {
    let message = stack.check_str(1)?.to_owned();
    Err(Raise::message(message))
}

fn fail_dead(_: &mut Stack<'_>) -> NativeResult {
    Err(ErrorValue::new("dead", "service :2a has ended").into())
}

const ADD: (&str, Native) = ("add", Native::new(add));

#[test]
fn a_native_returns_what_it_pushed() {
    check(&mut vm_with(&[ADD]), "return add(40, 2)", "42");
}

#[test]
fn strings_convert_to_numbers_as_in_lua() {
    check(&mut vm_with(&[ADD]), "return add('40', 2.0)", "42");
}

#[test]
fn bad_arguments_read_as_in_lua() {
    let mut vm = vm_with(&[ADD]);
    let cases = [
        ("add(1)", "test:1: bad argument #2 to 'add' (number expected, got no value)"),
        ("add({}, 1)", "test:1: bad argument #1 to 'add' (number expected, got table)"),
        ("add(1.5, 1)", "test:1: bad argument #1 to 'add' (number has no integer representation)"),
        (
            "local t = setmetatable({}, {__name = 'thing'}) add(t)",
            "test:1: bad argument #1 to 'add' (number expected, got thing)",
        ),
        (
            "local t = {add = add} t:add(1)",
            "test:1: calling 'add' on bad self (number expected, got table)",
        ),
    ];
    for (code, expected) in cases {
        assert_eq!(check_error(&mut vm, code).message, expected);
    }
}

#[test]
fn a_message_carries_the_callers_position() {
    let mut vm = vm_with(&[("fail", Native::new(fail_with))]);
    let error = check_error(&mut vm, "local x = 1\nfail('no luck')");
    assert_eq!(error.message, "test:2: no luck");
    assert_eq!((error.kind, &*error.code), (ErrorKind::Runtime, "error"));
    assert!(error.traceback.starts_with("stack traceback:\n\t[C]: in "), "{}", error.traceback);
    assert!(error.traceback.contains("test:2: in main chunk"), "{}", error.traceback);
}

#[test]
fn structured_errors_are_recognisable_from_lua_and_from_rust() {
    let mut vm = vm_with(&[("fail", Native::new(fail_dead))]);
    check(
        &mut vm,
        "local ok, e = pcall(fail) return ok, e.code, tostring(e), e.traceback:match('^stack')",
        "false dead service :2a has ended stack",
    );
    let error = check_error(&mut vm, "fail()");
    assert_eq!((&*error.code, &*error.message), ("dead", "service :2a has ended"));
    assert!(error.traceback.contains("test:1: in main chunk"), "{}", error.traceback);
}

#[test]
fn any_value_may_be_raised() {
    let mut vm = vm_with(&[]);
    let cases = [
        ("error('x', 0)", "x"),
        ("error(42)", "42"),
        ("error({})", "(error object is a table value)"),
        ("error(nil)", "<no error object>"),
        ("error(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"),
        ("error(setmetatable({}, {__tostring = error}))", "(error object is a table value)"),
        ("error({code = 7, message = 'm'})", "m"),
        ("error({code = 'c'})", "(error object is a table value, code = c)"),
        ("error({code = {}, message = 5})", "(error object is a table value, message = 5)"),
    ];
    for (code, expected) in cases {
        assert_eq!(check_error(&mut vm, code).message, expected, "{code}");
    }
    assert_eq!(check_error(&mut vm, "error({code = 'c'})").code, "c");
}

#[test]
fn a_panic_becomes_an_error_and_the_vm_goes_on() {
    fn bug(_: &mut Stack<'_>) -> NativeResult {
        panic!("three {}", "words")
    }
    let mut vm = vm_with(&[("bug", Native::new(bug)), ADD]);
    check(
        &mut vm,
        "local ok, e = pcall(bug) return ok, e.code, e.message, add(1, 1)",
        "false panic native function panicked: three words 2",
    );
}

#[test]
fn owned_values_are_dropped_before_an_error_is_thrown() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Owned;
    impl Drop for Owned {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn owner(stack: &mut Stack<'_>) -> NativeResult {
        let _owned = Owned;
        stack.check_integer(1)?;
        Ok(Outcome::Return(0))
    }
    let mut vm = vm_with(&[("owner", Native::new(owner))]);
    check(&mut vm, "pcall(owner) pcall(owner, 1) return pcall(owner, {}) and 1 or 2", "2");
    assert_eq!(DROPS.load(Ordering::Relaxed), 3);
}

#[test]
fn upvalues_are_kept_per_function() {
    fn tell(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_value(upvalue(1));
        Ok(Outcome::Return(1))
    }
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    stack.push_globals();
    for (name, number) in [("ten", 10), ("twenty", 20)] {
        stack.push_integer(number);
        stack.push_native_with(Native::new(tell), 1);
        stack.raw_set_field(-2, name);
    }
    assert_eq!(run(&mut stack, "return ten(), twenty(), ten()").as_deref(), Ok("10 20 10"));
}

#[test]
fn a_native_may_call_back_and_pass_errors_on() {
    fn apply(stack: &mut Stack<'_>) -> NativeResult {
        stack.check_kind(1, Kind::Function)?;
        let arguments = stack.top() - 1;
        stack.call_or_raise(arguments, Stack::ALL)?;
        Ok(Outcome::Return(stack.top()))
    }
    let mut vm = vm_with(&[("apply", Native::new(apply))]);
    check(&mut vm, "return apply(math.max, 3, 9, 4)", "9");
    check(&mut vm, "local t = {} local _, e = pcall(apply, error, t) return e == t", "true");
    let error = check_error(&mut vm, "apply(function() local x = nil; x() end)");
    assert_eq!(error.message, "test:1: attempt to call a nil value (local 'x')");
}

#[test]
fn pushing_without_end_is_a_stack_overflow_not_a_crash() {
    fn flood(stack: &mut Stack<'_>) -> NativeResult {
        loop {
            stack.push_bool(true);
        }
    }
    let mut vm = vm_with(&[("flood", Native::new(flood))]);
    assert!(check_error(&mut vm, "flood()").message.contains("stack overflow"));
    check(&mut vm, "return 1", "1");
}

#[test]
fn promising_too_many_results_is_an_error() {
    fn liar(_: &mut Stack<'_>) -> NativeResult {
        Ok(Outcome::Return(5))
    }
    let mut vm = vm_with(&[("liar", Native::new(liar))]);
    assert!(check_error(&mut vm, "liar()").message.contains("promised 5 values and has 0"));
}

#[test]
fn recursion_through_natives_ends_with_an_error() {
    fn again(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_globals();
        stack.raw_get_field(-1, "again");
        stack.call_or_raise(0, 0)?;
        Ok(Outcome::Return(0))
    }
    let mut vm = vm_with(&[("again", Native::new(again))]);
    assert!(check_error(&mut vm, "again()").message.contains("overflow"));
}

#[test]
fn a_full_stack_is_an_error_wherever_the_native_that_meets_its_end_began() {
    fn reach(stack: &mut Stack<'_>) -> NativeResult {
        stack.check_bytes(1)?;
        for _ in 0..30 {
            stack.push_bool(true);
        }
        Ok(Outcome::Return(0))
    }
    let mut vm = vm_with(&[("reach", Native::new(reach))]);
    // The last calls find a stack that has grown beyond its limit, for Lua's own handling of the
    // error.
    let text = "local function call(...) return pcall(reach, 'x') end \
                local failed = 0 \
                pcall(function() \
                  for n = 999940, 1000200 do \
                    local _, is_reached, e = pcall(call, table.unpack({}, 1, n)) \
                    if not is_reached then \
                      failed = failed + 1 \
                      assert(e:find('stack overflow') or e:find('error in error handling'), e) \
                    end \
                  end \
                end) \
                return failed > 5";
    check(&mut vm, text, "true");
    check(&mut vm, "return 1", "1");
}

#[test]
fn recursion_of_rust_code_that_runs_lua_ends_with_an_error_before_the_thread_has_no_stack() {
    fn nest(stack: &mut Stack<'_>, levels: u32, weight: [u8; 4096]) -> Result<(), Raise> {
        stack.check_depth()?;
        if levels > 0 {
            return nest(stack, levels - 1, std::hint::black_box(weight));
        }
        stack.push_value(1);
        stack.call_or_raise(0, 0)
    }
    fn deep(stack: &mut Stack<'_>) -> NativeResult {
        stack.check_kind(1, Kind::Function)?;
        nest(stack, 100, [1; 4096])?;
        Ok(Outcome::Return(0))
    }
    let run = || {
        let mut vm = vm_with(&[("deep", Native::new(deep))]);
        let text = "local depth = 0 \
                    local function again() depth = depth + 1 deep(again) end \
                    local ok, e = pcall(again) \
                    return not ok and depth > 2 and tostring(e):match('C stack overflow')";
        check(&mut vm, text, "C stack overflow");
    };
    std::thread::Builder::new().stack_size(8 << 20).spawn(run).unwrap().join().unwrap();
}
