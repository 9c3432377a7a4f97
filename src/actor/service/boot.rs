//! Making the VM of a service: libraries, paths, limits, and what it asks of the host.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::Arc;

use super::plan::Plan;
use super::{Leaving, Service};
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::core::Core;
use crate::actor::host::view::REPORT;
use crate::actor::limits::START_GROWTH_BYTES;
use crate::actor::message::Message;
use crate::actor::state::State;
use crate::vm::{Hooks, Stack, Vm};

/// What the error of an interrupted turn says.
const INTERRUPTED: &CStr =
    c"interrupted: this code ran longer than the turn limit (see --turn-limit)";

/// The same of a service that was killed, all of whose code is interrupted.
const KILLED: &str = "not run: the service was killed";

/// What the VM of a service asks of the host.
struct ServiceHooks {
    service: Arc<Service>,
    core: Arc<Core>,
}

impl Hooks for ServiceHooks {
    fn warn(&self, message: &str) {
        let service = &self.service;
        let mut message = Cow::Borrowed(message);
        if service.is_killed() {
            message = message.replace(&*INTERRUPTED.to_string_lossy(), KILLED).into();
        }
        tracing::warn!(service = service.name(), address = service.log_address(), "{message}");
    }

    fn exit(&self, code: i32, _close: bool) {
        self.core.warden.request_shutdown(code);
        // The VM raises errors from now on, whatever it runs: nothing of it can go on.
        self.service.figures.leave(Leaving::Killed);
        self.service.control(Message::Kill(Box::new(End::Exited(Some("os.exit".to_owned())))));
    }

    fn told(&self, place: &str) {
        let service = &self.service;
        tracing::info!(
            target: REPORT,
            service = service.name(),
            address = service.log_address(),
            "it runs here:{place}"
        );
    }

    fn native_panicked(&self, message: &str) {
        let service = &self.service;
        tracing::error!(
            service = service.name(),
            address = service.log_address(),
            "a native function panicked: {message}"
        );
    }
}

/// Makes the VM that will run `plan`.
///
/// # Errors
/// `memory` when there is none for it.
pub(super) fn make_vm(service: &Arc<Service>, plan: Box<Plan>) -> Result<Vm, Fault> {
    let core = service.core();
    let settings = &core.settings;
    let memory_limit = plan.memory_limit_bytes.or(settings.memory_limit_bytes);
    let cache_mode = plan.cache_mode.unwrap_or(settings.cache_mode);
    let mut builder = Vm::builder()
        .hooks(ServiceHooks { service: service.clone(), core: core.clone() })
        .data(State::new(service.clone(), core.clone(), plan))
        .code(core.code.clone(), cache_mode)
        .compat_54(settings.compat_54)
        .interrupt_message(INTERRUPTED);
    if let Some(limit) = memory_limit {
        builder = builder.memory_limit_bytes(limit);
    }
    let mut vm = builder.build().map_err(|error| {
        Fault::new(Code::Memory, format!("cannot start service {}: {error}", service.label()))
    })?;
    let mut stack = vm.stack();
    // Nothing of what comes now is garbage; the service settles once its file has run.
    stack.grow(START_GROWTH_BYTES);
    furnish(&mut stack, core);
    drop(stack);
    Ok(vm)
}

/// Sets the module path, makes the host's modules known to `require`, and runs the preludes.
fn furnish(stack: &mut Stack<'_>, core: &Core) {
    stack.push_globals();
    stack.raw_get_field(-1, "package");
    if !core.module_path.is_empty() {
        stack.raw_get_field(-1, "path");
        let stock = stack.text(-1);
        stack.pop(1);
        stack.push_str(&format!("{};{stock}", core.module_path));
        stack.raw_set_field(-2, "path");
    }
    if !core.settings.c_module_patterns.is_empty() {
        stack.raw_get_field(-1, "cpath");
        let stock = stack.text(-1);
        stack.pop(1);
        stack.push_str(&format!("{};{stock}", core.settings.c_module_patterns.join(";")));
        stack.raw_set_field(-2, "cpath");
    }
    stack.raw_get_field(-1, "preload");
    for (name, open) in &core.settings.modules {
        stack.push_native(*open);
        stack.raw_set_field(-2, name);
    }
    let top = stack.top();
    for prelude in &core.settings.preludes {
        prelude(stack);
        stack.set_top(top);
    }
}
