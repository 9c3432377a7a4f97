//! One operation each, and the state that it begins with.

use moonhive_shm::{Cursor, Dictionary, SetOptions, Side, Value};

/// An operation to die in.
pub struct Scenario {
    pub name: &'static str,
    pub size_bytes: u64,
    pub prepare: fn(&Dictionary),
    pub act: fn(&Dictionary),
    /// The operation may throw out entries, so some may be missing after a death.
    pub evicts: bool,
}

/// A small dictionary, and an operation that throws nothing out.
const fn plain(name: &'static str, prepare: fn(&Dictionary), act: fn(&Dictionary)) -> Scenario {
    Scenario { name, size_bytes: 32 << 10, prepare, act, evicts: false }
}

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// Too long for neighbouring cells once memory is scattered.
const LONG: [u8; 3000] = [9; 3000];

fn set(dictionary: &Dictionary, key: &str, value: Value<'_>) {
    dictionary.set(key, value, OPTIONS).expect("there is room");
}

fn push(dictionary: &Dictionary, value: i64, side: Side) {
    dictionary.push("l", value.into(), side, OPTIONS).expect("there is room");
}

fn some(dictionary: &Dictionary) {
    set(dictionary, "a", "old".into());
    set(dictionary, "n", 41.into());
    set(dictionary, "b", Value::Bytes(&LONG[..500]));
    for value in [1, 2, 3] {
        push(dictionary, value, Side::Right);
    }
    dictionary.set("e", "ends".into(), OPTIONS.ttl_ms(600_000)).expect("there is room");
}

/// More elements than go at once.
fn long_list(dictionary: &Dictionary) {
    (0..70).for_each(|value| push(dictionary, value, Side::Right));
}

fn after_long_list(dictionary: &Dictionary) {
    long_list(dictionary);
    dictionary.delete("l").expect("it is there");
}

/// Every second cell is free.
fn scattered(dictionary: &Dictionary) {
    some(dictionary);
    for number in 0..200 {
        set(dictionary, &format!("f{number}"), number.into());
    }
    for number in (0..200).step_by(2) {
        dictionary.delete(format!("f{number}")).expect("it is there");
    }
}

fn full(dictionary: &Dictionary) {
    for number in 0..600 {
        set(dictionary, &format!("f{number}"), number.into());
    }
}

fn nearly_over(dictionary: &Dictionary) {
    for number in 0..20 {
        let options = OPTIONS.ttl_ms(1);
        dictionary.set(format!("x{number}"), 1.into(), options).expect("there is room");
    }
    while dictionary.ttl("x19").is_ok() {
        std::thread::yield_now();
    }
    some(dictionary);
}

pub const SCENARIOS: &[Scenario] = &[
    plain("set a new key", some, |it| set(it, "c", "new".into())),
    plain("overwrite", some, |it| set(it, "a", "new".into())),
    plain("overwrite a number", some, |it| set(it, "n", 42.into())),
    plain("overwrite by a longer one", scattered, |it| set(it, "a", Value::Bytes(&LONG))),
    plain("overwrite a longer one", some, |it| set(it, "b", "short".into())),
    plain("set with flags and an end", some, |it| {
        it.set("a", "new".into(), OPTIONS.flags(7).ttl_ms(600_000)).expect("there is room");
    }),
    plain("delete", scattered, |it| drop(it.delete("b"))),
    plain("count", some, |it| drop(it.incr("n", 1.into(), None, OPTIONS))),
    plain("count from nothing", some, |it| drop(it.incr("m", 1.into(), Some(1.into()), OPTIONS))),
    plain("count into a fraction", some, |it| drop(it.incr("n", 0.5.into(), None, OPTIONS))),
    plain("give an end", some, |it| drop(it.expire("a", 600_000))),
    plain("give a list an end", some, |it| drop(it.expire("l", 600_000))),
    plain("move an end", some, |it| drop(it.expire("e", 0))),
    plain("push at the left", some, |it| push(it, 0, Side::Left)),
    plain("push at the right", some, |it| push(it, 4, Side::Right)),
    plain("push the first", |_| (), |it| push(it, 1, Side::Right)),
    plain("pop at the left", some, |it| drop(it.pop("l", Side::Left))),
    plain("pop at the right", some, |it| drop(it.pop("l", Side::Right))),
    plain("pop the last", |it| push(it, 1, Side::Left), |it| drop(it.pop("l", Side::Left))),
    plain("delete a list", some, |it| drop(it.delete("l"))),
    plain("delete a long list", long_list, |it| drop(it.delete("l"))),
    plain("store after a long list", after_long_list, |it| set(it, "c", "new".into())),
    plain("overwrite a list", some, |it| set(it, "l", "plain".into())),
    plain("flush", some, |it| it.flush_all().expect("locks are free")),
    plain("sweep", nearly_over, |it| drop(it.sweep(Cursor::default(), u64::MAX))),
    Scenario {
        name: "evict",
        size_bytes: 16 << 10,
        prepare: full,
        act: |it| set(it, "c", Value::Bytes(&LONG)),
        evicts: true,
    },
    Scenario {
        name: "take over",
        size_bytes: 32 << 10,
        prepare: |it| set(it, "a", Value::Bytes(&[1; 20_000])),
        act: |it| set(it, "a", Value::Bytes(&[2; 20_000])),
        evicts: true,
    },
    plain(
        "refused",
        |it| set(it, "a", Value::Bytes(&[1; 20_000])),
        |it| _ = it.set("a", Value::Bytes(&[2; 20_000]), OPTIONS.never_evict()),
    ),
];
