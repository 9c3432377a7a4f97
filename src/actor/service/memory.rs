//! The warning of a service that grows: at 32 MiB of Lua memory, and at each doubling.

use crate::actor::limits::MEMORY_WARNING_FIRST_BYTES;
use crate::actor::state::State;

/// The size that is told of next.
#[derive(Debug, Clone, Copy)]
pub(in crate::actor) struct MemoryWarning {
    bytes: usize,
}

impl Default for MemoryWarning {
    fn default() -> MemoryWarning {
        MemoryWarning { bytes: MEMORY_WARNING_FIRST_BYTES }
    }
}

impl MemoryWarning {
    /// Whether that size calls for a warning. The next one comes at twice as much as was reached.
    fn is_due(&mut self, used_bytes: usize) -> bool {
        let is_due = used_bytes >= self.bytes;
        while used_bytes >= self.bytes {
            self.bytes = self.bytes.saturating_mul(2);
        }
        is_due
    }
}

impl State {
    /// A turn has left the service with so much Lua memory.
    #[inline]
    pub(super) fn look_at_memory(&self, used_bytes: usize) {
        if used_bytes >= MEMORY_WARNING_FIRST_BYTES {
            self.warn_of_memory(used_bytes);
        }
    }

    #[cold]
    fn warn_of_memory(&self, used_bytes: usize) {
        let mut warning = self.memory_warning.get();
        if !warning.is_due(used_bytes) {
            return;
        }
        self.memory_warning.set(warning);
        let mebibytes = used_bytes as f64 / f64::from(1 << 20);
        self.warn_line(&format!("memory warning: it uses {mebibytes:.2} MiB of Lua memory"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_of_once_and_then_its_double() {
        let mut warning = MemoryWarning::default();
        let sizes = [31, 32, 33, 63, 40, 64, 300, 256, 511, 512];
        let told: Vec<usize> =
            sizes.into_iter().filter(|size| warning.is_due(size << 20)).collect();
        assert_eq!(told, [32, 64, 300, 512]);
    }
}
