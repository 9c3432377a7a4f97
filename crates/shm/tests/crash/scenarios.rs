//! One operation each, and the state that it begins with.

use std::time::Duration;

use moonhive_shm::{Cursor, Dictionary, Options, SetOptions, Side, Value};

/// What an operation may do to others, and to what it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is enough: nobody else is touched.
    Enough,
    /// Others are thrown out, or ended one after the other.
    FromOthers,
    /// The old value is thrown out before the new one is there, as any entry may be.
    FromTheOldValue,
}

/// An operation to die in.
pub struct Scenario {
    pub name: &'static str,
    pub size_bytes: u64,
    /// More than one: not in exact order of use, and cells pass between shards.
    pub shards: u32,
    pub prepare: fn(&Dictionary),
    pub act: fn(&Dictionary),
    pub room: Room,
}

impl Scenario {
    pub fn options(&self) -> Options {
        Options { shards: Some(self.shards), ..Options::new(self.size_bytes) }
    }

    const fn room(mut self, room: Room) -> Self {
        self.room = room;
        self
    }

    const fn size_bytes(mut self, size_bytes: u64) -> Self {
        self.size_bytes = size_bytes;
        self
    }
}

/// In a small dictionary of one shard, with an operation that throws nothing out.
const fn plain(name: &'static str, prepare: fn(&Dictionary), act: fn(&Dictionary)) -> Scenario {
    Scenario { name, size_bytes: 32 << 10, shards: 1, prepare, act, room: Room::Enough }
}

/// In a smaller one of four shards.
const fn sharded(name: &'static str, prepare: fn(&Dictionary), act: fn(&Dictionary)) -> Scenario {
    Scenario { name, size_bytes: 4 << 10, shards: 4, prepare, act, room: Room::Enough }
}

const OPTIONS: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// Too long for neighbouring cells once memory is scattered.
const LONG: [u8; 3000] = [9; 3000];

/// Ten cells: more than a shard gives before the others have to.
const TEN_CELLS: &[u8] = LONG.split_at(600).0;

fn set(dictionary: &Dictionary, key: &str, value: Value<'_>) {
    dictionary.set(key, value, OPTIONS).expect("there is room");
}

/// Stores without throwing anything out.
fn keep(dictionary: &Dictionary, key: &str, value: Value<'_>) {
    dictionary.set(key, value, OPTIONS.never_evict()).expect("there is room");
}

fn push(dictionary: &Dictionary, value: i64, side: Side) {
    dictionary.push("l", value.into(), side, OPTIONS).expect("there is room");
}

fn push_long(dictionary: &Dictionary) {
    dictionary.push("l", Value::Bytes(TEN_CELLS), Side::Left, OPTIONS).expect("there is room");
}

fn count(dictionary: &Dictionary, key: &str) {
    dictionary.incr(key, 1.into(), Some(1.into()), OPTIONS).expect("a number");
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

/// Numbers, more of them than there is room for.
fn full(dictionary: &Dictionary) {
    let cells = dictionary.capacity_bytes() as i64 / 64;
    for number in 0..cells + 20 {
        set(dictionary, &format!("f{}", number % 600), number.into());
    }
}

/// A list, the newest of all that fills a dictionary.
fn full_with_list(dictionary: &Dictionary) {
    full(dictionary);
    (0..3).for_each(|value| push(dictionary, value, Side::Right));
}

fn full_with_value(dictionary: &Dictionary) {
    full(dictionary);
    set(dictionary, "a", "old".into());
}

fn wait_until_over(dictionary: &Dictionary, key: &str) {
    while dictionary.ttl(key).is_ok() {
        std::thread::yield_now();
    }
}

/// Entries whose time is over, and that nobody has given back.
fn over(dictionary: &Dictionary) {
    for number in 0..20 {
        let options = OPTIONS.ttl_ms(1);
        dictionary.set(format!("x{number}"), 1.into(), options).expect("there is room");
    }
    wait_until_over(dictionary, "x19");
}

fn over_and_some(dictionary: &Dictionary) {
    over(dictionary);
    some(dictionary);
}

/// The same, used longer ago than some that live.
fn full_of_over(dictionary: &Dictionary) {
    for number in 0..dictionary.capacity_bytes() / 64 {
        let options = OPTIONS.ttl_ms(1).never_evict();
        dictionary.set(format!("x{number}"), 1.into(), options).expect("there is room");
    }
    wait_until_over(dictionary, &format!("x{}", dictionary.capacity_bytes() / 64 - 1));
}

fn list_over(dictionary: &Dictionary) {
    some(dictionary);
    dictionary.expire("l", 1).expect("it is there");
    wait_until_over(dictionary, "l");
}

fn nearly_all_one_list(dictionary: &Dictionary) {
    (0..50).for_each(|value| push(dictionary, value, Side::Right));
    keep(dictionary, "a", "old".into());
}

fn nearly_all_one_list_over(dictionary: &Dictionary) {
    nearly_all_one_list(dictionary);
    dictionary.expire("l", 1).expect("it is there");
    wait_until_over(dictionary, "l");
}

fn value_over(dictionary: &Dictionary) {
    some(dictionary);
    dictionary.expire("a", 1).expect("it is there");
    wait_until_over(dictionary, "a");
}

fn flushed(dictionary: &Dictionary) {
    some(dictionary);
    dictionary.flush_all().expect("locks are free");
}

/// Who has waited in vain may still be asleep, for all that the next change knows.
fn waited_for(dictionary: &Dictionary) {
    some(dictionary);
    let version = dictionary.version("a").expect("locks are free");
    dictionary.wait("a", version, Duration::ZERO).expect_err("nothing changes");
}

/// Each shard keeps cells, and there is room only with them.
fn kept_cells(dictionary: &Dictionary) {
    let cells = dictionary.capacity_bytes() / 64;
    (0..cells as i64).for_each(|number| keep(dictionary, &format!("f{number}"), number.into()));
    for number in 4..cells {
        dictionary.delete(format!("f{number}")).expect("it is there");
    }
}

pub const SCENARIOS: &[Scenario] = &[
    plain("set a new key", some, |it| set(it, "c", "new".into())),
    plain("overwrite", some, |it| set(it, "a", "new".into())),
    plain("overwrite a number", some, |it| set(it, "n", 42.into())),
    plain("overwrite by a longer one", scattered, |it| set(it, "a", Value::Bytes(&LONG))),
    plain("overwrite a longer one", some, |it| set(it, "b", "short".into())),
    plain("overwrite what is over", value_over, |it| {
        it.add("a", "new".into(), OPTIONS).map(drop).expect("nothing lives there");
    }),
    plain("set with flags and an end", some, |it| {
        it.set("a", "new".into(), OPTIONS.flags(7).ttl_ms(600_000)).expect("there is room");
    }),
    plain("set what has that version", some, |it| {
        let version = it.version("a").expect("locks are free").expect("it is there");
        it.cas("a", version, "new".into(), OPTIONS).expect("nobody has changed it");
    }),
    plain("set what somebody waits for", waited_for, |it| set(it, "a", "new".into())),
    plain("delete", scattered, |it| drop(it.delete("b"))),
    plain("remove what has that version", some, |it| {
        let version = it.version("b").expect("locks are free").expect("it is there");
        it.remove("b", version).expect("nobody has changed it");
    }),
    plain("remove a list that has that version", some, |it| {
        let version = it.version("l").expect("locks are free").expect("it is there");
        it.remove("l", version).expect("nobody has changed it");
    }),
    plain("count", some, |it| count(it, "n")),
    plain("count from nothing", some, |it| count(it, "m")),
    plain("count into a fraction", some, |it| drop(it.incr("n", 0.5.into(), None, OPTIONS))),
    plain("count and throw out", full, |it| count(it, "m")).room(Room::FromOthers),
    plain("give an end", some, |it| drop(it.expire("a", 600_000))),
    plain("give a list an end", some, |it| drop(it.expire("l", 600_000))),
    plain("move an end", some, |it| drop(it.expire("e", 0))),
    plain("push at the left", some, |it| push(it, 0, Side::Left)),
    plain("push at the right", some, |it| push(it, 4, Side::Right)),
    plain("push the first", |_| (), |it| push(it, 1, Side::Right)),
    plain("push the first to what is over", list_over, |it| push(it, 1, Side::Right)),
    plain("push and throw out", full_with_list, push_long).room(Room::FromOthers),
    plain("push the first and throw out", full, push_long).room(Room::FromOthers),
    plain("pop at the left", some, |it| drop(it.pop("l", Side::Left))),
    plain("pop at the right", some, |it| drop(it.pop("l", Side::Right))),
    plain("pop the last", |it| push(it, 1, Side::Left), |it| drop(it.pop("l", Side::Left))),
    plain("delete a list", some, |it| drop(it.delete("l"))),
    plain("delete a long list", long_list, |it| drop(it.delete("l"))),
    plain("store after a long list", after_long_list, |it| set(it, "c", "new".into())),
    plain("overwrite a list", some, |it| set(it, "l", "plain".into())),
    plain("flush", some, |it| it.flush_all().expect("locks are free")),
    plain("sweep", over_and_some, |it| drop(it.sweep(Cursor::default(), u64::MAX))),
    plain("sweep with grace", over_and_some, |it| {
        it.reclaim(Cursor::default(), u64::MAX, Duration::ZERO).expect("locks are free");
    }),
    plain("give back what is over", over_and_some, |it| {
        assert_eq!(it.flush_expired(u64::MAX), Ok(20));
    }),
    plain("give back the oldest that are over", over_and_some, |it| {
        assert_eq!(it.flush_expired(5), Ok(5));
    }),
    plain("tidy", over_and_some, Dictionary::tidy),
    plain("tidy after a flush", flushed, Dictionary::tidy_flushed),
    plain("repair", some, |it| it.repair().expect("locks are free")),
    plain("throw out", full, |it| set(it, "c", Value::Bytes(&LONG)))
        .size_bytes(16 << 10)
        .room(Room::FromOthers),
    plain(
        "take over",
        |it| set(it, "a", Value::Bytes(&[1; 20_000])),
        |it| set(it, "a", Value::Bytes(&[2; 20_000])),
    )
    .room(Room::FromTheOldValue),
    plain("overwrite a list and take over", nearly_all_one_list, |it| {
        set(it, "l", Value::Bytes(&LONG));
    })
    .size_bytes(4 << 10)
    .room(Room::FromTheOldValue),
    plain("push the first and what is over goes", nearly_all_one_list_over, |it| {
        it.push("l", Value::Bytes(&LONG), Side::Left, OPTIONS.never_evict()).expect("its room");
    })
    .size_bytes(4 << 10),
    plain(
        "refused",
        |it| set(it, "a", Value::Bytes(&[1; 20_000])),
        |it| _ = it.set("a", Value::Bytes(&[2; 20_000]), OPTIONS.never_evict()),
    ),
    sharded("shards: set a new key", some, |it| set(it, "c", "new".into())),
    sharded("shards: throw out", full, |it| set(it, "c", Value::Bytes(TEN_CELLS)))
        .room(Room::FromOthers),
    sharded("shards: overwrite and throw out", full_with_value, |it| {
        set(it, "a", Value::Bytes(TEN_CELLS));
    })
    .room(Room::FromOthers),
    sharded("shards: overwrite in the reserve", full_with_value, |it| keep(it, "a", "new".into())),
    sharded("shards: count and throw out", full, |it| count(it, "m")).room(Room::FromOthers),
    sharded("shards: push and throw out", full_with_list, push_long).room(Room::FromOthers),
    sharded("shards: push the first and throw out", full, push_long).room(Room::FromOthers),
    sharded("shards: give an end and throw out", full_with_value, |it| {
        it.expire("a", 600_000).expect("it is there");
    })
    .room(Room::FromOthers),
    sharded(
        "shards: take over",
        |it| set(it, "a", Value::Bytes(&LONG)),
        |it| set(it, "a", Value::Bytes(&LONG[1..])),
    )
    .room(Room::FromTheOldValue),
    sharded("shards: room of what is over", full_of_over, |it| {
        keep(it, "c", Value::Bytes(TEN_CELLS));
    }),
    sharded("shards: room that others keep", kept_cells, |it| keep(it, "c", Value::Bytes(&LONG))),
    sharded("shards: delete a list", some, |it| drop(it.delete("l"))),
    // One shard after the other.
    sharded("shards: flush", some, |it| it.flush_all().expect("locks are free"))
        .room(Room::FromOthers),
    sharded("shards: sweep", over_and_some, |it| drop(it.sweep(Cursor::default(), u64::MAX))),
    sharded("shards: sweep with grace", over_and_some, |it| {
        it.reclaim(Cursor::default(), u64::MAX, Duration::ZERO).expect("locks are free");
    }),
    sharded("shards: give back what is over", over_and_some, |it| {
        assert_eq!(it.flush_expired(7), Ok(7));
    }),
    sharded("shards: repair", some, |it| it.repair().expect("locks are free")),
];

/// Where the repair dies, too: one of every kind of thing that a death leaves.
pub const REPAIRED: &[&str] = &[
    "overwrite a list",
    "overwrite by a longer one",
    "push the first",
    "pop the last",
    "give a list an end",
    "tidy",
    "take over",
    "repair",
    "shards: throw out",
    "shards: push and throw out",
    "shards: take over",
    "shards: room of what is over",
    "shards: room that others keep",
];
