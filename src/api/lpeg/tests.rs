//! The modules as scripts see them. Expected values are those of LPeg 1.0.2, except where functions
//! of 1.1 or limits of ours are tested.

mod limits;

use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use crate::api::modules;
use crate::api::modules::tests::check_results;
use crate::vm::{Interruption, LoadMode, Vm, Worker};

#[track_caller]
fn check(expression: &str, expected: &str) {
    let script = format!(
        "local m = require 'lpeg'
         local P, S, R, V, B = m.P, m.S, m.R, m.V, m.B
         local C, Ct, Cg, Cb, Cc, Cf, Cs = m.C, m.Ct, m.Cg, m.Cb, m.Cc, m.Cf, m.Cs
         local Cp, Cmt, Carg = m.Cp, m.Cmt, m.Carg
         local function show(...)
           local values = table.pack(...)
           for i = 1, values.n do
             local value = values[i]
             values[i] = type(value) == 'table' and '{{' .. show(table.unpack(value)) .. '}}' or tostring(value)
           end
           return table.concat(values, ' ')
         end
         local function why(f, ...)
           local ok, err = pcall(f, ...)
           return not ok and tostring(err)
         end
         return show({expression})"
    );
    check_results(&script, expected);
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        check(expression, expected);
    }
}

#[test]
fn plain_patterns_match_where_they_should() {
    check_all(&[
        ("m.match('a', 'aaa')", "2"),
        ("m.match('b', 'aaa')", "nil"),
        ("m.match(3, 'ab')", "nil"),
        ("m.match(-1, ''), m.match(-1, 'a'), m.match(-2, 'a')", "1 nil 1"),
        ("m.match(true, 'x'), m.match(false, 'x'), m.match('', 'x')", "1 nil 1"),
        ("(P'a'^0):match 'aaab', (P'a'^1):match 'b', (P'a'^-2):match 'aaaa'", "4 nil 3"),
        ("(P'a'^3):match 'aaaa', (P'a'^3):match 'aa', ((P'ab')^-1 * Cp()):match 'abab'", "5 nil 3"),
        ("(R('az', '09')^1):match 'ab12-', (S'abc'^0):match 'cabd'", "5 4"),
        ("(P'a' + 'b'):match 'b', (P'ab' * 'cd'):match 'abcd', (P'a' - 'b'):match 'a'", "2 5 2"),
        ("(P'a'^-5000 * Cp()):match(('a'):rep(6000)), (C'a'^-2 * 'b'):match 'aab'", "5001 a a"),
        ("(#P'a' * 'ab'):match 'ab', (-P'a'):match 'ab', (-(-P'a') * Cp()):match 'a'", "3 nil 1"),
        ("((P'a' + 'ab') * 'c'):match 'abc', ((P'ab' + 'a') * 'c'):match 'abc'", "nil 4"),
        ("(P'a'^0 * 'a'):match 'aaa'", "nil"),
        ("('a' * B'a' * 'b'):match 'ab', (B'a' * 'b'):match 'ab'", "3 nil"),
        ("m.utfR(0x4e00, 0x9fff):match '\\u{4e2d}', m.utfR(0x4e00, 0x9fff):match 'a'", "4 nil"),
        ("m.utfR(0, 0x10ffff):match '\\xff'", "nil"),
    ]);
}

#[test]
fn a_match_begins_where_it_is_told() {
    check_all(&[
        ("m.match(1, 'abc', 2), m.match(1, 'abc', 4), m.match(1, 'abc', -1)", "3 nil 4"),
        ("m.match(1, 'abc', -9), m.match(1, 'abc', 0), m.match('', 'abc', 99)", "2 nil 4"),
    ]);
}

#[test]
fn captures_give_their_values() {
    check_all(&[
        ("C(C'a' * C'b'):match 'ab'", "ab a b"),
        ("(Cp() * 'a' * Cp()):match 'ab'", "1 2"),
        ("Cc(1, nil, 'x'):match ''", "1 nil x"),
        ("(Carg(1) * Carg(2)):match('', 1, 'p', 'q')", "p q"),
        ("Ct(C'a' * Cg(C'b', 'k') * C'c'):match 'abc'", "{a c}"),
        ("Ct(Cg('a', 'x')):match('a').x", "a"),
        ("(Cg('a', 'n') * Cg('b', 'n') * Cb'n'):match 'ab'", "b"),
        ("(C'a' * (C'b' / '%1%0%%')):match 'ab'", "a bb%"),
        ("((C'a' * C'b') / '%2%1%0%%'):match 'ab'", "baab%"),
        ("(Cs(C(C(1) * C(1)) / '%3%2')):match 'ab'", "ba"),
        ("((C'a' * C'b') / 2):match 'ab', ((C'a' * C'b') / 0):match 'ab'", "b 3"),
        ("(C'a' / { a = 5 }):match 'a', (C'a' / { b = 5 }):match 'a'", "5 2"),
        ("(P'a' / function(...) return select('#', ...), ... end):match 'a'", "1 a"),
        ("Cs((P'a' / 'x' + 1)^0):match 'banana'", "bxnxnx"),
        ("Cs((P'a' / {} + 1)^0):match 'banana'", "banana"),
        ("Cf(C'1' * C'2' * C'3', function(a, b) return a .. b .. ';' end):match '123'", "12;3;"),
        ("Cf(Ct'' * Cg(C'a' * C'b')^1, rawset):match('ab').a", "b"),
        // Several constants are one capture.
        (
            "Cf(Cc(0) * Cc(1, 10) * Cc(2, 20), function(a, k, v) return a + k * v end):match ''",
            "50",
        ),
        ("Cs(Cc('x', 'y')):match ''", "x"),
        ("select('#', Cc('x', nil, 'y'):match '')", "3"),
        ("(Cc(1) * (C'2' % function(a, b) return a + b end)^1):match '22'", "5"),
        ("Ct((C(R'az'^1) * P' '^0)^0):match 'ab cd'", "{ab cd}"),
    ]);
}

#[test]
fn functions_decide_while_matching() {
    check_all(&[
        ("Cmt('a', function(s, i, ...) return true, ... end):match 'ab'", "a"),
        ("Cmt(C'a' * C'b', function(s, i, x, y) return i, y, x end):match 'ab'", "b a"),
        ("Cmt('a', function() return false end):match 'a'", "nil"),
        ("(Cmt('a', function(s, i) return i + 1 end) * Cp()):match 'abc'", "3"),
        ("(P(function(s, i) return i + 1, 'v' end) * Cp()):match 'abc'", "v 2"),
        ("Ct(Cmt('a', function() return true, 1, 2 end) * C'b'):match 'ab'", "{1 2 b}"),
        ("C(Cmt(C'a', function(_, _, x) return true, x:upper() end)):match 'a'", "a A"),
        (
            "(Cmt('a', function() return true, 1 end) * 'x'
              + Cmt('a', function() return true, 2 end) * 'b'):match 'ab'",
            "2",
        ),
        (
            "(Cg('ab', 'z') * Cmt(Cb'z', function(s, i, v)
               return s:sub(i, i + #v - 1) == v and i + #v end)):match 'abab'",
            "5",
        ),
        (
            "why(m.match, Cmt('ab', function() return 1 end), 'ab'):match 'invalid position'",
            "invalid position",
        ),
        ("why(m.match, Cmt('a', function() error('mine', 0) end), 'a')", "mine"),
    ]);
}

#[test]
fn grammars_call_their_rules() {
    check_all(&[
        ("P{ 'S', S = 'a' * V'S' + 'b' }:match 'aab'", "4"),
        ("P{ 'a' * V(1) + 'b' }:match 'aab'", "4"),
        ("P{ 'x', x = '(' * V'x'^0 * ')' }:match '(()())'", "7"),
        ("P{ 'S', S = C(V'A') * V'B', A = P'a'^1, B = P'b' }:match 'aab'", "aa"),
        ("P{ P'wor' * Cp() + 1 * V(1) }:match 'hello world'", "10"),
        (
            "Ct(P{ 'list', list = Ct('(' * (V'list' + C(R'az'^1) + ' ')^0 * ')') }):match '(a (b c) d)'",
            "{{a {b c} d}}",
        ),
    ]);
}

#[test]
fn grammars_that_would_never_end_are_refused() {
    check_all(&[
        ("why(P, { 'S', S = V'S' * 'a' })", "rule 'S' may be left recursive"),
        (
            "why(P, { 'S', S = V'A', A = V'S' + 'a' }):match 'may be left recursive'",
            "may be left recursive",
        ),
        ("why(P, { 'S', S = #P'a' * V'S' + 'b' })", "rule 'S' may be left recursive"),
        ("why(P, { 'S', S = V'A'^0, A = P'a'^0 })", "empty loop in rule 'S'"),
        (
            "why(function() return (P'a'^0)^0 end):match 'loop body.*'",
            "loop body may accept empty string",
        ),
        ("why(P, { 'S', S = V'T' })", "rule 'T' undefined in given grammar"),
        ("why(P, {}), why(P, { 'S' })", "grammar has no initial rule grammar has no initial rule"),
        ("why(m.match, V'x', 'a')", "rule 'x' used outside a grammar"),
        ("why(m.match, C('a' * Cg(V(2), 'g') * V'y'), 'a')", "rule '2' used outside a grammar"),
        ("why(P, { 'S', S = V'A', A = V'B', B = #P'b' * V'A' })", "rule 'A' may be left recursive"),
        ("why(P, { 'S', S = V'A', A = 'a' * V'B', B = V'B' })", "rule 'B' may be left recursive"),
    ]);
}

#[test]
fn rules_that_nothing_refers_to_are_not_refused() {
    check_all(&[
        ("P{ 'S', S = P'a', U = P'b'^0 * V'E'^0, E = P'c'^-1 }:match 'a'", "2"),
        (
            "P{ 'S', S = V'E'^1, E = P'a' + V'F' * 'c', F = P'b', U = (P'b' * V'E')^0 }:match 'bca'",
            "4",
        ),
        (
            "why(P, { 'S', S = P'a', U = V'E'^0 * 'u' * V'U', E = P'c'^-1 })",
            "empty loop in rule 'U'",
        ),
    ]);
}

#[test]
fn wrong_arguments_are_refused() {
    check_all(&[
        ("why(P, io.stdout):match 'lpeg.pattern expected'", "lpeg-pattern expected"),
        ("why(R, 'abc'):match 'range must have two characters'", "range must have two characters"),
        (
            "why(B, P'a'^1):match 'fixed length', why(B, C'a'):match 'captures'",
            "fixed length captures",
        ),
        ("why(m.match, Carg(3), '', 1, 'p')", "reference to absent extra argument #3"),
        ("why(m.match, Cb'n', '')", "back reference 'n' not found"),
        ("why(m.match, C'a' / '%9', 'a')", "invalid capture index (9) in replacement string"),
        ("why(m.match, (C'a' * C'b') / 3, 'ab')", "no capture '3'"),
        (
            "why(m.match, Cs(P'a' / function() return {} end), 'a')",
            "invalid replacement value (a table)",
        ),
        ("why(m.match, Cf(P'x', print), 'x') ~= nil", "true"),
        ("m.type(P'a'), m.type 'a', m.version", "pattern nil 1.1.0"),
    ]);
}

#[test]
fn long_chains_and_deep_patterns_have_limits() {
    check(
        "(function() local p = P'x0' for i = 1, 3000 do p = p + ('x%04d'):format(i) end return p:match 'x2999' end)()",
        "6",
    );
    check(
        "(function() local p = P(1) for i = 1, 3000 do p = p - ('x%04d'):format(i) end return p:match 'x3000', p:match 'x3001' end)()",
        "nil 2",
    );
    check(
        "(C'a' - (P'b' * C'c') - P'ax' - 'ay'):match 'az', ((P'a' * 'b') - 'c' - P'abx'):match 'abx'",
        "a nil",
    );
    check(
        "why(function() local p = P'a' for _ = 1, 1000 do p = C(p) end end):match 'more than 200 deep'",
        "more than 200 deep",
    );
    check("P{ 'a' * V(1) + 'b' }:match(('a'):rep(100000) .. 'b')", "100002");
    check("P{ '(' * V(1) * ')' + '' }:match(('('):rep(100000) .. (')'):rep(100000))", "200001");
    check(
        "why(m.match, P{ '(' * V(1) * ')' + '' }, ('('):rep(1100000)):match 'backtrack stack overflow'",
        "backtrack stack overflow",
    );
    check(
        "why(m.match, P{ Ct('(' * V(1) * ')') + 'x' }, ('('):rep(300) .. 'x' .. (')'):rep(300))",
        "captures are nested more than 200 deep",
    );
}

#[test]
fn classes_of_bytes_are_those_of_ascii() {
    check_all(&[
        ("(m.locale().alpha^1):match 'abC1', (m.locale().punct^1):match '!?a'", "4 3"),
        ("((m.locale().space + m.locale().digit)^1):match ' 1\\v2x'", "5"),
        ("m.locale({ own = 1 }).own", "1"),
    ]);
}

#[test]
fn texts_of_re_become_patterns() {
    for (text, subject, expected) in [
        ("'x' (S <- 'a' T  T <- <S> / 'b')", "xaab", "5"),
        ("S <- (T <- 'a' U  U <- 'b') V  V <- S / 'c'", "ababc", "6"),
        ("[a-z_][%w]*", "a1 ", "3"),
        ("'a'^+2 {}", "aaa", "4"),
        ("{| {[a-z]} {[a-z]} |}", "ab", "{a b}"),
        ("{~ ('a' -> 'x' / .)* ~}", "banana", "bxnxnx"),
        ("{:k: [ab] :} =k", "ab", "nil"),
        ("({'a'} {'b'}) -> '%2%1'", "ab", "ba"),
        ("&'a' !'b' .", "ab", "2"),
        ("S <- '(' S* ')'", "(()())", "7"),
        ("exp <- term ('+' term)*  term <- {[0-9]+}", "1+22+3", "1 22 3"),
        ("name <- <other>  other <- 'q' -- a comment", "q", "2"),
        ("[]]  [^]]  [a-]  '-'?", "]x-", "4"),
    ] {
        check(&format!("require 're'.compile([=[{text}]=]):match('{subject}')"), expected);
    }
    check("require 're'.find('hello world', \"'wor'\")", "7 9");
    check("require 're'.gsub('hello', '[aeiou]', '.')", "h.ll.");
    check("require 're'.compile('{.} -> f', { f = string.upper }):match 'a'", "A");
    check("why(require 're'.compile, \"'a\"):match 'pattern error near'", "pattern error near");
    check(
        "why(require 're'.compile, \"'a' B\"), why(require 're'.compile, \"(B <- 'b') <B>\")",
        "rule 'B' used outside a grammar rule 'B' used outside a grammar",
    );
    check(
        "why(require 're'.compile, '%bar'):match \"name 'bar' undefined\"",
        "name 'bar' undefined",
    );
}

#[test]
fn definitions_of_re_are_patterns_whatever_they_are() {
    for (text, subject, expected) in [
        ("%s+", "ababz", "5"),
        ("%s*", "ababz", "5"),
        ("%s?", "z", "1"),
        ("%s^-1", "ababz", "3"),
        ("%s^2", "ababz", "5"),
        ("!%s .", "xb", "2"),
        ("&%s .", "abz", "2"),
        ("%n+", "abcde", "6"),
        ("&%n .", "abcde", "2"),
        ("%f?", "ab", "2"),
        ("%f -> 'x'", "ab", "x"),
        ("%yes !%no", "ab", "1"),
        ("{~ (%s -> 'x' / .)* ~}", "abzab", "xzx"),
        ("[%s]", "ab", "3"),
        ("%g", "(())", "5"),
        ("{.} -> f", "ab", "a 2"),
    ] {
        check(
            &format!(
                "require 're'.compile([=[{text}]=], {{
                   s = 'ab', n = 1, yes = true, no = 'b', g = {{ '(' * V(1) ^ -1 * ')' }},
                   f = function(s, i) return i and i + 1 or s, 2 end,
                 }}):match('{subject}')"
            ),
            expected,
        );
    }
    check(
        "why(require 're'.compile, '%e*', { e = '' }):match 'loop body.*'",
        "loop body may accept empty string",
    );
}

#[test]
fn a_match_that_does_not_end_is_interrupted_once() {
    let mut vm = Vm::builder().build().unwrap();
    modules::furnish(&mut vm.stack());
    let worker = Worker::new();
    let interrupter = worker.interrupter();
    let mut turn = worker.turn(&mut vm);
    let number = turn.number();
    let monitor = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        assert!(interrupter.interrupt(number, Interruption::Once), "the match has ended");
    });
    // Each byte doubles the ways to match.
    let script = "local m = require 'lpeg'
                  local p = m.P{ 'a' * m.V(1) * 'b' + 'a' * m.V(1) * 'c' + 'a' }
                  local ok, err = pcall(function() local r = m.match(p, ('a'):rep(64)) return r end)
                  return tostring(ok) .. ' ' .. err:match 'interrupted'";
    turn.load(script.as_bytes(), "=script", LoadMode::Text).unwrap();
    turn.call(0, 1).unwrap();
    assert_eq!(turn.text(-1), "false interrupted");
    monitor.join().unwrap();
}

proptest! {
    /// A grammar of arithmetic and captures of every kind, over any subject.
    #[test]
    fn any_subject_is_matched_or_not(subject in "[a0+*() ]{0,40}") {
        let script = format!(
            "local m = require 'lpeg'
             local p = m.P{{ 'e',
               e = m.Ct(m.V't' * (m.C(m.S'+*') * m.V't')^0),
               t = m.C(m.R'09'^1) + m.Cs((m.P'a' / 'b')^1) + '(' * m.Cg(m.V'e', 'n') * m.Cb'n' * ')' + m.P' ' * m.V't' }}
             local r = m.match(p, '{subject}')
             return r == nil or type(r) == 'table'"
        );
        check_results(&script, "true");
    }
}
