//! Verifying every invariant of a live dictionary, shard by shard.
//!
//! A shard is locked while it is surveyed: one to eight milliseconds for each 10,000 entries of it,
//! as memory is quick. For the rest of the time the dictionary is in use as ever.

use std::collections::HashSet;

use super::core::Core;
use super::handle::Dictionary;
use super::list::List;
use super::record::{ENTRY, Record, VERSION_MOST, state_of};
use super::shard::{CELLS_USED, ELEMENTS, FLUSHED, LIVE, Locked, SEQUENCE, VERSION};
use super::survey::Survey;
use super::value::Side;
use crate::error::Result;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The shard.
    pub shard: u32,
    /// The cell, where one is to blame.
    pub cell: Option<u32>,
    /// What is wrong.
    pub what: &'static str,
}

impl Dictionary {
    /// Verifies every invariant; what does not hold. Locks each shard for one to eight milliseconds
    /// per 10,000 entries of it.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for shard in 0..self.shards() {
            findings.extend(self.check_shard(shard)?);
        }
        Ok(findings)
    }

    /// Rebuilds everything that can be rebuilt, in every shard, and drops what is damaged.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn repair(&self) -> Result<()> {
        (0..self.shards()).try_for_each(|shard| self.repair_shard(shard))
    }

    /// Parts with a lock of their own.
    pub fn shards(&self) -> u32 {
        self.core().geometry.shards
    }

    /// As [`check`](Self::check), for one of the [`shards`](Self::shards); nothing for any other
    /// number.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn check_shard(&self, shard: u32) -> Result<Vec<Finding>> {
        if shard < self.shards() { self.core().check_shard(shard) } else { Ok(Vec::new()) }
    }

    /// As [`repair`](Self::repair), for one of the [`shards`](Self::shards).
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn repair_shard(&self, shard: u32) -> Result<()> {
        if shard < self.shards() {
            self.core().lock(shard)?.repair();
        }
        Ok(())
    }
}

/// Collects the findings of one shard.
struct Report {
    shard: u32,
    findings: Vec<Finding>,
}

impl Report {
    fn note(&mut self, cell: Option<u32>, what: &'static str) {
        self.findings.push(Finding { shard: self.shard, cell, what });
    }

    fn expect(&mut self, holds: bool, what: &'static str) {
        if !holds {
            self.note(None, what);
        }
    }
}

/// The elements of ended lists that wait to be given back.
struct Doomed {
    heads: HashSet<u32>,
    cells: u64,
}

impl Doomed {
    fn of(locked: &Locked<'_>) -> Self {
        let mut doomed = Self { heads: HashSet::new(), cells: 0 };
        for record in locked.doomed(locked.core.geometry.cells as usize) {
            if doomed.heads.insert(record.cell) {
                doomed.cells += record.cells();
            }
        }
        doomed
    }
}

impl<'a> Core<'a> {
    /// Every finding of a shard. A shard whose last owner died is repaired first, by the lock.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn check_shard(self, shard: u32) -> Result<Vec<Finding>> {
        let locked = self.lock(shard)?;
        let survey = Survey::new(self, shard);
        let mut report = Report { shard, findings: Vec::new() };
        let doomed = Doomed::of(&locked);
        for (record, why) in &survey.dropped {
            if !doomed.heads.contains(&record.cell) {
                report.note(Some(record.cell), why);
            }
        }
        let spares = locked.spares();
        let is_spare = |cell: &u32| spares.iter().any(|run| run.cell == *cell);
        let hollow: Vec<u32> = survey.hollow.iter().copied().filter(|it| !is_spare(it)).collect();
        for cell in &hollow {
            report.note(Some(*cell), "a head without a record");
        }
        // One finding: there may be as many of them as cells.
        if let Some(cell) = survey.strays.first() {
            report.note(Some(*cell), "cells of shards that there are not");
        }
        let kept: u64 = spares.iter().map(|run| u64::from(run.length)).sum();
        let known = doomed.cells + kept + hollow.len() as u64;
        report.expect(survey.lost().count() as u64 == known, "cells that nobody reaches");
        locked.check_counters(&survey, &doomed, &mut report);
        locked.check_index(&survey, &mut report);
        locked.check_lists(&survey, &mut report);
        Ok(report.findings)
    }
}

impl<'a> Locked<'a> {
    fn check_counters(&self, survey: &Survey<'a>, doomed: &Doomed, report: &mut Report) {
        let (cells, elements) =
            (survey.used() + doomed.cells, survey.elements() + doomed.heads.len() as u64);
        report.expect(self.field(SEQUENCE) & 1 == 0, "an odd sequence at rest");
        report.expect(self.field(VERSION) >= survey.version, "a version from the future");
        report.expect(self.field(VERSION) <= VERSION_MOST, "a version beyond the last one");
        report.expect(self.field(FLUSHED) <= self.field(VERSION), "a flush from the future");
        report.expect(self.field(CELLS_USED) == cells, "a wrong count of cells");
        report.expect(self.field(LIVE) == survey.entries.len() as u64, "a wrong count of entries");
        report.expect(self.field(ELEMENTS) == elements, "a wrong count of elements");
    }

    /// The index leads to each entry once, and to nothing else.
    fn check_index(&self, survey: &Survey<'a>, report: &mut Report) {
        let mut missing: HashSet<u32> = survey.entries.iter().map(|record| record.cell).collect();
        let (mut key, mut is_torn) = (Vec::new(), false);
        for bucket in 0..self.core.geometry.buckets {
            let mut chain = self.bucket(bucket);
            for (record, _) in chain.by_ref() {
                if !missing.remove(&record.cell) {
                    report.note(Some(record.cell), "a link to what is no entry, or a second link");
                    break;
                }
                record.read_key(&mut key);
                if self.core.place(&key).bucket != bucket {
                    report.note(Some(record.cell), "an entry in the wrong bucket");
                }
            }
            is_torn |= chain.is_torn();
        }
        report.expect(!is_torn, "links that lead nowhere");
        for cell in missing {
            report.note(Some(cell), "an entry that the index does not lead to");
        }
    }

    fn check_lists(&self, survey: &Survey<'a>, report: &mut Report) {
        for record in &survey.entries {
            let Some(list) = self.core.list_of(*record) else { continue };
            let expected: Vec<u32> = survey
                .lists
                .get(&list.id)
                .map_or_else(Vec::new, |it| it.iter().map(|(_, element)| element.cell).collect());
            let forward = self.walk(&list, Side::Left, expected.len());
            let mut backward = self.walk(&list, Side::Right, expected.len());
            backward.reverse();
            let is_right = forward == expected
                && backward == expected
                && list.count() == expected.len() as u64
                && state_of(record.commit()) == ENTRY;
            if !is_right {
                report.note(Some(record.cell), "a list with wrong links");
            }
        }
    }

    /// The cells of the elements from one end on, one more than there should be at most.
    fn walk(&self, list: &List<'a>, side: Side, most: usize) -> Vec<u32> {
        let first = self.core.end_of_list(self.shard, list, side);
        let next = |it: &Record<'a>| self.core.next_element(self.shard, list, it, side);
        std::iter::successors(first, next).take(most + 1).map(|element| element.cell).collect()
    }
}
