//! What scripts cannot do to their host with patterns: end it by depth, hold a thread for ever, or
//! take memory that nobody counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{check, check_all};
use crate::api::modules;
use crate::vm::{Interruption, LoadMode, Vm, Worker};

const MIB: usize = 1 << 20;

/// What `body`, which has `m` for the module, returns as text in a VM that may use so much.
fn within(limit_bytes: usize, body: &str) -> String {
    let mut vm = Vm::builder().build().unwrap();
    modules::furnish(&mut vm.stack());
    vm.set_memory_limit(Some(limit_bytes));
    let script = format!(
        "local m = require 'lpeg'
         local ok, result = pcall(function() {body} end)
         return tostring(result)"
    );
    let mut stack = vm.stack();
    stack.load(script.as_bytes(), "=script", LoadMode::Text).unwrap();
    stack.call(0, 1).unwrap();
    stack.text(-1)
}

/// Runs `body` until it is interrupted; fails if it ends by itself.
fn check_interrupted(body: &str) {
    let mut vm = Vm::builder().build().unwrap();
    modules::furnish(&mut vm.stack());
    let worker = Worker::new();
    let interrupter = worker.interrupter();
    let mut turn = worker.turn(&mut vm);
    let number = turn.number();
    let ended = AtomicBool::new(false);
    let script = format!(
        "local m = require 'lpeg'
         local ok, err = pcall(function() {body} end)
         return tostring(ok) .. ' ' .. (tostring(err):match 'interrupted' or tostring(err))"
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            assert!(!ended.load(Ordering::Relaxed), "it has ended by itself");
            interrupter.interrupt(number, Interruption::Once);
        });
        turn.load(script.as_bytes(), "=script", LoadMode::Text).unwrap();
        turn.call(0, 1).unwrap();
        ended.store(true, Ordering::Relaxed);
        assert_eq!(turn.text(-1), "false interrupted");
    });
}

/// A grammar of `count` rules, each made of a reference to the next one by `step`.
fn chain(count: usize, step: &str, last: &str) -> String {
    format!(
        "(function()
            local rules = {{ 'r1' }}
            for i = 1, {count} do
              local p = V('r' .. i + 1)
              {step}
              rules['r' .. i] = p
            end
            rules['r' .. {count} + 1] = {last}
            local ok, p = pcall(P, rules)
            return ok and m.type(p) or p
          end)()"
    )
}

#[test]
fn long_chains_of_deep_rules_need_no_stack() {
    for (step, last) in [
        ("for _ = 1, 140 do p = C(p) end", "P'a'"),
        ("for _ = 1, 60 do p = -(-p) end", "P'a'"),
        ("for _ = 1, 140 do p = #p end", "P'a'"),
        ("for _ = 1, 90 do p = #(p * 'x') end", "P(true)"),
    ] {
        check(&chain(900, step, last), "pattern");
    }
    check(
        &chain(900, "for _ = 1, 140 do p = C(p) end", "V'r1'"),
        "rule 'r1' may be left recursive",
    );
}

#[test]
fn rules_are_looked_at_once_however_often_others_begin_with_them() {
    check(&chain(60, "p = p * V('r' .. i + 1)", "P(true)"), "pattern");
    check(&chain(60, "p = p + V('r' .. i + 1)", "P'x'"), "pattern");
    check(&chain(60, "p = p * V('r' .. i + 1)", "V'r7' + 'x'"), "rule 'r7' may be left recursive");
    check(
        &chain(60, "p = p * V('r' .. i + 1)", "V'r62'^0"),
        "rule 'r62' undefined in given grammar",
    );
    let chain = chain(60, "p = p * V('r' .. i + 1)", "('x' * (P(true) + V'r1'))^-1");
    check(&chain, "pattern");
    check(
        "why(P, { 'S', S = V'A' * V'B', A = P'a'^0, B = V'A'^0 + V'C'^0, C = 'c' })",
        "empty loop in rule 'B'",
    );
}

#[test]
fn patterns_that_share_their_parts_are_looked_at_once() {
    let doubled = |first: &str, step: &str, then: &str| {
        format!(
            "(function() local p = {first} for _ = 1, 60 do p = {step} end return {then} end)()"
        )
    };
    let too_long = "the pattern needs more than 1048576 instructions";
    check_all(&[
        (&doubled("P'ab'", "'cd' + p * p", "m.type(P{ p })"), "pattern"),
        (&doubled("P'ab'", "'cd' + p * p", "m.type((p + '') * p ^ -1)"), "pattern"),
        (&doubled("P'ab'", "'cd' + p * p", "why(m.match, p, 'x')"), too_long),
        (&doubled("P'ab'", "'cd' + p * p", "why(m.match, P{ p }, 'x')"), too_long),
        (
            &doubled("C''", "C(p * p)", "why(function() return p ^ 0 end):match 'loop body.*'"),
            "loop body may accept empty string",
        ),
        (&doubled("P'x'", "#(p * p) * 'y'", "m.type(m.B(p))"), "pattern"),
        (&doubled("P'x'", "-(p * p) * p", "m.type(m.B(p))"), "pattern"),
        (&doubled("C''", "C(p * p)", "why(m.B, p):match 'captures'"), "captures"),
        (&doubled("C(V(1))", "'x' * p ^ 3", "m.type(P{ p })"), "pattern"),
    ]);
}

#[test]
fn a_pattern_has_a_limit_of_values() {
    check(
        "why(function() local p = Cc(1) for _ = 1, 60 do p = 'x' + p * p end end):match 'a pattern.*'",
        "a pattern of more than 65535 values",
    );
    check(
        "why(P, (function() local t, p = { 'r1' }, Cc(1) for _ = 1, 14 do p = 'x' + p * p end
          for i = 1, 9 do t['r' .. i] = p end return t end)())",
        "a pattern of more than 65535 values",
    );
}

#[test]
fn tables_inside_tables_of_rules_have_a_limit() {
    check("why(P, (function() local t = {} t[1] = t return t end)())", "C stack overflow");
    check(
        "why(P, (function() local t = { P'a' } for _ = 1, 1e5 do t = { t } end return t end)())",
        "C stack overflow",
    );
}

#[test]
fn functions_of_deep_captures_that_match_again_have_a_limit() {
    check(
        "(function()
            local depth, p = 0
            local function again() depth = depth + 1 return (p:match 'a') end
            p = P'a' / function() return again() end
            for _ = 1, 150 do p = Ct(p) end
            local ok, err = pcall(again)
            return ok, tostring(err):match 'stack overflow', depth > 1
          end)()",
        "false stack overflow true",
    );
}

#[test]
fn a_text_capture_looks_at_no_more_captures_than_it_can_name() {
    check(
        "#(P{ C('(' * V(1) * ')') + 'x' } / '%1'):match(('('):rep(100000) .. 'x' .. (')'):rep(100000))",
        "200001",
    );
    check("((C(1) * Cc'v')^1 / '%1%2%9'):match 'abcdefgh'", "ave");
    check(
        "why(m.match, (C(1) * Cc'v')^1 / '%1%9', 'abc')",
        "invalid capture index (9) in replacement string",
    );
}

#[test]
fn back_captures_are_found_without_looking_at_everything_again() {
    check(
        "#(Ct(Cg(Cc(1), 'g') * Cg(Cc(2), 'h') * (C'a' * Cb'g' * Cb'h')^0)):match(('a'):rep(50000))",
        "150000",
    );
    check(
        "(Cg('a', 'g') * Cb'g' * Ct(Cb'g' * Cg('b', 'g') * Cb'g') * Cb'g' * Cg('c', 'g') * Cb'g'):match 'abc'",
        "a {a b} a c",
    );
}

#[test]
fn captures_that_take_for_ever_are_interrupted() {
    // Each level doubles the work for a text that stays empty.
    check_interrupted(
        "local p = m.C '' for _ = 1, 100 do p = p / '%1%1' end
         return (p:match '')",
    );
    check_interrupted(
        "local p = m.Cg(m.Cc '', 1) for i = 1, 40 do p = p * m.Cg(m.Cs(m.Cb(i) * m.Cb(i)), i + 1) end
         return ((p * m.Cb(41)):match '')",
    );
    check_interrupted(
        "local p = m.P { m.Cmt(m.Cc(true), rawequal) + 'a' * m.V(1) * 'b' + 'a' * m.V(1) * 'c' + 'a' }
         return (p:match(('a'):rep(64)))",
    );
}

#[test]
fn a_match_of_few_long_steps_is_interrupted() {
    check_interrupted("return (((#(m.P 'a' ^ 0) * 1) ^ 0):match(('a'):rep(1e6)))");
    check_interrupted("return (((#m.P(('a'):rep(1e6)) * 1) ^ 0):match(('a'):rep(2e6)))");
}

#[test]
fn building_a_large_grammar_is_interrupted() {
    check_interrupted(
        "local p = m.V 'x' for _ = 1, 15 do p = m.C(p * p) end
         for _ = 1, 160 do p = m.C(p) end
         return (m.P { 'x', x = 'x' * p })",
    );
}

#[test]
fn what_captures_build_has_the_limit_of_the_vm() {
    for body in [
        "return #m.Cs((m.P 'a' / ('x'):rep(1e6)) ^ 0):match(('a'):rep(3000))",
        "return #(m.C(('x'):rep(1e6)) / ('%1'):rep(3000)):match(('x'):rep(1e6))",
        "return #(m.P 'x' / ('%0'):rep(3e6)):match 'x' + #(m.Cs((m.P(1) / ('y'):rep(100)) ^ 0)):match(('x'):rep(1e6))",
        "return select('#', (m.Cg(m.P(1000000), 'g') * m.Cb 'g' ^ -3000):match(('x'):rep(1000000)))",
        "local p = m.P(1) ^ 0 for _ = 1, 190 do p = m.C(p) end return #m.Ct(p):match(('x'):rep(1e6))",
    ] {
        assert_eq!(within(16 * MIB, body), "not enough memory", "{body}");
    }
}

#[test]
fn what_a_match_remembers_has_the_limit_of_the_vm() {
    for body in [
        "return (#((m.Cp() * 1) ^ 0)):match(('x'):rep(1e6))",
        "return (m.P { '(' * m.V(1) * ')' + '' } * -1):match(('('):rep(1e6))",
    ] {
        assert_eq!(within(8 * MIB, body), "not enough memory", "{body}");
        assert_ne!(within(256 * MIB, body), "not enough memory", "{body}");
    }
}

#[test]
fn what_patterns_are_made_of_has_the_limit_of_the_vm() {
    for body in [
        "local all = {} for i = 1, 100 do all[i] = m.P(('x'):rep(1e6)) end",
        "local p = m.P 'x' for i = 1, 100 do p = p * ('x'):rep(1e6) end",
        "local all = {} for i = 1, 100 do all[i] = m.P 'xy' ^ 10000 end",
        "local p = m.P 'ab' for _ = 1, 15 do p = 'c' + p * p end
         local all = {} for i = 1, 20 do all[i] = 'x' * p all[i]:match 'x' end",
    ] {
        assert_eq!(within(16 * MIB, body), "not enough memory", "{body}");
    }
}

#[test]
fn patterns_that_are_dropped_give_their_memory_back() {
    let body = "for i = 1, 100 do
                  local p = m.P(('x'):rep(1e6)) ^ -100
                  p:match 'x'
                end
                return 'done'";
    assert_eq!(within(16 * MIB, body), "done");
}

#[test]
fn numbers_of_scripts_do_not_overflow() {
    check_all(&[
        (
            "why(m.match, Cmt(1, function() return math.mininteger end), 'a')",
            "invalid position returned by match-time capture",
        ),
        (
            "why(m.match, Cmt(1, function() return math.maxinteger end), 'a')",
            "invalid position returned by match-time capture",
        ),
        (
            "why(B, P(math.maxinteger) * math.maxinteger * 4):match 'pattern too long.*'",
            "pattern too long to look behind)",
        ),
        ("m.match(1, 'a', math.mininteger), m.match(1, 'a', math.maxinteger)", "2 nil"),
        ("m.match(P(math.mininteger), 'a'), m.match(math.maxinteger, 'a')", "1 nil"),
        ("(P(1) * math.maxinteger * math.maxinteger):match 'abc'", "nil"),
        (
            "why(function() return P'a' ^ math.mininteger end):match 'more than.*'",
            "more than 10000 repetitions)",
        ),
    ]);
}
