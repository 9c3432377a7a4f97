//! Names of services, known in the whole host. Some belong to services of the host's own, which
//! begin when somebody asks for them.
//!
//! Invariant: a name leads to a service that has not ended. Registration looks at the service's end
//! under the same lock under which the end takes its names away.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::RwLock;

use super::core::Core;
use crate::actor::fault::{Code, Fault};
use crate::actor::limits::{NAME_BYTES_MAX, NAMES_MAX};
use crate::actor::message::Caller;
use crate::actor::service::Service;
use crate::actor::service::plan::Spawn;
use crate::message::Payload;

/// All names of one host.
#[derive(Default)]
pub(crate) struct Names {
    services: RwLock<HashMap<Box<str>, Arc<Service>>>,
}

impl Names {
    /// The service of that name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Service>> {
        self.services.read().get(name).cloned()
    }

    /// Gives `service` the name; once more is no error.
    ///
    /// # Errors
    /// `argument` for a name that is empty, too long or written as an address, `name_taken`,
    /// `overload` at the limit of names, `dead` when the service has ended.
    pub(crate) fn register(&self, name: &str, service: &Arc<Service>) -> Result<(), Fault> {
        check_name("a service", name)?;
        refuse_address(name)?;
        let mut services = self.services.write();
        if let Some(obituary) = service.obituary() {
            return Err(obituary.to_fault());
        }
        let count = services.len();
        match services.entry(name.into()) {
            Entry::Occupied(entry) if Arc::ptr_eq(entry.get(), service) => Ok(()),
            Entry::Occupied(entry) => Err(taken(name, entry.get())),
            Entry::Vacant(_) if count >= NAMES_MAX => {
                let text = format!("cannot register `{name}`: {NAMES_MAX} names are in use");
                Err(Fault::new(Code::Overload, text))
            }
            Entry::Vacant(entry) => {
                entry.insert(service.clone());
                service.note_name(name);
                Ok(())
            }
        }
    }

    /// Takes the names of a service away that has noted its end.
    pub(crate) fn forget(&self, service: &Arc<Service>) {
        // Under the lock, or a registration that saw no end yet could add a name after us.
        let mut services = self.services.write();
        for name in service.take_names() {
            services.remove(&name);
        }
    }
}

impl Core {
    /// The service of that name, which is one of the host's own and started when it is first asked
    /// for. Does not wait until its file has run.
    ///
    /// # Errors
    /// As [`Core::spawn`].
    pub(crate) fn standard(self: &Arc<Self>, name: &str) -> Result<Arc<Service>, Fault> {
        loop {
            if let Some(service) = self.names.find(name) {
                return Ok(service);
            }
            let caller = Caller::sender(self.outside()?.address());
            match self.spawn(&Spawn::named(name).register(name), Payload::EMPTY, caller) {
                // Somebody else was quicker.
                Err(fault) if fault.code == Code::NameTaken => {}
                other => return other,
            }
        }
    }

    /// Gives `service` the name. One of a service of the host's own is refused also if that has not
    /// begun yet: it begins now, so that nobody ever finds another in its place.
    ///
    /// # Errors
    /// As [`Names::register`], and [`Core::spawn`] for a service of the host's own.
    pub(crate) fn register(
        self: &Arc<Self>,
        name: &str,
        service: &Arc<Service>,
    ) -> Result<(), Fault> {
        if !self.settings.own_names.contains(&name) {
            return self.names.register(name, service);
        }
        let owner = self.standard(name)?;
        if Arc::ptr_eq(&owner, service) { Ok(()) } else { Err(taken(name, &owner)) }
    }
}

/// What somebody else is told who wants the name.
fn taken(name: &str, owner: &Service) -> Fault {
    Fault::new(Code::NameTaken, format!("the name `{name}` belongs to service {}", owner.label()))
}

/// # Errors
/// `argument` for a name that would be read as an address, and so never be found.
fn refuse_address(name: &str) -> Result<(), Fault> {
    if !name.starts_with(':') {
        return Ok(());
    }
    let text = format!(
        "`{name}` cannot be a name: with a colon in front it is an address\nhint: begin the name with another \
         character"
    );
    Err(Fault::new(Code::Argument, text))
}

/// # Errors
/// `argument` for a name that is empty or too long; `what` says of what.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::new(Code::Argument, format!("the name of {what} must not be empty")));
    }
    if name.len() > NAME_BYTES_MAX {
        let text =
            format!("the name of {what} has at most {NAME_BYTES_MAX} bytes, got {}", name.len());
        return Err(Fault::new(Code::Argument, text));
    }
    Ok(())
}
