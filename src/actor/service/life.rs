//! What only the turns of a service touch: its VM, or, before its first turn, the plan for it.

use std::sync::Arc;

use moonhive_kernel::mailbox::Batch;
use moonhive_kernel::scheduler::WorkerContext;

use super::Service;
use super::boot;
use super::exit::{bury, bury_vm};
use super::plan::Plan;
use super::tidy;
use crate::actor::end::End;
use crate::actor::fault::{Code, Fault};
use crate::actor::host::core::Core;
use crate::actor::host::outside::Outside;
use crate::actor::host::worker;
use crate::actor::message::Message;
use crate::actor::state::State;
use crate::actor::turn::parting::Parcel;
use crate::actor::turn::{Over, Progress, Turn};
use crate::vm::Vm;

/// The private part of a service.
pub(crate) struct Life {
    batch: Batch<Message>,
    stage: Stage,
}

enum Stage {
    /// Not born yet: its first turn makes the VM, on whichever worker that is.
    Planned(Box<Plan>),
    Born(Vm),
    /// The service that stands for the host's Rust side.
    Outside(Outside),
    /// The VM could not be made.
    Stillborn,
}

impl Life {
    pub(crate) fn planned(plan: Plan) -> Life {
        Life { batch: Batch::default(), stage: Stage::Planned(Box::new(plan)) }
    }

    pub(crate) fn outside(outside: Outside) -> Life {
        Life { batch: Batch::default(), stage: Stage::Outside(outside) }
    }

    /// One turn. `first` was handed over to it.
    pub(crate) fn turn(
        &mut self,
        service: &Arc<Service>,
        first: Option<Parcel>,
        context: &WorkerContext<'_, Core>,
    ) -> Progress {
        if let Stage::Born(vm) = &mut self.stage {
            return turn_of_vm(vm, &mut self.batch, service, first, context);
        }
        if let Some(first) = first {
            service.deposit(first);
        }
        self.other_turn(service, context)
    }

    /// A turn that is not that of a VM, or its first.
    #[cold]
    fn other_turn(
        &mut self,
        service: &Arc<Service>,
        context: &WorkerContext<'_, Core>,
    ) -> Progress {
        if let Stage::Planned(_) = self.stage
            && let Err(over) = self.give_birth(service)
        {
            return over;
        }
        match &mut self.stage {
            Stage::Born(vm) => turn_of_vm(vm, &mut self.batch, service, None, context),
            Stage::Outside(outside) => outside.turn(service, &mut self.batch),
            Stage::Planned(_) | Stage::Stillborn => Progress::Idle,
        }
    }

    fn give_birth(&mut self, service: &Arc<Service>) -> Result<(), Progress> {
        let Stage::Planned(plan) = std::mem::replace(&mut self.stage, Stage::Stillborn) else {
            return Ok(());
        };
        match boot::make_vm(service, plan) {
            Ok(vm) => {
                self.stage = Stage::Born(vm);
                Ok(())
            }
            Err(fault) => Err(Progress::Over(Over::new(End::Failed(fault), true))),
        }
    }

    /// The end: everybody is told, and the memory is freed.
    pub(crate) fn end(self, service: &Arc<Service>, end: End, at_once: bool) {
        let Life { mut batch, stage } = self;
        match stage {
            Stage::Born(vm) => bury_vm(service, vm, &mut batch, end, at_once),
            _ => {
                let obituary = bury(service, &mut batch, end, 0);
                service.core().note_gone(service, &obituary);
            }
        }
    }
}

fn turn_of_vm(
    vm: &mut Vm,
    batch: &mut Batch<Message>,
    service: &Arc<Service>,
    first: Option<Parcel>,
    context: &WorkerContext<'_, Core>,
) -> Progress {
    let progress = worker::with_vm(vm, |stack| {
        let Some(state) = stack.data::<State>() else {
            let end = End::Failed(Fault::new(Code::Error, "the VM has lost its service"));
            return Progress::Over(Over::new(end, true));
        };
        let mut progress = Turn::new(stack, state, batch, context).run(first);
        if matches!(progress, Progress::Idle) && tidy::is_untidy(stack) {
            progress = tidy::tidy(stack, state);
        }
        let (tasks, ticks) = (state.tasks.borrow().len(), state.profile.borrow().total());
        let used_bytes = stack.used_bytes();
        service.figures.publish(used_bytes, tasks, ticks);
        state.look_at_memory(used_bytes);
        match &progress {
            // The end may last: what the turn was about to hand over is for everybody.
            Progress::Over(_) => state.stay(),
            _ => state.leave_turn(context),
        }
        progress
    });
    if matches!(progress, Progress::Idle) && vm.has_census_news() {
        answer_census(vm, service);
    }
    progress
}

/// Tells which unused shared strings the VM holds, if the process wants to know, and has those
/// asked that sleep.
#[cold]
fn answer_census(vm: &mut Vm, service: &Arc<Service>) {
    if vm.wants_census() {
        vm.census();
    }
    if let Some(epoch) = Vm::census_epoch() {
        service.core().warden.hear_of_census(epoch);
    }
}
