//! What our patches cost: instructions of patched Lua against the same build without patches, by
//! callgrind, which counts the same on a busy machine. Beside them what a miss of the cache costs
//! (compiling aside, making an image, cloning it) against a stock load, and the memory of an empty
//! VM.
//!
//! Each script runs six times on each Lua with seeds of their own, since the seed decides which
//! strings collide; medians are compared. With the cache OFF a script is compiled as in stock Lua,
//! with the cache ON it runs from an image.

mod measure;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::c_program::files_with_ending;
use crate::outcome::{self, Outcome};
use crate::workspace;
use measure::{Lua, Work};

const EXAMPLES: &str = "\
Examples:
  cargo xtask instructions
  cargo xtask instructions --script methods --runs 12";

/// What patched Lua may cost.
const LIMIT: f64 = 1.01;
/// What loading a file may cost when it becomes an image, against a load by stock Lua.
const LOAD_LIMIT: f64 = 0.75;
/// Bytes of Lua memory that an empty VM with all libraries may use.
const MEMORY_LIMIT_BYTES: u64 = 11_776;

/// Counts instructions of patched and stock Lua.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Only these scripts of benches/instructions [default: all].
    #[arg(long = "script", value_name = "NAME")]
    scripts: Vec<String>,
    /// Runs of each script on each Lua.
    #[arg(long, default_value_t = 6)]
    runs: u32,
    /// Seed of the first run; each further run adds one.
    #[arg(long, default_value_t = 1)]
    seed: u32,
}

impl Options {
    fn scripts(&self) -> Result<Vec<PathBuf>> {
        let all = files_with_ending(&folder(), "lua")?;
        let is_wanted = |path: &PathBuf| {
            self.scripts.is_empty() || self.scripts.iter().any(|name| *name == script_name(path))
        };
        Ok(all.into_iter().filter(is_wanted).collect())
    }

    /// The median count of a script.
    fn median(&self, lua: &Lua, work: Work, script: &Path) -> Result<u64> {
        let runs = (self.seed..self.seed + self.runs).map(|seed| lua.count(work, script, seed));
        Ok(median(runs.collect::<Result<_>>()?))
    }
}

fn folder() -> PathBuf {
    workspace::root().join("benches/instructions")
}

fn script_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Counts, prints a table, and fails when a limit is exceeded.
///
/// # Errors
/// When valgrind or a program does not run.
pub fn run(options: &Options) -> Result<ExitCode> {
    let (stock, patched) = (Lua::stock(&folder())?, Lua::patched(&folder())?);
    println!(
        "{:<10} {:>12} {:>12} {:>7} {:>12} {:>7}",
        "script", "stock", "OFF", "ratio", "ON", "ratio"
    );
    let mut outcomes = Vec::new();
    for script in options.scripts()? {
        let base = options.median(&stock, Work::Private, &script)?;
        let off = options.median(&patched, Work::Private, &script)?;
        let on = options.median(&patched, Work::Shared, &script)?;
        let ratios = [off, on].map(|count| count as f64 / base as f64);
        let name = script_name(&script);
        println!("{name:<10} {base:>12} {off:>12} {:>7.4} {on:>12} {:>7.4}", ratios[0], ratios[1]);
        outcomes.extend(ratios.map(|ratio| within(ratio <= LIMIT)));
    }
    outcomes.push(compare_loads(options, &stock, &patched)?);
    outcomes.push(compare_memory(&stock, &patched, options.seed)?);
    Ok(outcome::sum(&outcomes))
}

/// Loads a module of 500 lines as stock Lua does and as a miss of the cache does.
fn compare_loads(options: &Options, stock: &Lua, patched: &Lua) -> Result<Outcome> {
    let folder = workspace::scratch("instructions");
    let module = folder.join("module.lua");
    fs::create_dir_all(&folder).and_then(|()| fs::write(&module, function_module()))?;
    let base = options.median(stock, Work::Load, &module)?;
    let miss = options.median(patched, Work::Image, &module)?;
    let ratio = miss as f64 / base as f64;
    println!(
        "\nloading 500 lines: stock {base}, made an image and cloned {miss}, ratio {ratio:.4}"
    );
    Ok(within(ratio <= LOAD_LIMIT))
}

/// A module of functions, ten lines each, with names and constants of their own.
fn function_module() -> String {
    let function = |at: usize| {
        format!(
            "function M.select_{at}(list, filter, limit)\n\
             \x20 local result, total = {{}}, 0\n\
             \x20 for key, value in pairs(list) do\n\
             \x20   if filter(key, value) and value.score_{at} < limit * {at} then\n\
             \x20     total = total + value.price\n\
             \x20     result[#result + 1] = {{key = key, name = value.name or 'item {at}'}}\n\
             \x20   end\n\
             \x20 end\n\
             \x20 return result, total, string.format('%d of %s', total, M.title)\n\
             end\n"
        )
    };
    let functions: String = (0..49).map(function).collect();
    format!("local M = {{title = 'module'}}\n{functions}return M\n")
}

fn compare_memory(stock: &Lua, patched: &Lua, seed: u32) -> Result<Outcome> {
    let (old, new) = (stock.memory(seed)?, patched.memory(seed)?);
    println!("\nempty VM with all libraries, bytes of Lua memory (as opened / after a collection)");
    println!("stock   {:>6} / {:>6}", old.opened, old.collected);
    println!("patched {:>6} / {:>6} (limit {MEMORY_LIMIT_BYTES})", new.opened, new.collected);
    Ok(within(new.opened <= MEMORY_LIMIT_BYTES))
}

fn within(is_within: bool) -> Outcome {
    if is_within { Outcome::Passed } else { Outcome::Failed }
}

/// The middle of the counts, or the mean of the two in the middle.
fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    let middle = counts.len() / 2;
    match counts.len() {
        0 => 0,
        count if count % 2 == 1 => counts[middle],
        _ => counts[middle - 1].midpoint(counts[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_of_what_was_counted() {
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(vec![9, 1, 5, 7]), 6);
        assert_eq!(median(vec![4]), 4);
        assert_eq!(median(Vec::new()), 0);
    }
}
