//! Parts of the module `hive` that most services never use: loaded into a VM when one of their
//! names is first asked for. Until then they cost it nothing; their code is shared anyway.
//!
//! A part written in Lua gets the module and a table of natives that are its own, and adds its
//! functions to the module.

use super::{group, link, select, share, trace, unique};
use crate::vm::{Native, NativeResult, Outcome, Raise, Stack};

struct Part {
    /// Its name in tracebacks.
    name: &'static str,
    /// The functions that it adds to the module.
    adds: &'static [&'static str],
    /// Nothing for a part that consists of natives.
    text: Option<&'static str>,
    natives: &'static [(&'static str, Native)],
}

const PARTS: [Part; 8] = [
    Part {
        name: "hive.group",
        adds: &["group"],
        text: Some(include_str!("../../../lua/lib/hive/group.lua")),
        natives: &group::NATIVES,
    },
    Part { name: "hive.link", adds: &["link", "unlink"], text: None, natives: &link::NATIVES },
    Part {
        name: "hive.queue",
        adds: &["queue"],
        text: Some(include_str!("../../../lua/lib/hive/queue.lua")),
        natives: &unique::QUEUE,
    },
    Part {
        name: "hive.select",
        adds: &["gather", "select"],
        text: Some(include_str!("../../../lua/lib/hive/select.lua")),
        natives: &select::NATIVES,
    },
    Part {
        name: "hive.share",
        adds: &["share"],
        text: Some(include_str!("../../../lua/lib/hive/share.lua")),
        natives: &share::NATIVES,
    },
    Part {
        name: "hive.supervise",
        adds: &["supervise"],
        text: Some(include_str!("../../../lua/lib/hive/supervise.lua")),
        natives: &[],
    },
    Part {
        name: "hive.trace",
        adds: &["request_id", "trace"],
        text: None,
        natives: &trace::NATIVES,
    },
    Part {
        name: "hive.unique",
        adds: &["unique"],
        text: Some(include_str!("../../../lua/lib/hive/unique.lua")),
        natives: &unique::UNIQUE,
    },
];

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
    load(stack, part)?;
    stack.raw_get(1);
    Ok(Outcome::Return(1))
}

/// Adds a part to the module at index 1.
fn load(stack: &mut Stack<'_>, part: &Part) -> Result<(), Raise> {
    let Some(text) = part.text else {
        stack.push_value(1);
        stack.set_natives(part.natives);
        stack.pop(1);
        return Ok(());
    };
    stack.load_embedded(part.name, text)?;
    stack.push_value(1);
    stack.push_table(0, part.natives.len());
    stack.set_natives(part.natives);
    Ok(stack.call(2, 0)?)
}
