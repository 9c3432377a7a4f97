//! Figures of shared tables.

use super::image::TableImage;

/// What the shared tables of a host take, and who uses them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedStats {
    /// Published tables, by name.
    pub tables: Vec<TableStats>,
    /// Results of shared modules, by path.
    pub modules: Vec<TableStats>,
}

/// Figures of one shared table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Its name, or the path of the module it comes from.
    pub name: String,
    /// The number of the version; for a module, that of its code.
    pub version: u64,
    /// Bytes in its block.
    pub size_bytes: usize,
    /// Tables in it.
    pub tables: usize,
    /// VMs that use it.
    pub users: usize,
}

impl SharedStats {
    /// Bytes in the blocks of all current tables.
    pub fn size_bytes(&self) -> usize {
        self.tables.iter().chain(&self.modules).map(|table| table.size_bytes).sum()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.tables.len() + self.modules.len()
    }
}

impl TableStats {
    pub(super) fn of(name: &str, version: u64, image: &TableImage) -> TableStats {
        TableStats {
            name: name.to_owned(),
            version,
            size_bytes: image.size_bytes(),
            tables: image.tables(),
            users: image.users(),
        }
    }
}
