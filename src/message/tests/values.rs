//! What arrives is what was sent.

use moonhive_lua_sys::lua::{self, lua_State};

use super::*;

#[test]
fn no_values_are_no_bytes() {
    assert_eq!(check("return"), Payload::EMPTY);
    assert!(Payload::EMPTY.is_empty());
}

#[test]
fn plain_values_arrive_with_their_subtype() {
    check("return nil, true, false");
    check("return 0, 1, -1, 127, 128, -128, -129, 32767, 32768, 1 << 31, 1 << 40");
    check("return math.maxinteger, math.mininteger, nil");
    check("return 0.0, 1.0, 2.5, 1e300, 5e-324");
}

#[test]
fn floats_keep_every_bit() {
    check("return -0.0, 1/0, -1/0");
    let (sender, receiver) = (Vm::new(), Vm::new());
    let bits = 0x7ff8_dead_beef_0001_u64;
    // SAFETY: the states are valid; the second holds the number that was unpacked.
    unsafe {
        lua::lua_pushnumber(sender.0, f64::from_bits(bits));
        let payload = sender.pack(1, &PackOptions::default()).expect("a float");
        assert_eq!(receiver.unpack(&payload), Ok(1));
        assert_eq!(lua::lua_tonumberx(receiver.0, 1, std::ptr::null_mut()).to_bits(), bits);
    }
}

#[test]
fn strings_of_any_bytes_and_length_arrive() {
    check(r#"return "", "a", "a\0b", "\xff\xfe", "grün""#);
    for length in [39, 40, 41, 63, 64, 255, 256, 65535, 65536, 1_000_000] {
        check(&format!("return ('x'):rep({length}), {length}"));
    }
}

#[test]
fn tables_arrive_with_array_and_hash_parts() {
    check("return {}, {1, 2, 3}, {x = 1, y = 2}, {1, 2, x = 3}");
    check("return {[1] = 'a', [3] = 'c'}, {nil, 2}, {1, nil, 3}, {[0] = 0, 1, 2}");
    check("return {[-1] = 1, [1.5] = 2, [true] = 3, [false] = 4, [1 << 40] = 5, ['a b'] = 6}");
    check("return {[{1}] = {2}}, {{{{}}}}");
}

#[test]
fn tables_of_every_header_size_arrive() {
    for count in [0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 300, 5000] {
        check(&format!("local t = {{}} for i = 1, {count} do t[i] = i end return t"));
        check(&format!("local t = {{}} for i = 1, {count} do t['k' .. i] = i end return t"));
        check(&format!(
            "local t = {{}} for i = 1, {count} do t[i] = i; t['k' .. i] = {{i}} end return t"
        ));
    }
}

#[test]
fn elements_in_the_hash_part_arrive_once() {
    check("local t = {} for i = 100, 1, -1 do t[i] = i end return t");
    check("local t = {} for i = 1, 64 do t[i] = i end for i = 1, 60 do t[i] = nil end return t");
}

#[test]
fn repeated_keys_are_written_once() {
    let payload =
        check("local t = {} for i = 1, 20 do t[i] = {a_rather_long_field_name = i} end return t");
    assert!(payload.len() < 120, "{} bytes", payload.len());
}

#[test]
fn each_of_many_fields_of_a_row_is_written_once_wherever_its_name_lies_in_memory() {
    let payload = check(
        "local t = {} for i = 1, 20 do t[i] = {} \
         for field = 1, 100 do t[i]['a_rather_long_field_name' .. field] = 0 end end return t",
    );
    // A byte for each field and each value, and the names.
    assert!(payload.len() < 20 * 100 * 2 + 100 * 40, "{} bytes", payload.len());
}

#[test]
fn more_keys_than_are_remembered_arrive() {
    check(
        "local t = {} for round = 1, 3 do local row = {} \
         for i = 1, 500 do row['key' .. i] = round end t[round] = row end return t",
    );
}

#[test]
fn keys_inside_key_tables_count_in_order() {
    check("return {[{a = 1, b = 2}] = {a = 3}, c = {[{b = 4}] = {c = 5}}}");
}

#[test]
fn a_table_that_appears_twice_is_copied_twice() {
    check("local shared = {1} return {shared, shared}, shared");
    let (sender, receiver) = (Vm::new(), Vm::new());
    let count = sender.evaluate("local shared = {1} return shared, shared");
    let payload = sender.pack(count, &PackOptions::default()).expect("no cycle");
    assert_eq!(receiver.unpack(&payload), Ok(2));
    // SAFETY: both values are there.
    assert_eq!(unsafe { lua::lua_rawequal(receiver.0, 1, 2) }, 0);
}

#[test]
fn metatables_stay_behind_and_are_not_asked() {
    check(
        "return setmetatable({x = 1}, {__index = error, __len = error, __pairs = error, \
         __name = 'object'})",
    );
}

#[test]
fn pairs_are_honoured_when_asked_for() {
    let (sender, receiver) = (Vm::new(), Vm::new());
    let count = sender.evaluate(
        "local function names(t) return function(_, k) \
             local key = next(t.hidden, k) return key, key and t.hidden[key] * 10 end, t end \
         return 'first', {inner = setmetatable({hidden = {a = 1, b = 2}}, {__pairs = names})}",
    );
    let options = vm::with_pairs();
    let payload = sender.pack(count, &options).expect("numbers only");
    assert_eq!(sender.top(), count);
    assert_eq!(receiver.unpack(&payload), Ok(2));
    let expect = receiver.evaluate("return 'first', {inner = {a = 10, b = 20}}");
    let expect = (expect, receiver.spell());
    assert_eq!(receiver.unpack(&payload), Ok(expect.0));
    assert_eq!(receiver.spell(), expect.1);
}

#[test]
fn a_pairs_function_may_collect_garbage_and_reuse_the_codec() {
    let sender = Vm::new();
    let count = sender.evaluate(
        "local rows = {} for i = 1, 50 do rows[i] = setmetatable({}, {__pairs = function() \
             collectgarbage() local n = 0 \
             return function() n = n + 1 \
                 if n <= 3 then return ('field' .. n), i end end end}) end return rows",
    );
    let options = vm::with_pairs();
    let payload = sender.pack(count, &options).expect("numbers only");
    let receiver = Vm::new();
    assert_eq!(receiver.unpack(&payload), Ok(1));
    let text = receiver.spell();
    assert_eq!(text.matches("field1").count(), 50);
    assert_eq!(text.matches("field3").count(), 50);
}

#[test]
fn light_userdata_keep_their_address() {
    let (sender, receiver) = (Vm::new(), Vm::new());
    let mut place = 0_u8;
    let address = (&raw mut place).cast();
    // SAFETY: the states are valid; nobody reads through the address.
    unsafe {
        lua::lua_pushlightuserdata(sender.0, address);
        let payload = sender.pack(1, &PackOptions::default()).expect("a light userdata");
        assert_eq!(receiver.unpack(&payload), Ok(1));
        assert_eq!(lua::lua_touserdata(receiver.0, 1), address);
        let foreign = UnpackOptions { foreign: true, ..UnpackOptions::default() };
        let refused = receiver.unpack_with(&payload, &foreign);
        assert_eq!(refused, Err(UnpackError::Pointer { offset_bytes: 11 }));
    }
}

// SAFETY: callers pass a state with room for the handle.
unsafe fn push_handle(state: *mut lua_State, handle: Handle) -> bool {
    if handle.kind != 7 {
        return false;
    }
    // SAFETY: the caller made room; the metatable is marked before any userdata gets it.
    unsafe {
        let block = lua::lua_newuserdatauv(state, size_of::<u64>(), 0);
        block.cast::<u64>().write(handle.value);
        lua::lua_createtable(state, 0, 1);
        set_handle_kind(state, -1, handle.kind);
        lua::lua_setmetatable(state, -2);
    }
    true
}

#[test]
fn handles_are_rebuilt_by_the_receiver() {
    let (sender, receiver) = (Vm::new(), Vm::new());
    let handle = Handle { kind: 7, value: 0x0123_4567_89ab_cdef };
    // SAFETY: fresh stacks have room; the values are popped with the states.
    unsafe {
        assert!(push_handle(sender.0, handle));
        let payload = sender.pack(1, &PackOptions::default()).expect("a handle");
        assert_eq!(from_payload::<Handle>(&payload), Ok(handle));
        let rebuild = UnpackOptions { rebuild: Some(push_handle), ..UnpackOptions::default() };
        assert_eq!(receiver.unpack_with(&payload, &rebuild), Ok(1));
        assert_eq!(lua::lua_touserdata(receiver.0, 1).cast::<u64>().read(), handle.value);
        let again = receiver.pack(1, &PackOptions::default());
        assert_eq!(again.as_ref(), Ok(&payload));
    }
    let unknown = to_payload(&Handle { kind: 8, value: 1 }).expect("a handle");
    for rebuild in [None, Some(push_handle as RebuildHandle)] {
        let options = UnpackOptions { rebuild, ..UnpackOptions::default() };
        let refused = receiver.unpack_with(&unknown, &options);
        assert_eq!(refused, Err(UnpackError::Handle { kind: 8, offset_bytes: 12 }));
    }
}

#[test]
fn tables_of_a_message_serve_as_metatables() {
    let rows =
        "local rows = {} for i = 1, 5 do rows[i] = { __index = { n = i }, __len = i, x = i } end";
    let payload = check(&format!("{rows} return rows"));
    let receiver = Vm::new();
    receiver.unpack(&payload).expect("a payload");
    receiver.call(
        c"local rows = ...
          for i, row in ipairs(rows) do
            assert(setmetatable({}, row).n == i)
            row.__len = function() return 40 + i end
            assert(#setmetatable({}, row) == 40 + i)
          end",
    );
}
