//! The modules as scripts see them, and what hostile bytes do to them.
//!
//! Expected bytes were computed by the original implementation in C, through its Python module.

use std::sync::Arc;

use proptest::prelude::*;

use super::schema::Schema;
use super::{bundle, decode, encode, parser, slots};
use crate::api::modules::tests::check_results;
use crate::vm::Vm;

const SCHEMA: &str = "
    # every kind of field
    .Person {
      name 0 : string  age 1 : integer  marital 2 : boolean
      .Phone { number 0 : string  type 1 : integer }
      phones 3 : *Phone
      children 4 : *Person
      byname 5 : *Person(name)
      bynumber 8 : *Phone()
    }
    .Data {
      numbers 0 : *integer
      bools 1 : *boolean
      number 2 : integer
      bignumber 3 : integer
      double 4 : double
      doubles 5 : *double
      fpn 6 : integer(2)
      fpns 7 : *integer(3)
      bin 9 : binary
      strings 12 : *string
    }
    .package { type 0 : integer  session 1 : integer  ud 2 : string }
    foobar 1 { request { what 0 : string } response { ok 0 : boolean } }
    foo 2 { response { ok 0 : boolean } }
    bar 3 { response nil }
    blackhole 4 { }
    onlyreq 7 { request Data }";

#[track_caller]
fn check(expression: &str, expected: &str) {
    let script = format!(
        "local sproto, crypt = require 'sproto', require 'skynet.crypt'
         local sp = sproto.parse [[{SCHEMA}]]
         local function hex(name, value) return crypt.hexencode(sp:encode(name, value)) end
         local function again(name, value) return (sp:decode(name, sp:encode(name, value))) end
         local function why(...) return (select(2, pcall(...))) end
         return {expression}"
    );
    check_results(&script, expected);
}

fn schema() -> Schema {
    parser::parse(SCHEMA, "test").unwrap()
}

#[test]
fn messages_are_those_of_the_original() {
    for (value, expected) in [
        (
            "'Person', { name = 'Alice', age = 13, marital = false }",
            "030000001c00020005000000416c696365",
        ),
        (
            "'Person', { name = 'Bob', age = 40, children = {
               { name = 'Alice', age = 13, marital = false }, { name = 'Carol', age = 5 } } }",
            "0400000052000300000003000000426f622800000011000000030000001c00020005000000416c696365\
             0f000000020000000c00050000004361726f6c",
        ),
        (
            "'Data', { numbers = { 1, 2, 3, 4, 5 } }",
            "0100000015000000040100000002000000030000000400000005000000",
        ),
        (
            "'Data', { numbers = { (1 << 32) + 1, (1 << 32) + 2, -3 } }",
            "01000000190000000801000000010000000200000001000000fdffffffffffffff",
        ),
        ("'Data', { bools = { false, true, false } }", "02000100000003000000000100"),
        (
            "'Data', { number = 100000, bignumber = -10000000000 }",
            "030003000000000004000000a086010008000000001cf4abfdffffff",
        ),
        (
            "'Data', { double = 0.01171875, doubles = { 0.01171875, 23, 4 } }",
            "030007000000000008000000000000000000883f1900000008000000000000883f0000000000003740\
             0000000000001040",
        ),
        ("'Data', { fpn = 1.82 }", "02000b006e01"),
        (
            "'Data', { number = -1, bignumber = 0x7ffe, bin = '\\0\\xff', strings = { '', 'a', 'bc' } }",
            "070003000000feff090000000300000004000000ffffffff0200000000ff0f0000000000000001000000\
             61020000006263",
        ),
        (
            "'Data', { number = 0x7fff, bignumber = 0x7ffffffe }",
            "030003000000000004000000ff7f000004000000feffff7f",
        ),
        (
            "'Data', { number = 0, numbers = {}, doubles = {}, bools = {}, strings = {} }",
            "0700000000000200030000000b00000000000000000000000000000000000000",
        ),
        ("'Data', {}", "0000"),
    ] {
        check(&format!("hex({value})"), expected);
    }
}

#[test]
fn lists_found_by_a_key_and_maps_come_back() {
    check("again('Person', { byname = { { name = 'x', age = 1 } } }).byname.x.age", "1");
    check("again('Person', { bynumber = { ['123'] = 7, ['5'] = 8 } }).bynumber['123']", "7");
    check("next(again('Person', { bynumber = {} }).bynumber)", "nil");
    check(
        "hex('Person', { bynumber = { ['123'] = 7 } })",
        "02000f00000011000000\
           0d00000002000000100003000000313233",
    );
}

#[test]
fn numbers_keep_their_kind_and_digits() {
    check("math.type(again('Data', { number = 3.0 }).number)", "integer");
    check("again('Data', { bignumber = math.mininteger }).bignumber", "-9223372036854775808");
    check("again('Data', { fpns = { 1.5, -2.125 } }).fpns[2]", "-2.125");
    check("again('Data', { doubles = { 1e300, 1 / 0 } }).doubles[2]", "inf");
    check("#again('Data', { strings = { 1, 'x' } }).strings[1]", "1");
}

#[test]
fn tables_are_read_as_scripts_see_them() {
    let proxy = "setmetatable({}, { __index = { name = 'n', age = 4 } })";
    check(&format!("again('Person', {proxy}).age"), "4");
    let list = "setmetatable({}, { __index = function(_, i) return i < 4 and i or nil end })";
    check(&format!("#again('Data', {{ numbers = {list} }}).numbers"), "3");
    let map = "setmetatable({}, { __pairs = function() return next, { a = 1, b = 2 } end })";
    check(&format!("again('Person', {{ bynumber = {map} }}).bynumber.b"), "2");
}

#[test]
fn what_does_not_fit_is_named() {
    for (value, expected) in [
        ("{ name = {} }", "field name is not a string (Is a table)"),
        ("{ age = 'x' }", "field age is not an integer (Is a string)"),
        ("{ age = 1.5 }", "field age is not an integer (Is a number)"),
        ("{ marital = 1 }", "field marital is not a boolean (Is a number)"),
        ("{ phones = 5 }", "field phones should be a table (Is a number)"),
        ("{ phones = { 5 } }", "field phones is not a table (Is a number)"),
    ] {
        let found = format!("why(sp.encode, sp, 'Person', {value}):match 'field.*'");
        check(&found, expected);
    }
    check("why(sp.encode, sp, 'Data', { fpn = 1e300 }):match 'too large'", "too large");
    check("why(sp.encode, sp, 'Nobody', {}):match 'type.*'", "type Nobody not found");
    check(
        "why(function() local a = {} a.children = { a } return sp:encode('Person', a) end)\
           :match 'The.*'",
        "The table is too deep: structs are nested more than 64 deep",
    );
}

#[test]
fn an_error_of_a_metamethod_passes_through() {
    check(
        "why(sp.encode, sp, 'Person', setmetatable({}, { __index = function() error { 7 } end }))[1]",
        "7",
    );
}

#[test]
fn broken_messages_are_refused() {
    for message in
        ["", "01", "0100", "010000", "01000000ff000000", "02000000000001000000", "01001a00"]
    {
        let decode = format!("pcall(sp.decode, sp, 'Data', crypt.hexdecode '{message}')");
        check(&decode, "false");
    }
    check("pcall(sp.decode, sp, 'Person', sp:encode('Data', { numbers = { 1 } }))", "true");
    check(
        "why(sp.decode, sp, 'Data', '\\1'):match 'decode.*'",
        "decode error in a message of type Data: the message ends too early",
    );
    check(
        "why(sproto.unpack, '\\xff'):match 'Invalid[^)]*'",
        "Invalid unpack stream: the packed message ends too early",
    );
}

#[test]
fn fields_of_newer_peers_are_passed_over() {
    check(
        "(function()
             local newer = sproto.parse '.T { a 0 : integer  b 3 : *string  c 4 : integer }'
             local older = sproto.parse '.T { a 0 : integer  c 4 : integer }'
             local t = older:decode('T', newer:encode('T', { a = 1, b = { 'x' }, c = 9 }))
             return t.a .. t.c .. tostring(t.b) end)()",
        "19nil",
    );
}

#[test]
fn requests_and_responses_find_each_other() {
    let script = "(function()
        local server, client = sp:host(), sp:host 'package'
        local request = client:attach(sp)
        local kind, name, args, respond, ud =
          server:dispatch(request('foobar', { what = 'hi' }, 5, 'note'))
        assert(kind == 'REQUEST' and name == 'foobar' and args.what == 'hi' and ud == 'note')
        local answer, session, result, back = client:dispatch(respond({ ok = true }, 'back'))
        assert(answer == 'RESPONSE' and session == 5 and result.ok == true and back == 'back')
        local twice = why(client.dispatch, client, respond { ok = true })
        assert(twice:match 'Unknown session 5', twice)
        local neither = why(client.dispatch, client, sproto.pack(sp:encode('package', {})))
        assert(neither:match 'session not found', neither)
        kind, name, args, respond = server:dispatch(request('blackhole'))
        assert(kind == 'REQUEST' and name == 'blackhole' and args == nil and respond == nil)
        kind, name, args, respond = server:dispatch(request('bar', nil, 6))
        answer, session, result = client:dispatch(respond())
        assert(answer == 'RESPONSE' and session == 6 and result == nil)
        return kind .. name end)()";
    check(script, "REQUESTbar");
}

#[test]
fn parts_of_protocols_are_encoded_by_name() {
    check("select(2, sp:request_encode('foobar', { what = 'x' }))", "1");
    check(
        "select(2, sp:request_decode('foobar', (sp:request_encode('foobar', { what = 'x' }))))",
        "foobar",
    );
    check("sp:response_decode('foo', sp:response_encode('foo', { ok = true })).ok", "true");
    check("sp:response_encode('blackhole') .. sp:response_encode('bar')", "");
    check(
        "tostring(sp:exist_proto 'foo') .. tostring(sp:exist_proto(99)) .. sp:queryproto(7).name",
        "truefalseonlyreq",
    );
    check("tostring(sp:exist_type 'Person.Phone') .. tostring(sp:exist_type 'Phone')", "truefalse");
    check("sp:pdecode('Data', sp:pencode('Data', { number = 70000 })).number", "70000");
}

#[test]
fn defaults_show_every_field() {
    check("sp:default('Person').name .. sp:default('Person').age", "0");
    check("sp:default('Person').phones.__array", "Person.Phone");
    check(
        "tostring(sp:default('foobar', 'RESPONSE').ok) .. tostring(sp:default('foo', 'REQUEST'))",
        "falsenil",
    );
}

#[test]
fn errors_in_schemas_have_their_line() {
    for (text, expected) in [
        (".T {\n a 0 string }", "syntax error: ':' expected, found 'string' at [=text] line (2)"),
        (".T { a 0 : integer", "found the end at [=text] line (1)"),
        (
            ".T { a 0 : integer\n a 1 : integer }",
            "redefine a in type T: it has such a field already at [=text] line (2)",
        ),
        (".T { a 0 : integer b 0 : integer }", "redefine tag 0 in type T"),
        (".T { }\n.T { }", "redefined type T"),
        (".T { a 0 : Nope }", "Undefined type Nope in type T"),
        (".T { a 0 : string(a) }", "only a list can have a key, which field a is not"),
        (".T { a 0 : T(b) }", "the type of field a has no such key"),
        (".T { a 0 : *T(b) }", "the type of field a has no such key"),
        (".T { a 0 : *T(a) }", "T.a cannot be found by that key"),
        (".T { a 0 : *T() }", "T.a is no map"),
        ("p 1 { request T }", "Undefined type T in protocol p"),
        ("p 1 { } q 1 { }", "two protocols with tag 1"),
        ("p 1 { request nil request nil }", "redefined p.request"),
        (".T { a 40000 : integer }", "tag 40000 is not below 32767"),
        (".T.U { }", "a name without dots expected"),
        ("?", "a type or a protocol expected, found '?'"),
    ] {
        let message = parser::parse(text, "=text").unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?} gives {message:?}, not {expected:?}");
    }
    let deep = ".a {".repeat(10_000);
    assert!(parser::parse(&deep, "=text").unwrap_err().to_string().contains("more than 32 deep"));
}

#[test]
fn a_key_of_a_field_that_is_no_list_means_nothing() {
    let with_key = parser::parse(".T { a 0 : T(b) b 1 : integer }", "=text").unwrap();
    let without_key = parser::parse(".T { a 0 : T b 1 : integer }", "=text").unwrap();
    assert_eq!(with_key, without_key);
}

#[test]
fn comments_may_be_in_any_encoding_but_names_may_not() {
    check_results(
        "local sp = require 'sproto'.parse('.T { # \\xd6\\xd0\\xce\\xc4\\n a 0 : integer }', 'a\\xd6')
         return sp:decode('T', sp:encode('T', { a = 5 })).a",
        "5",
    );
    check_results(
        "return (select(2, pcall(require 'sproto'.parse, '# \\xd6\\n.\\xd6 {}'))):match 'a type.*'",
        "a type expected, found '\u{fffd}' at [=text] line (2)",
    );
}

#[test]
fn a_schema_comes_back_from_its_bytes() {
    let schema = schema();
    assert_eq!(bundle::read(&bundle::write(&schema).unwrap()).unwrap(), schema);
    let empty = parser::parse("# nothing", "=text").unwrap();
    assert_eq!(bundle::write(&empty).unwrap(), [0, 0]);
}

#[test]
fn the_bytes_of_a_schema_are_those_of_the_original() {
    let schema =
        parser::parse(".T { a 0 : integer  b 2 : *T }\nbar 3 { response nil }", "").unwrap();
    let found = hex::encode(bundle::write(&schema).unwrap());
    // The type T with its fields a and b; then the protocol, with a record for each part left out.
    let expected = "0200000000003b0000003700000002000000000001000000542800\
                    00000f00000004000000020001000200010000006111000000050000000100020006000400\
                    0100000062\
                    170000001300000005000000080001000100040003000000626172";
    assert_eq!(found, expected);
}

#[test]
fn slots_share_one_schema_between_virtual_machines() {
    let script = "local loader = require 'sprotoloader'
        loader.save(require 'sprotoparser'.parse '.T { a 0 : integer }', 99)
        local sp = loader.load(99)
        return sp:decode('T', sp:encode('T', { a = 5 })).a";
    check_results(script, "5");
    let first = slots::load(99).unwrap();
    check_results("return require 'sprotoloader'.load(99):encode('T', {}):len()", "2");
    assert!(Arc::ptr_eq(&first, &slots::load(99).unwrap()));
    let empty = "return (select(2, pcall(require 'sprotoloader'.load, 98))):match 'slot 98 holds no schema'";
    check_results(empty, "slot 98 holds no schema");
    check_results("return pcall(require 'sprotoloader'.load, 128)", "false");
}

#[test]
fn what_is_no_schema_is_refused_with_the_reason() {
    check_results(
        "return select(2, require 'sproto.core'.newproto 'x')",
        "these bytes are no schema: the message ends too early",
    );
    check_results("return pcall(require 'sproto'.new, '')", "false");
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(message: Vec<u8>, ty in 0_usize..3) {
        let (schema, mut vm) = (schema(), Vm::builder().build().unwrap());
        let mut stack = vm.stack();
        stack.push_table(0, 0);
        let table = stack.top();
        if decode::decode(&mut stack, &schema, ty, &message, table).is_ok() {
            stack.set_top(table);
            prop_assert!(encode::encode(&mut stack, &schema, ty, table).is_ok());
        }
    }

    #[test]
    fn damaged_messages_are_decoded_or_refused(place in 0_usize..60, byte: u8) {
        let mut message = hex::decode(
            "0400000052000300000003000000426f622800000011000000030000001c00020005000000416c696365\
             0f000000020000000c00050000004361726f6c",
        ).unwrap();
        message[place] = byte;
        let (schema, mut vm) = (schema(), Vm::builder().build().unwrap());
        let mut stack = vm.stack();
        stack.push_table(0, 0);
        let table = stack.top();
        let person = schema.type_index("Person").unwrap();
        let _ = decode::decode(&mut stack, &schema, person, &message, table);
    }

    #[test]
    fn any_bytes_are_a_schema_or_refused(bytes: Vec<u8>) {
        let _ = bundle::read(&bytes);
    }

    #[test]
    fn any_text_is_a_schema_or_refused(text in "[.{}():*#a-c0-9 \n]{0,80}") {
        let _ = parser::parse(&text, "text");
    }
}
