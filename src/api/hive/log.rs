//! `hive.log`: lines with the service's name and address.

use crate::actor::State;
use crate::vm::{Native, NativeResult, Outcome, Stack};

const NATIVES: [(&str, Native); 4] = [
    ("debug", Native::new(debug)),
    ("error", Native::new(error)),
    ("info", Native::new(info)),
    ("warn", Native::new(warn)),
];

/// Pushes the table of log functions.
pub(super) fn push(stack: &mut Stack<'_>) {
    stack.push_table(0, NATIVES.len());
    stack.set_natives(&NATIVES);
}

/// Logs the arguments at one level; their texts are not made when nobody listens.
macro_rules! log_function {
    ($name:ident, $level:ident) => {
        fn $name(stack: &mut Stack<'_>) -> NativeResult {
            if tracing::enabled!(tracing::Level::$level) {
                let (state, text) = (State::of(stack)?, stack.joined_texts(1)?);
                let text = String::from_utf8_lossy(&text);
                let service = &state.service;
                tracing::event!(
                    tracing::Level::$level,
                    service = service.name(),
                    address = service.log_address(),
                    request = state.request().shown(),
                    "{text}"
                );
            }
            Ok(Outcome::Return(0))
        }
    };
}

log_function!(debug, DEBUG);
log_function!(info, INFO);
log_function!(warn, WARN);
log_function!(error, ERROR);
