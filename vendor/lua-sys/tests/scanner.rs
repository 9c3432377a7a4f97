//! Tokens are read where they lie in the input's buffer, and where one does not lie there whole, as
//! stock Lua reads them. Both ways must give the same code and the same messages, wherever the
//! reader cuts the text. A reader of single bytes never lets the quick way finish a token: it is
//! what the others are compared with.

mod compile;

use compile::{Outcome, Refusal, State, compile, pieces_of};
use proptest::prelude::*;
use proptest::sample::select;

/// Programs with something odd in them, whole and broken.
const PROGRAMS: &[&[u8]] = &[
    b"",
    b"return",
    b"return 1",
    b"local a, b = 1, 2 -- no newline at the end",
    b"--",
    b"--[",
    b"--[==",
    b"--[[ long\ncomment ]] return 1 --[==[ ]] ]=] \n]==] , 2",
    b"--[[ never\nends ]",
    b"--[==[ never ends ]]",
    b"-- \r\n--\n\r-- a\rreturn 1 +\n",
    b"a\n\rb\r\nc",
    b"local x = 'a\r\nb'",
    b"x = 'unfinished",
    b"x = \"unfinished\ny = 1",
    b"x = 'it''s' .. \"a\\\"b\" .. '\\'' .. ''",
    b"x = '\\a\\b\\f\\n\\r\\t\\v\\\\\\x41\\u{7FFFFFFF}\\065\\z  \n  z\\\ny'",
    b"x = '\\q'",
    b"x = '\\300'",
    b"x = '\\xZZ'",
    b"x = '\\u{110000000}'",
    b"x = 'a\\",
    b"x = [[\nfirst newline goes]] .. [==[]]]=]]==] .. [[\r\nreturn\rand\nnewline]]",
    b"x = [==[ unfinished ]]",
    b"x = [=x",
    b"x = [==",
    b"t[ [[k]] ] = t[t[1]]",
    b"x = 0 .. 1",
    b"x = 3..2",
    b"x = 3...2",
    b"return .5, 5., 0.1, 1e5, 1E-5, 1e+5, 0x10, 0xA.8p1, 0x.1, 1e400, 007, 00.50",
    b"return 9007199254740992.0, 9007199254740993.0, 900719925474099.3, 0.000000000000000001, 123456789012345678",
    b"return 999999999999999999, 1000000000000000000, 9223372036854775807, 9223372036854775808, 99999999999999999999",
    b"return 0.30000000000000004, 179769313486231570000000000000000000000, 4.35, 0.3, 2.675, 1.005, 0.0",
    b"x = 1a",
    b"x = 1_",
    b"x = 1.a",
    b"x = 0x",
    b"x = 1e",
    b"x = 1.2.3",
    b"return a.b, a..b, f(...)",
    b"local function f(...) return ... end return f(...) .. .5 . x",
    b"return a<b, a<=b, a<<b, a>b, a>=b, a>>b, a==b, a~=b, ~a, a//b, a/b",
    b"goto l ::l:: do ::m:: end : x",
    b"a = b = c",
    b"a <<< b",
    b"and",
    b"while true do break end repeat until nil",
    b"global = 1; global.x = 2; global(3)",
    b"global x; x = 1; y = 2",
    b"for i = 1, 3 do i = 2 end",
    b"for k, v in pairs(t) do local function g() return k, v, self end end function t:m() return self end",
    b"local x <const>, y <close> = 1, nil; return x + y",
    b"local x <odd> = 1",
    b"x = }",
    b"f{a = 1, b = 2; 3, [4] = 5, c, d = function() end}",
    b"f{a b}",
    b"return \xC3\xA4",
    b"x\xFF = 1",
    b"x = '\xC3\xA4\xFF\0\x01' y",
    b"x \0 y",
    b"x = [[\0]] y",
    b"x = a \x01",
    b"return aVeryLongNameThatIsExactlyFortyCharacters, aVeryLongNameThatIsExactlyFortyCharactersX",
    b"return 'a string that is longer than forty bytes and no short one', 'a string that is longer than forty bytes and no short one'",
    b"if x then elseif y then else end function a.b.c:d(e) return e end",
    b"x = 1 y = 2 ; ; z = 3 @",
    b"return - -1, --\n not not x, # #t, ~ ~1, -x^-2",
    b"                                                                       x = ",
    b"\x1b not a binary chunk",
    b"# no comment here",
];

/// Parts of an expression that may be next to each other in a list.
const ITEMS: &[&str] = &[
    "a",
    "_",
    "nil",
    "true",
    "self",
    "x.y",
    "x[1]",
    "f'a'",
    "f[[a]]",
    "f{}",
    "''",
    "\"\"",
    "'a b'",
    "'\"'",
    "'\\n'",
    "'\\\n'",
    "'\\z \n b'",
    "'\\x7e\\126\\u{20AC}'",
    "[[]]",
    "[[\n]]",
    "[[\r\n]]",
    "[==[]]]==]",
    "[[a\nb]]",
    "[=[\n\n]=]",
    "0",
    "00",
    "12",
    "0x1F",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "0.1",
    "3.14159265358979",
    "123456789012345678",
    "1234567890123456789",
    "99999999999999999999",
    "0.1234567890123456789",
    "a..b",
    "a...b",
    "1 ..2",
    "-1",
    "- -1",
    "not a",
    "#t",
    "~1",
    "a<b",
    "a<=b",
    "a<<b",
    "a>>b",
    "a>=b",
    "a~=b",
    "a//b",
    "a==b",
    "a=b",
    "[a]=b",
    "['k']=1",
    "function() end",
    "function(...) return ... end",
    "(a)",
    "a:b()",
    "a and b",
    "global",
    "global a",
    "goto",
    "end",
    "1x",
    "'\n'",
    "\\",
    "@",
    "\u{e4}",
    "::",
    "a.b.c",
    "[=",
    "aNameOfMoreThanFortyCharactersWhichIsLongEnough",
];

/// What may stand between two of them.
const BLANKS: &[&str] = &[
    "",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\r",
    "\n\n",
    "\u{b}\u{c}",
    "--\n",
    "-- c\r\n",
    "--[[c]]",
    "--[[\n]]",
    "--[==[ ]]\r\n]==]",
    "--[=c\n",
    "--[c\n",
    "        ",
    "--c --[[ ]]\n",
    "-- a comment of more than a few bytes\n",
];

/// The outcome of the text in single bytes, after checking that every other way to cut it gives the
/// same.
fn check(text: &[u8]) -> Outcome {
    let refusal = Refusal::default();
    let state = State::new(&refusal);
    let expected = compile(&state, &pieces_of(text, 1));
    for size in [text.len(), 2, 3, 5, 7, 16] {
        let found = compile(&state, &pieces_of(text, size));
        assert!(found == expected, "{}", difference(text, size, &found, &expected));
    }
    for at in 1..text.len() {
        let (head, tail) = text.split_at(at);
        let found = compile(&state, &[head, tail]);
        assert!(found == expected, "{}", difference(text, at, &found, &expected));
    }
    expected
}

fn difference(text: &[u8], at: usize, found: &Outcome, expected: &Outcome) -> String {
    format!("`{}`, cut at {at}: {found:?}, not {expected:?}", text.escape_ascii())
}

#[test]
fn odd_programs_compile_alike_wherever_the_reader_cuts_them() {
    let outcomes: Vec<Outcome> = PROGRAMS.iter().map(|text| check(text)).collect();
    let compiled = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(compiled > 25 && outcomes.len() - compiled > 25, "{compiled} of {}", outcomes.len());
}

#[test]
fn every_byte_is_the_same_token_in_both_ways() {
    for byte in 0..=255_u8 {
        for text in [vec![byte], vec![byte, b' ', b'x'], vec![b'x', b'=', b'y', byte, b' ']] {
            let _ = check(&text);
        }
        let _ = check(
            &[b"x = '", &[byte][..], b"' .. [[", &[byte], b"]] --[[", &[byte], b"]] --", &[byte]]
                .concat(),
        );
    }
}

#[test]
fn messages_name_the_token_as_it_stands_in_the_text() {
    let cases: [(&[u8], &str); 8] = [
        (b"x = 'abc' 'def'  ", "unexpected symbol near ''def''"),
        (b"x = [==[\nabc]==] [[\ndef]] ", "near '[[def]]'"),
        (b"x = 12 13 ", "near '13'"),
        (b"x = 1 .25 ", "near '.25'"),
        (b"return x name ", "<eof> expected near 'name'"),
        (b"x = 'a\\65' 'b\\66' ", "near ''bB''"),
        (b"x = y \xFF ", "near '<\\255>'"),
        (b"\n\nx = = ", ":3: unexpected symbol near '='"),
    ];
    for (text, wanted) in cases {
        let message = check(text).expect_err("it is no program");
        let message = String::from_utf8_lossy(&message).into_owned();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn floats_are_those_that_the_library_reads() {
    let refusal = Refusal::default();
    let mut random = 1_u64;
    let mut state = State::new(&refusal);
    for count in 0..20_000 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let digits = (random >> 20) % 10_u64.pow(1 + (random >> 60) as u32);
        let places = (random >> 8) % 20;
        let text = format!("{digits:0>width$}", width = places as usize + 1);
        let (whole, fraction) = text.split_at(text.len() - places as usize);
        let numeral = format!("{whole}.{fraction}");
        let expected: f64 = numeral.parse().unwrap();
        assert_eq!(state.number(&numeral).to_bits(), expected.to_bits(), "{numeral}");
        if count % 1_000 == 0 {
            state = State::new(&refusal);
        }
    }
}

#[test]
fn a_constant_is_kept_once_in_each_function() {
    let numbers: Vec<f64> = (0..1_000).map(|number| f64::from(number) + 0.125).collect();
    let list: String =
        numbers.iter().map(|number| format!("f({number:.3}, true, nil, 'k')\n")).collect();
    let inner = format!("local function g()\n{list}{list}end\n");
    let text = format!("{list}{inner}{list}{inner}{list}");
    let refusal = Refusal::default();
    let code = compile(&State::new(&refusal), &[text.as_bytes()]).unwrap();
    for number in numbers {
        let bytes = number.to_ne_bytes();
        let count = code.windows(8).filter(|window| *window == bytes).count();
        assert_eq!(count, 3, "{number} in the main function and in two others");
    }
}

#[test]
fn nil_and_zero_are_one_constant_each() {
    let refusal = Refusal::default();
    let state = State::new(&refusal);
    let size = |text: &str| compile(&state, &[text.as_bytes()]).unwrap().len();
    for (constant, other) in
        [("nil", "true"), ("0.0", "0.5"), ("1e300", "0.5"), ("true", "false"), ("'s'", "'t'")]
    {
        // Constants of a call's arguments are in registers; those of a constructor's fields are
        // not.
        let same = size(&format!("return {{ a = {constant}, b = {constant}, c = {constant} }}"));
        let apart = size(&format!("return {{ a = {constant}, b = {other}, c = {constant} }}"));
        assert!(same < apart, "{constant}: {same} and {apart} bytes");
    }
}

#[test]
fn constants_that_look_alike_are_told_apart() {
    let refusal = Refusal::default();
    let state = State::new(&refusal);
    let text = "local t = {}
        local function inner() return 2, 2.0, 2.5, 'a', 0.0, true, false end
        t.a = 2; t.b = 2.0; t.c = '2'; t.d = 0; t.e = 0.0; t.f = nil; t.g = false; t.h = true
        t[9007199254740992] = 1; t[9007199254740993] = 2; t[1e308] = 3; t[1.5] = 4; t[1.5000000000000002] = 5
        local n = 0
        for _ in pairs(t) do n = n + 1 end
        return math.type(t.a) == 'integer' and math.type(t.b) == 'float' and t.c == '2' and t.f == nil
          and t.g == false and t.h == true and math.type(t.d) == 'integer' and math.type(t.e) == 'float'
          and t[1.5] == 4 and t[1.5000000000000002] == 5 and n == 12 and select('#', inner()) == 7 and 1 or 0";
    assert!(state.evaluate(text) == 1.0);
}

#[test]
fn a_collection_at_any_allocation_changes_nothing() {
    let text = memory_program();
    let refusal = Refusal::default();
    let state = State::new(&refusal);
    let expected = compile(&state, &[text.as_bytes()]);
    for number in 0.. {
        refusal.start(number, 1);
        assert!(compile(&state, &[text.as_bytes()]) == expected, "number {number}");
        if refusal.was_too_late() {
            assert!(number > 60, "{number}");
            break;
        }
    }
}

#[test]
fn without_memory_the_error_is_that_and_the_next_program_compiles() {
    let text = memory_program();
    let refusal = Refusal::default();
    let state = State::new(&refusal);
    let expected = compile(&state, &[text.as_bytes()]);
    for number in 0.. {
        // Once, and once more after the collection that follows.
        refusal.start(number, 2);
        let outcome = compile(&state, &[text.as_bytes()]);
        let is_right = outcome == Err(b"not enough memory".to_vec()) || outcome == expected;
        assert!(is_right, "number {number}");
        if refusal.was_too_late() {
            assert!(number > 60, "{number}");
            break;
        }
        assert!(compile(&state, &[text.as_bytes()]) == expected, "after number {number}");
    }
}

/// Names, strings and numbers enough for everything to grow.
fn memory_program() -> String {
    let line = |at: usize| {
        format!(
            "function M.f{at}(a{at}, b) local s = 'text {at}' return a{at} + {at}.5, b .. s, {at}000000 end\n"
        )
    };
    let lines: String = (0..40).map(line).collect();
    format!("local M = {{ [[a long string that is longer than forty bytes]] }}\n{lines}return M\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn lists_of_anything_compile_alike(
        items in prop::collection::vec((select(ITEMS), select(BLANKS), select(BLANKS)), 0..12),
    ) {
        let list: String = items.iter().map(|(item, before, after)| format!("{before}{item}{after},")).collect();
        let _ = check(format!("local a, b, t = f{{{list}}} return").as_bytes());
    }

    #[test]
    fn statements_compile_alike(
        items in prop::collection::vec((select(ITEMS), select(BLANKS), select(BLANKS)), 0..12),
    ) {
        let lines = items.iter().map(|(item, before, after)| format!("x.n ={before}{item}{after};")).collect::<String>();
        let _ = check(lines.as_bytes());
    }

    #[test]
    fn tokens_in_any_order_compile_alike(
        items in prop::collection::vec((select(ITEMS), select(BLANKS)), 0..12),
    ) {
        let soup: String = items.iter().map(|(item, after)| format!("{item}{after}")).collect();
        let _ = check(soup.as_bytes());
    }

    #[test]
    fn bytes_in_any_order_compile_alike(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = check(&bytes);
    }
}
