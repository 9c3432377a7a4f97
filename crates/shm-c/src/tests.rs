//! The functions as C calls them, without C.
//!
//! Arguments are made as a C compiler makes them: by their bits.

use std::ffi::{CStr, c_int};
use std::mem::transmute_copy;
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use moonhive_shm::{Dictionary, Error, Options, OwnedValue, SetOptions, Value};

use crate::failure::{CODES, Failure, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, OK, TOO_SMALL, guard};
use crate::layout::{Entry, ErrorText, FLUSHED, InValue, StoreOptions, Stored, kind};
use crate::{failure, lists, objects, reading, scratch, whole, writing};

/// An argument: a pointer as one of the types of `argument`.
fn argument<P, T>(pointer: P) -> T {
    assert_eq!(size_of::<P>(), size_of::<T>());
    // SAFETY: the types of `argument` are pointers, and each test keeps what they point to.
    unsafe { transmute_copy(&pointer) }
}

fn dictionary() -> Dictionary {
    Dictionary::create_unnamed("c", &Options::new(1 << 20)).unwrap()
}

fn bytes_value(bytes: &[u8]) -> InValue {
    let (start, length_bytes) = (bytes.as_ptr().cast(), bytes.len());
    InValue { kind: kind::BYTES, reserved: 0, integer: 0, number: 0.0, bytes: start, length_bytes }
}

fn set(dictionary: &Dictionary, value: *const InValue, options: *const StoreOptions) -> c_int {
    let mut stored = Stored { struct_bytes: size_of::<Stored>() as u32, ..Stored::default() };
    writing::mhshm_set(
        argument(&raw const *dictionary),
        argument(b"key".as_ptr()),
        3,
        argument(value),
        argument(options),
        argument(&raw mut stored),
    )
}

fn get(dictionary: *const Dictionary, buffer: &mut [u8], struct_bytes: u32) -> (c_int, Entry) {
    let mut entry = Entry { struct_bytes, ..Entry::default() };
    let code = reading::mhshm_get(
        argument(dictionary),
        argument(b"key".as_ptr()),
        3,
        argument(buffer.as_mut_ptr()),
        buffer.len(),
        argument(&raw mut entry),
    );
    (code, entry)
}

const ENTRY_BYTES: u32 = size_of::<Entry>() as u32;

fn last_message() -> String {
    let mut error =
        ErrorText { struct_bytes: size_of::<ErrorText>() as u32, ..ErrorText::default() };
    assert_eq!(failure::mhshm_last_error(argument(&raw mut error)), OK);
    // SAFETY: the library ends the text with a zero byte.
    unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_string_lossy().into_owned()
}

#[test]
fn bytes_that_do_not_fit_are_there_for_the_next_call() {
    let dictionary = dictionary();
    assert_eq!(set(&dictionary, &bytes_value(b"hello world"), null()), OK);
    let mut small = [0; 4];
    let (code, entry) = get(&dictionary, &mut small, ENTRY_BYTES);
    assert_eq!((code, entry.length_bytes, small), (TOO_SMALL, 11, [0; 4]));
    let mut large = [0; 16];
    let mut length = 0usize;
    let code = scratch::mhshm_last_bytes(
        argument(large.as_mut_ptr()),
        large.len(),
        argument(&raw mut length),
    );
    assert_eq!((code, &large[..length]), (OK, &b"hello world"[..]));
}

#[test]
fn an_element_that_was_popped_and_does_not_fit_is_not_lost() {
    let dictionary = dictionary();
    dictionary.push("key", "element".into(), moonhive_shm::Side::Left, Default::default()).unwrap();
    let code = lists::mhshm_pop(
        argument(&raw const dictionary),
        argument(b"key".as_ptr()),
        3,
        0,
        argument(null_mut::<u8>()),
        0,
        argument(null_mut::<Entry>()),
    );
    assert_eq!((code, dictionary.length("key").unwrap()), (TOO_SMALL, 0));
    let mut buffer = [0; 7];
    let none = argument(null_mut::<usize>());
    assert_eq!(scratch::mhshm_last_bytes(argument(buffer.as_mut_ptr()), 7, none), OK);
    assert_eq!(&buffer, b"element");
}

#[test]
fn null_and_structures_without_their_size_are_refused() {
    let dictionary = dictionary();
    assert_eq!(get(null(), &mut [], ENTRY_BYTES).0, INVALID_ARGUMENT);
    assert_eq!(last_message(), "invalid argument: the dictionary is null");
    assert_eq!(set(&dictionary, null(), null()), INVALID_ARGUMENT);
    let value = bytes_value(b"v");
    assert_eq!(set(&dictionary, &value, &StoreOptions::default()), INVALID_ARGUMENT);
    assert_eq!(get(&dictionary, &mut [], ENTRY_BYTES).0, NOT_FOUND);
    assert_eq!(set(&dictionary, &value, null()), OK);
    assert_eq!(get(&dictionary, &mut [0; 1], ENTRY_BYTES - 1).0, INVALID_ARGUMENT);
    let mut unknown = value;
    unknown.kind = 99;
    assert_eq!(set(&dictionary, &unknown, null()), INVALID_ARGUMENT);
}

#[test]
fn values_that_the_header_does_not_know_are_refused() {
    let dictionary = dictionary();
    let boolean = |integer| InValue { kind: kind::BOOLEAN, integer, ..bytes_value(b"") };
    for integer in [-1, 2, i64::MIN] {
        assert_eq!(set(&dictionary, &boolean(integer), null()), INVALID_ARGUMENT);
        let expected = "invalid argument: `integer` of a boolean is neither 0 nor 1";
        assert_eq!(last_message(), expected);
    }
    let reserved = InValue { reserved: 1, ..bytes_value(b"v") };
    assert_eq!(set(&dictionary, &reserved, null()), INVALID_ARGUMENT);
    assert_eq!(last_message(), "invalid argument: `reserved` of a value is not 0");
    assert_eq!(dictionary.get("key"), Ok(None));
    for (integer, value) in [(0, false), (1, true)] {
        assert_eq!(set(&dictionary, &boolean(integer), null()), OK);
        assert_eq!(dictionary.get("key").unwrap().unwrap().value, OwnedValue::Boolean(value));
    }
}

/// As the header has it.
const INVALID_OPTION: c_int = 22;

/// The code and the message of a dictionary without a name that is made with these options.
fn made_with(mode: u32, size_bytes: u64, shards: u32) -> (c_int, String) {
    let given = crate::layout::Options {
        struct_bytes: size_of::<crate::layout::Options>() as u32,
        mode,
        size_bytes,
        shards,
        lock_timeout_ms: 0,
    };
    let mut made: *const Dictionary = null();
    let (label, options) = (argument(c"options".as_ptr()), argument(&raw const given));
    let code = objects::mhshm_create_unnamed(label, options, argument(&raw mut made));
    assert_eq!(code == OK, !made.is_null());
    assert_eq!(objects::mhshm_close(argument(made)), OK);
    (code, if code == OK { String::new() } else { last_message() })
}

#[test]
fn options_are_taken_as_they_are_or_refused_by_name() {
    for (mode, size_bytes, shards) in [(0, 0, 0), (0o777, 4096, 1), (0o600, 1 << 20, 64)] {
        assert_eq!(made_with(mode, size_bytes, shards), (OK, String::new()));
    }
    let refusals = [
        ((0o10000, 0, 0), "invalid mode: expected permissions up to 0777, got 010000"),
        ((0o1644, 0, 0), "invalid mode: expected permissions up to 0777, got 01644"),
        ((0, 4095, 0), "invalid size_bytes: expected 4096 to 68719476736, got 4095"),
        ((0, 0, 3), "invalid shards: expected a power of two up to 64, got 3"),
        ((0, 0, 63), "invalid shards: expected a power of two up to 64, got 63"),
        ((0, 0, 128), "invalid shards: expected a power of two up to 64, got 128"),
    ];
    for ((mode, size_bytes, shards), message) in refusals {
        let refused = made_with(mode, size_bytes, shards);
        assert_eq!(refused, (INVALID_OPTION, message.to_owned()));
    }
}

#[test]
fn a_program_with_a_newer_header_is_served_unless_it_asks_for_more() {
    #[repr(C)]
    struct Newer {
        known: StoreOptions,
        wish: u64,
    }
    let dictionary = dictionary();
    let value = bytes_value(b"v");
    let known = StoreOptions { struct_bytes: size_of::<Newer>() as u32, ..StoreOptions::default() };
    let mut newer = Newer { known, wish: 0 };
    assert_eq!(set(&dictionary, &value, (&raw const newer).cast()), OK);
    newer.wish = 1;
    assert_eq!(set(&dictionary, &value, (&raw const newer).cast()), INVALID_ARGUMENT);
}

#[test]
fn a_panic_becomes_a_code() {
    assert_eq!(guard(|| panic!("on purpose")), INTERNAL);
    assert!(last_message().starts_with("a mistake in the library"));
    assert_eq!(guard(|| Err(Failure::Absent)), NOT_FOUND);
    assert!(last_message().starts_with("a mistake in the library"), "an answer is no failure");
}

#[test]
fn a_failure_is_told_in_words_with_a_hint_and_errno() {
    let error = Error::NoSuchObject { name: "x".to_owned() };
    assert_eq!(guard(|| Err(error.clone().into())), 23);
    assert_eq!(last_message(), error.to_string());
}

#[test]
fn the_header_and_the_table_of_codes_agree() {
    let header = include_str!("../include/moonhive_shm.h");
    for (number, word) in CODES {
        let constant = format!("MHSHM_{} = {number}", word.to_string_lossy().to_uppercase());
        assert!(header.contains(&constant), "{constant}");
    }
    let codes = header.split("MHSHM_OK = 0").nth(1).unwrap().split("};").next().unwrap();
    assert_eq!(codes.matches(" = ").count() + 1, CODES.len(), "each of the header has a word");
}

#[test]
fn every_error_of_the_dictionary_has_a_code_of_its_own() {
    let source = include_str!("../../shm/src/error.rs");
    let words = source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    let words: Vec<&str> = words.filter(|word| !word.contains(' ')).collect();
    assert!(words.len() > 20, "{words:?}");
    for word in words {
        let known = CODES.iter().any(|(_, name)| name.to_bytes() == word.as_bytes());
        assert!(known, "{word} has no number");
    }
}

fn overdue(dictionary: &Dictionary) -> (c_int, u64) {
    let mut past_us = 0;
    let (key, place) = (argument(b"key".as_ptr()), argument(&raw mut past_us));
    (reading::mhshm_overdue(argument(&raw const *dictionary), key, 3, place), past_us)
}

#[test]
fn how_long_an_entry_is_over_is_told_as_long_as_it_is_there() {
    let dictionary = dictionary();
    let value = bytes_value(b"x");
    set(&dictionary, &value, null());
    assert_eq!(overdue(&dictionary), (NOT_FOUND, 0), "it lives");
    dictionary.flush_all().unwrap();
    assert_eq!(overdue(&dictionary), (OK, FLUSHED));
    let brief = SetOptions::default().ttl_ms(1);
    dictionary.set("key", Value::Integer(1), brief).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while overdue(&dictionary).1 == 0 {
        assert!(Instant::now() < deadline, "it does not end");
    }
    assert!(overdue(&dictionary).1 < 20_000_000);
    dictionary.tidy();
    assert_eq!(overdue(&dictionary), (NOT_FOUND, 0), "it is gone");
}

#[test]
fn an_entry_is_removed_only_with_the_version_that_it_has() {
    let dictionary = dictionary();
    set(&dictionary, &bytes_value(b"x"), null());
    let version = dictionary.version("key").unwrap().unwrap();
    let remove = |version| {
        let key = argument(b"key".as_ptr());
        writing::mhshm_delete_version(argument(&raw const dictionary), key, 3, version)
    };
    assert_eq!(remove(version + 1), 8, "changed");
    assert_eq!(dictionary.version("key"), Ok(Some(version)));
    assert_eq!((remove(version), remove(version)), (OK, NOT_FOUND));
}

#[test]
fn a_store_that_keeps_the_end_does() {
    let dictionary = dictionary();
    let struct_bytes = size_of::<StoreOptions>() as u32;
    let ends = StoreOptions { struct_bytes, ttl_ms: 3_600_000, ..StoreOptions::default() };
    assert_eq!(set(&dictionary, &bytes_value(b"x"), &ends), OK);
    let keep = StoreOptions { ttl_ms: 0, keep_ttl: 1, ..ends };
    assert_eq!(set(&dictionary, &bytes_value(b"y"), &keep), OK);
    assert_ne!(dictionary.ttl("key"), Ok(moonhive_shm::Remaining::Forever));
    assert_eq!(set(&dictionary, &bytes_value(b"z"), null()), OK);
    assert_eq!(dictionary.ttl("key"), Ok(moonhive_shm::Remaining::Forever));
}

#[test]
fn counters_take_numbers_and_say_what_is_none() {
    use crate::counters::{mhshm_counter_add, mhshm_counter_read, mhshm_counter_reset};
    use crate::layout::Sum;
    let dictionary = dictionary();
    let handle = || argument(&raw const dictionary);
    let name = || argument(b"key".as_ptr());
    let add = |value: InValue| mhshm_counter_add(handle(), name(), 3, argument(&raw const value));
    let number = |integer| InValue { kind: kind::INTEGER, integer, ..bytes_value(b"") };
    assert_eq!(
        (add(number(40)), add(number(2)), add(bytes_value(b"x"))),
        (OK, OK, INVALID_ARGUMENT)
    );
    let mut sum = Sum { struct_bytes: size_of::<Sum>() as u32, ..Sum::default() };
    let place = argument(&raw mut sum);
    assert_eq!(mhshm_counter_read(handle(), name(), 3, place), OK);
    assert_eq!((sum.kind, sum.integer), (kind::INTEGER, 42));
    assert_eq!(mhshm_counter_reset(handle(), name(), 3), OK);
    assert_eq!(dictionary.counter("key").read(), Ok(moonhive_shm::Number::Integer(0)));
    for stripe in 1..=8 {
        dictionary.set(format!("key#{stripe}"), "text".into(), SetOptions::default()).unwrap();
    }
    assert_eq!(add(number(1)), 6, "not a number");
    let one = number(1);
    let nameless = mhshm_counter_add(handle(), name(), 0, argument(&raw const one));
    assert_eq!(nameless, failure::code_of_error(&Error::EmptyKey));
}

#[test]
fn a_prefix_picks_the_records_of_its_keys() {
    let dictionary = dictionary();
    for key in ["user:1", "visits", "user:2"] {
        dictionary.set(key, 1.into(), SetOptions::default()).unwrap();
    }
    let (mut buffer, mut cursor, mut length, mut count) = ([0u8; 256], 0u64, 0usize, 0usize);
    let mut items = |prefix: &[u8]| {
        let code = whole::mhshm_items_with_prefix(
            argument(&raw const dictionary),
            argument(prefix.as_ptr()),
            prefix.len(),
            argument(&raw mut cursor),
            100,
            argument(buffer.as_mut_ptr()),
            buffer.len(),
            argument(&raw mut length),
            argument(&raw mut count),
        );
        (code, count, buffer[..length].to_vec(), std::mem::take(&mut cursor))
    };
    let (code, count, bytes, end) = items(b"user:");
    assert_eq!((code, count, end), (OK, 2, u64::MAX));
    let has = |key: &str| bytes.windows(key.len()).any(|window| window == key.as_bytes());
    assert!(has("user:1") && has("user:2") && !has("visits"));
    assert_eq!(items(b"").1, 3);
}

#[test]
fn steps_of_a_measurement_add_up_to_every_byte() {
    use crate::layout::Usage;
    let dictionary = dictionary();
    let all = dictionary.free_bytes();
    for number in 0..100 {
        dictionary.set(format!("key{number:02}"), "value".into(), SetOptions::default()).unwrap();
    }
    dictionary.push("list", 1.into(), moonhive_shm::Side::Left, SetOptions::default()).unwrap();
    let (mut cursor, mut steps) = (0u64, 0);
    let mut usage = Usage { struct_bytes: size_of::<Usage>() as u32, ..Usage::default() };
    while cursor != u64::MAX {
        let (handle, place) = (argument(&raw const dictionary), argument(&raw mut cursor));
        assert_eq!(whole::mhshm_measure(handle, place, 64, argument(&raw mut usage)), OK);
        steps += 1;
    }
    assert!(steps > 10, "{steps}");
    assert_eq!((usage.values, usage.lists), (100, 1));
    assert_eq!((usage.key_bytes, usage.value_bytes), (504, 500));
    let live = usage.key_bytes + usage.value_bytes + usage.overhead_bytes;
    assert_eq!(live + usage.element_bytes + usage.overdue_bytes + usage.free_bytes, all);
    let mut measure = |usage: *mut Usage| {
        let (handle, place) = (argument(&raw const dictionary), argument(&raw mut cursor));
        whole::mhshm_measure(handle, place, 64, argument(usage))
    };
    assert_eq!(measure(null_mut()), INVALID_ARGUMENT);
}

#[test]
fn entries_go_to_a_file_and_back() {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        CString::new(folder.path().join(name).as_os_str().as_bytes().to_vec()).unwrap()
    };
    let (from, to, mut count) = (dictionary(), dictionary(), 0u64);
    let table = Value::Table(&[1, 2]);
    from.set("key", table, SetOptions::default().flags(7)).unwrap();
    let mut save = |dictionary: &Dictionary, name: &str| {
        let place = argument(&raw mut count);
        let path = path(name);
        let code = crate::files::mhshm_save(
            argument(&raw const *dictionary),
            argument(path.as_ptr()),
            place,
        );
        (code, count)
    };
    assert_eq!(save(&from, "saved"), (OK, 1));
    assert_eq!(save(&from, "no/folder").0, 26, "the system");
    assert!(last_message().starts_with("cannot write "), "{}", last_message());
    let load = |name: &str| {
        let (path, mut count) = (path(name), u64::MAX);
        let handle = argument(&raw const to);
        let place = argument(&raw mut count);
        (crate::files::mhshm_load(handle, argument(path.as_ptr()), place), count)
    };
    assert_eq!(load("saved"), (OK, 1));
    let entry = to.get("key").unwrap().unwrap();
    assert_eq!((entry.value.as_value(), entry.flags), (table, 7));
    std::fs::write(folder.path().join("wrong"), "{}").unwrap();
    assert_eq!(load("wrong"), (39, 0));
    assert!(
        last_message().contains("wrong:1: `key` or `key_hex` is missing"),
        "{}",
        last_message()
    );
    let large = format!(r#"{{"key":"k","type":"string","value":"{}"}}"#, "x".repeat(2 << 20));
    let lines = format!("{}\n{large}\n", r#"{"key":"a","type":"nil"}"#);
    std::fs::write(folder.path().join("large"), lines).unwrap();
    assert_eq!(load("large"), (3, 1), "no memory, but one is there");
}

#[test]
fn waits_end_with_the_change_the_element_or_the_time() {
    let dictionary = dictionary();
    let wait = |version, timeout_ms| {
        let (key, mut now) = (argument(b"key".as_ptr()), u64::MAX);
        let place = argument(&raw mut now);
        let handle = argument(&raw const dictionary);
        (reading::mhshm_wait(handle, key, 3, version, timeout_ms, place), now)
    };
    let pop = |timeout_ms| {
        let mut entry = Entry { struct_bytes: ENTRY_BYTES, ..Entry::default() };
        let key = argument(b"list".as_ptr());
        let (buffer, place) = (argument(null_mut::<u8>()), argument(&raw mut entry));
        let handle = argument(&raw const dictionary);
        (lists::mhshm_pop_wait(handle, key, 4, 0, timeout_ms, buffer, 0, place), entry.integer)
    };
    assert_eq!((wait(0, 0), pop(1)), ((9, u64::MAX), (9, 0)), "nothing has happened");
    std::thread::scope(|scope| {
        let (changed, popped) = (scope.spawn(|| wait(0, 60_000)), scope.spawn(|| pop(60_000)));
        let stored = dictionary.set("key", 1.into(), SetOptions::default()).unwrap();
        dictionary.push("list", 7.into(), moonhive_shm::Side::Left, Default::default()).unwrap();
        assert_eq!(changed.join().unwrap(), (OK, stored.version));
        assert_eq!(popped.join().unwrap(), (OK, 7));
    });
}

#[test]
fn entries_come_with_their_values_in_records() {
    use crate::layout::Listed;
    let dictionary = dictionary();
    dictionary.set("text", "value".into(), SetOptions::default().flags(7)).unwrap();
    dictionary.set("number", 0.5.into(), SetOptions::default()).unwrap();
    dictionary.push("list", 1.into(), moonhive_shm::Side::Left, Default::default()).unwrap();
    let (mut cursor, mut buffer, mut length, mut count) = (0u64, [0u8; 512], 0usize, 0usize);
    let code = whole::mhshm_entries(
        argument(&raw const dictionary),
        argument(null::<u8>()),
        0,
        argument(&raw mut cursor),
        100,
        argument(buffer.as_mut_ptr()),
        buffer.len(),
        argument(&raw mut length),
        argument(&raw mut count),
    );
    assert_eq!((code, count, cursor), (OK, 3, u64::MAX));
    let (mut rest, mut found) = (&buffer[..length], Vec::new());
    while !rest.is_empty() {
        // SAFETY: a record begins here, and its head is plain numbers.
        let head: Listed = unsafe { rest.as_ptr().cast::<Listed>().read_unaligned() };
        let (key, value) = rest[size_of::<Listed>()..].split_at(head.key_bytes as usize);
        let value = String::from_utf8_lossy(&value[..head.length_bytes as usize]).into_owned();
        let key = String::from_utf8_lossy(key).into_owned();
        found.push((key, head.kind, head.integer, head.number.to_bits(), head.flags, value));
        rest = &rest[head.record_bytes as usize..];
    }
    found.sort();
    let half = 0.5f64.to_bits();
    let expected = [
        ("list".to_owned(), kind::LIST, 1, 0, 0, String::new()),
        ("number".to_owned(), kind::DOUBLE, 0, half, 0, String::new()),
        ("text".to_owned(), kind::BYTES, 0, 0, 7, "value".to_owned()),
    ];
    assert_eq!(found, expected);
}
