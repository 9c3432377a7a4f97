//! The dictionary against a model that cannot be wrong: a map and some double-ended queues.
//!
//! Long rows of operations with a visible seed, in a dictionary that never fills, so that both must give
//! the same answers; and in one that is always full, where the model is told what was thrown out by
//! asking, so that whatever is there must be right. `SHM_OPERATIONS=100000000 SHM_SEED=7 cargo test -p
//! moonhive-shm --release --test model` is the long form.

use std::collections::{BTreeMap, VecDeque};

use moonhive_shm::{
    Cursor, Dictionary, Error, Number, Options, OwnedValue, Remaining, SetOptions, Side, Value,
};
use proptest::prelude::*;

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Plain(OwnedValue, u32),
    List(VecDeque<OwnedValue>),
}

/// One operation.
#[derive(Clone, Debug)]
enum Act {
    Get(u8),
    Set(u8, OwnedValue, u32),
    SafeSet(u8, OwnedValue, u32),
    Add(u8, OwnedValue),
    Replace(u8, OwnedValue),
    Cas(u8, OwnedValue, bool),
    Delete(u8),
    Incr(u8, i64, Option<i64>),
    IncrDouble(u8, f64),
    Expire(u8, bool),
    Push(u8, OwnedValue, bool),
    Pop(u8, bool),
    Length(u8),
    Range(u8, i8, i8),
    Items,
    Sweep,
    Flush,
    Repair,
}

/// Keys of different lengths, some of several cells.
fn key(number: u8) -> String {
    format!("{number}-{}", "k".repeat(usize::from(number % 16) * 13))
}

fn side(left: bool) -> Side {
    if left { Side::Left } else { Side::Right }
}

/// A dictionary and what it must hold.
struct Pair {
    real: Dictionary,
    model: BTreeMap<u8, Held>,
    /// The dictionary may have thrown entries out.
    evicts: bool,
}

impl Pair {
    fn new(size_bytes: u64, evicts: bool) -> Self {
        let options = Options::new(size_bytes);
        let real = Dictionary::create_unnamed("model", &options).expect("there is memory");
        Self { real, model: BTreeMap::new(), evicts }
    }

    /// Forgets in the model what the dictionary has thrown out.
    fn follow(&mut self, key_number: u8) {
        if self.evicts && self.real.version(key(key_number)) == Ok(None) {
            self.model.remove(&key_number);
        }
    }

    fn apply(&mut self, act: &Act) {
        let options = SetOptions::default();
        match act {
            Act::Get(number) => self.get(*number),
            Act::Set(number, value, flags) => {
                let stored = self.real.set(key(*number), value.as_value(), options.flags(*flags));
                self.stored(*number, value, *flags, stored.map(|_| ()));
            }
            Act::SafeSet(number, value, flags) => {
                let options = options.flags(*flags).never_evict();
                let stored = self.real.set(key(*number), value.as_value(), options);
                assert!(stored.as_ref().is_ok_and(|it| !it.forcible) || self.evicts);
                self.stored(*number, value, *flags, stored.map(|_| ()));
            }
            Act::Add(number, value) => {
                self.follow(*number);
                let stored = self.real.add(key(*number), value.as_value(), options);
                match self.model.get(number) {
                    Some(_) => assert_eq!(stored, Err(Error::Exists)),
                    None => self.stored(*number, value, 0, stored.map(|_| ())),
                }
            }
            Act::Replace(number, value) => {
                self.follow(*number);
                let stored = self.real.replace(key(*number), value.as_value(), options);
                match self.model.get(number) {
                    None => assert_eq!(stored, Err(Error::NotFound)),
                    Some(_) => self.stored(*number, value, 0, stored.map(|_| ())),
                }
            }
            Act::Cas(number, value, right) => self.cas(*number, value, *right),
            Act::Delete(number) => {
                self.follow(*number);
                let deleted = self.real.delete(key(*number));
                assert_eq!(deleted, Ok(self.model.remove(number).is_some()));
            }
            Act::Incr(number, by, initial) => self.incr(*number, *by, *initial),
            Act::IncrDouble(number, by) => self.incr_double(*number, *by),
            Act::Expire(number, ends) => self.expire(*number, *ends),
            Act::Push(number, value, left) => self.push(*number, value, *left),
            Act::Pop(number, left) => self.pop(*number, *left),
            Act::Length(number) => self.length(*number),
            Act::Range(number, start, stop) => self.range(*number, *start, *stop),
            Act::Items => self.items(),
            Act::Sweep => drop(self.real.sweep(Cursor::default(), 100).expect("locks are free")),
            Act::Flush => {
                self.real.flush_all().expect("locks are free");
                self.model.clear();
            }
            Act::Repair => self.real.repair().expect("locks are free"),
        }
    }

    /// A store that took place, or found no room and changed nothing.
    fn stored(&mut self, number: u8, value: &OwnedValue, flags: u32, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => drop(self.model.insert(number, Held::Plain(value.clone(), flags))),
            Err(Error::NoMemory { .. }) if self.evicts => self.follow(number),
            Err(error) => panic!("{error}"),
        }
    }

    fn get(&mut self, number: u8) {
        self.follow(number);
        let found = self.real.get(key(number));
        match self.model.get(&number) {
            None => assert_eq!(found, Ok(None)),
            Some(Held::List(_)) => assert_eq!(found, Err(Error::ValueIsList)),
            Some(Held::Plain(value, flags)) => {
                let entry = found.expect("a plain value").expect("it is there");
                assert_eq!((&entry.value, entry.flags), (value, *flags));
            }
        }
    }

    fn cas(&mut self, number: u8, value: &OwnedValue, right: bool) {
        self.follow(number);
        let version = self.real.version(key(number)).expect("locks are free");
        assert_eq!(version.is_some(), self.model.contains_key(&number));
        let given = version.unwrap_or(1) + u64::from(!right);
        let stored = self.real.cas(key(number), given, value.as_value(), SetOptions::default());
        match version {
            None => assert_eq!(stored, Err(Error::NotFound)),
            Some(version) if !right => assert_eq!(stored, Err(Error::Changed { version })),
            Some(_) => self.stored(number, value, 0, stored.map(|_| ())),
        }
    }

    fn incr(&mut self, number: u8, by: i64, initial: Option<i64>) {
        self.follow(number);
        let options = SetOptions::default();
        let sum = self.real.incr(key(number), by.into(), initial.map(Number::from), options);
        let sum = sum.map(|it| it.value);
        let expected = match self.model.get(&number) {
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
        assert_eq!(sum, expected);
        self.counted(number, expected);
    }

    fn incr_double(&mut self, number: u8, by: f64) {
        self.follow(number);
        let sum = self.real.incr(key(number), by.into(), None, SetOptions::default());
        let expected = match self.model.get(&number) {
            Some(Held::Plain(OwnedValue::Integer(value), _)) => Ok(*value as f64 + by),
            Some(Held::Plain(OwnedValue::Double(value), _)) => Ok(value + by),
            Some(_) => Err(Error::NotNumber),
            None => Err(Error::NotFound),
        };
        let expected = expected.map(Number::Double);
        if self.evicts && matches!(sum, Err(Error::NoMemory { .. })) {
            return;
        }
        assert_eq!(sum.map(|it| it.value), expected);
        self.counted(number, expected);
    }

    fn counted(&mut self, number: u8, sum: Result<Number, Error>) {
        let value = match sum {
            Ok(Number::Integer(value)) => OwnedValue::Integer(value),
            Ok(Number::Double(value)) => OwnedValue::Double(value),
            Err(_) => return,
        };
        let flags = match self.model.get(&number) {
            Some(Held::Plain(_, flags)) => *flags,
            _ => 0,
        };
        self.model.insert(number, Held::Plain(value, flags));
    }

    fn expire(&mut self, number: u8, ends: bool) {
        self.follow(number);
        let outcome = self.real.expire(key(number), if ends { 3_600_000 } else { 0 });
        match self.model.get(&number) {
            None => assert_eq!(outcome, Err(Error::NotFound)),
            Some(_) if self.evicts && outcome.is_err() => (),
            Some(_) => {
                assert_eq!(outcome, Ok(()));
                let left = self.real.ttl(key(number)).expect("it is there");
                assert_eq!(left != Remaining::Forever, ends);
            }
        }
    }

    fn push(&mut self, number: u8, value: &OwnedValue, left: bool) {
        self.follow(number);
        let options = SetOptions::default();
        let pushed = self.real.push(key(number), value.as_value(), side(left), options);
        let mut list = match self.model.get(&number) {
            Some(Held::Plain(..)) => return assert_eq!(pushed, Err(Error::ValueNotList)),
            Some(Held::List(list)) => list.clone(),
            None => VecDeque::new(),
        };
        if self.evicts && matches!(pushed, Err(Error::NoMemory { .. })) {
            return;
        }
        match left {
            true => list.push_front(value.clone()),
            false => list.push_back(value.clone()),
        }
        assert_eq!(pushed, Ok(list.len() as u64));
        self.model.insert(number, Held::List(list));
    }

    fn pop(&mut self, number: u8, left: bool) {
        self.follow(number);
        let popped = self.real.pop(key(number), side(left));
        match self.model.get_mut(&number) {
            None => assert_eq!(popped, Ok(None)),
            Some(Held::Plain(..)) => assert_eq!(popped, Err(Error::ValueNotList)),
            Some(Held::List(list)) => {
                let expected = if left { list.pop_front() } else { list.pop_back() };
                assert_eq!(popped, Ok(expected));
                if list.is_empty() {
                    self.model.remove(&number);
                }
            }
        }
    }

    fn length(&mut self, number: u8) {
        self.follow(number);
        let expected = match self.model.get(&number) {
            None => Ok(0),
            Some(Held::Plain(..)) => Err(Error::ValueNotList),
            Some(Held::List(list)) => Ok(list.len() as u64),
        };
        assert_eq!(self.real.length(key(number)), expected);
    }

    fn range(&mut self, number: u8, start: i8, stop: i8) {
        self.follow(number);
        let Some(Held::List(list)) = self.model.get(&number) else { return };
        let length = list.len() as i64;
        let place = |index: i8| {
            let index = i64::from(index);
            if index < 0 { index + length } else { index }
        };
        let inside = |at: i64| at >= place(start) && at <= place(stop);
        let expected: Vec<OwnedValue> =
            (0..length).zip(list).filter(|(at, _)| inside(*at)).map(|(_, it)| it.clone()).collect();
        let found = self.real.range(key(number), i64::from(start), i64::from(stop));
        assert_eq!(found, Ok(expected));
    }

    fn items(&mut self) {
        let mut found = Vec::new();
        let mut cursor = Some(Cursor::default());
        while let Some(at) = cursor {
            let (items, next) = self.real.items(at, 3).expect("locks are free");
            found.extend(items.into_iter().map(|item| item.key));
            cursor = next;
        }
        (0..=u8::MAX).for_each(|number| self.follow(number));
        let mut expected: Vec<Vec<u8>> =
            self.model.keys().map(|number| key(*number).into_bytes()).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    fn check(&self) {
        let findings = self.real.check().expect("locks are free");
        assert!(findings.is_empty(), "{findings:?}");
    }
}

fn values() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        Just(OwnedValue::Nil),
        any::<bool>().prop_map(OwnedValue::Boolean),
        any::<i64>().prop_map(OwnedValue::Integer),
        (-1000..1000_i64).prop_map(OwnedValue::Integer),
        (-1e9..1e9).prop_map(OwnedValue::Double),
        proptest::collection::vec(any::<u8>(), 0..100).prop_map(OwnedValue::Bytes),
        (0..3000_usize, any::<u8>())
            .prop_map(|(length, byte)| OwnedValue::Bytes(vec![byte; length])),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(OwnedValue::Table),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    let key = 0..40_u8;
    prop_oneof![
        4 => key.clone().prop_map(Act::Get),
        4 => (key.clone(), values(), any::<u32>()).prop_map(|(k, v, f)| Act::Set(k, v, f)),
        2 => (key.clone(), values(), 0..2_u32).prop_map(|(k, v, f)| Act::SafeSet(k, v, f)),
        1 => (key.clone(), values()).prop_map(|(k, v)| Act::Add(k, v)),
        1 => (key.clone(), values()).prop_map(|(k, v)| Act::Replace(k, v)),
        1 => (key.clone(), values(), any::<bool>()).prop_map(|(k, v, right)| Act::Cas(k, v, right)),
        2 => key.clone().prop_map(Act::Delete),
        3 => (key.clone(), any::<i32>(), any::<Option<i8>>())
            .prop_map(|(k, by, init)| Act::Incr(k, i64::from(by), init.map(i64::from))),
        1 => (key.clone(), -1e6..1e6).prop_map(|(k, by)| Act::IncrDouble(k, by)),
        1 => (key.clone(), any::<bool>()).prop_map(|(k, ends)| Act::Expire(k, ends)),
        4 => (key.clone(), values(), any::<bool>()).prop_map(|(k, v, left)| Act::Push(k, v, left)),
        3 => (key.clone(), any::<bool>()).prop_map(|(k, left)| Act::Pop(k, left)),
        1 => key.clone().prop_map(Act::Length),
        1 => (key, -9..9_i8, -9..9_i8).prop_map(|(k, a, b)| Act::Range(k, a, b)),
        1 => Just(Act::Items),
        1 => Just(Act::Sweep),
    ]
}

fn rare_acts() -> impl Strategy<Value = Act> {
    prop_oneof![50 => acts(), 1 => Just(Act::Flush), 1 => Just(Act::Repair)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_model(acts in proptest::collection::vec(rare_acts(), 0..300)) {
        for size_bytes in [1 << 20, 3 << 20] {
            let mut pair = Pair::new(size_bytes, false);
            acts.iter().for_each(|act| pair.apply(act));
            pair.check();
        }
    }

    #[test]
    fn what_a_full_dictionary_has_is_right(acts in proptest::collection::vec(rare_acts(), 0..300)) {
        let mut pair = Pair::new(8 << 10, true);
        acts.iter().for_each(|act| pair.apply(act));
        pair.check();
    }
}

/// A generator with a visible seed: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    fn value(&mut self) -> OwnedValue {
        match self.below(6) {
            0 => OwnedValue::Boolean(self.below(2) == 0),
            1 | 2 => OwnedValue::Integer(self.below(1000) as i64),
            3 => OwnedValue::Double(self.below(1000) as f64 / 8.0),
            4 => OwnedValue::Bytes(vec![self.below(256) as u8; self.below(64) as usize]),
            _ => OwnedValue::Bytes(vec![self.below(256) as u8; self.below(2000) as usize]),
        }
    }

    fn act(&mut self) -> Act {
        let key = self.below(200) as u8;
        let left = self.below(2) == 0;
        match self.below(24) {
            0..6 => Act::Get(key),
            6..10 => Act::Set(key, self.value(), self.below(3) as u32),
            10 => Act::SafeSet(key, self.value(), 0),
            11 => Act::Add(key, self.value()),
            12 => Act::Replace(key, self.value()),
            13 => Act::Cas(key, self.value(), left),
            14 | 15 => Act::Delete(key),
            16 | 17 => Act::Incr(key, self.below(100) as i64, left.then_some(5)),
            18 => Act::Expire(key, left),
            19 | 20 => Act::Push(key, self.value(), left),
            21 => Act::Pop(key, left),
            22 => Act::Length(key),
            _ => Act::Range(key, -3, 3),
        }
    }
}

fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn a_long_row_of_operations_has_the_answers_of_the_model() {
    let (count, seed) = (variable("SHM_OPERATIONS", 60_000), variable("SHM_SEED", 1));
    println!("seed {seed}, {count} operations");
    let mut random = Random(seed);
    let mut pairs =
        [Pair::new(1 << 20, false), Pair::new(2 << 20, false), Pair::new(64 << 10, true)];
    for number in 0..count {
        let act = random.act();
        pairs.iter_mut().for_each(|pair| pair.apply(&act));
        if number % 100_000 == 0 {
            pairs.iter().for_each(Pair::check);
        }
    }
    pairs.iter().for_each(Pair::check);
}

#[test]
fn churn_of_mixed_sizes_ends_with_the_capacity_of_a_fresh_dictionary() {
    let mut random = Random(3);
    let dictionary = Dictionary::create_unnamed("churn", &Options::new(256 << 10)).expect("memory");
    for _ in 0..20_000 {
        let value = vec![1; random.below(6000) as usize];
        let key = format!("k{}", random.below(500));
        dictionary.set(key, Value::Bytes(&value), SetOptions::default()).expect("it evicts");
    }
    dictionary.flush_all().expect("locks are free");
    dictionary.flush_expired(u64::MAX).expect("locks are free");
    let mut stored = 0;
    let keep = SetOptions::default().never_evict();
    while dictionary.set(format!("n{stored}"), 1.into(), keep).is_ok() {
        stored += 1;
    }
    assert_eq!(stored, 4096);
}
