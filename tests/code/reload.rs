//! Rounds of edit, clear and respawn, with VMs that live on and reload in place: every round sees
//! its own version, and memory stays flat. That needs a process to itself: the test runs this
//! program once more, for the rounds alone.
//!
//! The long form, for figures: `cargo test --release --test code -- --ignored --nocapture`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use moonhive::code::CodeCache;
use moonhive::vm::Vm;

use crate::support::{Folder, eval, vm_over};

/// Modules that every round edits.
const MODULES: usize = 3;

/// What resident memory may grow by after the first tenth of the rounds.
const GROWTH_LIMIT_BYTES: usize = 1 << 20;

/// Rounds of the short form and of the long one, and the variable that says how many.
const SHORT: usize = 300;
const LONG: usize = 10_000;
const ROUNDS_VARIABLE: &str = "MOONHIVE_RELOAD_ROUNDS";

/// A module whose functions and constants are of this round alone.
fn module(round: usize, number: usize) -> String {
    let function = |at: usize| {
        format!(
            "function M.f{at}(a) local t = {{}} for i = 1, #a do t[i] = a[i].key_{round}_{at} .. \
             'text {round} {at}' end return t end\n"
        )
    };
    let functions: String = (0..20).map(function).collect();
    format!(
        "local M = {{}}\n{functions}function M.version() return {round} + {number} end\nreturn M\n"
    )
}

/// Requires all modules afresh and returns the sum of their versions.
fn load_all(vm: &mut Vm, folder: &Path) -> usize {
    let script = format!(
        "package.path = {:?} local sum = 0
        for i = 1, {MODULES} do
            package.loaded['m' .. i] = nil
            sum = sum + require('m' .. i).version()
        end
        return sum",
        folder.join("?.lua")
    );
    eval(vm, &script).parse().unwrap()
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// Runs the rounds and returns resident memory after the first tenth and at the end.
fn run_rounds(rounds: usize) -> (usize, usize) {
    let folder = Folder::new();
    let cache = Arc::new(CodeCache::new());
    let mut long_lived = [vm_over(&cache), vm_over(&cache)];
    let (mut warm_bytes, mut first_bytes) = (0, 0);
    for round in 1..=rounds {
        for number in 1..=MODULES {
            folder.write(&format!("m{number}.lua"), &module(round, number));
        }
        let retired = cache.clear();
        assert_eq!(retired, if round == 1 { 0 } else { MODULES });
        let expected = MODULES * round + (1..=MODULES).sum::<usize>();
        for vm in &mut long_lived {
            assert_eq!(load_all(vm, &folder.path("")), expected, "in place, round {round}");
        }
        assert_eq!(load_all(&mut vm_over(&cache), &folder.path("")), expected, "round {round}");
        if round == 1 {
            first_bytes = cache.stats().totals.size_bytes;
        }
        if round == rounds / 10 {
            warm_bytes = resident_bytes();
        }
    }
    let end_bytes = resident_bytes();
    let stats = cache.stats();
    assert!(stats.retired.len() < 50 * MODULES, "{} versions linger", stats.retired.len());
    for vm in &mut long_lived {
        vm.collect();
    }
    let stats = cache.stats();
    assert!(stats.retired.is_empty(), "collected VMs hold old versions");
    assert_eq!((stats.chunks.len(), stats.totals.retired_bytes), (MODULES, 0));
    // Numbers of more digits make longer names, and nothing else.
    let (first, last) = (first_bytes, stats.totals.size_bytes);
    assert!(last < first + first / 4, "{MODULES} modules took {first} bytes, then {last}");
    (warm_bytes, end_bytes)
}

fn check_flat(rounds: usize) {
    let (warm, end) = run_rounds(rounds);
    println!(
        "{rounds} rounds: {} KiB resident after warm-up, {} KiB at the end",
        warm >> 10,
        end >> 10
    );
    assert!(end <= warm + GROWTH_LIMIT_BYTES, "grew from {warm} to {end} bytes");
}

#[test]
fn rounds_of_edit_clear_and_respawn_see_their_own_version_and_leave_memory_flat() {
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "reload::ten_thousand_rounds_leave_resident_memory_flat", "--ignored"])
        .env(ROUNDS_VARIABLE, SHORT.to_string())
        .output()
        .expect("it runs again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "takes a minute, and needs the process for itself; see the top of this file"]
fn ten_thousand_rounds_leave_resident_memory_flat() {
    let rounds = std::env::var(ROUNDS_VARIABLE).ok().and_then(|rounds| rounds.parse().ok());
    check_flat(rounds.unwrap_or(LONG));
}
