//! Values on the stack: tables, userdata, references, indices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use moonhive_lua_sys::lua;

use super::{check, check_error, run, vm_with};
use crate::vm::{
    Kind, LoadMode, Native, NativeResult, Outcome, Raise, Reference, Stack, Userdata, Vm,
};

#[derive(Debug)]
struct Counter {
    value: std::cell::Cell<i64>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

fn counter_add(stack: &mut Stack<'_>) -> NativeResult {
    let amount = stack.check_integer(2)?;
    let counter = stack.check_userdata::<Counter>(1)?;
    counter.value.set(counter.value.get() + amount);
    let value = counter.value.get();
    stack.push_integer(value);
    Ok(Outcome::Return(1))
}

fn counter_close(stack: &mut Stack<'_>) -> NativeResult {
    drop(stack.take_userdata::<Counter>(1));
    Ok(Outcome::Return(0))
}

impl Userdata for Counter {
    const NAME: &'static str = "counter";

    fn methods() -> &'static [(&'static str, Native)] {
        const METHODS: &[(&str, Native)] = &[("add", Native::new(counter_add))];
        METHODS
    }

    fn metamethods() -> &'static [(&'static str, Native)] {
        const METAMETHODS: &[(&str, Native)] = &[("__close", Native::new(counter_close))];
        METAMETHODS
    }
}

fn vm_with_counter() -> (Vm, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    stack.push_globals();
    stack.push_userdata(Counter { value: 5.into(), drops: drops.clone() });
    stack.raw_set_field(-2, "counter");
    drop(stack);
    (vm, drops)
}

#[test]
fn userdata_has_methods_and_a_name() {
    let (mut vm, _) = vm_with_counter();
    check(&mut vm, "return counter:add(2), (tostring(counter):gsub(':.*', ''))", "7 counter");
    let error = check_error(&mut vm, "counter.add(io.stdout, 1)");
    assert_eq!(error.message, "test:1: bad argument #1 to 'add' (counter expected, got FILE*)");
}

#[test]
fn userdata_is_dropped_once_when_collected() {
    let (mut vm, drops) = vm_with_counter();
    check(&mut vm, "counter = nil collectgarbage() collectgarbage()", "");
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(vm);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn userdata_is_dropped_when_its_vm_closes() {
    let (vm, drops) = vm_with_counter();
    drop(vm);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn closed_userdata_is_refused() {
    let (mut vm, drops) = vm_with_counter();
    check(&mut vm, "do local c <close> = counter end", "");
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let error = check_error(&mut vm, "counter:add(1)");
    assert_eq!(error.message, "test:1: calling 'add' on bad self (this counter is closed)");
}

#[test]
fn values_that_need_much_alignment_are_boxed() {
    #[repr(align(64))]
    struct Wide(u8);
    impl Userdata for Wide {
        const NAME: &'static str = "wide";
    }
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    stack.push_userdata(Wide(7));
    let wide = stack.userdata::<Wide>(-1).expect("just pushed");
    assert_eq!((std::ptr::from_ref(wide).addr() % 64, wide.0), (0, 7));
    assert!(stack.userdata::<Counter>(-1).is_none());
    assert_eq!(stack.take_userdata::<Wide>(-1).map(|wide| wide.0), Some(7));
    assert!(stack.take_userdata::<Wide>(-1).is_none());
}

#[test]
fn a_foreign_metatable_does_not_fool_the_type_check() {
    let (mut vm, _) = vm_with_counter();
    let error = check_error(
        &mut vm,
        "local f = io.tmpfile() debug.setmetatable(f, debug.getmetatable(counter)) \
         counter.add(f, 1)",
    );
    assert!(error.message.contains("counter expected"), "{error}");
}

#[test]
fn references_keep_values_alive() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    stack.push_table(0, 0);
    let table = stack.keep();
    stack.push_nil();
    let nil = stack.keep();
    stack.collect();
    stack.push_kept(&table);
    stack.push_kept(&nil);
    assert_eq!((stack.kind(-2), stack.kind(-1)), (Kind::Table, Kind::Nil));
    stack.release(table);
    stack.release(nil);
}

#[test]
fn slots_of_released_references_are_used_again() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    let first = keep_numbers(&mut stack);
    let slots = stack.raw_len(lua::LUA_REGISTRYINDEX);
    first.into_iter().for_each(|reference| stack.release(reference));
    for (number, reference) in keep_numbers(&mut stack).iter().enumerate() {
        stack.push_kept(reference);
        assert_eq!(stack.integer(-1), Some(number as i64));
        stack.pop(1);
    }
    assert_eq!(stack.raw_len(lua::LUA_REGISTRYINDEX), slots);
}

#[test]
fn a_kept_value_is_pushed_and_let_go_of_at_once() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    let slots = stack.raw_len(lua::LUA_REGISTRYINDEX);
    for round in 0..1000 {
        stack.push_integer(round);
        let number = stack.keep();
        stack.push_table(0, 0);
        let table = stack.keep();
        stack.push_nil();
        let nil = stack.keep();
        if round % 100 == 0 {
            stack.collect();
        }
        for reference in [nil, table, number] {
            stack.push_released(reference);
        }
        assert_eq!((stack.kind(-3), stack.kind(-2)), (Kind::Nil, Kind::Table));
        assert_eq!(stack.integer(-1), Some(round));
        stack.pop(3);
    }
    assert!(stack.raw_len(lua::LUA_REGISTRYINDEX) < slots + 8, "the slots were used again");
}

#[test]
fn what_is_kept_stays_when_the_registry_grows_and_scripts_put_things_there_too() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    run(&mut stack, "registry = debug.getregistry()").unwrap();
    let (mut kept, mut gone) = (Vec::<(i64, Reference)>::new(), Vec::new());
    for number in 0..3000 {
        stack.push_integer(number);
        kept.push((number, stack.keep()));
        if number % 7 == 0 {
            run(&mut stack, &format!("registry.x{number} = {number}")).unwrap();
            gone.push(kept.swap_remove(kept.len() / 2));
        }
        if number % 11 == 0 {
            gone.drain(..).for_each(|(_, reference)| stack.release(reference));
        }
    }
    let all = "collectgarbage() for i = 0, 2999, 7 do assert(registry['x' .. i] == i) end";
    run(&mut stack, all).unwrap();
    for (number, reference) in kept {
        stack.push_kept(&reference);
        assert_eq!(stack.integer(-1), Some(number));
        stack.pop(1);
        stack.release(reference);
    }
}

#[test]
fn memory_is_asked_for_whatever_references_keep() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    let mut kept = keep_numbers(&mut stack);
    let code = b"local a, b, c, d, e, f, g, h, i = 1, 2, 3, 4, 5, 6, 7, 8, 9
        return function() return a, b, c, d, e, f, g, h, i end, function() end, print, {}";
    stack.load(code, "=warm", LoadMode::Text).unwrap();
    stack.call(0, 4).unwrap();
    kept.extend((0..4).map(|_| stack.keep()));
    stack.push_nil();
    kept.push(stack.keep());
    stack.warm(std::iter::empty());
    stack.warm(kept.iter());
    stack.warm(kept.iter().rev());
    stack.push_kept(&kept[103]);
    stack.call(0, 9).unwrap();
    assert_eq!((stack.integer(-9), stack.integer(-1)), (Some(1), Some(9)));
}

fn keep_numbers(stack: &mut Stack<'_>) -> Vec<Reference> {
    let mut keep = |number| {
        stack.push_integer(number);
        stack.keep()
    };
    (0..100).map(&mut keep).collect()
}

#[test]
fn references_of_c_modules_and_ours_do_not_meet() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    stack.push_str("released");
    let ours = stack.keep();
    stack.release(ours);
    stack.push_str("theirs");
    // SAFETY: the value is on the stack of a live VM, and the registry is a table.
    let theirs = unsafe { lua::luaL_ref(stack.raw(), lua::LUA_REGISTRYINDEX) };
    for number in 0..50 {
        stack.push_integer(number);
        let _kept = stack.keep();
    }
    stack.raw_get_item(lua::LUA_REGISTRYINDEX, theirs.into());
    assert_eq!(stack.bytes(-1), Some(&b"theirs"[..]));
}

#[test]
#[should_panic(expected = "another virtual machine")]
fn references_of_another_vm_are_refused() {
    let (mut one, mut other) = (vm_with(&[]), vm_with(&[]));
    one.stack().push_bool(true);
    let mut stack = one.stack();
    stack.push_bool(true);
    let reference = stack.keep();
    other.stack().push_kept(&reference);
}

#[test]
fn fields_are_reached_through_metamethods_when_asked() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    let code = b"local base, log = {inherited = 1}, {}
        local t = setmetatable({own = 2}, {__index = base, __newindex = log})
        local bad = setmetatable({}, {__index = function() error('no ' .. 'field', 0) end})
        return t, bad, log";
    stack.load(code, "=test", LoadMode::Text).expect("it compiles");
    stack.call(0, 3).expect("it runs");
    for (name, kind) in [("own", Kind::Number), ("inherited", Kind::Number), ("none", Kind::Nil)] {
        assert_eq!(stack.get_field(1, name).expect("no error"), kind, "{name}");
    }
    stack.push_str("value");
    stack.set_field(1, "added").expect("no error");
    assert_eq!(stack.raw_get_field(1, "added"), Kind::Nil);
    assert_eq!(stack.raw_get_field(3, "added"), Kind::String);
    let _ = stack.get_field(2, "any").expect_err("the metamethod raises");
    assert_eq!(stack.str(-1), Some("no field"));
    stack.push_bool(true);
    let _ = stack.get_field(-1, "any").expect_err("a boolean has no fields");
    assert_eq!(stack.str(-1), Some("attempt to index a boolean value"));
}

#[test]
fn a_table_is_visited_pair_by_pair() {
    fn sum(stack: &mut Stack<'_>) -> NativeResult {
        stack.check_kind(1, Kind::Table)?;
        let mut sum = 0;
        stack.for_each(1, |stack| {
            sum += stack.check_integer(-2)? * stack.check_integer(-1)?;
            Ok(())
        })?;
        stack.push_integer(sum);
        Ok(Outcome::Return(1))
    }
    check(&mut vm_with(&[("sum", Native::new(sum))]), "return sum {10, 20, [100] = 3}", "350");
}

#[test]
fn fields_may_be_removed_during_a_visit() {
    fn clear(stack: &mut Stack<'_>) -> NativeResult {
        let mut visited = 0;
        stack.for_each(1, |stack| {
            visited += 1;
            stack.push_value(-2);
            stack.push_nil();
            stack.raw_set(1);
            stack.collect();
            Ok(())
        })?;
        stack.push_integer(visited);
        Ok(Outcome::Return(1))
    }
    let mut vm = vm_with(&[("clear", Native::new(clear))]);
    check(&mut vm, "local t = {1, 2, 3, a = 1, b = 2} return clear(t), next(t)", "5 nil");
}

#[test]
fn wrong_indices_are_errors_not_crashes() {
    fn wild(stack: &mut Stack<'_>) -> NativeResult {
        let index = stack.check_integer(1)? as i32;
        let kind = stack.kind(index);
        stack.push_str(kind.name());
        Ok(Outcome::Return(1))
    }
    fn nil_key(stack: &mut Stack<'_>) -> NativeResult {
        stack.push_table(0, 0);
        stack.push_nil();
        stack.push_bool(true);
        stack.raw_set(-3);
        Err(Raise::message("unreachable"))
    }
    let mut vm = vm_with(&[("wild", Native::new(wild)), ("nil_key", Native::new(nil_key))]);
    check(&mut vm, "return wild(900)", "no value");
    assert_eq!(check_error(&mut vm, "wild(-900)").code, "panic");
    assert_eq!(check_error(&mut vm, "nil_key()").code, "panic");
}

#[test]
fn the_hosts_data_is_found_by_type() {
    struct Service(u32);
    fn address(stack: &mut Stack<'_>) -> NativeResult {
        let service = stack.data::<Service>().expect("given to the builder");
        stack.push_integer(service.0.into());
        Ok(Outcome::Return(1))
    }
    let mut vm = Vm::builder().data(Service(42)).build().expect("a VM");
    let mut stack = vm.stack();
    assert!(stack.data::<u32>().is_none());
    stack.push_globals();
    stack.set_natives(&[("address", Native::new(address))]);
    assert_eq!(run(&mut stack, "return address()").as_deref(), Ok("42"));
}

#[test]
fn the_host_leaves_the_main_stack_as_it_was() {
    let mut vm = vm_with(&[]);
    vm.stack().push_bool(true);
    assert_eq!(vm.stack().top(), 0);
}

#[test]
fn a_vm_moves_between_threads() {
    let (mut vm, _) = vm_with_counter();
    let mut vm = std::thread::spawn(move || {
        check(&mut vm, "return counter:add(1)", "6");
        vm
    })
    .join()
    .expect("the thread ends");
    check(&mut vm, "return counter:add(1)", "7");
}

#[test]
fn a_method_is_found_in_the_kept_table_and_in_those_behind_it() {
    let mut vm = vm_with(&[]);
    let mut stack = vm.stack();
    let source = "local function f() end
        local base = setmetatable({ far = f, field = 1 }, { __index = { farther = print } })
        return setmetatable({ near = f, field = 2 }, { __index = base })";
    stack.load(source.as_bytes(), "=methods", LoadMode::Text).unwrap();
    stack.call(0, 1).unwrap();
    let methods = stack.keep();
    let mut find = |name: &str, chain| {
        stack.set_top(0);
        stack.push_str(name);
        stack.push_nil();
        let found = stack.find_method(&methods, 1, 2, chain);
        assert_eq!(stack.kind(2), if found { Kind::Function } else { Kind::Nil });
        assert_eq!(stack.str(1), Some(name));
        found
    };
    assert!(find("near", 1) && find("far", 2) && find("farther", 3));
    assert!(!find("far", 1) && !find("farther", 2), "the chain is too long");
    assert!(!find("field", 9), "it is no function");
    assert!(!find("missing", 9) && !find(&"long".repeat(20), 9));
    stack.set_top(0);
    stack.release(methods);
}
