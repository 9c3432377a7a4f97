//! VMs, scripts and files of a test.

use std::path::PathBuf;
use std::sync::Arc;

use moonhive::code::{CodeCache, Mode};
use moonhive::vm::{LoadMode, Vm};

/// A VM over this cache, with the modules of the host.
pub fn vm_over(cache: &Arc<CodeCache>) -> Vm {
    let mut vm = Vm::builder().code(cache.clone(), Mode::On).build().unwrap();
    moonhive::api::modules::furnish(&mut vm.stack());
    vm
}

/// The one result of a script, as text; its error, as the message.
pub fn run(vm: &mut Vm, script: &str) -> Result<String, String> {
    let mut stack = vm.stack();
    stack.load(script.as_bytes(), "=script", LoadMode::Text).map_err(|error| error.message)?;
    stack.call(0, 1).map_err(|error| error.message)?;
    Ok(stack.text(-1))
}

/// The one result of a script that succeeds.
#[track_caller]
pub fn eval(vm: &mut Vm, script: &str) -> String {
    run(vm, script).unwrap_or_else(|error| panic!("{error}\nin {script}"))
}

/// A folder that goes away with the test.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file at once, so that a reader sees the old content or the new one.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let (draft, path) = (self.path("draft"), self.path(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&draft, content).unwrap();
        std::fs::rename(&draft, &path).unwrap();
        path
    }
}
