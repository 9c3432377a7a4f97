//! The structures and constants of the header, in its order.
//!
//! A structure that may grow begins with its size as the caller knows it: the library reads and
//! writes no byte beyond. The sizes of this version are asserted here and in the C example.

use std::ffi::{c_char, c_int, c_void};

use moonhive_shm::{Held, Listing, Number, OwnedValue, SetOptions, Side, Statistics, Value};

use crate::failure::{Failure, Outcome};

/// Version of the functions and structures; grows when any is added.
pub const ABI_VERSION: u32 = 3;

/// What `mhshm_ttl` says of an entry that does not expire.
pub const FOREVER: u64 = u64::MAX;

/// What `mhshm_overdue` says of an entry that was flushed.
pub const FLUSHED: u64 = u64::MAX;

/// Types of values.
pub mod kind {
    /// No value, as a value.
    pub const NIL: u32 = 0;
    /// `integer` is 0 or 1.
    pub const BOOLEAN: u32 = 1;
    /// `integer`.
    pub const INTEGER: u32 = 2;
    /// `number`.
    pub const DOUBLE: u32 = 3;
    /// `bytes`.
    pub const BYTES: u32 = 4;
    /// `bytes`, in the form of a host's codec.
    pub const TABLE: u32 = 5;
    /// A list, in the answer of `mhshm_entries` alone; `integer` is its length.
    pub const LIST: u32 = 6;
}

/// A structure that begins with its size.
///
/// # Safety
/// The first field is a `u32`; the type is `repr(C)`, has no padding, and all bit patterns are
/// valid.
pub unsafe trait Growing: Copy {}

/// How to make and use a dictionary.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub struct_bytes: u32,
    pub mode: u32,
    pub size_bytes: u64,
    pub shards: u32,
    pub lock_timeout_ms: u32,
}

/// A value on its way in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct InValue {
    pub kind: u32,
    pub reserved: u32,
    pub integer: i64,
    pub number: f64,
    pub bytes: *const c_void,
    pub length_bytes: usize,
}

/// What a key holds, but for its bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    pub struct_bytes: u32,
    pub kind: u32,
    pub integer: i64,
    pub number: f64,
    pub length_bytes: u64,
    pub version: u64,
    pub flags: u32,
    pub is_stale: u32,
}

/// How to store a value.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreOptions {
    pub struct_bytes: u32,
    pub flags: u32,
    pub ttl_ms: u64,
    pub never_evict: u32,
    pub keep_ttl: u32,
}

/// What became of a store.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored {
    pub struct_bytes: u32,
    pub forcible: u32,
    pub version: u64,
}

/// The sum after an increment.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub struct_bytes: u32,
    pub kind: u32,
    pub integer: i64,
    pub number: f64,
    pub forcible: u32,
    pub reserved: u32,
}

/// The head of an entry in the answer of `mhshm_items`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub record_bytes: u32,
    pub key_bytes: u32,
    pub flags: u32,
    pub age: u32,
    pub version: u64,
}

/// The head of an element in the answer of `mhshm_range`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Element {
    pub record_bytes: u32,
    pub kind: u32,
    pub integer: i64,
    pub number: f64,
    pub length_bytes: u64,
}

/// The head of an entry in the answer of `mhshm_entries`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    pub record_bytes: u32,
    pub key_bytes: u32,
    pub flags: u32,
    pub kind: u32,
    pub version: u64,
    pub integer: i64,
    pub number: f64,
    pub length_bytes: u64,
}

/// Numbers of a dictionary.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    pub struct_bytes: u32,
    pub shards: u32,
    pub entries: u64,
    pub elements: u64,
    pub capacity_bytes: u64,
    pub used_bytes: u64,
    pub free_bytes: u64,
    pub segment_bytes: u64,
    pub hits: u64,
    pub misses: u64,
    pub writes: u64,
    pub refusals: u64,
    pub evictions: u64,
    pub expiries: u64,
    pub lock_waits: u64,
    pub repairs: u64,
}

/// What the bytes of a dictionary hold.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub struct_bytes: u32,
    pub reserved: u32,
    pub values: u64,
    pub lists: u64,
    pub overdue: u64,
    pub key_bytes: u64,
    pub value_bytes: u64,
    pub overhead_bytes: u64,
    pub overdue_bytes: u64,
    pub element_bytes: u64,
    pub free_bytes: u64,
}

/// An object that has a name.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub struct_bytes: u32,
    pub code: c_int,
    pub size_bytes: u64,
    pub created_s: u64,
    pub user: u32,
    pub group: u32,
    pub mode: u32,
    pub creator_pid: u32,
    pub attached: c_int,
    pub name: [c_char; 204],
}

/// What a failure was.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ErrorText {
    pub struct_bytes: u32,
    pub code: c_int,
    pub errno_value: c_int,
    pub message: [c_char; 512],
    pub hint: [c_char; 256],
}

impl Default for ErrorText {
    fn default() -> Self {
        Self { struct_bytes: 0, code: 0, errno_value: 0, message: [0; 512], hint: [0; 256] }
    }
}

/// Declares what can grow, with the size it has in this version.
macro_rules! growing {
    ($($type:ty = $bytes:literal),* $(,)?) => {$(
        // SAFETY: `repr(C)` numbers, the size first; the assertion leaves no room for padding
        // unseen.
        unsafe impl Growing for $type {}
        const _: () = assert!(size_of::<$type>() == $bytes);
    )*};
}

growing!(
    Options = 24,
    Entry = 48,
    StoreOptions = 24,
    Stored = 16,
    Sum = 32,
    Numbers = 120,
    Usage = 80,
    Object = 248,
    ErrorText = 780,
);

const _: () = assert!(size_of::<InValue>() == 40);
const _: () = assert!(size_of::<Item>() == 24);
const _: () = assert!(size_of::<Element>() == 32);
const _: () = assert!(size_of::<Listed>() == 48);

impl From<StoreOptions> for SetOptions {
    fn from(options: StoreOptions) -> Self {
        Self {
            ttl_ms: options.ttl_ms,
            flags: options.flags,
            never_evict: options.never_evict != 0,
            keep_ttl: options.keep_ttl != 0,
        }
    }
}

impl From<Statistics> for Numbers {
    fn from(numbers: Statistics) -> Self {
        Self {
            struct_bytes: 0,
            shards: numbers.shards,
            entries: numbers.entries,
            elements: numbers.elements,
            capacity_bytes: numbers.capacity_bytes,
            used_bytes: numbers.used_bytes,
            free_bytes: numbers.free_bytes,
            segment_bytes: numbers.segment_bytes,
            hits: numbers.hits,
            misses: numbers.misses,
            writes: numbers.writes,
            refusals: numbers.refusals,
            evictions: numbers.evictions,
            expiries: numbers.expiries,
            lock_waits: numbers.lock_waits,
            repairs: numbers.repairs,
        }
    }
}

impl From<moonhive_shm::Usage> for Usage {
    fn from(usage: moonhive_shm::Usage) -> Self {
        Self {
            struct_bytes: 0,
            reserved: 0,
            values: usage.values,
            lists: usage.lists,
            overdue: usage.overdue,
            key_bytes: usage.key_bytes,
            value_bytes: usage.value_bytes,
            overhead_bytes: usage.overhead_bytes,
            overdue_bytes: usage.overdue_bytes,
            element_bytes: usage.element_bytes,
            free_bytes: usage.free_bytes,
        }
    }
}

impl Usage {
    /// The same as a walk goes on with it.
    pub fn begun(&self) -> moonhive_shm::Usage {
        let mut usage = moonhive_shm::Usage::default();
        (usage.values, usage.lists, usage.overdue) = (self.values, self.lists, self.overdue);
        (usage.key_bytes, usage.value_bytes) = (self.key_bytes, self.value_bytes);
        usage.overhead_bytes = self.overhead_bytes;
        let live = [self.key_bytes, self.value_bytes, self.overhead_bytes];
        usage.live_bytes = live.into_iter().fold(0, u64::wrapping_add);
        usage.overdue_bytes = self.overdue_bytes;
        usage
    }
}

/// A value without its bytes: kind, integer, number.
pub fn parts_of(value: &Value<'_>) -> Outcome<(u32, i64, f64)> {
    Ok(match value {
        Value::Nil => (kind::NIL, 0, 0.0),
        Value::Boolean(value) => (kind::BOOLEAN, i64::from(*value), 0.0),
        Value::Integer(value) => (kind::INTEGER, *value, 0.0),
        Value::Double(value) => (kind::DOUBLE, 0, *value),
        Value::Bytes(_) => (kind::BYTES, 0, 0.0),
        Value::Table(_) => (kind::TABLE, 0, 0.0),
        _ => return Err(Failure::Argument("the value has a type this library does not know")),
    })
}

/// The bytes of a value; none if it is a scalar.
pub fn bytes_of<'v>(value: &Value<'v>) -> &'v [u8] {
    match value {
        Value::Bytes(bytes) | Value::Table(bytes) => bytes,
        _ => &[],
    }
}

/// Appends an element with its bytes, padded to eight.
pub fn append_element(packed: &mut Vec<u8>, value: &OwnedValue) -> Outcome {
    let value = value.as_value();
    let (kind, integer, number) = parts_of(&value)?;
    let bytes = bytes_of(&value);
    let record_bytes = append_head(packed, size_of::<Element>(), bytes.len())?;
    packed.extend(kind.to_ne_bytes());
    packed.extend(integer.to_ne_bytes());
    packed.extend(number.to_ne_bytes());
    packed.extend((bytes.len() as u64).to_ne_bytes());
    append_padded(packed, bytes, record_bytes - size_of::<Element>());
    Ok(())
}

/// Appends an entry with its key, padded to eight.
pub fn append_item(packed: &mut Vec<u8>, item: &moonhive_shm::Item) -> Outcome {
    let record_bytes = append_head(packed, size_of::<Item>(), item.key.len())?;
    packed.extend((item.key.len() as u32).to_ne_bytes());
    packed.extend(item.flags.to_ne_bytes());
    packed.extend(item.age.to_ne_bytes());
    packed.extend(item.version.to_ne_bytes());
    append_padded(packed, &item.key, record_bytes - size_of::<Item>());
    Ok(())
}

/// Appends an entry with its key and its bytes, padded to eight.
pub fn append_listing(packed: &mut Vec<u8>, listing: &Listing) -> Outcome {
    let value = match &listing.held {
        Held::Value(value) => value.as_value(),
        Held::List { length } => Value::Integer(i64::try_from(*length).unwrap_or(i64::MAX)),
    };
    let (mut kind, integer, number) = parts_of(&value)?;
    if matches!(listing.held, Held::List { .. }) {
        kind = kind::LIST;
    }
    let (key, bytes) = (&listing.key, bytes_of(&value));
    let head = size_of::<Listed>();
    let record_bytes = append_head(packed, head, key.len() + bytes.len())?;
    packed.extend((key.len() as u32).to_ne_bytes());
    packed.extend(listing.flags.to_ne_bytes());
    packed.extend(kind.to_ne_bytes());
    packed.extend(listing.version.to_ne_bytes());
    packed.extend(integer.to_ne_bytes());
    packed.extend(number.to_ne_bytes());
    packed.extend((bytes.len() as u64).to_ne_bytes());
    packed.extend(key);
    append_padded(packed, bytes, record_bytes - head - key.len());
    Ok(())
}

fn append_head(packed: &mut Vec<u8>, head: usize, length: usize) -> Outcome<usize> {
    let record_bytes = head + length.next_multiple_of(8);
    let number = u32::try_from(record_bytes);
    let number = number.map_err(|_| Failure::Argument("an element is larger than 4 GiB"))?;
    packed.extend(number.to_ne_bytes());
    Ok(record_bytes)
}

fn append_padded(packed: &mut Vec<u8>, bytes: &[u8], padded: usize) {
    let end = packed.len() + padded;
    packed.extend(bytes);
    packed.resize(end, 0);
}

/// A number that C hands in or takes.
pub fn number_of(value: &Value<'_>) -> Outcome<Number> {
    match value {
        Value::Integer(value) => Ok(Number::Integer(*value)),
        Value::Double(value) => Ok(Number::Double(*value)),
        _ => Err(Failure::Argument("the summand must be an integer or a double")),
    }
}

/// A sum on its way out.
pub fn sum_of(value: Number, forcible: bool) -> Sum {
    let (kind, integer, number) = match value {
        Number::Integer(value) => (kind::INTEGER, value, 0.0),
        Number::Double(value) => (kind::DOUBLE, 0, value),
    };
    Sum { struct_bytes: 0, kind, integer, number, forcible: u32::from(forcible), reserved: 0 }
}

/// An end of a list.
pub fn side_of(side: c_int) -> Outcome<Side> {
    match side {
        0 => Ok(Side::Left),
        1 => Ok(Side::Right),
        _ => Err(Failure::Argument("side must be MHSHM_LEFT or MHSHM_RIGHT")),
    }
}

/// Copies text, cut at a character if need be, with a zero byte at the end.
pub fn copy_text(place: &mut [c_char], text: &str) {
    let end = text.floor_char_boundary(place.len() - 1);
    for (to, from) in place.iter_mut().zip(text[..end].bytes().chain([0])) {
        *to = from as c_char;
    }
}
