//! What Lua sees of the host: one file (or folder) for each Lua module, native functions over
//! [`Stack`]. They check their arguments, pack what is to be sent, and leave the rest to the layers
//! below.
//!
//! The modules are found by `require` without a file, see [`preload`].

pub mod cache;
mod hive;
mod require;

use crate::actor::{Host, HostBuilder};
use crate::vm::{Native, Stack};

/// The modules written in Rust, by the names that `require` takes.
pub const MODULES: &[(&str, Native)] = &[("cache", cache::OPEN), ("hive", hive::OPEN)];

/// Lets `require` find [`MODULES`]; each is made when a script first asks for it.
pub fn preload(stack: &mut Stack<'_>) {
    let top = stack.top();
    stack.push_globals();
    stack.raw_get_field(-1, "package");
    stack.raw_get_field(-1, "preload");
    stack.set_natives(MODULES);
    stack.set_top(top);
}

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
        HostBuilder::bare().prelude(preload).prelude(hive::prelude).prelude(require::prelude)
    }
}
