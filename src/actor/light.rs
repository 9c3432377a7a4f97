//! Services, tasks and deadlines as Lua values: light userdata with a tag in the top byte.
//!
//! Why: such a value costs nothing, compares and hashes by what it names, and travels in messages
//! as it is. No address of the process has a top byte that is not zero, so tagged values are never
//! mistaken for pointers of other libraries, nor the other way round.

use moonhive_kernel::address::Address;

use super::slots::Key;
use crate::vm::Stack;

const TAG_SHIFT: u32 = 56;
const NUMBER_MASK: u64 = (1 << TAG_SHIFT) - 1;

/// What a tagged light userdata names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Light {
    /// A service.
    Service(Address),
    /// A fork, a timer or a monitor of this service.
    Task(Key),
    /// A deadline scope of the running task.
    Scope(u64),
    /// Bytes of a message.
    Block(Key),
    /// The latest message of a writer.
    Board(u64),
}

impl Light {
    fn tag(self) -> u64 {
        match self {
            Light::Service(_) => 0xa5,
            Light::Task(_) => 0xa6,
            Light::Scope(_) => 0xa7,
            Light::Block(_) => 0xa8,
            Light::Board(_) => 0xa9,
        }
    }

    fn number(self) -> u64 {
        match self {
            Light::Service(address) => address.number(),
            Light::Task(key) | Light::Block(key) => key.to_bits(),
            Light::Scope(number) | Light::Board(number) => number,
        }
    }

    /// What the value at `index` names, if it is one of ours.
    #[inline]
    pub(crate) fn at(stack: &Stack<'_>, index: i32) -> Option<Light> {
        Light::from_bits(stack.light(index)? as u64)
    }

    /// Pushes the value.
    #[inline]
    pub(crate) fn push(self, stack: &mut Stack<'_>) {
        stack.push_light(self.to_bits() as usize);
    }

    /// Puts it into the place of the value at `index`.
    pub(crate) fn put(self, stack: &mut Stack<'_>, index: i32) {
        stack.put_light(self.to_bits() as usize, index);
    }

    fn to_bits(self) -> u64 {
        // An address has 64 bits; one whose generation passes 2^32 would lose its upper bits here
        // and then name no service, which is what happens to any address of an ended service.
        self.tag() << TAG_SHIFT | self.number() & NUMBER_MASK
    }

    fn from_bits(bits: u64) -> Option<Light> {
        let number = bits & NUMBER_MASK;
        match bits >> TAG_SHIFT {
            0xa5 => Address::from_number(number).map(Light::Service),
            0xa6 => Some(Light::Task(Key::from_bits(number))),
            0xa7 => Some(Light::Scope(number)),
            0xa8 => Some(Light::Block(Key::from_bits(number))),
            0xa9 => Some(Light::Board(number)),
            _ => None,
        }
    }
}

const _: () = assert!(size_of::<usize>() == 8, "tags need pointers of 64 bits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_survives_the_way_through_lua() {
        let address = Address::from_number(0x12_3456_789a).unwrap();
        for light in
            [Light::Service(address), Light::Task(Key::from_bits(77)), Light::Scope(NUMBER_MASK)]
        {
            assert_eq!(Light::from_bits(light.to_bits()), Some(light));
        }
    }

    #[test]
    fn real_addresses_are_not_ours() {
        let local = 0u8;
        assert_eq!(Light::from_bits((&raw const local).addr() as u64), None);
        assert_eq!(Light::from_bits(0), None);
    }
}
