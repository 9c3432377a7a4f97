//! `hive.stats`: figures of the host, of this service, of another one.

use std::sync::atomic::Ordering;

use super::arguments::target;
use crate::actor::{HandlerProfile, HostStats, Service, State};
use crate::vm::{Native, NativeResult, Outcome, Stack};

pub(super) const NATIVES: [(&str, Native); 1] = [("stats", Native::new(stats))];

/// `hive.stats([target])`.
fn stats(stack: &mut Stack<'_>) -> NativeResult {
    let state = State::of(stack)?;
    if !stack.is_none_or_nil(1) {
        let service = target(stack, state, 1)?;
        push_service(stack, &service);
        return Ok(Outcome::Return(1));
    }
    let (host, own) = (HostStats::of(&state.core), state.own_figures());
    let memory_bytes = stack.used_bytes();
    stack.push_table(0, 18);
    push_counts(
        stack,
        &[
            ("services", host.services as u64),
            ("spawned", host.spawned),
            ("messages", host.messages),
            ("memory_bytes", host.memory_bytes as u64),
            ("shared_tables", host.shared.count() as u64),
            ("shared_table_bytes", host.shared.size_bytes() as u64),
            ("own_memory_bytes", memory_bytes as u64),
            ("own_messages", own.messages),
            ("own_tasks", own.tasks as u64),
            ("own_mailbox", own.mailbox as u64),
        ],
    );
    push_seconds(stack, &[("time", host.time.as_secs_f64()), ("own_time", own.time.as_secs_f64())]);
    push_handlers(stack, &own.handlers);
    stack.raw_set_field(-2, "own_handlers");
    Ok(Outcome::Return(1))
}

/// Pushes what can be seen of a service from outside, as of its last turn.
fn push_service(stack: &mut Stack<'_>, service: &Service) {
    let (figures, backlog) = (&service.figures, service.backlog());
    let time = service.core().scale().duration(figures.ticks.load(Ordering::Relaxed));
    stack.push_table(0, 9);
    push_counts(
        stack,
        &[
            ("memory_bytes", figures.memory_bytes.load(Ordering::Relaxed) as u64),
            ("messages", figures.messages.load(Ordering::Relaxed)),
            ("tasks", figures.tasks.load(Ordering::Relaxed) as u64),
            ("mailbox", backlog.messages as u64),
            ("mailbox_bytes", backlog.size_bytes as u64),
            ("refused", backlog.refused),
            ("dropped", backlog.dropped),
        ],
    );
    push_seconds(
        stack,
        &[("time", time.as_secs_f64()), ("mailbox_age", backlog.age.as_secs_f64())],
    );
}

fn push_counts(stack: &mut Stack<'_>, counts: &[(&str, u64)]) {
    for &(name, count) in counts {
        stack.push_integer(i64::try_from(count).unwrap_or(i64::MAX));
        stack.raw_set_field(-2, name);
    }
}

fn push_seconds(stack: &mut Stack<'_>, times: &[(&str, f64)]) {
    for &(name, seconds) in times {
        stack.push_number(seconds);
        stack.raw_set_field(-2, name);
    }
}

/// Pushes calls and time by the name of the handler.
fn push_handlers(stack: &mut Stack<'_>, handlers: &[HandlerProfile]) {
    stack.push_table(0, handlers.len());
    for handler in handlers {
        stack.push_table(0, 2);
        push_counts(stack, &[("calls", handler.calls)]);
        push_seconds(stack, &[("time", handler.time.as_secs_f64())]);
        stack.raw_set_field(-2, &handler.name);
    }
}
