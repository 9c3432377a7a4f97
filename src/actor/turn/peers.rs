//! The services that one service talked to last, so that finding them takes no lock.
//!
//! Invariant: what is found here was in the host's table under that address and has not ended when
//! it is handed out; a service that ended is looked up in the table again, which tells why.
//!
//! Napkin: a hit costs an index, two comparisons and the count of an `Arc` (6 ns); the table costs
//! a lock more (16 ns). A handle that was given back saves the count. A service that has ended is
//! kept from being freed (some 500 bytes, its VM is gone) until another takes its place here.

use std::sync::Arc;

use moonhive_kernel::address::Address;

use crate::actor::fault::Fault;
use crate::actor::service::Service;

/// Services remembered; a power of two.
const PEERS: usize = 8;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Peers {
    places: [Place; PEERS],
}

#[derive(Default)]
struct Place {
    service: Option<Arc<Service>>,
    /// Another handle of it, to give away.
    spare: Option<Arc<Service>>,
}

impl Peers {
    /// The service with that address, which `find` looks up if it is not remembered.
    ///
    /// # Errors
    /// Those of `find`.
    #[inline(always)]
    pub(crate) fn get(
        &mut self,
        address: Address,
        find: impl FnOnce(Address) -> Result<Arc<Service>, Fault>,
    ) -> Result<Arc<Service>, Fault> {
        let place = self.place(address);
        if let Some(service) = &place.service
            && service.address() == address
            && service.obituary().is_none()
        {
            return Ok(place.spare.take().unwrap_or_else(|| service.clone()));
        }
        let found = find(address);
        *place = Place { service: found.as_ref().ok().cloned(), spare: None };
        found
    }

    /// Takes a handle back, if the service is remembered.
    #[inline(always)]
    pub(crate) fn give_back(&mut self, handle: Arc<Service>) {
        let place = self.place(handle.address());
        if place.service.as_ref().is_some_and(|service| Arc::ptr_eq(service, &handle)) {
            place.spare = Some(handle);
        }
    }

    fn place(&mut self, address: Address) -> &mut Place {
        &mut self.places[address.number() as usize % PEERS]
    }
}
