//! `moonhive lua` in the place of the stand-alone interpreter: options, messages, exit codes,
//! interactive mode, Ctrl-C. (PUC-Rio's own tests of it run with `cargo xtask puc`.)

use std::fs::File;
use std::process::Command;

use crate::support::{Ended, Running, Scratch};

/// Runs `moonhive lua` with `input` as its standard input, without settings of stock `lua`.
#[track_caller]
fn talk(scratch: &Scratch, arguments: &[&str], input: &str) -> Ended {
    scratch.file("input", input);
    let mut command = lua(scratch, arguments);
    command.stdin(File::open(scratch.path("input")).expect("written just now"));
    Running::start(command).wait()
}

fn lua(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = scratch.moonhive(["lua"].iter().chain(arguments).copied());
    for name in ["LUA_INIT", "LUA_INIT_5_5", "LUA_PATH", "LUA_PATH_5_5", "LUA_READLINELIB"] {
        command.env_remove(name);
    }
    command
}

#[track_caller]
fn run(scratch: &Scratch, arguments: &[&str]) -> Ended {
    Running::start(lua(scratch, arguments)).wait()
}

/// Checks what a run prints and that it succeeds.
#[track_caller]
fn check(scratch: &Scratch, arguments: &[&str], stdout: &str) {
    let ended = run(scratch, arguments).expect_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (stdout, ""), "{arguments:?}");
}

/// Checks what a run says on standard error and that it fails.
#[track_caller]
fn check_failure(scratch: &Scratch, arguments: &[&str], stderr: &str) {
    let ended = run(scratch, arguments).expect_code(1);
    assert_eq!(ended.stderr, stderr, "{arguments:?}");
}

#[test]
fn options_run_in_their_order_before_the_script() {
    let scratch = Scratch::new("lua_order");
    scratch.file("mod.lua", "print('mod'); return {x = 1}").file("s.lua", "print(n, m.x, ...)");
    let line = ["-e", "n = 1", "-lm=mod", "-en = n + 1", "s.lua", "-e", "a"];
    check(&scratch, &line, "mod\n2\t1\t-e\ta\n");
    check(&scratch, &["-v"], "Lua 5.5.1  Copyright (C) 1994-2026 Lua.org, PUC-Rio\n");
}

#[test]
fn arg_holds_every_word_of_the_command_line() {
    let scratch = Scratch::new("lua_arg");
    scratch.file("s.lua", "for i = -5, 3 do io.write(tostring(arg[i]):match('[^/]*$'), ' ') end");
    let line = ["-e", "", "--", "s.lua", "x", "y"];
    let stdout = run(&scratch, &line).expect_code(0).stdout;
    assert_eq!(stdout.trim_end(), "moonhive lua -e  -- s.lua x y nil");
    check(&scratch, &["-e", "print(arg[0], arg[1])"], "lua\t-e\n");
}

#[test]
fn an_error_in_a_script_reads_as_in_the_stock_interpreter() {
    let scratch = Scratch::new("lua_errors");
    scratch.file("s.lua", "local function f() error('boom') end\nf()\n");
    let traceback = "lua: s.lua:1: boom\n\
        stack traceback:\n\
        \t[C]: in global 'error'\n\
        \ts.lua:1: in local 'f'\n\
        \ts.lua:2: in main chunk\n\
        \t[C]: in ?\n";
    check_failure(&scratch, &["s.lua"], traceback);
    let unnamed = "lua: (error object is a table value)\n\
        stack traceback:\n\
        \t[C]: in global 'error'\n\
        \t(command line):1: in main chunk\n\
        \t[C]: in ?\n";
    check_failure(&scratch, &["-e", "error {}"], unnamed);
    let named = "error(setmetatable({}, {__tostring = function() return 'mine' end}))";
    check_failure(&scratch, &["-e", named], "lua: mine\n");
    check_failure(
        &scratch,
        &["-e", "x ="],
        "lua: (command line):1: unexpected symbol near <eof>\n",
    );
    check_failure(
        &scratch,
        &["gone.lua"],
        "lua: cannot open gone.lua: No such file or directory\n",
    );
    check_failure(&scratch, &["-e", "arg = 1", "s.lua"], "lua: 'arg' is not a table\n");
}

#[test]
fn a_command_line_without_sense_is_refused_with_its_usage() {
    let scratch = Scratch::new("lua_usage");
    for (line, mistake) in [
        (&["-h"][..], "unrecognized option '-h'"),
        (&["-e"], "'-e' needs argument"),
        (&["--gc=none"], "'--gc' must be generational or incremental, not 'none'"),
    ] {
        let ended = run(&scratch, line).expect_code(1);
        assert!(ended.stderr.starts_with(&format!("lua: {mistake}\nusage: lua ")), "{ended:?}");
        assert!(ended.stderr.contains("hint: "), "{ended:?}");
    }
}

#[test]
fn exit_codes_are_what_the_script_says() {
    let scratch = Scratch::new("lua_exit");
    for (code, expect) in [("", 0), ("false", 1), ("true, true", 0), ("7", 7), ("9, true", 9)] {
        let text = format!("io.write('x'); os.exit({code})");
        let ended = run(&scratch, &["-e", &text]).expect_code(expect);
        assert_eq!(ended.stdout.trim_end(), "x", "what was written is flushed");
    }
    let closed = "local x <close> = setmetatable({}, {__close = function() print 'closed' end}) \
        os.exit(true, true)";
    check(&scratch, &["-e", closed], "closed\n");
}

#[test]
fn standard_input_is_the_script_where_there_is_none() {
    let scratch = Scratch::new("lua_stdin");
    for line in [&[][..], &["-"], &["-", "--"]] {
        let ended = talk(&scratch, line, "# comment\nprint('in', ...)").expect_code(0);
        assert_eq!(ended.stdout.split_whitespace().next(), Some("in"), "{line:?}");
    }
    let ended = talk(&scratch, &["-"], "x = = 1").expect_code(1);
    assert_eq!(ended.stderr, "lua: stdin:1: unexpected symbol near '='\n");
    let ended = talk(&scratch, &[], "x = = 1").expect_code(0);
    assert_eq!(ended.stderr, "lua: stdin:1: unexpected symbol near '='\n");
}

#[test]
fn the_environment_is_read_unless_told_otherwise() {
    let scratch = Scratch::new("lua_environment");
    scratch.file("init.lua", "print 'from a file'");
    let run_with = |variables: &[(&str, &str)], line: &[&str]| {
        let mut command = lua(&scratch, line);
        command.envs(variables.iter().copied());
        Running::start(command).wait()
    };
    let both = [("LUA_INIT", "print 'any'"), ("LUA_INIT_5_5", "print 'this release'")];
    assert_eq!(run_with(&both, &["-e", ""]).stdout, "this release\n");
    assert_eq!(run_with(&both, &["-E", "-e", ""]).stdout, "");
    assert_eq!(run_with(&[("LUA_INIT", "@init.lua")], &["-e", ""]).stdout, "from a file\n");
    let failed = run_with(&[("LUA_INIT", "error('no')")], &["-e", "print(1)"]).expect_code(1);
    assert!(failed.stderr.starts_with("lua: LUA_INIT:1: no\n"), "{}", failed.stderr);
    assert_eq!(failed.stdout, "");
    let path = [("LUA_PATH", "?.x;;")];
    assert!(run_with(&path, &["-e", "print(package.path)"]).stdout.starts_with("?.x;/usr"));
    let ignored = run_with(&path, &["-E", "-e", "print(package.path)"]).stdout;
    assert!(ignored.starts_with("/usr"), "{ignored}");
}

#[test]
fn warnings_show_only_when_turned_on() {
    let scratch = Scratch::new("lua_warnings");
    let text = "warn('@allow') warn('a', 'b') warn('', '@off') warn('@off') warn('c')";
    check(&scratch, &["-e", text], "");
    let ended = run(&scratch, &["-W", "-e", text]).expect_code(0);
    assert_eq!(ended.stderr, "Lua warning: ab\nLua warning: @off\n");
    let finalizer = "setmetatable({}, {__gc = function() error('late') end})";
    let ended = run(&scratch, &["-W", "-e", finalizer]).expect_code(0);
    assert!(ended.stderr.contains("Lua warning: error in __gc"), "{}", ended.stderr);
}

#[test]
fn interactive_mode_prints_values_and_continues_lines() {
    let scratch = Scratch::new("lua_interactive");
    let quiet = "_PROMPT, _PROMPT2 = '', ''";
    let talk = |input: &str| talk(&scratch, &["-e", quiet, "-i"], input).expect_code(0);
    let after_version = |ended: &Ended| ended.stdout.split_once('\n').unwrap().1.to_owned();
    assert_eq!(after_version(&talk("1 + 1, 'x'\n")), "2\tx\n\n");
    assert_eq!(after_version(&talk("function f(x)\n  return x\nend\nf(7)\n=8\n")), "7\n8\n\n");
    assert_eq!(after_version(&talk("local x = 1\nx\nio.read()\nfor io\n")), "nil\nfor io\n\n");
    let failed = talk("error('here')\nx = =\n");
    assert!(failed.stderr.starts_with("stdin:1: here\nstack traceback:\n"), "{}", failed.stderr);
    assert!(failed.stderr.ends_with("stdin:1: unexpected symbol near '='\n"), "{}", failed.stderr);
    assert!(talk("local y\n").stderr.contains("warning: locals do not survive"));
    assert!(talk("print = nil\n1\n").stderr.contains("error calling 'print'"));
}

#[test]
fn prompts_are_the_globals_of_that_name() {
    let scratch = Scratch::new("lua_prompts");
    let ended = talk(&scratch, &["-i"], "x =\n1\n").expect_code(0);
    assert!(ended.stdout.ends_with("\n> >> > \n"), "{}", ended.stdout);
    let counting = "local n = 0 _PROMPT = setmetatable({}, {__tostring = function() \
        n = n + 1 return n .. '? ' end})";
    let ended = talk(&scratch, &["-e", counting, "-i"], "x = 1\n").expect_code(0);
    assert!(ended.stdout.ends_with("\n1? 2? \n"), "{}", ended.stdout);
}

#[test]
fn options_of_ours_reach_the_vm() {
    let scratch = Scratch::new("lua_own_options");
    check(&scratch, &["-e", "print(collectgarbage('incremental'))"], "generational\n");
    let line = ["--gc", "incremental", "-e", "print(collectgarbage('incremental'))"];
    check(&scratch, &line, "incremental\n");
    let assigns = "for i = 1, 2 do i = i * 10 print(i) end";
    check(&scratch, &["--compat", "5.4", "-e", assigns], "10\n20\n");
    let refused = run(&scratch, &["-e", assigns]).expect_code(1).stderr;
    assert!(refused.contains("attempt to assign to const variable 'i'"), "{refused}");
    scratch.file("s.lua", "print(load('return 1 + 1')())");
    check(&scratch, &["--share-all", "s.lua"], "2\n");
    check(&scratch, &["--cache=ON", "s.lua"], "2\n");
}

#[test]
fn the_module_cache_is_there_with_a_code_cache_and_hides_no_file_without() {
    let scratch = Scratch::new("lua_cache");
    let text = "local cache = require 'cache' loadfile 's.lua' print(cache.mode(), \
        #cache.stats().chunks, cache.mode 'ON')";
    scratch.file("s.lua", "").file("own/cache.lua", "return 'own'");
    check(&scratch, &["--cache", "ON", "-e", text], "ON\t1\tON\n");
    check(&scratch, &["--cache", "OFF", "-e", text], "OFF\t0\tOFF\n");
    let own = "package.path = 'own/?.lua' print((require 'cache'))";
    check(&scratch, &["-e", own], "own\n");
}

#[test]
fn a_link_named_lua_is_the_interpreter() {
    let scratch = Scratch::new("lua_link");
    let link = scratch.path("lua");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_moonhive"), &link).expect("a fresh folder");
    let mut command = Command::new(&link);
    command.args(["-e", "error('no', 0)"]).env_remove("LUA_INIT");
    let ended = Running::start(command).wait().expect_code(1);
    assert!(ended.stderr.starts_with(&format!("{}: no\n", link.display())), "{}", ended.stderr);
}

#[test]
fn help_is_ours() {
    let scratch = Scratch::new("lua_help");
    for line in [&["--help"][..], &["-e", "error 'not run'", "--help"]] {
        let help = run(&scratch, line).expect_code(0).stdout;
        assert!(help.contains("--share-all") && help.contains("Examples:"), "{help}");
        assert!(!help.contains("-h,"), "stock lua has no -h, nor has this: {help}");
    }
}

/// Starts a script and sends a SIGINT after each of these lines.
fn interrupt(scratch: &Scratch, text: &str, lines: &[&str]) -> Ended {
    let mut running = Running::start(lua(scratch, &["-e", text]));
    for line in lines {
        running.wait_for_line(line);
        running.signal("INT");
    }
    running.wait()
}

#[test]
fn the_first_ctrl_c_is_an_error_that_a_script_may_catch() {
    let scratch = Scratch::new("lua_ctrl_c");
    let text = "print(pcall(function() print 'ready' io.stdout:flush() while true do end end)) \
        print 'went on'";
    let ended = interrupt(&scratch, text, &["ready"]).expect_code(0);
    assert!(ended.stdout.starts_with("ready\nfalse\t"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("interrupted!\nwent on\n"), "{}", ended.stdout);
}

#[test]
fn the_second_ctrl_c_reaches_into_the_standard_library() {
    let scratch = Scratch::new("lua_ctrl_c_twice");
    // A loop of Lua catches the first one; the second finds the matcher, which would run for days
    // (or the instruction before it, if the machine is slow).
    let text = "pcall(function() print 'ready' io.stdout:flush() while true do end end) \
        local text = ('a'):rep(200000) print 'matching' io.stdout:flush() \
        string.find(text, '.-.-.-b')";
    let ended = interrupt(&scratch, text, &["ready", "matching"]).expect_code(1);
    assert!(ended.stderr.contains("interrupted!"), "{}", ended.stderr);
}
