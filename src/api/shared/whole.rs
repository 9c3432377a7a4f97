//! Methods for a whole dictionary: flushing, enumerating, figures, checking, repair.

use std::sync::Arc;

use moonhive_shm::{Cursor, Error, Item, Usage};

use super::arguments::unexpected;
use super::dict::{Dict, dict};
use super::errand::{self, Report};
use super::failure::{bad, raise};
use super::registry::Opened;
use crate::vm::{Counted, Kind, Native, NativeResult, Outcome, Raise, Stack};

pub(super) const METHODS: [(&str, Native); 10] = [
    ("capacity", Native::new(capacity)),
    ("check", Native::new(check)),
    ("flush_all", Native::new(flush_all)),
    ("flush_expired", Native::new(flush_expired)),
    ("free_space", Native::new(free_space)),
    ("get_keys", Native::new(get_keys)),
    ("name", Native::new(name)),
    ("repair", Native::new(repair)),
    ("stats", Native::new(stats)),
    ("sync", Native::new(sync)),
];

/// For the Lua half.
pub(super) const NATIVES: [(&str, Native); 3] = [
    ("is_dict", Native::new(is_dict)),
    ("measure", Native::new(measure)),
    ("scan", Native::new(scan)),
];

/// Keys that `get_keys` returns unless told otherwise.
const KEYS_USUAL: usize = 1024;

/// Keys that one step of a walk asks for.
const STEP_KEYS: usize = 1024;

/// Buckets that one step of a measurement covers.
const STEP_BUCKETS: u64 = 1024;

/// `flush_all()`: every entry ends; nothing is returned.
fn flush_all(stack: &mut Stack<'_>) -> NativeResult {
    let flushed = flush(dict(stack)?);
    flushed.map_err(|error| raise(stack, &error))?;
    Ok(Outcome::Return(0))
}

fn flush(dict: &Opened) -> Result<(), Error> {
    dict.flush_all()?;
    dict.tidy_flushed();
    Ok(())
}

/// `flush_expired([max])`: how many were given back.
fn flush_expired(stack: &mut Stack<'_>) -> NativeResult {
    check_count(stack)?;
    let most = match limit(stack)? {
        Some(most) if most > 0 => most as u64,
        _ => u64::MAX,
    };
    match dict(stack)?.flush_expired(most) {
        Ok(freed) => stack.push_integer(freed as i64),
        Err(error) => return Err(raise(stack, &error)),
    }
    Ok(Outcome::Return(1))
}

/// `get_keys([max])`: keys in a table, least recently used first.
fn get_keys(stack: &mut Stack<'_>) -> NativeResult {
    check_count(stack)?;
    let most = match limit(stack)? {
        None => KEYS_USUAL,
        Some(most) => usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(usize::MAX),
    };
    let opened = opened(stack)?;
    let mut room = Counted::new(stack);
    let keys = keys(stack, &opened, most, &mut room)?;
    push_keys(stack, &keys)?;
    Ok(Outcome::Return(1))
}

/// The argument of the two above: a number whose fraction is cut, of which a C int is left.
fn limit(stack: &Stack<'_>) -> Result<Option<i64>, Raise> {
    if stack.top() < 2 {
        return Ok(None);
    }
    let most = stack.number(2).ok_or_else(|| unexpected(stack, 2, "number"))?;
    Ok(Some(i64::from(most as i64 as i32)))
}

fn check_count(stack: &Stack<'_>) -> Result<(), Raise> {
    match stack.top() {
        1 | 2 if stack.userdata::<Dict>(1).is_none() => Err(no_dict(stack)),
        1 | 2 => Ok(()),
        seen => Err(Raise::message(format!("expecting 1 or 2 argument(s), but saw {seen}"))),
    }
}

#[cold]
fn no_dict(stack: &Stack<'_>) -> Raise {
    match stack.kind(1) {
        Kind::Table => Raise::message("bad user data for the ngx_shm_zone_t pointer"),
        _ => unexpected(stack, 1, "table"),
    }
}

/// Keys in order of use where a dictionary knows it exactly; a large one need not be walked to its
/// end for a few keys.
fn keys(
    stack: &mut Stack<'_>,
    dict: &Opened,
    most: usize,
    room: &mut Counted<'_>,
) -> Result<Vec<Item>, Raise> {
    if !dict.is_exact() {
        let mut items = walk(stack, dict, most, room)?;
        items.truncate(most);
        return Ok(items);
    }
    let mut items = walk(stack, dict, usize::MAX, room)?;
    items.sort_by_key(|item| std::cmp::Reverse(item.age));
    items.truncate(most);
    Ok(items)
}

/// Live entries, at least `most` if there are so many. A dictionary may hold more keys than the VM
/// may.
fn walk(
    stack: &mut Stack<'_>,
    dict: &Opened,
    most: usize,
    room: &mut Counted<'_>,
) -> Result<Vec<Item>, Raise> {
    let (mut found, mut next) = (Vec::new(), Some(Cursor::default()));
    while let Some(cursor) = next.filter(|_| found.len() < most) {
        let step = dict.dictionary.items(cursor, STEP_KEYS.min(most - found.len()));
        let (items, then) = step.map_err(|error| raise(stack, &error))?;
        let bytes: usize = items.iter().map(|item| item.key.len() + size_of::<Item>()).sum();
        room.set(stack, room.bytes() + bytes)?;
        found.extend(items);
        next = then;
    }
    Ok(found)
}

fn push_keys(stack: &mut Stack<'_>, items: &[Item]) -> Result<(), Raise> {
    stack.push_table(items.len(), 0);
    for (position, item) in (1..).zip(items) {
        stack.check_memory()?;
        stack.push_bytes(&item.key);
        stack.raw_set_item(-2, position);
    }
    Ok(())
}

/// `is_dict(value)`.
fn is_dict(stack: &mut Stack<'_>) -> NativeResult {
    let is_dict = stack.userdata::<Dict>(1).is_some();
    stack.push_bool(is_dict);
    Ok(Outcome::Return(1))
}

/// `scan(dict, cursor, wanted, prefix)`: some keys, and the cursor of the next step or nil.
fn scan(stack: &mut Stack<'_>) -> NativeResult {
    let cursor = Cursor::from_number(stack.check_integer(2)? as u64);
    let wanted = usize::try_from(stack.check_integer(3)?).unwrap_or(STEP_KEYS);
    let prefix = stack.optional_bytes(4)?.unwrap_or_default();
    let scanned = dict(stack)?.dictionary.items_with_prefix(prefix, cursor, wanted);
    let (items, next) = scanned.map_err(|error| raise(stack, &error))?;
    push_keys(stack, &items)?;
    match next {
        Some(next) => stack.push_integer(next.to_number() as i64),
        None => stack.push_nil(),
    }
    Ok(Outcome::Return(2))
}

fn capacity(stack: &mut Stack<'_>) -> NativeResult {
    let bytes = dict(stack)?.capacity_bytes();
    stack.push_integer(bytes as i64);
    Ok(Outcome::Return(1))
}

fn free_space(stack: &mut Stack<'_>) -> NativeResult {
    let bytes = dict(stack)?.free_bytes();
    stack.push_integer(bytes as i64);
    Ok(Outcome::Return(1))
}

fn name(stack: &mut Stack<'_>) -> NativeResult {
    let name = dict(stack)?.name().to_owned();
    stack.push_str(&name);
    Ok(Outcome::Return(1))
}

/// `stats()`: see [`Statistics`].
fn stats(stack: &mut Stack<'_>) -> NativeResult {
    let figures = dict(stack)?.statistics().figures();
    errand::push_figures(stack, &figures);
    Ok(Outcome::Return(1))
}

/// `measure(dict)`: what the bytes hold, see [`Usage`]. Walks through all entries.
fn measure(stack: &mut Stack<'_>) -> NativeResult {
    let opened = opened(stack)?;
    errand::perform(stack, move |is_wanted| {
        let (mut usage, mut next) = (Usage::default(), Some(Cursor::default()));
        while let Some(cursor) = next.filter(|_| is_wanted()) {
            next = opened.measure(cursor, STEP_BUCKETS, &mut usage)?;
        }
        Ok(Report::Figures(usage.figures().to_vec()))
    })
}

/// `check()`: what does not hold, each as a sentence; an empty table if all is well.
fn check(stack: &mut Stack<'_>) -> NativeResult {
    let opened = opened(stack)?;
    errand::perform(stack, move |is_wanted| {
        let mut findings = Vec::new();
        for shard in (0..opened.shards()).take_while(|_| is_wanted()) {
            findings.extend(opened.check_shard(shard)?);
        }
        Ok(Report::Findings(findings))
    })
}

/// `repair()`: true.
fn repair(stack: &mut Stack<'_>) -> NativeResult {
    let opened = opened(stack)?;
    errand::perform(stack, move |is_wanted| {
        for shard in (0..opened.shards()).take_while(|_| is_wanted()) {
            opened.repair_shard(shard)?;
        }
        Ok(Report::Done)
    })
}

/// What a thread does something for, for as long as that takes.
fn opened(stack: &Stack<'_>) -> Result<Arc<Opened>, Raise> {
    Ok(stack.userdata::<Dict>(1).ok_or_else(|| bad("zone"))?.0.clone())
}

/// `sync()`: true once all of it is on the disk.
fn sync(stack: &mut Stack<'_>) -> NativeResult {
    let opened = opened(stack)?;
    errand::send(stack, move |_| {
        opened.sync()?;
        Ok(Report::Done)
    })
}
