//! `moonhive run`: how the main service is found and started, and how the host ends.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{Running, Scratch};

#[test]
fn a_script_runs_and_ends_with_code_0() {
    let scratch = Scratch::new("run_script");
    scratch.file("main.lua", "print('hello', ...)\n");
    let ended = scratch.run(["run", "main.lua", "10", "-v"]).expect_code(0);
    assert_eq!(ended.stdout, "hello\t10\t-v\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn an_error_of_the_main_service_ends_with_a_traceback_and_code_1() {
    let scratch = Scratch::new("run_error");
    scratch.file("main.lua", "local function inner()\n  error('no gold')\nend\ninner()\n");
    let ended = scratch.run(["run", "main.lua"]).expect_code(1);
    for expected in ["error: ", "main.lua:2: no gold", "stack traceback:", "in local 'inner'"] {
        assert!(ended.stderr.contains(expected), "no {expected:?} in {}", ended.stderr);
    }
}

#[test]
fn a_syntax_error_of_the_main_service_names_file_and_line() {
    let scratch = Scratch::new("run_syntax");
    scratch.file("main.lua", "print('fine')\nlocal = 1\n");
    let ended = scratch.run(["run", "main.lua"]).expect_code(1);
    assert!(ended.stderr.contains("main.lua:2: <name> expected near '='"), "{}", ended.stderr);
}

#[test]
fn a_main_service_that_is_not_there_is_reported_with_the_places_looked_at() {
    let scratch = Scratch::new("run_missing");
    let ended = scratch.run(["run", "--path", "lib", "gate"]).expect_code(2);
    for expected in ["error: ", "gate", "lib/gate.lua", "lib/gate/init.lua", "hint: "] {
        assert!(ended.stderr.contains(expected), "no {expected:?} in {}", ended.stderr);
    }
}

#[test]
fn a_name_is_looked_up_in_the_directories_of_path() {
    let scratch = Scratch::new("run_name");
    scratch.file("one/other.lua", "print('other')").file("two/gate/init.lua", "print('gate')");
    let ended = scratch.run(["run", "--path", "one", "--path", "two", "gate"]).expect_code(0);
    assert_eq!(ended.stdout, "gate\n");
}

#[test]
fn modules_beside_the_main_file_are_found_from_any_directory() {
    let scratch = Scratch::new("run_beside");
    scratch
        .file("app/main.lua", "print((require('helper')))")
        .file("app/helper.lua", "return 'helped'");
    assert_eq!(scratch.run(["run", "app/main.lua"]).expect_code(0).stdout, "helped\n");
}

#[test]
fn what_require_says_reads_as_under_the_interpreter() {
    let scratch = Scratch::new("run_require");
    scratch
        .file("broken.lua", "x = = 1\n")
        .file("failing.lua", "local function f() error('no gold') end\nf()\n")
        .file("outer.lua", "require 'failing'\n")
        .file("telling.lua", "print(debug.traceback('here'))\n");
    // What services add: their own directories are looked up first. What stock `lua` adds: its
    // name, and the C function that calls a script.
    let plain = |text: String| -> String {
        let text = text.replace("error: ", "lua: ").replace("\n\t[C]: in ?\n", "\n");
        let is_place = |line: &&str| !line.starts_with("\tno file");
        text.trim_end().lines().filter(is_place).collect::<Vec<_>>().join("\n")
    };
    for call in ["'broken'", "'failing'", "'outer'", "'telling'", "'no.such'", "nil", "{}"] {
        scratch.file("main.lua", &format!("local r = require\nrequire({call})\n"));
        let [service, script] = ["run", "lua"].map(|command| {
            let ended = scratch.run([command, "main.lua"]);
            (ended.code, plain(ended.stdout), plain(ended.stderr))
        });
        assert_eq!(service, script, "{call}");
    }
}

#[test]
fn shutdown_and_os_exit_set_the_exit_code() {
    let scratch = Scratch::new("run_codes");
    scratch
        .file("shutdown.lua", "require('hive').shutdown(3)\n")
        .file("exit.lua", "os.exit(4)\n")
        .file("true.lua", "os.exit(true)\n");
    scratch.run(["run", "shutdown.lua"]).expect_code(3);
    scratch.run(["run", "exit.lua"]).expect_code(4);
    scratch.run(["run", "true.lua"]).expect_code(0);
}

#[test]
fn values_of_set_reach_services_and_flags_win_over_environment_and_file() {
    let scratch = Scratch::new("run_layers");
    scratch.file("hive.toml", "cache = 'OFF'\n[set]\na = 'file'\nb = 'file'\n").file(
        "main.lua",
        "local hive, cache = require 'hive', require 'cache'\n\
             print(hive.env 'a', hive.env 'b', hive.env 'c', cache.mode())\n",
    );
    let arguments = ["run", "--config", "hive.toml", "--set", "a=flag", "main.lua"];
    let mut command = scratch.moonhive(arguments);
    command.env("MOONHIVE_CACHE", "EXIST");
    let ended = Running::start(command).wait().expect_code(0);
    assert_eq!(ended.stdout, "flag\tfile\tnil\tEXIST\n");
}

#[test]
fn a_loop_variable_may_be_assigned_to_unless_compat_is_off() {
    let scratch = Scratch::new("run_compat");
    scratch.file("main.lua", "for i = 1, 2 do\n  i = i * 10\n  print(i)\nend\n");
    assert_eq!(scratch.run(["run", "main.lua"]).expect_code(0).stdout, "10\n20\n");
    let ended = scratch.run(["run", "--compat", "off", "main.lua"]).expect_code(1);
    assert!(ended.stderr.contains("main.lua:2: attempt to assign to const"), "{}", ended.stderr);
}

#[test]
fn the_memory_limit_ends_a_service_and_not_the_host() {
    let scratch = Scratch::new("run_memory");
    scratch
        .file("greedy.lua", "local t = {}\nwhile true do t[#t + 1] = ('x'):rep(1000) .. #t end\n")
        .file(
            "main.lua",
            "local hive = require 'hive'\n\
             print(pcall(hive.spawn, 'greedy'))\n\
             print 'still here'\n",
        );
    let ended = scratch.run(["run", "--memory-limit", "4MiB", "main.lua"]).expect_code(0);
    assert!(ended.stdout.starts_with("false"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("still here\n"), "{}", ended.stdout);
}

#[test]
fn a_block_that_no_machine_has_is_refused_without_any_limit() {
    let scratch = Scratch::new("run_absurd");
    scratch.file("main.lua", "print(pcall(string.rep, 'x', 1 << 44)) print 'still here'");
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "false\tnot enough memory\nstill here\n");
}

#[test]
fn arguments_reach_the_service_byte_by_byte() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new("run_bytes");
    scratch.file("main.lua", "print((...):byte(1, -1))");
    let mut command = scratch.moonhive(["run", "main.lua"]);
    command.arg(std::ffi::OsStr::from_bytes(b"a\xff"));
    assert_eq!(Running::start(command).wait().expect_code(0).stdout, "97\t255\n");
}

#[test]
fn a_directory_in_the_place_of_the_main_file_is_named_as_one() {
    let scratch = Scratch::new("run_directory");
    for place in [".", "/etc"] {
        let ended = scratch.run(["run", place]).expect_code(2);
        assert!(ended.stderr.starts_with(&format!("error: {place} is a directory\nhint: ")));
    }
}

#[test]
fn a_main_file_that_is_no_regular_one_is_named_as_such() {
    let scratch = Scratch::new("run_device");
    let made = Command::new("mkfifo").arg(scratch.path("pipe")).status();
    assert!(made.expect("mkfifo can be started").success());
    // Standard input is /dev/null here.
    for place in ["/dev/stdin", "./pipe"] {
        let ended = scratch.run(["run", place]).expect_code(2);
        let told = format!("error: {place} is no regular file\nhint: ");
        assert!(ended.stderr.starts_with(&told), "{}", ended.stderr);
    }
}

#[test]
fn a_failure_without_a_message_tells_its_code() {
    let scratch = Scratch::new("run_code");
    for (error, told) in [
        ("{ code = 'no_gold' }", "error: (error object is a table value, code = no_gold)\n"),
        (
            "{ code = 7, message = 5 }",
            "error: (error object is a table value, code = 7, message = 5)\n",
        ),
    ] {
        scratch.file("main.lua", &format!("error({error})"));
        let ended = scratch.run(["run", "main.lua"]).expect_code(1);
        assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
    }
}

#[test]
fn an_exit_without_a_message_says_what_it_was_given() {
    let scratch = Scratch::new("run_exit");
    scratch.file("main.lua", "require('hive').exit {}");
    let ended = scratch.run(["run", "main.lua"]).expect_code(1);
    assert_eq!(ended.stderr, "error: (error object is a table value)\n");
}

#[test]
fn the_log_keeps_values_of_services_and_the_terminal_safe() {
    let scratch = Scratch::new("run_secrets");
    scratch.file("main.lua", "require('hive').log.info 'a\\27[2Jb'");
    let line = ["run", "--log", "debug", "--set", "password=gold", "main.lua"];
    let ended = scratch.run(line).expect_code(0);
    assert!(ended.stderr.contains("password") && !ended.stderr.contains("gold"), "{ended:?}");
    assert!(ended.stderr.contains("a\\u{1b}[2Jb"), "{ended:?}");
}

#[test]
fn the_turn_limit_ends_an_endless_loop() {
    let scratch = Scratch::new("run_turn");
    scratch.file("main.lua", "while true do end\n");
    let ended = scratch.run(["run", "--turn-limit", "50ms", "main.lua"]).expect_code(1);
    assert!(ended.stderr.contains("main.lua:1:"), "{}", ended.stderr);
}

#[test]
fn log_lines_are_json_where_asked_for() {
    let scratch = Scratch::new("run_log");
    scratch.file("main.lua", "require('hive').log.warn('gold is low:', 3)\n");
    let ended = scratch.run(["run", "--log", "json", "main.lua"]).expect_code(0);
    let line: serde_json::Value = serde_json::from_str(ended.stderr.trim()).expect(&ended.stderr);
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["service"], "main");
    assert_eq!(line["message"], "gold is low: 3");
}

#[test]
fn stats_are_printed_at_exit() {
    let scratch = Scratch::new("run_stats");
    scratch
        .file("idle.lua", "return {}\n")
        .file("main.lua", "for _ = 1, 10 do require('hive').spawn 'idle' end\n");
    let ended = scratch.run(["run", "--stats", "main.lua"]).expect_code(0);
    for expected in ["services", "messages", "memory", "shared", "hits"] {
        assert!(ended.stderr.contains(expected), "no {expected:?} in {}", ended.stderr);
    }
}

#[test]
fn the_figures_at_exit_name_the_handlers_that_used_most_time() {
    let scratch = Scratch::new("run_profile");
    scratch
        .file(
            "worker.lua",
            "return {
               compute = function()
                 local deadline = os.clock() + 0.03
                 while os.clock() < deadline do end
               end,
               idle = function() end,
             }",
        )
        .file(
            "main.lua",
            "local hive = require 'hive'
             local worker = hive.spawn 'worker'
             worker:idle()
             worker:compute()",
        );
    let ended = scratch.run(["run", "--stats", "main.lua"]).expect_code(0);
    let line = |name: &str| ended.stderr.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("time").contains(" ms: worker "), "{}", ended.stderr);
    assert!(line("handlers").contains("  worker.compute "), "{}", ended.stderr);
    assert!(line("handlers").contains("(1 calls)"), "{}", ended.stderr);
}

#[test]
fn memory_of_services_that_have_ended_returns_to_the_system() {
    let scratch = Scratch::new("run_returns");
    scratch
        .file(
            "holder.lua",
            "local held = ('x'):rep(1 << 20, ' ') return { size = function() return #held end }",
        )
        .file(
            "main.lua",
            "local hive = require 'hive'
             local function resident_mib()
               local file <close> = assert(io.open '/proc/self/statm')
               return tonumber(file:read('a'):match '^%d+ (%d+)') / 256
             end
             local before = resident_mib()
             local services = {}
             for i = 1, 100 do services[i] = hive.spawn 'holder' end
             local most = resident_mib()
             assert(most > before + 150, most)
             for _, service in ipairs(services) do hive.kill(service) end
             -- Dropped where they ran, and given back by the allocator soon after.
             for _ = 1, 3000 do
               if resident_mib() < before + 20 then return print 'returned' end
               hive.sleep(0.01)
             end
             error(('%d MiB of %d are left, %d before'):format(resident_mib(), most, before))",
        );
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "returned\n");
}

/// How often the threads of a process have been given a processor or lost it, and the time they
/// have used, in ticks of the system.
fn activity(process: u32) -> (u64, u64) {
    let read = |path: PathBuf| fs::read_to_string(path).expect("the process runs");
    let folder = PathBuf::from(format!("/proc/{process}"));
    let mut switches = 0;
    for thread in fs::read_dir(folder.join("task")).expect("the process runs") {
        let status = read(thread.expect("it can be listed").path().join("status"));
        let counts = status.lines().filter(|line| line.contains("ctxt_switches:"));
        switches +=
            counts.filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok()).sum::<u64>();
    }
    let stat = read(folder.join("stat"));
    // Behind the name, which ends with the last bracket, they are the twelfth and the thirteenth.
    let fields = stat.rsplit(") ").next().expect("fields").split(' ').skip(11).take(2);
    (switches, fields.map(|field| field.parse::<u64>().expect("a number")).sum())
}

#[test]
fn no_thread_of_a_host_without_work_runs() {
    let scratch = Scratch::new("run_idle");
    scratch.file("waiter.lua", "require('hive').after(3600, print) return {}").file(
        "main.lua",
        "local hive = require 'hive'
         for _ = 1, 100 do hive.spawn 'waiter' end
         hive.kill(hive.spawn 'waiter')
         print 'ready'
         hive.wait()",
    );
    let mut running = Running::start(scratch.moonhive(["run", "--threads", "3", "main.lua"]));
    running.wait_for_line("ready");
    // At first memory of what has ended goes back to the system.
    let idle = (0..20).find(|_| {
        let (switches, ticks) = activity(running.id());
        thread::sleep(Duration::from_secs(1));
        let later = activity(running.id());
        later.0 - switches <= 2 && later.1 == ticks
    });
    running.signal("TERM");
    let ended = running.wait().expect_code(0);
    assert!(idle.is_some(), "it runs on: {}", ended.stderr);
}

#[test]
fn who_calls_a_service_whose_file_returned_nothing_is_told_what_to_return() {
    let scratch = Scratch::new("run_returned");
    scratch
        .file("forgetful.lua", "local handlers = { greet = function() end }")
        .file("brief.lua", "return { greet = function() require('hive').exit 'enough' end }")
        .file(
            "main.lua",
            "local hive = require 'hive'
             local brief = hive.spawn 'brief'
             pcall(brief.greet, brief)
             print(select(2, pcall(hive.call, brief, 'greet')))
             hive.call(hive.spawn 'forgetful', 'greet')",
        );
    let ended = scratch.run(["run", "main.lua"]).expect_code(1);
    let told = "has ended: its file returned and its tasks are done";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let hint = "hint: a service's file returns a table of handlers, or starts tasks";
    assert_eq!(ended.stderr.matches(hint).count(), 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("it exited: enough"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("hint:"), "{}", ended.stdout);
}

#[test]
fn lines_that_services_write_in_pieces_stay_whole() {
    let scratch = Scratch::new("run_pieces");
    scratch.file(
        "main.lua",
        "local hive = require 'hive'
         local writers = {}
         for i = 1, 4 do writers[i] = { hive.spawn('writer', ('abcd'):sub(i, i)), 'write' } end
         assert(not select(2, hive.gather(writers, 60)))
         hive.shutdown()",
    );
    scratch.file(
        "writer.lua",
        "local letter = ...
         return { write = function()
           for _ = 1, 1000 do io.write(letter, 1, letter, 2.5, letter, '\\n') end
         end }",
    );
    let ended = scratch.run(["run", "--threads", "4", "main.lua"]).expect_code(0);
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 4000);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines, ["a1a2.5a", "b1b2.5b", "c1c2.5c", "d1d2.5d"]);
}
