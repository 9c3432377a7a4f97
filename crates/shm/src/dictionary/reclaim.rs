//! What a host does about time that is over: giving back in small steps, looking at what is left,
//! and ending an entry only if it is still the one that was seen.

use std::time::Duration;

use super::core::{Core, Key};
use super::doomed::WITH_A_STORE;
use super::handle::Dictionary;
use super::record::{ENTRY, Record, state_of, version_of};
use super::shard::{EXPIRIES, FLUSHED, Locked, WRITES};
use super::walk::Cursor;
use crate::clock::now_us;
use crate::error::{Error, Result};

/// What a step of [`Dictionary::reclaim`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Entries given back.
    pub freed: u64,
    /// Where the next step begins; `None` after the last bucket.
    pub next: Option<Cursor>,
    /// When the first of the entries that were left can be given back; `None` if none of them ends.
    pub soonest: Option<Duration>,
}

/// The unreclaimed rest of an entry whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// It expired so long ago.
    For(Duration),
    /// It was flushed.
    Flushed,
}

impl Dictionary {
    /// A step of a sweep that spares what expired less than `grace` ago, and tells when to come
    /// again.
    ///
    /// # Errors
    /// A lock that could not be had.
    pub fn reclaim(&self, cursor: Cursor, buckets: u64, grace: Duration) -> Result<Reclaimed> {
        self.core().reclaim(cursor, buckets, u64::try_from(grace.as_micros()).unwrap_or(u64::MAX))
    }

    /// What is left of an entry whose time is over; `None` if it lives, or nothing is left.
    ///
    /// # Errors
    /// Those of all operations.
    pub fn overdue(&self, key: impl AsRef<[u8]>) -> Result<Option<Overdue>> {
        let core = self.core();
        core.overdue(&core.key(key.as_ref())?)
    }

    /// Ends an entry or a list if it has this version.
    ///
    /// # Errors
    /// [`Error::Changed`] with the version it has, [`Error::NotFound`].
    pub fn remove(&self, key: impl AsRef<[u8]>, version: u64) -> Result<()> {
        let key = self.core().key(key.as_ref())?;
        self.change(&key, |core| core.remove_version(&key, version))
    }
}

impl<'a> Core<'a> {
    fn reclaim(self, cursor: Cursor, buckets: u64, grace_us: u64) -> Result<Reclaimed> {
        let (mut freed, mut soonest_us, mut left) = (0, u64::MAX, buckets);
        let now_us = now_us();
        let next = self.walk_buckets(cursor, |shard, bucket| {
            shard.reclaim_doomed(WITH_A_STORE);
            freed += shard.reclaim_bucket(bucket, now_us.saturating_sub(grace_us));
            soonest_us = soonest_us.min(shard.soonest_end(bucket));
            left = left.saturating_sub(1);
            left == 0
        })?;
        let until = |end_us: u64| end_us.saturating_add(grace_us).saturating_sub(now_us);
        let soonest = (soonest_us != u64::MAX).then(|| Duration::from_micros(until(soonest_us)));
        Ok(Reclaimed { freed, next, soonest })
    }

    fn overdue(self, key: &Key<'_>) -> Result<Option<Overdue>> {
        let mut shard = self.lock(key.shard)?;
        let Some((record, _)) = shard.find(key) else { return Ok(None) };
        let version = version_of(record.commit());
        if !shard.is_over(&record, version) {
            return Ok(None);
        }
        if version <= shard.field(FLUSHED) {
            return Ok(Some(Overdue::Flushed));
        }
        let past_us = now_us().saturating_sub(record.expiry_us());
        Ok(Some(Overdue::For(Duration::from_micros(past_us))))
    }

    fn remove_version(self, key: &Key<'_>, wanted: u64) -> Result<()> {
        let mut shard = self.lock(key.shard)?;
        let (record, link) = shard.find(key).ok_or(Error::NotFound)?;
        let version = version_of(record.commit());
        if shard.is_over(&record, version) {
            return Err(Error::NotFound);
        }
        if version != wanted {
            return Err(Error::Changed { version });
        }
        shard.remove(&record, link);
        shard.count(WRITES, 1);
        Ok(())
    }
}

impl<'a> Locked<'a> {
    /// Gives back the entries of a bucket that ended before a moment; how many.
    fn reclaim_bucket(&mut self, bucket: u32, before_us: u64) -> u64 {
        let is_due = |record: &Record<'_>| {
            state_of(record.commit()) == ENTRY && (1..=before_us).contains(&record.expiry_us())
        };
        let mut freed = 0;
        loop {
            let due = self.bucket(bucket).find(|(record, _)| is_due(record));
            let Some((record, link)) = due else { return freed };
            self.remove(&record, link);
            self.count(EXPIRIES, 1);
            freed += 1;
        }
    }

    /// The first end of an entry of a bucket; `u64::MAX` if none of them ends.
    fn soonest_end(&mut self, bucket: u32) -> u64 {
        let ends = self.bucket(bucket).map(|(record, _)| record.expiry_us());
        ends.filter(|end_us| *end_us != 0).min().unwrap_or(u64::MAX)
    }
}
