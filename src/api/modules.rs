//! The modules that `require` finds without a file, and the searchers that find them.
//!
//! A VM that requires none of them pays for two slots in `package.searchers` and nothing else: the
//! searchers are functions without upvalues over tables of the program, and a module is made when a
//! script first asks for it. `package.preload` stays empty; what a program puts there comes first.
//!
//! There are two tables. `HOST` holds the faces of this host: no file may stand in their way, so
//! they are looked up before the module path. `LIBRARIES` holds libraries that a program could as
//! well bring along itself: they are looked up last, so that its own files win.

use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

#[cfg(feature = "skynet")]
use super::{bson, crypt, lpeg, md5, netpack, sproto};
use super::{cache, hive, shared, skynet};

/// What `require` gives as the second result, where a file's path would be.
const PLACE: &str = ":embedded:";

/// Where our searchers stand: behind `package.preload`, and behind everything else.
const HOST_POSITION: i64 = 2;

/// How a module comes to be.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// A native that returns it.
    Native(Native),
    /// Lua code, shared by all VMs, that returns it.
    Text(&'static str),
}

/// A module by the name that `require` takes.
type Module = (&'static str, Source);

/// Modules that files of the same name do not replace, in the order of their names.
const HOST: &[Module] = &[
    ("compat.ngx", Source::Text(include_str!("../../lua/compat/ngx.lua"))),
    ("compat.ngx.ffi", Source::Text(include_str!("../../lua/compat/ngx/ffi.lua"))),
    ("compat.ngx.types", Source::Text(include_str!("../../lua/compat/ngx/types.lua"))),
    ("hive", Source::Native(hive::OPEN)),
    ("hive.cache", Source::Native(cache::OPEN)),
    ("hive.shared", Source::Native(shared::OPEN)),
    ("skynet", Source::Native(skynet::OPEN)),
    ("skynet.codecache", Source::Native(cache::OPEN)),
    ("skynet.core", Source::Native(skynet::CORE)),
    ("skynet.coroutine", Source::Text(include_str!("../../lua/compat/skynet/coroutine.lua"))),
    ("skynet.datacenter", Source::Text(include_str!("../../lua/compat/skynet/datacenter.lua"))),
    ("skynet.datasheet", Source::Text(include_str!("../../lua/compat/skynet/datasheet.lua"))),
    (
        "skynet.datasheet.builder",
        Source::Text(include_str!("../../lua/compat/skynet/datasheet_builder.lua")),
    ),
    ("skynet.debug", Source::Text(include_str!("../../lua/compat/skynet/debug.lua"))),
    ("skynet.harbor", Source::Text(include_str!("../../lua/compat/skynet/harbor.lua"))),
    ("skynet.inject", Source::Text(include_str!("../../lua/compat/skynet/inject.lua"))),
    ("skynet.manager", Source::Native(skynet::MANAGER)),
    ("skynet.memory", Source::Text(include_str!("../../lua/compat/skynet/memory.lua"))),
    ("skynet.mqueue", Source::Text(include_str!("../../lua/compat/skynet/mqueue.lua"))),
    ("skynet.multicast", Source::Text(include_str!("../../lua/compat/skynet/multicast.lua"))),
    ("skynet.multicast.core", Source::Native(skynet::multicast::OPEN)),
    ("skynet.profile", Source::Native(skynet::PROFILE)),
    ("skynet.queue", Source::Text(include_str!("../../lua/compat/skynet/queue.lua"))),
    ("skynet.record", Source::Text(include_str!("../../lua/compat/skynet/record.lua"))),
    ("skynet.require", Source::Text(include_str!("../../lua/compat/skynet/require.lua"))),
    ("skynet.service", Source::Text(include_str!("../../lua/compat/skynet/service.lua"))),
    ("skynet.service.once", Source::Text(include_str!("../../lua/compat/skynet/once.lua"))),
    ("skynet.sharedata", Source::Text(include_str!("../../lua/compat/skynet/sharedata.lua"))),
    ("skynet.sharedata.file", Source::Text(include_str!("../../lua/compat/skynet/sharefile.lua"))),
    (
        "skynet.sharedata.object",
        Source::Text(include_str!("../../lua/compat/skynet/shareobject.lua")),
    ),
    ("skynet.sharetable", Source::Text(include_str!("../../lua/compat/skynet/sharetable.lua"))),
    ("skynet.snax", Source::Text(include_str!("../../lua/compat/skynet/snax.lua"))),
    ("skynet.snax.loader", Source::Text(include_str!("../../lua/compat/skynet/snax_loader.lua"))),
    ("skynet.stm", Source::Native(skynet::stm::OPEN)),
];

/// Short for `hive.cache` and `hive.shared`, where the program has no file of that name.
const CACHE: Module = ("cache", Source::Native(Native::new(hive_cache)));
const SHARED: Module = ("shared", Source::Native(Native::new(hive_shared)));

/// Modules for programs that do not bring their own, in the order of their names. Those without a
/// point are names of modules from before skynet 1.0, but for the first two.
#[cfg(feature = "skynet")]
const LIBRARIES: &[Module] = &[
    ("bson", Source::Native(bson::OPEN)),
    CACHE,
    ("client.crypt", Source::Native(crypt::OPEN)),
    ("crypt", Source::Text("return require 'skynet.crypt'")),
    ("datacenter", Source::Text("return require 'skynet.datacenter'")),
    ("lpeg", Source::Native(lpeg::OPEN)),
    ("md5", Source::Native(md5::OPEN)),
    ("md5.core", Source::Native(md5::OPEN)),
    ("memory", Source::Text("return require 'skynet.memory'")),
    ("mqueue", Source::Text("return require 'skynet.mqueue'")),
    ("multicast", Source::Text("return require 'skynet.multicast'")),
    ("netpack", Source::Text("return require 'skynet.netpack'")),
    ("profile", Source::Text("return require 'skynet.profile'")),
    ("re", Source::Text(lpeg::RE)),
    SHARED,
    ("sharedata", Source::Text("return require 'skynet.sharedata'")),
    ("sharemap", Source::Text("return require 'skynet.sharemap'")),
    ("skynet.crypt", Source::Native(crypt::OPEN)),
    ("skynet.netpack", Source::Native(netpack::OPEN)),
    ("skynet.sharemap", Source::Text(include_str!("../../lua/compat/skynet/sharemap.lua"))),
    ("snax", Source::Text("return require 'skynet.snax'")),
    ("sproto", Source::Text(sproto::LIBRARY)),
    ("sproto.core", Source::Native(sproto::CORE)),
    ("sprotoloader", Source::Text(sproto::LOADER)),
    ("sprotoparser", Source::Native(sproto::PARSER)),
    ("stm", Source::Text("return require 'skynet.stm'")),
];
#[cfg(not(feature = "skynet"))]
const LIBRARIES: &[Module] = &[CACHE, SHARED];

/// Lets `require` find the modules of Moonhive in a new VM.
pub fn furnish(stack: &mut Stack<'_>) {
    let top = stack.top();
    stack.push_globals();
    stack.raw_get_field(-1, "package");
    stack.raw_get_field(-1, "searchers");
    let searchers = stack.top();
    let last = i64::try_from(stack.raw_len(searchers)).unwrap_or(0);
    for position in (HOST_POSITION..=last).rev() {
        stack.raw_get_item(searchers, position);
        stack.raw_set_item(searchers, position + 1);
    }
    stack.push_native(Native::new(search_host));
    stack.raw_set_item(searchers, HOST_POSITION);
    stack.push_native(Native::new(search_libraries));
    stack.raw_set_item(searchers, last + 2);
    stack.set_top(top);
}

fn search_host(stack: &mut Stack<'_>) -> NativeResult {
    search(stack, HOST)
}

/// The last searcher: for a module of skynet that is absent it says why, behind the places where it
/// was looked for.
fn search_libraries(stack: &mut Stack<'_>) -> NativeResult {
    match stack.str(1).and_then(skynet::absent::module) {
        Some(why) => {
            stack.push_str(why);
            Ok(Outcome::Return(1))
        }
        None => search(stack, LIBRARIES),
    }
}

/// A searcher: the loader of the module and its place, or nothing.
fn search(stack: &mut Stack<'_>, modules: &'static [Module]) -> NativeResult {
    let Some((name, source)) = find(modules, stack.check_bytes(1)?) else {
        return Ok(Outcome::Return(0));
    };
    match source {
        Source::Native(open) => stack.push_native(open),
        Source::Text(text) => stack.load_embedded(name, text).map_err(Raise::error)?,
    }
    stack.push_str(PLACE);
    Ok(Outcome::Return(2))
}

fn hive_cache(stack: &mut Stack<'_>) -> NativeResult {
    require(stack, "hive.cache")
}

fn hive_shared(stack: &mut Stack<'_>) -> NativeResult {
    require(stack, "hive.shared")
}

/// The module of that name, as `require` gives it.
fn require(stack: &mut Stack<'_>, name: &str) -> NativeResult {
    stack.push_globals();
    stack.raw_get_field(-1, "require");
    stack.push_str(name);
    stack.call_or_raise(1, 1)?;
    Ok(Outcome::Return(1))
}

fn find(modules: &'static [Module], name: &[u8]) -> Option<Module> {
    let place = modules.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    Some(modules[place])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::vm::{LoadMode, Vm};

    /// A VM with all modules.
    fn vm() -> Vm {
        let mut vm = Vm::builder().build().unwrap();
        furnish(&mut vm.stack());
        vm
    }

    /// The first result of a script must read as `expected`. For the tests of all modules.
    #[cfg(feature = "skynet")]
    #[track_caller]
    pub(crate) fn check_results(script: &str, expected: &str) {
        let mut vm = vm();
        let mut stack = vm.stack();
        let run = stack
            .load(script.as_bytes(), "=script", LoadMode::Text)
            .and_then(|()| stack.call(0, 1));
        assert!(run.is_ok(), "{script}\nfails: {}", run.unwrap_err().message);
        assert_eq!(stack.text(-1), expected, "{script}");
    }

    fn eval(vm: &mut Vm, script: &str) -> String {
        let mut stack = vm.stack();
        stack.load(script.as_bytes(), "=script", LoadMode::Text).unwrap();
        stack.call(0, 1).unwrap();
        stack.text(-1)
    }

    #[test]
    fn both_tables_are_in_the_order_of_their_names() {
        assert!(HOST.is_sorted_by(|(left, _), (right, _)| left < right));
        assert!(LIBRARIES.is_sorted_by(|(left, _), (right, _)| left < right));
    }

    #[test]
    fn every_module_can_be_required() {
        // Some speak a protocol, which only a service can; this VM runs none.
        let script = "local ok, module = pcall(require, name)
                      local text = tostring(module)
                      return ok and type(module) or text:match 'this VM runs no service$' or text";
        for (name, _) in HOST.iter().chain(LIBRARIES) {
            let found = eval(&mut vm(), &format!("local name = '{name}' {script}"));
            let expected = ["table", "function", "this VM runs no service"];
            assert!(expected.contains(&found.as_str()), "{name}: {found}");
        }
    }

    #[test]
    fn a_module_is_made_once_and_tells_where_it_comes_from() {
        let script = "local one, place = require 'cache'
                      return tostring(one == require 'cache') .. place";
        assert_eq!(eval(&mut vm(), script), "true:embedded:");
    }

    #[test]
    fn an_entry_of_the_program_in_preload_comes_first() {
        let script = "package.preload.cache = function() return 'mine' end
                      return require 'cache'";
        assert_eq!(eval(&mut vm(), script), "mine");
    }

    #[test]
    fn the_files_of_a_program_come_before_the_libraries_and_after_the_host() {
        let script = "local searchers, files = package.searchers, nil
                      for place, searcher in ipairs(searchers) do
                        local found = searcher 'no such module'
                        if found and found:find 'no file' then files = files or place end
                      end
                      return type(searchers[2]('hive.cache')) .. files .. #searchers";
        assert_eq!(eval(&mut vm(), script), "function36");
    }

    #[test]
    fn a_file_of_the_program_stands_for_a_short_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cache.lua"), "return 'mine'").unwrap();
        let script = format!(
            "package.path = '{}/?.lua'
             return require 'cache' .. type(require 'hive.cache') .. type(require 'shared')",
            folder.path().display()
        );
        assert_eq!(eval(&mut vm(), &script), "minetabletable");
    }

    #[test]
    fn an_empty_vm_pays_less_than_for_entries_of_preload() {
        let mut preloaded = Vm::builder().build().unwrap();
        let mut stack = preloaded.stack();
        stack.push_globals();
        stack.raw_get_field(-1, "package");
        stack.raw_get_field(-1, "preload");
        stack.set_natives(&[("cache", cache::OPEN), ("hive", hive::OPEN)]);
        drop(stack);
        let (furnished, preloaded) = (vm().stack().used_bytes(), preloaded.stack().used_bytes());
        assert!(furnished <= preloaded, "{furnished} bytes, preloaded {preloaded}");
    }
}
