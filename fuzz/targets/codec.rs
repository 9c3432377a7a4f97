//! The message codec on arbitrary bytes.
//!
//! The bytes are unpacked onto the stack of a VM. What holds: an error leaves the stack alone;
//! values can be packed again, and what a second unpacking yields are the same values, down to the
//! bits of a NaN; the typed reader takes exactly the messages that the VM takes.

#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::c_int;

use libfuzzer_sys::fuzz_target;
use moonhive::message::{MAX_DEPTH, Payload, UnpackError, from_payload};
use moonhive::vm::{Kind, Stack, Vm};
use serde::Deserialize;
use serde::de::IgnoredAny;

thread_local! {
    /// One VM for all inputs: what one leaves behind may trouble the next.
    static VM: RefCell<Vm> = RefCell::new(Vm::builder().build().expect("there is memory for a VM"));
}

/// A value of Lua that can be compared and ordered; tables by their contents.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Nil,
    Boolean(bool),
    Pointer(usize),
    Integer(i64),
    /// The bits, since NaN is not equal to itself.
    Float(u64),
    String(Vec<u8>),
    /// Keys and values in the order of the keys.
    Table(Vec<(Value, Value)>),
}

/// A message as a Rust program would expect it.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only decoding matters")]
struct Expected {
    method: String,
    numbers: (u8, i64, f32),
    names: BTreeMap<String, Vec<Option<Shape>>>,
    rest: IgnoredAny,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only decoding matters")]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u32, height: u32 },
}

fuzz_target!(|bytes: &[u8]| VM.with_borrow_mut(|vm| check(vm, bytes)));

fn check(vm: &mut Vm, bytes: &[u8]) {
    let payload = Payload::from(bytes);
    let typed = from_payload::<Vec<IgnoredAny>>(&payload);
    let _ = from_payload::<Expected>(&payload);
    let mut stack = vm.stack();
    let top = stack.top();
    match stack.unpack(&payload) {
        Err(error) => {
            assert_eq!(stack.top(), top, "an error leaves the stack alone: {error}");
            let only_the_vm = matches!(error, UnpackError::Handle { .. });
            assert!(typed.is_err() || only_the_vm, "only the VM refused: {error}");
        }
        Ok(count) => {
            assert_eq!(stack.top(), top + count, "the values are pushed and nothing else");
            typed.expect("the typed reader takes what the VM takes");
            repeats(&mut stack, top + 1, count);
        }
    }
    drop(stack);
    if vm.memory().used_bytes > 8 << 20 {
        vm.collect();
    }
}

/// Packs `count` values from `first` on, and unpacks them again.
fn repeats(stack: &mut Stack<'_>, first: c_int, count: c_int) {
    let before = values(stack, first, count);
    let packed = stack.pack(first, count, "args").expect("what was unpacked can be packed");
    assert_eq!(stack.top(), first + count - 1, "packing leaves the stack alone");
    stack.set_top(first - 1);
    assert_eq!(stack.unpack(&packed), Ok(count), "{packed:?}");
    assert_eq!(values(stack, first, count), before, "{packed:?}");
}

fn values(stack: &mut Stack<'_>, first: c_int, count: c_int) -> Vec<Value> {
    (first..first + count).map(|index| value(stack, index, 0)).collect()
}

fn value(stack: &mut Stack<'_>, index: c_int, depth: usize) -> Value {
    assert!(depth <= MAX_DEPTH, "tables nest deeper than the limit");
    let index = stack.absolute(index);
    match stack.kind(index) {
        Kind::Nil => Value::Nil,
        Kind::Boolean => Value::Boolean(stack.truth(index)),
        Kind::LightUserdata => Value::Pointer(stack.light(index).expect("it is one")),
        Kind::Number if stack.is_integer(index) => {
            Value::Integer(stack.integer(index).expect("it is one"))
        }
        Kind::Number => Value::Float(stack.number(index).expect("it is one").to_bits()),
        Kind::String => Value::String(stack.bytes(index).expect("it is one").to_vec()),
        Kind::Table => Value::Table(pairs(stack, index, depth)),
        kind => panic!("a {} came out of bytes", kind.name()),
    }
}

fn pairs(stack: &mut Stack<'_>, table: c_int, depth: usize) -> Vec<(Value, Value)> {
    let mut pairs = Vec::new();
    let walked = stack.for_each(table, |stack| {
        pairs.push((value(stack, -2, depth + 1), value(stack, -1, depth + 1)));
        Ok(())
    });
    assert!(walked.is_ok(), "a plain table can be walked");
    pairs.sort();
    pairs
}
