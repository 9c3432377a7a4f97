//! A dictionary as a whole: going through it, emptying it, looking after it.

use std::fmt::Write as _;

use moonhive_shm::{Cursor, Dictionary, Finding};

use crate::argument::{Buffer, Bytes, Handle, Out, Place};
use crate::failure::Outcome;
use crate::layout::{Numbers, Usage, append_item, append_listing};
use crate::scratch;

/// What a cursor is after the last entry; 0 is before the first.
const END: u64 = u64::MAX;

fn number_of(next: Option<Cursor>) -> u64 {
    next.map_or(END, Cursor::to_number)
}

exported! {
    /// Live entries from a cursor on.
    fn mhshm_items(
        dictionary: Handle<'_>,
        cursor: Place<'_, u64>,
        wanted: usize,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        length_bytes: Place<'_, usize>,
        count: Place<'_, usize>,
    ) {
        let answer = Answer { buffer, capacity_bytes, length_bytes, count };
        deliver_items(dictionary.get()?, &[], &cursor, wanted, answer)
    }

    /// Ends every entry.
    fn mhshm_flush_all(dictionary: Handle<'_>) {
        let dictionary = dictionary.get()?;
        dictionary.flush_all()?;
        dictionary.tidy_flushed();
        Ok(())
    }

    /// Gives expired entries back.
    fn mhshm_flush_expired(dictionary: Handle<'_>, most: u64, freed: Place<'_, u64>) {
        let most = if most == 0 { u64::MAX } else { most };
        freed.write(dictionary.get()?.flush_expired(most)?);
        Ok(())
    }

    /// One step of a sweep.
    fn mhshm_sweep(
        dictionary: Handle<'_>,
        cursor: Place<'_, u64>,
        buckets: u64,
        freed: Place<'_, u64>,
    ) {
        let dictionary = dictionary.get()?;
        let at = match cursor.read()? {
            END => 0,
            at => at,
        };
        let swept = dictionary.sweep(Cursor::from_number(at), buckets.max(1))?;
        cursor.write(number_of(swept.next));
        freed.write(swept.freed);
        Ok(())
    }

    /// Bytes of entries that it was made for.
    fn mhshm_capacity_bytes(dictionary: Handle<'_>, capacity_bytes: Place<'_, u64>) {
        capacity_bytes.write(dictionary.get()?.capacity_bytes());
        Ok(())
    }

    /// Bytes that new entries can take.
    fn mhshm_free_bytes(dictionary: Handle<'_>, free_bytes: Place<'_, u64>) {
        free_bytes.write(dictionary.get()?.free_bytes());
        Ok(())
    }

    /// Numbers of the dictionary.
    fn mhshm_statistics(dictionary: Handle<'_>, statistics: Out<'_, Numbers>) {
        statistics.write(dictionary.get()?.statistics().into())
    }

    /// Verifies every invariant.
    fn mhshm_check(
        dictionary: Handle<'_>,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        length_bytes: Place<'_, usize>,
        count: Place<'_, usize>,
    ) {
        let findings = dictionary.get()?.check()?;
        count.write(findings.len());
        scratch::with(|scratch| {
            *scratch = findings.iter().map(describe).collect::<String>().into_bytes();
            scratch::deliver(scratch, buffer, capacity_bytes, &length_bytes)
        })
    }

    /// Rebuilds what can be rebuilt and drops what is damaged.
    fn mhshm_repair(dictionary: Handle<'_>) {
        Ok(dictionary.get()?.repair()?)
    }
}

exported! {
    since "MOONHIVE_SHM_3";

    /// Live entries whose key begins with a prefix, from a cursor on.
    fn mhshm_items_with_prefix(
        dictionary: Handle<'_>,
        prefix: Bytes<'_>,
        prefix_bytes: usize,
        cursor: Place<'_, u64>,
        wanted: usize,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        length_bytes: Place<'_, usize>,
        count: Place<'_, usize>,
    ) {
        let (dictionary, prefix) = (dictionary.get()?, prefix.get(prefix_bytes)?);
        let answer = Answer { buffer, capacity_bytes, length_bytes, count };
        deliver_items(dictionary, prefix, &cursor, wanted, answer)
    }

    /// The same with what they hold.
    fn mhshm_entries(
        dictionary: Handle<'_>,
        prefix: Bytes<'_>,
        prefix_bytes: usize,
        cursor: Place<'_, u64>,
        wanted: usize,
        buffer: Buffer<'_>,
        capacity_bytes: usize,
        length_bytes: Place<'_, usize>,
        count: Place<'_, usize>,
    ) {
        let (dictionary, prefix) = (dictionary.get()?, prefix.get(prefix_bytes)?);
        let (listings, next) = match cursor.read()? {
            END => (Vec::new(), None),
            at => dictionary.entries(prefix, Cursor::from_number(at), wanted)?,
        };
        cursor.write(number_of(next));
        let answer = Answer { buffer, capacity_bytes, length_bytes, count };
        answer.deliver(&listings, append_listing)
    }
}

exported! {
    since "MOONHIVE_SHM_3";

    /// One step of a measurement.
    fn mhshm_measure(
        dictionary: Handle<'_>,
        cursor: Place<'_, u64>,
        buckets: u64,
        usage: Out<'_, Usage>,
    ) {
        let dictionary = dictionary.get()?;
        let mut total = usage.read()?.begun();
        let at = match cursor.read()? {
            END => return Ok(()),
            at => Cursor::from_number(at),
        };
        let next = dictionary.measure(at, buckets.max(1), &mut total)?;
        cursor.write(number_of(next));
        usage.write(total.into())
    }
}

/// Where records go, and what is told about them.
struct Answer<'c> {
    buffer: Buffer<'c>,
    capacity_bytes: usize,
    length_bytes: Place<'c, usize>,
    count: Place<'c, usize>,
}

impl Answer<'_> {
    /// Hands records to C, packed by `append`.
    fn deliver<T>(self, records: &[T], append: impl Fn(&mut Vec<u8>, &T) -> Outcome) -> Outcome {
        self.count.write(records.len());
        scratch::with(|scratch| {
            scratch.clear();
            records.iter().try_for_each(|record| append(scratch, record))?;
            scratch::deliver(scratch, self.buffer, self.capacity_bytes, &self.length_bytes)
        })
    }
}

fn deliver_items(
    dictionary: &Dictionary,
    prefix: &[u8],
    cursor: &Place<'_, u64>,
    wanted: usize,
    answer: Answer<'_>,
) -> Outcome {
    let (items, next) = match cursor.read()? {
        END => (Vec::new(), None),
        at => dictionary.items_with_prefix(prefix, Cursor::from_number(at), wanted)?,
    };
    cursor.write(number_of(next));
    answer.deliver(&items, append_item)
}

/// A line about a finding.
fn describe(finding: &Finding) -> String {
    let mut line = format!("shard {}", finding.shard);
    if let Some(cell) = finding.cell {
        let _ = write!(line, ", cell {cell}");
    }
    line + ": " + finding.what + "\n"
}
