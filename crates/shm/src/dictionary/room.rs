//! Room for a new record: reckoned, made by eviction, taken.
//!
//! A dictionary promises its size to entries; beyond that it has a reserve. A record that replaces
//! another one of the same key counts only by what it is larger, and takes cells of the reserve
//! until the old one is gone: so overwriting works in a full dictionary, and the old value stays
//! until the new one is committed. Where the reserve is too small for that (a value of more than a
//! hundredth of all), and nothing else is free, a store that may throw out others throws out the
//! old value first, as any entry may be; a store that may not is refused, and the old value stays.
//!
//! So that the reserve is there when it is needed, all that entries take is reckoned: what shards
//! have been lent and not yet taken, and what records in pieces take beyond their length. A quarter
//! of the reserve is for the pieces of new entries, another one for those of entries that are
//! replaced.
//!
//! Nothing is thrown out for a record that could not fit into an empty dictionary.

use std::time::Duration;

use super::core::Core;
use super::doomed::WITH_A_STORE;
use super::draft::{Content, Draft};
use super::evict::RECLAIMED_ELEMENTS;
use super::geometry::CELL_BYTES;
use super::record::{Record, kind};
use super::shard::{CELLS_USED, CREDIT, Locked, REFUSALS};
use crate::error::{Error, Result};
use crate::sync::spin;

/// Cells a shard may take before it reckons again what is left for all.
const CREDIT_LIMIT_CELLS: u64 = 64;

/// Cells that a shard keeps of what its queues give back, however full the dictionary is: a list
/// and an element of some cells. Others count them as taken while the shard is locked.
const LENT_LIMIT_CELLS: u64 = 8;

/// Looks for room that others are just giving back, before a store is refused. The last one waits
/// for about 10 microseconds.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 10 };

/// Attempts of a store, and the rest before each, when others hold the shards of all who could have
/// gone: some ten milliseconds, in which whoever holds a lock gets his turn on any machine.
const ATTEMPTS: u32 = if cfg!(loom) { 1 } else { 100 };
const REST: Duration = Duration::from_micros(50);

/// Victims from the own shard before the others have to give, too.
const OWN_VICTIMS: u32 = 8;

/// Buckets that are searched for expired entries before a store is refused: a millisecond or two.
const SEARCHED_BUCKETS: u32 = 1 << 14;

/// What may be done to make room.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'a> {
    /// Live entries of others may be thrown out.
    pub evict: bool,
    /// The record that will be replaced; thrown out for its successor only as the next two say.
    pub old: Option<Record<'a>>,
    /// It had ended when the operation began.
    pub old_is_over: bool,
    /// If others may be thrown out, so may the old record, before the new one is there.
    pub may_take_over: bool,
}

/// A record that is filled but not committed.
#[derive(Debug)]
pub struct Built<'a> {
    /// The record.
    pub record: Record<'a>,
    /// Live entries were thrown out.
    pub forcible: bool,
    /// Entries were removed, live or not: links may lead elsewhere.
    pub made_room: bool,
    /// The old record is gone already.
    pub old_is_gone: bool,
}

impl<'a> Built<'a> {
    /// A record for which no room had to be made.
    #[inline(always)]
    pub fn easily(record: Record<'a>) -> Self {
        Self { record, forcible: false, made_room: false, old_is_gone: false }
    }
}

/// One attempt to make room, told to its successors.
#[derive(Debug, Default)]
struct Effort {
    forcible: bool,
    made_room: bool,
    victims: u32,
    old_is_gone: bool,
    looks: u32,
    /// The last look for room found shards locked by others, and nothing else.
    is_kept_out: bool,
}

impl Effort {
    /// Others hold what there is for the moment. False after some time.
    fn waits(&mut self) -> bool {
        if self.looks == LOOKS {
            return false;
        }
        (0..1 << self.looks).for_each(|_| spin());
        self.looks += 1;
        true
    }
}

impl<'a> Core<'a> {
    /// Runs an operation that stores, and again if it was refused because others had locked whoever
    /// could have gone. Between two attempts nothing is locked.
    #[inline(always)]
    pub fn insist<T>(
        self,
        lock: impl Fn() -> Result<Locked<'a>>,
        operation: impl FnMut(&mut Locked<'a>) -> Result<T>,
    ) -> Result<T> {
        insist(lock()?, lock, operation)
    }
}

/// The same where the shard is locked already.
#[inline(always)]
pub fn insist<'a, T>(
    mut shard: Locked<'a>,
    lock: impl Fn() -> Result<Locked<'a>>,
    mut operation: impl FnMut(&mut Locked<'a>) -> Result<T>,
) -> Result<T> {
    let outcome = operation(&mut shard);
    if !shard.is_kept_out() {
        return outcome;
    }
    insist_further(shard, outcome, &lock, &mut operation)
}

/// The attempts after the first one, which is kept free of the loop: a compiler computes before a
/// loop whatever may be of use in it.
#[cold]
fn insist_further<'a, T>(
    mut shard: Locked<'a>,
    mut outcome: Result<T>,
    lock: &dyn Fn() -> Result<Locked<'a>>,
    operation: &mut dyn FnMut(&mut Locked<'a>) -> Result<T>,
) -> Result<T> {
    for _ in 1..ATTEMPTS {
        drop(shard);
        std::thread::sleep(REST);
        shard = lock()?;
        outcome = operation(&mut shard);
        if !shard.is_kept_out() {
            return outcome;
        }
    }
    shard.count(REFUSALS, 1);
    outcome
}

impl<'a> Locked<'a> {
    /// Builds a record, making room for it within the permit.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: nothing was built, and the old record is in place, unless it was taken
    /// over.
    #[inline(always)]
    pub fn build(&mut self, content: &Content<'_>, permit: Permit<'a>) -> Result<Built<'a>> {
        let replaced = permit.old.map_or(0, |old| old.cells());
        self.build_within(content, permit, replaced)
    }

    /// Builds a record that takes its room beside the one that the permit spares.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    #[inline(always)]
    pub fn build_beside(&mut self, content: &Content<'_>, permit: Permit<'a>) -> Result<Built<'a>> {
        self.build_within(content, permit, 0)
    }

    #[inline(always)]
    fn build_within(
        &mut self,
        content: &Content<'_>,
        permit: Permit<'a>,
        replaced_cells: u64,
    ) -> Result<Built<'a>> {
        self.reclaim_doomed(WITH_A_STORE);
        match self.build_in_spare(content, replaced_cells) {
            Some(record) => Ok(Built::easily(record)),
            None => self.build_with_effort(content, permit, replaced_cells),
        }
    }

    /// Builds a record in a run that the shard has kept, if one has its length and its room was
    /// reckoned before: the usual case of overwriting.
    #[inline(always)]
    pub fn build_in_spare(
        &mut self,
        content: &Content<'_>,
        replaced_cells: u64,
    ) -> Option<Record<'a>> {
        let need = content.cells();
        let net = need.saturating_sub(replaced_cells);
        let credit = u64::from(self.half(CREDIT));
        if net > credit && !self.has_room_alone(net) {
            return None;
        }
        let run = self.take_spare(need)?;
        self.set_half(CREDIT, credit.saturating_sub(net) as u32);
        Some(self.fill_run(run, content))
    }

    /// True if this is the only shard, which nothing was lent to, and entries may grow by so many
    /// cells.
    #[inline(always)]
    fn has_room_alone(&self, net: u64) -> bool {
        let geometry = &self.core.geometry;
        geometry.shards == 1
            && self.field(CELLS_USED).saturating_add(net) <= u64::from(geometry.usable_cells)
    }

    /// Lends the shard cells that it is about to give back: a queue that is filled and emptied
    /// again is not reckoned each time. Before they are given back, so that nobody is lent the
    /// same. A dictionary of one shard lends nothing.
    #[inline(always)]
    pub fn lend(&self, cells: u32) {
        let credit = self.half(CREDIT).saturating_add(cells);
        if u64::from(credit) <= LENT_LIMIT_CELLS && self.core.geometry.shards > 1 {
            self.set_half(CREDIT, credit);
            crate::fault::point();
        }
    }

    fn build_with_effort(
        &mut self,
        content: &Content<'_>,
        permit: Permit<'a>,
        replaced_cells: u64,
    ) -> Result<Built<'a>> {
        let mut effort = Effort::default();
        let built = self.try_build(content, permit, replaced_cells, &mut effort);
        let Effort { forcible, made_room, old_is_gone, .. } = effort;
        match built {
            Some(record) => Ok(Built { record, forcible, made_room, old_is_gone }),
            None => {
                // What was taken over is gone: another attempt would not be the same operation.
                if effort.is_kept_out && !old_is_gone {
                    self.note_kept_out();
                } else {
                    self.count(REFUSALS, 1);
                }
                let wanted_bytes = content.cells().saturating_mul(CELL_BYTES as u64);
                Err(Error::NoMemory { forcible, wanted_bytes })
            }
        }
    }

    fn try_build(
        &mut self,
        content: &Content<'_>,
        permit: Permit<'a>,
        replaced_cells: u64,
        effort: &mut Effort,
    ) -> Option<Record<'a>> {
        let need = content.cells();
        if need > u64::from(self.core.geometry.usable_cells) || content.length == u32::MAX {
            return None;
        }
        loop {
            let going = if effort.old_is_gone { 0 } else { replaced_cells };
            if self.has_room(need.saturating_sub(going), effort) {
                break;
            }
            if !self.take_room_of_old(permit, replaced_cells, effort) {
                self.make_room(permit, effort)?;
            }
        }
        let draft = self.claim_all(content, permit, effort)?;
        // In pieces it takes more than was reckoned.
        while draft.cells() > need && self.is_overdrawn(replaced_cells, effort) {
            if self.make_room(permit, effort).is_none() {
                self.give_up(&draft);
                return None;
            }
        }
        Some(self.fill_draft(&draft, content))
    }

    /// Gives back what goes with the old record and was not reckoned as its room, before others
    /// have to go: elements of a list, or what has ended where an element is to come. True if there
    /// was something.
    fn take_room_of_old(
        &mut self,
        permit: Permit<'a>,
        replaced_cells: u64,
        effort: &mut Effort,
    ) -> bool {
        let Some(old) = permit.old else { return false };
        if effort.old_is_gone {
            return self.reclaim_doomed(RECLAIMED_ELEMENTS) > 0;
        }
        let has_more = replaced_cells == 0 || old.shape.kind() == kind::LIST;
        let goes = has_more && (permit.old_is_over || permit.evict && permit.may_take_over);
        if goes {
            effort.old_is_gone = true;
            self.remove_cell(&old);
        }
        goes
    }

    /// True if entries take more than they may, once the replaced one is gone.
    fn is_overdrawn(&self, replaced_cells: u64, effort: &Effort) -> bool {
        let going = if effort.old_is_gone { 0 } else { replaced_cells };
        let (cells, usable) = (self.core.geometry.cells, self.core.geometry.usable_cells);
        let part = if replaced_cells == 0 { 4 } else { 2 };
        let most = usable + (cells - usable) / part;
        self.core.sum(CELLS_USED).saturating_sub(going) > u64::from(most)
    }

    /// Claims every cell of a record, or none.
    fn claim_all(
        &mut self,
        content: &Content<'_>,
        permit: Permit<'a>,
        effort: &mut Effort,
    ) -> Option<Draft> {
        let mut draft = loop {
            match self.begin_draft(content) {
                Some(draft) => break draft,
                None => self.make_way(permit, effort)?,
            }
        };
        while !self.extend_draft(&mut draft) {
            if self.make_way(permit, effort).is_none() {
                self.give_up(&draft);
                return None;
            }
        }
        Some(draft)
    }

    /// True if entries of the dictionary may grow by so many cells.
    #[inline(always)]
    fn has_room(&mut self, net: u64, effort: &mut Effort) -> bool {
        let credit = u64::from(self.half(CREDIT));
        if net <= credit {
            self.set_half(CREDIT, (credit - net) as u32);
            return true;
        }
        self.reckon_room(net, effort)
    }

    fn reckon_room(&mut self, net: u64, effort: &mut Effort) -> bool {
        self.set_half(CREDIT, 0);
        let mut free = self.unpromised_cells();
        if free < net && self.core.free_cells() > free {
            let kept = self.call_in_credits();
            free = self.unpromised_cells();
            effort.is_kept_out = free < net && free + kept >= net;
        }
        let shards = u64::from(self.core.geometry.shards);
        // A dictionary of one shard reckons each time, exactly; others share what is left.
        let share = free.saturating_sub(net) / (shards * 2);
        let credit = if shards == 1 { 0 } else { share.min(CREDIT_LIMIT_CELLS) };
        self.set_half(CREDIT, credit as u32);
        free >= net
    }

    /// Cells that entries may take beyond what shards were lent.
    fn unpromised_cells(&self) -> u64 {
        let (memory, geometry) = (&self.core.memory, &self.core.geometry);
        let promised = (0..geometry.shards).map(|shard| {
            let at = geometry.shard_at(shard);
            memory.load(at + CELLS_USED).wrapping_add(u64::from(memory.load_half(at + CREDIT)))
        });
        u64::from(geometry.usable_cells).saturating_sub(promised.fold(0, u64::wrapping_add))
    }

    /// Takes back what other shards were lent and have not taken; returns how many cells those keep
    /// that are locked just now.
    #[cold]
    fn call_in_credits(&self) -> u64 {
        let geometry = &self.core.geometry;
        let mut kept = 0;
        for distance in 1..geometry.shards {
            match self.neighbour(distance) {
                Some(shard) => shard.set_half(CREDIT, 0),
                None => {
                    let at = geometry.shard_at((self.shard + distance) % geometry.shards);
                    kept += u64::from(self.core.memory.load_half(at + CREDIT));
                }
            }
        }
        kept
    }

    /// Cells are reckoned to be there but are in use for the moment: what is kept goes, then the
    /// old record if it may, then others.
    #[cold]
    fn make_way(&mut self, permit: Permit<'a>, effort: &mut Effort) -> Option<()> {
        if self.core.keeps_runs(self.shard) {
            self.release_spares();
            return Some(());
        }
        let may_take_over = permit.evict && permit.may_take_over && !effort.old_is_gone;
        if let Some(old) = permit.old.filter(|_| may_take_over) {
            effort.old_is_gone = true;
            self.remove_cell(&old);
            self.release_spares();
            return Some(());
        }
        let made = self.make_room(permit, effort);
        made.or_else(|| effort.waits().then_some(()))
    }

    /// Throws out one entry, an expired one if there is no permit for others. `None` if there is
    /// none.
    fn make_room(&mut self, permit: Permit<'a>, effort: &mut Effort) -> Option<()> {
        let spared = permit.old.map(|old| old.cell);
        effort.made_room = true;
        if !permit.evict {
            return self.reclaim_somewhere(spared).then_some(());
        }
        let was_live = loop {
            match self.evict_somewhere(spared, effort) {
                Some(was_live) => break was_live,
                // Whoever has entries may be locked just now.
                None => effort.waits().then_some(())?,
            }
        };
        effort.victims += 1;
        effort.forcible |= was_live;
        Some(())
    }

    /// Throws out an entry of this shard or, when it has given enough, of the others in turn.
    fn evict_somewhere(&mut self, spared: Option<u32>, effort: &mut Effort) -> Option<bool> {
        let shards = self.core.geometry.shards;
        let first = effort.victims.saturating_sub(OWN_VICTIMS - 1) % shards;
        effort.is_kept_out = false;
        (0..shards).find_map(|step| match (first + step) % shards {
            0 => self.evict(spared),
            distance => match self.neighbour(distance) {
                Some(mut shard) => shard.evict_for_another(),
                None => {
                    effort.is_kept_out = true;
                    None
                }
            },
        })
    }

    fn evict_for_another(&mut self) -> Option<bool> {
        let was_live = self.evict(None);
        self.release_spares();
        was_live
    }

    fn reclaim_for_another(&mut self, left: &mut u32) -> bool {
        let found = self.reclaim(None, left);
        self.release_spares();
        found
    }

    /// Gives back what has expired here or elsewhere, searching a part of the buckets: who comes
    /// next goes on from there.
    fn reclaim_somewhere(&mut self, spared: Option<u32>) -> bool {
        let shards = self.core.geometry.shards;
        let mut left = SEARCHED_BUCKETS;
        if self.reclaim(spared, &mut left) {
            return true;
        }
        let others = (1..shards).map(|distance| (distance, (self.shard + distance) % shards));
        others
            .filter(|(_, shard)| self.core.may_give_back(*shard) || self.core.keeps_runs(*shard))
            .any(|(distance, _)| {
                let shard = self.neighbour(distance);
                shard.is_some_and(|mut shard| shard.reclaim_for_another(&mut left))
            })
    }

    /// Another shard, if its lock is free: two owners who wait for each other would wait for ever.
    fn neighbour(&self, distance: u32) -> Option<Locked<'a>> {
        let core: Core<'a> = self.core;
        Locked::if_free(core, (self.shard + distance) % core.geometry.shards)
    }
}
