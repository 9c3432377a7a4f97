//! What cannot be sent is refused with the path to it.

use super::*;

fn expect(source: &str, message: &str) {
    assert_eq!(refuse(source).to_string(), message);
}

#[test]
fn functions_threads_and_userdata_are_named_by_path() {
    expect("return 1, {cb = print}", "args[2].cb: cannot send a function");
    expect("return print", "args[1]: cannot send a function");
    expect(
        "return {rows = {1, {['a b'] = coroutine.create(print)}}}",
        r#"args[1].rows[2]["a b"]: cannot send a thread"#,
    );
    expect("return {[1.5] = {[true] = io.stdout}}", "args[1][1.5][true]: cannot send a userdata");
    expect("return {x = {[3] = print}}", "args[1].x[3]: cannot send a function");
}

#[test]
fn keys_are_refused_at_their_table() {
    expect(
        "return {list = {[print] = 1}}",
        "args[1].list: cannot send a table with a function as a key",
    );
    expect("return {[{cb = print}] = 1}", "args[1][<table>].cb: cannot send a function");
}

#[test]
fn errors_come_with_a_hint() {
    assert!(refuse("return print").hint().is_some_and(|hint| hint.contains("name")));
    assert!(refuse("return io.stdout").hint().is_some());
    assert!(refuse("local t = {} t.t = t return t").hint().is_some());
}

#[test]
fn cycles_name_both_places() {
    expect(
        "local t = {child = {}} t.child.parent = t return 1, t",
        "args[2].child.parent: cannot send a table that contains itself (it is args[2] again)",
    );
    expect(
        "local t = {a = {b = {}}} t.a.b.up = t.a return t",
        "args[1].a.b.up: cannot send a table that contains itself (it is args[1].a again)",
    );
    expect(
        "local t = {} t[t] = 1 return t",
        "args[1][<table>]: cannot send a table that contains itself (it is args[1] again)",
    );
}

fn nested(levels: usize) -> String {
    format!("local t = {{}} for _ = 2, {levels} do t = {{t}} end return t")
}

#[test]
fn nesting_ends_at_the_limit() {
    check(&nested(MAX_DEPTH));
    let error = refuse(&nested(MAX_DEPTH + 1));
    let path = format!("args{}", "[1]".repeat(MAX_DEPTH + 1));
    assert_eq!(error.to_string(), format!("{path}: tables nest deeper than {MAX_DEPTH} levels"));
}

#[test]
fn tables_that_hold_nothing_but_tables_count() {
    let options = PackOptions { limit_bytes: 100_000, ..PackOptions::default() };
    let twice = |pairs: &str| {
        format!(
            "local t = setmetatable({{}}, {pairs}) for _ = 2, {MAX_DEPTH} do t = {{ t, t }} end return t"
        )
    };
    for source in [twice("nil"), twice("{ __pairs = function() return next, {} end }")] {
        // Whoever counted only what is in them would go on for some minutes.
        assert!(matches!(refuse_with(&source, &options), PackError::Size { .. }), "{source}");
    }
}

#[test]
fn size_ends_at_the_limit() {
    let options = PackOptions { limit_bytes: 100, ..PackOptions::default() };
    let expect = |source, path: &str| {
        let error = refuse_with(source, &options);
        let message = format!("{path}: the message grows beyond 100 bytes here");
        assert_eq!(error.to_string(), message);
    };
    expect("return 1, ('x'):rep(100)", "args[2]");
    expect("return {name = {('x'):rep(40), ('x'):rep(40), ('x'):rep(40)}}", "args[1].name[3]");
    expect("local t = {} for i = 1, 200 do t[i] = i end return t", "args[1]");
    let endless = "return setmetatable({}, {__pairs = function() return function() \
        return 1, 1 end end})";
    let options = PackOptions { limit_bytes: 100, ..vm::with_pairs() };
    assert!(matches!(refuse_with(endless, &options), PackError::Size { .. }));
}

#[test]
fn the_largest_message_is_limited() {
    let source = format!("return ('x'):rep({MAX_PAYLOAD_BYTES})");
    assert!(matches!(refuse(&source), PackError::Size { limit_bytes: MAX_PAYLOAD_BYTES, .. }));
}

#[test]
fn failing_pairs_functions_are_reported_at_their_table() {
    let options = vm::with_pairs();
    let expect = |pairs: &str, message: &str| {
        let source = format!("return {{obj = setmetatable({{}}, {{__pairs = {pairs}}})}}");
        assert_eq!(refuse_with(&source, &options).to_string(), message);
    };
    expect("function() error('no luck', 0) end", "args[1].obj: no luck");
    expect("function() error({}) end", "args[1].obj: error object is no string");
    expect("function() return function() error('halfway', 0) end end", "args[1].obj: halfway");
    expect(
        "function() return function() return 'f', print end end",
        "args[1].obj.f: cannot send a function",
    );
}

#[test]
fn a_table_that_changes_while_it_is_walked_is_an_error_at_worst() {
    let sender = Vm::new();
    let options = vm::with_pairs();
    for round in 0..50 {
        let count = sender.evaluate(&format!(
            "local outer = {{}} for i = 1, 20 do outer['k' .. i] = setmetatable({{}}, \
             {{__pairs = function() for k in next, outer do outer[k] = nil end \
             for j = 1, {round} do outer['new' .. j] = j end collectgarbage() \
             return next, {{}} end}}) end return outer"
        ));
        // Either outcome is fine; that the process and the stack survive is the point.
        let _ = sender.pack(count, &options);
        assert_eq!(sender.top(), count);
    }
}

#[test]
fn the_list_of_values_has_the_name_that_was_asked_for() {
    let options = PackOptions { root: "results", ..PackOptions::default() };
    let error = refuse_with("return 1, 2, print", &options);
    assert_eq!(error.to_string(), "results[3]: cannot send a function");
}
