//! Services that sleep keep neither code nor shared tables that were replaced, nor their strings:
//! the host asks them.

use std::fs;
use std::time::{Duration, Instant};

use moonhive::actor::{Host, ServiceId, Spawn};

/// A test that takes longer hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Loads one version of a module after the other, each with names of its own; returns the most that
/// ever waited in limbo, and how many strings were freed meanwhile.
const RELOADER: &str = r#"
local hive = require "hive"
local cache = require "cache"
local directory = ...
local file = directory .. "/reloaded.lua"

local function write(round)
  local out = assert(io.open(file, "w"))
  out:write("return {\n")
  for i = 1, 200 do
    out:write(("name_%d_in_round_%d = %d,\n"):format(i, round, i))
  end
  out:write("}\n")
  out:close()
end

return {
  run = function(rounds)
    local freed, most = cache.stats().shared.freed_strings, 0
    for round = 1, rounds do
      write(round)
      cache.clear(file)
      package.loaded.reloaded = nil
      assert(require("reloaded")["name_7_in_round_" .. round] == 7)
      collectgarbage()
      hive.sleep(0.005)
      most = math.max(most, cache.stats().shared.limbo_bytes)
    end
    return most, cache.stats().shared.freed_strings - freed
  end,
}
"#;

#[test]
fn strings_of_replaced_code_are_freed_while_other_services_sleep() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let path = directory.path().to_str().expect("a path in UTF-8").to_owned();
    let host = Host::builder().threads(2).path(&path).build().expect("a host");
    for sleeper in 0..20 {
        let text = "local names = { 'sleeper' }; return { ping = function() return names end }";
        host.spawn(Spawn::text(format!("sleeper{sleeper}"), text), ()).expect("a sleeper");
    }
    let reloader = host.spawn(Spawn::text("reloader", RELOADER), (path,)).expect("the reloader");
    let (most, freed): (u64, u64) = host.call(reloader, "run", (100,)).expect("all rounds");
    // A round brings about 20 KiB of names; 64 KiB in limbo begin a census.
    assert!(most < 512 * 1024, "{most} bytes waited");
    assert!(freed > 10_000, "{freed} strings were freed");
    host.shutdown();
}

/// Loads a module and forgets it; keeps one of its functions if told so. Then it sleeps.
const SLEEPER: &str = r#"
local keeps = ...
local module = require "replaced"
package.loaded.replaced = nil
local answer = keeps and module.answer or nil
return { answer = function() return answer() end }
"#;

/// Clears a file from the cache, and tells how many retired versions are in use and by how many
/// VMs.
const CLEARER: &str = r#"
local cache = require "cache"
return {
  clear = cache.clear,
  retired = function()
    local totals = cache.stats()
    return #totals.retired, totals.totals.retired_users
  end,
}
"#;

/// A host with a module of that name, and a service that clears the cache.
fn host_with(directory: &tempfile::TempDir, module: &str) -> (Host, ServiceId) {
    fs::write(directory.path().join("replaced.lua"), module).expect("a module");
    let host = Host::builder().threads(2).path(directory.path()).build().expect("a host");
    let clearer = host.spawn(Spawn::text("clearer", CLEARER), ()).expect("the clearer");
    (host, clearer)
}

/// Asks until so many retired versions are there, used by so many VMs. (The last one to use a
/// version gives it back before it is freed.)
fn wait_for(host: &Host, clearer: ServiceId, expected: (u64, u64)) {
    let began = Instant::now();
    loop {
        let (versions, users): (u64, u64) = host.call(clearer, "retired", ()).expect("figures");
        if (versions, users) == expected {
            return;
        }
        assert!(began.elapsed() < WATCHDOG, "{users} users of {versions} retired versions");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn replaced_code_is_freed_while_the_services_that_used_it_sleep() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (host, clearer) = host_with(&directory, "return { answer = function() return 42 end }");
    for _ in 0..40 {
        host.spawn(Spawn::text("sleeper", SLEEPER), (false,)).expect("a sleeper");
    }
    let keeper = host.spawn(Spawn::text("keeper", SLEEPER), (true,)).expect("the keeper");
    let file = directory.path().join("replaced.lua");
    assert_eq!(host.call::<u64>(clearer, "clear", (&file,)).expect("it is cached"), 1);
    let (versions, users): (u64, u64) = host.call(clearer, "retired", ()).expect("figures");
    assert!(versions == 1 && users > 20, "{users} users of {versions} retired versions");
    wait_for(&host, clearer, (1, 1));
    assert_eq!(host.call::<i64>(keeper, "answer", ()).expect("an answer"), 42);
    host.kill(keeper, "by the test");
    wait_for(&host, clearer, (0, 0));
    host.shutdown();
}

/// Takes a shared table and forgets it. Then it sleeps.
const READER: &str = r#"
local first = require("hive").share.get("replaced").list[1]
return { first = function() return first end }
"#;

/// Publishes a table, and tells how many tables of the process were freed.
const PUBLISHER: &str = r#"
local hive = require "hive"
return {
  publish = function(n) hive.share.publish("replaced", { list = { n } }) end,
  freed = function() return require("cache").stats().shared.freed_tables end,
}
"#;

#[test]
fn replaced_tables_are_freed_while_the_services_that_read_them_sleep() {
    let host = Host::builder().threads(2).build().expect("a host");
    let publisher = host.spawn(Spawn::text("publisher", PUBLISHER), ()).expect("the publisher");
    host.call::<()>(publisher, "publish", (7,)).expect("a publication");
    for _ in 0..40 {
        host.spawn(Spawn::text("reader", READER), ()).expect("a reader");
    }
    let freed = || host.call::<u64>(publisher, "freed", ()).expect("figures");
    let before = freed();
    host.call::<()>(publisher, "publish", (8,)).expect("a publication");
    let began = Instant::now();
    while freed() == before {
        assert!(began.elapsed() < WATCHDOG, "the first version is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    host.shutdown();
}
