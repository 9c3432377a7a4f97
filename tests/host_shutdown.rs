//! The end of a host: what is finished, what is interrupted, and how long it takes.

use std::thread;
use std::time::{Duration, Instant};

use moonhive::actor::limits::SHUTDOWN_KILL_WAIT;
use moonhive::actor::{Code, Finish, Host, HostBuilder, Spawn};

/// With nothing pending a host ends within this time; the bar is 50 ms on an idle machine.
const QUICK: Duration = Duration::from_millis(500);

fn builder() -> HostBuilder {
    Host::builder().threads(2).grace(Duration::from_millis(300))
}

fn run(text: &str) -> Finish {
    builder().build().unwrap().run(Spawn::text("main", text), ()).unwrap()
}

fn took<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let began = Instant::now();
    (work(), began.elapsed())
}

#[test]
fn a_script_that_ends_ends_the_host_with_zero() {
    let finish = run("local x = 1");
    assert_eq!((finish.code, finish.failure), (0, None));
}

#[test]
fn a_main_service_that_fails_ends_the_host_with_one_and_its_traceback() {
    let finish = run("local function deep() error 'boom' end; deep()");
    assert_eq!(finish.code, 1);
    let failure = finish.failure.expect("the failure");
    assert_eq!(failure.message, "main:1: boom");
    assert!(
        failure.traceback.contains("in upvalue 'deep'") || failure.traceback.contains("'deep'")
    );
}

#[test]
fn a_main_service_that_does_not_compile_fails() {
    let finish = run("local = 1");
    assert_eq!(finish.code, 1);
    assert!(finish.failure.unwrap().message.contains("main:1:"));
}

#[test]
fn a_main_service_that_is_killed_fails() {
    let finish = run("local hive = require 'hive'; hive.kill(hive.self(), 'why not')");
    assert_eq!(finish.code, 1);
    assert!(finish.failure.unwrap().message.contains("why not"));
}

#[test]
fn hive_shutdown_says_the_exit_code() {
    let finish = run("local hive = require 'hive'; hive.shutdown(7); hive.wait {}");
    assert_eq!((finish.code, finish.failure), (7, None));
}

#[test]
fn os_exit_ends_the_host_with_its_code_and_runs_no_further() {
    for (call, code) in [("3", 3), ("true", 0), ("false", 1), ("", 0)] {
        let text = format!("pcall(os.exit, {call}) while true do end");
        let text = text.replace("pcall(os.exit, )", "pcall(os.exit)");
        assert_eq!(run(&text).code, code, "{call}");
    }
}

#[test]
fn a_service_that_calls_os_exit_ends_the_host() {
    let host = builder().build().unwrap();
    let service = Spawn::text("exiting", "return { now = function() os.exit(5) end }");
    let service = host.spawn(service, ()).unwrap();
    host.send(service, "now", ()).unwrap();
    assert_eq!(host.wait().code, 5);
}

#[test]
fn a_host_with_nothing_pending_ends_at_once() {
    let host = builder().build().unwrap();
    let server = "return { answer = function() return 42 end }";
    for _ in 0..100 {
        host.spawn(Spawn::text("server", server), ()).unwrap();
    }
    let (finish, elapsed) = took(|| host.shutdown());
    assert_eq!(finish.code, 0);
    assert!(elapsed < QUICK, "{elapsed:?}");
}

#[test]
fn a_handle_ends_the_host_from_another_thread() {
    let host = builder().build().unwrap();
    let handle = host.shutdown_handle();
    let other = thread::spawn(move || {
        handle.shutdown(9);
        handle.shutdown(10);
    });
    let text = "require('hive').wait {}";
    assert_eq!(host.run(Spawn::text("main", text), ()).unwrap().code, 9);
    other.join().unwrap();
}

#[test]
fn requests_that_are_being_served_are_finished() {
    let host = builder().build().unwrap();
    let text = "local hive = require 'hive'
        return { slow = function() hive.sleep(0.1) return 'finished' end }";
    let service = host.spawn(Spawn::text("slow", text), ()).unwrap();
    let handle = host.shutdown_handle();
    let answer = thread::scope(|scope| {
        let call = scope.spawn(|| host.call::<String>(service, "slow", ()));
        thread::sleep(Duration::from_millis(30));
        handle.shutdown(0);
        call.join().unwrap()
    });
    assert_eq!(answer.unwrap(), "finished");
    assert_eq!(host.wait().code, 0);
}

#[test]
fn requests_that_take_longer_than_the_grace_time_are_told() {
    // Long enough that a busy machine makes little difference to the shares of it.
    let grace = Duration::from_secs(12);
    let host = builder().grace(grace).build().unwrap();
    let text = "local hive = require 'hive'
        return { slow = function() hive.sleep(100) end }";
    let service = host.spawn(Spawn::text("slow", text), ()).unwrap();
    let handle = host.shutdown_handle();
    let (answer, elapsed) = thread::scope(|scope| {
        let call = scope.spawn(|| host.call::<()>(service, "slow", ()));
        thread::sleep(Duration::from_millis(30));
        took(|| {
            handle.shutdown(0);
            call.join().unwrap()
        })
    });
    let error = answer.unwrap_err();
    let fault = error.fault().expect("a fault");
    assert_eq!(fault.code, Code::Dead, "{fault}");
    assert!(fault.message.contains("the host shut down"), "{fault}");
    let share = elapsed.div_duration_f64(grace);
    assert!((0.8..0.89).contains(&share), "eight tenths of it are theirs, not {share:.3}");
}

#[test]
fn exit_handlers_may_still_call_other_services() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saved");
    let host = builder().build().unwrap();
    let store = "local path = ...
        return { save = function(text)
          local file <close> = assert(io.open(path, 'a'))
          file:write(text, '\\n')
        end }";
    let store = Spawn::text("store", store).register("store");
    host.spawn(store, (file.to_str().unwrap(),)).unwrap();
    let user = "local hive = require 'hive'
        local name = ...
        return { __exit = function(code) hive.sleep(0.01) hive.call('store', 'save', name .. code) end }";
    for name in ["a", "b", "c"] {
        host.spawn(Spawn::text("user", user), (name,)).unwrap();
    }
    host.shutdown();
    let saved = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<&str> = saved.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["ashutdown", "bshutdown", "cshutdown"]);
}

#[test]
fn exit_handlers_may_still_call_supervised_services() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("saved");
    let store = "local path = ...
        return { save = function(text)
          local file <close> = assert(io.open(path, 'a'))
          file:write(text)
        end }";
    std::fs::write(directory.path().join("store.lua"), store).unwrap();
    let host = builder().path(directory.path()).build().unwrap();
    let user = "local hive = require 'hive'
        hive.supervise { { 'store', ..., register = 'store' } }
        return { __exit = function() hive.sleep(0.02) hive.call('store', 'save', 'the last word') end }";
    host.spawn(Spawn::text("user", user), (file.to_str().unwrap(),)).unwrap();
    host.shutdown();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "the last word");
}

#[test]
fn timers_that_are_due_run_before_the_host_prepares_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("count");
    let host = Host::builder().threads(2).grace(Duration::from_secs(20)).build().unwrap();
    let text = "local hive = require 'hive'
        local path = ...
        local ran = 0
        local function busy(seconds)
          local begun = hive.now()
          while hive.now() < begun + seconds do end
        end
        for i = 1, 100 do
          hive.after(0.001, function()
            ran = ran + 1
            if ran == 1 then hive.shutdown() end
            busy(0.002)
          end)
        end
        busy(0.02)
        return { __exit = function()
          local file <close> = assert(io.open(path, 'w'))
          file:write(ran)
        end }";
    let finish = host.run(Spawn::text("main", text), (file.to_str().unwrap(),)).unwrap();
    assert_eq!(finish.code, 0);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "100");
}

#[test]
fn what_is_open_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("closed");
    let host = builder().build().unwrap();
    let text = "local hive = require 'hive'
        local path = ...
        hive.fork(function()
          local _ <close> = setmetatable({}, { __close = function()
            local file <close> = assert(io.open(path, 'w'))
            file:write 'closed'
          end })
          hive.sleep(1000)
        end)
        hive.sleep(0)
        return {}";
    host.spawn(Spawn::text("opener", text), (file.to_str().unwrap(),)).unwrap();
    host.shutdown();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "closed");
}

/// The way out of a service, noted in a file.
const BYSTANDER: &str = "local hive = require 'hive'
    local path = ...
    local function note(what)
      local file <close> = assert(io.open(path, 'a'))
      file:write(what, ' ')
    end
    hive.fork(function()
      local _ <close> = setmetatable({}, { __close = function() note 'closed' end })
      hive.wait()
    end)
    hive.sleep(0)
    return { __exit = function() note 'exits' end }";

/// Ends a host one of whose services serves a request that goes on with this; gives what the way
/// out of another was, whose exit handler is this.
fn way_out_beside(body: &str, bystander: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("way");
    let host = builder().turn_limit(None).grace(Duration::from_secs(1)).build().unwrap();
    host.spawn(Spawn::text("bystander", bystander), (file.to_str().unwrap(),)).unwrap();
    let gate = "local hive = require 'hive'
        local is_open = false
        return {
          open = function() is_open = true end,
          pass = function() while not is_open do hive.sleep(0.001) end end,
        }";
    let gate = host.spawn(Spawn::text("gate", gate).register("gate"), ()).unwrap();
    let text = format!(
        "local hive = require 'hive'
        return {{ go = function() hive.send('gate', 'open') {body} end }}"
    );
    let service = host.spawn(Spawn::text("endless", text), ()).unwrap();
    let handle = host.shutdown_handle();
    thread::scope(|scope| {
        let call = scope.spawn(|| host.call::<()>(service, "go", ()));
        host.call::<()>(gate, "pass", ()).unwrap();
        handle.shutdown(0);
        call.join().unwrap().expect_err(body);
    });
    assert_eq!(host.wait().code, 0, "{body}");
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn who_never_ends_takes_nobodys_way_out_with_him() {
    for body in ["hive.wait()", "answer = hive.defer()", "while true do end"] {
        assert_eq!(way_out_beside(body, BYSTANDER), "exits closed ", "{body}");
    }
}

#[test]
fn an_exit_handler_that_does_not_return_leaves_time_to_close_what_is_open() {
    let endless = BYSTANDER.replace("note 'exits'", "note 'exits' hive.wait()");
    assert_eq!(way_out_beside("hive.wait()", &endless), "exits closed ");
}

#[test]
fn an_abort_cuts_a_shutdown_short_that_is_under_way() {
    let text = "local hive = require 'hive'
        hive.fork(hive.call, hive.self(), 'wait')
        hive.fork(function() hive.shutdown(0) hive.sleep(0.05) require('skynet').abort() end)
        return { wait = function() hive.wait() end }";
    let host = builder().grace(Duration::from_secs(60)).build().unwrap();
    let (finish, elapsed) = took(|| host.run(Spawn::text("main", text), ()).unwrap());
    assert_eq!(finish.code, 0);
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
}

#[test]
fn a_looping_service_does_not_hold_up_the_end() {
    let loops = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "return (('a'):rep(40)):find(('a-'):rep(40) .. 'b')",
        "local t = {} for i = 1, 1e3 do t[i] = i end
         while true do pcall(table.sort, t, function() error 'x' end) end",
    ];
    for text in loops {
        let host = builder().turn_limit(None).build().unwrap();
        let main = Spawn::text("looping", format!("return {{ go = function() {text} end }}"));
        let service = host.spawn(main, ()).unwrap();
        host.send(service, "go", ()).unwrap();
        thread::sleep(Duration::from_millis(20));
        let (finish, elapsed) = took(|| host.shutdown());
        assert_eq!(finish.code, 0);
        assert!(elapsed < Duration::from_secs(5), "{text}: {elapsed:?}");
    }
}

#[test]
fn a_service_inside_a_c_function_holds_up_the_end_for_one_wait_only() {
    let host = builder().build().unwrap();
    let text = "return { go = function() io.popen('sleep 8'):read() end }";
    let service = host.spawn(Spawn::text("reading", text), ()).unwrap();
    host.send(service, "go", ()).unwrap();
    thread::sleep(Duration::from_millis(50));
    let (_, elapsed) = took(|| host.shutdown());
    // The grace time of this host, and what killing may take.
    let least = Duration::from_millis(300) + SHUTDOWN_KILL_WAIT;
    assert!((least..least + SHUTDOWN_KILL_WAIT / 2).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn loops_on_the_way_out_do_not_hold_up_the_end() {
    let loops = [
        "return { __exit = function() while true do end end }",
        "hive.fork(function()
           local _ <close> = setmetatable({}, { __close = function() while true do end end })
           hive.sleep(1000)
         end)
         hive.sleep(0)
         return {}",
        "x = setmetatable({}, { __gc = function() while true do end end }) return {}",
        "x = setmetatable({}, { __gc = function() pcall(function() while true do end end) while true do end end })
         return {}",
    ];
    for text in loops {
        let host = builder().turn_limit(Some(Duration::from_millis(100))).build().unwrap();
        let text = format!("local hive = require 'hive'\n{text}");
        host.spawn(Spawn::text("looping", text.clone()), ()).unwrap();
        let (finish, elapsed) = took(|| host.shutdown());
        assert_eq!(finish.code, 0);
        assert!(elapsed < Duration::from_secs(5), "{text}: {elapsed:?}");
    }
}

#[test]
fn nothing_new_is_spawned_during_a_shutdown() {
    let host = builder().build().unwrap();
    let text = "local hive = require 'hive'
        return { go = function()
          hive.shutdown()
          local ok, err = pcall(hive.spawn, 'anything')
          return err.code
        end }";
    let service = host.spawn(Spawn::text("late", text), ()).unwrap();
    assert_eq!(host.call::<String>(service, "go", ()).unwrap(), "shutdown");
    host.wait();
}

#[test]
fn two_hosts_live_in_one_process() {
    let one = builder().env("name", "one").build().unwrap();
    let two = builder().env("name", "two").build().unwrap();
    let text = "local hive = require 'hive'
        hive.register 'only'
        return { name = function() return hive.env 'name' end }";
    let first = one.spawn(Spawn::text("named", text), ()).unwrap();
    let second = two.spawn(Spawn::text("named", text), ()).unwrap();
    one.call::<String>(first, "name", ()).unwrap();
    assert_eq!(one.call::<String>(first, "name", ()).unwrap(), "one");
    one.shutdown();
    assert_eq!(two.call::<String>(second, "name", ()).unwrap(), "two");
    two.shutdown();
}

#[test]
fn dropping_a_host_ends_it() {
    let host = builder().build().unwrap();
    host.spawn(Spawn::text("server", "return {}"), ()).unwrap();
    drop(host);
}
