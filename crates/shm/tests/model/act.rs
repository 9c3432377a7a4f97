//! Operations to compare: which ones there are, and how they are chosen.

use moonhive_shm::{OwnedValue, Side};
use proptest::prelude::*;

use crate::random::Random;

/// One operation. Keys are numbers; see [`key`].
#[derive(Clone, Debug)]
pub enum Act {
    Get(u8),
    GetStale(u8),
    Set(u8, OwnedValue, u32),
    SafeSet(u8, OwnedValue, u32),
    Add(u8, OwnedValue),
    Replace(u8, OwnedValue),
    Cas(u8, OwnedValue, bool),
    Delete(u8),
    Remove(u8, bool),
    Incr(u8, i64, Option<i64>),
    IncrDouble(u8, f64),
    /// Far away, or never.
    Expire(u8, bool),
    /// Of so many keys from this one on, in a moment that is waited for.
    End(u8, u8),
    Left(u8),
    Push(u8, OwnedValue, bool),
    Pop(u8, bool),
    Length(u8),
    Range(u8, i8, i8),
    Pieces(u8, u8),
    Items,
    Measure,
    /// The first of so many buckets; 0 for all.
    Sweep(u8),
    /// With a grace that is over, or one that never is.
    Reclaim(bool),
    /// So many entries; 0 for all.
    FlushExpired(u8),
    Tidy,
    TidyFlushed,
    Flush,
    Repair,
}

/// Keys of different lengths, some of several cells.
pub fn key(number: u8) -> String {
    format!("{number}-{}", "k".repeat(usize::from(number % 16) * 13))
}

pub fn side(left: bool) -> Side {
    if left { Side::Left } else { Side::Right }
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

fn common() -> impl Strategy<Value = Act> {
    let key = 0..40_u8;
    prop_oneof![
        4 => key.clone().prop_map(Act::Get),
        2 => key.clone().prop_map(Act::GetStale),
        4 => (key.clone(), values(), any::<u32>()).prop_map(|(k, v, f)| Act::Set(k, v, f)),
        2 => (key.clone(), values(), 0..2_u32).prop_map(|(k, v, f)| Act::SafeSet(k, v, f)),
        1 => (key.clone(), values()).prop_map(|(k, v)| Act::Add(k, v)),
        1 => (key.clone(), values()).prop_map(|(k, v)| Act::Replace(k, v)),
        1 => (key.clone(), values(), any::<bool>()).prop_map(|(k, v, right)| Act::Cas(k, v, right)),
        2 => key.clone().prop_map(Act::Delete),
        1 => (key.clone(), any::<bool>()).prop_map(|(k, right)| Act::Remove(k, right)),
        3 => (key.clone(), any::<i32>(), any::<Option<i8>>())
            .prop_map(|(k, by, init)| Act::Incr(k, i64::from(by), init.map(i64::from))),
        1 => (key.clone(), -1e6..1e6).prop_map(|(k, by)| Act::IncrDouble(k, by)),
        1 => (key.clone(), any::<bool>()).prop_map(|(k, ends)| Act::Expire(k, ends)),
        1 => key.clone().prop_map(Act::Left),
        4 => (key.clone(), values(), any::<bool>()).prop_map(|(k, v, left)| Act::Push(k, v, left)),
        3 => (key.clone(), any::<bool>()).prop_map(|(k, left)| Act::Pop(k, left)),
        1 => key.clone().prop_map(Act::Length),
        1 => (key.clone(), -9..9_i8, -9..9_i8).prop_map(|(k, a, b)| Act::Range(k, a, b)),
        1 => (key, 1..5_u8).prop_map(|(k, most)| Act::Pieces(k, most)),
        1 => Just(Act::Items),
    ]
}

fn of_time() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..40_u8, 1..5_u8).prop_map(|(k, count)| Act::End(k, count)),
        1 => any::<u8>().prop_map(Act::Sweep),
        1 => any::<bool>().prop_map(Act::Reclaim),
        1 => (0..4_u8).prop_map(Act::FlushExpired),
        2 => Just(Act::Tidy),
        1 => Just(Act::TidyFlushed),
        1 => Just(Act::Measure),
        1 => Just(Act::Flush),
        1 => Just(Act::Repair),
    ]
}

/// Any operation, those of time among many others.
pub fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![8 => common(), 1 => of_time()]
}

impl Random {
    fn value(&mut self) -> OwnedValue {
        match self.below(6) {
            0 => OwnedValue::Boolean(self.below(2) == 0),
            1 | 2 => OwnedValue::Integer(self.below(1000) as i64),
            3 => OwnedValue::Double(self.below(1000) as f64 / 8.0),
            4 => OwnedValue::Bytes(vec![self.below(256) as u8; self.below(64) as usize]),
            _ => OwnedValue::Bytes(vec![self.below(256) as u8; self.below(2000) as usize]),
        }
    }

    /// The next operation; some of the rare ones cost a millisecond, or a look at everything.
    pub fn act(&mut self) -> Act {
        match self.below(2000) {
            0 => Act::End(self.below(200) as u8, 1 + self.below(4) as u8),
            // All that a full dictionary holds goes with it.
            1 if self.below(10) == 0 => Act::Flush,
            2 => Act::Repair,
            3 => Act::Measure,
            4 => Act::Items,
            5 => Act::FlushExpired(0),
            6..10 => Act::FlushExpired(1 + self.below(5) as u8),
            10 => Act::Sweep(0),
            11..15 => Act::Sweep(1 + self.below(255) as u8),
            15..18 => Act::Reclaim(self.below(2) == 0),
            18..30 => Act::Tidy,
            30..33 => Act::TidyFlushed,
            _ => self.common_act(),
        }
    }

    fn common_act(&mut self) -> Act {
        let key = self.below(200) as u8;
        let left = self.below(2) == 0;
        match self.below(28) {
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
            23 => Act::GetStale(key),
            24 => Act::Remove(key, left),
            25 => Act::Left(key),
            26 => Act::Pieces(key, 1 + self.below(4) as u8),
            _ => Act::Range(key, -3, 3),
        }
    }
}
