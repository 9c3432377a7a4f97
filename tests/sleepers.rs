//! Services that sleep do not keep the strings of code that is gone: the host asks them.

use moonhive::actor::{Host, Spawn};

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
