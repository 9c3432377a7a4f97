//! Who goes, and in which order.

use crate::act::key;
use crate::pair::Pair;

impl Pair {
    /// Notes a use of whatever the key holds, live or over.
    pub fn touch(&mut self, number: u8) {
        let is_there = self.live.contains_key(&number) || self.over.contains_key(&number);
        if let Some(order) = self.order.as_mut().filter(|_| is_there) {
            order.retain(|other| *other != number);
            order.push(number);
        }
    }

    /// Nothing is left of the key.
    pub fn forget(&mut self, number: u8) {
        self.live.remove(&number);
        self.over.remove(&number);
        if let Some(order) = &mut self.order {
            order.retain(|other| *other != number);
        }
    }

    /// Keys of what is over, those first that were used longest ago.
    pub fn oldest_over(&self) -> Option<Vec<u8>> {
        let order = self.order.as_ref()?;
        Some(order.iter().filter(|number| self.over.contains_key(number)).copied().collect())
    }

    /// Just these were given back since the last look.
    pub fn given_back(&mut self, expected: &[u8]) {
        let mut gone = self.over_that_is_gone();
        let mut expected = expected.to_vec();
        gone.sort_unstable();
        expected.sort_unstable();
        assert_eq!(gone, expected, "order of use {:?}", self.order);
        assert_eq!(self.follow_given_back(), expected.len() as u64);
    }

    /// Forgets what was given back since the last look, which is what is counted; how many. Nobody
    /// who lives went.
    pub fn follow_given_back(&mut self) -> u64 {
        let before = self.lost;
        let gone = self.over_that_is_gone();
        self.count_lost(0, gone.len());
        gone.iter().for_each(|number| self.forget(*number));
        self.lost.1 - before.1
    }

    /// Forgets what a store under this key has thrown out: as many as are counted, and of those
    /// that live the least recently used ones; how many of them lived.
    pub fn follow(&mut self, own: u8) -> u64 {
        let statistics = self.real.statistics();
        if (statistics.evictions, statistics.expiries) == self.lost {
            return 0;
        }
        let is_gone = |number: &&u8| self.real.version(key(**number)) == Ok(None);
        let live: Vec<u8> = self.live.keys().filter(is_gone).copied().collect();
        let over = self.over_that_is_gone();
        self.count_lost(live.len(), over.len());
        self.verify_order(own, &live, &over);
        live.iter().chain(&over).for_each(|number| self.forget(*number));
        live.len() as u64
    }

    fn over_that_is_gone(&self) -> Vec<u8> {
        let is_gone = |number: &&u8| self.real.overdue(key(**number)) == Ok(None);
        self.over.keys().filter(is_gone).copied().collect()
    }

    fn count_lost(&mut self, live: usize, over: usize) {
        self.lost = (self.lost.0 + live as u64, self.lost.1 + over as u64);
        let statistics = self.real.statistics();
        assert_eq!((statistics.evictions, statistics.expiries), self.lost);
    }

    /// Whoever was used longer ago than a live entry that was thrown out went, too.
    fn verify_order(&self, own: u8, live: &[u8], over: &[u8]) {
        let Some(order) = &self.order else { return };
        let place = |number: &u8| order.iter().position(|other| other == number);
        let Some(youngest) = live.iter().filter_map(place).max() else { return };
        for number in &order[..youngest] {
            let is_gone = live.contains(number) || over.contains(number) || *number == own;
            assert!(is_gone, "{number} stays for {live:?}, order of use {order:?}");
        }
    }
}
