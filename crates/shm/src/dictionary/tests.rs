//! Behaviour of a dictionary, seen through its handle.

use std::time::Duration;

use super::{
    Cursor, Dictionary, Number, Options, Overdue, OwnedValue, Remaining, SetOptions, Side, Value,
};
use crate::error::Error;

/// A dictionary of that size that goes away by itself.
fn dictionary(size_bytes: u64) -> Dictionary {
    Dictionary::create_unnamed("test", &Options::new(size_bytes)).expect("there is memory")
}

fn plain() -> SetOptions {
    SetOptions::default()
}

/// Asserts that every invariant holds.
#[track_caller]
fn check(dictionary: &Dictionary) {
    let findings = dictionary.check().expect("nobody holds a lock");
    assert!(findings.is_empty(), "{findings:?}");
}

#[track_caller]
fn value_of(dictionary: &Dictionary, key: &str) -> Option<OwnedValue> {
    dictionary.get(key).expect("a plain value").map(|entry| entry.value)
}

fn bytes(text: &str) -> Option<OwnedValue> {
    Some(OwnedValue::Bytes(text.as_bytes().to_vec()))
}

/// Waits until an entry has expired.
fn wait_until_gone(dictionary: &Dictionary, key: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while dictionary.ttl(key).is_ok() {
        assert!(std::time::Instant::now() < deadline, "{key} does not expire");
        std::thread::yield_now();
    }
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    let dictionary = dictionary(64 << 10);
    let long = vec![7; 10_000];
    let values = [
        Value::Nil,
        Value::Boolean(true),
        Value::Boolean(false),
        Value::Integer(i64::MIN),
        Value::Integer((1 << 53) + 1),
        Value::Double(-0.0),
        Value::Double(f64::INFINITY),
        Value::Bytes(b""),
        Value::Bytes(b"a\0b"),
        Value::Bytes(&long),
        Value::Table(b"\x01\x02"),
    ];
    for (index, value) in values.iter().enumerate() {
        let key = format!("key{index}");
        let stored = dictionary.set(&key, *value, plain().flags(index as u32)).unwrap();
        let entry = dictionary.get(&key).unwrap().unwrap();
        assert_eq!(entry.value.as_value(), *value);
        assert_eq!((entry.flags, entry.version), (index as u32, stored.version));
        assert!(!stored.forcible);
    }
    check(&dictionary);
}

#[test]
fn keys_have_limits() {
    let dictionary = dictionary(512 << 10);
    assert_eq!(dictionary.get("").unwrap_err(), Error::EmptyKey);
    let long = vec![b'k'; 65_536];
    assert_eq!(dictionary.get(&long).unwrap_err().code(), "key_too_long");
    dictionary.set(&long[1..], 1.into(), plain()).unwrap();
    assert_eq!(dictionary.get(&long[1..]).unwrap().unwrap().value, OwnedValue::Integer(1));
    assert!(dictionary.delete(&long[1..]).unwrap());
    check(&dictionary);
}

#[test]
fn conditions_are_kept() {
    let dictionary = dictionary(64 << 10);
    assert_eq!(dictionary.replace("k", 1.into(), plain()), Err(Error::NotFound));
    let stored = dictionary.add("k", 1.into(), plain()).unwrap();
    assert_eq!(dictionary.add("k", 2.into(), plain()), Err(Error::Exists));
    let replaced = dictionary.replace("k", 2.into(), plain()).unwrap();
    assert!(replaced.version > stored.version);
    let changed = Error::Changed { version: replaced.version };
    assert_eq!(dictionary.cas("k", stored.version, 3.into(), plain()), Err(changed));
    dictionary.cas("k", replaced.version, 3.into(), plain()).unwrap();
    assert_eq!(value_of(&dictionary, "k"), Some(OwnedValue::Integer(3)));
    assert_eq!(dictionary.delete("k"), Ok(true));
    assert_eq!(dictionary.delete("k"), Ok(false));
    assert_eq!(value_of(&dictionary, "k"), None);
    check(&dictionary);
}

#[test]
fn sums_stay_exact_and_report_overflow() {
    let dictionary = dictionary(64 << 10);
    let add = |by: Number, initial: Option<Number>| {
        dictionary.incr("n", by, initial, plain()).map(|sum| sum.value)
    };
    assert_eq!(add(1.into(), None), Err(Error::NotFound));
    assert_eq!(add(1.into(), Some((1 << 53).into())), Ok(Number::Integer((1 << 53) + 1)));
    assert_eq!(add(i64::MAX.into(), None), Err(Error::Overflow));
    assert_eq!(add(1.into(), Some(0.into())), Ok(Number::Integer((1 << 53) + 2)));
    dictionary.set("n", 10.into(), plain().flags(5).ttl_ms(60_000)).unwrap();
    assert_eq!(add(0.5.into(), None), Ok(Number::Double(10.5)));
    let entry = dictionary.get("n").unwrap().unwrap();
    assert_eq!((entry.value, entry.flags), (OwnedValue::Double(10.5), 5));
    assert!(matches!(dictionary.ttl("n"), Ok(Remaining::Us(_))));
    dictionary.set("n", "5".into(), plain()).unwrap();
    assert_eq!(add(1.into(), None), Err(Error::NotNumber));
    check(&dictionary);
}

#[test]
fn entries_end_when_their_time_is_over() {
    let dictionary = dictionary(64 << 10);
    dictionary.set("short", "v".into(), plain().ttl_ms(1)).unwrap();
    dictionary.set("long", "v".into(), plain().ttl_ms(60_000)).unwrap();
    wait_until_gone(&dictionary, "short");
    assert_eq!(value_of(&dictionary, "short"), None);
    let mut buffer = Vec::new();
    let stale = dictionary.get_stale("short", &mut buffer).unwrap().unwrap();
    assert!(stale.is_stale);
    assert_eq!(dictionary.replace("short", 1.into(), plain()), Err(Error::NotFound));
    assert_eq!(dictionary.expire("short", 0), Err(Error::NotFound));
    dictionary.expire("long", 0).unwrap();
    assert_eq!(dictionary.ttl("long"), Ok(Remaining::Forever));
    dictionary.expire("long", 1).unwrap();
    wait_until_gone(&dictionary, "long");
    assert_eq!(dictionary.flush_expired(u64::MAX), Ok(2));
    assert_eq!(dictionary.statistics().entries, 0);
    check(&dictionary);
}

#[test]
fn an_end_can_be_given_later() {
    let dictionary = dictionary(64 << 10);
    dictionary.set("k", "some value".into(), plain().flags(3)).unwrap();
    dictionary.push("l", 1.into(), Side::Left, plain()).unwrap();
    dictionary.push("l", 2.into(), Side::Left, plain()).unwrap();
    for key in ["k", "l"] {
        dictionary.expire(key, 60_000).unwrap();
        assert!(matches!(dictionary.ttl(key), Ok(Remaining::Us(1..=60_000_000))));
    }
    assert_eq!(value_of(&dictionary, "k"), bytes("some value"));
    assert_eq!(dictionary.length("l"), Ok(2));
    check(&dictionary);
}

#[test]
fn flushing_ends_everything_at_once() {
    let dictionary = dictionary(4 << 20);
    for number in 0..1000 {
        dictionary.set(format!("k{number}"), number.into(), plain()).unwrap();
    }
    dictionary.flush_all().unwrap();
    assert_eq!(value_of(&dictionary, "k7"), None);
    let mut buffer = Vec::new();
    assert!(dictionary.get_stale("k7", &mut buffer).unwrap().is_some());
    dictionary.set("new", 1.into(), plain()).unwrap();
    let (items, next) = dictionary.items(Cursor::default(), usize::MAX).unwrap();
    assert_eq!((items.len(), next), (1, None));
    dictionary.flush_expired(u64::MAX).unwrap();
    assert_eq!(dictionary.statistics().entries, 1);
    check(&dictionary);
}

#[test]
fn lists_work_from_both_ends() {
    let dictionary = dictionary(64 << 10);
    let push = |value: i64, side| dictionary.push("l", value.into(), side, plain()).unwrap();
    assert_eq!(push(2, Side::Right), 1);
    assert_eq!(push(3, Side::Right), 2);
    assert_eq!(push(1, Side::Left), 3);
    assert_eq!(dictionary.length("l"), Ok(3));
    let integers = |values: &[i64]| values.iter().copied().map(OwnedValue::Integer).collect();
    assert_eq!(dictionary.range("l", 0, -1), Ok(integers(&[1, 2, 3])));
    assert_eq!(dictionary.range("l", -2, 100), Ok(integers(&[2, 3])));
    assert_eq!(dictionary.range("l", 2, 1), Ok(Vec::new()));
    check(&dictionary);
    assert_eq!(dictionary.get("l").unwrap_err(), Error::ValueIsList);
    assert_eq!(dictionary.pop("l", Side::Right), Ok(Some(OwnedValue::Integer(3))));
    assert_eq!(dictionary.pop("l", Side::Left), Ok(Some(OwnedValue::Integer(1))));
    assert_eq!(dictionary.pop("l", Side::Left), Ok(Some(OwnedValue::Integer(2))));
    assert_eq!(dictionary.pop("l", Side::Left), Ok(None));
    assert_eq!(dictionary.statistics().used_bytes, 0);
    check(&dictionary);
}

#[test]
fn a_long_list_ends_in_steps() {
    let dictionary = dictionary(512 << 10);
    for number in 0..1000 {
        dictionary.push("l", number.into(), Side::Right, plain()).unwrap();
    }
    dictionary.delete("l").unwrap();
    let left = dictionary.statistics().elements;
    assert!(left > 900, "{left}: the first ones have gone");
    check(&dictionary);
    dictionary.push("l", 1.into(), Side::Right, plain()).unwrap();
    assert!(dictionary.statistics().elements < left);
    check(&dictionary);
    dictionary.flush_expired(u64::MAX).unwrap();
    assert_eq!(dictionary.statistics().elements, 1);
    check(&dictionary);
    for number in 0..1000 {
        dictionary.push("m", number.into(), Side::Right, plain()).unwrap();
    }
    dictionary.delete("m").unwrap();
    let huge = vec![0; 500 << 10];
    let stored = dictionary.set("huge", Value::Bytes(&huge), plain().never_evict());
    assert!(!stored.unwrap().forcible, "what is left of the list makes room");
    check(&dictionary);
}

#[test]
fn a_list_and_a_value_are_not_mistaken_for_each_other() {
    let dictionary = dictionary(64 << 10);
    dictionary.set("v", "x".into(), plain()).unwrap();
    assert_eq!(dictionary.push("v", 1.into(), Side::Left, plain()), Err(Error::ValueNotList));
    assert_eq!(dictionary.pop("v", Side::Left), Err(Error::ValueNotList));
    assert_eq!(dictionary.length("v"), Err(Error::ValueNotList));
    dictionary.push("l", 1.into(), Side::Left, plain()).unwrap();
    assert_eq!(dictionary.add("l", 1.into(), plain()), Err(Error::Exists));
    let sum = dictionary.incr("l", 1.into(), None, plain());
    assert_eq!(sum.unwrap_err(), Error::NotNumber);
    dictionary.set("l", "now a value".into(), plain()).unwrap();
    assert_eq!(dictionary.statistics().elements, 0);
    assert_eq!(value_of(&dictionary, "l"), bytes("now a value"));
    check(&dictionary);
}

#[test]
fn a_full_dictionary_evicts_in_order_of_use() {
    let dictionary = dictionary(16 << 10);
    let mut count = 0;
    while !dictionary.set(format!("k{count}"), "v".into(), plain()).unwrap().forcible {
        count += 1;
    }
    assert_eq!(count, 256, "one cell for each entry");
    assert_eq!(value_of(&dictionary, "k0"), None);
    assert_eq!(value_of(&dictionary, "k1"), bytes("v"));
    assert!(dictionary.set("new", "v".into(), plain()).unwrap().forcible);
    assert_eq!(value_of(&dictionary, "k2"), None, "k1 was used, so k2 is the oldest");
    assert_eq!(value_of(&dictionary, "k1"), bytes("v"));
    assert_eq!(dictionary.statistics().evictions, 2);
    check(&dictionary);
}

#[test]
fn nothing_is_evicted_for_what_cannot_fit() {
    let dictionary = dictionary(16 << 10);
    dictionary.set("k", "old".into(), plain()).unwrap();
    let huge = vec![0; 20_000];
    for key in ["k", "other"] {
        let error = dictionary.set(key, Value::Bytes(&huge), plain()).unwrap_err();
        assert!(matches!(error, Error::NoMemory { forcible: false, .. }), "{error:?}");
    }
    assert_eq!(value_of(&dictionary, "k"), bytes("old"));
    check(&dictionary);
}

#[test]
fn a_store_that_must_not_evict_fails_when_full_but_overwrites() {
    let dictionary = dictionary(16 << 10);
    let keep = plain().never_evict();
    let mut count = 0;
    while dictionary.set(format!("k{count}"), "v".into(), keep).is_ok() {
        count += 1;
    }
    assert_eq!(count, 256);
    assert!(!dictionary.set("k0", "w".into(), keep).unwrap().forcible);
    assert_eq!(value_of(&dictionary, "k0"), bytes("w"));
    assert!(!dictionary.set("k1", "x".into(), plain()).unwrap().forcible);
    assert!(dictionary.push("l", 1.into(), Side::Left, keep).is_err());
    assert_eq!(dictionary.statistics().evictions, 0);
    dictionary.delete("k3").unwrap();
    dictionary.set("k3", "v".into(), keep).unwrap();
    check(&dictionary);
}

#[test]
fn expired_entries_make_room_without_force() {
    let dictionary = dictionary(16 << 10);
    for number in 0..256 {
        dictionary.set(format!("k{number}"), "v".into(), plain().ttl_ms(1)).unwrap();
    }
    wait_until_gone(&dictionary, "k255");
    for number in 0..200 {
        let options = if number % 2 == 0 { plain() } else { plain().never_evict() };
        assert!(!dictionary.set(format!("n{number}"), "v".into(), options).unwrap().forcible);
    }
    check(&dictionary);
}

#[test]
fn memory_does_not_fragment() {
    let dictionary = dictionary(64 << 10);
    let keep = plain().never_evict();
    for number in 0..1024 {
        dictionary.set(format!("k{number}"), "v".into(), keep).unwrap();
    }
    for number in (0..1024).step_by(2) {
        dictionary.delete(format!("k{number}")).unwrap();
    }
    // Every second cell is free: 512 of them, of which a chained record can use 7 words each.
    let large = vec![3; 512 * 56 - 64];
    dictionary.set("large", Value::Bytes(&large), keep).unwrap();
    assert_eq!(dictionary.get("large").unwrap().unwrap().value, OwnedValue::Bytes(large));
    check(&dictionary);
    dictionary.delete("large").unwrap();
    for number in (0..1024).step_by(2) {
        dictionary.set(format!("k{number}"), "v".into(), keep).unwrap();
    }
    check(&dictionary);
}

#[test]
fn cells_that_a_shard_keeps_are_given_up_when_others_need_them() {
    let dictionary = dictionary(2 << 20);
    let key = |number: u32| format!("key {number}");
    let fill = |from: u32| -> u32 {
        let numbers = from..;
        let fits = |number: &u32| {
            dictionary.set(key(*number), Value::Bytes(&[1; 100]), plain().never_evict()).is_ok()
        };
        numbers.take_while(fits).count() as u32
    };
    let capacity = fill(0);
    // Each shard keeps what ends, two runs at most; what it keeps counts as free.
    (0..capacity).step_by(3).for_each(|number| {
        dictionary.delete(key(number)).expect("the lock is free");
    });
    check(&dictionary);
    // Where an entry lies in pieces it takes a cell more.
    let (again, deleted) = (fill(capacity), capacity.div_ceil(3));
    assert!(again * 10 >= deleted * 9, "{again} of {deleted}");
    check(&dictionary);
    // A value that takes all there is gets the kept cells, too.
    dictionary.flush_all().expect("the locks are free");
    let most = vec![2; (2 << 20) - 1000];
    dictionary.set("all", Value::Bytes(&most), plain()).expect("it fits");
    assert_eq!(value_of(&dictionary, "all"), Some(OwnedValue::Bytes(most)));
    check(&dictionary);
}

#[test]
fn a_kept_run_that_damage_gave_to_another_is_not_taken() {
    use super::shard::{Locked, SPARE_FIRST};

    let dictionary = dictionary(64 << 10);
    dictionary.set("victim", Value::Bytes(&[3; 16]), plain()).expect("room");
    let core = dictionary.core();
    let victim = core.key(b"victim").expect("a key");
    let mut locked: Locked<'_> = core.lock(0).expect("the lock is free");
    let (record, _) = locked.find(&victim).expect("it was just stored");
    // One cell: that of a live entry.
    locked.set_field(SPARE_FIRST, 1 << 32 | u64::from(record.cell));
    drop(locked);
    dictionary.set("other", Value::Bytes(&[4; 16]), plain()).expect("room");
    assert_eq!(value_of(&dictionary, "victim"), Some(OwnedValue::Bytes(vec![3; 16])));
    check(&dictionary);
}

#[test]
fn a_large_value_replaces_itself_where_only_one_of_them_fits() {
    let dictionary = dictionary(64 << 10);
    for fill in 0..3 {
        let value = vec![fill; 50_000];
        let stored = dictionary.set("k", Value::Bytes(&value), plain()).unwrap();
        assert!(!stored.forcible);
        assert_eq!(dictionary.get("k").unwrap().unwrap().value, OwnedValue::Bytes(value));
    }
    check(&dictionary);
}

#[test]
fn a_large_value_takes_room_from_all_shards() {
    let dictionary = dictionary(4 << 20);
    let mut number = 0;
    while !dictionary.set(format!("k{number}"), "v".into(), plain()).unwrap().forcible {
        number += 1;
    }
    assert!(number > 60_000, "{number}");
    let value = vec![1; 1 << 20];
    assert!(dictionary.set("large", Value::Bytes(&value), plain()).unwrap().forcible);
    let evictions = dictionary.statistics().evictions;
    assert!((16_000..20_000).contains(&evictions), "{evictions}");
    check(&dictionary);
}

#[test]
fn a_walk_meets_every_entry_once() {
    let dictionary = dictionary(2 << 20);
    for number in 0..5000 {
        dictionary.set(format!("k{number}"), number.into(), plain()).unwrap();
    }
    let mut keys = Vec::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        let (items, next) = dictionary.items(at, 10).unwrap();
        keys.extend(items.into_iter().map(|item| item.key));
        cursor = next;
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5000);
}

#[test]
fn a_waiter_is_woken_by_a_change() {
    let dictionary = dictionary(64 << 10);
    let long = Duration::from_secs(20);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| dictionary.wait("k", None, long));
        let popper = scope.spawn(|| dictionary.pop_wait("l", Side::Left, long));
        let stored = dictionary.set("k", 1.into(), plain()).unwrap();
        dictionary.push("l", 9.into(), Side::Left, plain()).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(Some(stored.version)));
        assert_eq!(popper.join().unwrap(), Ok(OwnedValue::Integer(9)));
    });
    let short = Duration::from_millis(1);
    assert_eq!(dictionary.pop_wait("l", Side::Left, short), Err(Error::Timeout));
}

#[test]
fn names_lead_to_one_object() {
    let name = format!("test-names-{}", std::process::id());
    let options = Options { mode: 0o640, ..Options::new(64 << 10) };
    assert_eq!(Dictionary::open(&name, &options).unwrap_err().code(), "no_such_object");
    let (first, made) = Dictionary::open_or_create(&name, &options).unwrap();
    assert!(made);
    first.set("k", 1.into(), plain()).unwrap();
    assert_eq!(Dictionary::create(&name, &options).unwrap_err().code(), "already_exists");
    let (second, made) = Dictionary::open_or_create(&name, &options).unwrap();
    assert!(!made);
    assert_eq!(value_of(&second, "k"), Some(OwnedValue::Integer(1)));
    let listed = crate::list().unwrap();
    let own = listed.iter().find(|it| it.name.as_str() == name).expect("it is listed");
    assert_eq!((own.mode, own.attached), (0o640, Some(true)));
    drop((first, second));
    let listed = crate::list().unwrap();
    let own = listed.iter().find(|it| it.name.as_str() == name).expect("it stays");
    assert_eq!(own.attached, Some(false));
    Dictionary::unlink(&name).unwrap();
    assert_eq!(Dictionary::unlink(&name).unwrap_err().code(), "no_such_object");
}

#[test]
fn what_does_not_fit_into_the_machine_is_refused_with_figures() {
    const SIZE_BYTES: u64 = 60 << 30;
    let room = rustix::fs::statvfs("/dev/shm").expect("shared memory is mounted");
    if room.f_bavail * room.f_frsize >= SIZE_BYTES {
        return println!("SKIPPED what_does_not_fit: this machine has room for it");
    }
    let name = format!("test-huge-{}", std::process::id());
    let error = Dictionary::create(&name, &Options::new(SIZE_BYTES)).unwrap_err();
    assert_eq!(error.code(), "no_space", "{error}");
    assert!(error.to_string().contains(" left, the dictionary needs 6"), "{error}");
}

#[test]
fn threads_count_exactly() {
    let dictionary = dictionary(2 << 20);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..5000 {
                    let key = format!("n{}", number % 7);
                    dictionary.incr(key, 1.into(), Some(0.into()), plain()).unwrap();
                    dictionary.set(format!("k{}", number % 100), number.into(), plain()).unwrap();
                }
            });
        }
    });
    let total: i64 = (0..7)
        .filter_map(|number| match value_of(&dictionary, &format!("n{number}")) {
            Some(OwnedValue::Integer(value)) => Some(value),
            _ => None,
        })
        .sum();
    assert_eq!(total, 20_000);
    check(&dictionary);
}

#[test]
fn no_more_expired_entries_are_given_back_than_asked_for() {
    let dictionary = dictionary(16 << 10);
    for number in 0..60 {
        let options = plain().ttl_ms(1);
        dictionary.set(format!("key{number}"), Value::Integer(number), options).unwrap();
    }
    (0..60).for_each(|number| wait_until_gone(&dictionary, &format!("key{number}")));
    assert_eq!(dictionary.flush_expired(7), Ok(7));
    assert_eq!(dictionary.flush_expired(0), Ok(0));
    assert_eq!(dictionary.flush_expired(u64::MAX), Ok(53));
    check(&dictionary);
}

#[test]
fn a_sweep_with_grace_spares_what_expired_just_now_and_says_when_to_come_again() {
    let dictionary = dictionary(64 << 10);
    dictionary.set("brief", Value::Integer(1), plain().ttl_ms(1)).unwrap();
    dictionary.set("lasting", Value::Integer(1), plain()).unwrap();
    wait_until_gone(&dictionary, "brief");
    let grace = Duration::from_secs(60);
    let spared = dictionary.reclaim(Cursor::default(), u64::MAX, grace).unwrap();
    assert_eq!((spared.freed, spared.next), (0, None));
    assert!(spared.soonest.is_some_and(|soonest| soonest <= grace), "{spared:?}");
    let swept = dictionary.reclaim(Cursor::default(), u64::MAX, Duration::ZERO).unwrap();
    assert_eq!((swept.freed, swept.soonest), (1, None));
    check(&dictionary);
}

#[test]
fn what_is_left_of_an_expired_entry_tells_since_when() {
    let dictionary = dictionary(64 << 10);
    dictionary.set("key", Value::Integer(1), plain().ttl_ms(1)).unwrap();
    wait_until_gone(&dictionary, "key");
    assert!(matches!(dictionary.overdue("key"), Ok(Some(Overdue::For(_)))));
    dictionary.set("key", Value::Integer(2), plain()).unwrap();
    assert_eq!(dictionary.overdue("key"), Ok(None));
    dictionary.flush_all().unwrap();
    assert_eq!(dictionary.overdue("key"), Ok(Some(Overdue::Flushed)));
    assert_eq!(dictionary.overdue("other"), Ok(None));
}

#[test]
fn an_entry_is_removed_only_if_it_is_the_one_that_was_seen() {
    let dictionary = dictionary(64 << 10);
    let seen = dictionary.set("key", Value::Integer(1), plain()).unwrap().version;
    let version = dictionary.set("key", Value::Integer(2), plain()).unwrap().version;
    assert_eq!(dictionary.remove("key", seen), Err(Error::Changed { version }));
    assert_eq!(dictionary.remove("key", version), Ok(()));
    assert_eq!(dictionary.remove("key", version), Err(Error::NotFound));
    check(&dictionary);
}

#[test]
fn permissions_beyond_the_nine_bits_are_refused_whether_there_is_something_to_open_or_not() {
    let name = format!("unit-{}-mode", std::process::id());
    let options = |mode| Options { mode, ..Options::new(4096) };
    let dictionary = Dictionary::create(&name, &options(0o640)).unwrap();
    let refused = |mode| {
        let opened = Dictionary::open_or_create(&name, &options(mode)).unwrap_err();
        let created = Dictionary::create_unnamed("mode", &options(mode)).unwrap_err();
        assert_eq!((opened.code(), &opened), ("invalid_option", &created));
        opened.to_string()
    };
    let texts = [0o1000, 0o10000].map(refused);
    assert!(Dictionary::open(&name, &options(0o1000)).is_ok(), "its own counts");
    let mode = rustix::fs::fstat(&dictionary).unwrap().st_mode & 0o7777;
    Dictionary::unlink(&name).unwrap();
    assert_eq!(mode, 0o640);
    let expected = "invalid mode: expected permissions up to 0777, got 0";
    assert_eq!(texts, ["1000", "10000"].map(|mode| format!("{expected}{mode}")));
}
