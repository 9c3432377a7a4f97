//! Full dictionaries: what a store that is refused leaves, who goes for one that is not, and that
//! nobody is refused while there is somebody to throw out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use moonhive_shm::{Dictionary, Error, Options, SetOptions, Side, Value};

const PLAIN: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };
const SAFE: SetOptions = SetOptions { ttl_ms: 0, flags: 0, never_evict: true, keep_ttl: false };

fn dictionary(size_bytes: u64) -> Dictionary {
    Dictionary::create_unnamed("room", &Options::new(size_bytes)).expect("memory")
}

/// Stores numbers under `{prefix}0` and so on until there is no room; how many.
fn fill(dictionary: &Dictionary, prefix: &str) -> i64 {
    (0..)
        .find(|n| dictionary.set(format!("{prefix}{n}"), Value::Integer(*n), SAFE).is_err())
        .expect("it is full some time")
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::NoMemory { .. }))
}

#[test]
fn a_store_that_may_throw_out_nothing_leaves_the_old_value_when_it_is_refused() {
    let dictionary = dictionary(64 << 10);
    let old = vec![1; 40_000];
    dictionary.set("large", Value::Bytes(&old), SAFE).expect("there is room");
    assert!(is_refused(dictionary.set("large", Value::Bytes(&[2; 40_000]), SAFE)));
    let entry = dictionary.get("large").expect("locks are free").expect("it is there");
    assert_eq!(entry.value, Value::Bytes(&old).to_owned());
    dictionary.set("large", Value::Bytes(&[2; 40_000]), PLAIN).expect("the old value may go");
    assert_eq!(dictionary.check(), Ok(vec![]));
}

#[test]
fn what_queues_have_given_back_is_there_for_all_others() {
    let options = Options { shards: Some(8), ..Options::new(64 << 10) };
    let dictionary = Dictionary::create_unnamed("room", &options).expect("memory");
    let most = fill(&dictionary, "n");
    dictionary.flush_all().expect("locks are free");
    dictionary.flush_expired(u64::MAX).expect("locks are free");
    for turn in 0..100 {
        for queue in 0..16 {
            let key = format!("queue {queue} with a name of two cells at least");
            for number in 0..=turn % 4 {
                dictionary.push(&key, number.into(), Side::Left, SAFE).expect("there is room");
            }
            while dictionary.pop(&key, Side::Right).expect("it is a list").is_some() {}
        }
    }
    assert_eq!(dictionary.free_bytes(), dictionary.capacity_bytes());
    assert_eq!(fill(&dictionary, "n"), most);
    assert_eq!(dictionary.check(), Ok(vec![]));
}

/// A list that takes most of a dictionary of 64 cells, beside a few others.
fn list_and_others() -> Dictionary {
    let dictionary = dictionary(4096);
    for number in 0..50 {
        dictionary.push("list", number.into(), Side::Right, SAFE).expect("there is room");
    }
    (0..5).for_each(|n| _ = dictionary.set(format!("k{n}"), 1.into(), SAFE).expect("room"));
    dictionary
}

fn others(dictionary: &Dictionary) -> usize {
    (0..5).filter(|n| dictionary.version(format!("k{n}")) != Ok(None)).count()
}

#[test]
fn a_value_in_the_place_of_a_list_takes_its_room_and_not_that_of_others() {
    let dictionary = list_and_others();
    let value = Value::Bytes(&[2; 2000]);
    assert!(is_refused(dictionary.set("list", value, SAFE)), "the list would have to go first");
    assert_eq!(dictionary.length("list"), Ok(50));
    dictionary.set("list", value, PLAIN).expect("its elements go");
    assert_eq!((others(&dictionary), dictionary.statistics().evictions), (5, 0));
    assert_eq!(dictionary.check(), Ok(vec![]));
}

#[test]
fn what_has_ended_under_a_key_makes_room_for_what_comes_there() {
    let value = Value::Bytes(&[2; 2000]);
    for options in [SAFE, PLAIN] {
        let dictionary = list_and_others();
        end(&dictionary, "list");
        dictionary.push("list", value, Side::Left, options).expect("its elements go");
        end(&dictionary, "list");
        dictionary.push("list", value, Side::Left, options).expect("its element goes");
        end(&dictionary, "list");
        dictionary.set("list", value, options).expect("its element goes");
        end(&dictionary, "list");
        dictionary.push("list", value, Side::Left, options).expect("the value goes");
        assert_eq!((others(&dictionary), dictionary.statistics().evictions), (5, 0));
        assert_eq!(dictionary.check(), Ok(vec![]));
    }
}

#[test]
fn scattered_memory_is_no_reason_to_lose_a_value() {
    let dictionary = dictionary(64 << 10);
    dictionary.set("victim", Value::Bytes(&[1; 150]), SAFE).expect("there is room");
    let count = fill(&dictionary, "k");
    for number in (0..count).step_by(2) {
        dictionary.delete(format!("k{number}")).expect("locks are free");
    }
    let mut size_bytes = dictionary.free_bytes() as usize;
    while is_refused(dictionary.set("pieces", Value::Bytes(&vec![2; size_bytes]), SAFE)) {
        size_bytes -= 64;
    }
    fill(&dictionary, "rest");
    let statistics = dictionary.statistics();
    let reserve_bytes = 4096;
    assert!(statistics.used_bytes <= statistics.capacity_bytes + reserve_bytes / 4);
    for length in [150, 90, 10] {
        dictionary.set("victim", Value::Bytes(&vec![3; length]), SAFE).expect("it is no larger");
    }
    assert_eq!(dictionary.check(), Ok(vec![]));
}

#[test]
fn what_shards_were_lent_is_not_promised_twice() {
    let dictionary = dictionary(16 << 20);
    for number in 0..2000 {
        dictionary.set(format!("first{number}"), Value::Integer(number), SAFE).expect("room");
    }
    for (size_bytes, name) in [(50_000, "large"), (1000, "medium"), (16, "small")] {
        let value = vec![1; size_bytes];
        let _ = (0..)
            .find(|n| dictionary.set(format!("{name}{n}"), Value::Bytes(&value), SAFE).is_err());
    }
    // Each shard may have something left that it was lent.
    for number in 0..100 {
        let _ = dictionary.set(format!("more{number}"), Value::Integer(number), SAFE);
    }
    let statistics = dictionary.statistics();
    assert!(statistics.used_bytes <= statistics.capacity_bytes, "{statistics:?}");
    assert!(statistics.free_bytes < 1000 * 64, "it is full: {statistics:?}");
    for number in 0..2000 {
        let value = Value::Bytes(b"text");
        dictionary.set(format!("first{number}"), value, SAFE).expect("there is the reserve");
    }
}

#[test]
fn a_store_that_may_throw_out_others_is_not_refused_beside_readers() {
    let dictionary = dictionary(4096);
    let keys: Vec<String> = (0..66).map(|n| format!("k{n}")).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for key in &keys {
                        dictionary.get(key).expect("locks are free");
                    }
                }
            });
        }
        for key in keys.iter().cycle().take(40_000) {
            let stored = dictionary.set(key, Value::Bytes(b"value"), PLAIN);
            stored.expect("there is somebody to throw out");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(dictionary.statistics().evictions > 1000);
}

#[test]
fn the_oldest_of_few_entries_grows_at_the_cost_of_the_others() {
    // Which shard a key belongs to is chance, so there are many attempts.
    for _ in 0..50 {
        let options = Options { shards: Some(2), ..Options::new(8 << 10) };
        let dictionary = Dictionary::create_unnamed("room", &options).expect("memory");
        dictionary.set("grows", 1.into(), PLAIN).expect("there is room");
        for number in 0..4 {
            let value = Value::Bytes(&[1; 1800]);
            dictionary.set(format!("k{number}"), value, PLAIN).expect("there is room");
        }
        for length in [2000, 4000, 6000, 8000] {
            let stored = dictionary.set("grows", Value::Bytes(&vec![2; length]), PLAIN);
            assert!(stored.expect("there is somebody to throw out").forcible || length < 6000);
        }
        assert_eq!(dictionary.check(), Ok(vec![]));
    }
}

#[test]
fn a_new_end_is_no_use_in_an_exact_dictionary() {
    let dictionary = dictionary(4096);
    (0..64).for_each(|n| _ = dictionary.set(format!("k{n:02}"), Value::Bytes(b"v"), PLAIN));
    // From here on it is noted who goes next.
    dictionary.set("new0", Value::Bytes(b"v"), PLAIN).expect("k00 goes");
    dictionary.expire("k01", 3_600_000).expect("it is there");
    (1..10).for_each(|n| _ = dictionary.set(format!("new{n}"), Value::Bytes(b"v"), PLAIN));
    let is_gone = |n: &i32| dictionary.version(format!("k{n:02}")) == Ok(None);
    assert_eq!((0..64).filter(is_gone).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_new_end_that_needs_room_is_no_use_either() {
    let dictionary = dictionary(4096);
    let value = Value::Bytes(&[1; 24]);
    (0..64).for_each(|n| _ = dictionary.set(format!("k{n:02}"), value, PLAIN));
    // From here on it is noted who goes next.
    dictionary.set("new0", value, PLAIN).expect("k00 goes");
    dictionary.expire("k01", 3_600_000).expect("it takes another cell");
    let is_gone = |n: &i32| dictionary.version(format!("k{n:02}")) == Ok(None);
    let gone = || (0..64).filter(is_gone).collect::<Vec<_>>();
    assert_eq!(gone(), [0, 2], "the next one goes for it");
    dictionary.set("new1", value, PLAIN).expect("k01 goes");
    assert_eq!(gone(), [0, 1, 2], "it is still the one that was used longest ago");
    assert_eq!(dictionary.check(), Ok(vec![]));
}

#[test]
fn an_entry_in_use_stays_whatever_the_size_of_the_values() {
    let dictionary = dictionary(4 << 20);
    let value = vec![1; 6000];
    dictionary.set("hot", Value::Bytes(&value), PLAIN).expect("there is room");
    for number in 0..3000 {
        assert!(dictionary.get("hot").expect("locks are free").is_some(), "gone at {number}");
        dictionary.set(format!("k{number}"), Value::Bytes(&value), PLAIN).expect("others go");
    }
    assert!(dictionary.statistics().evictions > 1000);
}

/// Lets an entry end that has its place among many others.
fn end(dictionary: &Dictionary, key: &str) {
    dictionary.expire(key, 1).expect("it is there");
    while dictionary.ttl(key).is_ok() {
        thread::yield_now();
    }
}

#[test]
fn what_has_ended_is_found_before_a_store_is_refused_wherever_it_is() {
    for size_bytes in [64 << 10, 2 << 20] {
        let dictionary = dictionary(size_bytes);
        dictionary.set("brief", Value::Integer(1), SAFE.ttl_ms(3_600_000)).expect("room");
        dictionary.set("long", Value::Integer(1), SAFE.ttl_ms(7_200_000)).expect("room");
        fill(&dictionary, "k");
        for round in 0..3 {
            let new = format!("new{round}");
            assert!(is_refused(dictionary.set(&new, Value::Integer(1), SAFE)));
            let ends = ["brief", "long", "new1"][round];
            end(&dictionary, ends);
            dictionary.set(&new, Value::Integer(1), SAFE.ttl_ms(3_600_000)).expect("its room");
            assert!(is_refused(dictionary.set("no", Value::Integer(1), SAFE)));
            assert_eq!(dictionary.version(ends), Ok(None));
        }
        dictionary.repair().expect("locks are free");
        end(&dictionary, "new0");
        dictionary.set("after repair", Value::Integer(1), SAFE).expect("its room");
        dictionary.flush_all().expect("locks are free");
        dictionary.set("after flush", Value::Integer(1), SAFE).expect("their room");
        assert_eq!(dictionary.check(), Ok(vec![]));
    }
}
