//! Alarms of one service that have expired together: they come in one message, and are handled one
//! by one, each as if it had come alone.
//!
//! Why: an alarm is a word. A message of its own takes ten, a lock and a look at whether the
//! service must be woken, which is more than what the alarm itself costs.

use super::alarm::PackedAlarm;

/// How many are looked at ahead of time, so that memory answers for all of them at once.
const STRIDE: usize = 16;

/// What is left of them.
#[derive(Debug)]
pub(crate) struct Due {
    alarms: Vec<PackedAlarm>,
    next: usize,
}

impl Due {
    pub(in crate::actor) fn new(alarms: Vec<PackedAlarm>) -> Due {
        Due { alarms, next: 0 }
    }

    pub(in crate::actor) fn is_empty(&self) -> bool {
        self.next >= self.alarms.len()
    }

    /// More have come.
    pub(in crate::actor) fn put(&mut self, alarms: impl IntoIterator<Item = PackedAlarm>) {
        self.alarms.extend(alarms);
    }

    /// Those that will be handled next, at the beginning of each stride; otherwise none.
    pub(in crate::actor) fn ahead(&self) -> &[PackedAlarm] {
        let count = if self.next.is_multiple_of(STRIDE) { STRIDE } else { 0 };
        let end = self.alarms.len().min(self.next + count);
        self.alarms.get(self.next..end).unwrap_or_default()
    }
}

/// One after the other is taken out.
impl Iterator for Due {
    type Item = PackedAlarm;

    fn next(&mut self) -> Option<PackedAlarm> {
        let alarm = self.alarms.get(self.next).copied()?;
        self.next += 1;
        Some(alarm)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.alarms.len() - self.next;
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::task::alarm::Alarm;

    fn alarms(numbers: std::ops::Range<u64>) -> Vec<PackedAlarm> {
        numbers.map(|number| Alarm::Begin(number).pack()).collect()
    }

    #[test]
    fn alarms_are_handled_in_the_order_in_which_they_came() {
        let mut due = Due::new(Vec::new());
        assert!(due.is_empty() && due.next().is_none());
        due.put(alarms(0..3));
        assert_eq!(due.next(), Some(Alarm::Begin(0).pack()));
        due.put(alarms(3..5));
        let rest: Vec<PackedAlarm> = due.by_ref().collect();
        assert_eq!(rest, alarms(1..5));
        assert!(due.is_empty());
    }

    #[test]
    fn each_is_looked_at_once_ahead_of_time() {
        let mut due = Due::new(alarms(0..40));
        let mut seen = Vec::new();
        while !due.is_empty() {
            seen.extend_from_slice(due.ahead());
            due.next();
        }
        assert_eq!(seen, alarms(0..40));
    }
}
