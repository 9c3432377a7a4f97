//! Parts of the module `hive` that most services never use: written in Lua, loaded into a VM when one
//! of their names is first asked for. Until then they cost it nothing; their code is shared anyway.
//!
//! A part's file gets the module and a table of natives that are its own, and adds its functions to
//! the module.

use super::select;
use crate::vm::{Native, NativeResult, Outcome, Stack};

struct Part {
    /// Its name in tracebacks.
    name: &'static str,
    /// The functions that it adds to the module.
    adds: &'static [&'static str],
    text: &'static str,
    natives: &'static [(&'static str, Native)],
}

const PARTS: [Part; 1] = [Part {
    name: "hive.select",
    adds: &["gather", "select"],
    text: include_str!("../../../lua/lib/hive/select.lua"),
    natives: &select::NATIVES,
}];

/// Lets the module on top of the stack find its parts.
pub(super) fn attach(stack: &mut Stack<'_>) {
    stack.push_table(0, 1);
    stack.push_native(Native::new(find));
    stack.raw_set_field(-2, "__index");
    stack.set_metatable(-2);
}

/// `__index` of the module: loads the part that adds the name; nil if there is none.
fn find(stack: &mut Stack<'_>) -> NativeResult {
    stack.set_top(2);
    let adds = |part: &&Part| stack.str(2).is_some_and(|name| part.adds.contains(&name));
    let Some(part) = PARTS.iter().find(adds) else {
        stack.push_nil();
        return Ok(Outcome::Return(1));
    };
    stack.load_embedded(part.name, part.text)?;
    stack.push_value(1);
    stack.push_table(0, part.natives.len());
    stack.set_natives(part.natives);
    stack.call(2, 0)?;
    stack.raw_get(1);
    Ok(Outcome::Return(1))
}
