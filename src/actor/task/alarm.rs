//! What a timer of a service is for, and the same in a word: the wheel of a host holds a million
//! timers.

/// What a timer of a service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// The wait of the session with these last bits is over.
    Wait(u64),
    /// A deadline of the task with this key may have passed.
    Deadline(u64),
    /// The task with this key begins.
    Begin(u64),
    /// The service had time enough to exit.
    ExitOverdue,
    /// Deferred answers may have been dropped.
    LookForDropped,
}

impl Alarm {
    /// The bits of a session that are kept. They repeat after 2^32 waits; an alarm lies in the
    /// mailbox for a turn or two when it is too late to be called off.
    pub(crate) const SESSION_MASK: u64 = (1 << 56) - 1;

    /// The same in a word.
    pub(crate) fn pack(self) -> PackedAlarm {
        let (kind, number) = match self {
            Alarm::Wait(session) => (Kind::Wait, session),
            Alarm::Deadline(key) => (Kind::Deadline, key),
            Alarm::Begin(key) => (Kind::Begin, key),
            Alarm::ExitOverdue => (Kind::ExitOverdue, 0),
            Alarm::LookForDropped => (Kind::LookForDropped, 0),
        };
        let [first, second, third, fourth, fifth, sixth, seventh, _] = number.to_le_bytes();
        PackedAlarm { number: [first, second, third, fourth, fifth, sixth, seventh], kind }
    }
}

/// An [`Alarm`] in a word. Keys have 56 bits; of a session as many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedAlarm {
    number: [u8; 7],
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wait,
    Deadline,
    Begin,
    ExitOverdue,
    LookForDropped,
}

const _: () = assert!(size_of::<Option<PackedAlarm>>() == 8);

impl PackedAlarm {
    /// What was packed.
    pub(crate) fn unpack(self) -> Alarm {
        let [first, second, third, fourth, fifth, sixth, seventh] = self.number;
        let number = u64::from_le_bytes([first, second, third, fourth, fifth, sixth, seventh, 0]);
        match self.kind {
            Kind::Wait => Alarm::Wait(number),
            Kind::Deadline => Alarm::Deadline(number),
            Kind::Begin => Alarm::Begin(number),
            Kind::ExitOverdue => Alarm::ExitOverdue,
            Kind::LookForDropped => Alarm::LookForDropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_survives_the_way_through_the_wheel() {
        let key = 0x12_3456_789a_bcde;
        for alarm in [
            Alarm::Wait(key),
            Alarm::Deadline(key),
            Alarm::Begin(1),
            Alarm::ExitOverdue,
            Alarm::LookForDropped,
        ] {
            assert_eq!(alarm.pack().unpack(), alarm);
        }
    }

    #[test]
    fn the_first_bits_of_a_long_session_are_left_out() {
        let session = u64::MAX - 3;
        let kept = Alarm::Wait(session & Alarm::SESSION_MASK);
        assert_eq!(Alarm::Wait(session).pack().unpack(), kept);
    }
}
