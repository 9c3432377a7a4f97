//! Groups of services, known in the whole host by name: whoever sends to a group need not know its
//! members, and members that end are members no more.
//!
//! Invariant: a member has not ended. Joining looks at the service's end under the same lock under
//! which the end takes it out. One lock for all groups: joining is rare, and asking for the next
//! member is an index and a reference count (30 ns).

use std::collections::HashMap;
use std::sync::Arc;

use moonhive_kernel::address::Address;
use parking_lot::Mutex;

use super::names::check_name;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::{GROUP_MEMBERS_MAX, GROUPS_MAX};
use crate::actor::service::Service;

/// All groups of one host.
#[derive(Default)]
pub(crate) struct Groups(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    groups: HashMap<Box<str>, Group>,
    /// The groups of each member.
    of_member: HashMap<Address, Vec<Box<str>>>,
}

/// The members in the order in which they joined; never empty.
#[derive(Default)]
struct Group {
    members: Vec<Arc<Service>>,
    /// Whose turn it is.
    next: usize,
}

impl Groups {
    /// Adds a member; once more is no error. False if it was one already.
    ///
    /// # Errors
    /// `argument` for a name that is empty or too long, `overload` at the limits, `dead` when the
    /// service has ended.
    pub(crate) fn join(&self, name: &str, service: &Arc<Service>) -> Result<bool, Fault> {
        check_name("a group", name)?;
        let mut tables = self.0.lock();
        if let Some(obituary) = service.obituary() {
            return Err(obituary.to_fault());
        }
        let overload = |text: String| Err(Fault::new(Code::Overload, text));
        match tables.groups.get(name) {
            Some(group) if group.position(service).is_some() => return Ok(false),
            Some(group) if group.members.len() >= GROUP_MEMBERS_MAX => {
                return overload(format!("the group `{name}` has {GROUP_MEMBERS_MAX} members"));
            }
            None if tables.groups.len() >= GROUPS_MAX => {
                return overload(format!("cannot make group `{name}`: there are {GROUPS_MAX}"));
            }
            _ => {}
        }
        tables.groups.entry(name.into()).or_default().members.push(service.clone());
        tables.of_member.entry(service.address()).or_default().push(name.into());
        Ok(true)
    }

    /// Takes a member out; false if it was none.
    pub(crate) fn leave(&self, name: &str, service: &Arc<Service>) -> bool {
        let mut tables = self.0.lock();
        tables.take_name_out(name, service.address());
        tables.take_out(name, service)
    }

    /// Takes all members out.
    pub(crate) fn dissolve(&self, name: &str) {
        let mut tables = self.0.lock();
        let Some(group) = tables.groups.remove(name) else { return };
        for member in group.members {
            tables.take_name_out(name, member.address());
        }
    }

    /// The member whose turn it is.
    ///
    /// # Errors
    /// `not_found` when there is none.
    pub(crate) fn next(&self, name: &str) -> Result<Arc<Service>, Fault> {
        let mut tables = self.0.lock();
        let Some(group) = tables.groups.get_mut(name) else {
            return Err(Fault::new(Code::NotFound, format!("the group `{name}` has no members")));
        };
        let index = group.next % group.members.len();
        group.next = index + 1;
        Ok(group.members[index].clone())
    }

    /// All members, in the order in which they joined.
    pub(crate) fn members(&self, name: &str) -> Vec<Arc<Service>> {
        self.0.lock().groups.get(name).map_or_else(Vec::new, |group| group.members.clone())
    }

    /// Takes a service out of all its groups that has noted its end.
    pub(crate) fn forget(&self, service: &Arc<Service>) {
        let mut tables = self.0.lock();
        for name in tables.of_member.remove(&service.address()).unwrap_or_default() {
            tables.take_out(&name, service);
        }
    }
}

impl Tables {
    /// Takes a group out of those of a member.
    fn take_name_out(&mut self, name: &str, member: Address) {
        let Some(names) = self.of_member.get_mut(&member) else { return };
        names.retain(|other| **other != *name);
        if names.is_empty() {
            self.of_member.remove(&member);
        }
    }

    fn take_out(&mut self, name: &str, service: &Arc<Service>) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        let Some(index) = group.position(service) else { return false };
        group.members.remove(index);
        // Nobody loses a turn to who has left.
        group.next -= usize::from(index < group.next);
        if group.members.is_empty() {
            self.groups.remove(name);
        }
        true
    }
}

impl Group {
    fn position(&self, service: &Arc<Service>) -> Option<usize> {
        self.members.iter().position(|member| Arc::ptr_eq(member, service))
    }
}
