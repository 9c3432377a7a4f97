//! Chains of tasks that wait for each other: from a call that has waited long to the task that
//! holds it up.
//!
//! A task that waits for an answer leads to the task that serves its request, wherever that is, and
//! so on. Tasks cannot form a ring, since every request gets a task of its own, but services can:
//! the last task waits for another one of its service, and the chain has been through that service
//! before. If it is that one which has to wake it, because it is in a critical section for
//! instance, nobody goes on.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use crate::actor::{HostWaits, ServiceId, ServiceView, ServiceWaits, TaskWait, WaitFor};

/// Waits that have not lasted so long are how services work.
const NOTABLE: Duration = Duration::from_secs(1);
/// Chains that are told of.
const CHAINS_MAX: usize = 8;
/// Tasks of one chain: a call that calls itself for ever has many.
const LINKS_MAX: usize = 16;

/// A chain, shown as a line for each task.
pub(super) struct Chain<'a> {
    links: Vec<Link<'a>>,
    /// It is longer.
    is_cut: bool,
    waits: &'a HostWaits,
    services: &'a HashMap<ServiceId, &'a ServiceView>,
    /// Other tasks that wait for the same.
    pub(super) others: usize,
}

/// One task of a chain.
#[derive(Clone, Copy)]
struct Link<'a> {
    service: &'a ServiceWaits,
    task: &'a TaskWait,
}

/// Waits of all services by what they are known by.
struct Waits<'a> {
    /// The task that serves a request, by the caller and the session under which that waits.
    served: HashMap<(ServiceId, u64), Link<'a>>,
    waiting: HashSet<(ServiceId, u64)>,
}

/// The chains that hold up others longest. Those that differ in their first task alone are one.
pub(super) fn chains<'a>(
    waits: &'a HostWaits,
    services: &'a HashMap<ServiceId, &'a ServiceView>,
) -> Vec<Chain<'a>> {
    let known = Waits::of(waits);
    let mut first: Vec<Link<'_>> = links(waits).filter(|link| known.begins(link)).collect();
    first.sort_by_key(|link| std::cmp::Reverse(link.task.lasted));
    let mut chains: Vec<Chain<'_>> = Vec::new();
    let mut places = HashMap::new();
    for link in first {
        let mut links = known.follow(link);
        let is_cut = links.len() > LINKS_MAX;
        links.truncate(LINKS_MAX);
        let chain = Chain { links, is_cut, waits, services, others: 0 };
        let place = *places.entry(chain.what()).or_insert(chains.len());
        match chains.get_mut(place) {
            Some(same) => same.others += 1,
            None => chains.push(chain),
        }
    }
    chains.truncate(CHAINS_MAX);
    chains
}

fn links(waits: &HostWaits) -> impl Iterator<Item = Link<'_>> {
    let tasks = |service: &'_ ServiceWaits| service.tasks.len();
    waits.services.iter().flat_map(move |service| {
        (0..tasks(service)).map(move |index| Link { service, task: &service.tasks[index] })
    })
}

impl<'a> Waits<'a> {
    fn of(waits: &'a HostWaits) -> Waits<'a> {
        let waiting = links(waits).map(|link| (link.service.id, link.task.session)).collect();
        let served = links(waits).filter_map(|link| {
            let request = link.task.serves.as_ref()?;
            Some(((request.caller, request.session), link))
        });
        Waits { served: served.collect(), waiting }
    }

    /// Whether a chain begins with a task: it waits for an answer, and nobody known waits for its
    /// own.
    fn begins(&self, link: &Link<'_>) -> bool {
        let asked = link.task.serves.as_ref().map(|request| (request.caller, request.session));
        matches!(link.task.for_what, WaitFor::Answer(_))
            && link.task.lasted >= NOTABLE
            && asked.is_none_or(|caller| !self.waiting.contains(&caller))
    }

    fn follow(&self, first: Link<'a>) -> Vec<Link<'a>> {
        let next = |link: &Link<'a>| match link.task.for_what {
            WaitFor::Answer(_) => self.served.get(&(link.service.id, link.task.session)).copied(),
            _ => None,
        };
        std::iter::successors(Some(first), next).take(LINKS_MAX + 1).collect()
    }
}

/// What a chain waits for: its tasks but for the first one, and whose answer is missing at its end.
type What<'a> = (Vec<(ServiceId, Option<&'a str>, Option<&'a str>)>, WaitFor);

impl<'a> Chain<'a> {
    /// The task that waits in vain, as log lines name it.
    pub(super) fn first(&self) -> (&'a str, ServiceId, Duration) {
        let Link { service, task } = self.links[0];
        (&service.name, service.id, task.lasted)
    }

    /// Whether it has been through the service at its end before, and nothing but another task of
    /// that is to wake the last one.
    pub(super) fn is_ring(&self) -> bool {
        let Some((last, before)) = self.links.split_last() else { return false };
        last.task.for_what == WaitFor::Wakeup
            && !last.task.has_limit
            && before.iter().any(|link| link.service.id == last.service.id)
    }

    fn what(&self) -> What<'a> {
        let known = |link: &Link<'a>| {
            let method = link.task.serves.as_ref().and_then(|request| request.method.as_deref());
            (link.service.id, method, link.task.place.as_deref())
        };
        let last = self.links[self.links.len() - 1].task.for_what;
        (self.links[1..].iter().map(known).collect(), last)
    }

    /// Name and address.
    fn label(&self, id: ServiceId) -> String {
        let name = self.services.get(&id).map_or("", |service| service.name.as_str());
        format!("{name}{id}")
    }

    /// What is known of a service that has not told of a task for a request.
    fn write_missing(&self, id: ServiceId, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label(id);
        let mut told = self.waits.services.iter();
        let untold = told.find(|service| service.id == id).map_or(0, |service| service.untold);
        match self.services.get(&id).map(|service| service.waiting) {
            None => write!(f, "\n\t{label} has ended"),
            Some(waiting) if waiting > 0 => {
                write!(f, "\n\t{label} may not have begun it: {waiting} messages wait")
            }
            Some(_) if self.waits.silent.contains(&id) => {
                write!(f, "\n\t{label} did not say what it is at")
            }
            Some(_) if untold > 0 => write!(f, "\n\t{label} has {untold} more tasks that wait"),
            Some(_) => write!(f, "\n\t{label} has no task for it that waits"),
        }
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Link { service, task } in &self.links {
            write!(f, "\n\t{}{} ", service.name, service.id)?;
            if let Some(request) = &task.serves {
                let method = request.method.as_deref().unwrap_or("a request");
                write!(f, "serves {method} and ")?;
            }
            match task.for_what {
                WaitFor::Answer(callee) => write!(f, "waits for {}", self.label(callee))?,
                WaitFor::Time => f.write_str("sleeps")?,
                WaitFor::Wakeup => f.write_str("waits to be woken")?,
                _ => f.write_str("waits for something outside")?,
            }
            if let Some(place) = &task.place {
                write!(f, " at {place}")?;
            }
        }
        let Some(last) = self.links.last() else { return Ok(()) };
        match last.task.for_what {
            _ if self.is_cut => f.write_str("\n\t..."),
            WaitFor::Answer(callee) => self.write_missing(callee, f),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
