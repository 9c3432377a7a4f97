//! What Lua sees of the host: one file (or folder) for each Lua module, native functions over
//! [`Stack`](crate::vm::Stack). They check their arguments, pack what is to be sent, and leave the
//! rest to the layers below.
//!
//! `require` finds the modules without a file, see [`modules`].

mod blocking;
#[cfg(feature = "skynet")]
mod bson;
pub mod cache;
#[cfg(feature = "skynet")]
mod crypt;
pub mod dump;
mod hive;
#[cfg(feature = "skynet")]
mod lpeg;
#[cfg(feature = "skynet")]
mod md5;
pub mod modules;
#[cfg(feature = "skynet")]
mod netpack;
mod require;
mod shared;
pub mod size;
pub mod skynet;
#[cfg(feature = "skynet")]
mod sproto;

use crate::actor::{Host, HostBuilder, StandardService};

/// The services that every host has, by the names that `hive.spawn` takes.
pub const SERVICES: &[StandardService] =
    &[("hive.supervisor", include_str!("../../lua/service/supervisor.lua"))];

/// Those that every host has once, under these names.
pub const NAMED_SERVICES: &[StandardService] =
    &[("hive.uniques", include_str!("../../lua/service/uniques.lua"))];

impl Host {
    /// Begins to describe a host whose services have all modules of Moonhive.
    ///
    /// ```
    /// use moonhive::actor::{Host, Spawn};
    ///
    /// let host = Host::builder().threads(2).build()?;
    /// let counter = "local n = ...; return { add = function(by) n = n + by; return n end }";
    /// let counter = host.spawn(Spawn::text("counter", counter), (10,))?;
    /// assert_eq!(host.call::<i64>(counter, "add", (2,))?, 12);
    /// assert_eq!(host.shutdown().code, 0);
    /// # Ok::<(), moonhive::actor::HostError>(())
    /// ```
    pub fn builder() -> HostBuilder {
        HostBuilder::bare()
            .services(SERVICES)
            .services(&skynet::LOG_SERVICE)
            .programs(&skynet::PROGRAMS)
            .stand_ins(&skynet::STAND_INS)
            .named_services(NAMED_SERVICES)
            .named_services(&skynet::SERVICES)
            .prelude(modules::furnish)
            .prelude(hive::prelude)
            .prelude(require::prelude)
    }
}
