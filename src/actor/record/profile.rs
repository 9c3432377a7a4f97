//! Where processor time goes: by service and by handler, always measured.
//!
//! The cycle counter is read before and after a handler or task runs, answer included. A reading
//! costs 10 ns where a whole call costs 700, so only the first [`EXACT_STEPS`] runs of a service
//! are all measured; from then on it is one in [`STRIDE`], which stands for the others. What counts
//! is time on a worker: if the system takes the processor away meanwhile, that counts as well.
//!
//! Services that have ended are added up by the name of their file.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::actor::limits::{PROFILED_HANDLERS_MAX, PROFILED_NAME_BYTES_MAX, PROFILED_SERVICES_MAX};
use crate::vm::ticks::ticks;

/// Handlers by their place in [`Profile`]: everything that is no handler.
pub(in crate::actor) const TASKS: u32 = 0;
/// Handlers beyond the limit of names.
const OTHERS: u32 = 1;
/// Runs of a service that are all measured.
const EXACT_STEPS: u64 = 64;
/// Of the others one in so many is.
const STRIDE: u64 = 8;
/// What they are called.
const TASKS_NAME: &str = "(tasks)";
const OTHERS_NAME: &str = "(other handlers)";

/// The time of one handler, in ticks.
#[derive(Debug, Clone, Default)]
struct Spent {
    calls: u64,
    ticks: u64,
}

/// What one service has used; written by its turns only.
#[derive(Debug)]
pub(in crate::actor) struct Profile {
    spent: Vec<Spent>,
    places: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    /// The handler looked up last, since most messages are like the one before.
    last: (Box<[u8]>, u32),
    total: u64,
    /// Runs of handlers and tasks.
    steps: u64,
    /// All of them are measured.
    is_exact: bool,
    /// When the present run began, if it is measured; else 0.
    began: u64,
}

/// A run that is measured.
#[derive(Debug, Clone, Copy)]
pub(in crate::actor) struct Started {
    at: u64,
    /// Runs that it stands for.
    weight: u64,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            spent: vec![Spent::default(); 2],
            places: HashMap::default(),
            last: (Box::default(), OTHERS),
            total: 0,
            steps: 0,
            is_exact: false,
            began: 0,
        }
    }
}

impl Profile {
    /// A handler or task begins to run, or goes on; what it returns goes to [`Profile::spend`].
    #[inline]
    pub(in crate::actor) fn begin(&mut self) -> Option<Started> {
        self.steps += 1;
        if self.is_exact || self.steps <= EXACT_STEPS {
            self.began = ticks();
            return Some(Started { at: self.began, weight: 1 });
        }
        self.began = 0;
        self.steps.is_multiple_of(STRIDE).then(|| Started { at: ticks(), weight: STRIDE })
    }

    /// From now on every run is measured.
    pub(in crate::actor) fn measure_exactly(&mut self) {
        self.is_exact = true;
        if self.began == 0 {
            self.began = ticks();
        }
    }

    /// Ticks of the present run, as far as it is measured.
    pub(in crate::actor) fn present_run(&self) -> u64 {
        if self.began == 0 { 0 } else { ticks().saturating_sub(self.began) }
    }

    /// It has ended, or waits.
    #[inline]
    pub(in crate::actor) fn spend(&mut self, handler: u32, started: Started) {
        let passed = ticks().saturating_sub(started.at) * started.weight;
        self.total += passed;
        if let Some(spent) = self.spent.get_mut(handler as usize) {
            spent.ticks += passed;
        }
    }

    /// A handler is called; returns its place.
    #[inline]
    pub(in crate::actor) fn call(&mut self, name: &[u8]) -> u32 {
        let place = if *self.last.0 == *name { self.last.1 } else { self.look_up(name) };
        self.call_again(place);
        place
    }

    /// The same for one whose place is known.
    #[inline]
    pub(in crate::actor) fn call_again(&mut self, place: u32) {
        self.spent[place as usize].calls += 1;
    }

    fn look_up(&mut self, name: &[u8]) -> u32 {
        let place = match self.places.get(name) {
            Some(place) => *place,
            // Whoever sends a message chooses its name.
            None if name.len() > PROFILED_NAME_BYTES_MAX => return OTHERS,
            None if self.places.len() >= PROFILED_HANDLERS_MAX => return OTHERS,
            None => {
                let place = self.spent.len() as u32;
                self.places.insert(name.into(), place);
                self.spent.push(Spent::default());
                place
            }
        };
        self.last = (name.into(), place);
        place
    }

    /// The name of the handler of that place; `None` for what is no handler, or is one of too many.
    pub(in crate::actor) fn name_of(&self, place: u32) -> Option<String> {
        let (name, _) = self.places.iter().find(|(_, other)| **other == place)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// All ticks so far.
    pub(in crate::actor) fn total(&self) -> u64 {
        self.total
    }

    /// The handlers that were called, by name.
    fn spent(&self) -> impl Iterator<Item = (String, &Spent)> {
        let fixed = [TASKS_NAME, OTHERS_NAME].map(String::from).into_iter().zip(&self.spent);
        let named = self.places.iter().map(|(name, place)| {
            (String::from_utf8_lossy(name).into_owned(), &self.spent[*place as usize])
        });
        fixed.chain(named).filter(|(_, spent)| spent.ticks > 0)
    }

    /// For the service itself, the most expensive handler first.
    pub(in crate::actor) fn handlers(&self, scale: Scale) -> Vec<HandlerProfile> {
        let handler = |(name, spent): (String, &Spent)| HandlerProfile {
            name,
            calls: spent.calls,
            time: scale.duration(spent.ticks),
        };
        let mut handlers: Vec<_> = self.spent().map(handler).collect();
        handlers.sort_by_key(|one| Reverse(one.time));
        handlers
    }
}

/// What a handler has used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerProfile {
    /// Its name; `(tasks)` stands for the service's file, forks and timers.
    pub name: String,
    /// How often it was called; 0 for tasks.
    pub calls: u64,
    /// Time on a worker.
    pub time: Duration,
}

/// What all services of one file have used that have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceProfile {
    /// The name of their file.
    pub name: String,
    /// How many there were.
    pub services: u64,
    /// Time on a worker.
    pub time: Duration,
    /// The same by handler, the most expensive first.
    pub handlers: Vec<HandlerProfile>,
}

/// What ended services have used, by the name of their file.
#[derive(Debug, Default)]
pub(in crate::actor) struct Profiles(HashMap<Box<str>, Ended>);

#[derive(Debug, Default)]
struct Ended {
    services: u64,
    ticks: u64,
    handlers: HashMap<String, Spent>,
}

impl Profiles {
    /// A service ends.
    pub(in crate::actor) fn add(&mut self, service: &str, profile: &Profile) {
        let is_known = self.0.contains_key(service);
        let is_full = self.0.len() >= PROFILED_SERVICES_MAX;
        let name = if is_known || !is_full { service } else { "(other services)" };
        let ended = match self.0.get_mut(name) {
            Some(ended) => ended,
            None => self.0.entry(name.into()).or_default(),
        };
        ended.services += 1;
        ended.ticks += profile.total;
        for (name, spent) in profile.spent() {
            let is_full = ended.handlers.len() >= PROFILED_HANDLERS_MAX;
            let is_others = is_full && !ended.handlers.contains_key(&name);
            let name = if is_others { OTHERS_NAME.to_owned() } else { name };
            let sum = ended.handlers.entry(name).or_default();
            sum.calls += spent.calls;
            sum.ticks += spent.ticks;
        }
    }

    /// The most expensive first.
    pub(in crate::actor) fn list(&self, scale: Scale) -> Vec<ServiceProfile> {
        let mut list: Vec<_> = self.0.iter().map(|(name, ended)| ended.show(name, scale)).collect();
        list.sort_by_key(|one| Reverse(one.time));
        list
    }
}

impl Ended {
    fn show(&self, name: &str, scale: Scale) -> ServiceProfile {
        let handler = |(name, spent): (&String, &Spent)| HandlerProfile {
            name: name.clone(),
            calls: spent.calls,
            time: scale.duration(spent.ticks),
        };
        let mut handlers: Vec<_> = self.handlers.iter().map(handler).collect();
        handlers.sort_by_key(|one| Reverse(one.time));
        let (services, time) = (self.services, scale.duration(self.ticks));
        ServiceProfile { name: name.to_owned(), services, time, handlers }
    }
}

/// How long a tick lasts, found by comparing two clocks since the host began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    nanoseconds_per_tick: f64,
}

impl Scale {
    /// From the counter when the host's clock read zero, and that clock now.
    pub(in crate::actor) fn new(ticks_at_start: u64, now_ns: u64) -> Scale {
        let passed = ticks().saturating_sub(ticks_at_start).max(1);
        Scale { nanoseconds_per_tick: now_ns as f64 / passed as f64 }
    }

    pub(crate) fn duration(self, ticks: u64) -> Duration {
        Duration::from_nanos((ticks as f64 * self.nanoseconds_per_tick) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANOSECOND: Scale = Scale { nanoseconds_per_tick: 1.0 };

    #[test]
    fn all_time_that_is_measured_belongs_to_somebody() {
        let mut profile = Profile::default();
        let add = profile.call(b"add");
        let again = profile.call(b"add");
        assert_eq!(add, again);
        for handler in [add, TASKS, again] {
            let started = profile.begin().expect("the first runs are measured");
            profile.spend(handler, started);
        }
        let handlers = profile.handlers(NANOSECOND);
        let sum: Duration = handlers.iter().map(|handler| handler.time).sum();
        assert_eq!(sum, NANOSECOND.duration(profile.total()));
        assert!(handlers.iter().any(|handler| handler.name == "add" && handler.calls == 2));
    }

    #[test]
    fn the_first_runs_are_all_measured_and_later_ones_stand_for_others() {
        let mut profile = Profile::default();
        let weights: Vec<u64> = (0..EXACT_STEPS + 10 * STRIDE)
            .map(|_| profile.begin().map_or(0, |started| started.weight))
            .collect();
        let (exact, sampled) = weights.split_at(EXACT_STEPS as usize);
        assert!(exact.iter().all(|weight| *weight == 1));
        assert_eq!(sampled.iter().sum::<u64>(), sampled.len() as u64);
        assert_eq!(sampled.iter().filter(|weight| **weight > 0).count(), 10);
    }

    #[test]
    fn handlers_beyond_the_limit_share_one_place() {
        let mut profile = Profile::default();
        for number in 0..PROFILED_HANDLERS_MAX + 10 {
            let place = profile.call(number.to_string().as_bytes());
            assert_eq!(place == OTHERS, number >= PROFILED_HANDLERS_MAX);
        }
        assert_eq!(profile.spent[OTHERS as usize].calls, 10);
    }

    #[test]
    fn handlers_with_long_names_share_that_place() {
        let mut profile = Profile::default();
        assert_ne!(profile.call(&[b'x'; PROFILED_NAME_BYTES_MAX]), OTHERS);
        assert_eq!(profile.call(&[b'x'; PROFILED_NAME_BYTES_MAX + 1]), OTHERS);
    }

    #[test]
    fn handlers_of_ended_services_of_one_name_are_limited() {
        let mut profiles = Profiles::default();
        for number in 0..PROFILED_HANDLERS_MAX + 10 {
            let mut profile = Profile::default();
            let place = profile.call(number.to_string().as_bytes());
            profile.spend(place, Started { at: 0, weight: 1 });
            profiles.add("db", &profile);
        }
        let list = profiles.list(NANOSECOND);
        assert_eq!(list[0].handlers.len(), PROFILED_HANDLERS_MAX + 1);
        let others = list[0].handlers.iter().find(|handler| handler.name == OTHERS_NAME);
        assert_eq!(others.expect("some share a place").calls, 10);
    }

    #[test]
    fn services_that_end_are_added_up_by_name() {
        let mut profiles = Profiles::default();
        for name in ["db", "gate", "db"] {
            let mut profile = Profile::default();
            let place = profile.call(b"get");
            let started = profile.begin().expect("the first runs are measured");
            profile.spend(place, started);
            profiles.add(name, &profile);
        }
        let list = profiles.list(NANOSECOND);
        let db = list.iter().find(|service| service.name == "db").expect("it has ended");
        assert_eq!((db.services, db.handlers.len(), db.handlers[0].calls), (2, 1, 2));
        assert!(list[0].time >= list[1].time);
    }
}
