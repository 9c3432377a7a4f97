//! Modules whose results are shared: each is run once for the host and version of its code.
//!
//! Who asks for a module that another VM is running waits, asleep, until that has ended; it runs on
//! a thread of its own that is interrupted like any other Lua code, so the wait ends. Two VMs that
//! wait for each other would not: the second is refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::error::ShareError;
use super::image::TableImage;
use super::stats::TableStats;

/// Modules of one host.
const MODULES_MAX: usize = 1 << 16;

/// The result of a module.
#[derive(Debug, Clone)]
pub struct Module {
    /// The version of the code that made it; `None` if that is not cached, and the result serves
    /// nobody else.
    pub version: Option<u64>,
    /// The result, or a table with it.
    pub image: TableImage,
    /// The result is no table, and the image a table whose first item it is.
    pub is_wrapped: bool,
}

/// Results of modules by the paths of their files.
#[derive(Debug, Default)]
pub struct SharedModules {
    state: Mutex<State>,
    settled: Condvar,
    retired: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    modules: HashMap<PathBuf, Slot>,
    /// What each VM waits for.
    waiting: HashMap<u64, PathBuf>,
}

#[derive(Debug, Default)]
struct Slot {
    ready: Option<Arc<Module>>,
    /// The VM that runs it.
    owner: Option<u64>,
}

/// What asking for a module comes to.
#[derive(Debug)]
pub enum Loaded<'a> {
    /// It is there.
    Ready(Arc<Module>),
    /// It is for whoever asked to run it.
    Claimed(Claim<'a>),
}

/// The duty to run a module. Dropped without a result, it passes to whoever waits.
#[derive(Debug)]
pub struct Claim<'a> {
    modules: &'a SharedModules,
    path: &'a Path,
}

impl SharedModules {
    /// The result of the module at `path` made by version `version` of its code, or the duty to
    /// make it. `vm` tells VMs apart.
    ///
    /// # Errors
    /// [`ShareError::Cycle`], [`ShareError::Full`].
    pub fn fetch<'a>(
        &'a self,
        path: &'a Path,
        version: Option<u64>,
        vm: u64,
    ) -> Result<Loaded<'a>, ShareError> {
        let mut state = self.state.lock();
        loop {
            let is_full = state.modules.len() >= MODULES_MAX;
            match state.modules.get_mut(path) {
                None if is_full => return Err(ShareError::Full { limit: MODULES_MAX }),
                Some(Slot { owner: Some(_), .. }) => {}
                Some(Slot { ready: Some(module), .. }) if module.is_of(version) => {
                    return Ok(Loaded::Ready(module.clone()));
                }
                _ => {
                    state.modules.entry(path.to_owned()).or_default().owner = Some(vm);
                    return Ok(Loaded::Claimed(Claim { modules: self, path }));
                }
            }
            if state.would_wait_for_itself(path, vm) {
                return Err(ShareError::Cycle { name: path.display().to_string() });
            }
            state.waiting.insert(vm, path.to_owned());
            self.settled.wait(&mut state);
            state.waiting.remove(&vm);
        }
    }

    /// How many results were ever replaced.
    pub(crate) fn retirements(&self) -> u64 {
        self.retired.load(Ordering::Relaxed)
    }

    /// Figures of all results, in the order of the paths.
    pub fn stats(&self) -> Vec<TableStats> {
        let state = self.state.lock();
        let ready =
            state.modules.iter().filter_map(|(path, slot)| Some((path, slot.ready.as_ref()?)));
        let mut stats: Vec<TableStats> = ready
            .map(|(path, module)| {
                let name = path.display().to_string();
                TableStats::of(&name, module.version.unwrap_or(0), &module.image)
            })
            .collect();
        drop(state);
        stats.sort_by(|a, b| a.name.cmp(&b.name));
        stats
    }
}

impl Module {
    fn is_of(&self, version: Option<u64>) -> bool {
        version.is_some() && self.version == version
    }
}

impl State {
    /// True if whoever runs the module waits, directly or not, for this VM.
    fn would_wait_for_itself(&self, path: &Path, vm: u64) -> bool {
        let mut path = path;
        // Each step leads to another VM that waits, and there are no more than these.
        for _ in 0..=self.waiting.len() {
            match self.modules.get(path).and_then(|slot| slot.owner) {
                Some(owner) if owner == vm => return true,
                Some(owner) => match self.waiting.get(&owner) {
                    Some(next) => path = next,
                    None => return false,
                },
                None => return false,
            }
        }
        true
    }
}

impl Claim<'_> {
    /// The module has been run: its result takes the place of the previous one.
    pub fn settle(self, module: Module) -> Arc<Module> {
        let module = Arc::new(module);
        let mut state = self.modules.state.lock();
        let slot = state.modules.entry(self.path.to_owned()).or_default();
        let previous = slot.ready.replace(module.clone());
        drop(state);
        if let Some(previous) = previous {
            previous.image.retire();
            drop(previous);
            self.modules.retired.fetch_add(1, Ordering::Relaxed);
        }
        module
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.modules.state.lock();
        if let Some(slot) = state.modules.get_mut(self.path) {
            slot.owner = None;
            if slot.ready.is_none() {
                state.modules.remove(self.path);
            }
        }
        drop(state);
        self.modules.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_that_asks_for_what_it_is_running_is_refused() {
        let modules = SharedModules::default();
        let path = Path::new("/a.lua");
        let claim = modules.fetch(path, Some(1), 7).unwrap();
        assert!(matches!(modules.fetch(path, Some(1), 7), Err(ShareError::Cycle { .. })));
        drop(claim);
        assert!(matches!(modules.fetch(path, Some(1), 8), Ok(Loaded::Claimed(_))));
    }

    #[test]
    fn two_vms_that_need_what_the_other_runs_do_not_wait_for_each_other() {
        let modules = SharedModules::default();
        let (a, b) = (Path::new("/a.lua"), Path::new("/b.lua"));
        std::thread::scope(|scope| {
            let first = modules.fetch(a, None, 1).unwrap();
            let second = modules.fetch(b, None, 2).unwrap();
            let waits = scope.spawn(|| {
                let waited = modules.fetch(b, None, 1).is_ok();
                drop(first);
                waited
            });
            while modules.state.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            assert!(matches!(modules.fetch(a, None, 2), Err(ShareError::Cycle { .. })));
            drop(second);
            assert!(waits.join().unwrap());
        });
    }
}
