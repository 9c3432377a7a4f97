//! The natives under `hive.share`: publishing tables, getting them by name, modules run once for
//! the host.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::actor::State;
use crate::share::{Claim, Loaded, Module, ShareError, TableStats};
use crate::vm::{Kind, LoadMode, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const NATIVES: [(&str, Native); 8] = [
    ("drop", Native::new(drop_name)),
    ("get", Native::new(get)),
    ("is", Native::new(is)),
    ("publish", Native::new(publish)),
    ("replace", Native::new(replace)),
    ("run", Native::new(run)),
    ("stats", Native::new(stats)),
    ("version", Native::new(version)),
];

/// Loads of a module's code until its version is the same before and after.
const LOADS_MAX: u32 = 8;

/// `publish(name, table)`: the number of the version.
fn publish(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let name = name(stack)?.to_owned();
    if stack.kind(2) != Kind::Table {
        return Err(stack.type_error(2, "table"));
    }
    let image = stack.share_table(2, &name).map_err(raise)?;
    let number = state.core.shared.publish(&name, image).map_err(raise)?;
    stack.push_integer(number as i64);
    Ok(Outcome::Return(1))
}

/// `get(name)`: the table and the number of its version, or nil.
fn get(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let Some(version) = state.core.shared.current(stack.check_str(1)?) else {
        stack.push_nil();
        return Ok(Outcome::Return(1));
    };
    stack.push_shared(&version.image)?;
    stack.push_integer(version.number as i64);
    Ok(Outcome::Return(2))
}

/// `version(name)`: its number, or nil.
fn version(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    match state.core.shared.current(stack.check_str(1)?) {
        Some(version) => stack.push_integer(version.number as i64),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(1))
}

/// `drop(name)`: false if it stood for nothing.
fn drop_name(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let was_there = state.core.shared.drop_name(stack.check_str(1)?);
    stack.push_bool(was_there);
    Ok(Outcome::Return(1))
}

/// `is(value)`: whether it is a shared table.
fn is(stack: &mut Stack<'_>) -> NativeResult {
    let is_shared = stack.is_shared(1);
    stack.push_bool(is_shared);
    Ok(Outcome::Return(1))
}

/// `replace(map)`: the number of references replaced.
fn replace(stack: &mut Stack<'_>) -> NativeResult {
    if stack.kind(1) != Kind::Table {
        return Err(stack.type_error(1, "table"));
    }
    let count = stack.replace_shared(1)?;
    stack.push_integer(count as i64);
    Ok(Outcome::Return(1))
}

/// `stats()`: see [`crate::share::SharedStats`].
fn stats(stack: &mut Stack<'_>) -> NativeResult {
    let stats = State::of(stack)?.core.shared_stats();
    stack.push_table(0, 3);
    push_tables(stack, &stats.tables);
    stack.raw_set_field(-2, "tables");
    push_tables(stack, &stats.modules);
    stack.raw_set_field(-2, "modules");
    stack.push_integer(stats.size_bytes() as i64);
    stack.raw_set_field(-2, "size_bytes");
    Ok(Outcome::Return(1))
}

fn push_tables(stack: &mut Stack<'_>, tables: &[TableStats]) {
    stack.push_table(tables.len(), 0);
    for (position, table) in (1..).zip(tables) {
        let figures = [
            ("version", table.version),
            ("size_bytes", table.size_bytes as u64),
            ("tables", table.tables as u64),
            ("users", table.users as u64),
        ];
        stack.push_table(0, figures.len() + 1);
        stack.push_str(&table.name);
        stack.raw_set_field(-2, "name");
        for (name, figure) in figures {
            stack.push_integer(figure as i64);
            stack.raw_set_field(-2, name);
        }
        stack.raw_set_item(-2, position);
    }
}

/// `run(path, name)`: the result of the module, run here if no service has done so.
fn run(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    let name = stack.check_str(2)?.to_owned();
    let file = Path::new(OsStr::from_bytes(stack.check_bytes(1)?)).to_owned();
    let path = file.canonicalize().unwrap_or_else(|_| file.clone());
    let version = stack.code_version(&file);
    let vm = state.service.address().number();
    let module = match state.core.shared_modules.fetch(&path, version, vm).map_err(raise)? {
        Loaded::Ready(module) => module,
        Loaded::Claimed(claim) => run_claimed(stack, claim, &file, &name)?,
    };
    stack.push_shared(&module.image)?;
    if module.is_wrapped {
        stack.raw_get_item(-1, 1);
    }
    Ok(Outcome::Return(1))
}

/// Runs the module whose path and name are the arguments, and shares what it returns.
fn run_claimed(
    stack: &mut Stack<'_>,
    claim: Claim<'_>,
    file: &Path,
    name: &str,
) -> Result<std::sync::Arc<Module>, Raise> {
    let version = load(stack, file)?;
    stack.push_value(2);
    stack.push_value(1);
    stack.call(2, 1)?;
    let is_wrapped = match stack.kind(-1) {
        Kind::Table => false,
        Kind::String | Kind::Number | Kind::Boolean => true,
        _ => {
            let reason = format!("it returns {}", stack.kind(-1).name());
            return Err(raise(ShareError::RefusedModule { name: name.to_owned(), reason }));
        }
    };
    if is_wrapped {
        stack.push_table(1, 0);
        stack.push_value(-2);
        stack.raw_set_item(-2, 1);
    }
    let image = stack.share_module(-1, name).map_err(raise)?;
    Ok(claim.settle(Module { version, image, is_wrapped }))
}

/// Pushes the main function of a file, and tells the version of its code. It may be replaced at any
/// moment; code that was loaded between two equal answers is of that version.
fn load(stack: &mut Stack<'_>, file: &Path) -> Result<Option<u64>, Raise> {
    let mut before = stack.code_version(file);
    for _ in 0..LOADS_MAX {
        stack.load_file(file, LoadMode::Any)?;
        let after = stack.code_version(file);
        if before == after {
            return Ok(after);
        }
        stack.pop(1);
        before = after;
    }
    stack.load_file(file, LoadMode::Any)?;
    Ok(None)
}

fn name<'a>(stack: &'a Stack<'_>) -> Result<&'a str, Raise> {
    stack.check_str(1)
}

fn raise(error: ShareError) -> Raise {
    Raise::message(error.to_string())
}
