//! The numbered slots through which all VMs of the process share parsed schemas, without a copy.
//!
//! They belong to the process and not to a host, because VMs that no host runs load schemas as
//! well. Two hosts in one process have to agree on the numbers; a schema itself is never changed,
//! so that they share nothing else.
//!
//! A schema lives as long as a slot or a VM holds it, so a slot may be filled anew at any time.

use std::sync::Arc;

use parking_lot::RwLock;

use super::schema::Schema;

/// How many slots there are, numbered from 0.
pub(super) const SLOTS: usize = 128;

static SCHEMAS: RwLock<[Option<Arc<Schema>>; SLOTS]> = RwLock::new([const { None }; SLOTS]);

/// Puts a schema into a slot, in the place of what was there.
pub(super) fn save(slot: usize, schema: Arc<Schema>) {
    let before = SCHEMAS.write()[slot].replace(schema);
    // Dropped here: freeing a schema takes a while, and the lock is given back.
    drop(before);
}

/// What a slot holds.
pub(super) fn load(slot: usize) -> Option<Arc<Schema>> {
    SCHEMAS.read()[slot].clone()
}
