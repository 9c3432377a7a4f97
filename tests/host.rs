//! The host through its Rust API: spawning, calling, failing, ending.

use moonhive::actor::{Code, Host, HostError, Spawn};

fn host() -> Host {
    Host::builder().threads(2).build().expect("two threads can be started")
}

#[test]
fn a_service_answers_calls() {
    let host = host();
    let text = "local n = ...; return { add = function(by) n = n + by; return n end }";
    let counter = host.spawn(Spawn::text("counter", text), (10,)).unwrap();
    assert_eq!(host.call::<i64>(counter, "add", (2,)).unwrap(), 12);
    assert_eq!(host.call::<i64>(counter, "add", (5,)).unwrap(), 17);
    assert_eq!(host.shutdown().code, 0);
}

#[test]
fn a_service_calls_another() {
    let host = host();
    let text = r#"
        local hive = require "hive"
        return {
          ask = function(other, n)
            local answer = other:double(n)
            hive.sleep(0.01)
            return answer + 1
          end,
          double = function(n) return 2 * n end,
          me = function() return hive.self() end,
        }"#;
    let one = host.spawn(Spawn::text("one", text), ()).unwrap();
    let test = r#"
        local hive = require "hive"
        hive.register "two"
        return { run = function() return hive.call("two", "ping"), tostring(hive.self()) end, ping = function() return "pong" end }"#;
    let two = host.spawn(Spawn::text("two", test), ()).unwrap();
    let (pong, label): (String, String) = host.call(two, "run", ()).unwrap();
    assert_eq!(pong, "pong");
    assert!(label.starts_with("two:"), "{label}");
    assert_eq!(host.call::<i64>(one, "double", (4,)).unwrap(), 8);
}

#[test]
fn an_error_arrives_with_its_traceback() {
    let host = host();
    let text = "return { fail = function() error 'boom' end }";
    let service = host.spawn(Spawn::text("failing", text), ()).unwrap();
    let error = host.call::<()>(service, "fail", ()).unwrap_err();
    let fault = error.fault().expect("a fault");
    assert_eq!(fault.code, Code::Error);
    assert!(fault.message.ends_with("boom"), "{fault}");
    assert!(fault.traceback.contains("traceback"), "{}", fault.traceback);
    let error = host.call::<()>(service, "nothing", ()).unwrap_err();
    assert_eq!(error.fault().map(|fault| fault.code.clone()), Some(Code::NoHandler));
    assert!(matches!(error, HostError::Fault(_)));
}
