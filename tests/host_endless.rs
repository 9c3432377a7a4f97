//! Code that never ends where the host itself runs it: error objects it describes, ends of tasks
//! and services, a main service that fails. The service is interrupted alone, its callers are told,
//! the others answer, and the host can be shut down.

use std::time::{Duration, Instant};

use moonhive::actor::{Code, Finish, Host, HostBuilder, Spawn};

const TURN_LIMIT: Duration = Duration::from_millis(50);
/// Nothing here takes longer, even on a loaded machine.
const WATCHDOG: Duration = Duration::from_secs(20);

/// What the services have: a function that never ends, also through `pcall`, and objects of it.
const PRELUDE: &str = r#"
    local hive = require "hive"
    local function loop() while true do pcall(function() while true do end end) end end
    local function endless(event) return setmetatable({}, { [event] = loop }) end
"#;

fn builder() -> HostBuilder {
    Host::builder().threads(2).turn_limit(Some(TURN_LIMIT)).grace(Duration::from_millis(300))
}

/// Calls a handler with this body and gives the code of the error; checks that the host lives on.
#[track_caller]
fn call_code(body: &str) -> Code {
    let began = Instant::now();
    let host = builder().build().unwrap();
    let other = "return { answer = function() return 42 end }";
    let other = host.spawn(Spawn::text("other", other), ()).unwrap();
    let text = format!("{PRELUDE} return {{ go = function() {body} end }}");
    let service = host.spawn(Spawn::text("endless", text), ()).unwrap();
    let answer = host.call_within::<()>(service, "go", (), Some(WATCHDOG));
    assert_eq!(host.call::<i64>(other, "answer", ()).unwrap(), 42, "{body}");
    let finish = host.shutdown();
    assert_eq!(finish.code, 0, "{body}");
    assert!(began.elapsed() < WATCHDOG, "{body}: {:?}", began.elapsed());
    answer.expect_err(body).fault().expect(body).code.clone()
}

fn run(text: &str) -> Finish {
    let began = Instant::now();
    let text = format!("{PRELUDE} {text}");
    let finish = builder().build().unwrap().run(Spawn::text("main", text.clone()), ()).unwrap();
    assert!(began.elapsed() < WATCHDOG, "{text}: {:?}", began.elapsed());
    finish
}

#[test]
fn error_objects_that_never_become_a_text_are_errors_all_the_same() {
    for body in [
        "error(endless '__tostring')",
        "error(setmetatable({ code = 'mine' }, { __tostring = loop }))",
        "error(setmetatable({}, { __index = loop }))",
        "error(setmetatable({}, { __tostring = function() error(endless '__tostring') end }))",
    ] {
        let code = call_code(body);
        let expected = [Code::Error, Code::TurnLimit, Code::Dead, Code::Other("mine".into())];
        assert!(expected.contains(&code), "{body}: {code:?}");
    }
}

#[test]
fn tasks_that_never_end_are_ended() {
    for body in [
        "local co = coroutine.create(function() local c <close> = endless '__close' coroutine.yield() end)
         coroutine.resume(co) coroutine.close(co)",
        "local c <close> = endless '__close'",
        "local c <close> = endless '__close' error 'x'",
        "setmetatable({}, { __gc = loop }) collectgarbage()",
        "string.format('%s', endless '__tostring')",
        "print(endless '__tostring')",
        "hive.log.info(endless '__tostring')",
        "table.sort({ 3, 2, 1 }, loop)",
        "load(loop)",
        "('x'):gsub('.', loop)",
        "load('if a then ' .. ('elseif a then '):rep(1e6) .. 'end')",
    ] {
        // Where the library turns an interruption into a result, the next loop gets the next one.
        let code = call_code(&format!("do {body} end loop()"));
        assert!(matches!(code, Code::TurnLimit | Code::Dead), "{body}: {code:?}");
    }
}

#[cfg(feature = "skynet")]
#[test]
fn patterns_that_would_take_for_ever_are_ended() {
    for body in [
        // Rules that begin with the next one twice, parts that are there twice in the next one.
        "local rules = { 'r1', r61 = lpeg.P(true) }
         for i = 1, 60 do rules['r' .. i] = lpeg.V('r' .. i + 1) * lpeg.V('r' .. i + 1) end
         lpeg.P(rules)",
        "local p = lpeg.P 'ab' for _ = 1, 60 do p = 'cd' + p * p end
         lpeg.P { p } pcall(lpeg.match, p, 'x')",
        // A match that fails in ever more ways, captures that double, and those that look back.
        "lpeg.match(lpeg.P { 'a' * lpeg.V(1) * 'b' + 'a' * lpeg.V(1) * 'c' + 'a' }, ('a'):rep(64))",
        "local p = lpeg.C '' for _ = 1, 100 do p = p / '%1%1' end lpeg.match(p, '')",
        "local p = lpeg.Cg(lpeg.Cc '', 1)
         for i = 1, 40 do p = p * lpeg.Cg(lpeg.Cs(lpeg.Cb(i) * lpeg.Cb(i)), i + 1) end
         lpeg.match(p * lpeg.Cb(41), '')",
    ] {
        let code = call_code(&format!("do local lpeg = require 'lpeg' {body} end loop()"));
        assert!(matches!(code, Code::TurnLimit | Code::Dead), "{body}: {code:?}");
    }
}

#[test]
fn what_waits_with_an_endless_close_does_not_hold_up_a_stop() {
    let code = call_code(
        "hive.fork(function() local c <close> = endless '__close' hive.sleep(1000) end)
         hive.sleep(0)
         hive.exit 'done'",
    );
    assert_eq!(code, Code::Dead);
}

#[test]
fn a_cancelled_task_with_an_endless_close_harms_its_service_alone() {
    let code = call_code(
        "local task = hive.fork(function() local c <close> = endless '__close' hive.sleep(1000) end)
         hive.sleep(0)
         task:cancel()
         hive.sleep(0)
         loop()",
    );
    assert!(matches!(code, Code::TurnLimit | Code::Dead), "{code:?}");
}

#[test]
fn a_main_service_whose_error_never_becomes_a_text_fails() {
    for text in [
        "error(endless '__tostring')",
        "hive.fork(function() error(endless '__tostring') end) hive.sleep(0.2) error 'later'",
        "return setmetatable({}, { __index = loop, __pairs = loop }), error(endless '__name')",
    ] {
        let finish = run(text);
        assert_eq!(finish.code, 1, "{text}");
        assert!(finish.failure.is_some(), "{text}");
    }
}

#[test]
fn an_exit_inside_whatever_the_library_calls_ends_the_host() {
    for text in [
        "print(setmetatable({}, { __tostring = function() os.exit(7) end }))",
        "table.sort({ 3, 2, 1 }, function() os.exit(7) end)",
        "('x'):gsub('.', function() os.exit(7) end)",
        "load(function() os.exit(7) end)",
        "setmetatable({}, { __gc = function() os.exit(7) end }) collectgarbage()",
        "local c <close> = setmetatable({}, { __close = function() os.exit(7) end })",
        "local co = coroutine.create(function()
           local c <close> = setmetatable({}, { __close = function() os.exit(7) end })
           coroutine.yield()
         end)
         coroutine.resume(co) coroutine.close(co) loop()",
        "error(setmetatable({}, { __tostring = function() os.exit(7) end }))",
        "xpcall(error, function() os.exit(7) end)",
        "local c <close> = endless '__close' os.exit(7)",
        "local c <close> = endless '__close' os.exit(7, true)",
        "local c <close> = endless '__close' pcall(os.exit, 7) loop()",
    ] {
        assert_eq!(run(text).code, 7, "{text}");
    }
}

#[test]
fn functions_that_take_long_to_share_are_refused_at_the_turn_limit() {
    let host = builder().build().unwrap();
    // A fifth of a microsecond for each, four hundred milliseconds in all.
    let text = format!(
        "{PRELUDE}
         local functions = {{}}
         for i = 1, 2000000 do
           functions[i] = function() end
           if i % 5000 == 0 then hive.sleep(0) end
         end
         return {{ go = function() hive.share.publish('functions', functions) end }}"
    );
    let service = host.spawn(Spawn::text("publisher", text), ()).unwrap();
    let error = host.call_within::<()>(service, "go", (), Some(WATCHDOG)).unwrap_err();
    assert_eq!(error.fault().map(|fault| fault.code.clone()), Some(Code::TurnLimit));
    host.shutdown();
}
