//! A dictionary beside what it must hold: the operations on one key.
//!
//! Who was thrown out is found by asking, as soon as the counters say that somebody was; how many,
//! and in an exact dictionary in which order, is compared. So all other answers are known exactly
//! even where a dictionary is always full.

use std::collections::{BTreeMap, VecDeque};

use moonhive_shm::{
    Dictionary, Error, Number, Options, OwnedValue, Result, SetOptions, Stored, Value,
};

use crate::act::{Act, key, side};

pub const OPTIONS: SetOptions =
    SetOptions { ttl_ms: 0, flags: 0, never_evict: false, keep_ttl: false };

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    Plain(OwnedValue, u32),
    List(VecDeque<OwnedValue>),
}

/// A live entry.
#[derive(Clone, Debug)]
pub struct Live {
    pub held: Held,
    pub ends: bool,
}

/// An entry whose time is over, and that nobody has given back.
#[derive(Clone, Debug)]
pub struct Over {
    pub held: Held,
    /// It has, or had, an end.
    pub ends: bool,
    pub has_expired: bool,
    pub is_flushed: bool,
}

/// A dictionary and what it must hold.
pub struct Pair {
    pub real: Dictionary,
    pub live: BTreeMap<u8, Live>,
    pub over: BTreeMap<u8, Over>,
    /// Keys of both in order of use, the one first that was used longest ago; in an exact
    /// dictionary.
    pub order: Option<Vec<u8>>,
    /// The dictionary is so small that it throws entries out.
    pub is_full: bool,
    /// Live and other entries that were thrown out or given back so far.
    pub lost: (u64, u64),
}

impl Pair {
    pub fn new(size_bytes: u64, shards: u32, is_full: bool) -> Self {
        let options = Options { shards: Some(shards), ..Options::new(size_bytes) };
        let real = Dictionary::create_unnamed("model", &options).expect("there is memory");
        let order = (shards == 1).then(Vec::new);
        Self { real, live: BTreeMap::new(), over: BTreeMap::new(), order, is_full, lost: (0, 0) }
    }

    pub fn apply(&mut self, act: &Act) {
        match act {
            Act::Get(number) => self.get(*number),
            Act::GetStale(number) => self.get_stale(*number),
            Act::Set(number, value, flags) => {
                let stored = self.real.set(key(*number), value.as_value(), OPTIONS.flags(*flags));
                self.stored(*number, value, *flags, stored);
            }
            Act::SafeSet(number, value, flags) => {
                let options = OPTIONS.flags(*flags).never_evict();
                let stored = self.real.set(key(*number), value.as_value(), options);
                match self.is_refused(&stored) {
                    true => self.found_no_room(*number),
                    false => self.stored(*number, value, *flags, stored),
                }
            }
            Act::Add(number, value) => {
                let stored = self.real.add(key(*number), value.as_value(), OPTIONS);
                match self.live.contains_key(number) {
                    true => self.refused(*number, &stored, &Error::Exists),
                    false => self.stored(*number, value, 0, stored),
                }
            }
            Act::Replace(number, value) => {
                let stored = self.real.replace(key(*number), value.as_value(), OPTIONS);
                match self.live.contains_key(number) {
                    false => self.refused(*number, &stored, &Error::NotFound),
                    true => self.stored(*number, value, 0, stored),
                }
            }
            Act::Cas(number, value, right) => self.cas(*number, value, *right),
            Act::Delete(number) => {
                let deleted = self.real.delete(key(*number));
                assert_eq!(deleted, Ok(self.live.contains_key(number)));
                self.forget(*number);
            }
            Act::Remove(number, right) => self.remove(*number, *right),
            Act::Incr(number, by, initial) => self.incr(*number, *by, *initial),
            Act::IncrDouble(number, by) => self.incr_double(*number, *by),
            Act::Push(number, value, left) => self.push(*number, value, *left),
            Act::Pop(number, left) => self.pop(*number, *left),
            Act::Length(number) => self.length(*number),
            Act::Range(number, start, stop) => self.range(*number, *start, *stop),
            Act::Pieces(number, most) => self.pieces(*number, *most),
            _ => self.apply_to_time(act),
        }
    }

    fn held(&self, number: u8) -> Option<&Held> {
        self.live.get(&number).map(|live| &live.held)
    }

    pub fn is_refused<T>(&self, result: &Result<T>) -> bool {
        self.is_full && matches!(result, Err(Error::NoMemory { .. }))
    }

    /// What a key holds from now on. A use of it.
    fn hold(&mut self, number: u8, held: Held, ends: bool) {
        self.over.remove(&number);
        self.live.insert(number, Live { held, ends });
        self.touch(number);
    }

    /// A store that did not take place for another reason than room.
    fn refused(&mut self, number: u8, stored: &Result<Stored>, error: &Error) {
        assert_eq!(stored.as_ref(), Err(error));
        self.touch(number);
    }

    /// A store that changed nothing, but what has ended under that key may have gone for it.
    fn found_no_room(&mut self, number: u8) {
        if self.over.contains_key(&number) && self.real.overdue(key(number)) == Ok(None) {
            self.forget(number);
        }
        self.follow(number);
    }

    /// A store that took place.
    fn stored(&mut self, number: u8, value: &OwnedValue, flags: u32, stored: Result<Stored>) {
        let stored = stored.expect("there is room, or somebody to throw out");
        assert_eq!(self.real.version(key(number)), Ok(Some(stored.version)));
        self.hold(number, Held::Plain(value.clone(), flags), false);
        assert_eq!(self.follow(number) > 0, stored.forcible);
    }

    fn get(&mut self, number: u8) {
        let found = self.real.get(key(number));
        match self.held(number) {
            None => assert_eq!(found, Ok(None)),
            Some(Held::List(_)) => assert_eq!(found, Err(Error::ValueIsList)),
            Some(Held::Plain(value, flags)) => {
                let entry = found.expect("a plain value").expect("it is there");
                assert_eq!((&entry.value, entry.flags, entry.is_stale), (value, *flags, false));
            }
        }
        self.touch(number);
    }

    fn cas(&mut self, number: u8, value: &OwnedValue, right: bool) {
        let version = self.real.version(key(number)).expect("locks are free");
        assert_eq!(version.is_some(), self.live.contains_key(&number));
        let given = version.unwrap_or(1) + u64::from(!right);
        let stored = self.real.cas(key(number), given, value.as_value(), OPTIONS);
        match version {
            None => self.refused(number, &stored, &Error::NotFound),
            Some(version) if !right => self.refused(number, &stored, &Error::Changed { version }),
            Some(_) => self.stored(number, value, 0, stored),
        }
    }

    fn remove(&mut self, number: u8, right: bool) {
        let version = self.real.version(key(number)).expect("locks are free");
        assert_eq!(version.is_some(), self.live.contains_key(&number));
        let given = version.unwrap_or(1) + u64::from(!right);
        let removed = self.real.remove(key(number), given);
        match version {
            None => assert_eq!(removed, Err(Error::NotFound)),
            Some(version) if !right => assert_eq!(removed, Err(Error::Changed { version })),
            Some(_) => {
                assert_eq!(removed, Ok(()));
                self.forget(number);
            }
        }
    }

    fn incr(&mut self, number: u8, by: i64, initial: Option<i64>) {
        let sum = self.real.incr(key(number), by.into(), initial.map(Number::from), OPTIONS);
        let expected = match self.held(number) {
            Some(Held::Plain(OwnedValue::Integer(value), _)) => {
                value.checked_add(by).map(Number::Integer).ok_or(Error::Overflow)
            }
            Some(Held::Plain(OwnedValue::Double(value), _)) => {
                Ok(Number::Double(value + by as f64))
            }
            Some(_) => Err(Error::NotNumber),
            None => match initial {
                None => Err(Error::NotFound),
                Some(initial) => {
                    initial.checked_add(by).map(Number::Integer).ok_or(Error::Overflow)
                }
            },
        };
        let is_use = self.live.contains_key(&number) || initial.is_none();
        self.counted(number, sum.map(|it| it.value), expected, is_use);
    }

    fn incr_double(&mut self, number: u8, by: f64) {
        let sum = self.real.incr(key(number), by.into(), None, OPTIONS);
        let expected = match self.held(number) {
            Some(Held::Plain(OwnedValue::Integer(value), _)) => Ok(*value as f64 + by),
            Some(Held::Plain(OwnedValue::Double(value), _)) => Ok(value + by),
            Some(_) => Err(Error::NotNumber),
            None => Err(Error::NotFound),
        };
        let expected = expected.map(Number::Double);
        self.counted(number, sum.map(|it| it.value), expected, true);
    }

    /// A sum; where there is none, the attempt may be a use.
    fn counted(&mut self, number: u8, sum: Result<Number>, expected: Result<Number>, is_use: bool) {
        if is_use {
            self.touch(number);
        }
        if self.is_refused(&sum) {
            return self.found_no_room(number);
        }
        assert_eq!(sum, expected);
        let value = match sum {
            Ok(Number::Integer(value)) => OwnedValue::Integer(value),
            Ok(Number::Double(value)) => OwnedValue::Double(value),
            Err(_) => return,
        };
        let (flags, ends) = match self.live.get(&number) {
            Some(Live { held: Held::Plain(_, flags), ends }) => (*flags, *ends),
            _ => (0, false),
        };
        self.hold(number, Held::Plain(value, flags), ends);
        self.follow(number);
    }

    fn push(&mut self, number: u8, value: &OwnedValue, left: bool) {
        let pushed = self.real.push(key(number), value.as_value(), side(left), OPTIONS);
        self.touch(number);
        let (mut list, ends) = match self.live.get(&number) {
            Some(Live { held: Held::Plain(..), .. }) => {
                return assert_eq!(pushed, Err(Error::ValueNotList));
            }
            Some(Live { held: Held::List(list), ends }) => (list.clone(), *ends),
            None => (VecDeque::new(), false),
        };
        if self.is_refused(&pushed) {
            return self.found_no_room(number);
        }
        match left {
            true => list.push_front(value.clone()),
            false => list.push_back(value.clone()),
        }
        assert_eq!(pushed, Ok(list.len() as u64));
        self.hold(number, Held::List(list), ends);
        self.follow(number);
    }

    fn pop(&mut self, number: u8, left: bool) {
        let popped = self.real.pop(key(number), side(left));
        self.touch(number);
        let list = match self.live.get_mut(&number) {
            None => return assert_eq!(popped, Ok(None)),
            Some(Live { held: Held::Plain(..), .. }) => {
                return assert_eq!(popped, Err(Error::ValueNotList));
            }
            Some(Live { held: Held::List(list), .. }) => list,
        };
        let expected = if left { list.pop_front() } else { list.pop_back() };
        let is_empty = list.is_empty();
        assert_eq!(popped, Ok(expected));
        if is_empty {
            self.forget(number);
        }
    }

    fn length(&mut self, number: u8) {
        let expected = match self.held(number) {
            None => Ok(0),
            Some(Held::Plain(..)) => Err(Error::ValueNotList),
            Some(Held::List(list)) => Ok(list.len() as u64),
        };
        assert_eq!(self.real.length(key(number)), expected);
        self.touch(number);
    }

    fn range(&mut self, number: u8, start: i8, stop: i8) {
        let found = self.real.range(key(number), i64::from(start), i64::from(stop));
        let expected = match self.held(number) {
            None => Ok(Vec::new()),
            Some(Held::Plain(..)) => Err(Error::ValueNotList),
            Some(Held::List(list)) => Ok(part_of(list, start.into(), stop.into())),
        };
        assert_eq!(found, expected);
        self.touch(number);
    }

    fn pieces(&mut self, number: u8, most: u8) {
        let (mut found, mut cursor) = (Vec::new(), None);
        let outcome = loop {
            match self.real.elements(key(number), cursor, most.into()) {
                Ok((piece, next)) => {
                    assert!(piece.len() <= most.into());
                    found.extend(piece);
                    cursor = next;
                }
                Err(error) => break Err(error),
            }
            if cursor.is_none() {
                break Ok(found);
            }
        };
        let expected = match self.held(number) {
            None => Ok(Vec::new()),
            Some(Held::Plain(..)) => Err(Error::ValueNotList),
            Some(Held::List(list)) => Ok(list.iter().cloned().collect()),
        };
        assert_eq!(outcome, expected);
        self.touch(number);
    }
}

/// Elements from one index to another; negative ones count from the end.
fn part_of(list: &VecDeque<OwnedValue>, start: i64, stop: i64) -> Vec<OwnedValue> {
    let length = list.len() as i64;
    let place = |index: i64| if index < 0 { index + length } else { index };
    let is_inside = |at: i64| at >= place(start) && at <= place(stop);
    let elements = (0..length).zip(list).filter(|(at, _)| is_inside(*at));
    elements.map(|(_, element)| element.clone()).collect()
}

/// The value that bytes in a buffer are compared with.
pub fn is_same(found: &Value<'_>, expected: &OwnedValue) -> bool {
    *found == expected.as_value()
}
