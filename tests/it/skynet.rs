//! Programs written for skynet, run by the binary: how the host ends, and configuration files.

use std::time::{Duration, Instant};

use crate::support::{Running, Scratch};

pub const SKYNET: &str = "local skynet = require 'skynet'\nrequire 'skynet.manager'\n";

/// A scratch folder with one service for skynet.
pub fn scratch(name: &str, main: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.file("main.lua", &format!("{SKYNET}{main}"));
    scratch
}

#[test]
fn a_main_service_runs_as_it_is_and_abort_ends_the_host_with_0() {
    let main = "local a, b = ...
        skynet.start(function()
          print(SERVICE_NAME, SERVICE_PATH, a, b, skynet.getenv 'start')
          skynet.abort()
        end)";
    let ended = scratch("skynet_abort", main).run(["run", "main.lua", "x", "2"]).expect_code(0);
    assert_eq!(ended.stdout, "main\t./\tx\t2\tmain\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn an_empty_service_has_one_coroutine_and_little_memory() {
    let main = "skynet.start(function()
          local empty = skynet.newservice 'empty'
          print(skynet.call(empty, 'lua'))
          skynet.abort()
        end)";
    let empty = "local skynet = require 'skynet'
        local file = coroutine.running()
        skynet.start(function()
          local start = coroutine.running()
          skynet.dispatch('lua', function()
            local kilobytes = collectgarbage 'count'
            local one = file == start and start == coroutine.running()
            skynet.retpack(one, kilobytes < 14 or kilobytes)
          end)
        end)";
    let scratch = scratch("skynet_empty", main);
    scratch.file("empty.lua", empty);
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "true\ttrue\n");
}

#[test]
fn the_path_of_a_service_is_where_its_name_begins() {
    let main = "skynet.start(function()
          print(skynet.call(skynet.newservice 'world/zone', 'lua'))
          skynet.abort()
        end)";
    let zone = format!(
        "{SKYNET}skynet.start(function()
          skynet.dispatch('lua', function() skynet.retpack(SERVICE_NAME, SERVICE_PATH) end)
        end)"
    );
    let scratch = scratch("skynet_path", main);
    scratch.file("world/zone.lua", &zone);
    let ended = scratch.run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "world/zone\t./\n");
}

#[test]
fn the_path_of_a_service_is_here_if_its_file_is_in_no_folder() {
    let scratch = Scratch::new("skynet_path_here");
    scratch.file("config", "luaservice = '?_service.lua'\nstart = 'm'\n").file(
        "m_service.lua",
        &format!(
            "{SKYNET}skynet.start(function()
              print(SERVICE_NAME, SERVICE_PATH)
              skynet.abort()
            end)"
        ),
    );
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    assert_eq!(ended.stdout, "m\t./\n");
}

#[test]
fn the_host_lives_on_when_the_main_service_exits() {
    let main = "local mode, first = ...
        if mode == 'worker' then
          skynet.start(function()
            skynet.fork(function()
              repeat
                skynet.sleep(1)
              until not pcall(skynet.call, tonumber(first), 'debug', 'PING')
              print 'worker'
              skynet.abort()
            end)
          end)
        else
          skynet.start(function()
            skynet.newservice('main', 'worker', skynet.self())
            print 'main'
            skynet.exit()
          end)
        end";
    let ended = scratch("skynet_main_exits", main).run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "main\nworker\n");
}

#[test]
fn the_host_ends_with_its_last_service() {
    let main = "skynet.start(function() print 'done'; skynet.exit() end)";
    let ended = scratch("skynet_last", main).run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "done\n");
}

#[test]
fn services_that_the_host_brings_along_do_not_hold_it() {
    let main = "skynet.start(function()
          assert(skynet.localname '.launcher')
          skynet.kill(skynet.uniqueservice('waits'))
          skynet.exit()
        end)";
    let scratch = scratch("skynet_own_services", main);
    scratch.file("waits.lua", &format!("{SKYNET}skynet.start(function() end)"));
    scratch.run(["run", "main.lua"]).expect_code(0);
}

#[test]
fn a_start_function_that_fails_ends_the_host_with_1() {
    let main = "skynet.start(function() error 'no gold' end)";
    let ended = scratch("skynet_fails", main).run(["run", "main.lua"]).expect_code(1);
    assert!(ended.stderr.contains("main.lua:3: no gold"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stack traceback"), "{}", ended.stderr);
}

#[test]
fn abort_does_not_wait_for_what_is_being_served() {
    let main = "skynet.start(function()
          skynet.dispatch('lua', function() skynet.wait() end)
          skynet.fork(skynet.call, skynet.self(), 'lua')
          skynet.sleep(1)
          skynet.abort()
        end)";
    let scratch = scratch("skynet_abort_at_once", main);
    let began = Instant::now();
    scratch.run(["run", "main.lua"]).expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn abort_does_not_wait_for_tasks_that_never_rest() {
    let main = "skynet.start(function()
          local gone = skynet.newservice 'gone'
          for i = 1, 200 do
            skynet.fork(function() while true do pcall(skynet.call, gone, 'lua') end end)
          end
          skynet.timeout(5, skynet.abort)
        end)";
    let scratch = scratch("skynet_abort_busy", main);
    let service = "skynet.start(function()
          skynet.dispatch('lua', function() skynet.retpack() end)
        end)";
    scratch.file("gone.lua", &format!("{SKYNET}{service}"));
    // Whether its calls fail or find an answer first is a matter of luck: often enough the first.
    for _ in 0..10 {
        let began = Instant::now();
        scratch.run(["run", "--threads", "2", "main.lua"]).expect_code(0);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
}

#[test]
fn a_service_learns_once_that_a_turn_of_it_was_interrupted() {
    let main = "skynet.start(function()
          skynet.dispatch('lua', function() while true do end end)
          print(skynet.endless())
          print((pcall(skynet.call, skynet.self(), 'lua')))
          print(skynet.endless(), skynet.endless())
          print((pcall(skynet.call, skynet.self(), 'lua')))
          print(skynet.stat 'endless', skynet.stat 'endless')
          skynet.abort()
        end)";
    let scratch = scratch("skynet_endless", main);
    let ended = scratch.run(["run", "--turn-limit", "50ms", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "false\nfalse\ntrue\tfalse\nfalse\n1\t0\n");
    assert!(ended.stderr.contains("longer than the turn limit (see --turn-limit)"));
}

#[test]
fn a_loader_of_services_that_cannot_be_read_is_told_of() {
    let scratch = Scratch::new("skynet_no_loader");
    scratch.file("config", "start = 'main'\nlualoader = './own/loader.lua'\n");
    let ended = scratch.run(["run", "--compat", "skynet", "config"]);
    let ended = ended.expect_code(2);
    assert!(ended.stderr.contains("./own/loader.lua"), "{}", ended.stderr);
    assert!(ended.stderr.contains("lualoader"), "{}", ended.stderr);
}

#[test]
fn a_configuration_of_skynet_says_what_runs() {
    let scratch = Scratch::new("skynet_config");
    scratch
        .file(
            "etc/config",
            "include 'config.path'\nthread = 2\nstart = 'boot hello'\nharbor = 0\n\
             lualoader = './lualib/loader.lua'\ncpath = 'cservice/?.so'\ndaemon = './pid'\n\
             home = '$GREETING'\nswitch = true\npreload = './app/preload.lua'\n",
        )
        .file(
            "etc/config.path",
            "root = './app/'\nluaservice = root .. 'service/?.lua;' .. root .. '?/main.lua'\n\
             lua_path = root .. 'lib/?.lua'\nlua_cpath = root .. 'c/?.so'\n",
        )
        .file("app/preload.lua", "PRELOADED = table.concat({ SERVICE_NAME, ... }, ' ')")
        .file("app/lib/greet.lua", "return function(who) return 'hello ' .. who end")
        .file("app/other/part.lua", "return 'a part'")
        .file(
            "app/service/boot.lua",
            &format!(
                "{SKYNET}local word = ...
                skynet.start(function()
                  print(word, SERVICE_NAME, SERVICE_PATH, PRELOADED)
                  print(require 'greet' (skynet.getenv 'home'))
                  print(skynet.getenv 'thread', skynet.getenv 'switch', skynet.getenv 'nothing')
                  print(skynet.getenv 'profile', skynet.getenv 'bootstrap')
                  print((package.cpath:match '^[^;]+'))
                  print(skynet.call(skynet.newservice 'other', 'lua'))
                  skynet.abort()
                end)"
            ),
        )
        .file(
            "app/other/main.lua",
            &format!(
                "{SKYNET}local part = require 'part'
                skynet.start(function()
                  skynet.dispatch('lua', function() skynet.retpack(part, SERVICE_PATH) end)
                end)"
            ),
        );
    let mut command = scratch.moonhive(["run", "--compat", "skynet", "etc/config"]);
    command.env("GREETING", "world");
    let ended = Running::start(command).wait().expect_code(0);
    assert_eq!(
        ended.stdout,
        "hello\tboot\t./app/service/\tboot boot hello\nhello world\n2\ttrue\tnil\n\
         true\tsnlua bootstrap\n./app/c/?.so\n\
         a part\t./app/other/\n"
    );
    let warnings: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(warnings.len(), 1, "{}", ended.stderr);
    let told = "settings for skynet without effect here: cpath, daemon; \
                unknown here, read by programs through skynet.getenv: home, root, switch";
    assert!(warnings[0].ends_with(told), "{}", warnings[0]);
}

#[test]
fn the_loader_of_a_program_loads_its_services() {
    let scratch = Scratch::new("skynet_loader");
    let service = |text: &str| format!("{SKYNET}{text}");
    scratch
        .file(
            "config",
            "start = 'boot a'\nluaservice = './service/?.lua'\nlua_path = './lib/?.lua'\n\
             lualoader = './loader.lua'\npreload = './first.lua'\n",
        )
        .file(
            "loader.lua",
            "local words = {}
            for word in (...):gmatch '%S+' do words[#words + 1] = word end
            SERVICE_NAME, SERVICE_PATH = words[1], 'from the loader'
            package.path, package.cpath = LUA_PATH, LUA_CPATH
            local file = LUA_SERVICE:match('[^;]+'):gsub('?', SERVICE_NAME)
            local main = assert(loadfile(file))
            dofile(LUA_PRELOAD)
            _G.require = (require 'skynet.require').require
            LOADED = table.concat(words, ' ')
            main(table.unpack(words, 2))",
        )
        .file("first.lua", "FIRST = 'first'")
        .file("lib/greet.lua", "return 'hello'")
        .file(
            "service/boot.lua",
            &service(
                "local word = ...
                skynet.start(function()
                  print(word, SERVICE_NAME, SERVICE_PATH, LOADED, FIRST, (require 'greet'))
                  print(skynet.call(skynet.newservice('worker', 1, true), 'lua'))
                  print(pcall(skynet.newservice, 'broken'))
                  skynet.abort()
                end)",
            ),
        )
        .file(
            "service/worker.lua",
            &service(
                "local number, flag = ...
                skynet.start(function()
                  skynet.dispatch('lua', function()
                    skynet.retpack(LOADED, type(number), type(flag))
                  end)
                end)",
            ),
        )
        .file("service/broken.lua", "local = 1");
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "a\tboot\tfrom the loader\tboot a\tfirst\thello");
    assert_eq!(lines[1], "worker 1 true\tstring\tstring");
    assert!(lines[2].starts_with("false\tcall failed"), "{}", lines[2]);
    assert!(lines[2].contains("service/broken.lua:1:"), "{}", lines[2]);
}

/// A main service that starts a snax service and one that begins with a function, and what both
/// tell of the file that runs first.
fn with_services_of_the_hosts_own(name: &str) -> Scratch {
    let main = "local snax, service = require 'skynet.snax', require 'skynet.service'
        skynet.start(function()
          print(snax.newservice('room', 1).req.get())
          local cell = service.new('town', function(...)
            local skynet, told = require 'skynet', table.concat({ FIRST or '', ... }, ' ')
            skynet.start(function()
              skynet.dispatch('lua', function() skynet.retpack(told, SERVICE_NAME) end)
            end)
          end, 2, 'b')
          print(skynet.call(cell, 'lua'))
          print(skynet.call(skynet.newservice('plain', 'x'), 'lua'))
          print(LOADED)
          skynet.abort()
        end)";
    let scratch = scratch(name, main);
    scratch.file("room.lua", "function response.get() return FIRST, SERVICE_NAME end");
    scratch.file("first.lua", "FIRST = table.concat({ SERVICE_NAME, ... }, ' ')").file(
        "plain.lua",
        &format!(
            "{SKYNET}skynet.start(function()
              skynet.dispatch('lua', function() skynet.retpack(FIRST, LOADED) end)
            end)"
        ),
    );
    scratch
}

#[test]
fn the_file_that_runs_first_does_in_services_that_the_host_brings_for_code_of_the_program() {
    let scratch = with_services_of_the_hosts_own("skynet_first");
    scratch.file("config", "luaservice = './?.lua'\nsnax = './?.lua'\npreload = './first.lua'\n");
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let expected = [
        "snaxd snaxd room\troom",
        "service_cell service_cell town 2 b\tservice_cell",
        "plain plain x\tnil",
    ];
    assert_eq!(lines[..3], expected, "{}", ended.stdout);
}

#[test]
fn a_loader_of_the_program_runs_in_services_that_have_no_file() {
    let scratch = with_services_of_the_hosts_own("skynet_loader_own");
    scratch.file(
        "config",
        "luaservice = './?.lua'\nsnax = './?.lua'\npreload = './first.lua'\n\
         lualoader = './load.lua'\n",
    );
    let loader = |find: &str| {
        format!(
            "local words = {{}}
            for word in (...):gmatch '%S+' do words[#words + 1] = word end
            SERVICE_NAME, LOADED = words[1], (...)
            package.path = LUA_PATH
            {find}
            assert(loadfile(LUA_PRELOAD))(table.unpack(words))
            LUA_SERVICE, LUA_PRELOAD, LUA_PATH, LUA_CPATH = nil
            main(table.unpack(words, 2))"
        )
    };
    scratch.file("load.lua", &loader("local main = assert(loadfile('./' .. words[1] .. '.lua'))"));
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let expected = "snaxd snaxd room\troom\n\
                    service_cell service_cell town 2 b\tservice_cell\n\
                    plain plain x\tplain x\nmain\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    // What is not found runs without the file that comes first.
    let by_search =
        "local main = assert(loadfile(assert(package.searchpath(words[1], LUA_SERVICE))))";
    scratch.file("load.lua", &loader(by_search));
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let expected = "nil\troom\n 2 b\tservice_cell\nplain plain x\tplain x\nmain\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
}

#[test]
fn settings_that_look_wrong_are_named_in_the_one_warning() {
    let scratch = scratch("skynet_misspelt", "skynet.abort()");
    let config = "start = 'main'\nluaservice = './?.lua'\nthred = 9\nthread = 'abc'\n\
                  fancy = 3\ndaemon = './pid'\n";
    scratch.file("config", config);
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    let told = "perhaps misspelt: thred (thread?); not understood: thread = abc \
                (a number from 1 to 1024 is expected); without effect here: daemon; \
                unknown here, read by programs through skynet.getenv: fancy";
    assert!(lines[0].ends_with(told), "{}", ended.stderr);
}

#[test]
fn settings_of_the_program_alone_are_named_in_the_one_warning() {
    let main = "print(skynet.getenv 'foo', skynet.getenv 'bar', skynet.getenv 'logpath')
        skynet.abort()";
    let scratch = scratch("skynet_unknown", main);
    let config = "foo = 1\nstart = 'main'\nluaservice = './?.lua'\nlogpath = '.'\nbar = 'x'\n";
    scratch.file("config", config);
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(0);
    assert_eq!(ended.stdout, "1\tx\t.\n");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    let told = "settings for skynet unknown here, read by programs through skynet.getenv: bar, foo";
    assert!(lines[0].ends_with(told), "{}", ended.stderr);
}

#[test]
fn a_directory_in_the_place_of_a_configuration_is_named_as_one() {
    let scratch = Scratch::new("skynet_directory");
    let ended = scratch.run(["run", "--compat", "skynet", "."]).expect_code(2);
    assert!(ended.stderr.starts_with("error: . is a directory\nhint: "), "{}", ended.stderr);
}

#[test]
fn a_configuration_that_cannot_be_read_is_wrong_usage() {
    let scratch = Scratch::new("skynet_no_config");
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(2);
    assert!(ended.stderr.contains("config: No such file"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
}

#[test]
fn a_log_file_that_cannot_be_opened_is_wrong_usage_and_told_once() {
    let scratch = scratch("skynet_no_log", "skynet.abort()");
    scratch.file("config", "start = 'main'\nluaservice = './?.lua'\nlogger = './no/host.log'\n");
    let ended = scratch.run(["run", "--compat", "skynet", "config"]).expect_code(2);
    let told =
        "error: cannot open the log file ./no/host.log: No such file or directory (os error 2)";
    assert_eq!(ended.stderr.trim_end(), told);
}

#[test]
fn the_host_lives_on_when_the_main_service_is_killed() {
    let main = "local mode, victim = ...
        skynet.start(function()
          if mode ~= 'worker' then
            skynet.newservice('main', 'worker', skynet.self())
            return
          end
          skynet.timeout(1, function()
            skynet.kill(tonumber(victim))
            print(pcall(skynet.call, tonumber(victim), 'lua') == false)
            skynet.exit()
          end)
        end)";
    let ended = scratch("skynet_main_killed", main).run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "true\n");
}

#[test]
fn abort_closes_nothing_but_what_the_running_task_leaves() {
    let main = "local function on_close(name)
          return setmetatable({}, { __close = function() print(name) end })
        end
        skynet.start(function()
          local _ <close> = on_close 'running'
          skynet.fork(function()
            local _ <close> = on_close 'waiting'
            skynet.wait()
          end)
          skynet.yield()
          skynet.abort()
          print 'goes on'
        end)";
    let ended = scratch("skynet_abort_closes", main).run(["run", "main.lua"]).expect_code(0);
    assert_eq!(ended.stdout, "goes on\nrunning\n");
}

#[test]
fn a_monitor_is_not_told_of_the_end_of_the_host() {
    let main = "skynet.start(function()
          skynet.monitor 'monitor'
          for _ = 1, 9 do skynet.newservice 'waits' end
          skynet.kill(skynet.newservice 'waits')
          skynet.sleep(1)
          skynet.abort()
        end)";
    let scratch = scratch("skynet_monitor_abort", main);
    scratch.file("waits.lua", &format!("{SKYNET}skynet.start(function() end)"));
    scratch.file(
        "monitor.lua",
        &format!(
            "{SKYNET}skynet.register_protocol {{
              name = 'client', id = skynet.PTYPE_CLIENT,
              unpack = function() end,
              dispatch = function() print 'dead' end,
            }}
            skynet.start(function() end)"
        ),
    );
    assert_eq!(scratch.run(["run", "main.lua"]).expect_code(0).stdout, "dead\n");
}

/// The third interruption of a turn ends the service, so the limits are about half of what the load
/// takes; where it meets the code is not known, so there are several.
#[test]
fn a_load_of_data_that_is_interrupted_leaves_the_code_cache_as_it_was() {
    let main = "local cache, sharetable = require 'cache', require 'skynet.sharetable'
        skynet.start(function()
          print((pcall(sharetable.loadfile, 'rows')), cache.mode())
          skynet.abort()
        end)";
    let scratch = scratch("skynet_interrupted_load", main);
    let rows = "{ id = 1, list = { 1, 2, 3 } },\n".repeat(300_000);
    scratch.file("rows", &format!("return {{ {rows} }}"));
    scratch.file(
        "time.lua",
        "require('cache').mode 'OFF' loadfile 'rows' print(os.clock() * 500 // 1 | 0)",
    );
    let half_ms: u64 =
        scratch.run(["run", "time.lua"]).expect_code(0).stdout.trim().parse().unwrap();
    let is_interrupted = |tenths: u64| {
        let limit = format!("{}ms", half_ms * tenths / 10);
        let ended = scratch.run(["run", "--turn-limit", &limit, "main.lua"]);
        assert!(!ended.stdout.contains("OFF"), "{}", ended.stdout);
        ended.stdout == "false\tON\n"
    };
    let interrupted = (5..16).filter(|tenths| is_interrupted(*tenths)).count();
    assert!(interrupted > 0, "no load was interrupted once or twice");
}

#[test]
fn a_loop_of_a_service_that_skynet_kill_has_ended_lets_go_of_its_thread_soon() {
    let main = "local hive = require 'hive'
        local mode, main = ...
        if mode == 'loop' then
          skynet.start(function()
            skynet.timeout(1, function()
              skynet.send(main, 'lua')
              while true do end
            end)
          end)
          return
        end
        skynet.start(function()
          local loops, ended = coroutine.running(), {}
          skynet.dispatch('lua', function() skynet.wakeup(loops) end)
          local victim = skynet.newservice('main', 'loop', skynet.self())
          hive.monitor(hive.find(skynet.address(victim)), function() skynet.wakeup(ended) end)
          skynet.wait()
          skynet.kill(victim)
          skynet.wait(ended)
          print 'ended'
          skynet.abort()
        end)";
    let arguments = ["run", "--threads", "2", "--turn-limit", "0s", "main.lua"];
    let ended = scratch("skynet_kill_loop", main).run(arguments).expect_code(0);
    assert_eq!(ended.stdout, "ended\n", "{}", ended.stderr);
}
