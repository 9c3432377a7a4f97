//! Arguments that several functions of `hive` take: services, spans of time, option tables.

use std::sync::Arc;
use std::time::Duration;

use super::failure;
use crate::actor::limits::WAIT_SECONDS_MAX;
use crate::actor::{Light, Service, State};
use crate::api::blocking;
use crate::vm::{Kind, Raise, Stack};

/// The service that an argument names: a service, or a registered name.
///
/// # Errors
/// A bad argument; `dead` and `not_found` as structured errors.
#[inline(always)]
pub(super) fn target(
    stack: &mut Stack<'_>,
    state: &State,
    argument: i32,
) -> Result<Arc<Service>, Raise> {
    let found = match Light::at(stack, argument) {
        Some(Light::Service(address)) => state.peer(address),
        _ if stack.kind(argument) == Kind::String => state.core.named(stack.check_str(argument)?),
        _ => return Err(stack.type_error(argument, "service or name")),
    };
    found.map_err(|fault| failure::raise(stack, state, fault))
}

/// The same where options may take the place of the service: `{ target, timeout = 0.5 }`.
pub(super) fn target_with_timeout(
    stack: &mut Stack<'_>,
    state: &State,
    argument: i32,
) -> Result<(Arc<Service>, Option<Duration>), Raise> {
    if stack.kind(argument) != Kind::Table {
        return Ok((target(stack, state, argument)?, None));
    }
    check_options(stack, argument, &["timeout"])?;
    let timeout = timeout_option(stack, argument)?;
    stack.raw_get_item(argument, 1);
    stack.replace(argument);
    Ok((target(stack, state, argument)?, timeout))
}

/// The field `timeout` of an option table.
pub(super) fn timeout_option(
    stack: &mut Stack<'_>,
    options: i32,
) -> Result<Option<Duration>, Raise> {
    let kind = stack.raw_get_field(options, "timeout");
    let seconds = stack.number(-1);
    stack.pop(1);
    match (kind, seconds) {
        (Kind::Nil, _) => Ok(None),
        (_, Some(seconds)) => span(seconds, options).map(Some),
        _ => Err(Raise::argument(options, "field 'timeout' is not a number")),
    }
}

/// Refuses an option table with a field that no option has: a typing error must not go unnoticed.
pub(super) fn check_options(
    stack: &mut Stack<'_>,
    options: i32,
    known: &[&str],
) -> Result<(), Raise> {
    stack.for_each(options, |stack| {
        if stack.integer(-2) == Some(1) || stack.str(-2).is_some_and(|key| known.contains(&key)) {
            return Ok(());
        }
        let key = stack.text(-2);
        let text = format!("unknown option '{key}' (expected {})", known.join(", "));
        Err(Raise::argument(options, text))
    })
}

/// An argument in seconds.
///
/// # Errors
/// A bad argument: no number, negative, not a number at all, or beyond the limit.
pub(super) fn seconds(stack: &Stack<'_>, argument: i32) -> Result<Duration, Raise> {
    span(stack.check_number(argument)?, argument)
}

/// The same, or nothing.
pub(super) fn optional_seconds(
    stack: &Stack<'_>,
    argument: i32,
) -> Result<Option<Duration>, Raise> {
    if stack.is_none_or_nil(argument) { Ok(None) } else { seconds(stack, argument).map(Some) }
}

fn span(seconds: f64, argument: i32) -> Result<Duration, Raise> {
    if !(0.0..=WAIT_SECONDS_MAX).contains(&seconds) {
        let text = format!("expected 0 to {WAIT_SECONDS_MAX:e} seconds, got {seconds}");
        return Err(Raise::argument(argument, text));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// An optional text for people, such as a reason.
pub(super) fn optional_text(stack: &Stack<'_>, argument: i32) -> Result<Option<String>, Raise> {
    let bytes = stack.optional_bytes(argument)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Makes sure that a native can block here.
///
/// # Errors
/// Says which function cannot wait and why.
#[inline]
pub(super) fn check_can_block(stack: &Stack<'_>, function: &str) -> Result<(), Raise> {
    blocking::check(stack, "hive", function)
}
