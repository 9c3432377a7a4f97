//! Elements whose list has ended: given back a few at a time, so that no lock is held for as long
//! as a list is.
//!
//! The first ones go with the list; the rest keeps its links and is put before what was doomed
//! earlier. Every later store in the shard takes some. An element without a list exists for nobody:
//! after a death the repair frees them all.

use super::cells::HEAD;
use super::core::Core;
use super::record::{FREE, NEXT, Record, link_to};
use super::shard::{DOOMED, ELEMENTS, Locked};
use super::value::Side;

/// Elements that go at once with their list.
const AT_ONCE: u64 = 64;

/// Elements that a store gives back.
pub const WITH_A_STORE: u64 = 16;

impl<'a> Locked<'a> {
    /// Ends the elements of a list that does not exist any more.
    pub fn dispose_elements(&mut self, record: &Record<'a>) {
        let Some(list) = self.core.list_of(*record) else { return };
        let first = self.core.end_of_list(self.shard, &list, Side::Left);
        let last = self.core.end_of_list(self.shard, &list, Side::Right);
        if let Some((first, last)) = first.zip(last) {
            last.set_half(NEXT, self.half(DOOMED));
            self.set_half(DOOMED, link_to(first.cell));
            crate::fault::point();
        }
        self.reclaim_doomed(AT_ONCE);
    }

    /// Gives back up to so many doomed elements; how many.
    #[inline(always)]
    pub fn reclaim_doomed(&mut self, most: u64) -> u64 {
        if self.half(DOOMED) == 0 { 0 } else { self.reclaim_some_doomed(most) }
    }

    fn reclaim_some_doomed(&mut self, most: u64) -> u64 {
        let mut freed = 0;
        while freed < most && self.half(DOOMED) != 0 {
            let Some(element) = self.doomed_at(self.half(DOOMED)) else {
                // A damaged link: what it hides is found by the next repair.
                self.set_half(DOOMED, 0);
                break;
            };
            self.set_half(DOOMED, element.half(NEXT));
            element.set_commit(FREE);
            self.discount(ELEMENTS, 1);
            self.release_record(&element);
            freed += 1;
        }
        freed
    }

    /// The doomed element that a link leads to. One that was freed is none: a circle ends.
    fn doomed_at(&self, link: u32) -> Option<Record<'a>> {
        let record = self.core.record_at(link)?;
        let is_ours = self.core.owner(record.cell) == Core::owner_byte(self.shard) | HEAD;
        self.core.element_of(&record).filter(|_| is_ours).map(|_| record)
    }

    /// All doomed elements, as far as so many.
    pub fn doomed(&self, most: usize) -> impl Iterator<Item = Record<'a>> + '_ {
        let first = self.doomed_at(self.half(DOOMED));
        std::iter::successors(first, |it| self.doomed_at(it.half(NEXT))).take(most)
    }
}
