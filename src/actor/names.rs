//! Names of services, known in the whole host.
//!
//! Invariant: a name leads to a service that has not ended. Registration looks at the service's end
//! under the same lock under which the end takes its names away.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::RwLock;

use super::fault::{Code, Fault};
use super::limits::{NAME_BYTES_MAX, NAMES_MAX};
use super::service::Service;

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
    /// `argument` for a name that is empty or too long, `name_taken`, `overload` at the limit of
    /// names, `dead` when the service has ended.
    pub(crate) fn register(&self, name: &str, service: &Arc<Service>) -> Result<(), Fault> {
        check_name("a service", name)?;
        let mut services = self.services.write();
        if let Some(obituary) = service.obituary() {
            return Err(obituary.to_fault());
        }
        let count = services.len();
        match services.entry(name.into()) {
            Entry::Occupied(entry) if Arc::ptr_eq(entry.get(), service) => Ok(()),
            Entry::Occupied(entry) => {
                let text = format!("the name `{name}` belongs to service {}", entry.get().label());
                Err(Fault::new(Code::NameTaken, text))
            }
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
