//! The number of a service, as a type, as text and as a place in the table.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Bits of an address that name its place.
pub(super) const PLACE_BITS: u32 = 24;

/// The number of a service. Never zero, never used again for another service of this table.
///
/// ```
/// use moonhive_kernel::address::Address;
/// let address: Address = ":0000002a".parse().unwrap();
/// assert_eq!(address.number(), 42);
/// assert_eq!(address.to_string(), ":0000002a");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(NonZeroU64);

impl Address {
    /// The address with this number; `None` for zero.
    pub const fn from_number(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, for messages and for Lua.
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    pub(super) fn of(place: usize, generation: u64) -> Self {
        let number = generation << PLACE_BITS | (place as u64 + 1);
        Self(NonZeroU64::new(number).expect("a place plus one is not zero"))
    }

    /// The place this address names, if it can be one.
    pub(super) fn place(self) -> Option<usize> {
        ((self.number() & ((1 << PLACE_BITS) - 1)) as usize).checked_sub(1)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{:08x}", self.number())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: a colon and up to 16 hexadecimal digits, not all zero")]
pub struct NotAnAddress {
    /// The text.
    pub text: String,
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let digits = text.strip_prefix(':').filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.and_then(Self::from_number).ok_or_else(|| NotAnAddress { text: text.to_owned() })
    }
}
