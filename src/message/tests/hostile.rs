//! Bytes that are no payload of ours give errors, never anything worse.

use super::format::{MAX_REMEMBERED_KEYS, tag};
use super::*;
use moonhive_lua_sys::lua;

fn expect(bytes: &[u8], error: UnpackError) {
    let receiver = Vm::new();
    assert_eq!(receiver.unpack(bytes), Err(error), "{bytes:02x?}");
    assert_eq!(receiver.top(), 0, "an error leaves the stack alone");
    let typed = from_payload::<Vec<serde::de::IgnoredAny>>(&Payload::from(bytes));
    assert!(typed.is_err(), "{bytes:02x?}");
}

#[test]
fn other_versions_are_named() {
    expect(&[2, 0, tag::NIL], UnpackError::Version { found: 2 });
    expect(b"hello", UnpackError::Version { found: b'h' });
    expect(&[FORMAT_VERSION], UnpackError::Truncated { offset_bytes: 1 });
}

#[test]
fn a_header_without_values_is_no_values() {
    assert_eq!(Vm::new().unpack([FORMAT_VERSION, 0].as_slice()), Ok(0));
}

#[test]
fn unknown_tags_are_named() {
    expect(&[FORMAT_VERSION, 0, 0x0f], UnpackError::Tag { tag: 0x0f, offset_bytes: 2 });
}

#[test]
fn every_truncation_of_a_payload_is_noticed() {
    let sender = Vm::new();
    let count = sender.evaluate(
        "return {true, -300, 1.5, 'text', ('y'):rep(100), {a = {}, b = {1, 2}}, [-1] = 1 << 33}",
    );
    let payload = sender.pack(count, &PackOptions::default()).expect("plain values");
    let bytes = payload.to_bytes();
    for length in 3..bytes.len() {
        let receiver = Vm::new();
        assert!(receiver.unpack(&bytes[..length]).is_err(), "cut after {length} bytes");
        assert_eq!(receiver.top(), 0);
    }
}

#[test]
fn counts_beyond_the_bytes_are_refused_before_anything_is_allocated() {
    let count = UnpackError::Count { offset_bytes: 7 };
    expect(&[FORMAT_VERSION, 0, tag::ARRAY_32, 0xff, 0xff, 0xff, 0xff, 0], count);
    expect(&[FORMAT_VERSION, 0, tag::MAP_32, 0xff, 0xff, 0xff, 0x7f, 0, 0], count);
    let both = [FORMAT_VERSION, 0, tag::TABLE_32, 255, 255, 255, 255, 255, 255, 255, 255, 0];
    expect(&both, UnpackError::Count { offset_bytes: 11 });
    expect(
        &[FORMAT_VERSION, 0, tag::SMALL_MAP | 2, 0, 0, 0],
        UnpackError::Count { offset_bytes: 3 },
    );
}

#[test]
fn nested_tables_cannot_promise_the_same_bytes_twice() {
    // An array of 4 whose first element claims all bytes that are left, which the outer one needs.
    let bytes = [FORMAT_VERSION, 0, tag::SMALL_ARRAY | 4, tag::SMALL_ARRAY | 3, 0, 0, 0];
    expect(&bytes, UnpackError::Count { offset_bytes: 4 });
}

#[test]
fn strings_beyond_the_bytes_are_refused() {
    for bytes in [
        &[FORMAT_VERSION, 0, tag::SMALL_STRING | 3, b'a', b'b'][..],
        &[FORMAT_VERSION, 0, tag::STRING_8, 200, b'a'],
        &[FORMAT_VERSION, 0, tag::STRING_32, 255, 255, 255, 255, b'a'],
    ] {
        expect(bytes, UnpackError::Truncated { offset_bytes: bytes.len() });
    }
}

#[test]
fn keys_that_no_table_can_have_are_refused() {
    let nil = [FORMAT_VERSION, 0, tag::SMALL_MAP | 1, tag::NIL, tag::NIL];
    expect(&nil, UnpackError::Key { offset_bytes: 4 });
    let mut nan = vec![FORMAT_VERSION, 0, tag::SMALL_MAP | 1, tag::FLOAT];
    nan.extend_from_slice(&f64::NAN.to_le_bytes());
    nan.push(tag::NIL);
    expect(&nan, UnpackError::Key { offset_bytes: 12 });
}

#[test]
fn references_must_point_to_keys_that_were_remembered() {
    let first = [FORMAT_VERSION, 1, tag::SMALL_MAP | 1, tag::SMALL_INTEGER, tag::NIL];
    expect(&first, UnpackError::Key { offset_bytes: 4 });
    let map = [tag::SMALL_MAP | 2, tag::SMALL_STRING | 1, b'a', tag::NIL, tag::SMALL_INTEGER];
    let mut unannounced = vec![FORMAT_VERSION, 0];
    unannounced.extend_from_slice(&map);
    unannounced.push(tag::NIL);
    expect(&unannounced, UnpackError::Key { offset_bytes: 7 });
    expect(
        &[FORMAT_VERSION, MAX_REMEMBERED_KEYS as u8 + 1, tag::NIL],
        UnpackError::Key { offset_bytes: 1 },
    );
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let mut bytes = vec![FORMAT_VERSION, 0];
    bytes.extend(std::iter::repeat_n(tag::SMALL_ARRAY | 1, MAX_DEPTH + 1));
    bytes.push(tag::NIL);
    expect(&bytes, UnpackError::Depth { limit: MAX_DEPTH });
}

#[test]
fn more_values_than_the_stack_takes_are_an_error() {
    let mut bytes = vec![FORMAT_VERSION, 0];
    bytes.resize(2_000_000, tag::TRUE);
    let receiver = Vm::new();
    let error =
        receiver.unpack(bytes.as_slice()).expect_err("the stack of Lua holds a million values");
    assert!(matches!(error, UnpackError::Stack { count: 500_000.. }), "{error}");
    assert_eq!(receiver.top(), 0);
}

#[test]
fn values_take_at_most_61_times_the_memory_of_their_bytes() {
    let list = |element: &[u8], count: u32| {
        let head = [&[FORMAT_VERSION, 0, tag::ARRAY_32][..], &count.to_le_bytes()].concat();
        [head, element.repeat(count as usize)].concat()
    };
    let chain = [vec![tag::SMALL_ARRAY | 1; MAX_DEPTH - 2], vec![tag::SMALL_ARRAY]].concat();
    let row = [tag::SMALL_MAP | 1, tag::SMALL_STRING | 1, b'k', tag::TRUE];
    let bound = [
        (list(&[tag::SMALL_ARRAY], 100_000), 56..58),
        (list(&chain, 5_000), 60..62),
        (list(&row, 50_000), 15..30),
    ];
    for (bytes, times) in bound {
        let receiver = Vm::new();
        let used = || {
            receiver
                .call(c"collectgarbage() collectgarbage 'stop' return collectgarbage 'count', ...");
            // SAFETY: the state is valid.
            let kibibytes = unsafe { lua::lua_tonumberx(receiver.0, 1, std::ptr::null_mut()) };
            (kibibytes * 1024.0) as usize
        };
        let before = used();
        // SAFETY: the state is valid.
        unsafe { lua::lua_settop(receiver.0, 0) };
        receiver.unpack(bytes.as_slice()).unwrap();
        let taken = (used() - before) / bytes.len();
        assert!(times.contains(&taken), "{taken} times, expected {times:?}");
    }
}

#[test]
fn payloads_beyond_the_limit_are_refused_unread() {
    let bytes = vec![FORMAT_VERSION; MAX_PAYLOAD_BYTES + 1];
    let (size_bytes, limit_bytes) = (bytes.len(), MAX_PAYLOAD_BYTES);
    expect(&bytes, UnpackError::Size { size_bytes, limit_bytes });
}
