//! The module as scripts see it, and what hostile bytes do to it.
//!
//! Expected bytes are those of PyMongo.

use proptest::prelude::*;

use super::{decode, encode};
use crate::api::modules::tests::check_results;
use crate::vm::Vm;

#[track_caller]
fn check(expression: &str, expected: &str) {
    let script = format!(
        "local bson = require 'bson'
         local function hex(text) return (text:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
         local function doc(...) return hex(tostring(bson.encode_order(...))) end
         local function again(value) return bson.decode(bson.encode {{ v = value }}).v end
         local function why(...) return (select(2, pcall(...))) end
         return {expression}"
    );
    check_results(&script, expected);
}

#[test]
fn documents_are_those_of_other_drivers() {
    for (fields, expected) in [
        ("", "0500000000"),
        (
            "'a', 1, 'b', 2.5, 'c', true, 'd', 'hi', 'e', bson.null",
            "2800000010610001000000016200000000000000044008630001026400030000006869000a650000",
        ),
        (
            "'n', 1 << 40, 'm', -1, 'x', (1 << 31) - 1, 'y', 1 << 31",
            "29000000126e000000000000010000106d00ffffffff107800ffffff7f127900000000800000000000",
        ),
        (
            "'l', { 1, 'x', { true } }, 'o', { k = 'v' }",
            "3a000000046c002100000010300001000000023100020000007800043200090000000830000100000\
             36f000e000000026b000200000076000000",
        ),
        (
            "'b', bson.binary 'ab', 'u', bson.binary('\\0\\xff', 128)",
            "1900000005620002000000006162057500020000008000ff00",
        ),
        (
            "'i', bson.objectid '0123456789abcdef01234567', 'd', bson.date(1700000000),
             't', bson.timestamp(1700000000, 7)",
            "2a0000000769000123456789abcdef012345670964000068e5cf8b0100001174000700000000f1536500",
        ),
        (
            "'r', bson.regex('^a', 'i'), 'j', bson.minkey, 'k', bson.maxkey, 'q', bson.int64(5)",
            "1e0000000b72005e61006900ff6a007f6b00127100050000000000000000",
        ),
        (
            "'d', bson.date(-1), 'e', bson.date(5000000000)",
            "1b00000009640018fcffffffffffff096500005039278c04000000",
        ),
    ] {
        check(&format!("doc({fields})"), expected);
    }
}

#[test]
fn values_come_back() {
    check(
        "again(5) .. math.type(again(5)) .. again(1 << 40) .. again(0.5)",
        "5integer10995116277760.5",
    );
    check("again 'text' .. tostring(again(false)) .. #again ''", "textfalse0");
    check("again({ 1, { a = 'b' } })[2].a", "b");
    check("next(again {})", "nil");
    for special in [
        "bson.null",
        "bson.minkey",
        "bson.maxkey",
        "bson.binary('x\\0y', 5)",
        "bson.date(1700000000)",
        "bson.date(-5)",
        "bson.timestamp(3, 4)",
        "bson.regex('a.*', 'mi')",
        "bson.objectid()",
    ] {
        check(&format!("(function(value) return again(value) == value end)({special})"), "true");
    }
    check("again(bson.int64(5))", "5");
}

#[test]
fn special_values_tell_what_they_hold() {
    for (value, expected) in [
        ("5", "number 5"),
        ("true", "boolean true"),
        ("'x'", "string x"),
        ("nil", "nil"),
        ("bson.null", "nil"),
        ("bson.minkey", "minkey"),
        ("bson.maxkey", "maxkey"),
        ("bson.binary('ab', 4)", "binary ab 4"),
        ("bson.objectid '0123456789ABCDEF01234567'", "objectid 0123456789abcdef01234567"),
        ("bson.date(99)", "date 99"),
        ("bson.timestamp(8, 9)", "timestamp 8 9"),
        ("bson.regex('a', 'i')", "regex a i"),
        ("bson.int64(-7)", "int64 -7"),
    ] {
        let found = format!(
            "(function(...) local t = table.pack(...) for i = 1, t.n do t[i] = tostring(t[i]) end
               return table.concat(t, ' ') end)(bson.type({value}))"
        );
        check(&found, expected);
    }
}

#[test]
fn new_object_ids_differ_and_begin_with_the_time() {
    check("bson.objectid() ~= bson.objectid()", "true");
    check("#bson.objectid()", "14");
    check("math.abs(('>I4'):unpack(bson.objectid(), 3) - os.time()) < 10", "true");
}

#[test]
fn lists_are_arrays_and_other_tables_documents() {
    check("hex(tostring(bson.encode { v = { 7 } })):sub(9, 10)", "04");
    check("hex(tostring(bson.encode { v = { 7, x = 1 } })):sub(9, 10)", "03");
    check("hex(tostring(bson.encode { v = {} })):sub(9, 10)", "03");
    check(
        "hex(tostring(bson.encode { v = setmetatable({}, { __len = function() return 0 end }) })):sub(9, 10)",
        "04",
    );
    check("again(setmetatable({}, { __pairs = function() return next, { k = 9 } end })).k", "9");
    check("again({ [5] = 'x' })['5']", "x");
}

#[test]
fn documents_can_hold_documents_and_tell_their_bytes() {
    check("bson.decode(bson.encode { v = bson.encode { a = 1 } }).v.a", "1");
    check("#bson.encode {} .. type(bson.encode {}) .. #tostring(bson.encode {})", "5userdata5");
    check("bson.encode({ a = 3 }):decode().a", "3");
    check("bson.decode(tostring(bson.encode { a = 3 })).a", "3");
}

#[test]
fn fields_of_an_indexed_document_are_replaced_in_place() {
    let script = "(function()
        local d = bson.encode_order('a', 1, 'b', true, 'c', 0.5, 'd', bson.date(1), 'e', 'x', 'f', 1 << 40)
        local _, why = pcall(function() d.a = 2 end)
        assert(why:match 'call makeindex first', why)
        d:makeindex()
        d.a, d.b, d.c, d.d, d.f = -2, false, 1.5, bson.date(77), 5
        assert(not pcall(function() d.e = 'y' end))
        assert(not pcall(function() d.a = 1 << 40 end))
        assert(not pcall(function() d.d = bson.null end))
        local t = d:decode()
        local _, seconds = bson.type(t.d)
        return t.a .. tostring(t.b) .. t.c .. seconds .. t.e .. t.f end)()";
    check(script, "-2false1.577x5");
}

#[test]
fn what_cannot_be_encoded_is_named() {
    for (value, expected) in [
        ("{ a = print }", "field a: Invalid value type : function"),
        ("{ [true] = 1 }", "Invalid key type : a key must be a string or a number, got boolean"),
        ("{ ['a\\0b'] = 1 }", "holds a zero byte"),
        (
            "{ a = setmetatable({ 1 }, { __len = function() return 2 end }) }",
            "field 1: Invalid value type : nil",
        ),
        ("{ a = '\\0\\7short' }", "no value of type 7"),
        ("{ a = '\\0\\x63' }", "no value of type 99"),
        ("{ a = '\\0\\5' }", "no value of type 5"),
    ] {
        check(&format!("why(bson.encode, {value}):find({expected:?}, 1, true) ~= nil"), "true");
    }
    check("why(bson.encode_order, 'a'):match 'missing'", "missing");
    check("why(bson.encode_order, true, 1):match 'string expected'", "string expected");
    check(
        "why(function() local a = {} a.a = a return bson.encode(a) end):match 'Too.*'",
        "Too depth while encoding bson: tables are nested more than 128 deep",
    );
    check("why(bson.objectid, 'xyz'):match '24 hexadecimal'", "24 hexadecimal");
    check("pcall(bson.regex, 'a\\0b')", "false");
    check("pcall(bson.type, print)", "false");
}

#[test]
fn broken_documents_are_refused() {
    for bytes in [
        "",
        "05",
        "0400000000",
        "0500000001",
        "ffffffff00",
        "060000000100",
        "0600000063",
        "0700000010610000",
        "0c0000000261000000000000",
        "0c0000000261000100000078",
    ] {
        let script = format!(
            "pcall(bson.decode, (('{bytes}'):gsub('..', function(d) return string.char(tonumber(d, 16)) end)))"
        );
        check(&script, "false");
    }
    check("why(bson.decode, 'xx'):match 'invalid bson.*'", "invalid bson: it ends too early");
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 5..200)) {
        let size = (bytes.len() as u32).to_le_bytes();
        bytes[..4].copy_from_slice(&size);
        *bytes.last_mut().unwrap() = 0;
        let mut vm = Vm::builder().build().unwrap();
        let mut stack = vm.stack();
        if decode::push_document(&mut stack, &bytes).is_ok() {
            let table = stack.top();
            let _ = encode::table(&mut stack, table);
        }
    }

    #[test]
    fn damaged_documents_are_decoded_or_refused(place in 0_usize..58, byte: u8) {
        let mut bytes = hex::decode(
            "3a000000046c0021000000103000010000000231000200000078000432000900000008300001000003\
             6f000e000000026b000200000076000000",
        ).unwrap();
        bytes[place] = byte;
        let mut vm = Vm::builder().build().unwrap();
        let _ = decode::push_document(&mut vm.stack(), &bytes);
    }
}
