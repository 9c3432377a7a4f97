//! The Lua module `cache`: a VM's mode, clearing, and figures of the code cache.
//!
//! It is `skynet.codecache` as well. `lua/meta/cache.lua` documents it for editors.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::code::{CacheStats, ChunkStats, CodeClient, Mode, ShareStats, Totals};
use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

/// Makes the module's table.
pub const OPEN: Native = Native::new(open);

const FUNCTIONS: &[(&str, Native)] = &[
    ("clear", Native::new(clear)),
    ("loadfile", Native::LOAD_FILE),
    ("mode", Native::new(mode)),
    ("reload", Native::new(reload)),
    ("stats", Native::new(stats)),
];

fn open(stack: &mut Stack<'_>) -> NativeResult {
    stack.push_table(0, FUNCTIONS.len());
    stack.set_natives(FUNCTIONS);
    Ok(Outcome::Return(1))
}

/// `cache.mode()` tells the VM's mode; `cache.mode(name)` changes it and tells the previous one.
fn mode(stack: &mut Stack<'_>) -> NativeResult {
    let client = client(stack)?;
    let previous = match stack.optional_bytes(1)? {
        None => client.mode(),
        Some(name) => {
            let mode = String::from_utf8_lossy(name).parse::<Mode>();
            client.set_mode(mode.map_err(|error| Raise::argument(1, error.to_string()))?)
        }
    };
    stack.push_str(previous.name());
    Ok(Outcome::Return(1))
}

/// `cache.clear()` and `cache.clear(path)`: how many versions were retired.
fn clear(stack: &mut Stack<'_>) -> NativeResult {
    let cache = client(stack)?.cache();
    let retired = match stack.optional_bytes(1)? {
        None => cache.clear(),
        Some(path) => cache.clear_chunk(path_of(path)),
    };
    stack.push_integer(retired as i64);
    Ok(Outcome::Return(1))
}

/// `cache.reload(path)`: the number of the new version, or nil and why there is none.
fn reload(stack: &mut Stack<'_>) -> NativeResult {
    let path = path_of(stack.check_bytes(1)?).to_owned();
    match stack.reload_code(&path).ok_or_else(no_cache)? {
        Ok(version) => {
            stack.push_integer(version as i64);
            Ok(Outcome::Return(1))
        }
        Err(error) => {
            stack.push_nil();
            stack.push_str(&error.to_string());
            Ok(Outcome::Return(2))
        }
    }
}

/// `cache.stats()`: see [`CacheStats`].
fn stats(stack: &mut Stack<'_>) -> NativeResult {
    let CacheStats { chunks, retired, totals, shared, .. } = client(stack)?.cache().stats();
    stack.push_table(0, 4);
    push_chunks(stack, &chunks);
    stack.raw_set_field(-2, "chunks");
    push_chunks(stack, &retired);
    stack.raw_set_field(-2, "retired");
    push_totals(stack, &totals);
    stack.raw_set_field(-2, "totals");
    push_shared(stack, &shared);
    stack.raw_set_field(-2, "shared");
    Ok(Outcome::Return(1))
}

fn push_chunks(stack: &mut Stack<'_>, chunks: &[ChunkStats]) {
    stack.push_table(chunks.len(), 0);
    for (position, chunk) in (1..).zip(chunks) {
        push_chunk(stack, chunk);
        stack.raw_set_item(-2, position);
    }
}

fn push_chunk(stack: &mut Stack<'_>, chunk: &ChunkStats) {
    let figures = [
        ("version", chunk.version),
        ("size_bytes", chunk.size_bytes as u64),
        ("users", chunk.users as u64),
        ("hits", chunk.hits),
        ("compile_time_ns", u64::try_from(chunk.compile_time.as_nanos()).unwrap_or(u64::MAX)),
    ];
    stack.push_table(0, figures.len() + 2);
    stack.push_str(&chunk.name);
    stack.raw_set_field(-2, "name");
    stack.push_bool(chunk.compat_54);
    stack.raw_set_field(-2, "compat_54");
    push_figures(stack, &figures);
}

fn push_totals(stack: &mut Stack<'_>, totals: &Totals) {
    let figures = [
        ("size_bytes", totals.size_bytes as u64),
        ("retired_bytes", totals.retired_bytes as u64),
        ("retired_users", totals.retired_users as u64),
        ("hits", totals.hits),
        ("compiled", totals.compiled),
        ("failed", totals.failed),
        ("waited", totals.waited),
        ("private", totals.private),
    ];
    stack.push_table(0, figures.len());
    push_figures(stack, &figures);
}

fn push_shared(stack: &mut Stack<'_>, shared: &ShareStats) {
    let figures = [
        ("images", shared.images),
        ("image_bytes", shared.image_bytes),
        ("strings", shared.strings),
        ("string_bytes", shared.string_bytes),
        ("limbo", shared.limbo),
        ("limbo_bytes", shared.limbo_bytes),
        ("freed_images", shared.freed_images),
        ("freed_strings", shared.freed_strings),
        ("thin_clones", shared.thin_clones),
        ("tables", shared.shares),
        ("table_bytes", shared.share_bytes),
        ("freed_tables", shared.freed_shares),
        ("replacements", shared.replacements),
    ];
    stack.push_table(0, figures.len());
    push_figures(stack, &figures.map(|(name, figure)| (name, figure as u64)));
}

/// Stores figures in the table on top of the stack.
fn push_figures(stack: &mut Stack<'_>, figures: &[(&str, u64)]) {
    for &(name, figure) in figures {
        stack.push_integer(i64::try_from(figure).unwrap_or(i64::MAX));
        stack.raw_set_field(-2, name);
    }
}

fn client<'vm>(stack: &Stack<'vm>) -> Result<&'vm CodeClient, Raise> {
    stack.code().ok_or_else(no_cache)
}

fn no_cache() -> Raise {
    Raise::message("this VM has no code cache")
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests;
