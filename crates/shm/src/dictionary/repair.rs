//! Making a shard whole after a death: what a survey of its cells finds is kept, the rest is made
//! anew.
//!
//! Each step may be the last one of the repairer, too: the next one begins again from the cells,
//! and what was dropped before is dropped already. The sequence is odd all the time, so that
//! readers wait.

use super::cells::Run;
use super::record::{FREE, NEXT, PREVIOUS, VERSION_MOST, link_to};
use super::shard::{
    CANDIDATES, CELLS_USED, CREDIT, DOOMED, ELEMENTS, FLUSHED, LIVE, Locked, NEAR, REPAIRS,
    SPARE_FIRST, SPARE_SECOND, TICKS, VERSION,
};
use super::survey::Survey;
use crate::fault;
use crate::sync::Ordering;

impl<'a> Locked<'a> {
    /// Rebuilds everything that is derived, drops what is damaged, frees what nobody reaches.
    #[cold]
    pub fn repair(&mut self) {
        self.open();
        let survey = Survey::new(self.core, self.shard);
        self.repair_versions(&survey);
        for (record, _) in &survey.dropped {
            record.set_commit(FREE);
        }
        self.rebuild_index(&survey);
        self.rebuild_lists(&survey);
        self.rebuild_counters(&survey);
        self.free_lost(&survey);
        self.count(REPAIRS, 1);
        self.close();
    }

    /// New versions are above all that were given out. Where damage has flushed what is still to
    /// come, what is there was flushed: better lost than back from the dead.
    fn repair_versions(&mut self, survey: &Survey<'a>) {
        let believed = |number: u64| if number <= VERSION_MOST { number } else { 0 };
        let flushed = believed(self.field(FLUSHED));
        let version = believed(self.field(VERSION)).max(survey.version).max(flushed);
        self.set_field(VERSION, version);
        fault::point();
        self.set_field(FLUSHED, flushed);
        fault::point();
    }

    fn rebuild_index(&mut self, survey: &Survey<'a>) {
        for bucket in 0..self.core.geometry.buckets {
            self.core.bucket(self.shard, bucket).store(0, Ordering::Relaxed);
        }
        fault::point();
        let mut key = Vec::new();
        let core = self.core;
        for record in core.fetching(&survey.entries, |record| record.cell) {
            record.read_key(&mut key);
            let bucket = self.core.place(&key).bucket;
            self.link(bucket, record);
        }
    }

    fn rebuild_lists(&mut self, survey: &Survey<'a>) {
        for record in &survey.entries {
            let Some(list) = self.core.list_of(*record) else { continue };
            let Some(elements) = survey.lists.get(&list.id) else { continue };
            let link = |index: usize| elements.get(index).map_or(0, |(_, it)| link_to(it.cell));
            for (index, (_, element)) in elements.iter().enumerate() {
                element.set_half(PREVIOUS, index.checked_sub(1).map_or(0, link));
                element.set_half(NEXT, link(index + 1));
            }
            list.set_ends(link(0), link(elements.len() - 1), elements.len() as u64);
            fault::point();
        }
    }

    fn rebuild_counters(&mut self, survey: &Survey<'a>) {
        self.set_field(CELLS_USED, survey.used());
        self.set_field(LIVE, survey.entries.len() as u64);
        self.set_field(ELEMENTS, survey.elements());
        self.set_half(CREDIT, 0);
        self.set_half(TICKS, 0);
        self.set_half(CANDIDATES, 0);
        self.set_half(DOOMED, 0);
        self.set_field(SPARE_FIRST, 0);
        self.set_field(SPARE_SECOND, 0);
        self.forget_hints();
        self.note_ends_of(&survey.entries);
        self.set_half(NEAR, self.half(NEAR).min(self.core.geometry.cells - 1));
        fault::point();
    }

    /// Frees cells that nobody reaches, and finds those that a dead owner gave back without saying
    /// so.
    fn free_lost(&mut self, survey: &Survey<'a>) {
        for cell in survey.lost().chain(survey.strays.iter().copied()) {
            self.core.release(Run { cell, length: 1 });
        }
        self.core.note_room_everywhere();
        fault::point();
    }
}
