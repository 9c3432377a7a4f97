//! What programs written for skynet leave behind: the log, a service that takes it over, recorded
//! messages.

use crate::skynet::{SKYNET, scratch};
use crate::support::{Running, Scratch};

#[test]
fn log_lines_and_errors_of_handlers_are_in_the_log() {
    let main = "skynet.start(function()
          skynet.error('a line', 1, true)
          skynet.dispatch('lua', function() error 'unseen' end)
          print((pcall(skynet.call, skynet.self(), 'lua')))
          skynet.abort()
        end)";
    let ended = scratch("skynet_log", main).run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "false\n");
    assert!(ended.stderr.contains("main:00000002 a line 1 true"), "{}", ended.stderr);
    let failed = "a handler failed: main.lua:5: unseen request=\"00000002-1\"\n\tstack traceback";
    assert!(ended.stderr.contains(failed), "{}", ended.stderr);
}

#[test]
fn a_console_without_a_file_says_once_that_there_is_none() {
    let main = "skynet.start(function()
          local console = skynet.newservice('debug_console', 8000)
          print(skynet.call('.launcher', 'lua', 'LIST')[skynet.address(console)])
          print(skynet.uniqueservice 'debug_console' == skynet.uniqueservice 'debug_console')
          print(skynet.newservice 'console' > 0)
          skynet.abort()
        end)";
    let scratch = scratch("skynet_no_console", main);
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "snlua debug_console 8000\ntrue\ntrue\n");
    let told = |name: &str| ended.stderr.matches(&format!("there is no {name}, since")).count();
    assert_eq!((told("debug_console"), told("console")), (2, 1), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 3, "{}", ended.stderr);
    let own = format!("{SKYNET}skynet.start(function() print('own', SERVICE_NAME) end)");
    scratch.file("debug_console.lua", &own).file("console.lua", &own);
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout.matches("own\t").count(), 3, "{}", ended.stdout);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_service_for_which_many_bytes_wait_is_named_in_the_log() {
    let main = "skynet.start(function()
          local text = ('x'):rep(8 << 20)
          skynet.dispatch('lua', function() end)
          for _ = 1, 18 do skynet.send(skynet.self(), 'lua', text) end
          skynet.timeout(0, skynet.abort)
        end)";
    let ended = scratch("skynet_bytes", main).run(["run", "main.lua"]).expect_code(0);
    let named = |line: &&str| line.contains("main:00000002 messages pile up in the mailbox");
    // At 64 MiB, and at the double.
    assert_eq!(ended.stderr.lines().filter(named).count(), 2, "{}", ended.stderr);
}

#[test]
fn a_service_that_is_told_to_collect_its_garbage_logs_what_that_gave() {
    let main = "skynet.start(function()
          print(skynet.call(skynet.self(), 'debug', 'GC') > 0)
          skynet.abort()
        end)";
    let ended = scratch("skynet_gc", main).run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "true\n");
    let line = ended.stderr.split("main:00000002 GC ").nth(1).unwrap_or_default();
    assert!(line.contains(" Kb -> ") && line.contains(" Kb, cost 0."), "{}", ended.stderr);
}

#[test]
fn messages_of_a_service_are_recorded_in_the_folder_of_the_configuration() {
    let main = "if ... then
          skynet.start(function()
            skynet.dispatch('lua', function(session) if session > 0 then skynet.retpack() end end)
          end)
        else
          skynet.start(function()
            local core = require 'skynet.core'
            local echo = skynet.newservice('main', 'echo')
            core.command('LOGON', skynet.address(echo))
            skynet.send(echo, 'lua', 'seen')
            skynet.call(echo, 'lua')
            skynet.call(echo, 'debug', 'LOGOFF')
            skynet.call(echo, 'lua', 'unseen')
            print(skynet.address(echo):sub(2), skynet.address(skynet.self()))
            skynet.abort()
          end)
        end";
    let scratch = scratch("skynet_record", main);
    scratch.file("config", "luaservice = './?.lua'\nlogpath = './records'\n");
    std::fs::create_dir(scratch.path("records")).unwrap();
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    assert_eq!(ended.stderr, "");
    let (echo, main) = ended.stdout.trim_end().split_once('\t').unwrap();
    let record = std::fs::read_to_string(scratch.path(&format!("records/{echo}.log"))).unwrap();
    let lines: Vec<&str> = record.lines().collect();
    assert_eq!(lines.len(), 5, "{record}");
    assert!(lines[0].starts_with("open time: "), "{record}");
    assert!(lines[1].starts_with(&format!("{main} 10 0 ")), "{record}");
    assert!(lines[1].ends_with(&hex("seen")), "{record}");
    assert!(lines[2].starts_with(&format!("{main} 10 ")), "{record}");
    assert!(lines[3].starts_with(&format!("{main} 9 ")), "{record}");
    assert!(lines[4].starts_with("close time: "), "{record}");
}

/// The bytes of a text as digits.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_service_that_is_launched_with_a_log_is_recorded_from_its_start() {
    let main = "if ... then
          skynet.start(function()
            skynet.dispatch('lua', function(session) if session > 0 then skynet.retpack() end end)
          end)
        else
          skynet.start(function()
            local echo = skynet.call('.launcher', 'lua', 'LOGLAUNCH', 'snlua', 'main', 'echo')
            skynet.call(echo, 'lua', 'seen')
            print(('%08x'):format(echo))
            skynet.abort()
          end)
        end";
    let scratch = scratch("skynet_loglaunch", main);
    scratch.file("config", "start = 'main'\nluaservice = './?.lua'\nlogpath = './records'\n");
    std::fs::create_dir(scratch.path("records")).unwrap();
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let echo = ended.stdout.trim_end();
    let record = std::fs::read_to_string(scratch.path(&format!("records/{echo}.log"))).unwrap();
    assert!(record.starts_with("open time: "), "{record}");
    assert!(record.contains(&hex("seen")), "{record}");
}

#[test]
fn a_service_that_grows_is_named_in_the_log() {
    let main = "skynet.start(function()
          text = ('x'):rep(33 << 20)
          skynet.sleep(0)
          skynet.timeout(1, skynet.abort)
        end)";
    let ended = scratch("skynet_grows", main).run(["run", "main.lua"]).expect_code(0);
    let told = "WARN main:00000002 memory warning: it uses 33.";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn what_the_logger_is_sent_stands_in_the_log_if_no_service_takes_it() {
    let main = "skynet.start(function()
          skynet.register_protocol { name = 'text', id = skynet.PTYPE_TEXT, pack = tostring }
          skynet.send('.logger', 'text', 'a line for the logger')
          skynet.call('.logger', 'debug', 'PING')
          skynet.error 'a line of its own'
          skynet.abort()
        end)";
    let ended = scratch("skynet_own_logger", main).run(["run", "main.lua"]).expect_code(0);
    assert!(ended.stderr.contains("[:00000002] a line for the logger"), "{}", ended.stderr);
    assert!(ended.stderr.contains("main:00000002 a line of its own"), "{}", ended.stderr);
}

#[test]
fn a_record_without_a_folder_says_so() {
    let main = "skynet.start(function()
          print(pcall(skynet.call, skynet.self(), 'debug', 'LOGON'))
          skynet.call(skynet.self(), 'debug', 'LOGOFF')
          skynet.abort()
        end)";
    let ended = scratch("skynet_no_record", main).run(["run", "main.lua"]).expect_code(0);
    assert!(ended.stdout.contains("logpath"), "{}", ended.stdout);
}

#[test]
fn the_log_goes_to_the_file_that_the_configuration_names() {
    let scratch = scratch("skynet_logger", "skynet.error 'to the file'\nskynet.abort()");
    scratch.file("config", "start = 'main'\nluaservice = './?.lua'\nlogger = './host.log'\n");
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    assert_eq!(ended.stderr, "");
    let log = std::fs::read_to_string(scratch.path("host.log")).unwrap();
    assert!(log.contains("main:00000002 to the file"), "{log}");
}

#[test]
fn a_service_may_take_the_log_over() {
    let scratch = scratch(
        "skynet_logservice",
        "skynet.start(function()
           skynet.error('a line', 2)
           skynet.fork(error, 'a failing task')
           skynet.sleep(5)
           skynet.abort()
         end)",
    );
    scratch
        .file("config", "luaservice = './?.lua'\nlogger = 'userlog'\nlogservice = 'snlua'\n")
        .file(
            "userlog.lua",
            &format!(
                "{SKYNET}skynet.register_protocol {{
                  name = 'text', id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
                  dispatch = function(_, address, text)
                    print(skynet.address(address), (text:match '^[^\\n]+'))
                  end,
                }}
                skynet.register_protocol {{
                  name = 'SYSTEM', id = skynet.PTYPE_SYSTEM,
                  unpack = function(...) return ... end, dispatch = function() end,
                }}
                skynet.start(function() end)"
            ),
        );
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    assert_eq!(ended.stdout, ":00000003\ta line 2\n:00000003\ta task failed: a failing task\n");
}

#[test]
fn settings_and_lines_for_the_service_that_has_the_log_keep_bytes_that_are_no_utf8() {
    let main = "skynet.start(function()
          local function shown(text) return (text:gsub('[^ -~]', function(c) return c:byte() end)) end
          skynet.setenv('own', 'b\\xe3\\0')
          skynet.setenv('\\xc4', 7)
          print(shown(skynet.getenv 'title'), shown(skynet.getenv 'own'), skynet.getenv '\\xc4')
          print(require('hive').env 'title' == skynet.getenv 'title')
          print(select(2, pcall(skynet.setenv, 'title', 'x')))
          skynet.error(skynet.getenv 'title', 1)
          skynet.sleep(5)
          skynet.abort()
        end)";
    let scratch = scratch("skynet_bytes_kept", main);
    scratch
        .file(
            "config",
            "luaservice = './?.lua'\nlogger = 'userlog'\nlogservice = 'snlua'\n\
             title = 'a\\xc4\\xe3'\n",
        )
        .file(
            "userlog.lua",
            &format!(
                "{SKYNET}skynet.register_protocol {{
                  name = 'text', id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
                  dispatch = function(_, _, text) print('log', text == 'a\\xc4\\xe3 1') end,
                }}
                skynet.start(function() end)"
            ),
        );
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let expected = "a196227\tb2270\t7\ntrue\nCan't setenv exist key : title\nlog\ttrue\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    // The log of the host is text.
    let config = "luaservice = './?.lua'\ntitle = 'a\\xc4\\xe3'\n";
    scratch.file("config", config);
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    assert!(ended.stderr.contains("main:00000002 a\u{fffd}\u{fffd} 1\n"), "{}", ended.stderr);
}

#[test]
fn a_service_that_has_the_log_is_told_of_starts_that_fail() {
    let main = "skynet.start(function()
          for _, name in ipairs { 'starts', 'runs', 'reads', 'nowhere' } do
            print(name, (pcall(skynet.newservice, name)))
          end
          skynet.sleep(5)
          skynet.abort()
        end)";
    let scratch = scratch("skynet_told_of_starts", main);
    scratch
        .file("config", "luaservice = './?.lua'\nlogger = 'userlog'\nlogservice = 'snlua'\n")
        .file("starts.lua", &format!("{SKYNET}skynet.start(function() error 'at start' end)"))
        .file("runs.lua", "error 'at load'")
        .file("reads.lua", "local = 1")
        .file(
            "userlog.lua",
            &format!(
                "{SKYNET}skynet.register_protocol {{
                  name = 'text', id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
                  dispatch = function(_, _, text) print('log', (text:gsub('\\n', '~'))) end,
                }}
                skynet.start(function() end)"
            ),
        );
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let told: Vec<&str> =
        ended.stdout.lines().filter_map(|line| line.strip_prefix("log\t")).collect();
    let expected = [
        "init service failed: ./starts.lua:3: at start~stack traceback",
        "lua loader error : ./runs.lua:1: at load~stack traceback",
        "lua loader error : ./reads.lua:1: ",
        "lua loader error : service `nowhere` not found~",
    ];
    assert_eq!(told.len(), expected.len(), "{}", ended.stdout);
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
#[cfg(unix)]
fn a_hangup_tells_the_service_that_has_the_log() {
    let scratch = scratch("skynet_hangup", "skynet.start(function() print 'ready' end)");
    scratch
        .file("config", "luaservice = './?.lua'\nlogger = 'userlog'\nlogservice = 'snlua'\n")
        .file(
            "userlog.lua",
            &format!(
                "{SKYNET}skynet.register_protocol {{
                  name = 'text', id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
                  dispatch = function() end,
                }}
                skynet.register_protocol {{
                  name = 'SYSTEM', id = skynet.PTYPE_SYSTEM,
                  unpack = function(...) return ... end,
                  dispatch = function()
                    print 'begun anew'
                    skynet.abort()
                  end,
                }}
                skynet.start(function() end)"
            ),
        );
    let mut running = Running::start(scratch.moonhive(["run", "--compat", "skynet", "config"]));
    running.wait_for_line("ready");
    running.signal("HUP");
    let ended = running.wait().expect_code(0);
    assert!(ended.stdout.contains("begun anew"), "{}", ended.stdout);
}

#[test]
#[cfg(unix)]
fn a_hangup_opens_the_log_file_anew() {
    let main = "skynet.start(function()
          local function is_there(name) return (io.open(name)) ~= nil end
          skynet.error 'before'
          assert(os.rename('host.log', 'host.log.1'))
          print 'ready'
          repeat skynet.sleep(1) until is_there 'host.log'
          skynet.error 'after'
          skynet.abort()
        end)";
    let scratch = scratch("skynet_hangup_file", main);
    scratch.file("config", "luaservice = './?.lua'\nlogger = './host.log'\n");
    let mut running = Running::start(scratch.moonhive(["run", "--compat", "skynet", "config"]));
    running.wait_for_line("ready");
    running.signal("HUP");
    running.wait().expect_code(0);
    let read = |name: &str| std::fs::read_to_string(scratch.path(name)).unwrap();
    let (before, after) = (read("host.log.1"), read("host.log"));
    assert!(before.contains("before") && !before.contains("after"), "{before}");
    assert!(after.contains("after"), "{after}");
}

#[test]
#[cfg(unix)]
fn a_log_file_that_cannot_be_opened_anew_goes_on_and_says_so() {
    let main = "skynet.start(function()
          assert(os.rename('host.log', 'host.log.1'))
          assert(os.execute 'mkdir host.log')
          print 'ready'
          local function log() return io.open('host.log.1'):read 'a' end
          repeat skynet.sleep(1) until log():find 'cannot open'
          skynet.error 'goes on'
          skynet.abort()
        end)";
    let scratch = scratch("skynet_hangup_directory", main);
    scratch.file("config", "luaservice = './?.lua'\nlogger = './host.log'\n");
    let mut running = Running::start(scratch.moonhive(["run", "--compat", "skynet", "config"]));
    running.wait_for_line("ready");
    running.signal("HUP");
    let ended = running.wait().expect_code(0);
    let log = std::fs::read_to_string(scratch.path("host.log.1")).unwrap();
    for text in [&ended.stderr, &log] {
        let told = "ERROR cannot open the log file ./host.log: Is a directory (os error 21)";
        assert_eq!(text.matches(told).count(), 1, "{text}");
    }
    assert!(log.contains("goes on\n"), "{log}");
}

/// A host with a log file that cannot grow beyond 4 KiB. That it is at its limit is an error of the
/// write, as on a full disk.
#[cfg(target_os = "linux")]
fn with_little_room(scratch: &Scratch) -> Running {
    let host = scratch.moonhive(["run", "--compat", "skynet", "config"]);
    let limited = "ulimit -S -f 8; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", limited, "sh"]).arg(host.get_program()).args(host.get_args());
    command.current_dir(scratch.path(""));
    Running::start(command)
}

/// Lets the files of a process grow again.
#[cfg(target_os = "linux")]
fn make_room(running: &Running) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = Pid::from_raw(running.id().try_into().unwrap());
    let unlimited = Rlimit { current: None, maximum: None };
    prlimit(pid, Resource::Fsize, unlimited).expect("the limit was a soft one");
}

#[test]
#[cfg(target_os = "linux")]
fn lines_that_the_disk_has_no_room_for_are_counted_and_a_torn_one_is_ended() {
    let main = "skynet.start(function()
          for i = 1, 100 do skynet.error(('x'):rep(100) .. i) end
          print 'full'
          repeat skynet.sleep(1) until io.open 'room'
          skynet.error 'the next one'
          skynet.abort()
        end)";
    let scratch = scratch("skynet_full_disk", main);
    scratch.file("config", "luaservice = './?.lua'\nlogger = './host.log'\n");
    let mut running = with_little_room(&scratch);
    running.wait_for_line("full");
    make_room(&running);
    scratch.file("room", "");
    let ended = running.wait().expect_code(0);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let told = "cannot write to the log file ./host.log: File too large (os error 27)";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);

    let log = std::fs::read_to_string(scratch.path("host.log")).unwrap();
    let (before, after) = log.split_at(4096);
    assert!(after.starts_with('\n'), "{log}");
    let whole = before.matches('\n').count();
    let [lost, next] = after.trim().lines().collect::<Vec<_>>()[..] else { panic!("{log}") };
    let told = format!(" {} log lines were lost: File too large (os error 27)", 100 - whole);
    assert!(lost.ends_with(&told) && lost.contains("WARN"), "{log}");
    assert!(next.ends_with("the next one"), "{log}");
}
