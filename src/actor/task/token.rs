//! Which tasks wait for which token (`hive.wait`, `hive.wakeup`).
//!
//! A token is any Lua value but nil. Tables and their like count by address: a waiting task keeps
//! its token on its own stack, so the address belongs to that very object for as long as it is
//! here.

use std::collections::{HashMap, VecDeque};

use crate::vm::{Kind, Raise, Stack};

/// A Lua value as something to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    Boolean(bool),
    Integer(i64),
    FloatBits(u64),
    Bytes(Box<[u8]>),
    Address(usize),
    Light(usize),
}

impl Token {
    /// The token in the argument.
    ///
    /// # Errors
    /// `value expected` for nil.
    pub(crate) fn of(stack: &Stack<'_>, argument: i32) -> Result<Token, Raise> {
        Ok(match stack.kind(argument) {
            Kind::Boolean => Token::Boolean(stack.truth(argument)),
            Kind::Number => match stack.integer(argument) {
                Some(integer) => Token::Integer(integer),
                None => Token::FloatBits(stack.number(argument).unwrap_or(f64::NAN).to_bits()),
            },
            Kind::String => Token::Bytes(stack.bytes(argument).unwrap_or_default().into()),
            Kind::LightUserdata => Token::Light(stack.light(argument).unwrap_or(0)),
            Kind::None | Kind::Nil => return Err(stack.type_error(argument, "token")),
            _ => Token::Address(stack.identity(argument).addr()),
        })
    }
}

/// The sessions that wait for each token, longest first.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    queues: HashMap<Token, VecDeque<u64>>,
}

impl Waiters {
    pub(crate) fn add(&mut self, token: Token, session: u64) {
        self.queues.entry(token).or_default().push_back(session);
    }

    /// The session that has waited longest for the token; it waits no more.
    pub(crate) fn next(&mut self, token: &Token) -> Option<u64> {
        let queue = self.queues.get_mut(token)?;
        let session = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(token);
        }
        session
    }

    /// A wait has ended in another way.
    pub(crate) fn forget(&mut self, token: &Token, session: u64) {
        let Some(queue) = self.queues.get_mut(token) else { return };
        queue.retain(|other| *other != session);
        if queue.is_empty() {
            self.queues.remove(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_wakes_first() {
        let mut waiters = Waiters::default();
        waiters.add(Token::Integer(1), 10);
        waiters.add(Token::Integer(1), 11);
        waiters.add(Token::Integer(2), 12);
        assert_eq!(waiters.next(&Token::Integer(1)), Some(10));
        assert_eq!(waiters.next(&Token::Integer(1)), Some(11));
        assert_eq!(waiters.next(&Token::Integer(1)), None);
        assert_eq!(waiters.next(&Token::Integer(2)), Some(12));
        assert!(waiters.queues.is_empty());
    }

    #[test]
    fn a_wait_that_ended_by_time_is_not_woken() {
        let mut waiters = Waiters::default();
        waiters.add(Token::Boolean(true), 10);
        waiters.add(Token::Boolean(true), 11);
        waiters.forget(&Token::Boolean(true), 10);
        assert_eq!(waiters.next(&Token::Boolean(true)), Some(11));
        assert!(waiters.queues.is_empty());
    }
}
