//! Large strings on their way between VMs: what arrives, what is copied, who is charged, who frees.

use std::thread;

use proptest::prelude::*;

use super::{check, check_error, run, vm_with};
use crate::message::{LARGE_BYTES, Payload, from_payload};
use crate::vm::{ErrorKind, LoadMode, Native, NativeResult, Outcome, Stack, Vm};

const MIB: usize = 1 << 20;
/// Strings that a VM may make by itself: one in a block of its own, one that Lua put behind its
/// header.
const IN_A_BLOCK: &str = "return ('ab'):rep(1 << 19)";
const BEHIND_A_HEADER: &str = "local s = ('ab'):rep(1 << 18) return s .. s";

fn new_vm() -> Vm {
    vm_with(&[])
}

/// Leaves the results of a chunk on the stack; returns how many they are.
fn push(stack: &mut Stack<'_>, code: &str) -> i32 {
    let base = stack.top();
    stack.load(code.as_bytes(), "=test", LoadMode::Text).expect(code);
    stack.call(0, Stack::ALL).expect(code);
    stack.top() - base
}

/// Packs what a chunk returns, and what its first result is: address and length.
fn packed(vm: &mut Vm, code: &str) -> (Payload, (*const u8, usize)) {
    let mut stack = vm.stack();
    let count = push(&mut stack, code);
    let first = place(&stack, 1);
    (stack.pack(1, count, "args").expect(code), first)
}

/// Where the bytes of a string lie, and how many they are.
fn place(stack: &Stack<'_>, index: i32) -> (*const u8, usize) {
    let bytes = stack.bytes(index).expect("a string");
    (bytes.as_ptr(), bytes.len())
}

/// Unpacks a single string, keeps it in the global `kept`, and sends it on.
fn passed_on(vm: &mut Vm, payload: &Payload) -> (Payload, (*const u8, usize)) {
    let mut stack = vm.stack();
    assert_eq!(stack.unpack(payload), Ok(1));
    let place = place(&stack, 1);
    let next = stack.pack(1, 1, "args").expect("a string");
    stack.push_globals();
    stack.insert(1);
    stack.raw_set_field(1, "kept");
    (next, place)
}

fn used_bytes(vm: &mut Vm) -> usize {
    vm.collect();
    vm.memory().used_bytes
}

#[test]
fn a_string_in_a_block_of_its_own_is_never_copied() {
    let (mut first, mut second, mut third) = (new_vm(), new_vm(), new_vm());
    let (payload, made) = packed(&mut first, IN_A_BLOCK);
    let (payload, seen_second) = passed_on(&mut second, &payload);
    let (payload, seen_third) = passed_on(&mut third, &payload);
    let (_, back) = passed_on(&mut first, &payload);
    assert_eq!(made.1, MIB);
    assert_eq!([seen_second, seen_third, back], [made; 3]);
}

#[test]
fn another_string_is_copied_once_by_its_first_sender() {
    let (mut first, mut second, mut third) = (new_vm(), new_vm(), new_vm());
    let (payload, made) = packed(&mut first, BEHIND_A_HEADER);
    let (payload, seen_second) = passed_on(&mut second, &payload);
    let (_, seen_third) = passed_on(&mut third, &payload);
    assert_eq!(made.1, MIB);
    assert_ne!(seen_second, made);
    assert_eq!(seen_third, seen_second);
}

#[test]
fn the_string_outlives_its_first_vm() {
    let mut receiver = new_vm();
    for code in [IN_A_BLOCK, BEHIND_A_HEADER] {
        let (payload, _) = packed(&mut new_vm(), code);
        passed_on(&mut receiver, &payload);
        drop(payload);
        check(&mut receiver, "return kept == ('ab'):rep(1 << 19)", "true");
    }
}

#[test]
fn a_sender_goes_on_using_a_string_that_it_handed_over() {
    let mut sender = new_vm();
    sender.stack().set_top(0);
    let mut stack = sender.stack();
    push(&mut stack, IN_A_BLOCK);
    drop(stack.pack(1, 1, "args").expect("a string"));
    stack.push_globals();
    stack.insert(1);
    stack.raw_set_field(1, "kept");
    drop(stack);
    sender.collect();
    check(
        &mut sender,
        "return kept == ('ab'):rep(1 << 19), kept:sub(-3), #(kept .. 'x')",
        "true bab 1048577",
    );
}

#[test]
fn every_vm_is_charged_for_what_it_holds_and_gets_it_back() {
    for code in [IN_A_BLOCK, BEHIND_A_HEADER] {
        let (mut sender, mut receiver) = (new_vm(), new_vm());
        // The library of strings takes memory from its first use on.
        check(&mut sender, "return ('x'):rep(2)", "xx");
        let before = (used_bytes(&mut sender), used_bytes(&mut receiver));
        let (payload, _) = packed(&mut sender, code);
        let (next, _) = passed_on(&mut receiver, &payload);
        let grown = used_bytes(&mut receiver) - before.1;
        assert!((MIB..MIB + 1024).contains(&grown), "{grown} bytes charged");
        assert!(
            run(&mut receiver.stack(), "return collectgarbage('count')")
                .is_ok_and(|kib| kib.parse::<f64>().is_ok_and(|kib| kib > 1024.0))
        );
        check(&mut receiver, "kept = nil", "");
        // Of the sender nothing but a message is left, and of the message two.
        let after = (used_bytes(&mut sender), used_bytes(&mut receiver));
        assert!(after.0 <= before.0 + 1024 && after.1 <= before.1 + 1024, "{before:?} {after:?}");
        assert_eq!((payload.len(), next.len()), (MIB + 7, MIB + 7));
    }
}

#[test]
fn the_buffer_goes_with_its_last_owner_whatever_thread_closes_the_vm() {
    let (payload, _) = packed(&mut new_vm(), IN_A_BLOCK);
    let mut vms: Vec<Vm> = (0..3).map(|_| new_vm()).collect();
    vms.iter_mut().for_each(|vm| drop(passed_on(vm, &payload)));
    assert_eq!(payload.owners(), [4]);
    let mut killed = vms.pop().expect("three");
    killed.kill();
    thread::spawn(move || drop(killed)).join().expect("it closes");
    assert_eq!(payload.owners(), [3]);
    drop(vms);
    assert_eq!(payload.owners(), [1]);
}

/// What the native `receive` gets each time it is called.
fn receiver_of(code: &str) -> (Vm, Payload) {
    fn receive(stack: &mut Stack<'_>) -> NativeResult {
        let payload = stack.data::<Payload>().expect("the VM was given one").clone();
        Ok(Outcome::Return(stack.unpack(&payload).expect("a payload")))
    }
    let (payload, _) = packed(&mut new_vm(), code);
    let mut vm = Vm::builder().data(payload.clone()).build().expect("a VM");
    let mut stack = vm.stack();
    stack.push_globals();
    stack.set_natives(&[("receive", Native::new(receive))]);
    drop(stack);
    (vm, payload)
}

#[test]
fn a_limit_holds_for_strings_in_buffers() {
    let (mut vm, payload) = receiver_of(IN_A_BLOCK);
    vm.set_memory_limit(Some(3 * MIB));
    let error = check_error(&mut vm, "kept = {} while true do kept[#kept + 1] = receive() end");
    assert_eq!((error.kind, &*error.message), (ErrorKind::Memory, "not enough memory"));
    check(&mut vm, "return #kept", "2");
    check(&mut vm, "kept = nil return #receive()", "1048576");
    vm.collect();
    assert_eq!(payload.owners(), [1]);
}

#[test]
fn garbage_in_buffers_is_collected_before_a_limit_is_blamed() {
    let (mut vm, _) = receiver_of(IN_A_BLOCK);
    vm.set_memory_limit(Some(3 * MIB));
    check(&mut vm, "for i = 1, 100 do receive() end return 1", "1");
}

#[test]
fn the_collector_feels_strings_in_buffers_without_a_limit() {
    for (code, mode) in [
        ("return ('x'):rep(1 << 16)", "incremental"),
        ("return ('x'):rep(1 << 16)", "generational"),
        (IN_A_BLOCK, "incremental"),
        (IN_A_BLOCK, "generational"),
    ] {
        let (mut vm, payload) = receiver_of(code);
        check(&mut vm, &format!("collectgarbage('{mode}')"), "");
        let loops = "local most = 0
            for i = 1, 2000 do
              local s = receive()
              most = math.max(most, collectgarbage('count') * 1024 // #s)
            end
            return most < 64 and 'few' or most";
        check(&mut vm, loops, "few");
        assert!(payload.owners()[0] < 64, "{mode}: {:?} owners", payload.owners());
    }
}

#[test]
fn small_strings_hold_nothing_of_a_large_message() {
    let (mut sender, mut receiver) = (new_vm(), new_vm());
    let (payload, _) = packed(&mut sender, "return 'small', ('x'):rep(1 << 20)");
    let mut stack = receiver.stack();
    assert_eq!(stack.unpack(&payload), Ok(2));
    stack.pop(1);
    stack.collect();
    assert_eq!(stack.text(1), "small");
    assert_eq!(payload.owners().len(), 1);
    drop(sender);
    assert_eq!(payload.owners(), [1]);
}

#[test]
fn tables_that_need_a_wider_header_keep_their_large_strings() {
    // 13 of the list, a field and one in a table; the key is no large string.
    let code = "local list = {}
        for i = 1, 40 do list[i] = i % 3 == 0 and ('x'):rep(70000) .. i or i end
        list.name = ('y'):rep(50000)
        list[('k'):rep(60000)] = { ('z'):rep(20000) }
        return setmetatable({ list = list }, { __pairs = function(t) return next, t end })";
    let assertion = "local list = (...).list
        for i = 1, 40 do
          assert(list[i] == (i % 3 == 0 and ('x'):rep(70000) .. i or i))
        end
        assert(list.name == ('y'):rep(50000))
        assert(list[('k'):rep(60000)][1] == ('z'):rep(20000))
        return 'same'";
    let mut sender = new_vm();
    let mut stack = sender.stack();
    push(&mut stack, code);
    let quick = stack.pack(1, 1, "args").expect("a table");
    let long = stack.pack_with_pairs(1, 1, "args").expect("a table");
    let whole = Payload::from(&*quick.to_bytes());
    for payload in [&quick, &long, &whole] {
        let mut receiver = new_vm();
        let mut stack = receiver.stack();
        stack.load(assertion.as_bytes(), "=test", LoadMode::Text).expect("it compiles");
        assert_eq!(stack.unpack(payload), Ok(1));
        stack.call(1, 1).expect("all arrived");
    }
    assert_eq!((quick.owners().len(), long.owners().len(), whole.owners().len()), (15, 15, 0));
}

/// How a string is made: by a repetition or a concatenation.
fn spell(length: usize, is_repeated: bool, letter: char) -> String {
    if is_repeated {
        format!("('{letter}'):rep({length})")
    } else {
        format!("('{letter}'):rep({}) .. '{letter}{letter}'", length - 2)
    }
}

/// A string around the length from which on they are not copied.
fn string() -> impl Strategy<Value = String> {
    let length =
        prop_oneof![LARGE_BYTES - 2..LARGE_BYTES + 3, 2_usize..300, LARGE_BYTES..4 * LARGE_BYTES,];
    (length, any::<bool>(), prop::char::range('a', 'z'))
        .prop_map(|(length, is_repeated, letter)| spell(length, is_repeated, letter))
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![4 => string(), 1 => Just("true".to_owned()), 1 => Just("-7".to_owned())];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![3 => "[a-z]{1,3}".prop_map(|key| format!("{key:?}")), 1 => string()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20)
                .prop_map(|items| format!("{{{}}}", items.join(", "))),
            prop::collection::vec((key, inner), 0..6).prop_map(|fields| {
                let fields = fields.iter().map(|(key, value)| format!("[{key}] = {value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// Compares its two arguments, tables by what they hold.
const SAME: &str = "local function same(a, b)
      if type(a) ~= 'table' or type(b) ~= 'table' then return rawequal(a, b) or a == b end
      for key, item in next, a do if not same(item, b[key]) then return false end end
      for key in next, b do if a[key] == nil then return false end end
      return #a == #b
    end
    return same(...)";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_value_arrives_and_can_be_sent_on(value in value()) {
        let (mut first, mut second, mut third) = (new_vm(), new_vm(), new_vm());
        let mut stack = first.stack();
        push(&mut stack, &format!("return {value}"));
        let sent = stack.pack(1, 1, "args").expect("plain values");
        drop(stack);
        let mut stack = second.stack();
        prop_assert_eq!(stack.unpack(&sent), Ok(1));
        let sent_on = stack.pack(1, 1, "args").expect("plain values");
        prop_assert_eq!(sent_on.len(), sent.len());
        prop_assert_eq!(sent_on.to_bytes().len(), sent.len());
        drop(stack);
        let whole = Payload::from(&*sent_on.to_bytes());
        for payload in [&sent_on, &whole] {
            let mut stack = third.stack();
            stack.load(SAME.as_bytes(), "=same", LoadMode::Text).expect("it compiles");
            prop_assert_eq!(stack.unpack(payload), Ok(1));
            push(&mut stack, &format!("return {value}"));
            stack.call(2, 1).expect("it compares");
            prop_assert!(stack.truth(-1), "{:?}", payload);
            drop(stack);
            let typed = from_payload::<(serde::de::IgnoredAny,)>(payload);
            prop_assert!(typed.is_ok(), "{:?}", typed);
        }
    }

    #[test]
    fn rust_reads_large_strings(length in LARGE_BYTES - 1..2 * LARGE_BYTES) {
        let (payload, _) = packed(&mut new_vm(), &format!("return ('x'):rep({length}), {{7}}"));
        let (text, list): (String, Vec<u8>) = from_payload(&payload).expect("these types");
        prop_assert_eq!((text, list), ("x".repeat(length), vec![7]));
    }
}
