//! Memory: limits, refusals, what is left after closing.

use super::{check, check_error, run, vm_with};
use crate::vm::{ErrorKind, LoadMode, Native, NativeResult, Outcome, Resumed, Stack, Vm};

const LIMIT_BYTES: usize = 1 << 20;

fn limited(natives: &[(&str, Native)]) -> Vm {
    let mut vm = vm_with(natives);
    vm.set_memory_limit(Some(LIMIT_BYTES));
    vm
}

#[test]
fn growing_past_the_limit_is_a_memory_error() {
    let mut vm = limited(&[]);
    let error = check_error(&mut vm, "local t = {} while true do t[#t + 1] = {} end");
    assert_eq!((error.kind, &*error.message), (ErrorKind::Memory, "not enough memory"));
    check(&mut vm, "return 1", "1");
}

#[test]
fn garbage_does_not_count_against_the_limit() {
    let mut vm = limited(&[]);
    check(&mut vm, "for i = 1, 100 do local s = ('x'):rep(200000) end return 1", "1");
}

#[test]
fn buffers_of_the_library_are_collected_for_as_blocks_of_the_core_are() {
    for mode in ["incremental", "generational"] {
        let mut vm = limited(&[]);
        let code = "local mode, kept = ..., {}
            collectgarbage(mode)
            for i = 1, 300 do kept[i % 8] = ('x'):rep(100000) end
            for i = 1, 300 do kept[i % 8] = table.concat({ kept[i % 8], 'y' }) end
            return #kept[0]";
        check(&mut vm, &code.replace("...", &format!("'{mode}'")), "100037");
    }
}

#[test]
fn one_refused_allocation_does_not_poison_the_vm() {
    let mut vm = limited(&[]);
    check(
        &mut vm,
        "local ok, e = pcall(string.rep, 'x', 1 << 30) return ok, e, #('y'):rep(1000)",
        "false not enough memory 1000",
    );
}

#[test]
fn a_native_is_never_refused_and_told_when_it_returns() {
    fn hoard(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_bytes(&vec![b'x'; 4 * LIMIT_BYTES]);
        Ok(Outcome::Return(1))
    }
    let mut vm = limited(&[("hoard", Native::new(hoard))]);
    let error = check_error(&mut vm, "kept = hoard()");
    assert_eq!((error.kind, &*error.message), (ErrorKind::Memory, "not enough memory"));
    check(&mut vm, "return kept, select('#', pcall(hoard))", "nil 2");
}

#[test]
fn garbage_made_by_a_native_is_collected_before_it_is_blamed() {
    fn waste(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_bytes(&vec![b'x'; 4 * LIMIT_BYTES]);
        stack.pop(1);
        Ok(Outcome::Return(0))
    }
    let mut vm = limited(&[("waste", Native::new(waste))]);
    check(&mut vm, "for i = 1, 10 do waste() end return 1", "1");
}

#[test]
fn small_tables_fit_their_blocks() {
    let mut vm = vm_with(&[]);
    // 48 bytes of the table itself, and a block of 24 for each of eight places.
    check(
        &mut vm,
        "collectgarbage 'stop'
        local kept, tointeger = table.create(1000), math.tointeger
        local function fill() for i = 1, 1000 do kept[i] = {a=1,b=2,c=3,d=4,e=5,f=6,g=7} end end
        local before = collectgarbage 'count'
        fill()
        return tointeger((collectgarbage 'count' - before) * 1024 / 1000)",
        "240",
    );
}

#[test]
fn what_natives_leave_is_collected_though_the_code_between_them_allocates_nothing() {
    fn waste(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_bytes(&[b'x'; 10_000]);
        stack.pop(1);
        Ok(Outcome::Return(0))
    }
    let mut vm = vm_with(&[("waste", Native::new(waste))]);
    check(&mut vm, "for i = 1, 10000 do waste() end", "");
    let used = vm.memory().used_bytes;
    assert!(used < 1 << 20, "{used} bytes after 100 MB of garbage");
}

#[test]
fn what_the_host_hands_to_coroutines_is_collected_though_they_allocate_nothing() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    stack.load(b"return ...", "=pass", LoadMode::Text).expect("it compiles");
    let function = stack.keep();
    for _ in 0..10_000 {
        let coroutine = stack.coroutine();
        let mut inner = stack.in_coroutine(&coroutine);
        inner.push_kept(&function);
        inner.push_bytes(&[b'x'; 10_000]);
        assert!(matches!(stack.resume(&coroutine, 1), Resumed::Finished(1)));
        stack.recycle(coroutine);
    }
    stack.release(function);
    drop(stack);
    let used = vm.memory().used_bytes;
    assert!(used < 1 << 20, "{used} bytes after 100 MB of garbage");
}

#[test]
fn an_error_in_a_message_handler_is_told() {
    let mut vm = vm_with(&[]);
    check(
        &mut vm,
        "return xpcall(error, function() error('again') end, 1)",
        "false error in error handling",
    );
    let error = check_error(&mut vm, "local function f() return f() + 1 end f()");
    assert!(error.message.contains("stack overflow"), "{error}");
}

#[test]
fn closing_gives_everything_back() {
    let vm = vm_with(&[]);
    let used = vm.memory().used_bytes;
    assert!((6_000..40_000).contains(&used), "an empty VM uses {used} bytes");
    drop(vm);
}

#[test]
fn finalizers_run_when_a_vm_closes_and_their_errors_are_warnings() {
    use std::sync::{Arc, Mutex};
    #[derive(Default, Clone)]
    struct Notes(Arc<Mutex<Vec<String>>>);
    impl crate::vm::Hooks for Notes {
        fn warn(&self, message: &str) {
            self.0.lock().expect("no panic").push(message.to_owned());
        }
    }
    let notes = Notes::default();
    let mut vm = Vm::builder().hooks(notes.clone()).build().expect("a VM");
    let code = "warn('a', 'b') warn('@off') warn('c') warn('@on') \
                x = setmetatable({}, {__gc = function() error('in gc', 0) end})";
    run(&mut vm.stack(), code).expect("it runs");
    drop(vm);
    assert_eq!(*notes.0.lock().expect("no panic"), ["ab", "error in __gc (in gc)"]);
}

#[test]
fn no_finalizer_runs_inside_a_native() {
    fn churn(stack: &mut Stack<'_>) -> NativeResult {
        for _ in 0..10_000 {
            stack.push_table(0, 8);
            stack.pop(1);
        }
        stack.push_globals();
        stack.raw_get_field(-1, "finalized");
        Ok(Outcome::Return(1))
    }
    let mut vm = vm_with(&[("churn", Native::new(churn))]);
    let code = "finalized = 0 local mt = {__gc = function() finalized = finalized + 1 end}
                for i = 1, 100 do setmetatable({}, mt) end
                local before, after = finalized, churn()
                collectgarbage() return before == after, finalized";
    check(&mut vm, code, "true 100");
}

#[test]
fn nothing_is_collected_while_a_vm_grows_and_garbage_is_afterwards() {
    fn settle(stack: &mut Stack<'_>) -> NativeResult {
        stack.settle();
        Ok(Outcome::Return(0))
    }
    let mut vm = vm_with(&[("settle", Native::new(settle))]);
    vm.stack().grow(1 << 20);
    let collected = "local weak = setmetatable({ {} }, { __mode = 'v' })
        local function waste(bytes)
          for _ = 1, bytes // 1000 do local _ = ('x'):rep(1000) .. bytes end
          return weak[1] == nil
        end
        local early = waste(500000)
        settle()
        return early, waste(500000)";
    check(&mut vm, collected, "false true");
}
