//! The operations on time: ends that come, flushing, what is left, giving back.

use std::time::{Duration, Instant};

use moonhive_shm::{Cursor, Error, Overdue, Remaining, Usage};

use crate::act::{Act, key};
use crate::pair::{Held, Live, Over, Pair, is_same};

/// An end that comes after every test.
const FAR_MS: u64 = 36_000_000;

/// Waits for an end that comes in a millisecond.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Entries that an operation gives back, and those that go right after a flush.
const WITH_AN_OPERATION: usize = 2;
const WITH_A_FLUSH: usize = 3;

impl Pair {
    pub fn apply_to_time(&mut self, act: &Act) {
        match act {
            Act::Expire(number, ends) => self.expire(*number, *ends),
            Act::End(first, count) => self.end(*first, *count),
            Act::Left(number) => self.left(*number),
            Act::Items => self.items(),
            Act::Measure => self.measure(),
            Act::Sweep(buckets) => self.sweep(*buckets),
            Act::Reclaim(is_over) => self.reclaim(*is_over),
            Act::FlushExpired(most) => self.flush_expired(*most),
            Act::Tidy => {
                self.real.tidy();
                self.tidied(WITH_AN_OPERATION);
            }
            Act::TidyFlushed => {
                self.real.tidy_flushed();
                self.tidied(WITH_A_FLUSH);
            }
            Act::Flush => self.flush(),
            Act::Repair => self.real.repair().expect("locks are free"),
            other => panic!("{other:?} belongs elsewhere"),
        }
    }

    pub fn get_stale(&mut self, number: u8) {
        let mut buffer = Vec::new();
        let found = self.real.get_stale(key(number), &mut buffer);
        let live = self.live.get(&number).map(|live| (&live.held, false));
        let over = || self.over.get(&number).map(|over| (&over.held, true));
        match live.or_else(over) {
            None => assert_eq!(found, Ok(None)),
            Some((Held::List(_), _)) => assert_eq!(found, Err(Error::ValueIsList)),
            Some((Held::Plain(value, flags), is_stale)) => {
                let entry = found.expect("a plain value").expect("nobody has given it back");
                assert!(is_same(&entry.value, value), "{entry:?}, expected {value:?}");
                assert_eq!((entry.flags, entry.is_stale), (*flags, is_stale));
            }
        }
        self.touch(number);
    }

    fn expire(&mut self, number: u8, ends: bool) {
        let outcome = self.real.expire(key(number), if ends { FAR_MS } else { 0 });
        self.follow(number);
        let is_refused = self.is_refused(&outcome);
        match self.live.get_mut(&number) {
            None => assert_eq!(outcome, Err(Error::NotFound)),
            Some(_) if is_refused => (),
            Some(live) => {
                assert_eq!(outcome, Ok(()));
                live.ends = ends;
            }
        }
    }

    /// Lets keys end, and waits for each: nobody is to end while others are looked at. No use of
    /// theirs.
    fn end(&mut self, first: u8, count: u8) {
        for number in first..first.saturating_add(count) {
            let ended = self.real.expire(key(number), 1);
            match self.live.contains_key(&number) {
                true if self.is_refused(&ended) => (),
                true => {
                    assert_eq!(ended, Ok(()));
                    self.wait_for_end(number);
                }
                false => assert_eq!(ended, Err(Error::NotFound)),
            }
            // Others may have gone for it: it takes a word more than before.
            self.follow(number);
        }
    }

    fn wait_for_end(&mut self, number: u8) {
        let deadline = Instant::now() + WATCHDOG;
        while self.real.ttl(key(number)).is_ok() {
            assert!(Instant::now() < deadline, "{number} does not end");
        }
        let Some(Live { held, .. }) = self.live.remove(&number) else { return };
        self.over.insert(number, Over { held, ends: true, has_expired: true, is_flushed: false });
    }

    fn left(&self, number: u8) {
        match (self.real.ttl(key(number)), self.live.get(&number)) {
            (found, None) => assert_eq!(found, Err(Error::NotFound)),
            (found, Some(Live { ends: false, .. })) => assert_eq!(found, Ok(Remaining::Forever)),
            (found, Some(_)) => {
                let Ok(Remaining::Us(left_us)) = found else { panic!("{found:?}") };
                assert!(left_us > 0 && left_us <= FAR_MS * 1000, "{left_us}");
            }
        }
        let overdue = self.real.overdue(key(number)).expect("locks are free");
        match self.over.get(&number) {
            None => assert_eq!(overdue, None),
            Some(Over { is_flushed: true, .. }) => assert_eq!(overdue, Some(Overdue::Flushed)),
            Some(_) => assert!(matches!(overdue, Some(Overdue::For(_))), "{overdue:?}"),
        }
    }

    fn items(&mut self) {
        let (mut found, mut cursor) = (Vec::new(), Some(Cursor::default()));
        while let Some(at) = cursor {
            let (items, next) = self.real.items(at, 3).expect("locks are free");
            found.extend(items);
            cursor = next;
        }
        found.sort_by_key(|item| std::cmp::Reverse(item.age));
        let mut keys: Vec<Vec<u8>> = found.into_iter().map(|item| item.key).collect();
        let bytes = |number: &u8| key(*number).into_bytes();
        let mut expected: Vec<Vec<u8>> = match &self.order {
            Some(order) => {
                let live = order.iter().filter(|number| self.live.contains_key(number));
                live.map(bytes).collect()
            }
            None => self.live.keys().map(bytes).collect(),
        };
        if self.order.is_none() {
            keys.sort();
            expected.sort();
        }
        assert_eq!(keys, expected);
    }

    fn measure(&self) {
        let (mut usage, mut cursor) = (Usage::default(), Some(Cursor::default()));
        while let Some(at) = cursor {
            cursor = self.real.measure(at, 50, &mut usage).expect("locks are free");
        }
        let is_list = |live: &&Live| matches!(live.held, Held::List(_));
        let lists = self.live.values().filter(is_list).count() as u64;
        assert_eq!(usage.lists, lists);
        assert_eq!(usage.values, self.live.len() as u64 - lists);
        assert_eq!(usage.overdue, self.over.len() as u64);
        let key_bytes = self.live.keys().map(|number| key(*number).len() as u64);
        assert_eq!(usage.key_bytes, key_bytes.sum::<u64>());
        let statistics = self.real.statistics();
        assert_eq!(statistics.entries, (self.live.len() + self.over.len()) as u64);
    }

    fn flush(&mut self) {
        self.real.flush_all().expect("locks are free");
        for (number, Live { held, ends }) in std::mem::take(&mut self.live) {
            self.over.insert(number, Over { held, ends, has_expired: false, is_flushed: true });
        }
        self.over.values_mut().for_each(|over| over.is_flushed = true);
    }

    fn sweep(&mut self, buckets: u8) {
        let all = self.over.len() as u64;
        let count = if buckets == 0 { u64::MAX } else { u64::from(buckets) };
        let swept = self.real.sweep(Cursor::default(), count).expect("locks are free");
        assert_eq!(self.follow_given_back(), swept.freed);
        if buckets == 0 {
            assert_eq!((swept.freed, swept.next), (all, None));
        }
    }

    fn reclaim(&mut self, is_over: bool) {
        let grace = if is_over { Duration::ZERO } else { Duration::MAX };
        let due = self.over.values().filter(|over| over.has_expired && is_over).count() as u64;
        let reclaimed = self.real.reclaim(Cursor::default(), u64::MAX, grace);
        let reclaimed = reclaimed.expect("locks are free");
        assert_eq!((reclaimed.freed, reclaimed.next), (due, None));
        assert_eq!(self.follow_given_back(), due);
        let ends = self.live.values().any(|it| it.ends) || self.over.values().any(|it| it.ends);
        assert_eq!(reclaimed.soonest.is_some(), ends);
    }

    fn flush_expired(&mut self, most: u8) {
        let most = if most == 0 { usize::MAX } else { usize::from(most) };
        let expected = self.oldest_over().map(|mut oldest| {
            oldest.truncate(most);
            oldest
        });
        let before = self.over.len();
        let freed = self.real.flush_expired(most as u64).expect("locks are free");
        assert_eq!(freed, before.min(most) as u64);
        match expected {
            Some(oldest) => self.given_back(&oldest),
            None => assert_eq!(self.follow_given_back(), freed),
        }
    }

    /// What lies at the end of the order of use is given back, and nothing else.
    fn tidied(&mut self, most: usize) {
        let Some(order) = &self.order else { return self.given_back(&[]) };
        let over = order.iter().take_while(|number| self.over.contains_key(number));
        let expected: Vec<u8> = over.take(most).copied().collect();
        self.given_back(&expected);
    }
}
