//! Hosts with different settings in one process: each runs services that call each other, and
//! nothing of one is seen in the other, not even its end.

use std::thread;
use std::time::{Duration, Instant};

use moonhive::actor::{Code, Host, HostError, ServiceId, Spawn};
use moonhive::code::Mode;

/// A test that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Adds in a service of its own, which it spawns by its name in the host's folder.
const FRONT: &str = r#"
    local hive = require "hive"
    local adder = hive.spawn({ "adder", register = "adder" })
    return {
      sum = function(n)
        local sum = 0
        for i = 1, n do sum = adder:add(sum, i) end
        return sum
      end,
      name = function() return hive.env "name", adder:greeting() end,
      mode = function() return require("cache").mode() end,
      fill = function()
        local kept = {}
        for i = 1, 1e6 do kept[i] = ("x"):rep(100) .. i end
        return #kept
      end,
      exit = function(code) os.exit(code) end,
    }
"#;

/// A host with a folder of its own in which `adder` greets by this name.
fn host(
    name: &str,
    configure: impl FnOnce(moonhive::actor::HostBuilder) -> moonhive::actor::HostBuilder,
) -> (Host, ServiceId, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let adder = format!(
        "return {{ add = function(a, b) return a + b end, greeting = function() return '{name}' end }}"
    );
    std::fs::write(directory.path().join("adder.lua"), adder).expect("a service file");
    let builder = Host::builder().path(directory.path()).env("name", name);
    let host = configure(builder).build().expect("a host");
    let front = host.spawn(Spawn::text("front", FRONT), ()).expect("the front");
    (host, front, directory)
}

fn sum(host: &Host, front: ServiceId, n: i64) -> Result<i64, HostError> {
    host.call(front, "sum", (n,))
}

/// Two hosts that differ in all that can be seen from inside.
fn pair() -> [(Host, ServiceId, tempfile::TempDir); 2] {
    [
        host("one", |builder| builder.threads(1).memory_limit_bytes(4 << 20)),
        host("two", |builder| builder.threads(2).cache_mode(Mode::Off).turn_limit(None)),
    ]
}

#[test]
fn each_has_its_own_settings_names_and_files() {
    let hosts = pair();
    for ((host, front, _folder), (name, mode)) in hosts.iter().zip([("one", "ON"), ("two", "OFF")])
    {
        let names: (String, String) = host.call(*front, "name", ()).expect("names");
        assert_eq!(names, (name.to_owned(), name.to_owned()));
        assert_eq!(host.call::<String>(*front, "mode", ()).expect("a mode"), mode);
        assert!(host.find("adder").is_some());
        assert_eq!(host.find("front"), None);
    }
    let [(one, first, _), (two, second, _)] = &hosts;
    let error = one.call::<i64>(*first, "fill", ()).expect_err("the limit is small");
    assert_eq!(error.fault().expect("a fault").code, Code::Memory);
    assert_eq!(two.call::<i64>(*second, "fill", ()).expect("no limit"), 1_000_000);
}

#[test]
fn one_goes_on_while_the_other_shuts_down_under_load() {
    let [(one, first, _folder), (two, second, _other)] = pair();
    let began = Instant::now();
    let handle = one.shutdown_handle();
    thread::scope(|scope| {
        let ended = scope.spawn(|| {
            loop {
                match sum(&one, first, 100) {
                    Ok(sum) => assert_eq!(sum, 5050),
                    Err(error) => return error,
                }
                assert!(began.elapsed() < WATCHDOG, "the host does not end");
            }
        });
        let lives = scope.spawn(|| {
            for _ in 0..200 {
                assert_eq!(sum(&two, second, 100).expect("the other host goes on"), 5050);
            }
        });
        thread::sleep(Duration::from_millis(20));
        handle.shutdown(3);
        let error = ended.join().expect("the calls end");
        let code = error.fault().expect("a fault").code.clone();
        assert!(matches!(code, Code::Shutdown | Code::Dead), "{code:?}");
        lives.join().expect("the calls succeed");
    });
    assert_eq!(one.wait().code, 3);
    assert_eq!(sum(&two, second, 10).expect("it still answers"), 55);
    assert_eq!(two.shutdown().code, 0);
}

#[test]
fn an_exit_of_one_is_no_exit_of_the_other() {
    let [(one, first, _folder), (two, second, _other)] = pair();
    one.send(first, "exit", (7,)).expect("a message");
    assert_eq!(one.wait().code, 7);
    assert_eq!(sum(&two, second, 10).expect("it still answers"), 55);
    assert_eq!(two.shutdown().code, 0);
}

#[test]
fn hosts_come_and_go_beside_one_that_stays() {
    let (stays, front, _folder) = host("stays", |builder| builder.threads(2));
    for round in 0..20 {
        let (passing, other, _folder) = host("passes", |builder| builder.threads(1 + round % 3));
        assert_eq!(sum(&passing, other, 20).expect("it answers"), 210);
        assert_eq!(sum(&stays, front, 20).expect("it answers"), 210);
        drop(passing);
    }
    assert_eq!(stays.shutdown().code, 0);
}
