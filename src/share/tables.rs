//! Names and the versions they stand for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::error::ShareError;
use super::image::TableImage;
use super::stats::{SharedStats, TableStats};

/// Names of one host.
const NAMES_MAX: usize = 1 << 16;

/// The longest name. It stands in error messages.
const NAME_BYTES_MAX: usize = 512;

/// One publication of a table.
#[derive(Debug)]
pub struct Version {
    /// Rises with every publication of the host.
    pub number: u64,
    /// The tables.
    pub image: TableImage,
}

/// Tables by their names, shared by all VMs of one host.
///
/// ```
/// use moonhive::share::SharedTables;
/// let tables = SharedTables::default();
/// assert!(tables.current("config").is_none());
/// assert!(!tables.drop_name("config"));
/// ```
#[derive(Debug, Default)]
pub struct SharedTables {
    names: RwLock<HashMap<Box<str>, Arc<Version>>>,
    published: AtomicU64,
    retired: AtomicU64,
}

impl SharedTables {
    /// Puts a table in place of what the name stood for. VMs that have the previous version keep it
    /// for as long as they use it. Returns the number of the version.
    ///
    /// # Errors
    /// [`ShareError::Name`], [`ShareError::Full`].
    pub fn publish(&self, name: &str, image: TableImage) -> Result<u64, ShareError> {
        check_name(name)?;
        let number = self.published.fetch_add(1, Ordering::Relaxed) + 1;
        let version = Arc::new(Version { number, image });
        let mut names = self.names.write();
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            return Err(ShareError::Full { limit: NAMES_MAX });
        }
        let previous = names.insert(name.into(), version);
        drop(names);
        self.retire(previous);
        Ok(number)
    }

    /// The version a name stands for.
    pub fn current(&self, name: &str) -> Option<Arc<Version>> {
        self.names.read().get(name).cloned()
    }

    /// Makes a name stand for nothing; false if it did already.
    pub fn drop_name(&self, name: &str) -> bool {
        let dropped = self.names.write().remove(name);
        let was_there = dropped.is_some();
        self.retire(dropped);
        was_there
    }

    /// How many versions were ever replaced or dropped.
    pub(crate) fn retirements(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    /// Out of the lock: giving an image back may free it.
    fn retire(&self, version: Option<Arc<Version>>) {
        if let Some(version) = version {
            version.image.retire();
            drop(version);
            self.retired.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Figures at this moment, in the order of the names.
    pub fn stats(&self) -> SharedStats {
        let names = self.names.read();
        let mut tables: Vec<TableStats> = names
            .iter()
            .map(|(name, version)| TableStats::of(name, version.number, &version.image))
            .collect();
        drop(names);
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        SharedStats { tables, modules: Vec::new() }
    }
}

/// Checks a name before anything is made for it.
///
/// # Errors
/// [`ShareError::Name`].
fn check_name(name: &str) -> Result<(), ShareError> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    let shown = name.chars().take(NAME_BYTES_MAX / 4).collect();
    Err(ShareError::Name { name: shown, limit_bytes: NAME_BYTES_MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_neither_empty_nor_endless_and_holds_no_zero_byte() {
        assert_eq!(check_name("config"), Ok(()));
        for name in ["", "a\0b", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(matches!(check_name(name), Err(ShareError::Name { .. })), "{name:?}");
        }
    }
}
